"""Running a job's frames: one layout, every frame decodes to the same distribution, exact values."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector

from qcrs.circuits import Instruction, lower
from qcrs.circuits.document import CircuitDocument
from qcrs.client.documents import FramesDocument, ResultDocument, SecretDocument
from qcrs.client.program import Unit, build_documents, decode_result
from qcrs.errors import BackendError, CircuitError
from qcrs.node import runner
from qcrs.types import canonical_json, parse_canonical

NONCE = "ab" * 32
SEED = bytes(range(32))


def document_of(circuit: QuantumCircuit) -> CircuitDocument:
    return lower(circuit).document


def ghz(width: int) -> QuantumCircuit:
    circuit = QuantumCircuit(width, width)
    circuit.h(0)
    for q in range(1, width):
        circuit.cx(0, q)
    circuit.ry(0.4, width - 1)
    circuit.measure(range(width), range(width))
    return circuit


def ran(
    spec: str, units: list[Unit], *, paid: int = 20, **options: object
) -> tuple[FramesDocument, SecretDocument, ResultDocument]:
    frames, secret = build_documents(units, seed=SEED, job_nonce=NONCE, **options)  # type: ignore[arg-type]
    payload = runner.as_payload(spec, job=7, execution=1, processor=3, qubits=paid, frames=frames.as_json())
    return frames, secret, ResultDocument.from_json(parse_canonical(runner.run(payload)))


def distance(counts: dict[int, int], circuit: QuantumCircuit) -> float:
    ideal = Statevector(circuit.remove_final_measurements(inplace=False)).probabilities()
    total = sum(counts.values())
    return 0.5 * sum(abs(counts.get(k, 0) / total - p) for k, p in enumerate(ideal))


@pytest.mark.parametrize(
    "spec", ["aer:ideal?qubits=6&coupling=grid", "aer:noisy-a?qubits=5", "fake:FakeManilaV2"]
)
def test_decoded_outcomes_follow_the_circuit_on_any_device(spec: str) -> None:
    circuit = ghz(4)
    frames, secret, result = ran(spec, [Unit(document_of(circuit), 4000)])
    assert (result.job, result.execution, result.processor) == (7, 1, 3)
    unit = result.units[0]
    assert [sum(frame.values()) for frame in unit.frames] == list(frames.units[0].shots)  # type: ignore[union-attr]
    assert len(set(unit.layout)) == 4
    assert min(unit.layout) >= 0
    counts = dict(decode_result(secret, result)[0].counts)
    # four readouts of 1 % and three gates put 0.044 of the shots elsewhere; a calibrated device more
    assert distance(counts, circuit) < (0.05 if "ideal" in spec else 0.08 if "noisy-a" in spec else 0.3)


def test_frames_are_masked_as_measured() -> None:
    """The raw outcomes of a deterministic circuit differ between frames; decoded ones do not."""
    circuit = QuantumCircuit(3, 3)
    circuit.x(0)
    circuit.cz(0, 1)
    circuit.measure(range(3), range(3))
    _frames, secret, result = ran("aer:ideal?qubits=3", [Unit(document_of(circuit), 100)])
    assert len({frozenset(frame) for frame in result.units[0].frames}) > 1
    assert dict(decode_result(secret, result)[0].counts) == {1: 100}


def test_physical_circuits_stay_where_they_are() -> None:
    circuit = QuantumCircuit(5, 2)
    circuit.x(4)
    circuit.cz(3, 4)
    circuit.measure([4, 2], [0, 1])
    _frames, secret, result = ran("fake:FakeManilaV2", [Unit(document_of(circuit), 500)], physical=True)
    assert result.units[0].layout == (4, 2)
    counts = Counter(decode_result(secret, result)[0].counts)
    assert counts.most_common(1)[0][0] == 1


def test_feed_forward_runs_and_decodes() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    circuit.measure(1, 1)
    _frames, secret, result = ran("aer:noisy-a?qubits=3&readout=0&p2=0", [Unit(document_of(circuit), 1000)])
    counts = dict(decode_result(secret, result)[0].counts)
    assert set(counts) == {0, 3}
    assert abs(counts[0] - 500) < 5 * math.sqrt(250)


def test_a_simulator_seed_repeats_the_run() -> None:
    unit = [Unit(document_of(ghz(3)), 300)]
    first = ran("aer:noisy-b?qubits=3", unit, simulator_seed=11)[2]
    again = ran("aer:noisy-b?qubits=3", unit, simulator_seed=11)[2]
    other = ran("aer:noisy-b?qubits=3", unit, simulator_seed=12)[2]
    assert first.units == again.units
    assert first.units != other.units


def test_exact_values_are_those_of_the_state() -> None:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.ry(0.7, 2)
    labels = ("IZZ", "XII", "IXX", "ZII", "IYY")
    lowered = CircuitDocument(
        3, 0, (), tuple(i for i in document_of(circuit).instructions if i.name in ("u", "cz"))
    )
    _frames, _secret, result = ran("aer:noisy-a?qubits=3", [Unit(lowered, paulis=labels)])
    state = Statevector(circuit)
    expected = [state.expectation_value(SparsePauliOp(label)).real for label in labels]
    found = [value / 1e12 for value in result.units[0].values_pico]
    assert np.allclose(found, expected, atol=2e-9)


def test_exact_values_of_a_wide_circuit_take_its_active_qubits_only() -> None:
    gates = (Instruction("u", (500,), (), (1 << 30, 0, 0)),)
    circuit = CircuitDocument(1000, 0, (), gates)
    labels = tuple(
        "I" * (999 - q) + letter + "I" * q for q, letter in ((500, "X"), (500, "Z"), (3, "Z"), (4, "Y"))
    )
    _frames, _secret, result = ran("aer:ideal?qubits=2", [Unit(circuit, paulis=labels)], paid=1)
    assert np.allclose([value / 1e12 for value in result.units[0].values_pico], [1, 0, 1, 0], atol=2e-9)


def test_a_job_wider_than_the_device_is_refused() -> None:
    with pytest.raises(BackendError, match="more qubits"):
        ran("aer:noisy-a?qubits=3", [Unit(document_of(ghz(4)), 100)])


def test_a_job_that_uses_more_qubits_than_it_pays_for_is_refused() -> None:
    with pytest.raises(CircuitError, match="pays for"):
        ran("aer:noisy-a?qubits=5", [Unit(document_of(ghz(4)), 100)], paid=3)


def test_many_units_keep_their_order() -> None:
    units = []
    for value in range(8):
        circuit = QuantumCircuit(3, 3)
        for q in range(3):
            if value >> q & 1:
                circuit.x(q)
        circuit.cz(0, 1)
        circuit.measure(range(3), range(3))
        units.append(Unit(document_of(circuit), 10 + value % 2))
    _frames, secret, result = ran("aer:ideal?qubits=3", units)
    found = [set(outcome.counts) for outcome in decode_result(secret, result)]
    assert found == [{value} for value in range(8)]


def test_describe_names_the_calibration_it_publishes() -> None:
    from qcrs.types import cid_of

    answer = parse_canonical(
        runner.describe(canonical_json({"spec": "aer:noisy-a?qubits=2", "name": "n", "hpke": "aGk="}))
    )
    assert answer["metadata"]["calibration"] == cid_of(canonical_json(answer["calibration"]))


def test_the_attacker_answers_clifford_circuits_honestly_and_invents_the_rest() -> None:
    spec = "qcrs.attackers:attack?kind=test_aware&qubits=4"
    clifford = QuantumCircuit(4, 4)
    clifford.h(0)
    for q in range(3):
        clifford.cx(q, q + 1)
    clifford.measure(range(4), range(4))
    _f, secret, result = ran(spec, [Unit(document_of(clifford), 2000), Unit(document_of(ghz(4)), 2000)])
    honest, invented = decode_result(secret, result)
    assert distance(dict(honest.counts), clifford) < 0.1
    assert distance(dict(invented.counts), ghz(4)) > 0.5
    flat = np.array([invented.counts.get(k, 0) for k in range(16)])
    assert ((flat - 125) ** 2 / 125).sum() < 60
