"""A plan: how a circuit is shared among processors, and what that costs before anybody pays for it.

Many cheap seeds, annealing of the best few, and the schedule as the judge: with few communication qubits the
sharing of fewest hyperedge cuts is not always that of fewest pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qiskit import QuantumCircuit

from qcrs.distributed.embedding import embedded
from qcrs.distributed.network import Network
from qcrs.distributed.normal_form import NormalForm, normal_form
from qcrs.distributed.refine import refine
from qcrs.distributed.schedule import Schedule, schedule
from qcrs.distributed.seed import seeds
from qcrs.distributed.sharing import Sharing
from qcrs.errors import InputError

__all__ = ["Effort", "Plan", "plan"]


HEATS = (0.45, 1.2)
"""First temperatures, in turn: cool chains mend a good partition, hot ones leave it."""
CROWDING = (0.0, 2.0, 4.0, 1.0, 8.0, 16.0)
"""With few communication qubits: what open copies cost the annealing, in turn."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to look: partitions tried, how many chains are annealed, and moves of each."""

    tries: int = 80
    kept: int = 6
    moves: int = 80_000
    seed: int = 0
    seconds: float = 8.0
    """No chain begins after that, by the clock that `plan` is given."""


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
    clock: Callable[[], float] | None = None,
) -> Plan:
    """The cheapest plan found.

    `progress` gets the share of the work that is done; `clock`, in seconds, limits it to `effort.seconds`.
    Raises `InputError` where the circuit does not fit and `CircuitError` where it cannot be shared.
    """
    effort = effort or Effort()
    form = normal_form(circuit)
    begun = clock() if clock is not None else 0.0
    search = _Search(form, network)
    first = seeds(form, network, effort.tries)
    for start in first[: 2 * effort.kept]:
        search.try_(start)
    chains = list(_chains(first, network, effort.kept))
    for number, (start, hot, crowding) in enumerate(chains):
        if clock is not None and clock() - begun > effort.seconds:
            break

        def report(share: float, number: int = number) -> None:
            if progress is not None:
                progress((number + share) / len(chains))

        search.try_(
            refine(
                form,
                network,
                start,
                moves=effort.moves // 2 if crowding else effort.moves,
                hot=hot,
                seed=effort.seed + number,
                crowding=crowding,
                progress=report,
            )
        )
    if progress is not None:
        progress(1.0)
    return search.result()


def _chains(first: list[Sharing], network: Network, kept: int) -> Iterator[tuple[Sharing, float, float]]:
    """Start, temperature and crowding of each chain."""
    if not network.links:
        for number, start in enumerate(first[:kept]):
            yield start, HEATS[number % len(HEATS)], 0.0
        return
    for number in range(kept):  # two starts in turn, the ladder twice
        yield first[number // len(CROWDING) % len(first)], HEATS[0], CROWDING[number % len(CROWDING)]


class _Search:
    """The best schedule so far; a sharing that the communication qubits cannot do is passed over."""

    def __init__(self, form: NormalForm, network: Network) -> None:
        self.form, self.network = form, network
        self.best: Plan | None = None
        self.problem: InputError | None = None

    def try_(self, sharing: Sharing) -> None:
        """Schedules a sharing, and with kept copies."""
        embedding = embedded(self.form, self.network, sharing)
        for one in dict.fromkeys((sharing, embedding)):
            try:
                made = schedule(self.form, self.network, one)
            except InputError as error:
                self.problem = error
                continue
            if self.best is None or made.total < self.best.pairs:
                self.best = Plan(self.form, self.network, one, made)

    def result(self) -> Plan:
        """The plan, or why there is none."""
        if self.best is not None:
            return self.best
        raise self.problem or InputError("nothing was tried", field="effort")
