"""Whether a result may be trusted: frames, statistics, simulation and the verdict over them.

`judge(evidence, policy)` is a pure function, so that anyone recomputes a verdict from chain and store.
"""

from qcrs.verification.audit import audit_rate_ppm, beacon_of, drawn, reputation_bound_ppm
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
    "beacon_of",
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
