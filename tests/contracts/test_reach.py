"""One life that meets every event, every refusal and every change of state that the model knows.

Its calls are fixed, so that what is met does not hang on draws; contracts and model are compared after each.
The parts build on each other: jobs and challenges are numbered through, and evidence and bonds carry over.
"""

from __future__ import annotations

from exchange_machine import OVERTURNED, UPHELD, Exchange
from exchange_model import (
    ACTIVE,
    ALLOCATED,
    CANCELLED,
    EXPIRED,
    FAILED,
    LEGAL,
    NONE,
    QUEUED,
    SETTLED,
)
from exchange_stage import CREDIT, Stage

ACCEPT, UNDECIDE, REJECT, FRAUD = 1, 2, 3, 4

EVENTS = """
ProcessorRegistered ProcessorCertified EraStarted EraAdopted JobSubmitted JobAllocated ResultCommitted
VerdictReported ExecutionEnded JobRequeued JobClosed Slashed ChallengeOpened ChallengeRuled BondTaken
BondGiven BondAdded BondReleaseStarted BondReleased SuspensionSet Withdrawn Transfer
"""
REFUSALS = """
ComputationAllocatorBadExecutionState ComputationAllocatorBadJobState ComputationAllocatorBadOutcome
ComputationAllocatorBadRound ComputationAllocatorInsufficientBalance ComputationAllocatorTooEarly
ComputationAllocatorNothingEligible ComputationAllocatorTooLate ProcessorRegistryBadBond
ProcessorRegistryNotAvailable ResultVerifierAlreadyChallenged ResultVerifierNotChallengeable
ResultVerifierNotOpen ResultVerifierRulingWindow
"""
CHANGES = {f"execution {before} to {after}" for before, after in {*LEGAL, (NONE, ALLOCATED)}} | {
    f"job {before} to {after}"
    for before, after in (
        (NONE, QUEUED),
        (QUEUED, ACTIVE),
        (ACTIVE, QUEUED),
        (ACTIVE, SETTLED),
        (QUEUED, SETTLED),
        (ACTIVE, FAILED),
        (QUEUED, CANCELLED),
        (QUEUED, EXPIRED),
        (ACTIVE, EXPIRED),
    )
}


def accepted_then_overturned(pair: Exchange, a: str, b: str) -> None:
    pair.submit(a)
    pair.commit(1, 0)
    pair.allocate(1)
    pair.allocate(2)
    pair.judge(1, 0, ACCEPT)
    pair.commit(1, 0)
    pair.judge(1, 0, ACCEPT, 1)
    pair.judge(1, 0, ACCEPT)
    pair.challenge(1, 0, b)
    pair.challenge(1, 0, b)
    pair.lapse(1)
    pair.rule_on(1, OVERTURNED)
    pair.rule_on(1, UPHELD)


def judged_again_and_again(pair: Exchange, a: str, _: str) -> None:
    pair.submit(a)
    pair.allocate(2)
    pair.commit(2, 0)
    pair.judge(2, 0, UNDECIDE)
    pair.allocate(3)
    pair.commit(2, 1)
    pair.judge(2, 1, REJECT)
    pair.judge(2, 1, FRAUD, 1)
    pair.judge(2, 0, REJECT, 1)
    pair.judge(2, 0, FRAUD, 2)
    pair.judge(2, 0, FRAUD, 3)
    pair.submit(a)
    assert pair.allocate(2) is None  # nothing is left at stake
    pair.add_bond(2, CREDIT)
    pair.allocate(2)
    pair.commit(3, 0)
    pair.judge(3, 0, UNDECIDE)
    pair.judge(3, 0, ACCEPT, 1)
    for job, processor in ((4, 4), (5, 2)):
        pair.submit(a, most=1)
        pair.allocate(processor)
        pair.commit(job, 0)
    pair.judge(4, 0, FRAUD)
    pair.judge(5, 0, UNDECIDE)
    pair.judge(5, 0, FRAUD, 1)
    for processor in (2, 3, 4):
        pair.add_bond(processor, 2 * CREDIT)


def out_of_time(pair: Exchange, a: str, b: str) -> None:
    pair.submit(a)
    pair.allocate(2)
    pair.expire_execution(6, 0)
    pair.wait(200)
    pair.commit(6, 0)
    pair.expire_execution(6, 0)
    pair.cancel(6)
    pair.cancel(6)
    pair.submit(a, slack=10**5)
    pair.allocate(2)
    pair.commit(7, 0)
    pair.wait(4000)
    pair.expire_execution(7, 0)
    pair.allocate(3)
    pair.commit(7, 1)
    pair.judge(7, 1, ACCEPT)
    pair.submit(b, redundancy=2, most=3, slack=300)
    pair.allocate(1)
    pair.cancel(8)
    pair.allocate(4)
    pair.allocate(2)
    pair.commit(8, 0)
    pair.judge(8, 0, UNDECIDE)
    pair.commit(8, 1)
    pair.expire(8)
    pair.submit(b, most=1, slack=300)
    pair.allocate(3)
    pair.wait(1000)
    pair.expire(8)
    pair.expire(9)
    pair.expire(9)
    pair.wait(3000)
    pair.expire(8)


def challenged(pair: Exchange, a: str, b: str) -> None:
    for job, outcome in ((10, REJECT), (11, ACCEPT), (12, REJECT)):
        pair.submit(a, most=1)
        pair.allocate(2)
        pair.commit(job, 0)
        pair.judge(job, 0, outcome, weak=True)
        pair.challenge(job, 0, b)
    pair.rule_on(2, OVERTURNED)
    pair.rule_on(3, UPHELD)
    pair.wait(4 * 86_400)
    pair.rule_on(4, UPHELD)
    pair.lapse(4)
    pair.challenge(11, 0, a)
    pair.judge(12, 0, FRAUD, 1)


def money_and_bonds(pair: Exchange, a: str, _: str) -> None:
    pair.withdraw(a, 10**6)
    pair.withdraw(a, 10**12)
    pair.unbond(1, 0)
    pair.withdraw_bond(1)
    pair.unbond(1, CREDIT)
    pair.wait(15 * 86_400)
    pair.withdraw_bond(1)
    pair.rotate()


def test_one_life_meets_every_event_refusal_and_change(stage: Stage) -> None:
    pair = Exchange(stage)
    try:
        pair.prepare((12, 12, 12, 12))
        a, b = stage.who.clients[:2]
        for part in (
            accepted_then_overturned,
            judged_again_and_again,
            out_of_time,
            challenged,
            money_and_bonds,
        ):
            part(pair, a, b)
        pair.settle_everything()
        refusals = {f"refused {name}" for name in REFUSALS.split()}
        assert set(pair.reached) == {*EVENTS.split(), *refusals, *CHANGES}
    finally:
        pair.close()
