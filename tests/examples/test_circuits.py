"""Every example program loads in Qiskit and gives the answer that its opening comment states."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.sparse as sparse
from qiskit import QuantumCircuit, qasm2, qasm3, transpile
from qiskit.quantum_info import Operator
from qiskit_aer import AerSimulator
from scipy.sparse.linalg import expm_multiply

FOLDER = Path(__file__).parents[2] / "examples" / "circuits"
FILES = sorted(FOLDER.glob("*.qasm"))
SHOTS = 40_000


@pytest.fixture(scope="module")
def make() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("example_circuits_make", FOLDER / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def load(path: Path) -> QuantumCircuit:
    text = path.read_text(encoding="utf-8")
    return qasm2.loads(text) if "OPENQASM 2.0;" in text else qasm3.loads(text)


def is_dynamic(circuit: QuantumCircuit) -> bool:
    return any(item.operation.name in ("if_else", "switch_case", "while_loop") for item in circuit.data)


def distribution(circuit: QuantumCircuit) -> tuple[dict[str, float], float]:
    """Outcome probabilities, and how far a true value may be off: exact unless the circuit is dynamic."""
    if is_dynamic(circuit):
        simulator = AerSimulator(seed_simulator=7)
        counts = (
            simulator.run(transpile(circuit, simulator, optimization_level=0), shots=SHOTS)
            .result()
            .get_counts()
        )
        return {key: n / SHOTS for key, n in counts.items()}, 4 * 0.5 / np.sqrt(SHOTS)
    simulator = AerSimulator(method="statevector")
    flat = transpile(circuit, simulator, optimization_level=0)
    measured = {
        flat.find_bit(item.clbits[0]).index: flat.find_bit(item.qubits[0]).index
        for item in flat.data
        if item.operation.name == "measure"
    }
    flat.remove_final_measurements()
    flat.save_statevector()
    p = np.abs(np.asarray(simulator.run(flat).result().get_statevector())) ** 2
    index = np.flatnonzero(p > 1e-14)
    key = np.zeros_like(index)
    for clbit, qubit in measured.items():
        key |= ((index >> qubit) & 1) << clbit
    keys, inverse = np.unique(key, return_inverse=True)
    sums = np.bincount(inverse, weights=p[index])
    return {f"{k:0{len(measured)}b}": float(w) for k, w in zip(keys, sums, strict=True)}, 2e-4


def evaluate(question: str, p: dict[str, float]) -> float:
    if question.startswith("P("):
        return p.get(question[2:-1], 0.0)
    if question.startswith("E("):
        label = question[2:-1]
        ones = [position for position, letter in enumerate(label) if letter == "Z"]
        return sum(w * (-1) ** sum(key[i] == "1" for i in ones) for key, w in p.items())
    assert question == "heavy"
    weights = np.zeros(1 << len(next(iter(p))))
    for key, w in p.items():
        weights[int(key, 2)] = w
    return float(weights[weights > np.median(weights)].sum())


def answers(path: Path) -> list[tuple[str, float]]:
    found = re.findall(r"^// answer: (.+)=(-?[\d.]+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [(question, float(value)) for question, value in found]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_program_gives_its_stated_answer(path: Path) -> None:
    circuit = load(path)
    assert circuit.num_qubits == int(path.stem.rsplit("_", 1)[1])
    stated = answers(path)
    assert stated, "a program states its answer"
    p, tolerance = distribution(circuit)
    assert sum(p.values()) == pytest.approx(1, abs=1e-9)
    for question, value in stated:
        assert evaluate(question, p) == pytest.approx(value, abs=tolerance), question


def test_set_covers_the_range() -> None:
    assert len(FILES) >= 12
    sizes = {load(path).num_qubits for path in FILES}
    assert min(sizes) == 2
    assert max(sizes) == 20
    texts = [path.read_text(encoding="utf-8") for path in FILES]
    assert any("OPENQASM 2.0;" in text for text in texts)
    assert sum("OPENQASM 3.0;" in text for text in texts) >= 3
    assert any(is_dynamic(load(path)) for path in FILES)


def test_files_are_what_the_script_writes(make: ModuleType) -> None:
    for name, text in make.PROGRAMS.items():
        assert (FOLDER / f"{name}.qasm").read_text(encoding="utf-8") == text(), name
    assert {path.stem for path in FILES} == {*make.PROGRAMS, "quantum_volume_6"}


def test_volume_circuit_is_the_seeded_one(make: ModuleType) -> None:
    # Factoring a unitary may pick other angles on another processor, never another unitary.
    fresh = qasm2.loads(make.quantum_volume())
    stored = load(FOLDER / "quantum_volume_6.qasm")
    for circuit in (fresh, stored):
        circuit.remove_final_measurements()
    assert Operator(fresh).equiv(Operator(stored), atol=1e-7)


def test_heawood_cut_is_what_the_comment_says(make: ModuleType) -> None:
    p, _ = distribution(load(FOLDER / "qaoa_heawood_14.qasm"))
    cut = sum(w * sum(key[-1 - a] != key[-1 - b] for a, b in make.HEAWOOD) for key, w in p.items())
    assert cut == pytest.approx(15.87, abs=0.01)


def test_hydrogen_energy_is_the_ground_energy(make: ModuleType) -> None:
    pauli = {"I": np.eye(2), "X": np.array([[0, 1], [1, 0]]), "Z": np.diag([1, -1])}
    matrix = sum(c * np.kron(pauli[label[0]], pauli[label[1]]) for label, c in make.H2_TERMS.items())
    ground = float(np.linalg.eigvalsh(matrix)[0])
    value = dict(answers(FOLDER / "h2_4.qasm"))
    terms = make.H2_TERMS
    energy = (
        terms["II"]
        + terms["IZ"] * value["E(IIIZ)"]
        + terms["ZI"] * value["E(IIZI)"]
        + terms["ZZ"] * value["E(IIZZ)"]
        + terms["XX"] * value["E(ZZII)"]
    )
    assert energy == pytest.approx(ground, abs=2e-6)


def test_trotter_steps_follow_the_exact_dynamics(make: ModuleType) -> None:
    n = make.ISING_SITES
    index = np.arange(1 << n)
    spin = [1 - 2 * ((index >> site) & 1) for site in range(n)]
    bonds = -sum(spin[i] * spin[i + 1] for i in range(n - 1)).astype(float)
    energy = sparse.diags(bonds).tocsr()
    for site in range(n):
        flip = sparse.coo_matrix((np.ones(1 << n), (index, index ^ (1 << site))), shape=energy.shape)
        energy = energy - make.ISING_FIELD * flip.tocsr()
    start = np.zeros(1 << n, dtype=complex)
    start[0] = 1
    exact = np.abs(expm_multiply(-1j * make.ISING_TIME * energy, start)) ** 2
    stated = dict(answers(FOLDER / "ising_12.qasm"))
    for question, value in stated.items():
        site = question[2:-1][::-1].index("Z")
        assert float((exact * spin[site]).sum()) == pytest.approx(value, abs=0.01)
