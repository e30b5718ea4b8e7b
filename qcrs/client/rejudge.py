"""One result judged anew, and its statistics compared with those of the evidence.

Statistics run in a limited child process, from documents that were opened and checked before. Oracles sign
equal evidence only; whoever checks may have other packages, so numbers that come from floating point may
differ a little here. Words may not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from qcrs.client.checks import Notes, Subject, Unseen
from qcrs.client.fields import table_in
from qcrs.client.history import Execution, Job, Verdict
from qcrs.client.judgement import DeviceRecord, Found, JudgeRequest, Party
from qcrs.client.unjudged import unjudged
from qcrs.errors import QCRSError, SandboxError
from qcrs.sandbox import GIB, Limits, Sandbox
from qcrs.types import Json, parse_canonical

if TYPE_CHECKING:
    from qcrs.client.documents import FramesDocument, JobDocument, ResultDocument, SecretDocument

__all__ = ["Opened", "Rejudge", "judging_sandbox", "statistics_wrong", "unseen_result"]

SCORE_TOLERANCE_PPM = 1_000
"""Largest difference of a recomputed number, in 1e-6, that other packages or machines may make."""

_LIMITS = Limits(4 * GIB, cpu_seconds=600, wall_seconds=1200)


def judging_sandbox() -> Sandbox:
    """Limited children that judge; starting one takes a second or two, so callers may keep it."""
    return Sandbox(preload=["qcrs.client.judgement:preload"], limits=_LIMITS, name="the judge of qcrs verify")


class Opened(Protocol):
    """The documents that were opened."""

    document: JobDocument | None
    frames_document: FramesDocument | None
    secret: SecretDocument | None
    results: dict[int, ResultDocument]
    roots: dict[int, bytes]
    result_cids: dict[int, str]
    unseen: set[int]


def unseen_result(case: Opened, run: Execution, evidence: Mapping[str, Any]) -> Unseen:
    """Whether the result that was judged, or one that it was held against, cannot be looked at here."""
    named = [table_in(item).get("execution") for item in evidence.get("references") or []]
    return "document" if any(one in (run.index, *named) for one in case.unseen) else ""


@dataclass(slots=True)
class Rejudge:
    """Judges results of one job anew, in children of `sandbox`, which is one of `judging_sandbox`.

    `handover_seconds` is the network's.
    """

    job: Job
    handover_seconds: int
    notes: Notes
    case: Opened
    sandbox: Sandbox

    def judge(
        self,
        subject: Subject,
        run: Execution,
        verdict: Verdict,
        evidence: Mapping[str, Any],
        past: Sequence[Json],
    ) -> None:
        """Outcome and statistics of a verdict; `past` are counts of earlier results of the same circuits."""
        if table_in(evidence.get("inputs")).get("result") is None:
            self._without_result(subject, run, verdict, evidence)
            return
        unseen = unseen_result(self.case, run, evidence)
        if unseen or run.index not in self.case.results:
            self.notes.add(subject, "judged again", False, "a result could not be opened", unseen=unseen)
            return
        secret, frames = self.case.secret, self.case.frames_document
        if secret is None or frames is None:
            self.notes.add(subject, "judged again", False, "the secret or the frames could not be opened")
            return
        try:
            payload = self._request(secret, frames, run, evidence, past).as_bytes()
            found = Found.from_json(
                parse_canonical(self.sandbox.call("qcrs.client.judgement:run", payload, _LIMITS))
            )
        except (QCRSError, KeyError, TypeError) as error:
            unseen = "machine" if isinstance(error, SandboxError) else ""
            reason = f"it cannot be judged again: {error}"
            self.notes.add(subject, "judged again", False, reason, unseen=unseen)
            return
        self._note(run, verdict, found, judged=True)
        self.notes.equal(
            subject,
            "outcome recomputed",
            [
                ("outcome", evidence.get("outcome"), found.outcome),
                ("decided_by", evidence.get("decided_by"), found.decided_by),
                ("weak", evidence.get("weak"), found.weak),
            ],
        )
        wrong = statistics_wrong(evidence, found)
        name = f"{len(found.tests)} statistics recomputed"
        self.notes.add(subject, name, not wrong, "; ".join(wrong)[:1000])

    def _request(
        self,
        secret: SecretDocument,
        frames: FramesDocument,
        run: Execution,
        evidence: Mapping[str, Any],
        past: Sequence[Json],
    ) -> JudgeRequest:
        draw = table_in(evidence.get("draw"))
        return JudgeRequest(
            secret=secret.as_json(),
            frames=frames.as_json(),
            qubits=self.job.request.qubits,
            seconds=self.job.request.declared_seconds,
            tested=self._party(run, run, table_in(evidence.get("inputs"))),
            peers=tuple(
                self._party(self.job.executions[item["execution"]], run, item)
                for item in evidence.get("references") or []
            ),
            drawn=bool(draw.get("drawn")),
            alone=bool(draw.get("alone")),
            capability=bool(evidence.get("capability")),
            past=tuple(past),
        )

    def _party(self, run: Execution, tested: Execution, words: Mapping[str, Any]) -> Party:
        earlier = run.committed_block < tested.committed_block
        device = DeviceRecord.from_json(words.get("device"))
        return Party(self.case.results[run.index].as_json(), device, earlier)

    def _without_result(
        self, subject: Subject, run: Execution, verdict: Verdict, evidence: Mapping[str, Any]
    ) -> None:
        """What could not be judged has its outcome by rule, where the evidence says which rule it was."""
        decided = evidence.get("decided_by")
        plain = unjudged(decided, self.handover_seconds)
        detail = f"decided by {decided}"
        if not self.notes.add(subject, "judged without a result", plain is not None, detail) or plain is None:
            return
        wanted = plain.as_json()
        self.notes.equal(subject, "words", [(word, evidence.get(word), wanted[word]) for word in wanted])
        self._note(run, verdict, plain, judged=False)

    def _note(self, run: Execution, verdict: Verdict, found: Found, *, judged: bool) -> None:
        """Keep the outcome that follows, and whether it was computed."""
        self.notes.report.verdicts.append(
            {
                "execution": run.index,
                "round": verdict.round,
                "judged": judged,
                **_numbers(found),
                "evidence": verdict.evidence.hex(),
            }
        )


def statistics_wrong(evidence: Mapping[str, Any], found: Found) -> list[str]:
    """What the evidence says otherwise than was found here: numbers beyond the tolerance, and any word."""
    mine = found.as_json()
    wrong = []
    for word in ("score_ppm", "threshold_ppm"):
        if not _near(evidence.get(word), mine[word]):
            wrong.append(f"{word} is {evidence.get(word)}, recomputed {mine[word]}")
    ends = evidence.get("interval_ppm")
    if not isinstance(ends, list) or len(ends) != 2 or not all(map(_near, ends, mine["interval_ppm"])):
        wrong.append(f"interval_ppm is {ends}, recomputed {mine['interval_ppm']}")
    for word in ("reason", "needed_shots"):
        if evidence.get(word) != mine[word]:
            wrong.append(f"{word} is {evidence.get(word)!r}, recomputed {mine[word]!r}")
    given = [table_in(item) for item in evidence.get("tests") or []]
    if [item.get("name") for item in given] != [item["name"] for item in mine["tests"]]:
        wrong.append("other tests were made")
    for theirs, ours in zip(given, mine["tests"], strict=False):
        if theirs.get("passed") != ours["passed"]:
            wrong.append(f"test {ours['name']}: passed is {theirs.get('passed')}")
        for word in ("value_ppm", "se_ppm", "threshold_ppm"):
            if not _near(theirs.get(word), ours[word]):
                wrong.append(f"test {ours['name']}: {word} is {theirs.get(word)}, recomputed {ours[word]}")
    return wrong


def _numbers(found: Found) -> dict[str, Json]:
    words = {1: "ACCEPT", 2: "UNDECIDED", 3: "REJECT", 4: "FRAUD"}
    return {
        "outcome": words[found.outcome],
        "score_ppm": found.score_ppm,
        "threshold_ppm": found.threshold_ppm,
        "interval_ppm": list(found.interval_ppm),
        "decided_by": found.decided_by,
        "weak": found.weak,
    }


def _near(given: object, mine: int) -> bool:
    """Within the tolerance, or a thousandth of a large number."""
    return type(given) is int and abs(given - mine) <= max(SCORE_TOLERANCE_PPM, abs(mine) // 1000)
