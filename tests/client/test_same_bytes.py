"""Oracles sign equal evidence only, so judging gives the same integers whatever kernels a processor has."""

from __future__ import annotations

import os
import subprocess
import sys

import judging
import pytest
from judging import Judged, noise_a
from qiskit import QuantumCircuit

from qcrs.circuits import lower

JUDGE = (
    "import sys; from qcrs.client.judgement import run; sys.stdout.buffer.write(run(sys.stdin.buffer.read()))"
)
KERNELS = ("Nehalem", "Sandybridge", "Haswell")
"""Of OpenBLAS, on x86-64: without AVX, with AVX, with fused multiplication and addition."""


def program(qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits, qubits)
    for q in range(qubits):
        circuit.ry(0.5 + 0.37 * q, q)
    for q in range(qubits - 1):
        circuit.cx(q, q + 1)
    for q in range(qubits):
        circuit.rx(0.3 + 0.23 * q, q)
    circuit.measure(range(qubits), range(qubits))
    return circuit


def judged_in_child(payload: bytes, kernel: str | None) -> bytes:
    settings = {**os.environ, **({} if kernel is None else {"OPENBLAS_CORETYPE": kernel})}
    child = subprocess.run(
        [sys.executable, "-c", JUDGE], input=payload, stdout=subprocess.PIPE, env=settings, check=True
    )
    return child.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("qubits", "share"), [(4, 0.0), (5, 0.3), (6, 0.02), (8, 1.0)])
def test_verdicts_are_the_same_to_the_byte_on_other_kernels(
    qubits: int, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, payloads = Judged(lower(program(qubits)).document, 3000), []
    first, second = (job.honest(f"aer:noisy-a?qubits={qubits}", seed) for seed in (7, 8))
    plain = judging.run
    monkeypatch.setattr(judging, "run", lambda payload: payloads.append(payload) or plain(payload))
    device = noise_a(qubits)
    job.judge(job.noise(share, first), device, [(second, device)])
    (payload,) = payloads
    here = plain(payload)
    assert len(here) > 500
    assert {judged_in_child(payload, kernel) for kernel in (None, *KERNELS)} == {here}
