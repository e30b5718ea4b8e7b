"""Noise that is not white: an honest device of few qubits is not dispersed, an invented part still is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qiskit import qasm3

from qcrs.circuits import frame, lower
from qcrs.circuits.frames import shots_per_frame
from qcrs.client.documents import FramesDocument, SampleUnit
from qcrs.node.devices import open_device
from qcrs.node.runner import run_units
from qcrs.verification import DeviceErrors, Execution, JudgeInput, JudgeUnit, Outcome, judge, routed_cz_count
from qcrs.verification.dispersion import ChiSquare, coloured_excess

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "circuits"
LINE = [(q, q + 1) for q in range(11)]


def test_nothing_is_added_where_nothing_is_lost() -> None:
    total = ChiSquare(100.0, 62, 8000)
    assert coloured_excess(total, 1.0) == coloured_excess(total, 1.2) == 0.0
    assert coloured_excess(total, 0.9) < coloured_excess(total, 0.5) == pytest.approx(2000 * 0.25 / 62)
    assert coloured_excess(ChiSquare(0.0, 0, 0), 0.5) == 0.0


@pytest.mark.parametrize("trial", range(3))
def test_an_honest_qft_under_strong_noise_is_accepted(trial: int) -> None:
    source = (EXAMPLES / "qft_6.qasm").read_text()
    assert "OPENQASM 3" in source
    document = lower(qasm3.loads(source)).document
    seed = bytes([40 + trial]) * 32
    shots = shots_per_frame(4000, 1)
    frames = [frame(document, seed, 0, index) for index in range(len(shots))]
    unit = SampleUnit(tuple(f.circuit.as_json() for f in frames), tuple(shots))
    device = open_device("aer:noisy-b?qubits=12")
    honest = run_units(device, FramesDocument("00" * 32, (unit,), simulator_seed=trial))[0]
    errors = DeviceErrors(15_000_000, (20_000_000,) * 12, 20_000_000)
    cz = (routed_cz_count(document, LINE, 12),)

    def verdict(counts: tuple[dict[int, int], ...]) -> Outcome:
        tested = Execution(counts=(counts,), errors=errors, layout=(honest.layout,), cz_counts=cz)
        return judge(JudgeInput((JudgeUnit(document, 4000),), seed, tested)).outcome

    assert verdict(tuple(dict(c) for c in honest.frames)) is Outcome.ACCEPT
    rng = np.random.default_rng(trial)
    invented = tuple(
        {int(k): int(n) for k, n in zip(*np.unique(rng.integers(0, 64, s), return_counts=True), strict=True)}
        for s in shots
    )
    assert verdict(invented) is Outcome.REJECT
