"""What an execution is held against, and whether it stands alone: by the chain, never by who proposes.

Who chose the references of a verdict would choose the verdict. So they follow from reports on chain:

  * An execution *counts* once it has a report on chain whose evidence names its result, if that was not
    malformed.
  * The first report on an execution is made with all others of its job that counted in the block of its
    beacon; a later one with all that count when it is signed. An oracle to whom one of them has not opened
    waits: it neither proposes nor signs.
  * Whoever checks afterwards cannot know when a later report was signed. It must name all that counted in the
    block of the beacon, of the execution's report before, and of the last reference that it names; and one
    that names none is wrong if any counted in a block before its own.

A drawn execution without references is undecided at first, unless it *stands alone*: its job is targeted, or
in the block of its beacon no other execution of the job was there that had committed or still could, and
either all that are paid for had begun or no other provider had a processor that fits. Later reports are made
by what there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qcrs.chain.index import EventIndex
from qcrs.client.history import Execution, History, Job, Logged, Processor, Verdict
from qcrs.client.trail import StepKind

__all__ = ["Counts", "RegistryAt", "counting", "expected", "names_a_result", "stands_alone"]

Counts = Callable[[bytes], bool]
"""Whether the evidence with this digest names a result (`names_a_result`)."""
_PAGE = 1_000


def names_a_result(evidence: Mapping[str, Any]) -> bool:
    """Whether an evidence says that its result was opened and had the form of one."""
    inputs = evidence.get("inputs")
    opened = isinstance(inputs, Mapping) and inputs.get("result") is not None
    return opened and evidence.get("decided_by") not in ("V0 form", "client void")


def _blocks(job: Job, kind: StepKind) -> dict[int, int]:
    """The block of each execution's first step of a kind."""
    found: dict[int, int] = {}
    for step in job.steps:
        if step.kind is kind:
            found.setdefault(step.execution, step.block)
    return found


def counting(job: Job, run: Execution, counts: Counts, until: int | None = None) -> tuple[int, ...]:
    """The other executions that count in a block, or now; in order."""
    return tuple(
        index
        for index, block in sorted(_blocks(job, StepKind.JUDGED).items())
        if index != run.index
        and (until is None or block <= until)
        and counts(job.executions[index].verdicts[0].evidence)
    )


def expected(
    job: Job, run: Execution, verdict: Verdict, named: Sequence[int], beacon: int, counts: Counts
) -> tuple[int, ...]:
    """What a verdict on chain that names these references must name; `beacon` is its beacon's block."""
    if verdict.round == 0:
        return counting(job, run, counts, beacon)
    landed = {step.transaction: step.block for step in job.steps if step.kind is StepKind.JUDGED}
    if not named:
        return counting(job, run, counts, landed[verdict.transaction] - 1)
    reported = _blocks(job, StepKind.JUDGED)
    before = landed[run.verdicts[verdict.round - 1].transaction]
    last = max(reported.get(index, 0) for index in named)
    return counting(job, run, counts, max(beacon, before, last))


def stands_alone(
    job: Job, run: Execution, report: int, beacon: int, processors: Callable[[int], Mapping[int, Processor]]
) -> bool:
    """Whether an execution stands alone in its report of this number.

    `processors` gives the registry as it was in a block.
    """
    if report > 0 or job.request.target:
        return True
    committed, ended = _blocks(job, StepKind.COMMITTED), _blocks(job, StepKind.ENDED)
    begun = {index for index, block in _blocks(job, StepKind.ALLOCATED).items() if block <= beacon}
    gone = {index for index in begun - set(committed) if ended.get(index, beacon + 1) <= beacon}
    if begun - gone - {run.index}:
        return False
    if len(begun) >= job.request.max_executions:
        return True
    known = processors(beacon)
    had = {known[job.executions[index].processor].provider for index in begun}
    return not any(
        one.provider not in had
        and not one.suspended
        and not one.retired
        and one.certified_until > run.committed_at
        and one.qubits >= job.request.qubits
        and one.capability is not None
        and one.capability.quality >= job.request.quality
        for one in known.values()
    )


@dataclass(slots=True)
class RegistryAt:
    """The registry as it was in any block that an index has read. Asked in order of blocks it reads once."""

    index: EventIndex
    _history: History = field(default_factory=History)
    _last: int = 0
    _block: int = 0
    _rewinds: int = 0

    def __call__(self, block: int) -> Mapping[int, Processor]:
        """Processors by number."""
        if block < self._block or self.index.rewinds != self._rewinds:
            self._history, self._last, self._rewinds = History(), 0, self.index.rewinds
        self._block = block
        while rows := self.index.events(contract="ProcessorRegistry", after=self._last, limit=_PAGE):
            for row in rows:
                if row.block > block:
                    return self._history.processors
                place = row.block, row.timestamp, row.log_index, "0x" + row.transaction.hex()
                self._history.apply(Logged(row.event, *place))
                self._last = row.seq
        return self._history.processors
