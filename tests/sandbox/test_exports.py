"""What the package offers is what its readers may rely on: a change here is a change for them."""

from __future__ import annotations

import qcrs.sandbox


def test_exports() -> None:
    assert sorted(qcrs.sandbox.__all__) == [
        "GIB",
        "Isolation",
        "Limits",
        "MAX_QUBITS",
        "Outcome",
        "Program",
        "Sandbox",
        "program_sandbox",
        "read_program",
        "read_programs",
    ]
    assert all(hasattr(qcrs.sandbox, name) for name in qcrs.sandbox.__all__)
