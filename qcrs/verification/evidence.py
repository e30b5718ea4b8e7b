"""The evidence of a verdict: a public document of integers, from which the report's numbers follow.

```
{"qcrs": "evidence/1", "job", "execution", "round", "processor", "era",
 "inputs": {name: content id or hash in hex},
 "audit": {"beacon", "rate_ppm", "drawn", "references": [execution …]},
 "verdict": {"outcome", "score_ppm", "threshold_ppm", "interval_ppm", "decided_by", "weak",
             "needed_shots", "reason", "tests": [[name, value, se, threshold, passed] …]}}
```
It holds no keys: while a job is open they would let the next provider copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from qcrs.errors import VerificationError
from qcrs.types import Json, canonical_json
from qcrs.verification.verdict import Outcome, Test, Verdict

__all__ = ["AuditRecord", "Evidence", "build_evidence", "differences", "parse_evidence"]

KIND = "evidence/1"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """The beacon (hex; empty before there is one), the rate, what it drew, the executions compared with."""

    beacon: str
    rate_ppm: int
    drawn: bool
    references: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One report's evidence."""

    job: int
    execution: int
    round: int
    processor: int
    era: int
    inputs: Mapping[str, str]
    audit: AuditRecord
    verdict: Verdict

    def as_json(self) -> Json:
        """The document."""
        return build_evidence(self)

    def canonical(self) -> bytes:
        """Canonical bytes; their sha2-256 is the report's evidence word."""
        return canonical_json(self.as_json())


def build_evidence(evidence: Evidence) -> Json:
    """The document of this evidence."""
    verdict, audit = evidence.verdict, evidence.audit
    return {
        "qcrs": KIND,
        "job": evidence.job,
        "execution": evidence.execution,
        "round": evidence.round,
        "processor": evidence.processor,
        "era": evidence.era,
        "inputs": dict(evidence.inputs),
        "audit": {
            "beacon": audit.beacon,
            "rate_ppm": audit.rate_ppm,
            "drawn": audit.drawn,
            "references": list(audit.references),
        },
        "verdict": {
            "outcome": verdict.outcome.name.lower(),
            "score_ppm": verdict.score_ppm,
            "threshold_ppm": verdict.threshold_ppm,
            "interval_ppm": list(verdict.interval_ppm),
            "decided_by": verdict.decided_by,
            "weak": verdict.weak,
            "needed_shots": verdict.needed_shots,
            "reason": verdict.reason,
            "tests": [[t.name, t.value_ppm, t.se_ppm, t.threshold_ppm, t.passed] for t in verdict.tests],
        },
    }


def _bad(field: str, value: object) -> VerificationError:
    return VerificationError(
        "this is not the evidence of a verdict",
        field=field,
        value=value,
        solution="the form is described in qcrs.verification.evidence",
    )


def _part(value: Json, keys: Sequence[str], field: str) -> Mapping[str, Json]:
    if not isinstance(value, dict) or set(value) != set(keys):
        raise _bad(field, sorted(value) if isinstance(value, dict) else value)
    return value


def _int(part: Mapping[str, Json], key: str) -> int:
    value = part[key]
    if type(value) is not int:
        raise _bad(key, value)
    return value


def _text(part: Mapping[str, Json], key: str) -> str:
    value = part[key]
    if not isinstance(value, str):
        raise _bad(key, value)
    return value


def _flag(part: Mapping[str, Json], key: str) -> bool:
    value = part[key]
    if not isinstance(value, bool):
        raise _bad(key, value)
    return value


def _test(value: Json) -> Test:
    kinds = (str, int, int, int, bool)
    if not isinstance(value, list) or [type(item) for item in value] != list(kinds):
        raise _bad("tests", value)
    return Test(*value)


def parse_evidence(value: Json) -> Evidence:
    """Read and check a document; `VerificationError` says which part is wrong."""
    top = _part(
        value,
        ("qcrs", "job", "execution", "round", "processor", "era", "inputs", "audit", "verdict"),
        "evidence",
    )
    if top["qcrs"] != KIND:
        raise _bad("qcrs", top["qcrs"])
    inputs = top["inputs"]
    if not isinstance(inputs, dict) or not all(isinstance(v, str) for v in inputs.values()):
        raise _bad("inputs", inputs)
    audit = _part(top["audit"], ("beacon", "rate_ppm", "drawn", "references"), "audit")
    references = audit["references"]
    if not isinstance(references, list) or not all(type(item) is int for item in references):
        raise _bad("references", references)
    return Evidence(
        _int(top, "job"),
        _int(top, "execution"),
        _int(top, "round"),
        _int(top, "processor"),
        _int(top, "era"),
        dict(inputs),
        AuditRecord(
            _text(audit, "beacon"), _int(audit, "rate_ppm"), _flag(audit, "drawn"), tuple(references)
        ),
        _verdict(top["verdict"]),
    )


def _verdict(value: Json) -> Verdict:
    keys = (
        "outcome",
        "score_ppm",
        "threshold_ppm",
        "interval_ppm",
        "decided_by",
        "weak",
        "needed_shots",
        "reason",
        "tests",
    )
    part = _part(value, keys, "verdict")
    names = {outcome.name.lower(): outcome for outcome in Outcome}
    if part["outcome"] not in names:
        raise _bad("outcome", part["outcome"])
    interval = part["interval_ppm"]
    if not isinstance(interval, list) or [type(item) for item in interval] != [int, int]:
        raise _bad("interval_ppm", interval)
    if not isinstance(part["tests"], list):
        raise _bad("tests", part["tests"])
    needed = part["needed_shots"]
    if needed is not None and type(needed) is not int:
        raise _bad("needed_shots", needed)
    return Verdict(
        names[part["outcome"]],
        _int(part, "score_ppm"),
        _int(part, "threshold_ppm"),
        (interval[0], interval[1]),
        tuple(_test(item) for item in part["tests"]),
        _text(part, "decided_by"),
        _flag(part, "weak"),
        needed,
        _text(part, "reason"),
    )


def _walk(a: Json, b: Json, path: str) -> Iterator[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(set(a) | set(b)):
            where = f"{path}.{key}" if path else str(key)
            if key not in a or key not in b:
                yield f"{where}: only in the {'second' if key not in a else 'first'}"
            else:
                yield from _walk(a[key], b[key], where)
    elif isinstance(a, list) and isinstance(b, list):
        for index, (left, right) in enumerate(zip(a, b, strict=False)):
            yield from _walk(left, right, f"{path}[{index}]")
        if len(a) != len(b):
            yield f"{path}: {len(a)} entries, {len(b)} in the second"
    elif a != b or type(a) is not type(b):
        yield f"{path}: {a!r}, {b!r} in the second"


def differences(a: Json, b: Json, most: int = 10) -> list[str]:
    """The first fields in which two documents differ, each with both values; empty if they are equal."""
    out = []
    for line in _walk(a, b, ""):
        out.append(line)
        if len(out) == most:
            break
    return out
