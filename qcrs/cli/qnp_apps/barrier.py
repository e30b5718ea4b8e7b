"""`qcrs qnp app barrier`: nodes that go on together, or learn who is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qcrs.cli.options import Json, Seed, TopologyFile
from qcrs.cli.output import table
from qcrs.cli.qnp_apps.application import Out, Outcome, load, names_of, start, tell

__all__ = ["barrier", "register"]


def register(apps: typer.Typer) -> None:
    """Add the command."""
    apps.command()(barrier)


def barrier(
    topology: TopologyFile,
    coordinator: Annotated[str, typer.Option(help="The node that counts.")],
    nodes: Annotated[str, typer.Option(help="The other nodes, with commas between, or all.")] = "all",
    deadline: Annotated[str, typer.Option(help="When all have to be ready.")] = "1s",
    pairs: Annotated[int, typer.Option(min=1, help="Pairs with the coordinator that make ready.")] = 1,
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Let nodes go on together once each shares pairs with the coordinator, or name who is missing."""
    from qcrs.qnp.drivers.apps.barrier import BarrierRun
    from qcrs.qnp.topology.units import time_ns

    plan = load(topology, circuits=False)
    network = start(plan, seed)
    others = names_of(nodes, plan, coordinator)
    result = BarrierRun(network, coordinator, others, deadline_ns=time_ns(deadline), pairs=pairs).run()
    rows = [
        (
            name,
            f"{1e3 * result.ready_ns[name] / 1e9:.3f}" if name in result.ready_ns else "–",
            f"{1e3 * at / 1e9:.3f}",
            "goes on" if passed else "aborted",
        )
        for name, (at, passed) in result.ended.items()
    ]
    lines = [
        "all go on" if result.passed else f"✗ {result.reason}",
        "",
        table(rows, ("node", "ready ms", "told ms", "how")),
    ]

    def page(folder: Path) -> Path:
        from qcrs.report.qnp_apps import write_barrier

        return write_barrier(result, folder)

    tell(Outcome(result.as_dict(), lines, result.passed, page), out, as_json=as_json)
