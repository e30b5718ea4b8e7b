"""A family and a seed name one circuit for ever: recorded campaigns refer to circuits by them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from qiskit import QuantumCircuit

from qcrs.attackers.bench.families import circuit
from qcrs.circuits import families


def digest(made: QuantumCircuit) -> str:
    """Of gates, angles and qubits in their order."""
    found = hashlib.sha256()
    for one in made.data:
        angles = [float(p).hex() for p in one.operation.params]
        qubits = [made.find_bit(q).index for q in one.qubits]
        found.update(repr((one.operation.name, angles, qubits)).encode())
    return found.hexdigest()[:16]


RECORDED: dict[str, tuple[Callable[[], QuantumCircuit], str]] = {
    "qft 9": (lambda: families.qft(9), "dcacc00552f2bb2e"),
    "ghz 9": (lambda: families.ghz(9), "8c9639a72819574c"),
    "adder 4": (lambda: families.adder(4), "4f0c9b0b7e08a278"),
    "qaoa 8, 3, 5": (lambda: families.qaoa(8, 3, 5), "ee312c9cf01fd94a"),
    "ansatz 7, 3, 5": (lambda: families.ansatz(7, 3, 5), "988774b1bf1a7a55"),
    "ansatz 7, 3, 5, reach=1": (lambda: families.ansatz(7, 3, 5, reach=1), "a6abffb01007c731"),
    "ising 7, 3, 5": (lambda: families.ising(7, 3, 5), "52c5218bd984fb97"),
    "brickwork 7, 3, 5": (lambda: families.brickwork(7, 3, 5), "2513645906e9bc27"),
    "bench brickwork": (lambda: circuit("brickwork", 11, 77), "3bb1757455e9ac79"),
    "bench ising": (lambda: circuit("ising", 11, 77), "d88a63df2e9c8548"),
    "bench qaoa": (lambda: circuit("qaoa", 11, 77), "e44c06c6a276b46e"),
    "bench vqe": (lambda: circuit("vqe", 11, 77), "420ea8499d0eb6de"),
    "bench qft": (lambda: circuit("qft", 11, 77), "cb3e5cdc431549ae"),
}


@pytest.mark.parametrize("name", RECORDED)
def test_the_circuits_of_a_seed_stay_what_they_are(name: str) -> None:
    made, expected = RECORDED[name]
    assert digest(made()) == expected


def test_reach_is_how_far_an_ansatz_entangles() -> None:
    for reach, gates in ((0, 0), (1, 2 * 4), (2, 2 * 7), (4, 2 * 10), (None, 2 * 10)):
        assert families.ansatz(5, 2, 1, reach=reach).count_ops().get("cx", 0) == gates
