"""Random calls on the contract and on the reference model: same refusals, same money, same states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from coordinator_machine import CoordinatorMachine
from coordinator_values import AbortCode
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test


@contextmanager
def machine_on(stage: Any) -> Iterator[type[CoordinatorMachine]]:
    """A machine class for a stage, which is as before at the end."""
    with stage.undone():
        yield type("Machine", (CoordinatorMachine,), {"stage": stage, "start": [], "outcomes": Counter()})


def run(stage: Any, examples: int, steps: int) -> None:
    with machine_on(stage) as machine:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples, stateful_step_count=steps, deadline=None,
                suppress_health_check=list(HealthCheck), derandomize=True, print_blob=False,
            ),
        )  # fmt: skip


def even_step(machine: CoordinatorMachine, r: Random) -> None:
    """One call, each kind about as likely as the others: hypothesis prefers to repeat a few rules."""
    model, pick, late = machine.model, r.randrange(12), r.random() < 0.5
    disputes = any(c.disputes for c in model.channels.values())
    qber, fidelity = (
        r.choice([0, *[20_000] * 9, 110_000, 110_001]),
        r.choice([*[930_000] * 9, 960_000, 899_999]),
    )
    rounds = r.choice([0, 99, *[120] * 8])
    choices: list[Callable[[], None]] = [
        lambda: machine.deposit(pick, r.randrange(100_000)),
        lambda: machine.withdraw(pick, r.randrange(100_000)),
        lambda: machine.open_channel(
            r.choice([(1, 2), (2, 3), (1, 3), (3, 4)]),
            3_000_000,
            r.choice([0, 7_001, 60_000]),
            10_000,
            r.randrange(4),
        ),
        lambda: machine.accept(pick, r.randrange(1, 5), r.randrange(12)),
        lambda: machine.top_up(pick, r.randrange(50_000), r.random() < 0.2),
        lambda: machine.quarantine(pick, r.randrange(12)),
        lambda: machine.retire(pick, r.randrange(60)) if late and pick > 8 else None,
        lambda: machine.close(pick, late),
        lambda: machine.wait(r.choice([1, 61, 700, 3_601, 21_601])),
        lambda: machine.pause(r.choice([0, 0, 0, 5])),
        lambda: machine.lapse_pending(pick, late) if machine.pending() else machine.lapse(pick),
    ]
    choices += 4 * [
        lambda: machine.attest(
            pick, r.randrange(2), r.randrange(5), r.randrange(9), r.randrange(12),
            qber, fidelity, r.randrange(2_000), rounds, r.choice(["same", "same", "other"]),
        ),
    ]  # fmt: skip
    if any(c.records for c in model.channels.values()):
        choices += 3 * [
            lambda: machine.dispute(pick, r.randrange(12), r.choice([0, 3, 3, 119, 120]), r.random() < 0.8)
        ]
    if disputes:
        choices += 3 * [lambda: machine.open_leaf(pick, r.randrange(2), r.random() < 0.6, r.randrange(6))]
        choices += [lambda: machine.resolve(pick, late)]
    if machine.live():
        choices += 4 * [
            lambda: machine.open_session(
                r.choice([(1, 2), (2, 3), (3, 4), (1, 2, 3), (1, 2, 3, 4)]), r.randrange(1, 9),
                r.randrange(9), r.choice([10, 500, 5_000, 10**9]), r.randrange(1, 3),
                r.choice([0, 7, 1_001, 400_000]), r.randrange(4),
            ),
        ]  # fmt: skip
    if model.sessions:
        choices += 4 * [
            lambda: machine.arrive(
                pick, r.randrange(1, 5), r.randrange(12), r.randrange(10), r.randrange(10)
            ),
            lambda: machine.arrive_all(pick, r.randrange(1, 3)),
        ]
        choices += [
            lambda: machine.decline(pick, r.randrange(1, 5), r.choice(list(AbortCode))),
            lambda: machine.cancel(pick, late),
            lambda: machine.abort(pick, r.randrange(3)),
            lambda: machine.abort(pick, r.randrange(3)),
            lambda: machine.correct(pick, r.randrange(1, 5), r.randrange(2)),
        ]
    r.choice(choices)()


def even_runs(stage: Any, seeds: range, steps: int) -> Counter[tuple[str, str]]:
    with machine_on(stage) as kind:
        for seed in seeds:
            machine, r = kind(), Random(seed)
            machine.begin()
            for _ in range(steps):
                even_step(machine, r)
            machine.teardown()
        return kind.outcomes


EXPECTED = {
    "acceptChannel": "done WrongChannelState",
    "attest": "done AlreadyAttested NotOperator TooFewTestRounds WrongChannelState WrongEpoch",
    "lapse": "done NothingPending TooEarly",
    "dispute": "done NoSuchRound NotEntitled",
    "openLeaf": "done AlreadyOpened BadProof",
    "resolveDispute": "done TooEarly",
    "closeChannel": "done BondsLocked TooEarly",
    "quarantine": "done",
    "openSession": "done AttemptRunning BarrierTooLong Paused WrongAttempt",
    "arrive": "done AlreadyArrived NotAParty WrongBarrier WrongSessionState",
    "decline": "done WrongSessionState",
    "abort": "done TooEarly WrongSessionState",
    "attestCorrection": "done WrongSessionState",
}
"""What the even runs must have met; every refusal has a test of its own besides."""


def test_contract_agrees_with_the_model(deployed: Any) -> None:
    run(deployed, examples=10, steps=30)


def test_even_calls_agree_with_the_model_and_reach_everything(deployed: Any) -> None:
    outcomes = even_runs(deployed, range(3), 200)
    missing = [
        (name, one) for name, some in EXPECTED.items() for one in some.split() if not outcomes[name, one]
    ]
    assert not missing, (missing, sorted(outcomes.items()))


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_contract_agrees_with_the_model_at_length(deployed: Any) -> None:
    run(deployed, examples=600, steps=80)
    even_runs(deployed, range(100, 250), 300)
