"""Whether a result may be trusted: frames, statistics, simulation and the verdict over them.

`judge(evidence, policy)` is a pure function, so that anyone recomputes a verdict from chain and store.

Names are imported at first use: who only draws audits loads neither SciPy nor Qiskit.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qcrs.verification.audit import audit_rate_ppm, drawn, reputation_bound_ppm
    from qcrs.verification.commitment import commitment, result_root
    from qcrs.verification.evidence import AuditRecord, Evidence, build_evidence, differences, parse_evidence
    from qcrs.verification.form import parse_counts
    from qcrs.verification.judge import JudgeInput, JudgeUnit, frames_match, judge
    from qcrs.verification.peer import DeviceErrors, Execution, predicted_magnitude, readout_errors
    from qcrs.verification.predicate import check_predicate
    from qcrs.verification.routing import routed_cz_count
    from qcrs.verification.simulate import Ideal, active_qubits, expectation, expectations, ideal, statevector
    from qcrs.verification.verdict import Outcome, Policy, Test, Verdict

__all__ = [
    "AuditRecord",
    "DeviceErrors",
    "Evidence",
    "Execution",
    "Ideal",
    "JudgeInput",
    "JudgeUnit",
    "Outcome",
    "Policy",
    "Test",
    "Verdict",
    "active_qubits",
    "audit_rate_ppm",
    "build_evidence",
    "check_predicate",
    "commitment",
    "differences",
    "drawn",
    "expectation",
    "expectations",
    "frames_match",
    "ideal",
    "judge",
    "parse_counts",
    "parse_evidence",
    "predicted_magnitude",
    "readout_errors",
    "reputation_bound_ppm",
    "result_root",
    "routed_cz_count",
    "statevector",
]

_HOME = {
    "AuditRecord": "evidence",
    "DeviceErrors": "peer",
    "Evidence": "evidence",
    "Execution": "peer",
    "Ideal": "simulate",
    "JudgeInput": "judge",
    "JudgeUnit": "judge",
    "Outcome": "verdict",
    "Policy": "verdict",
    "Test": "verdict",
    "Verdict": "verdict",
    "active_qubits": "simulate",
    "audit_rate_ppm": "audit",
    "build_evidence": "evidence",
    "check_predicate": "predicate",
    "commitment": "commitment",
    "differences": "evidence",
    "drawn": "audit",
    "expectation": "simulate",
    "expectations": "simulate",
    "frames_match": "judge",
    "ideal": "simulate",
    "judge": "judge",
    "parse_counts": "form",
    "parse_evidence": "evidence",
    "predicted_magnitude": "peer",
    "readout_errors": "peer",
    "reputation_bound_ppm": "audit",
    "result_root": "commitment",
    "routed_cz_count": "routing",
    "statevector": "simulate",
}


class _Package(ModuleType):
    """The package; `judge` and `commitment` are its functions, not the modules of these names."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _HOME and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"qcrs.verification.{_HOME[name]}"), name)
    globals()[name] = value
    return value
