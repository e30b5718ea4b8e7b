"""What a provider may say of the qubits that it measured.

The judge blurs a target by the readout errors of the qubits in a result's layout. The layout is the
provider's word: were it free, a provider would name its worst qubit for every bit, the target would be
blurred flat, and noise would pass for a measurement. So qubits that are measured at the end are different
ones that exist (`layout_problem`), the layout of a physical job is the client's own, and what a qubit's
readout error may excuse has a limit (`excused`). Nodes lay circuits out on qubits well within it
(`readable`), and judges count the gates that this takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qcrs.circuits.document import CircuitDocument

__all__ = [
    "LEAST_EXCUSED_NANO",
    "MOST_OVER_MEAN",
    "bottleneck",
    "excused",
    "layout_problem",
    "measured_qubits",
    "readable",
    "widest",
]

LEAST_EXCUSED_NANO = 10**7
"""A readout error of 1 % is excused on any device: certificates know a qubit's error to some 0.5 %."""
MOST_OVER_MEAN = 2
"""A readout error is excused up to this many times the mean of the device."""
READABLE = (3, 2)
"""Nodes use qubits up to this many times the mean: oracles know other errors than the last calibration."""


def measured_qubits(circuit: CircuitDocument) -> dict[int, int]:
    """The circuit's own qubit whose measurement writes each bit last."""
    return {item.clbits[0]: item.qubits[0] for item in circuit.walk() if item.name == "measure"}


def _at_the_end(circuit: CircuitDocument) -> list[int]:
    """Bits whose qubit is measured once and for all: nothing but barriers comes after it."""
    last: dict[int, int | None] = {}
    for item in circuit.instructions:
        if item.name == "measure":
            last[item.qubits[0]] = item.clbits[0]
        elif item.name != "barrier":
            last.update(dict.fromkeys(item.qubits))
    written = measured_qubits(circuit)
    return [bit for qubit, bit in last.items() if bit is not None and written[bit] == qubit]


def layout_problem(circuit: CircuitDocument, places: Sequence[int], qubits: int) -> str | None:
    """Why `places`, the physical qubit of each classical bit, is no layout on so many qubits; or None.

    -1 says nothing of a bit, and so does a layout that is too short. Two bits name one qubit only where a
    circuit goes on after a measurement: then the device may reuse or move what it has measured.
    """
    if len(places) > circuit.clbits:
        return f"a layout names {len(places)} bits of a circuit with {circuit.clbits}"
    for bit, place in enumerate(places):
        if place >= qubits:
            return f"bit {bit} was measured on qubit {place}, which the processor does not have"
    named = [places[bit] for bit in _at_the_end(circuit) if bit < len(places) and places[bit] >= 0]
    twice = next((place for place in sorted(named) if named.count(place) > 1), None)
    return None if twice is None else f"several bits were measured on the one qubit {twice}"


def bottleneck(readout_nano: Sequence[int], coupling: Sequence[tuple[int, int]], width: int) -> int:
    """The least readout error such that qubits with no more hold `width` that hang together, in 1e-9.

    Without couplings, or where no so many hang together, any `width` qubits will do.
    """
    order = sorted(range(len(readout_nano)), key=lambda qubit: (readout_nano[qubit], qubit))
    width = min(max(1, width), len(order))
    near = _neighbours(range(len(readout_nano)), coupling)
    root: dict[int, int] = {}
    size: dict[int, int] = {}

    def top(qubit: int) -> int:
        while root[qubit] != qubit:
            root[qubit] = root[root[qubit]]
            qubit = root[qubit]
        return qubit

    for qubit in order if coupling else ():
        root[qubit], size[qubit] = qubit, 1
        for other in sorted(near[qubit]):
            if other in root and top(other) != top(qubit):
                size[top(qubit)] += size[top(other)]
                root[top(other)] = top(qubit)
        if size[top(qubit)] >= width:
            return readout_nano[qubit]
    return readout_nano[order[width - 1]]


def excused(
    readout_nano: Sequence[int], mean_nano: int, coupling: Sequence[tuple[int, int]], width: int
) -> tuple[int, ...]:
    """The readout errors by which targets on up to `width` qubits are blurred, in 1e-9.

    What exceeds twice the mean, 1 % and the best qubits that hang together is not excused: others were there.
    """
    if not readout_nano:
        return ()
    needed = bottleneck(readout_nano, coupling, width)
    most = max(LEAST_EXCUSED_NANO, MOST_OVER_MEAN * mean_nano, needed)
    return tuple(min(nano, most) for nano in readout_nano)


def readable(
    readout_nano: Sequence[int], coupling: Sequence[tuple[int, int]], width: int
) -> tuple[int, ...] | None:
    """Qubits to lay a circuit of `width` qubits out on: they hang together and can be read; None for all."""
    count = len(readout_nano)
    if not count:
        return None
    up, down = READABLE
    mean, needed = sum(readout_nano) // count, bottleneck(readout_nano, coupling, width)
    most = max(LEAST_EXCUSED_NANO, up * mean // down, needed)
    good = {qubit for qubit in range(count) if readout_nano[qubit] <= most}
    if len(good) == count:
        return None
    if coupling:
        good = widest(good, coupling)
    return tuple(sorted(good)) if len(good) >= width else None


def _neighbours(qubits: Iterable[int], pairs: Sequence[tuple[int, int]]) -> dict[int, set[int]]:
    near: dict[int, set[int]] = {qubit: set() for qubit in qubits}
    for a, b in pairs:
        if a in near and b in near:
            near[a].add(b)
            near[b].add(a)
    return near


def widest(qubits: Iterable[int], pairs: Sequence[tuple[int, int]]) -> set[int]:
    """The largest set of these qubits that hang together; of equals the one with the lowest number."""
    near = _neighbours(qubits, pairs)
    best: set[int] = set()
    left = set(near)
    for first in sorted(near):
        if first not in left:
            continue
        found: set[int] = set()
        waiting = {first}
        while waiting:
            qubit = waiting.pop()
            found.add(qubit)
            waiting |= near[qubit] - found
        left -= found
        if len(found) > len(best):
            best = found
    return best
