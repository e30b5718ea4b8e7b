"""Evidence in a dispute: an execution judged anew, and the ruling that follows.

It is what anyone can recompute from chain and store; its canonical bytes go into the store, and members of
the Dispute Council commit to their content id. What cannot be looked at speaks against nobody: then there is
no evidence, and what is missing is named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from qcrs.errors import JobNotFoundError, StoreError, VerificationError
from qcrs.types import canonical_json, cid_of

if TYPE_CHECKING:
    from qcrs.client.checks import VerifyReport
    from qcrs.client.reader import Reader
    from qcrs.client.views import ExecutionInfo
    from qcrs.sandbox import Sandbox

__all__ = ["EVIDENCE_TYPE", "Evidence", "gather", "judged_execution"]

EVIDENCE_TYPE = "qcrs/dispute-evidence/1"
"""The `type` of its document."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """An execution judged anew: what the chain says, what came out, and the ruling that follows."""

    job: int
    execution: int
    recorded: str
    recomputed: str
    ruling: str
    cid: str
    document: bytes

    def as_json(self) -> dict[str, Any]:
        """Without the document."""
        return {key: value for key, value in asdict(self).items() if key != "document"}


def judged_execution(reader: Reader, job: int, execution: int | None = None) -> tuple[int, ExecutionInfo]:
    """A job's number and an execution that has a verdict, by default the last; `JobNotFoundError` else."""
    info = reader.job(job)
    judged = [run for run in info.executions if run.verdicts and execution in (None, run.index)]
    if not judged:
        raise JobNotFoundError(
            "there is no verdict on this execution",
            field="execution",
            value=execution,
            solution=f"see `qcrs job show {job}`",
        )
    return info.id, judged[-1]


def gather(
    reader: Reader,
    job: int,
    execution: int | None = None,
    *,
    progress: Callable[[str], None] | None = None,
    sandbox: Sandbox | None = None,
) -> Evidence:
    """Judge an execution anew from chain and store alone, by default the last; `JobError` if it is open.

    The ruling is upheld where the recomputed outcome is the recorded one and every comparison of the
    execution agrees, else overturned. Where something could not be looked at there is none: `StoreError`
    names it. `VerificationError` where store and chain cannot tell: a verdict says that nothing usable was
    handed over, and it is there now, nobody can say since when.
    """
    from qcrs.client.verify import verify_job

    number, chosen = judged_execution(reader, job, execution)
    report = verify_job(reader, job, progress=progress, sandbox=sandbox)
    _check_seen(report, chosen.index)
    last = chosen.verdicts[-1]
    here = [one for one in report.verdicts if one["execution"] == chosen.index]
    mine = next((one for one in here if one["round"] == last.round), None)
    recorded = last.outcome.lower()
    recomputed = "nothing" if mine is None else str(mine["outcome"]).lower()
    checks = [check for check in report.checks if check.execution == chosen.index]
    agrees = all(check.ok or check.unseen for check in checks)  # transactions alone: the rest was seen
    ruling = "upheld" if recomputed == recorded and agrees else "overturned"
    if ruling == "upheld" and mine is not None and not mine["judged"]:
        _check_told(report, chosen.index, str(mine["decided_by"]))
    document = canonical_json(
        {
            "type": EVIDENCE_TYPE,
            "job": report.job,
            "execution": chosen.index,
            "recorded": recorded,
            "recomputed": recomputed,
            "ruling": ruling,
            "report": report.as_json(),
        }
    )
    return Evidence(number, chosen.index, recorded, recomputed, ruling, cid_of(document), document)


_BY_HAND = (
    "; a member that must rule all the same writes why into a file: --ruling upheld|overturned --grounds FILE"
)
_REMEDIES = {
    "document": "fetch it from another copy of this network's store, then judge again",
    "key": "wait until the oracles have published the job's keys, or fetch the mail of another copy of the "
    "store, then judge again",
    "events": "ask another node of the chain, then judge again",
    "machine": "judge again on a machine with enough free memory, or when less runs on this one",
}


def _check_seen(report: VerifyReport, execution: int) -> None:
    """Refuse to rule where something that the ruling needs could not be looked at."""
    needed = [check for check in report.checks if check.execution in (None, execution)]
    found = next((check for check in needed if check.unseen in _REMEDIES), None)
    if found is not None:
        raise StoreError(
            f"nothing can be ruled yet: {found.subject}: {found.detail or found.name}",
            field="document",
            value=found.name,
            solution=_REMEDIES[found.unseen] + _BY_HAND,
        )


def _check_told(report: VerifyReport, execution: int, decided_by: str) -> None:
    """Refuse to rule on what was judged without a result by its absence, where it is not absent."""
    void = decided_by == "client void"  # the documents opened: else nothing would have been compared
    if void or execution in report.opened:
        what = "the client's documents" if void else "a result that fits its commitment"
        raise VerificationError(
            f"chain and store do not tell who is right: the verdict is {decided_by!r}, and {what} can be "
            "opened now, nobody can say since when",
            field="execution",
            value=execution,
            solution="ask both sides and the oracles' journals" + _BY_HAND,
        )
