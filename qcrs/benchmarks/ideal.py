"""Exact outcome probabilities of a benchmark circuit, for circuits without control flow.

Consecutive gates on one pair are multiplied before they touch the state, so the cost is one 4 x 4
product per block of 2ⁿ amplitudes, n being the number of qubits that gates or measurements name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from qcrs.benchmarks.builder import matrix
from qcrs.circuits import CircuitDocument
from qcrs.errors import CircuitError

__all__ = ["MOST_QUBITS", "probabilities"]

MOST_QUBITS = 20
"""Widest circuit that is simulated here."""

_Matrix = npt.NDArray[np.complexfloating[Any, Any]]
_CZ: _Matrix = np.diag([1, 1, 1, -1]).astype(complex)
_ONE: _Matrix = np.eye(2, dtype=complex)


class _Fused:
    """Gates waiting to be applied: one matrix per qubit, or one per pair."""

    def __init__(self, qubits: int) -> None:
        self.state = np.zeros((2,) * qubits, dtype=complex)
        self.state[(0,) * qubits] = 1
        self.single: dict[int, _Matrix] = {}
        self.pair: dict[int, tuple[int, int]] = {}
        self.waiting: dict[tuple[int, int], _Matrix] = {}

    def u(self, qubit: int, gate: _Matrix) -> None:
        pair = self.pair.get(qubit)
        if pair is None:
            self.single[qubit] = gate @ self.single.get(qubit, _ONE)
        else:
            both = np.kron(gate, _ONE) if pair[0] == qubit else np.kron(_ONE, gate)
            self.waiting[pair] = both @ self.waiting[pair]

    def cz(self, a: int, b: int) -> None:
        pair = (min(a, b), max(a, b))
        if self.pair.get(a) != pair:
            for qubit in pair:
                self.flush(qubit)
                self.pair[qubit] = pair
            ones = [self.single.pop(q, _ONE) for q in pair]
            self.waiting[pair] = np.kron(ones[0], ones[1])
        self.waiting[pair] = _CZ @ self.waiting[pair]

    def flush(self, qubit: int) -> None:
        """Apply what waits on the qubit's pair."""
        pair = self.pair.get(qubit)
        if pair is not None:
            gate = self.waiting.pop(pair).reshape(2, 2, 2, 2)
            self.state = np.moveaxis(np.tensordot(gate, self.state, axes=((2, 3), pair)), (0, 1), pair)
            for member in pair:
                del self.pair[member]

    def finish(self) -> _Matrix:
        for pair in list(self.waiting):
            self.flush(pair[0])
        for qubit, gate in self.single.items():
            self.state = np.moveaxis(np.tensordot(gate, self.state, axes=((1,), (qubit,))), 0, qubit)
        return self.state


def probabilities(circuit: CircuitDocument) -> npt.NDArray[np.float64]:
    """Probability of every outcome (index: bit i is classical bit i) of a circuit measured at its end.

    Raises `CircuitError` on other instructions than u, cz, barrier and final measurements, and past
    `MOST_QUBITS` qubits.
    """
    used = sorted({q for ins in circuit.instructions if ins.name != "barrier" for q in ins.qubits})
    if len(used) > MOST_QUBITS:
        raise CircuitError("too many qubits for an exact answer", field="qubits", value=len(used))
    place = {qubit: axis for axis, qubit in enumerate(used)}
    fused = _Fused(len(used))
    measured: dict[int, int] = {}
    for ins in circuit.instructions:
        axes = [place[q] for q in ins.qubits] if ins.name != "barrier" else []
        if ins.name == "measure":
            measured[ins.clbits[0]] = axes[0]
        elif ins.name != "barrier" and measured.keys() and set(axes) & set(measured.values()):
            raise CircuitError("a gate follows a measurement", field="instructions", value=ins.name)
        elif ins.name == "u":
            fused.u(axes[0], matrix((ins.params[0], ins.params[1], ins.params[2])))
        elif ins.name == "cz":
            fused.cz(*axes)
        elif ins.name != "barrier":
            raise CircuitError("not a plain circuit", field="instructions", value=ins.name)
    weights = np.abs(fused.finish()) ** 2
    order = [measured[bit] for bit in sorted(measured, reverse=True)]
    rest = tuple(axis for axis in range(len(used)) if axis not in order)
    marginal = weights.sum(axis=rest) if rest else weights
    kept = sorted(order)
    return np.transpose(marginal, [kept.index(axis) for axis in order]).reshape(-1)
