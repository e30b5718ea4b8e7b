"""Programs on several processors are the programs, and with noisy pairs lose what was predicted."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit, qasm3, transpile
from qiskit.primitives import BackendSamplerV2
from qiskit.quantum_info import SparsePauliOp, Statevector
from together_world import PROGRAMS, ghz, measured

from qcrs.circuits import lower
from qcrs.circuits.convert import to_qiskit
from qcrs.circuits.frames import frame
from qcrs.distributed import Effort
from qcrs.distributed.noise import BellDiagonal, predicted
from qcrs.distributed.schedule import Follow
from qcrs.errors import BackendError
from qcrs.together.joint import NOISELESS, PERFECT, MemberNoise, exact, joint_run
from qcrs.together.virtual import Link, Member, VirtualProcessor

EXAMPLES = Path(__file__).parents[2] / "examples" / "circuits"
QUICK = Effort(tries=4, kept=1, moves=2000)
WERNER = BellDiagonal.werner(0.9)


def union(
    size: int, state: BellDiagonal, *, noise: MemberNoise = NOISELESS, **fields: Any
) -> VirtualProcessor:
    """`size` members for eight qubits, every two of them joined."""
    members = [Member(f"m{i}", -(-8 // size), 0, noise) for i in range(size)]
    links = {pair: Link(state, 100.0) for pair in combinations(range(size), 2)}
    return VirtualProcessor(members, links, effort=QUICK, **fields)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("program", PROGRAMS)
def test_without_noise_the_distribution_is_the_monolithic_one(program: str, size: int) -> None:
    circuit = PROGRAMS[program]
    ideal = Statevector(circuit).probabilities()
    task = union(size, PERFECT).plan([measured(circuit)], 1)
    made = task.plans[0][0]
    assert made.pairs > 0
    assert len(task.members) == size
    for found in exact(made, seeds=(1, 2, 3)):  # each draws its own outcomes of the teleported gates
        assert np.abs(found - ideal).max() < 1e-9


def test_frames_of_a_program_run_together_flips_of_kept_copies_included() -> None:
    """Paulis between the gates of one control, while its copy at the other member is open."""
    document = lower(qasm3.load(str(EXAMPLES / "qft_6.qasm"))).document
    members = [Member("a", 3, 0, NOISELESS), Member("b", 3, 2, NOISELESS)]
    backend = VirtualProcessor(members, {(0, 1): Link(PERFECT, 100.0)}, effort=QUICK)
    flips = 0
    for number in range(3):
        circuit = to_qiskit(frame(document, bytes(32), 0, number).circuit)
        made = backend.plan([circuit], 1).plans[0][0]
        flips += sum(isinstance(act, Follow) and act.gate is None for act in made.schedule.acts)
        ideal = Statevector(circuit.remove_final_measurements(inplace=False)).probabilities()
        for found in exact(made, seeds=(1, 2)):
            assert np.abs(found - ideal).max() < 1e-9
    assert flips > 0


@pytest.mark.parametrize(("program", "size", "shots"), [
    ("qft", 2, 1500), ("ghz", 2, 1500), ("ghz", 4, 1000), ("adder", 2, 400), ("qaoa", 2, 600),
])  # fmt: skip
def test_with_werner_pairs_the_loss_is_the_predicted_one(program: str, size: int, shots: int) -> None:
    backend = union(size, WERNER)
    circuit = transpile(measured(PROGRAMS[program]), backend, optimization_level=0)
    counts = backend.run(circuit, shots=shots, seed_simulator=5).result().get_counts()
    seen = np.zeros(256)
    for bits, count in counts.items():
        seen[int(bits, 2)] = count
    assert backend.last is not None
    made = backend.last.plans[0][0]
    wanted = predicted(made, dict.fromkeys(combinations(range(size), 2), WERNER)) * shots
    order = np.argsort(wanted)
    rare = order[np.cumsum(wanted[order]) < 5]  # outcomes too rare for a square: one cell together
    often = np.setdiff1d(order, rare)
    often = often[wanted[often] >= 4]
    rest = np.setdiff1d(np.arange(256), often)
    cells = np.append(wanted[often], wanted[rest].sum())
    found = np.append(seen[often], seen[rest].sum())
    chi = float(((found - cells)[cells > 1] ** 2 / cells[cells > 1]).sum())
    assert chi < len(cells) + 5 * np.sqrt(2 * len(cells))
    ideal = Statevector(PROGRAMS[program]).probabilities()
    coarse = np.append(ideal[often], ideal[rest].sum()) * shots
    unlike = float(((found - coarse) ** 2 / np.maximum(coarse, 1)).sum())
    assert unlike > 2 * chi  # the comparison sees the noise
    quoted = backend.quote(measured(PROGRAMS[program]), shots)
    assert quoted.loss == pytest.approx(np.abs(wanted / shots - ideal).sum() / 2, abs=1e-9)
    assert quoted.loss > 0.05


def test_executed_pairs_are_planned_pairs() -> None:
    for circuit in PROGRAMS.values():
        backend = union(4, WERNER)
        made = backend.plan([measured(circuit)], 10).plans[0][0]
        run = joint_run(made, (), dict.fromkeys(combinations(range(4), 2), WERNER))
        prepared = sum(item.operation.name == "quantum_channel" for item in run.circuit.data)
        assert prepared == made.pairs == sum(made.schedule.pairs.values())
        assert backend.quote(measured(circuit), 10).pairs == {
            f"m{p}-m{q}": n for (p, q), n in made.schedule.pairs.items()
        }


def test_a_program_for_one_backend_runs_on_the_union_unchanged() -> None:
    circuit = measured(ghz(8))
    backend = union(2, BellDiagonal.werner(0.97), noise=MemberNoise(1e-4, 1e-3, 0.01))
    sampler = BackendSamplerV2(backend=backend, options={"seed_simulator": 3})
    data = sampler.run([transpile(circuit, backend, optimization_level=1)], shots=400).result()[0].data
    counts = data.meas.get_counts()
    assert counts["0" * 8] + counts["1" * 8] > 0.8 * 400
    assert backend.num_qubits == 8
    inner, outer = (backend.target["cz"][pair].error for pair in ((0, 1), (0, 7)))
    assert outer == pytest.approx(inner + 0.03)


def test_members_noise_is_theirs() -> None:
    members = [Member("good", 4), Member("bad", 4, noise=MemberNoise(readout=0.25))]
    backend = VirtualProcessor(members, {(0, 1): Link(PERFECT, 1.0)}, effort=QUICK)
    joined = QuantumCircuit(8)
    joined.cx(0, 7)
    joined.measure_all()
    counts = backend.run(joined, shots=2000, seed_simulator=1).result().get_counts()
    assert backend.last is not None
    end = backend.last.plans[0][0].schedule.end
    for qubit in range(1, 7):
        ones = sum(n for bits, n in counts.items() if bits[7 - qubit] == "1")
        assert ones / 2000 == pytest.approx(0.25 if end[qubit] == 1 else 0.0, abs=0.05)


def test_what_fits_one_member_runs_there_and_takes_no_pair() -> None:
    backend = union(2, WERNER)
    circuit = measured(ghz(4))
    quote = backend.quote(circuit)
    assert (quote.way, quote.pairs, len(quote.members)) == ("alone", {}, 1)
    counts = backend.run(circuit, shots=300, seed_simulator=2).result().get_counts()
    assert set(counts) == {"0000", "1111"}
    teleporting = QuantumCircuit(2, 2)
    teleporting.h(0)
    teleporting.measure(0, 0)
    with teleporting.if_test((teleporting.clbits[0], 1)):
        teleporting.x(1)
    teleporting.measure(1, 1)
    assert set(backend.run(teleporting, shots=100).result().get_counts()) <= {"00", "11"}


def test_without_entanglement_cutting_is_quoted_and_run_for_whoever_accepts() -> None:
    circuit = ghz(4)
    circuit.ry(0.3, 3)
    backend = VirtualProcessor([Member("left", 2), Member("right", 2)], {}, effort=QUICK)
    with pytest.raises(BackendError, match="share entanglement"):
        backend.run(measured(circuit), shots=10)
    quote = backend.quote(measured(circuit))
    assert quote.way == "cut"
    assert quote.overhead >= 9
    assert quote.cut is not None
    observable = SparsePauliOp(["ZZII", "IIZZ"], [1.0, 0.5])
    value = backend.expectations(quote.cut, [observable], 60_000, seed=4)[0]
    wanted = Statevector(circuit).expectation_value(observable).real
    assert value == pytest.approx(wanted, abs=0.15)
