"""Joining the deliveries of both ends, and the qubits that applications hold.

An end delivers its qubit on its own; the pair is there once the other end has done so too. Then it is
counted, compared with what the hardware knows, told to the application, and its qubits are free again but
for those that the application holds. What only one end delivered of a request that both have ended belongs
to nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from qcrs.errors import InputError
from qcrs.qnp.control.plan import CircuitPlan
from qcrs.qnp.drivers.plant import Plant
from qcrs.qnp.drivers.port import Port
from qcrs.qnp.drivers.records import CircuitStats, Delivery
from qcrs.qnp.network.actions import Action

__all__ = ["Deliveries"]

HEAD, TAIL = 1, 2
Key = tuple[int, int, int]
"""Circuit, sequence at the head, sequence at the tail."""


class Deliveries:
    """`pairs` are the joined ones, if they are recorded; `count` and `stats` (by circuit) tell of all."""

    __slots__ = ("_ended", "_halves", "_held", "_plans", "_plant", "_record", "count", "pairs", "stats")

    def __init__(self, plant: Plant, plans: Mapping[int, CircuitPlan], *, record: bool) -> None:
        self.count = 0
        self.pairs: list[Delivery] = []
        self.stats: dict[int, CircuitStats] = {}
        self._plant = plant
        self._plans = plans
        self._record = record
        self._halves: dict[Key, tuple[int, int, int, int]] = {}
        self._held: set[int] = set()
        self._ended: dict[int, int] = {}

    # ------------------------------------------------------------------ two halves are a pair

    def join(self, now: int, port: Port, action: Action, tell: Callable[[Delivery], None] | None) -> None:
        """An end delivers a qubit: DELIVER with a known Bell index. Of a whole pair, `tell` hears."""
        _, request, handle, bell, own, other, outcome, pauli = action
        hardware = self._plant.hardware
        if port.delivered is not None:
            port.delivered.append((own, other))
        if pauli:
            if outcome >= 0:
                outcome ^= _flip(outcome >> 1, pauli)
            hardware.correct(handle, pauli)
        circuit = port.circuit
        key = (circuit, own, other) if port.is_head else (circuit, other, own)
        first = self._halves.pop(key, None)
        if first is None:
            self._halves[key] = (handle, bell, outcome, request)
            return
        other_handle, other_bell, other_outcome, other_request = first
        self.count += 1
        wrong = bell != other_bell or hardware.frame(handle) != bell or request != other_request
        fidelity = None
        if outcome < 0 and other_outcome < 0:
            fidelity = hardware.fidelity(now, handle, bell)
        self.stats[circuit].add(now, wrong, fidelity, self._plans[circuit].spec.fidelity)
        if self._record or tell is not None:
            handles, outcomes = (handle, other_handle), (outcome, other_outcome)
            if not port.is_head:
                handles, outcomes = handles[::-1], outcomes[::-1]
            pair = Delivery(now, circuit, request, key[1:], bell, fidelity, *handles, *outcomes)
            if self._record:
                self.pairs.append(pair)
            if tell is not None:
                tell(pair)
        if handle not in self._held:
            self._plant.free(now, handle)
        if other_handle not in self._held:
            self._plant.free(now, other_handle)

    def ended(self, now: int, port: Port, request: int) -> None:
        """An end has ended a request; once both have, its single halves are freed."""
        ends = self._ended.pop(request, 0) | (HEAD if port.is_head else TAIL)
        if ends != HEAD | TAIL:
            self._ended[request] = ends
            return
        self._drop(now, [k for k, h in self._halves.items() if h[3] == request and k[0] == port.circuit])

    def close(self, now: int, circuit: int) -> None:
        """A circuit is gone, and its single halves with it."""
        self._drop(now, [key for key in self._halves if key[0] == circuit])

    def _drop(self, now: int, keys: Iterable[Key]) -> None:
        for key in keys:
            self._plant.free(now, self._halves.pop(key)[0])

    # ------------------------------------------------------------------ qubits in use

    @property
    def held(self) -> int:
        """How many qubits applications hold."""
        return len(self._held)

    def hold(self, handles: Iterable[int]) -> None:
        """The application keeps these qubits."""
        self._held.update(handles)

    def holds(self, handle: int) -> bool:
        """Whether an application holds a qubit."""
        return handle in self._held

    def release(self, now: int, handles: Iterable[int]) -> None:
        """The application gives qubits back; those that it does not hold are passed over."""
        for handle in handles:
            if handle in self._held:
                self._held.discard(handle)
                self._plant.free(now, handle)

    def used(self, now: int, handle: int) -> None:
        """The hardware ended a held qubit."""
        self._held.discard(handle)
        self._plant.used(now, handle)

    def lose(self, now: int, handles: set[int]) -> None:
        """A crash took these qubits, whoever had them."""
        for key in [k for k, half in self._halves.items() if half[0] in handles]:
            del self._halves[key]
        for handle in handles:
            self._held.discard(handle)
            self._plant.free(now, handle)


def _flip(axis: int, pauli: int) -> int:
    """Whether XˣZᶻ turns the bit along an axis round (axes X, Y, Z; others have no such rule)."""
    x, z = pauli >> 1 & 1, pauli & 1
    if axis > 2:
        raise InputError(
            "a final state cannot be asked of measurements along tilted axes", field="axis", value=axis
        )
    return (z, x ^ z, x)[axis]
