"""The paper's figures as one page of plots with their tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from qcrs.qnp.bench.paper import Table
from qcrs.report.page import STYLE, table
from qcrs.report.qnp import lines_chart

__all__ = ["write_paper"]


def write_paper(tables: Sequence[Table], folder: Path) -> Path:
    """Write `qnp-paper.html` and an SVG for each figure; the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    title = "Entanglement network: the paper's evaluation"
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style><h1>{title}</h1>',
    ]
    for i, one in enumerate(tables, 1):
        svg = lines_chart(one.title, one.curves, one.across, one.up, dots=True)
        (folder / f"qnp-paper-{i}.svg").write_text(svg, encoding="utf-8")
        parts += [f"<h2>{escape(one.title)}</h2>", svg, table(list(one.headers), one.rows)]
    path = folder / "qnp-paper.html"
    path.write_text("\n".join([*parts, "</html>\n"]), encoding="utf-8")
    return path
