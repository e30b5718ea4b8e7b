"""Devices whose distributions are computed once: their shots are those of the device itself."""

from __future__ import annotations

import numpy as np
import pytest

from qcrs.attackers.bench.devices import ExactDevice
from qcrs.circuits import lower
from qcrs.node.devices import NOISE, open_device
from qcrs.node.trajectories import mixture
from qcrs.verification import ideal
from qcrs.verification.samples import blur_density

N = 5
SPEC = "aer:noisy-b?qubits=5&coupling=full"


def frequencies(backend, circuit, mask: int, shots: int, seed: int) -> np.ndarray:
    found = backend.run([circuit], shots=shots, seed_simulator=seed).result().data(0)["counts"]
    out = np.zeros(1 << N)
    for key, count in found.items():
        out[int(key, 16) ^ mask] += count
    return out / shots


def chance(p: np.ndarray, shots: int) -> float:
    """Expected total variation distance of so many shots from their own distribution."""
    return float(np.sqrt(p * (1 - p) / shots).sum() * np.sqrt(2 / np.pi) / 2)


def test_one_distribution_serves_all_frames_under_pauli_noise(framed, scrambled) -> None:
    compiled = framed(scrambled(N, 3), SPEC, seed=4)
    exact = ExactDevice("B", N)
    densities = []
    for circuit, mask in zip(compiled.circuits, compiled.masks, strict=True):
        apart = np.diff(ExactDevice("B", N)._sources([circuit])[0].cumulative, prepend=0.0)
        densities.append(apart[np.arange(1 << N) ^ mask])
    for other in densities[1:]:
        # A frame in which a gate happens to be the identity lacks that gate's error.
        assert np.abs(other - densities[0]).sum() / 2 < 2e-3
    for seed, (circuit, mask) in enumerate(zip(compiled.circuits, compiled.masks, strict=True)):
        found = frequencies(exact, circuit, mask, 200_000, seed)
        assert np.abs(found - densities[0]).sum() / 2 < 3 * chance(densities[0], 200_000) + 2e-3


def test_its_shots_are_those_of_the_simulated_device(framed, scrambled) -> None:
    compiled = framed(scrambled(N, 3), SPEC, count=1)
    shots = 40_000
    ours = frequencies(ExactDevice("B", N), compiled.circuits[0], 0, shots, 1)
    theirs = frequencies(open_device(SPEC).backend, compiled.circuits[0], 0, shots, 2)
    assert np.abs(ours - theirs).sum() / 2 < 3 * chance(theirs, shots)


def test_error_trajectories_average_to_the_density_matrix(framed, scrambled) -> None:
    compiled = framed(scrambled(N, 3), SPEC, count=1)
    device = ExactDevice("B", N)
    exact = np.diff(device._sources(compiled.circuits)[0].cumulative, prepend=0.0)
    mixed = mixture(compiled.circuits[0], NOISE["noisy-b"], 4000, np.random.default_rng(1))
    blurred = blur_density(mixed, (NOISE["noisy-b"].readout,) * N)
    assert np.abs(blurred - exact).sum() / 2 < 5e-3
    noiseless = mixture(compiled.circuits[0], NOISE["ideal"], 10, np.random.default_rng(1))
    right = ideal(lower(scrambled(N, 3)).document).probabilities
    assert np.abs(noiseless[np.arange(1 << N) ^ compiled.masks[0]] - right).sum() < 1e-5


def test_registered_errors_are_those_of_the_noise() -> None:
    known = ExactDevice("A", 6).registered()
    assert known.errors.eplg_nano == pytest.approx(1.2e6, rel=1e-3)
    assert known.errors.mean_readout_nano == 10_000_000
    fake = ExactDevice("Nairobi", 4).registered()
    assert fake.qubits == 7
    assert 5e6 < fake.errors.eplg_nano < 3e7
    assert len(fake.errors.readout_nano) == 7
    assert all(1e6 < nano < 1e8 for nano in fake.errors.readout_nano)
