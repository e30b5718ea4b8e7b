"""Whether a result may be trusted: frames, statistics, simulation and the verdict over them.

`judge(evidence, policy)` is a pure function, so that anyone recomputes a verdict from chain and store.
"""

from qcrs.verification.audit import audit_rate_ppm, beacon_of, drawn, reputation_bound_ppm
from qcrs.verification.commitment import commitment, result_root
from qcrs.verification.evidence import AuditRecord, Evidence, build_evidence, differences, parse_evidence
from qcrs.verification.judge import JudgeInput, JudgeUnit, frames_match, judge
from qcrs.verification.peer import DeviceErrors, Execution, predicted_magnitude, readout_errors
from qcrs.verification.simulate import Ideal, expectation, expectations, ideal, statevector
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
    "audit_rate_ppm",
    "beacon_of",
    "build_evidence",
    "commitment",
    "differences",
    "drawn",
    "expectation",
    "expectations",
    "frames_match",
    "ideal",
    "judge",
    "parse_evidence",
    "predicted_magnitude",
    "readout_errors",
    "reputation_bound_ppm",
    "result_root",
    "statevector",
]
