"""The tables of a bench as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qcrs.distributed.bench.seam import KINDS, LOW, Campaign

__all__ = ["markdown", "seam_table"]

KIND = {"seam": "links ten times worse", "whole": "no seam"}


def markdown(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(headers) + " |", "|" + "---|" * len(headers)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def seam_table(found: Campaign) -> str:
    """Error per round at p = 0.2 %, crossings, speed."""
    distances = found.distances
    rows = []
    for kind in KINDS:
        for basis in ("z", "x"):
            rates = [f"{found.at(kind, d, LOW, basis).per_round():.2e}" for d in distances]
            steps = [f"{value:.2f}" for _, value in found.suppression(kind, basis)]
            rows.append((KIND[kind], basis, *rates, ", ".join(steps)))
    parts = [
        f"Logical error per round at p = {100 * LOW:g} %, by distance; Λ of each step of distance by two:",
        "",
        markdown(("", "basis", *(f"d = {d}" for d in distances), "Λ"), rows),
        "",
        "Crossings of the error of d rounds (Z memory):",
        "",
        markdown(
            ("", "distances", "p (%)", "95 %"),
            [
                (
                    KIND[kind],
                    f"{c.distances[0]}, {c.distances[1]}",
                    f"{100 * c.p:.3f}",
                    f"{100 * c.low:.3f} to {100 * c.high:.3f}",
                )
                for kind in KINDS
                for c in found.crossings(kind)
            ],
        ),
    ]
    if found.speed:
        speed = ", ".join(f"{rate:,.0f} at d = {d}" for d, rate in found.speed.items())
        parts += ["", f"Shots per second of one core, sampled and decoded (d rounds): {speed}."]
    return "\n".join(parts)
