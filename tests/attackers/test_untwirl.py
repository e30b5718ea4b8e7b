"""Frames undone: all frames of a target become one circuit, up to one common mask."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import QFTGate, quantum_volume
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Statevector

from qcrs.attackers.bench.families import FAMILIES, circuit
from qcrs.attackers.cheapened import compacted
from qcrs.attackers.untwirl import palindromic, undo
from qcrs.circuits import lower
from qcrs.verification import ideal


def _ideal(circuit: QuantumCircuit) -> np.ndarray:
    plain, reads = compacted(circuit)
    return Statevector(plain).probabilities(reads)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("coupling", ["full", "line"])
def test_all_frames_become_the_same_circuit(family, coupling, framed) -> None:
    made = circuit(family, 5, 3)
    compiled = framed(made, f"aer:noisy-a?qubits=6&coupling={coupling}", seed=7)
    (target,) = undo(compiled.circuits)
    assert target.indices == tuple(range(10))
    common = {mask ^ true for mask, true in zip(target.masks, compiled.masks, strict=True)}
    assert len(common) == 1
    (shift,) = common
    right = ideal(lower(made).document).probabilities
    assert np.abs(_ideal(target.circuit)[np.arange(32) ^ shift] - right).sum() < 1e-6


@pytest.mark.parametrize("pair", ["cx", "ecr", "cz"])
def test_frames_in_other_gates_are_undone_too(pair, framed, scrambled) -> None:
    device = GenericBackendV2(
        5, ["rz", "sx", "x", pair], coupling_map=[[0, 1], [1, 2], [2, 3], [3, 4]], seed=1
    )
    compiled = framed(scrambled(4, 1), device.target, seed=3)
    (target,) = undo(compiled.circuits)
    common = {mask ^ true for mask, true in zip(target.masks, compiled.masks, strict=True)}
    assert len(common) == 1
    right = ideal(lower(scrambled(4, 1)).document).probabilities
    assert np.abs(_ideal(target.circuit)[np.arange(16) ^ common.pop()] - right).sum() < 1e-6


def test_circuits_of_several_targets_are_told_apart(framed, scrambled) -> None:
    spec = "aer:noisy-a?qubits=4&coupling=full"
    one, two = framed(scrambled(4, 1), spec, count=3), framed(scrambled(4, 2), spec, count=3)
    mixed = [c for pair in zip(one.circuits, two.circuits, strict=True) for c in pair]
    groups = undo(mixed)
    assert [group.indices for group in groups] == [(0, 2, 4), (1, 3, 5)]
    assert groups[0].key != groups[1].key


def test_the_same_target_has_the_same_name_under_another_seed(framed, scrambled) -> None:
    spec = "aer:noisy-a?qubits=4&coupling=full"
    names = {undo(framed(scrambled(4, 1), spec, seed=seed).circuits)[0].key for seed in range(3)}
    assert len(names) == 1


def test_what_cannot_be_undone_stays_as_it_is() -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.u(1, 2, 3, 0)
    circuit.measure(0, 0)
    circuit.reset(0)
    circuit.measure(0, 1)
    other = circuit.copy()
    other.u(1, 0, 0, 1)
    groups = undo([circuit, other])
    assert [group.indices for group in groups] == [(0,), (1,)]
    assert all(group.masks == (0,) for group in groups)
    assert groups[0].circuit is circuit


@pytest.mark.parametrize("spec", ["aer:noisy-a?qubits=4&coupling=full", "fake:FakeNairobiV2"])
def test_mirrors_are_recognised_in_their_frames(framed, scrambled, spec) -> None:
    there = scrambled(4, 5).remove_final_measurements(inplace=False)
    mirror = QuantumCircuit(4, 4)
    mirror.compose(there, inplace=True)
    mirror.barrier()
    mirror.compose(there.inverse(), inplace=True)
    mirror.measure(range(4), range(4))
    assert all(palindromic(c) for c in framed(mirror, spec, count=3).circuits)
    fourier = QuantumCircuit(4)
    fourier.append(QFTGate(4), range(4))
    for other in (scrambled(4, 5), quantum_volume(4, 3, seed=1), fourier):
        assert not any(palindromic(c) for c in framed(other, spec, count=3).circuits)
