"""V7: mirrors return to a known outcome, and tell the fidelity of a circuit within 0.03."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
from qiskit import transpile
from qiskit.quantum_info import Operator, SuperOp, process_fidelity
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

from qcrs.circuits import CircuitDocument, Drbg, Instruction, Register, to_qiskit
from qcrs.errors import VerificationError
from qcrs.verification.mirror import KINDS, Mirror, make_mirrors, score_mirrors

SEED = b"m" * 32
Counts = Mapping[int, int]


def target(qubits: int, depth: int, *, barriers: bool = False) -> CircuitDocument:
    draws = Drbg(bytes(32), b"mirrored")
    out = []
    for layer in range(depth):
        out += [Instruction("u", (q,), (), tuple(draws.integers(2**32, 3).tolist())) for q in range(qubits)]
        out += [Instruction("cz", (q, q + 1)) for q in range(layer % 2, qubits - 1, 2)]
        if barriers:
            out.append(Instruction("barrier", tuple(range(qubits))))
    out += [Instruction("measure", (q,), (q,)) for q in range(qubits)]
    return CircuitDocument(qubits, qubits, (Register("c", 0, qubits),), tuple(out))


def noise(two: float, one: float, readout: float) -> NoiseModel:
    model = NoiseModel(basis_gates=["u", "cz"])
    model.add_all_qubit_quantum_error(depolarizing_error(two * 16 / 15, 2), ["cz"])
    model.add_all_qubit_quantum_error(depolarizing_error(one * 4 / 3, 1), ["u"])
    model.add_all_qubit_readout_error(ReadoutError([[1 - readout, readout], [readout, 1 - readout]]))
    return model


def sampled(mirrors: tuple[Mirror, ...], shots: int, model: NoiseModel | None, seed: int) -> list[Counts]:
    backend = AerSimulator(method="density_matrix", noise_model=model, seed_simulator=seed)
    result = backend.run([to_qiskit(mirror.circuit) for mirror in mirrors], shots=shots).result()
    return [{int(key, 16): n for key, n in result.data(i)["counts"].items()} for i in range(len(mirrors))]


def true_fidelity(document: CircuitDocument, model: NoiseModel) -> float:
    """Entanglement fidelity of the gates alone, from the whole channel."""
    gates = tuple(item for item in document.instructions if item.name in ("u", "cz"))
    circuit = to_qiskit(CircuitDocument(document.qubits, 0, (), gates))
    ideal = Operator(circuit)
    circuit.save_superop()
    run = AerSimulator(method="superop", noise_model=model).run(circuit).result()
    return float(process_fidelity(SuperOp(run.data(0)["superop"]), ideal))


def test_without_noise_a_mirror_returns_to_its_outcome() -> None:
    mirrors = make_mirrors(target(4, 3, barriers=True), SEED, 3)
    assert [mirror.kind for mirror in mirrors] == [kind for kind in KINDS for _ in range(3)]
    for mirror, counts in zip(mirrors, sampled(mirrors, 20, None, 1), strict=True):
        assert counts == {mirror.outcome: 20}
    assert len({mirror.outcome for mirror in mirrors}) > 1
    report = score_mirrors(mirrors, [{mirror.outcome: 20} for mirror in mirrors])
    assert (report.fidelity.value, report.fidelity.se) == (pytest.approx(1), pytest.approx(0))
    assert make_mirrors(target(4, 3, barriers=True), SEED, 3) == mirrors


@pytest.mark.parametrize(("depth", "two"), [(4, 5e-3), (10, 5e-3), (10, 2e-2)])
def test_the_fidelity_of_a_circuit_is_found_within_three_hundredths(depth: int, two: float) -> None:
    model = noise(two, two / 10, 0.02)
    circuit = target(4, depth)
    mirrors = make_mirrors(circuit, SEED)
    assert len(mirrors) == 60
    report = score_mirrors(mirrors, sampled(mirrors, 500, model, depth))
    wanted = true_fidelity(circuit, model)
    assert wanted < 0.98
    assert report.fidelity.value == pytest.approx(wanted, abs=0.03)
    assert abs(report.fidelity.value - wanted) < 4 * report.fidelity.se + 0.01
    assert report.fidelity.se < 0.015


def test_barriers_keep_a_compiler_from_reducing_a_mirror_to_nothing() -> None:
    mirror = make_mirrors(target(3, 4), SEED, 2)[0]
    circuit = to_qiskit(mirror.circuit)
    compiled = transpile(circuit, basis_gates=["u", "cz"], optimization_level=3, seed_transpiler=1)
    assert compiled.count_ops()["cz"] == 2 * target(3, 4).count("cz")
    for item in [
        i for i, gate in reversed(list(enumerate(circuit.data))) if gate.operation.name == "barrier"
    ]:
        del circuit.data[item]
    reduced = transpile(circuit, basis_gates=["u", "cz"], optimization_level=3, seed_transpiler=1)
    assert reduced.count_ops().get("cz", 0) < compiled.count_ops()["cz"]


def test_a_hundred_qubits_are_scored_by_their_hamming_distances() -> None:
    """Independent flips of every bit: each qubit keeps 1 − 1.5 p, whatever the width."""
    mirrors = make_mirrors(target(100, 2), SEED, 4)
    rng = np.random.default_rng(1)
    flips = {"there": 0.004, "back": 0.006, "bare": 0.002}
    counts = []
    for mirror in mirrors:
        found: Counter[int] = Counter()
        for row in rng.random((4000, 100)) < flips[mirror.kind]:
            found[
                mirror.outcome ^ int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little")
            ] += 1
        counts.append(found)
    report = score_mirrors(mirrors, counts)
    kept = {kind: (1 - 1.5 * p) ** 100 for kind, p in flips.items()}
    for kind in KINDS:
        assert report.polarisation[kind].value == pytest.approx(kept[kind], abs=0.02)
    wanted = kept["there"] / np.sqrt(kept["back"] * kept["bare"])
    assert report.fidelity.value == pytest.approx(wanted, abs=0.03)


def test_what_makes_no_sense_is_refused() -> None:
    mirrors = make_mirrors(target(4, 2), SEED, 2)
    uniform = [dict.fromkeys(range(16), 10)] * len(mirrors)
    with pytest.raises(VerificationError, match="erased"):
        score_mirrors(mirrors, uniform)
    with pytest.raises(VerificationError):
        score_mirrors(mirrors, uniform[1:])
    with pytest.raises(VerificationError):
        score_mirrors(mirrors, [{}, *uniform[1:]])
    with pytest.raises(VerificationError):
        score_mirrors(mirrors[:2], uniform[:2])
    with pytest.raises(VerificationError):
        make_mirrors(target(4, 2), SEED, 1)
    later = (Instruction("measure", (0,), (0,)), Instruction("u", (0,), (), (1, 2, 3)))
    for bad in ((Instruction("reset", (0,)),), later, ()):
        with pytest.raises(VerificationError):
            make_mirrors(CircuitDocument(1, 1, (), bad), SEED)
