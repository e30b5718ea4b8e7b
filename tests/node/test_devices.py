"""Devices: what a line of text opens, what it says of itself, and that its noise is what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.providers import BackendV2

from qcrs.errors import BackendError
from qcrs.node.clifford import is_clifford
from qcrs.node.devices import Noise, calibration, couplings, metadata, open_device
from qcrs.types import canonical_json


def test_a_device_has_the_size_coupling_and_errors_that_were_asked_for() -> None:
    device = open_device("aer:noisy-b?qubits=9&coupling=grid&p2=5e-3&readout=0.03")
    assert device.qubits == 9
    document = metadata(device, name="west", hpke="key", calibration_cid="cid")
    assert document["coupling"] == [list(pair) for pair in couplings("grid", 9)]
    assert document["basis"][:2] == ["break_loop", "continue_loop"]
    assert {"u", "cz", "measure", "reset"} <= set(document["basis"])
    claims = calibration(device)
    assert claims["readout_nano"] == [30_000_000] * 9
    assert {row[3] for row in claims["two_qubit_nano"]} == {5_000_000}
    canonical_json(document)
    canonical_json(claims)


def test_a_fake_device_describes_itself_without_floats() -> None:
    device = open_device("fake:FakeManilaV2")
    canonical_json(calibration(device))
    assert device.simulator
    document = metadata(device, name="m", hpke="", calibration_cid="")
    assert document["coupling"] == [[0, 1], [1, 2], [2, 3], [3, 4]]


def test_grid_couplings_have_the_edges_of_a_grid() -> None:
    assert couplings("grid", 6) == [(0, 1), (0, 3), (1, 2), (1, 4), (2, 5), (3, 4), (4, 5)]


@pytest.mark.parametrize(
    "spec",
    [
        "aer",
        "aer:noisy-z",
        "aer:noisy-a?qubits=0",
        "aer:noisy-a?qubits=many",
        "aer:noisy-a?qubits=1e400",
        "aer:noisy-a?qubits=2.5",
        "aer:noisy-a?readout=nan",
        "aer:noisy-a?qubits",
        "aer:noisy-a?depth=3",
        "aer:noisy-a?p2=0.9",
        "aer:noisy-a?coupling=torus",
        "fake:FakeNowhere",
        "fake:json",
        "no.such.module:factory",
        "math:pi",
        "os:getcwd",
        "decimal:Decimal?value=[]",
    ],
)
def test_a_device_that_cannot_be_opened_says_why(spec: str) -> None:
    with pytest.raises(BackendError) as caught:
        open_device(spec)
    assert caught.value.field
    assert caught.value.solution


def _wrong(backend: BackendV2, circuit: QuantumCircuit, shots: int) -> float:
    counts = backend.run(circuit, shots=shots, seed_simulator=3).result().get_counts()
    return 1 - counts.get("0" * circuit.num_clbits, 0) / shots


@pytest.mark.parametrize("clifford", [True, False])
def test_a_gate_errs_as_often_as_its_noise_says(clifford: bool) -> None:
    """`gates` times u then cz on |00⟩, where only the bit flips of the noise are seen."""
    noise, gates, shots = Noise(0.02, 0.0), 8, 20_000
    backend = open_device(f"aer:noisy-a?qubits=2&p2={noise.p2}&readout=0").backend
    circuit = QuantumCircuit(2, 2)
    for _ in range(gates):
        # A phase on |0⟩: T is not Clifford and leads to the density matrix, S to Pauli frames.
        circuit.u(0, 0, math.pi / 2 if clifford else math.pi / 4, 0)
        circuit.cz(0, 1)
    circuit.measure([0, 1], [0, 1])
    assert is_clifford(circuit) == clifford
    # Flips of a bit pair form a random walk on Z2², so its characters decay independently.
    one, two = 1 - noise.p1 * 4 / 3, 1 - noise.p2 * 16 / 15
    first = (one * two) ** gates
    second = two**gates
    expected = 1 - (1 + first + second + first) / 4
    found = _wrong(backend, circuit, shots)
    assert abs(found - expected) < 5 * math.sqrt(expected * (1 - expected) / shots)


def test_readout_flips_as_often_as_it_says() -> None:
    backend = open_device("aer:ideal?qubits=3&readout=0.05").backend
    circuit = QuantumCircuit(3, 3)
    circuit.measure(range(3), range(3))
    found = _wrong(backend, circuit, 20_000)
    assert abs(found - (1 - 0.95**3)) < 0.012


def test_branching_and_density_matrix_agree() -> None:
    """The same circuit on 8 and on 9 used qubits runs by two methods; outcomes of the first eight agree."""
    stream = np.random.default_rng(5)
    angles = stream.uniform(0, math.pi, 8)
    found = []
    for width in (8, 9):
        backend = open_device("aer:noisy-b?qubits=9").backend
        circuit = QuantumCircuit(9, 8)
        for q in range(8):
            circuit.u(angles[q], 0.2, 0.1, q)
        for q in range(7):
            circuit.cz(q, q + 1)
        for q in range(8):
            circuit.u(angles[q], 0.4, 0.3, q)
        if width == 9:
            circuit.u(0.5, 0, 0, 8)
        circuit.measure(range(8), range(8))
        counts = backend.run(circuit, shots=20_000, seed_simulator=11).result().get_counts()
        ones = np.zeros(8)
        for key, count in counts.items():
            ones += count * np.array([int(bit) for bit in reversed(key)])
        found.append(ones / 20_000)
    assert np.abs(found[0] - found[1]).max() < 5 * math.sqrt(2 * 0.25 / 20_000)
