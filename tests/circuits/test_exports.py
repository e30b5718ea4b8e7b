from __future__ import annotations

import qcrs.circuits
import qcrs.verification


def test_the_public_names_are_these() -> None:
    assert qcrs.circuits.__all__ == [
        "TURN",
        "CircuitDocument",
        "Control",
        "Drbg",
        "Frame",
        "Instruction",
        "Lowered",
        "Register",
        "decode",
        "frame",
        "frame_mask",
        "frames_per_unit",
        "from_qiskit",
        "keccak",
        "lower",
        "shots_per_frame",
        "snap",
        "to_qiskit",
    ]
    for module in (qcrs.circuits, qcrs.verification):
        assert all(hasattr(module, name) for name in module.__all__)
        assert len(set(module.__all__)) == len(module.__all__)
    assert {"judge", "JudgeInput", "Policy", "Verdict", "Outcome", "ideal"} <= set(qcrs.verification.__all__)
