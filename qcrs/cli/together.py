"""`qcrs bench seam | blind | together`: figures of one computation on several processors."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from qcrs.cli.options import Json
from qcrs.cli.output import emit, say, table

__all__ = ["blind", "seam", "together"]

Quick = Annotated[bool, typer.Option(help="Fewer points: a minute or two instead of about ten.")]
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


def together(
    seed: Annotated[int, typer.Option(min=0, help="Of random graphs, angles and gates.")] = 1,
    parts: Annotated[list[int] | None, typer.Option(help="Numbers of processors.")] = None,
    quick: Quick = False,
    peer: Annotated[bool, typer.Option(help="Run memq-dqc too, in an environment of its own.")] = True,
    curves: Annotated[bool, typer.Option(help="Also plan with 2, 3, 6 and 8 communication qubits.")] = True,
    out: Annotated[Path, typer.Option(help="Folder for finished rows, the table and its picture.")] = Path(
        "bench-together"
    ),
    page: Page = None,
    as_json: Json = False,
) -> None:
    """Pairs that planners need for the same circuits; goes on where an earlier run in the folder ended."""
    from dataclasses import asdict

    from qcrs.distributed.bench.page import write_between
    from qcrs.distributed.bench.peers import peer_python
    from qcrs.distributed.bench.planners import goals, limit_curves, planners_table, run_rows, tasks
    from qcrs.report.together import pairs_by_limit

    def told(text: str) -> None:
        say(f"• {text}")

    out.mkdir(parents=True, exist_ok=True)
    python = peer_python(told) if peer else None
    name = f"rows-{seed}{'-quick' if quick else ''}{'' if peer else '-alone'}.jsonl"
    asked = tasks(seed, parts or [2, 4], quick=quick)
    rows = run_rows(asked, out / name, peer=python, quick=quick, curves=curves, say=told)
    text, met = planners_table(rows), goals(rows)
    (out / "together.md").write_text(text + "\n", encoding="utf-8")
    human = [text, "", *(goal.text() for goal in met)]
    drawn = limit_curves(rows)
    if drawn:
        title, across = "Pairs on four processors", "communication qubits of each processor"
        (out / "together.svg").write_text(pairs_by_limit(drawn, title, across), encoding="utf-8")
        human += ["", f"picture: {out / 'together.svg'}"]
    if page is not None:
        write_between(page, "planners", text)
    value = {"rows": [asdict(row) for row in rows], "goals": [goal.as_json() for goal in met]}
    emit(value, as_json=as_json, human="\n".join(human))
    raise typer.Exit(0 if all(goal.met for goal in met) else 1)
