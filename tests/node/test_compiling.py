"""Compiling frames: one place and one number of gates for all of them, on any device."""

from __future__ import annotations

import math

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import QFTGate
from qiskit_ibm_runtime import fake_provider

from qcrs.circuits import TURN, CircuitDocument, Instruction, frame, lower
from qcrs.circuits.document import Control
from qcrs.errors import BackendError, CircuitError
from qcrs.node.compiling import compile_frames, is_native, measured_on
from qcrs.node.devices import open_device

SEED = bytes(range(32))


def transform(qubits: int) -> CircuitDocument:
    circuit = QuantumCircuit(qubits, qubits)
    for q in range(qubits):
        circuit.ry(0.3 + q, q)
    circuit.append(QFTGate(qubits), range(qubits))
    circuit.measure(range(qubits), range(qubits))
    return lower(circuit).document


@pytest.mark.parametrize(
    "spec",
    ["aer:noisy-a?qubits=8", "aer:ideal?qubits=9&coupling=grid", "fake:FakeNairobiV2", "fake:FakeBrisbane"],
)
def test_all_frames_meet_the_same_noise(spec: str) -> None:
    target = open_device(spec).backend.target
    document = transform(5)
    frames = [frame(document, SEED, 0, b).circuit for b in range(6)]
    compiled = compile_frames(frames, target, physical=False)
    assert len({measured_on(circuit) for circuit in compiled}) == 1
    pairs = [
        [
            tuple(circuit.find_bit(bit).index for bit in item.qubits)
            for item in circuit.data
            if len(item.qubits) == 2 and item.operation.name != "barrier"
        ]
        for circuit in compiled
    ]
    # The same pairs in the same order; a frame may merge single-qubit gates only.
    assert all(sorted(found) == sorted(pairs[0]) for found in pairs)
    assert all(is_native(circuit, target) for circuit in compiled)


def test_frames_that_fit_no_template_share_a_layout() -> None:
    target = open_device("aer:noisy-a?qubits=8").backend.target
    first, second = transform(4), transform(4)
    doubled = CircuitDocument(
        second.qubits,
        second.clbits,
        second.registers,
        tuple(
            item for gate in second.instructions for item in ([gate, gate] if gate.name == "u" else [gate])
        ),
    )
    compiled = compile_frames([first, doubled], target, physical=False)
    layouts = [measured_on(circuit) for circuit in compiled]
    assert sorted(layouts[0]) == sorted(layouts[1])


def test_physical_circuits_that_the_device_cannot_run_are_refused() -> None:
    circuit = QuantumCircuit(5, 1)
    circuit.cz(0, 4)
    circuit.measure(0, 0)
    target = open_device("fake:FakeManilaV2").backend.target
    with pytest.raises(CircuitError, match="does not fit"):
        compile_frames([lower(circuit).document], target, physical=True)


def test_circuits_wider_than_the_device_are_refused() -> None:
    target = open_device("aer:ideal?qubits=3").backend.target
    with pytest.raises(BackendError, match="more qubits"):
        compile_frames([transform(4)], target, physical=False)


@pytest.mark.parametrize("physical", [True, False])
@pytest.mark.parametrize("name", ["FakeManilaV2", "FakeTorino"])
def test_delays_last_whole_steps_of_the_devices_clock(name: str, physical: bool) -> None:
    target = getattr(fake_provider, name)().target
    wait = Instruction("delay", (0,), (), (1_000_001,), Control(unit="ps"))
    flip = Instruction("u", (0,), (), (TURN // 2, 0, TURN // 2))
    circuit = CircuitDocument(1, 1, (), (flip, wait, flip, Instruction("measure", (0,), (0,))))
    (compiled,) = compile_frames([circuit], target, physical=physical)
    (delay,) = [item.operation for item in compiled.data if item.operation.name == "delay"]
    step = math.lcm(target.granularity, target.pulse_alignment, target.acquire_alignment)
    assert delay.unit == "dt"
    assert delay.duration % step == 0
    assert abs(delay.duration * target.dt - 1e-6) <= step * target.dt / 2


def wide(qubits: int, gates: tuple[Instruction, ...]) -> CircuitDocument:
    return CircuitDocument(qubits, 1, (), gates)


def test_idle_qubits_beyond_the_device_are_left_out() -> None:
    """A client may declare what it likes; an honest node must be able to run what was paid for."""
    target = open_device("fake:FakeManilaV2").backend.target
    gates = (Instruction("u", (2,), (), (1 << 30, 0, 1 << 31)), Instruction("cz", (2, 900)))
    read = (Instruction("measure", (900,), (0,)),)
    compiled = compile_frames([wide(1000, gates + read)] * 2, target, physical=False)
    assert all(is_native(circuit, target) for circuit in compiled)
    assert all(measured_on(circuit)[0] >= 0 for circuit in compiled)
    kept = compile_frames([wide(1000, (Instruction("measure", (4,), (0,)),))], target, physical=True)
    assert measured_on(kept[0]) == (4,)
    with pytest.raises(CircuitError, match="does not have") as caught:
        compile_frames([wide(1000, (Instruction("measure", (5,), (0,)),))], target, physical=True)
    assert caught.value.value == 5


def test_frames_of_different_sizes_are_the_client_s_fault() -> None:
    target = open_device("aer:ideal?qubits=5").backend.target
    read = (Instruction("measure", (0,), (0,)),)
    with pytest.raises(CircuitError, match="differ in size"):
        compile_frames([wide(2, read), wide(3, read)], target, physical=False)
