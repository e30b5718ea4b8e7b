"""`qcrs bench seam | blind | together`: figures of one computation on several processors."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from qcrs.cli.output import emit, say, table

__all__ = ["blind", "seam"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
Quick = Annotated[bool, typer.Option(help="Minutes instead of most of an hour.")]
Page = Annotated[Path | None, typer.Option(help="Write the table into this page too, between its marks.")]


def seam(
    quick: Quick = False,
    out: Annotated[Path, typer.Option(help="Folder for the samples, the report and its picture.")] = Path(
        "bench-seam"
    ),
    resume: Annotated[bool, typer.Option(help="Go on with the samples in that folder.")] = False,
    page: Page = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: as many as cores.")] = 0,
    as_json: Json = False,
) -> None:
    """Surface code across a link: suppression, crossings, shots per second."""
    from dataclasses import replace

    from qcrs.distributed.bench.page import write_between
    from qcrs.distributed.bench.seam import campaign, speeds, sweep
    from qcrs.distributed.bench.tables import seam_table
    from qcrs.errors import ConfigError
    from qcrs.report.together import seam_curves

    out.mkdir(parents=True, exist_ok=True)
    samples = out / "samples.csv"
    if samples.exists() and not resume:
        raise ConfigError(
            "this folder has samples of an earlier campaign",
            field="out",
            value=str(samples),
            solution="go on with --resume, or choose another folder",
        )
    seams = sweep(quick=quick)
    say(f"• {len(seams)} memories")
    found = campaign(
        seams,
        failures=600 if quick else 4000,
        shots=400_000 if quick else 8_000_000,
        resume=samples,
        workers=workers or os.cpu_count() or 1,
        progress=lambda line: say(f"• {line}"),
    )
    say("• speed")
    found = replace(found, speed=speeds((3, 5, 7)))
    text = seam_table(found)
    (out / "seam.md").write_text(text + "\n", encoding="utf-8")
    (out / "seam.svg").write_text(seam_curves(found), encoding="utf-8")
    (out / "seam.json").write_text(json.dumps(found.as_json(), indent=1), encoding="utf-8")
    if page is not None:
        write_between(page, "seam", text)
    goals = found.goals()
    emit(
        found.as_json(),
        as_json=as_json,
        human="\n".join([text, "", *(goal.text() for goal in goals), "", f"picture: {out / 'seam.svg'}"]),
    )
    raise typer.Exit(0 if all(goal.met for goal in goals) else 1)


def blind(
    shots: Annotated[int, typer.Option(min=50, help="Computing rounds of each program.")] = 2000,
    tests: Annotated[int, typer.Option(min=10, help="Test rounds for each server.")] = 300,
    fidelity: Annotated[float, typer.Option(min=0.25, max=1, help="Of the pairs that carry qubits.")] = 0.998,
    as_json: Json = False,
) -> None:
    """Blind computing: right results, a view that says nothing, cheats that fail tests."""
    from qcrs.distributed.bench.blind import study

    found = study(shots, tests, fidelity, say=lambda text: say(f"• {text}"))
    rows = [(r.name, r.wires, r.qubits, f"{r.distance:.4f}", f"{r.expected:.4f}") for r in found.programs]
    servers = [(s.name, f"{s.failed}/{s.tests}", f"{s.chi:.1f}") for s in found.servers]
    goals = found.goals()
    text = [
        table(rows, ("program", "wires", "qubits", "distance to exact", "of sampling alone")),
        "",
        table(servers, ("server", "failed tests", "χ² of angles (7)")),
        "",
        *(goal.text() for goal in goals),
    ]
    emit(found.as_json(), as_json=as_json, human="\n".join(text))
    raise typer.Exit(0 if all(goal.met for goal in goals) else 1)
