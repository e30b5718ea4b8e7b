"""`qcrs qnp app purify`: pairs made of two, what they cost and what they bring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcrs.cli.options import Json, Seed, TopologyFile
from qcrs.cli.output import slowly
from qcrs.cli.qnp_apps.application import (
    Circuit,
    Out,
    Outcome,
    circuit_of,
    load,
    percent,
    purification,
    start,
    tell,
)

if TYPE_CHECKING:
    from qcrs.qnp import CircuitStats, Network, Topology

__all__ = ["purify", "register"]


def register(apps: typer.Typer) -> None:
    """Add the command."""
    apps.command()(purify)


def purify(
    topology: TopologyFile,
    circuit: Circuit = None,
    pairs: Annotated[int, typer.Option(min=1, help="Purified pairs to ask for.")] = 1000,
    method: Annotated[str, typer.Option(help="bbpssw or dejmps.")] = "dejmps",
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Make each pair of a circuit from two; tell what it costs and what it brings."""
    from qcrs.errors import ConfigError

    number = purification(method)
    if not number:
        raise ConfigError("a method is needed", field="method", value=method, solution="bbpssw or dejmps")
    plan = load(topology)
    name = circuit_of(plan, circuit)
    _, _, plain = _served(plan, seed, name, pairs, 0)
    network, reason, better = _served(plan, seed, name, pairs, number)
    share = better.delivered / network.purifications if network.purifications else None
    before, after = plain.interval(), better.interval()
    value = {
        "circuit": name,
        "method": method,
        "pairs": better.delivered,
        "rounds": network.purifications,
        "success": share,
        "fidelity_before": before,
        "fidelity_after": after,
        "seconds": network.now / 1e9,
        "reason": reason,
    }
    lines = [
        f"{better.delivered} pairs from {network.purifications} rounds of {method} "
        f"({percent(share, 1)} succeeded) in {network.now / 1e9:.3f} simulated seconds",
    ]
    if before is None or after is None:
        tell(Outcome(value, lines, better.delivered >= pairs, reason=reason), out, as_json=as_json)
        return

    def page(folder: Path) -> Path:
        from qcrs.report.qnp_apps import write_purify

        return write_purify(number, method, before[0], after[0], share or 0.0, folder)

    lines += _compared(before, after, number)
    tell(Outcome(value, lines, better.delivered >= pairs, page, reason), out, as_json=as_json)


def _served(
    topology: Topology, seed: int, circuit: str, pairs: int, way: int
) -> tuple[Network, str, CircuitStats]:
    """A network that served one request to its end: what held it up, and the circuit's figures."""
    network = start(topology, seed)
    request = network.request(circuit, number=pairs, purify=way)
    tick = slowly(lambda n: f"{n:,} of {pairs:,} pairs")
    while network.run(max_events=20_000):
        tick(network.delivered)
    stats = [network.stats[n] for n, p in network.plans.items() if p.spec.name == circuit]
    return network, network.requests[request].reason.words, max(stats, key=lambda s: s.delivered)


def _compared(before: tuple[float, float], after: tuple[float, float], method: int) -> list[str]:
    """Fidelities (mean, standard error) without and with purification, beside the closed form."""
    from qcrs.qnp import BellPair
    from qcrs.qnp.physical.purification import purified

    closed = purified(BellPair.werner(before[0]), BellPair.werner(before[0]), method)
    return [
        f"fidelity {before[0]:.4f} ± {before[1]:.4f} without, {after[0]:.4f} ± {after[1]:.4f} with it",
        f"two Werner pairs of {before[0]:.4f} would give {closed.pair.fidelity:.4f} "
        f"in {percent(closed.success, 1)} of rounds; waiting and memories make the rest",
    ]
