"""What a client has computed blindly: measurement angles on a brickwork state.

Every wire is a row of qubits in |+⟩ joined by CZ; columns of CZ between neighbouring wires make bricks of
five columns, staggered. Measuring a qubit in {|+_φ⟩, |−_φ⟩}, |±_φ⟩ = (|0⟩ ± e^{iφ}|1⟩)/√2, applies
J(φ) = H·P(−φ) to its wire, and four columns of a brick are a gate or a CX. All programs of one size have the
same graph: only angles differ, and those are what the client hides.
(Broadbent, Fitzsimons and Kashefi, "Universal blind quantum computation", FOCS 2009, secs. 2-4.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qiskit import QuantumCircuit

from qcrs.errors import InputError

__all__ = ["EIGHTH", "GATES", "MOST_WIRES", "Brickwork", "Gates", "Pattern", "Place", "pattern"]

EIGHTH = math.pi / 4
"""All angles are multiples of it: an angle is a number from 0 to 7."""
MOST_WIRES = 4

Place = tuple[int, int]
"""Wire and column."""

GATES: Mapping[str, tuple[int, int, int, int]] = {
    "i": (0, 0, 0, 0),
    "h": (2, 2, 2, 0),
    "t": (7, 0, 0, 0),
    "s": (6, 0, 0, 0),
    "z": (4, 0, 0, 0),
    "x": (0, 4, 0, 0),
}
"""Four columns that apply a gate to one wire of a brick (sec. 2, figs. 3-5; T is P(π/4), hence −1)."""
CX = ((0, 0, 2, 0), (0, 2, 0, 6))
"""Control above, target below."""

Gates = Mapping[int, str]
"""What one layer of bricks does: gate by wire; `cx` stands at its control, whose partner is the brick's."""


@dataclass(frozen=True, slots=True)
class Brickwork:
    """The graph, which is public: all programs of a size have the same."""

    wires: int
    columns: int

    def __post_init__(self) -> None:
        if not 1 <= self.wires <= MOST_WIRES:
            raise InputError(f"a program of 1 to {MOST_WIRES} wires", field="wires", value=self.wires)
        if self.columns < 1:
            raise InputError("one column at least", field="columns", value=self.columns)

    @property
    def places(self) -> list[Place]:
        """All qubits in the order in which they are measured: by column, then wire."""
        return [(wire, column) for column in range(self.columns) for wire in range(self.wires)]

    def beside(self, place: Place) -> Place | None:
        """The qubit of the same column that a CZ joins to this one, if any."""
        wire, column = place
        layer, within = divmod(column, 4)
        if column == 0 or within not in (0, 2):
            return None
        layer -= within == 0  # a brick's last column is the next one's first
        partner = wire ^ 1 if layer % 2 == 0 else ((wire + 1) ^ 1) - 1
        return (partner, column) if 0 <= partner < self.wires else None

    def neighbours(self, place: Place) -> list[Place]:
        """All qubits that a CZ joins to this one."""
        wire, column = place
        beside = self.beside(place)
        along = [(wire, c) for c in (column - 1, column + 1) if 0 <= c < self.columns]
        return along if beside is None else [*along, beside]


@dataclass(frozen=True, slots=True)
class Pattern:
    """Angles in eighths of a turn by wire and column; the last column is measured as the result."""

    angles: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if len({len(row) for row in self.angles}) > 1:
            raise InputError("every wire has the same columns", field="angles")
        for row in self.angles:
            for angle in row:
                if not 0 <= angle < 8:
                    raise InputError("an angle is 0 to 7 eighths of a turn", field="angles", value=angle)
        _ = self.graph

    @property
    def graph(self) -> Brickwork:
        """What the server knows of it."""
        return Brickwork(len(self.angles), len(self.angles[0]) if self.angles else 0)

    def circuit(self) -> QuantumCircuit:
        """The same computation by gates, from |0…0⟩, with its measurement: wire i is classical bit i."""
        graph = self.graph
        out = QuantumCircuit(graph.wires, graph.wires)
        out.h(range(graph.wires))
        for wire, column in graph.places:
            beside = graph.beside((wire, column))
            if beside is not None and beside > (wire, column):
                continue  # the pair waits for its second qubit
            if beside is not None:
                out.cz(*sorted((wire, beside[0])))
            for one in {wire} if beside is None else sorted((wire, beside[0])):
                out.p(-EIGHTH * self.angles[one][column], one)
                out.h(one)
        out.measure(range(graph.wires), range(graph.wires))
        return out


def pattern(wires: int, layers: Sequence[Gates]) -> Pattern:
    """A pattern that applies gates to |+…+⟩, layer by layer, then measures X.

    Layer 0, 2, … has its bricks on wires (0, 1), (2, 3); layer 1, 3, … on (1, 2). `InputError` for a gate
    that is not known and for a CX whose partner is not in its brick.
    """
    graph = Brickwork(wires, 4 * len(layers) + 1)
    rows: list[list[int]] = [[] for _ in range(wires)]
    for number, gates in enumerate(layers):
        done: dict[int, tuple[int, ...]] = {}
        for wire, name in gates.items():
            if name == "cx":
                partner = graph.beside((wire, 4 * number + 2))
                if partner is None or partner[0] < wire or partner[0] in gates:
                    raise InputError("a CX needs a brick of its own", field="gates", value=(number, wire))
                done[wire], done[partner[0]] = CX
            elif name not in GATES or not 0 <= wire < wires:
                raise InputError(f"a wire and one of {', '.join(GATES)}, cx", field="gates", value=name)
            else:
                done[wire] = GATES[name]
        for wire in range(wires):
            rows[wire].extend(done.get(wire, GATES["i"]))
    return Pattern(tuple((*row, 0) for row in rows))
