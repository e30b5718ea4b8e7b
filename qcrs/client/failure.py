"""Why a job ended without a result, and what to do about it, in words.

A job that failed with an empty reason is what users of such systems complain about most.
"""

from __future__ import annotations

from collections.abc import Callable

from qcrs.chain.bindings import ExecutionState, JobState
from qcrs.client.history import Execution, Job, Verdict
from qcrs.client.views import VerdictInfo

__all__ = ["failure_of"]


def failure_of(job: Job, describe: Callable[[Verdict], VerdictInfo]) -> tuple[str, str]:
    """Reason and remedy of a job that failed, expired, or is past its deadline."""
    runs = "; ".join(
        f"execution {run.index} on processor {run.processor}: {_ended(run, describe)}"
        for run in job.executions
    )
    if not job.executions:
        where = f"processor {job.request.target}" if job.request.target else "any certified processor"
        return (
            f"nobody took the job before its deadline: it waited for {where} until the end",
            "look whether a node runs (`qcrs processor list`), choose another processor or none, or "
            "allow more time with --deadline; the escrow is refunded when the job is expired",
        )
    if job.state == JobState.FAILED:
        again = "submit it again, with more executions or a higher least quality"
        if any(_stayed_undecided(run) for run in job.executions):
            again = (
                "an honest result may stay undecided by chance: submit it again with more shots, or for any "
                f"processor with more executions; `qcrs job result {job.id} --unverified` shows what came"
            )
        return (
            f"all {len(job.executions)} executions ended without acceptance: {runs}",
            f"{again}; unpaid fees were refunded",
        )
    return (
        f"the deadline came first: {runs}",
        "allow more time with --deadline, or choose a faster processor; unpaid fees are refunded",
    )


def _stayed_undecided(run: Execution) -> bool:
    return run.state == ExecutionState.ENDED and bool(run.verdicts)


def _ended(run: Execution, describe: Callable[[Verdict], VerdictInfo]) -> str:
    if run.state in (ExecutionState.REJECTED, ExecutionState.FRAUDULENT) and run.verdicts:
        verdict = describe(run.verdicts[-1])
        word = "fraudulent" if run.state == ExecutionState.FRAUDULENT else "rejected"
        by = f" by {verdict.decided_by}" if verdict.decided_by else ""
        return f"{word}{by}, score {verdict.score:.3f} against {verdict.threshold:.3f}"
    if _stayed_undecided(run):
        reason = describe(run.verdicts[-1]).reason
        return f"stayed undecided: {reason}" if reason else "stayed undecided"
    if run.state == ExecutionState.ENDED:
        return "missed its deadline" if not run.commitment else "got no verdict in time"
    if run.state == ExecutionState.UNDECIDED:
        return "undecided"
    return run.state.name.lower()
