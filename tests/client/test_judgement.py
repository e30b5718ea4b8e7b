"""Verdicts on real results of noisy devices: ordinary programs of honest providers, and lies about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from judging import Judged, noise_a, noise_b
from qiskit import QuantumCircuit
from qiskit.circuit.library import quantum_volume
from qiskit_ibm_runtime import fake_provider

from qcrs.circuits import CircuitDocument, Instruction, lower
from qcrs.circuits.document import TURN, Control
from qcrs.client.judgement import DeviceRecord
from qcrs.verification import Outcome
from qcrs.verification.eprocess import measured_in

HONEST = (Outcome.ACCEPT, Outcome.UNDECIDED)


def calibrated(name: str) -> DeviceRecord:
    """What a certificate would say of a copy of a calibrated device, with no times."""
    target = getattr(fake_provider, name)().target
    qubits = range(target.num_qubits)
    readout = tuple(round(1e9 * (target["measure"][(q,)].error or 0)) for q in qubits)
    gate = next(gate for gate in ("ecr", "cz", "cx") if gate in target.operation_names)
    pairs = {pair: known.error for pair, known in target[gate].items() if (known.error or 0) < 0.9}
    error = 1.2e9 * float(np.median(list(pairs.values())))
    coupling = tuple({(min(pair), max(pair)) for pair in pairs})
    return DeviceRecord(len(qubits), coupling, int(error), readout, sum(readout) // len(readout))


def relaxing(us: int) -> CircuitDocument:
    """A T1 program on two qubits."""
    circuit = QuantumCircuit(2, 2)
    circuit.x([0, 1])
    circuit.delay(us, [0, 1], "us")
    circuit.measure([0, 1], [0, 1])
    return lower(circuit).document


def repeated(times: int, *, loop: bool, qubits: int = 3) -> CircuitDocument:
    """Random layers; then a loop with gates, or as many one-qubit gates on every qubit between barriers."""
    stream = np.random.default_rng(5)

    def turn(qubit: int) -> Instruction:
        return Instruction("u", (qubit,), (), tuple(stream.integers(0, TURN, 3).tolist()))

    def everywhere() -> list[Instruction]:
        return [turn(qubit) for qubit in range(qubits)]

    pairs = [Instruction("cz", (qubit, qubit + 1)) for qubit in range(qubits - 1)]
    if loop:
        body = (turn(0), pairs[0], turn(1), pairs[1], turn(2))
        middle = [
            Instruction("for_loop", (0, 1, 2), (), (), Control(blocks=(body,), values=tuple(range(times))))
        ]
    else:
        middle = [
            item
            for _ in range(times)
            for item in (*everywhere(), Instruction("barrier", tuple(range(qubits))))
        ]
    ends = [Instruction("measure", (qubit,), (qubit,)) for qubit in range(qubits)]
    start = [*everywhere(), *pairs, *everywhere(), *pairs]
    return CircuitDocument(qubits, qubits, (), (*start, *everywhere(), *middle, *everywhere(), *ends))


@pytest.mark.parametrize(
    ("circuit", "shots", "spec", "device"),
    [
        (relaxing(50), 2000, "fake:FakeNairobiV2", calibrated("FakeNairobiV2")),
        (relaxing(150), 2000, "fake:FakeNairobiV2", calibrated("FakeNairobiV2")),
        (repeated(120, loop=False), 1000, "aer:noisy-b?qubits=3", noise_b(3)),
        (repeated(40, loop=True), 500, "aer:noisy-b?qubits=3", noise_b(3)),
    ],
    ids=["T1 of 50 us", "T1 of 150 us", "one-qubit gates", "a loop"],
)
def test_ordinary_programs_of_honest_providers_are_not_rejected(circuit, shots, spec, device) -> None:
    job = Judged(circuit, shots)
    mine = job.honest(spec, 7)
    peer = job.honest("aer:noisy-a?qubits=3", 8)
    for peers in ((), ((peer, noise_a(3)),)):
        found = job.judge(mine, device, peers)
        assert found.outcome in HONEST, found
        # What the certificate does not predict is no deviation that the ledger over jobs may count.
        assert measured_in({"tests": found.as_json()["tests"]}) is None
    lie = job.judge(job.noise(), device, ((peer, noise_a(3)),))
    assert lie.outcome == Outcome.UNDECIDED
    assert "the certificate does not predict the noise of" in lie.reason


def test_a_copy_stays_rejected_where_the_noise_is_not_predicted() -> None:
    job = Judged(repeated(40, loop=False, qubits=8), 1000)
    peer = job.honest("aer:noisy-b?qubits=8", 8)
    found = job.judge(peer, noise_b(8), ((peer, noise_b(8)),))
    assert (found.outcome, found.decided_by) == (Outcome.REJECT, "V10 freshness")
    assert any(name.startswith("unpredicted") for name, *_ in found.tests)


def test_noise_on_ordinary_circuits_is_rejected_and_condemned() -> None:
    circuit = quantum_volume(4, 4, seed=3)
    circuit.measure_all()
    job = Judged(lower(circuit).document)
    peer = job.honest("aer:noisy-a?qubits=4", 8)
    assert job.judge(job.noise(), noise_b(4)).outcome == Outcome.REJECT
    assert job.judge(job.noise(), noise_b(4), ((peer, noise_a(4)),)).outcome == Outcome.FRAUD
    assert job.judge(job.honest("aer:noisy-b?qubits=4", 7), noise_b(4)).outcome == Outcome.ACCEPT


def volume(qubits: int) -> CircuitDocument:
    """A circuit of quantum volume."""
    circuit = quantum_volume(qubits, qubits, seed=3)
    circuit.measure_all()
    return lower(circuit).document


def one_bad_qubit(error_nano: int) -> DeviceRecord:
    """127 qubits of noise A, the last of which is read badly."""
    return DeviceRecord(127, (), 1_200_000, (*(10_000_000,) * 126, error_nano), 13_000_000)


@pytest.mark.parametrize("qubits", [4, 8])
def test_noise_is_not_excused_by_one_bad_qubit(qubits: int) -> None:
    job, device = Judged(volume(qubits)), one_bad_qubit(400_000_000)
    honest = job.honest(f"aer:noisy-a?qubits={qubits}", 7)
    lie = replace(job.noise(), layout=(126,) * qubits)
    found = job.judge(lie, device)
    assert (found.outcome, found.decided_by) == (Outcome.REJECT, "V0 form")
    assert found.reason == "several bits were measured on the one qubit 126"
    beyond = job.judge(replace(honest, layout=tuple(range(120, 120 + qubits))), noise_a(120 + qubits - 1))
    assert (beyond.outcome, beyond.decided_by) == (Outcome.REJECT, "V0 form")
    # Such a result is no reference either, neither against an honest provider nor for a liar.
    assert job.judge(honest, noise_a(qubits), ((lie, device),)).outcome == Outcome.ACCEPT
    assert not any("peer" in name for name, *_ in job.judge(honest, noise_a(qubits), ((lie, device),)).tests)


@pytest.mark.parametrize("name", ["FakeBrisbane", "FakeTorino"])
def test_noise_is_not_excused_by_the_worst_qubits_of_a_device(name: str) -> None:
    device = calibrated(name)
    worst = sorted(range(device.qubits), key=lambda qubit: -device.readout_nano[qubit])[:6]
    job = Judged(volume(6))
    assert job.judge(replace(job.noise(), layout=tuple(worst)), device).outcome == Outcome.REJECT


@pytest.mark.parametrize(("spec", "qubits"), [("FakeNairobiV2", 6), ("FakeMontrealV2", 7)])
def test_honest_results_on_the_qubits_that_nodes_choose_are_accepted(spec: str, qubits: int) -> None:
    job = Judged(repeated(1, loop=False, qubits=qubits))
    assert job.judge(job.honest(f"fake:{spec}", 7), calibrated(spec)).outcome == Outcome.ACCEPT


def test_the_layout_of_a_physical_job_is_the_client_s() -> None:
    job = Judged(volume(4), physical=True)
    device = replace(noise_a(127), readout_nano=one_bad_qubit(400_000_000).readout_nano)
    lie = replace(job.noise(), layout=(126, 125, 124, 123))
    assert job.judge(lie, device).tests == job.judge(replace(lie, layout=(0, 1, 2, 3)), device).tests
