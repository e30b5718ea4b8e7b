"""`qcrs qnp app teleport`: states from a circuit's head to its tail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcrs.cli.options import Json, Seed, TopologyFile
from qcrs.cli.output import slowly, table
from qcrs.cli.qnp_apps.application import (
    Circuit,
    Out,
    Outcome,
    Purify,
    circuit_of,
    load,
    purification,
    start,
    tell,
)

if TYPE_CHECKING:
    from qcrs.qnp.drivers.apps.teleport import Teleported

__all__ = ["register", "teleport"]


def register(apps: typer.Typer) -> None:
    """Add the command."""
    apps.command()(teleport)


def teleport(
    topology: TopologyFile,
    circuit: Circuit = None,
    states: Annotated[int, typer.Option(min=1, help="How many, the six axes in turn.")] = 60,
    purify: Purify = "none",
    backend: Annotated[str, typer.Option("--backend", help="belldiag, dm or qiskit.")] = "belldiag",
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Teleport states from a circuit's head to its tail; compare with the closed form of each pair."""
    from qcrs.qnp.apps.teleport import STATES
    from qcrs.qnp.drivers.apps.teleport import TeleportRun

    plan = load(topology)
    network = start(plan, seed, backend)
    name = circuit_of(plan, circuit)
    axes = list(STATES.values())
    run = TeleportRun(
        network,
        name,
        [axes[i % len(axes)] for i in range(states)],
        purify=purification(purify),
        progress=slowly(lambda n: f"{n} of {states} states have arrived"),
    )
    done = run.run()
    reason = network.requests[run.request].reason.words
    tell(_outcome(name, done, states, reason), out, as_json=as_json)


def _outcome(circuit: str, done: list[Teleported], states: int, reason: str) -> Outcome:
    from qcrs.qnp.apps.teleport import STATES, average_fidelity

    rows = []
    for label, vector in STATES.items():
        found = [one for one in done if one.vector == vector]
        if found:
            mean = [sum(getattr(o, f) for o in found) / len(found) for f in ("fidelity", "predicted")]
            rows.append((label, len(found), f"{mean[0]:.6f}", f"{mean[1]:.6f}"))
    count = max(1, len(done))
    pair = sum(one.pair_fidelity for one in done) / count
    value: dict[str, Any] = {
        "circuit": circuit,
        "states": len(done),
        "mean_fidelity": sum(one.fidelity for one in done) / count if done else None,
        "mean_pair_fidelity": pair if done else None,
        "largest_difference": max((abs(o.fidelity - o.predicted) for o in done), default=None),
        "reason": reason,
    }
    lines = [table(rows, ("state", "times", "fidelity", "closed form")), ""]
    if done:
        lines.append(
            f"pairs of mean fidelity {pair:.4f}; ideal gates and no further waiting would give "
            f"{average_fidelity(pair):.4f} on average, and {value['mean_fidelity']:.4f} arrived"
        )

    def page(folder: Path) -> Path:
        from qcrs.report.qnp_apps import write_teleport

        return write_teleport(done, folder)

    return Outcome(value, lines, len(done) >= states, page if done else None, reason)
