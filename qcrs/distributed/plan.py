"""A plan: how a circuit is shared among processors, and what that costs before anybody pays for it.

Many cheap seeds, annealing of the best few, and the schedule as the judge: with few communication qubits the
sharing of fewest hyperedge cuts is not always that of fewest pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qiskit import QuantumCircuit

from qcrs.distributed.network import Network
from qcrs.distributed.normal_form import NormalForm, normal_form
from qcrs.distributed.refine import refine
from qcrs.distributed.schedule import Schedule, schedule
from qcrs.distributed.seed import seeds
from qcrs.distributed.sharing import Sharing

__all__ = ["Effort", "Plan", "plan"]


HEATS = (0.45, 1.2)
"""First temperatures, in turn: cool chains mend a good partition, hot ones leave it."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to look: partitions tried, how many of them are annealed, and moves of each."""

    tries: int = 40
    kept: int = 4
    moves: int = 120_000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """A circuit's normal form with who holds and runs what, and the acts that follow from it."""

    form: NormalForm
    network: Network
    sharing: Sharing
    schedule: Schedule

    @property
    def pairs(self) -> int:
        """Entangled pairs that one shot takes."""
        return self.schedule.total


def plan(
    circuit: QuantumCircuit,
    network: Network,
    effort: Effort | None = None,
    progress: Callable[[float], None] | None = None,
) -> Plan:
    """The cheapest plan found; the same for the same arguments.

    `progress` gets the share of the work that is done. Raises `InputError` where the circuit does not fit and
    `CircuitError` where it cannot be shared.
    """
    effort = effort or Effort()
    form = normal_form(circuit)
    first = seeds(form, network, effort.tries)
    best = Plan(form, network, first[0], schedule(form, network, first[0]))
    chosen = first[: effort.kept]
    for number, start in enumerate(chosen):

        def report(share: float, number: int = number) -> None:
            if progress is not None:
                progress((number + share) / len(chosen))

        found = refine(
            form,
            network,
            start,
            moves=effort.moves,
            hot=HEATS[number % len(HEATS)],
            seed=effort.seed + number,
            progress=report,
        )
        for sharing in (start, found):
            made = schedule(form, network, sharing)
            if made.total < best.pairs:
                best = Plan(form, network, sharing, made)
    if progress is not None:
        progress(1.0)
    return best
