"""The replay itself: it must accept two equal queues and notice any that differs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from qcrs.errors import VerificationError
from qcrs.scheduling import FairQueue, Outcome, Parameters, QueueRefusal, Reason, Request
from qcrs.scheduling.replay import Snapshot, model_snapshot, replay
from qcrs.scheduling.words import Job, Processor

START = 1_000_000


def fresh(kind: type[FairQueue] = FairQueue, drain: int = 300) -> FairQueue:
    model = kind(Parameters(drain=drain, boosts=(0, 50, 150)))
    for weight in (100, 100, 300, 50):
        model.open_flow(weight)
    for flow in (0, 2):
        model.set_quota(flow, 1, 40_000, 500_000, START)
        model.set_quota(flow, 2, 20_000, 100_000, START)
    for number, (provider, qubits, quality) in enumerate(
        [(1, 27, 1500), (2, 27, 2600), (3, 127, 2600), (3, 133, 3200)], start=1
    ):
        model.enroll(number, provider, qubits)
        model.certify(number, quality, START + 10**9)
    model.certify(1, 1500, START + 20_000)
    return model


class ModelLedger:
    """A second model in the contract's place."""

    def __init__(self, model: FairQueue) -> None:
        self.model = model
        self.now = 0

    def submit(self, request: Request, client: int, now: int) -> int:
        self.now = now
        return self.model.submit(request, client, now)

    def cancel(self, job: int, client: int, now: int) -> None:
        self.now = now
        self.model.cancel(job, client, now)

    def allocate(self, processor: int, now: int) -> tuple[int, int]:
        self.now = now
        return self.model.allocate(processor, now)

    def commit(self, job: int, execution: int, now: int) -> None:
        self.now = now
        self.model.commit(job, execution, now)

    def judge(self, job: int, execution: int, outcome: Outcome, now: int) -> None:
        self.now = now
        self.model.judge(job, execution, outcome, now, self.odds)

    def expire_execution(self, job: int, execution: int, now: int) -> None:
        self.now = now
        self.model.expire_execution(job, execution, now, self.odds)

    def expire(self, job: int, now: int) -> None:
        self.now = now
        self.model.expire(job, now)

    def skim(self, queue: int, most: int, now: int) -> None:
        self.now = now
        self.model.skim(queue, most, now)

    def next_for(self, processor: int) -> tuple[int, Reason]:
        return self.model.next_for(processor, self.now)

    def odds(self, processor: int) -> int:
        return 200 * processor - 300

    def snapshot(self) -> Snapshot:
        return model_snapshot(self.model)


def test_equal_queues_agree_on_everything() -> None:
    report = replay(fresh(), ModelLedger(fresh()), 3000, 7, start=START, clients=4)
    assert report.operations == 3000
    assert min(report.done[name] for name in ("submit", "allocate", "commit", "judge", "expire")) > 20
    assert min(report.done[name] for name in ("cancel", "expire_execution", "skim")) > 5
    assert min(report.refused[name] for name in ("submit", "allocate", "commit", "judge")) > 5
    assert {"NONE", "EMPTY", "UNSUITABLE", "BUSY", "DRAINING"} <= set(report.reasons)


class RoundsDown(FairQueue):
    def _charge(self, job: Job, processor: Processor, now: int) -> int:
        mark = super()._charge(job, processor, now)
        flow, r = self.flows[job.request.flow], job.request
        if r.qubits * r.declared * 64 % flow.weight and mark >= 0:
            flow.finish -= 1
        return mark


class ForgetsExclusion(FairQueue):
    def _had(self, processor: int, job: Job) -> bool:
        return False


class NeverRequeues(FairQueue):
    def _append(self, place: int, index: int) -> None:
        self._queue(place)


class CommitsLate(FairQueue):
    def commit(self, identity: int, number: int, now: int) -> None:
        super().commit(identity, number, now - 1)


@pytest.mark.parametrize("kind", [RoundsDown, ForgetsExclusion, NeverRequeues, CommitsLate])
def test_any_other_rule_is_noticed(kind: type[FairQueue]) -> None:
    with pytest.raises(VerificationError, match="reference model"):
        replay(fresh(), ModelLedger(fresh(kind)), 3000, 7, start=START, clients=4)


def test_another_parameter_is_noticed() -> None:
    with pytest.raises(VerificationError):
        replay(fresh(), ModelLedger(fresh(drain=1200)), 3000, 7, start=START, clients=4)


def test_a_refusal_on_one_side_alone_is_noticed() -> None:
    ledger = ModelLedger(fresh())
    honest: Callable[[int, int], tuple[int, int]] = ledger.allocate
    handed_out: list[int] = []

    def refuse_the_fifth(processor: int, now: int) -> tuple[int, int]:
        job, execution = honest(processor, now)
        handed_out.append(job)
        if len(handed_out) == 5:
            raise QueueRefusal("moody")
        return job, execution

    ledger.allocate = refuse_the_fifth  # type: ignore[method-assign] - a faulty ledger on purpose
    with pytest.raises(VerificationError, match="disagree"):
        replay(fresh(), ledger, 3000, 7, start=START, clients=4)
