"""`qcrs qnp app ghz`: states that more and more nodes share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcrs.cli.options import Json, Seed, TopologyFile
from qcrs.cli.output import slowly, table
from qcrs.cli.qnp_apps.application import (
    Out,
    Outcome,
    Purify,
    load,
    names_of,
    purification,
    start,
    tell,
)

if TYPE_CHECKING:
    from qcrs.qnp.drivers.apps.ghz import GhzState

__all__ = ["ghz", "register"]


def register(apps: typer.Typer) -> None:
    """Add the command."""
    apps.command()(ghz)


def ghz(
    topology: TopologyFile,
    hub: Annotated[str, typer.Option(help="The node that shares a pair with each other.")],
    nodes: Annotated[str, typer.Option(help="The other nodes, with commas between, or all.")] = "all",
    runs: Annotated[int, typer.Option(min=1, help="States of each size.")] = 5,
    fidelity: Annotated[float, typer.Option(help="Of the pairs to ask for.")] = 0.5,
    deadline: Annotated[str, typer.Option(help="When a state is given up.")] = "10s",
    shots: Annotated[int, typer.Option(min=0, help="Of stim, for comparison; 0 for none.")] = 10_000,
    purify: Purify = "none",
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Make GHZ states of 2, 3, … nodes and show how the fidelity falls with their number."""
    from qcrs.qnp.drivers.apps.ghz import GhzRun
    from qcrs.qnp.topology.units import time_ns

    plan = load(topology, circuits=False)
    others = names_of(nodes, plan, hub)
    limit, way = time_ns(deadline), purification(purify)
    sizes: list[dict[str, Any]] = []
    tick = slowly(lambda n: f"{n} of {len(others) + 1} nodes")
    for size in range(1, len(others) + 1):
        states = [
            GhzRun(
                start(plan, seed + turn), hub, others[:size], fidelity=fidelity, deadline_ns=limit, purify=way
            ).run()
            for turn in range(runs)
        ]
        sizes.append(_summary(size + 1, states, shots, seed))
        tick(size + 1)

    def page(folder: Path) -> Path:
        from qcrs.report.qnp_apps import write_ghz

        return write_ghz(hub, sizes, folder)

    complete = all(size["made"] == size["runs"] for size in sizes)
    tell(Outcome({"hub": hub, "sizes": sizes}, [_table(sizes)], complete, page), out, as_json=as_json)


def _summary(size: int, states: list[GhzState], shots: int, seed: int) -> dict[str, Any]:
    """States of one size: how many came about, their mean fidelity and how long they took."""
    from qcrs.qnp.drivers.apps.ghz import sampled_fidelity

    done = [s for s in states if s.fidelity is not None]
    drawn = [sampled_fidelity(s.members, s.noise, shots, seed)[0] for s in done] if shots else []
    return {
        "size": size,
        "made": len(done),
        "runs": len(states),
        "fidelity": _mean([s.fidelity or 0.0 for s in done]),
        "sampled": _mean(drawn),
        "seconds": _mean([(s.finished_ns - s.started_ns) / 1e9 for s in done]),
        "missing": sorted({name for s in states for name in s.missing}),
    }


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _table(sizes: list[dict[str, Any]]) -> str:
    rows = [
        (
            r["size"],
            f"{r['made']}/{r['runs']}",
            "–" if r["fidelity"] is None else f"{r['fidelity']:.4f}",
            "–" if r["sampled"] is None else f"{r['sampled']:.4f}",
            "–" if r["seconds"] is None else f"{1e3 * r['seconds']:.2f}",
            ", ".join(r["missing"]),
        )
        for r in sizes
    ]
    return table(rows, ("nodes", "made", "fidelity", "stim", "ms", "missing"))
