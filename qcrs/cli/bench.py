"""`qcrs bench …`: the figures behind the claims, each measured with its peers in one run."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from qcrs.cli.capability import capability
from qcrs.cli.options import Json
from qcrs.cli.output import counting, emit, say, table
from qcrs.cli.probe import mirror, trap
from qcrs.cli.together import blind, seam, together

__all__ = ["register"]


ENOUGH_JOBS = 10_000
"""Of the simulation of providers: with fewer, chance decides about its goals."""


def register(root: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        rich_markup_mode=None, no_args_is_help=True, help="Measure: fairness, chains, gas, verification."
    )
    group.command()(schedule)
    group.command()(chain)
    group.command()(gas)
    group.command()(capability)
    group.command()(verify)
    group.command()(economics)
    group.command()(trap)
    group.command()(mirror)
    group.command()(seam)
    group.command()(blind)
    group.command()(together)
    root.add_typer(group, name="bench")


def schedule(
    seeds: Annotated[int, typer.Option(min=1, help="Loads to average over.")] = 4,
    jobs: Annotated[int, typer.Option(min=200, help="Jobs of each load.")] = 3000,
    operations: Annotated[
        int, typer.Option(min=0, help="Random operations replayed on the contract; 0 leaves it out.")
    ] = 1000,
    as_json: Json = False,
) -> None:
    """The fair queue against other rules, and the contract against its reference model."""
    from qcrs.scheduling import bench

    found = bench.run(tuple(range(1, seeds + 1)), jobs, progress=lambda name: say(f"• {name}"))
    rows = [
        (
            row.policy,
            f"{row.jain_saturated:.3f}",
            f"{row.jain_flooded:.3f}",
            f"{row.utilisation_saturated:.2f}",
            f"{row.utilisation_flooded:.2f}",
            f"{row.wide_wait_flooded:.0f}",
            f"{row.longest_pause:.0f}",
        )
        for row in found.rows
    ]
    headers = ("rule", "Jain full", "Jain flooded", "use full", "use flooded", "widest wait s", "pause s")
    goals = [
        f"{'✓' if g.met else '✗'} {g.name}: {g.value:.3f} ({'≥' if g.at_least else '≤'} {g.bound})"
        for g in found.goals
    ]
    value = found.as_json()
    if operations:
        from qcrs.chain.queue_replay import replay_on_contract

        say(f"• {operations} random operations on the contract and on the model")
        report = replay_on_contract(operations, progress=say)
        goals.append(f"✓ contract and model agree over {report.operations} operations: {dict(report.done)}")
        value["replay"] = {"operations": report.operations, "done": dict(report.done)}
    emit(value, as_json=as_json, human=table(rows, headers) + "\n\n" + "\n".join(goals))
    raise typer.Exit(0 if all(goal.met for goal in found.goals) else 1)


def chain(
    count: Annotated[int, typer.Option(min=10, help="Repetitions of each call.")] = 100,
    height: Annotated[int, typer.Option(min=100, help="Blocks for the search of logs.")] = 1500,
    as_json: Json = False,
) -> None:
    """Calls per second on the embedded chain, on the stock one it is built from, and on anvil."""
    from qcrs.chain.bench import bench, log_search_seconds

    rates = bench(count, say=say)
    search = log_search_seconds(height, say=say)
    rows = [
        (r.engine, f"{r.transfers_per_s:.0f}", f"{r.submits_per_s:.0f}", f"{r.views_per_s:.0f}")
        for r in rates
    ]
    human = table(rows, ("engine", "transfers/s", "submits/s", "views/s")) + "\n\n"
    human += "\n".join(f"{name}: {value:g}" for name, value in search.items())
    emit({"rates": [r.as_json() for r in rates], "search": search}, as_json=as_json, human=human)


def gas(as_json: Json = False) -> None:
    """The recorded gas of each step against its bound; the tests fail at a rise of 1 %."""
    path = Path(__file__).resolve().parents[2] / "tests" / "gas.json"
    if not path.exists():
        from qcrs.errors import ConfigError

        raise ConfigError(
            "the recorded gas is part of a checkout, not of an installed package",
            field="file",
            value=str(path),
            solution="run this in a clone of the repository",
        )
    recorded = json.loads(path.read_text())
    human = table([(name, f"{value:,}") for name, value in recorded.items()], ("step", "gas"))
    emit(recorded, as_json=as_json, human=human)


def verify(
    quick: Annotated[bool, typer.Option(help="A few minutes instead of an hour or more.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for finished cells, report and pictures.")] = Path(
        "bench-verify"
    ),
    resume: Annotated[bool, typer.Option(help="Go on with the campaign in that folder.")] = False,
    seed: Annotated[
        int, typer.Option(min=0, help="Another one: other circuits, frames and shots; 0 is the page's.")
    ] = 0,
    page: Annotated[
        Path | None, typer.Option(help="Write the report into this page too, between its marks.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: as many as cores.")] = 0,
    as_json: Json = False,
) -> None:
    """False accepts and false rejects of the judge: honest devices and attackers, in one table."""
    import os

    from qcrs.attackers.bench import campaign, report

    if page is not None:
        report.parts(page)  # a page without a place for it is told before the work
    cells = campaign.plan(quick=quick, seed=seed)
    trials = {cell.key: cell.trials * len(cell.attacks) + cell.honest for cell in cells}
    with counting("cells", len(cells)) as tick:
        made, begun = 0, time.monotonic()

        def progress(done: int, _total: int, last: str) -> None:
            nonlocal made
            made += trials.get(last, 0)
            tick(done, f"{made / max(time.monotonic() - begun, 1e-9):.0f} trials/s" if made else "")

        lines = campaign.run(
            cells, out, resume=resume, workers=workers or os.cpu_count() or 1, progress=progress
        )
    head, _lines = campaign.read(out / campaign.CELLS)
    place = report.write(lines, head, out, page)
    goals = [
        f"{'✓' if ok else '✗'} {name}: {value:.4f} ({bound})"
        for name, value, bound, ok in report.goals(lines)
    ]
    emit(report.summary(lines), as_json=as_json, human="\n".join([*goals, "", f"report: {place}"]))


def economics(
    jobs: Annotated[int, typer.Option(min=1000, help="Jobs over all kinds of providers.")] = ENOUGH_JOBS,
    trials: Annotated[
        int, typer.Option(min=1, help="Executions of each cheat and family that are judged.")
    ] = 5,
    bond: Annotated[int, typer.Option(min=0, help="Bond of a provider, in fees.")] = 10,
    fraud: Annotated[int, typer.Option(min=1, max=10, help="What a fraud is slashed, in fees.")] = 10,
    out: Annotated[Path | None, typer.Option(help="Folder for the two pictures.")] = None,
    as_json: Json = False,
) -> None:
    """Whether cheating pays: kinds of providers under the audit rule, detection measured by the judge."""
    from qcrs.attackers.powers import measured_powers
    from qcrs.report.economics import overheads, profits
    from qcrs.verification.economics import Economy, study

    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # a folder that cannot be is told before the work
    powers = measured_powers(trials, progress=lambda family: say(f"• judging cheats on {family} circuits"))
    found = study(Economy(bond, fraud), powers, jobs, progress=lambda name: say(f"• {name}"))
    rows = [
        (
            o.strategy.name,
            f"{o.per_job:+.3f}",
            f"{o.audited / o.jobs:.1%}",
            o.cheated,
            o.rejected,
            o.slashed,
            f"{o.bound_ppm / 1e6:.2f}",
        )
        for o in found.outcomes
    ]
    headers = ("provider", "fees a job", "audited", "cheated", "rejected", "slashed", "reputation")
    parts = [table(rows, headers), "", *(f"detection, {name}: {p.text()}" for name, p in powers.items())]
    parts += [f"additional shots, {name}: {values[-1]:.1%}" for name, values in found.overhead]
    parts += ["", *found.text()]
    if jobs < ENOUGH_JOBS and not found.met:
        parts.append(
            f"· {jobs:,} jobs leave these figures to chance: the goals are for {ENOUGH_JOBS:,} and more"
        )
    if out is not None:
        for name, picture in (
            ("profits", profits(found.outcomes)),
            ("overhead", overheads(found.overhead, found.GOAL)),
        ):
            (out / f"economics-{name}.svg").write_text(picture)
            parts.append(f"picture: {out / f'economics-{name}.svg'}")
    emit(found.as_json(), as_json=as_json, human="\n".join(parts))
    raise typer.Exit(0 if found.met else 1)
