"""Reference model of money, executions, bonds and reputation; the queue's own is `qcrs.scheduling`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

ONE = 256
MOST = 65_535
GAIN = {1: (256, 0), 3: (0, 256), 4: (0, 2048)}
"""Evidence that an outcome adds, for and against; a weak acceptance adds 26."""


def decay(evidence: int, ticks: int, half: int) -> int:
    """What is left of evidence after `ticks` of 256 s, of a half-life of `half` ticks."""
    halvings = ticks // half
    if halvings > 16:
        return 0
    f = (ticks % half << 16) // half
    factor = (1 << 16) - (44_012 * f >> 16) + (11_244 * (f * f >> 16) >> 16)
    return evidence * factor >> 16 >> halvings


def decayed(evidence: tuple[int, int], ticks: int, half: int) -> tuple[int, int]:
    if ticks == 0:
        return evidence
    return decay(evidence[0], ticks, half), decay(evidence[1], ticks, half)


def _log2(x: int) -> int:
    whole = x.bit_length() - 1
    m = (x << 8 >> whole) - 256
    return (whole << 8) + m + (88 * m * (256 - m) >> 16)


def log2_odds(a: int, b: int) -> int:
    """In 1/256 bit, of the evidence without the prior."""
    return _log2(a + ONE) - _log2(b + ONE)


class Refused(Exception):  # noqa: N818 - it says what happens, not that the model erred
    """What the contract must refuse, by the name of its error."""


Entry = tuple[int, int, int, int, bool]
"""A report of a batch: job, execution, outcome, round, weak."""

NONE, QUEUED, ACTIVE, SETTLED, FAILED, CANCELLED, EXPIRED = range(7)
ALLOCATED, COMMITTED, UNDECIDED, ACCEPTED, REJECTED, FRAUDULENT, ENDED = range(1, 8)
TO = {1: ACCEPTED, 2: UNDECIDED, 3: REJECTED, 4: FRAUDULENT}
LEGAL = {
    (ALLOCATED, COMMITTED),
    (ALLOCATED, ENDED),
    (COMMITTED, ENDED),
    (UNDECIDED, ENDED),
    (REJECTED, FRAUDULENT),
    (ACCEPTED, FRAUDULENT),
    (COMMITTED, UNDECIDED),
    *((start, end) for start in (COMMITTED, UNDECIDED) for end in (ACCEPTED, REJECTED, FRAUDULENT)),
}
"""Transitions of an execution; from accepted to fraudulent is the Dispute Council's alone."""
GRACE, MARGIN, VERDICT_WINDOW, CHALLENGE_WINDOW, RULING_WINDOW = 30, 60, 3600, 86_400, 12 * 86_400
HALF_LIFE = 90 * 86_400 >> 8
RATE = 1000
FRAUD_MULTIPLE = 10


@dataclass(slots=True)
class Execution:
    processor: int
    state: int
    since: int
    reports: int = 0

    def move(self, state: int, now: int) -> None:
        assert (self.state, state) in LEGAL, (self.state, state)
        self.state, self.since = state, now


@dataclass(slots=True)
class Job:
    client: str
    qubits: int
    seconds: int
    redundancy: int
    most: int
    trust: int
    deadline: int
    state: int = QUEUED
    paid: int = 0
    executions: list[Execution] = field(default_factory=list)

    @property
    def fee(self) -> int:
        return RATE * self.qubits * self.seconds

    @property
    def open(self) -> bool:
        return self.state in (QUEUED, ACTIVE)

    @property
    def escrow(self) -> int:
        return self.fee * (self.most - self.paid) if self.open else 0

    def live(self, now: int) -> bool:
        return self.state == QUEUED and now + self.seconds + GRACE + MARGIN <= self.deadline

    def count(self, *states: int) -> int:
        return sum(e.state in states for e in self.executions)


@dataclass(slots=True)
class Machine:
    """A processor."""

    provider: str
    qubits: int
    bond: int
    free: int
    evidence: tuple[int, int] = (0, 0)
    tick: int = 0
    releasing: tuple[int, int] = (0, 0)
    short: bool = False
    """Nothing is at stake but what is on its way out: no new work. The least bond is one unit."""

    def at(self, now: int) -> tuple[int, int]:
        return decayed(self.evidence, (now >> 8) - self.tick, HALF_LIFE)


@dataclass(slots=True)
class Challenge:
    job: int
    execution: int
    challenger: str
    bond: int
    until: int
    open: bool = True


def required(trust: int) -> int:
    """ceil(256 log2(trust - 1))."""
    x = trust - 1
    return 256 * (x.bit_length() - 1) if x & x - 1 == 0 else math.floor(256 * math.log2(x)) + 1


class Model:
    """Money, jobs, executions, bonds and reputations. Operations raise `Refused` as contracts revert."""

    def __init__(self, treasury: str) -> None:
        self.treasury = treasury
        self.balances: Counter[str] = Counter()
        self.jobs: dict[int, Job] = {}
        self.processors: dict[int, Machine] = {}
        self.challenges: dict[int, Challenge] = {}
        self.deposited = 0

    # -- money ------------------------------------------------------------------------------------

    @property
    def owed(self) -> int:
        held = sum(job.escrow for job in self.jobs.values()) + sum(p.bond for p in self.processors.values())
        return sum(self.balances.values()) + held + sum(c.bond for c in self.challenges.values() if c.open)

    def debit(self, account: str, amount: int) -> None:
        if self.balances[account] < amount:
            raise Refused("ComputationAllocatorInsufficientBalance")
        self.balances[account] -= amount

    def deposit(self, account: str, amount: int) -> None:
        self.balances[account] += amount
        self.deposited += amount

    def withdraw(self, account: str, amount: int) -> None:
        self.debit(account, amount)
        self.deposited -= amount

    def slash(self, processor: int, amount: int, beneficiary: str) -> int:
        taken = min(amount, self.processors[processor].bond)
        p = self.processors[processor]
        p.bond -= taken
        if taken:
            p.short = p.bond <= p.releasing[0]
        self.balances[beneficiary] += taken
        return taken

    # -- jobs -------------------------------------------------------------------------------------

    def submit(self, number: int, job: Job) -> None:
        self.debit(job.client, job.fee * job.most)
        self.jobs[number] = job

    def had(self, job: Job, processor: int) -> bool:
        provider = self.processors[processor].provider
        return any(self.processors[e.processor].provider == provider for e in job.executions)

    def allocate(self, number: int, index: int, processor: int, now: int) -> None:
        """What the contract handed out must have been allowed."""
        job, p = self.jobs[number], self.processors[processor]
        assert job.live(now)
        assert not p.short
        assert not self.had(job, processor)
        assert job.qubits <= p.free
        assert index == len(job.executions) < job.most
        p.free -= job.qubits
        job.executions.append(Execution(processor, ALLOCATED, now))
        wants = job.count(ACCEPTED, ALLOCATED, COMMITTED) < job.redundancy and len(job.executions) < job.most
        job.state = QUEUED if wants else ACTIVE

    def execution(self, number: int, index: int) -> tuple[Job, Execution]:
        job = self.jobs[number]
        if index >= len(job.executions):
            raise Refused("ComputationAllocatorBadExecutionState")
        return job, job.executions[index]

    def commit(self, number: int, index: int, now: int) -> None:
        job, e = self.execution(number, index)
        if e.state != ALLOCATED:
            raise Refused("ComputationAllocatorBadExecutionState")
        if now > e.since + job.seconds + GRACE:
            raise Refused("ComputationAllocatorTooLate")
        e.move(COMMITTED, now)
        self.processors[e.processor].free += job.qubits

    def judge(self, number: int, index: int, outcome: int, weak: bool, round_: int, now: int) -> None:
        job, e = self.execution(number, index)
        if outcome == 4 and e.state == REJECTED and now > e.since + CHALLENGE_WINDOW:
            raise Refused("ResultVerifierNotChallengeable")
        if round_ != e.reports or round_ == 3:
            raise Refused("ComputationAllocatorBadRound")
        to = TO[outcome]
        if e.state not in (COMMITTED, UNDECIDED) and (e.state, to) != (REJECTED, FRAUDULENT):
            raise Refused("ComputationAllocatorBadOutcome")
        e.move(ENDED if to == e.state == UNDECIDED else to, now)
        e.reports += 1
        self.record(e.processor, outcome, weak, now)
        if to == ACCEPTED:
            self.balances[self.processors[e.processor].provider] += job.fee
            job.paid += 1
        elif to == FRAUDULENT:
            self.slash(e.processor, FRAUD_MULTIPLE * job.fee, self.treasury)
        if job.open:
            self.advance(job, now)

    def judge_batch(self, entries: Sequence[Entry], now: int) -> list[str]:
        """Why entries were skipped, in order; refused where nothing is left."""
        skipped = []
        for number, index, outcome, round_, weak in entries:
            try:
                self.judge(number, index, outcome, weak, round_, now)
            except Refused as refusal:
                skipped.append(str(refusal))
        if len(skipped) == len(entries):
            raise Refused("ResultVerifierNothingSettled")
        return skipped

    def record(self, processor: int, outcome: int, weak: bool, now: int) -> None:
        p = self.processors[processor]
        if outcome in GAIN:
            gain = (26, 0) if weak and outcome == 1 else GAIN[outcome]
            p.evidence = tuple(min(MOST, x + y) for x, y in zip(p.at(now), gain, strict=True))  # type: ignore[assignment]
            p.tick = now >> 8

    def advance(self, job: Job, now: int) -> None:
        accepted, running = job.count(ACCEPTED), job.count(ALLOCATED, COMMITTED)
        pending = running + job.count(UNDECIDED)
        if accepted >= job.redundancy:
            if pending:
                return None
            places = [e.processor for e in job.executions if e.state == ACCEPTED]
            if sum(max(0, log2_odds(*self.processors[p].at(now))) for p in places) >= required(job.trust):
                return self.close(job, SETTLED)
        elif accepted + running >= job.redundancy:
            return None
        if job.state == QUEUED:
            return None
        if len(job.executions) == job.most:
            return None if pending else self.close(job, FAILED)
        job.state = QUEUED
        return None

    def close(self, job: Job, state: int) -> None:
        self.balances[job.client] += job.escrow
        job.state = state

    def end(self, job: Job, e: Execution, now: int) -> None:
        if e.state == ALLOCATED:
            self.processors[e.processor].free += job.qubits
            self.record(e.processor, 3, False, now)
            self.slash(e.processor, job.fee // 10, job.client)
        e.move(ENDED, now)

    def expire_execution(self, number: int, index: int, now: int) -> None:
        job, e = self.execution(number, index)
        if e.state not in (ALLOCATED, COMMITTED):
            raise Refused("ComputationAllocatorBadExecutionState")
        if now <= e.since + (job.seconds + GRACE if e.state == ALLOCATED else VERDICT_WINDOW):
            raise Refused("ComputationAllocatorTooEarly")
        self.end(job, e, now)
        self.advance(job, now)

    def expire(self, number: int, now: int) -> None:
        job = self.jobs[number]
        if not job.open:
            raise Refused("ComputationAllocatorBadJobState")
        last = job.deadline
        if job.count(COMMITTED, UNDECIDED):
            last = max(last, VERDICT_WINDOW + max(e.since for e in job.executions))
        if now <= last:
            raise Refused("ComputationAllocatorTooEarly")
        for e in job.executions:
            if e.state in (ALLOCATED, COMMITTED, UNDECIDED):
                self.end(job, e, now)
        self.close(job, EXPIRED)

    def cancel(self, number: int) -> None:
        job = self.jobs[number]
        if job.state != QUEUED:
            raise Refused("ComputationAllocatorBadJobState")
        if job.count(ALLOCATED, COMMITTED, UNDECIDED):
            raise Refused("ComputationAllocatorBadExecutionState")
        self.close(job, CANCELLED)

    # -- challenges and bonds -----------------------------------------------------------------------

    def challenge(self, number: int, index: int, challenger: str, now: int) -> None:
        job, e = self.execution(number, index)
        if e.state not in (ACCEPTED, REJECTED, FRAUDULENT) or now > e.since + CHALLENGE_WINDOW:
            raise Refused("ResultVerifierNotChallengeable")
        if any((c.job, c.execution) == (number, index) for c in self.challenges.values()):
            raise Refused("ResultVerifierAlreadyChallenged")
        self.debit(challenger, 2 * job.fee)
        self.challenges[len(self.challenges) + 1] = Challenge(
            number, index, challenger, 2 * job.fee, now + RULING_WINDOW
        )

    def rule(self, number: int, overturned: bool, now: int) -> None:
        c = self.opened(number)
        if now > c.until:
            raise Refused("ResultVerifierRulingWindow")
        job, e = self.execution(c.job, c.execution)
        c.open = False
        accepted = e.state == ACCEPTED
        if overturned:
            self.balances[c.challenger] += c.bond
            if accepted:
                taken = min(c.bond, self.processors[e.processor].bond // 2)
                fee = min(job.fee, taken * 3 // 4)
                reward = (taken - fee) // 2
                self.slash(e.processor, fee, job.client)
                self.slash(e.processor, reward, c.challenger)
                self.slash(e.processor, taken - fee - reward, self.treasury)
                self.record(e.processor, 4, False, now)
                e.move(FRAUDULENT, now)
                if job.open:
                    self.advance(job, now)
            else:
                self.record(e.processor, 1, False, now)
        else:
            share = c.bond // 2 if accepted else 0
            self.balances[self.processors[e.processor].provider] += share
            self.balances[self.treasury] += c.bond - share

    def lapse(self, number: int, now: int) -> None:
        c = self.opened(number)
        if now <= c.until:
            raise Refused("ResultVerifierRulingWindow")
        c.open = False
        self.balances[c.challenger] += c.bond

    def opened(self, number: int) -> Challenge:
        if not self.challenges[number].open:
            raise Refused("ResultVerifierNotOpen")
        return self.challenges[number]

    def add_bond(self, number: int, amount: int) -> None:
        p = self.processors[number]
        self.debit(p.provider, amount)
        p.bond += amount
        p.short = p.bond <= p.releasing[0]

    def unbond(self, number: int, amount: int, now: int) -> None:
        p = self.processors[number]
        if not 0 < amount < p.bond:  # the least bond is one unit
            raise Refused("ProcessorRegistryBadBond")
        p.releasing = (amount, now + 14 * 86_400)
        p.short = False

    def withdraw_bond(self, number: int, now: int) -> None:
        p = self.processors[number]
        amount, when = p.releasing
        if not when or now < when:
            raise Refused("ProcessorRegistryNotAvailable")
        amount = min(amount, p.bond)
        if not 0 < amount < p.bond:
            raise Refused("ProcessorRegistryBadBond")
        p.bond -= amount
        p.releasing = (0, 0)
        self.balances[p.provider] += amount
