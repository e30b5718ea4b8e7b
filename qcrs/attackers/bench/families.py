"""The circuits that the bench runs: six families of our own, and some of MQT Bench where it is installed.

`circuit(family, n, seed)` gives one of them without final measurements or with, as it comes. Depths are such
that a device of noise B keeps a tenth of the distribution or more, because nobody would run what keeps less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit.library import QFTGate, quantum_volume

from qcrs.circuits import families
from qcrs.errors import InputError

__all__ = ["FAMILIES", "MQT_FAMILIES", "circuit", "mqt_installed"]

MQT_FAMILIES = ("ae", "bmw_quark_copula", "qftentangled", "qnn", "qpeinexact", "vqe_su2")
"""Names in MQT Bench (Quetschlich, Burgholzer and Wille, Quantum 7, 1062 (2023)): any number of qubits."""


def _brickwork(n: int, seed: int) -> QuantumCircuit:
    """Random one-qubit gates between alternating layers of cz."""
    rng = np.random.default_rng(seed)
    out = QuantumCircuit(n)
    for layer in range(8):
        for q in range(n):
            out.u(*rng.uniform(0, 2 * np.pi, 3), q)
        for q in range(layer % 2, n - 1, 2):
            out.cz(q, q + 1)
    for q in range(n):
        out.u(*rng.uniform(0, 2 * np.pi, 3), q)
    return out


def _ising(n: int, seed: int) -> QuantumCircuit:
    return families.ising(n, 4, seed)


def _qaoa(n: int, seed: int) -> QuantumCircuit:
    """Two rounds of QAOA for MaxCut on a ring with chords."""
    edges = {(i, (i + 1) % n) for i in range(n)} | {(i, i + n // 2) for i in range(0, n // 2, 2)}
    drawn = np.random.default_rng(seed).uniform(0.3, 1.0, (2, 2))
    return families.maxcut(n, sorted(edges), [(gamma, 2 * beta) for gamma, beta in drawn])


def _vqe(n: int, seed: int) -> QuantumCircuit:
    """A hardware-efficient ansatz: four layers of random ry and a chain of cx."""
    return families.ansatz(n, 4, seed, reach=1)


def _qft(n: int, seed: int) -> QuantumCircuit:
    """The Fourier transform of a random product state; phases under 2π/256 are left out, as is usual."""
    rng = np.random.default_rng(seed)
    out = QuantumCircuit(n)
    for q in range(n):
        out.u(*rng.uniform(0, np.pi, 3), q)
    if n <= 8:
        out.append(QFTGate(n), range(n))
        return out
    for j in reversed(range(n)):
        out.h(j)
        for k in reversed(range(max(0, j - 7), j)):
            out.cp(np.pi / 2 ** (j - k), j, k)
    return out


def _random(n: int, seed: int) -> QuantumCircuit:
    """Quantum volume circuits (Cross et al., Phys. Rev. A 100, 032328), at most four layers deep."""
    return quantum_volume(n, max(2, min(4, n // 2)), seed=seed)


FAMILIES: Mapping[str, Callable[[int, int], QuantumCircuit]] = {
    "brickwork": _brickwork,
    "ising": _ising,
    "qaoa": _qaoa,
    "vqe": _vqe,
    "qft": _qft,
    "random": _random,
}


def mqt_installed() -> bool:
    """Whether MQT Bench can be imported."""
    return find_spec("mqt") is not None and find_spec("mqt.bench") is not None


def circuit(family: str, n: int, seed: int) -> QuantumCircuit:
    """One circuit of `n` qubits; MQT's own are the same for every seed unless they take random parameters."""
    if family in FAMILIES:
        return FAMILIES[family](n, seed)
    if family not in MQT_FAMILIES or not mqt_installed():
        raise InputError(
            "no such family of circuits",
            field="family",
            value=family,
            solution=f"one of {', '.join(FAMILIES)}; with mqt.bench installed also {', '.join(MQT_FAMILIES)}",
        )
    from mqt.bench import BenchmarkLevel, get_benchmark

    made = get_benchmark(family, BenchmarkLevel.ALG, n, random_parameters=False)
    rng = np.random.default_rng(seed)
    free = list(made.parameters)
    out: QuantumCircuit = made.assign_parameters(
        dict(zip(free, rng.uniform(0, np.pi, len(free)), strict=True))
    )
    return out
