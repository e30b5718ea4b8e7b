"""The child side of a certification: plan circuits, make documents, evaluate what came back.

Everything follows from metadata, claimed quality, seed and level, so that every oracle that knows the seed
finds the same report. Runs in limited children only.
"""

from __future__ import annotations

from dataclasses import asdict

from qcrs.benchmarks.speed import Timing
from qcrs.benchmarks.suite import ProcessorModel, SuitePlan, evaluate, plan
from qcrs.client.documents import ResultDocument, SecretDocument
from qcrs.client.program import Unit, build_documents, decode_result, estimate_seconds
from qcrs.errors import InputError, VerificationError
from qcrs.types import Json, canonical_json, parse_canonical

__all__ = ["documents", "score"]


def _plan(asked: Json) -> SuitePlan:
    if asked["level"] not in ("quick", "full"):
        raise InputError("a suite is quick or full", field="level", value=asked["level"])
    model = ProcessorModel.from_metadata(asked["metadata"], asked["claimed_quality"] or None)
    return plan(model, bytes.fromhex(asked["seed"]), asked["level"])


def documents(payload: bytes) -> bytes:
    """{"metadata", "claimed_quality", "seed", "level", "frame_seed", "nonce"} → frames, secret, seconds."""
    asked = parse_canonical(payload)
    suite = _plan(asked)
    units = [Unit(unit.circuit, unit.shots) for unit in suite.units]
    frames, secret = build_documents(
        units,
        seed=bytes.fromhex(asked["frame_seed"]),
        job_nonce=asked["nonce"],
        physical=True,
        purpose="capability",
    )
    # Clifford circuits of any width are cheap for a simulator; the general estimate would ask for hours.
    seconds = min(estimate_seconds(units), 60 + 5 * len(units))
    return canonical_json({"frames": frames.as_json(), "secret": secret.as_json(), "seconds": seconds})


def score(payload: bytes) -> bytes:
    """{plan's fields, "secret", "result", "milliseconds"} → {"capability", "report"}.

    `VerificationError` where the job's circuits are not those of the plan, or the result does not fit.
    """
    asked = parse_canonical(payload)
    suite = _plan(asked)
    secret = SecretDocument.from_json(asked["secret"])
    planned = [(unit.circuit.as_json(), unit.shots) for unit in suite.units]
    if [(unit.circuit, unit.shots) for unit in secret.units] != planned:
        raise VerificationError(
            "the job's circuits are not those that the seed gives",
            field="units",
            solution="an oracle that announces such a job is not to be followed",
        )
    outcomes = decode_result(secret, ResultDocument.from_json(asked["result"]))
    timing = Timing(tuple(range(len(suite.units))), asked["milliseconds"])
    found = evaluate(suite, [outcome.counts for outcome in outcomes], [timing])
    if found.capability is None:
        raise VerificationError("only the whole suite gives a certificate", field="level")
    return canonical_json({"capability": asdict(found.capability), "report": found.report})
