"""Reference model of the exchange's fair queue: start-time fair queueing with a drain rule, in integers.

The rule is written out in `contracts/interfaces/IComputationAllocator.sol`; this is the same rule in Python,
with the contract's arithmetic, so that random sequences of operations can be compared one by one (`replay`)
and the simulation (`simulate`) measures what is deployed. Money and reputation are left to the contract:
log2-odds are passed in. Time is passed in; nothing here is random.

A lane shows the first entry of its flow, dead or alive, as it was when the flow's line last changed; what the
flow offers to a processor is found when that lane's turn comes: entries that are dead, or that the processor
cannot run, are passed over. Dead entries go when the flow is skimmed.
"""

from __future__ import annotations

from collections.abc import Callable

from qcrs.scheduling.lines import FLOWS_AHEAD, LOOK, Lane, Lines, Pick
from qcrs.scheduling.words import (
    DIRECT,
    MOST_DEBT,
    PENDING,
    TAG_SCALE,
    USED_STEPS,
    Execution,
    ExecutionState,
    Flow,
    Job,
    JobState,
    Outcome,
    Parameters,
    Processor,
    QueueRefusal,
    Quota,
    Reason,
    Request,
    required_odds,
)

__all__ = ["FairQueue", "Odds"]

Odds = Callable[[int], int]
"""Log2-odds of a processor's reputation in 1/256 bit, after the operation at hand."""

_MOST_TAG = (1 << 40) - 1
_HEAD_START, _PACE = 1 << 33, 2048
"""Tags, and so virtual time, are at most this much, and this much more a second since the deployment."""
_MOST_LIFE = 365 * 86_400
_TIDY = 8
_MOST_REPORTS = 3
_OWED = (ExecutionState.COMMITTED, ExecutionState.UNDECIDED)


class FairQueue(Lines):
    """All flows, jobs and processors of one allocator. Refused operations raise `QueueRefusal`.

    `born` is the time of the allocator's deployment, in seconds.
    """

    def __init__(self, parameters: Parameters | None = None, born: int = 0) -> None:
        super().__init__(parameters)
        self.born = born
        self.time = 0
        self.quotas: dict[tuple[int, int], Quota] = {}

    # ------------------------------ setting up ------------------------------

    def open_flow(self, weight: int) -> int:
        """A new flow; its number."""
        self.flows.append(Flow(weight))
        return len(self.flows) - 1

    def split_flow(self, flow: int, weight: int) -> int:
        """A new flow that takes `weight` of another one's, and starts at its finish tag; its number."""
        self.flows[flow].weight -= weight
        self.flows.append(Flow(weight, self.flows[flow].finish))
        return len(self.flows) - 1

    def set_quota(self, flow: int, klass: int, capacity: int, per_day: int, now: int) -> None:
        """A full bucket for a flow's class."""
        self.quotas[flow, klass] = Quota(capacity, per_day, capacity, now)

    def enroll(self, processor: int, provider: int, qubits: int) -> None:
        """A processor without a certificate."""
        self.processors[processor] = Processor(provider, qubits, qubits, 0)

    def certify(self, processor: int, quality: int, until: int) -> None:
        """Certified quality and when it lapses."""
        self.processors[processor].quality = quality
        self.processors[processor].certified_until = until

    # ------------------------------ clients ------------------------------

    def submit(self, request: Request, client: int, now: int) -> int:
        """Put a job in line, with the least start tag that it may get; its id."""
        p = self.parameters
        if p.paused:
            raise QueueRefusal("Paused")
        if not 0 <= request.flow < len(self.flows):
            raise QueueRefusal("UnknownFlow")
        self._check(request, now)
        klass = self._grant(request, now)
        job = Job(request, client, max(self.time - p.credit, 0), klass)
        place = DIRECT | request.target if request.target else request.flow
        queue = self._queue(place)
        queue.added += 1
        identity = place << 40 | queue.added
        self.jobs[identity] = job
        if request.target:
            self.processors[request.target].direct = True
        elif queue.returned_head == 0 and queue.removed + 1 == queue.added:
            self.flows[request.flow].lane = self._lane(job, self._start(job))
        return identity

    def _check(self, request: Request, now: int) -> None:
        p = self.parameters
        ranges = (
            1 <= request.qubits <= 4095,
            0 <= request.quality <= (0 if request.target else 4095),
            0 <= request.klass <= 2,
            1 <= request.redundancy <= p.most_redundancy,
            request.redundancy <= request.executions <= 5,
            p.least_trust <= request.trust <= 255,
            1 <= request.declared <= p.most_seconds,
            not request.target or request.executions == 1,
        )
        if not all(ranges):
            raise QueueRefusal("BadRequest")
        if not now + request.declared + p.grace + p.margin <= request.deadline <= now + _MOST_LIFE:
            raise QueueRefusal("BadDeadline")
        if request.target:
            target = self.processors.get(request.target)
            if target is None or target.blocked or request.qubits > target.qubits:
                raise QueueRefusal("BadTarget")

    def _grant(self, request: Request, now: int) -> int:
        quota = self.quotas.get((request.flow, request.klass))
        if request.klass == 0 or quota is None or request.units > (available := quota.available(now)):
            return 0
        quota.tokens, quota.updated = available - request.units, now
        return request.klass

    def cancel(self, identity: int, client: int, now: int) -> None:
        """Take back a queued job without a pending execution."""
        job = self._job(identity)
        if job.client != client:
            raise QueueRefusal("NotClient")
        if job.state != JobState.QUEUED:
            raise QueueRefusal("BadJobState")
        if any(e.state in PENDING for e in job.executions):
            raise QueueRefusal("BadExecutionState")
        job.state = JobState.CANCELLED
        self._tidy(identity >> 40, now)

    # ------------------------------ providers ------------------------------

    def next_for(self, processor: int, now: int) -> tuple[int, Reason]:
        """The job that would be handed out or drained for (else 0), and why there is none."""
        pick, reason = self._select(processor, now)
        named = pick is not None and reason in (Reason.NONE, Reason.DRAINING)
        return (pick.queue << 40 | pick.index if pick is not None and named else 0), reason

    def allocate(self, processor: int, now: int) -> tuple[int, int]:
        """Hand out the job that the rule names: its id and the number of the execution."""
        pick, reason = self._select(processor, now)
        if pick is None or reason != Reason.NONE:
            raise QueueRefusal(reason.name)
        identity = pick.queue << 40 | pick.index
        job, queue = self.jobs[identity], self.queues[pick.queue]
        self._unlink(pick, queue, job)
        job.tag = pick.tag
        mark = self._charge(job, self.processors[processor], now)
        job.following = 0
        job.executions.append(Execution(processor, ExecutionState.ALLOCATED, now, mark))
        accepted, running, _ = job.tally()
        more = len(job.executions) < job.request.executions
        if more and accepted + running < job.request.redundancy:
            self._append(pick.queue, pick.index)
        else:
            job.state = JobState.ACTIVE
        self.processors[processor].free -= job.request.qubits
        self._show(pick.queue)
        return identity, len(job.executions) - 1

    def commit(self, identity: int, number: int, now: int) -> None:
        """A result came in time: the qubits are free."""
        job, execution = self._execution(identity, number)
        if execution.state != ExecutionState.ALLOCATED:
            raise QueueRefusal("BadExecutionState")
        declared = job.request.declared
        if now > execution.since + declared + self.parameters.grace:
            raise QueueRefusal("TooLate")
        execution.used = min(USED_STEPS, -(-(now - execution.since) * USED_STEPS // declared))
        execution.state, execution.since = ExecutionState.COMMITTED, now
        self.processors[execution.processor].free += job.request.qubits

    # ------------------------------ verdicts and clocks ------------------------------

    def judge(self, identity: int, number: int, outcome: Outcome, now: int, odds: Odds) -> None:
        """A quorum report: settles, fails or requeues the job."""
        job, execution = self._execution(identity, number)
        if execution.reports >= _MOST_REPORTS:
            raise QueueRefusal("BadRound")
        before, after = execution.state, None
        if before in (ExecutionState.COMMITTED, ExecutionState.UNDECIDED):
            after = {
                Outcome.ACCEPT: ExecutionState.ACCEPTED,
                Outcome.REJECT: ExecutionState.REJECTED,
                Outcome.UNDECIDED: ExecutionState.UNDECIDED,
                Outcome.FRAUD: ExecutionState.FRAUDULENT,
            }[outcome]
            if before == after:  # a second look that tells no more is the last
                after = ExecutionState.ENDED
        elif before == ExecutionState.REJECTED and outcome == Outcome.FRAUD:
            after = ExecutionState.FRAUDULENT
        if after is None:
            raise QueueRefusal("BadOutcome")
        if after == ExecutionState.ACCEPTED:
            self._give_back(job, execution, USED_STEPS - execution.used)
        elif after != ExecutionState.UNDECIDED and before != ExecutionState.REJECTED:
            self._refund(job, execution, USED_STEPS)
        execution.state, execution.since = after, now
        execution.reports += 1
        job.paid += outcome == Outcome.ACCEPT
        if job.is_open:
            self._advance(identity, job, odds)

    def overturn(self, identity: int, number: int, now: int, odds: Odds) -> None:
        """The Dispute Council voided an accepted execution."""
        job, execution = self._execution(identity, number)
        if execution.state != ExecutionState.ACCEPTED:
            raise QueueRefusal("BadExecutionState")
        self._refund(job, execution, execution.used)
        execution.state, execution.since = ExecutionState.FRAUDULENT, now
        if job.is_open:
            self._advance(identity, job, odds)

    def expire_execution(self, identity: int, number: int, now: int, odds: Odds) -> None:
        """End an execution whose commitment or verdict is overdue."""
        job, execution = self._execution(identity, number)
        if execution.state == ExecutionState.ALLOCATED:
            until = execution.since + job.request.declared + self.parameters.grace
        elif execution.state == ExecutionState.COMMITTED:
            until = execution.since + self.parameters.verdict_window
        else:
            raise QueueRefusal("BadExecutionState")
        if now <= until:
            raise QueueRefusal("TooEarly")
        self._end(job, execution, now)
        self._advance(identity, job, odds)

    def expire(self, identity: int, now: int) -> None:
        """Close an open job after its deadline, once nobody waits for a verdict on what it handed over."""
        job = self._job(identity)
        if not job.is_open:
            raise QueueRefusal("BadJobState")
        last = job.request.deadline
        if any(e.state in _OWED for e in job.executions):
            last = max(last, max(e.since for e in job.executions) + self.parameters.verdict_window)
        if now <= last:
            raise QueueRefusal("TooEarly")
        for execution in job.executions:
            if execution.state in PENDING:
                self._end(job, execution, now)
        job.state = JobState.EXPIRED
        self._tidy(identity >> 40, now)

    def skim(self, queue: int, most: int, now: int) -> int:
        """Drop dead entries among the next `most` of a queue; how many were."""
        dropped = self._trim(queue, most, now)
        dropped += self._weed(queue, most - dropped, now)
        self._show(queue)
        return dropped

    def _tidy(self, queue: int, now: int) -> None:
        self._trim(queue, _TIDY, now)
        self._show(queue)

    # ------------------------------ the rule ------------------------------

    def _select(self, number: int, now: int) -> tuple[Pick | None, Reason]:
        processor = self.processors[number]
        if self.parameters.paused:
            return None, Reason.PAUSED
        if processor.blocked:
            return None, Reason.SUSPENDED
        certified = processor.certified_until > now
        quality = processor.quality if certified else 0
        lanes: list[Lane | None] = [flow.lane for flow in self.flows] if certified else []
        resolved: set[int] = set()
        ahead: set[int] = set()
        if processor.direct:
            resolved.add(len(lanes))
            offered = self._offer(DIRECT | number, number, now)
            lanes.append(self._lane_of(offered))
            reason = Reason.NONE if offered.index else Reason.BACKLOG
        else:
            lanes.append(None)
            reason = Reason.NONE
        while True:
            best = self._least(lanes, resolved, processor, quality)
            if best is None:
                return None, reason or self._why(lanes, processor, quality, certified)
            own = best == len(lanes) - 1
            queue = DIRECT | number if own else best
            deep = own or self._deep(best, now)
            if not deep and len(ahead) < FLOWS_AHEAD:
                ahead.add(best)
            pick = self._offer(queue, number, now, LOOK if deep or best in ahead else 1)
            if not pick.first and best not in resolved:
                lanes[best] = self._lane_of(pick) or pick.unfit
                line = self.queues[queue]
                if lanes[best] is None and line.removed != line.added:
                    reason = Reason.BACKLOG
                resolved.add(best)
                continue
            job = self.jobs[pick.queue << 40 | pick.index]
            if job.request.qubits <= processor.free:
                return pick, Reason.NONE
            if self.time > pick.tag + self.parameters.drain:
                return pick, Reason.DRAINING
            lanes[best] = None
            reason = reason or Reason.BUSY

    def _least(
        self, lanes: list[Lane | None], resolved: set[int], processor: Processor, quality: int
    ) -> int | None:
        """The lane of least key that fits, or may make the processor drain, or whose front the processor
        cannot run, so that something may be hidden behind it."""
        late = max(0, self.time - self.parameters.drain)
        best, least = None, 1 << 64
        for number, lane in enumerate(lanes):
            if lane is None or lane[0] >= least:
                continue
            key, qubits, needed = lane
            unfit = qubits > processor.qubits or needed > quality
            if number not in resolved if unfit else qubits <= processor.free or key < late:
                best, least = number, key
        return best

    def _why(self, lanes: list[Lane | None], processor: Processor, quality: int, certified: bool) -> Reason:
        """Why none of the lanes will do."""
        seen = [lane for lane in lanes if lane is not None]
        if any(qubits <= processor.qubits and needed <= quality for _, qubits, needed in seen):
            return Reason.BUSY
        if seen:
            return Reason.UNSUITABLE
        return Reason.EMPTY if certified else Reason.NO_CERTIFICATE

    # ------------------------------ jobs ------------------------------

    def _job(self, identity: int) -> Job:
        if identity not in self.jobs:
            raise QueueRefusal("UnknownJob")
        return self.jobs[identity]

    def _execution(self, identity: int, number: int) -> tuple[Job, Execution]:
        job = self._job(identity)
        if number >= len(job.executions):
            raise QueueRefusal("BadExecutionState")
        return job, job.executions[number]

    def _charge(self, job: Job, processor: Processor, now: int) -> int:
        """Charge an execution to its job's flow, and let virtual time pass to the job's start tag; neither
        for a trial: what a processor without a certificate gets. The charge's mark, -1 for a trial."""
        flow, r = self.flows[job.request.flow], job.request
        if r.target and processor.certified_until <= now:
            return -1
        floor = max(0, self.time - 2 * self.parameters.drain)
        start = max(flow.finish, job.tag, floor)
        kept = 0 if start > flow.finish else min(flow.debt, start - floor)
        cost = -(-r.qubits * r.declared * TAG_SCALE // flow.weight)
        most = min(_MOST_TAG, _HEAD_START + (now - self.born) * _PACE)
        if cost > most - start:
            cost, kept = most - start, 0
        flow.finish, flow.debt = start + cost, min(kept + cost, MOST_DEBT)
        flow.charged += cost
        self.time = max(self.time, job.tag)
        if r.target:
            self._show(r.flow)
        return flow.charged

    def _give_back(self, job: Job, execution: Execution, steps: int) -> None:
        """Give the flow of a job back as many steps of an execution's declared time, if it was charged.

        What the flow was charged is a pile, forgiven from below: of the execution's charge no more is left
        than the debt less all that came on top of it.
        """
        flow, r = self.flows[job.request.flow], job.request
        if execution.mark >= 0:
            above = (flow.charged - execution.mark) % (1 << 40)
            whole = r.qubits * r.declared * TAG_SCALE // flow.weight
            by = min(whole * steps // USED_STEPS, max(0, flow.debt - above))
            flow.finish, flow.debt = flow.finish - by, flow.debt - by

    def _refund(self, job: Job, execution: Execution, steps: int) -> None:
        """The same where nobody is paid, and show what it means for the flow's front."""
        self._give_back(job, execution, steps)
        self._show(job.request.flow)

    def _end(self, job: Job, execution: Execution, now: int) -> None:
        self._refund(job, execution, USED_STEPS)
        if execution.state == ExecutionState.ALLOCATED:
            self.processors[execution.processor].free += job.request.qubits
        execution.state, execution.since = ExecutionState.ENDED, now

    def _advance(self, identity: int, job: Job, odds: Odds) -> None:
        """Settle, fail or requeue an open job after one of its executions changed."""
        accepted, running, undecided = job.tally()
        if accepted >= job.request.redundancy:
            if running + undecided:
                return
            paid = [e.processor for e in job.executions if e.state == ExecutionState.ACCEPTED]
            if sum(max(0, odds(processor)) for processor in paid) >= required_odds(job.request.trust):
                job.state = JobState.SETTLED
                return
        elif accepted + running >= job.request.redundancy:
            return
        if job.state == JobState.QUEUED:
            return
        if len(job.executions) == job.request.executions:
            if not running + undecided:
                job.state = JobState.FAILED
            return
        place, index = identity >> 40, identity & (1 << 40) - 1
        was_empty = self._queue(place).returned_head == 0
        self._append(place, index)
        job.state = JobState.QUEUED
        if place < DIRECT and was_empty:
            self.flows[place].lane = self._lane(job, self._again(job))
