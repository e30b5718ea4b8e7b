"""A processor without a network: runs the frames of a job and hands back result documents."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from qiskit.quantum_info import Pauli, Statevector
from qiskit_aer import AerSimulator

from qcrs.circuits import CircuitDocument, to_qiskit
from qcrs.client.documents import ExactUnit, FramesDocument, ResultDocument, ResultUnit, SecretDocument
from qcrs.client.program import Outcome, Unit, build_documents, decode_result

SEED = bytes(range(32))


def run_frames(document: FramesDocument, seed: int) -> ResultDocument:
    """What an ideal node returns for a frames document."""
    simulator = AerSimulator(max_parallel_threads=1)
    units = []
    for unit in document.units:
        if isinstance(unit, ExactUnit):
            state = Statevector(to_qiskit(CircuitDocument.from_json(unit.circuit)))
            values = [
                round(10**12 * float(np.real(state.expectation_value(Pauli(label)))))
                for label, _re, _im in unit.observables
            ]
            units.append(ResultUnit(values_pico=tuple(values)))
            continue
        counts = []
        for raw, shots in zip(unit.frames, unit.shots, strict=True):
            circuit = to_qiskit(CircuitDocument.from_json(raw))
            seed += 1
            found = simulator.run(circuit, shots=shots, seed_simulator=seed).result().data()["counts"]
            counts.append(Counter({int(key, 16): n for key, n in found.items()}))
        units.append(ResultUnit(frames=tuple(counts)))
    return ResultDocument(1, 0, 1, tuple(units))


@pytest.fixture
def ideal() -> Callable[[Sequence[Unit]], list[Outcome]]:
    """Outcomes of units, through frames, masks and documents, on a noiseless simulator."""

    def run(units: Sequence[Unit]) -> list[Outcome]:
        frames, secret = build_documents(units, seed=SEED, job_nonce="cd" * 32)
        again = FramesDocument.from_json(frames.as_json())
        result = ResultDocument.from_json(run_frames(again, 5).as_json())
        return decode_result(SecretDocument.from_json(secret.as_json()), result)

    return run
