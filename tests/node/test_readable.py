"""Nodes lay circuits out on qubits that oracles let them read; the circuit stays the same."""

from __future__ import annotations

import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.transpiler import CouplingMap, InstructionProperties
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime import fake_provider

from qcrs.attackers.bench.families import circuit
from qcrs.circuits import frame, lower
from qcrs.client.layouts import excused
from qcrs.client.routing import gates_on
from qcrs.node.compiling import compile_frames, is_native, measured_on
from qcrs.node.devices import open_device
from qcrs.node.readable import part_of, readable_on

SEED = bytes(range(32))


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("FakeNairobiV2", (2, 4, 6)), ("FakeMontrealV2", (3, 5, 8)), ("FakeBrisbane", (6,))],
)
def test_no_node_uses_a_qubit_whose_errors_are_not_excused(name: str, sizes: tuple[int, ...]) -> None:
    target = getattr(fake_provider, name)().target
    errors = [round(1e9 * target["measure"][(qubit,)].error) for qubit in range(target.num_qubits)]
    pairs = list(target.build_coupling_map().get_edges())
    for family, width in zip(("brickwork", "qaoa", "random"), sizes, strict=False):
        document = lower(circuit(family, width, 3)).document
        frames = [frame(document, SEED, 0, index).circuit for index in range(2)]
        compiled = compile_frames(frames, target, physical=False)
        assert len({measured_on(one) for one in compiled}) == 1
        allowed = excused(errors, sum(errors) // len(errors), pairs, width)
        assert all(errors[qubit] == allowed[qubit] for qubit in measured_on(compiled[0])), (family, width)
        assert all(is_native(one, target) and one.num_qubits == target.num_qubits for one in compiled)
        gates = sum(len(item.qubits) == 2 and item.operation.name != "barrier" for item in compiled[0].data)
        assert gates <= 1.3 * gates_on([document], len(errors), pairs, errors)[0]


def test_devices_without_bad_qubits_are_used_whole() -> None:
    assert readable_on(open_device("aer:noisy-b?qubits=5").backend.target, 3) is None
    nairobi = fake_provider.FakeNairobiV2().target
    assert readable_on(nairobi, 7) is None
    assert len(readable_on(nairobi, 4)) == 6


def test_a_part_has_the_gates_of_the_whole() -> None:
    whole = fake_provider.FakeNairobiV2().target
    part = part_of(whole, (1, 3, 5))
    assert set(part.operation_names) == set(whole.operation_names)
    assert part["cx"][(0, 1)].error == whole["cx"][(1, 3)].error
    assert part["measure"][(2,)].error == whole["measure"][(5,)].error
    assert (0, 2) not in part["cx"]
    assert part.qubit_properties[2].t1 == whole.qubit_properties[5].t1
    assert part.dt == whole.dt


def test_registers_and_control_flow_survive() -> None:
    bits, rest = ClassicalRegister(2, "a"), ClassicalRegister(2, "b")
    program = QuantumCircuit(QuantumRegister(3), bits, rest)
    program.x([0, 1])
    program.measure([0, 1], bits)
    with program.if_test((bits, 3)):
        program.x(2)
    program.measure(2, rest[1])
    target = GenericBackendV2(5, coupling_map=CouplingMap.from_line(5), control_flow=True, seed=3).target
    target.update_instruction_properties("measure", (1,), InstructionProperties(error=0.4))
    assert readable_on(target, 3) == (2, 3, 4)
    (compiled,) = compile_frames([lower(program).document], target, physical=False)
    assert {1, 0}.isdisjoint(measured_on(compiled))
    counts = AerSimulator().run(compiled, shots=50, seed_simulator=5).result().get_counts()
    assert counts == {"10 11": 50}
