"""The HTML report of a run: pictures, and every picture as a table; one file, no scripts, no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from qcrs.report import charts
from qcrs.report.summary import Summary
from qcrs.types import credits_text

__all__ = ["STYLE", "as_table", "page", "table", "write"]

STYLE = """
body{font:15px/1.5 system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif;color:#22262b;max-width:1000px;
margin:2em auto;padding:0 1em}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}svg{max-width:100%;height:auto}
table{border-collapse:collapse;font-size:12.5px;margin:.5em 0}
td,th{padding:.25em .6em;border-bottom:1px solid #e4e7eb;
text-align:left}td.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.85em}
.ok{color:#009e73;font-weight:600}.bad{color:#d55e00;font-weight:600}summary{cursor:pointer;color:#5b6470}
.scroll{overflow-x:auto}
"""


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table; integers to the right, everything escaped."""
    head = "".join(f"<th>{escape(h)}</th>" for h in headers)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="n">{cell:,}</td>' if isinstance(cell, int) else f"<td>{escape(str(cell))}</td>"
            for cell in row
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def as_table(shown: str) -> str:
    """A table that is folded until asked for."""
    return f"<details><summary>as a table</summary>{shown}</details>"


def _ppm(value: int | None) -> str:
    return "–" if value is None else f"{value / 1e6:.3f}"


def page(run: Summary, *, governance: str = "", network: str = "") -> str:
    """The whole report as HTML text; pictures of the bodies and of the entangled network are given as SVG."""
    checks = "".join(
        f'<li><span class="{"ok" if holds else "bad"}">{"✓" if holds else "✗"}</span> {escape(claim)}'
        f"{': ' + escape(figures) if figures else ''}</li>"
        for claim, holds, figures in run.checks
    )
    processors = table(
        [
            "id",
            "name",
            "qubits",
            "quality",
            "error per layered gate",
            "readout error",
            "log2 QV",
            "GHZ",
            "layers/s",
            "reputation",
            "bond (credits)",
            "slashed",
            "earned",
            "note",
        ],
        [
            (
                p.id,
                p.name,
                p.qubits,
                p.quality,
                f"{p.error_per_layered_gate_nano * 1e-9:.2e}",
                f"{p.readout_error_nano * 1e-9:.2e}",
                p.log2_quantum_volume,
                p.ghz_width,
                p.layers_per_second,
                f"{p.reputation_ppm / 1e4:.1f} %",
                credits_text(p.bond),
                credits_text(p.slashed),
                credits_text(p.earned),
                p.note,
            )
            for p in run.processors
        ],
    )
    jobs = table(
        [
            "job",
            "circuit",
            "qubits",
            "shots",
            "status",
            "verdict",
            "score",
            "executions",
            "fee paid (credits)",
            "refunded",
            "gas",
        ],
        [
            (
                str(j.id),
                j.name,
                j.qubits,
                j.shots,
                j.status,
                j.verdict,
                _ppm(j.score_ppm),
                ", ".join(f"{e.processor_name}: {e.outcome}" for e in j.executions),
                credits_text(j.fee_paid),
                credits_text(j.fee_refunded),
                j.gas,
            )
            for j in run.jobs
        ],
    )
    verdicts = table(
        ["circuit", "execution", "processor", "outcome", "score", "interval", "threshold", "decided by"],
        [
            (
                j.name,
                e.index,
                e.processor_name,
                e.outcome,
                _ppm(e.score_ppm),
                " to ".join(map(_ppm, e.interval_ppm)) if e.interval_ppm else "–",
                _ppm(e.threshold_ppm),
                e.decided_by,
            )
            for j in run.jobs
            for e in j.executions
        ],
    )
    money = table(
        ["from", "to", "why", "credits"],
        [(f.source, f.target, f.kind, credits_text(f.amount)) for f in run.flows],
    )
    trails = table(
        ["job", "trail", "job document", "evidence"],
        [(str(j.id), j.trail, j.payload, " ".join(j.evidence)) for j in run.jobs],
    )
    return "\n".join(
        [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(run.title)}</title>',
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>',
            f"<h1>{escape(run.title)}</h1>",
            f"<p>{len(run.jobs)} jobs on {len(run.processors)} processors in {run.seconds:.0f} s, "
            f"chain {run.chain_id}, {run.gas:,} gas.</p><ul>{checks}</ul>",
            "<h2>Processors</h2>",
            charts.processors(run),
            as_table(processors),
            "<h2>Queue and timeline</h2>",
            charts.timeline(run),
            as_table(jobs),
            "<h2>Verdicts</h2>",
            charts.verdicts(run),
            as_table(verdicts),
            *_entangled(run, network),
            "<h2>Money</h2>",
            charts.money(run),
            as_table(money),
            *(["<h2>Governance</h2>", governance] if governance else []),
            "<h2>Trails</h2><p>Check any of them with <code>qcrs verify JOB</code>.</p>",
            as_table(trails),
            "</html>\n",
        ]
    )


def _entangled(run: Summary, network: str) -> list[str]:
    """The section on what several processors computed together."""
    one = run.entangled
    if one is None:
        return []
    rows = [
        ("session", one.session),
        ("members", " and ".join(one.members)),
        ("channel", one.channel),
        ("pairs a shot", one.pairs_per_shot),
        ("pairs of all shots", one.pairs),
        ("test rounds", one.test_rounds),
        ("error rate on X and Z", f"{one.qber_x_ppm / 1e4:.2f} %, {one.qber_z_ppm / 1e4:.2f} %"),
        ("fidelity attested by both ends", _ppm(one.fidelity_ppm)),
        ("paid for the pairs (credits)", credits_text(one.paid)),
    ]
    claims = "".join(f'<li><span class="ok">✓</span> {escape(words)}</li>' for words in one.holds)
    wrong = "".join(f'<li><span class="bad">✗</span> {escape(words)}</li>' for words in one.problems)
    return [
        f"<h2>Computed together</h2><p>Job {one.job} on entangled processors; check it with "
        f"<code>qcrs session check {one.session}</code>.</p>",
        network,
        table(["what", "value"], rows),
        f"<details><summary>held against chain and store</summary><ul>{wrong}{claims}</ul></details>",
    ]


def write(run: Summary, folder: Path, **given: str) -> Path:
    """Write `report.html` and its pictures, own and `given`, into a folder; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in given.items():
        (folder / f"{name}.svg").write_text(picture, encoding="utf-8")
    for name in charts.__all__:
        (folder / f"{name}.svg").write_text(getattr(charts, name)(run), encoding="utf-8")
    path = folder / "report.html"
    path.write_text(page(run, **given), encoding="utf-8")
    return path
