"""Random sequences of calls, done to the contracts and to the model; both must agree after each.

I1 money is conserved, I2 an execution settles once, I3 qubits are freed once and never overdrawn, I4 only
legal transitions, I6 trails only grow (and are what the log says), I7 eras and rounds increase, I10
reputation follows verdicts alone, I11 no slash above the bond, I12 quorums, I13 escrow always comes back,
I14 nobody blocks another.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from exchange_machine import OVERTURNED, UPHELD, Exchange
from exchange_model import (
    ACCEPTED,
    ALLOCATED,
    COMMITTED,
    FRAUDULENT,
    QUEUED,
    REJECTED,
    UNDECIDED,
    Entry,
)
from exchange_stage import CREDIT, Stage
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

WEIGHTS = {
    "submit": 5,
    "allocate": 8,
    "commit": 7,
    "judge": 6,
    "judge_batch": 3,
    "expire_execution": 2,
    "expire": 1,
    "cancel": 1,
    "challenge": 5,
    "rule_on_challenge": 4,
    "move_bond": 3,
    "wait": 2,
    "withdraw": 1,
    "rotate": 1,
}
"""Drawn operations: the method `draw_NAME` chooses arguments."""
OPERATIONS = [name for name, weight in WEIGHTS.items() for _ in range(weight)]


class Drawn(RuleBasedStateMachine):
    """Operations and their arguments drawn at random."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.pair = Exchange(self.stage)

    def teardown(self) -> None:
        try:
            self.pair.settle_everything()
        finally:
            self.pair.close()

    @initialize(widths=st.tuples(*[st.integers(5, 12)] * 4))
    def prepare(self, widths: tuple[int, ...]) -> None:
        self.pair.prepare(widths)

    @rule(seeds=st.lists(st.integers(0, 2**32 - 1), min_size=10, max_size=10))
    def act(self, seeds: list[int]) -> None:
        """Ten operations, drawn so that lives go on more often than they end."""
        for seed in seeds:
            rng = random.Random(seed)
            getattr(self, f"draw_{rng.choice(OPERATIONS)}")(rng)

    def any_job(self, rng: random.Random) -> int | None:
        """One of the most recent: in those something can still happen."""
        return rng.choice(sorted(self.pair.model.jobs)[-5:]) if self.pair.model.jobs else None

    def any_execution(self, rng: random.Random, *states: int) -> tuple[int, int] | None:
        """Mostly one in the given states, now and then any, or one that does not exist."""
        found = [
            (number, index)
            for number, job in self.pair.model.jobs.items()
            for index, e in enumerate(job.executions)
            if e.state in states
        ]
        if found and rng.random() < 0.85:
            return rng.choice(found)
        number = self.any_job(rng)
        return (
            None if number is None else (number, rng.randint(0, len(self.pair.model.jobs[number].executions)))
        )

    def draw_withdraw(self, rng: random.Random) -> None:
        self.pair.withdraw(rng.choice(self.pair.stage.who.clients), rng.choice((1, 10**6, 10**12)))

    def draw_submit(self, rng: random.Random) -> None:
        redundancy = rng.choice((1, 1, 1, 2, 3))
        self.pair.submit(
            rng.choice(self.pair.stage.who.clients),
            slack=rng.choice((0, 300, 4000, 10**5)),
            qubits=rng.randint(1, 12),
            seconds=rng.randint(1, 120),
            redundancy=redundancy,
            most=min(5, redundancy + rng.randint(0, 2)),
            trust=rng.choice((2, 2, 3, 6)),
        )

    def draw_allocate(self, rng: random.Random) -> None:
        self.pair.allocate(rng.randint(1, 4))

    def draw_commit(self, rng: random.Random) -> None:
        if found := self.any_execution(rng, ALLOCATED):
            self.pair.commit(*found)

    def any_report(self, rng: random.Random) -> Entry | None:
        if found := self.any_execution(rng, COMMITTED, UNDECIDED, REJECTED):
            number, index = found
            runs = self.pair.model.jobs[number].executions[index : index + 1]
            round_ = (runs[0].reports if runs else 0) + (rng.random() < 0.1)
            return number, index, rng.choice((1, 1, 1, 2, 2, 3, 4)), round_, rng.random() < 0.5
        return None

    def draw_judge(self, rng: random.Random) -> None:
        if report := self.any_report(rng):
            number, index, outcome, round_, weak = report
            self.pair.judge(number, index, outcome, round_, weak=weak)

    def draw_judge_batch(self, rng: random.Random) -> None:
        """Some of the reports meet an execution that another of the batch has just judged."""
        found = [report for _ in range(rng.randint(1, 4)) if (report := self.any_report(rng))]
        if found:
            self.pair.judge_batch(found)

    def draw_expire_execution(self, rng: random.Random) -> None:
        if found := self.any_execution(rng, ALLOCATED, COMMITTED):
            self.pair.expire_execution(*found)

    def draw_expire(self, rng: random.Random) -> None:
        if number := self.any_job(rng):
            self.pair.expire(number)

    def draw_cancel(self, rng: random.Random) -> None:
        if number := self.any_job(rng):
            self.pair.cancel(number)

    def draw_challenge(self, rng: random.Random) -> None:
        if found := self.any_execution(rng, ACCEPTED, REJECTED, FRAUDULENT):
            self.pair.challenge(*found, rng.choice(self.pair.stage.who.clients))

    def draw_rule_on_challenge(self, rng: random.Random) -> None:
        if self.pair.model.challenges:
            number, ruling = (
                rng.randint(1, len(self.pair.model.challenges)),
                rng.choice((UPHELD, OVERTURNED, None)),
            )
            if ruling is None:
                self.pair.lapse(number)
            else:
                self.pair.rule_on(number, ruling)

    def draw_move_bond(self, rng: random.Random) -> None:
        which, amount = rng.randint(1, 4), rng.choice((0, 1, CREDIT, 2 * CREDIT))
        match rng.randint(1, 3):
            case 1:
                self.pair.withdraw_bond(which)
            case 2:
                self.pair.unbond(which, amount)
            case _:
                self.pair.add_bond(which, amount)

    def draw_wait(self, rng: random.Random) -> None:
        self.pair.wait(rng.choice((10, 60, 150, 150, 1000, 4000, 90_000, 15 * 86_400)))

    def draw_rotate(self, _: random.Random) -> None:
        self.pair.rotate()


QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


def run(stage: Stage, examples: int, steps: int, *, same: bool = True) -> None:
    run_state_machine_as_test(
        type("Drawn", (Drawn,), {"stage": stage}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=QUIET,
            derandomize=same,
            database=None,
        ),
    )


def test_contracts_follow_the_model(stage: Stage) -> None:
    run(stage, examples=4, steps=6)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_contracts_follow_the_model_at_length(stage: Stage) -> None:
    run(stage, examples=40, steps=12, same=False)


def spoil_money(pair: Exchange) -> None:
    pair.model.balances[pair.stage.who.treasury] += 1


def spoil_a_job(pair: Exchange) -> None:
    pair.model.jobs[1].state = QUEUED


def spoil_an_execution(pair: Exchange) -> None:
    pair.model.jobs[1].executions[0].since += 1


def spoil_a_reputation(pair: Exchange) -> None:
    pair.model.processors[3].evidence = (1, 0)


@pytest.mark.parametrize("spoil", [spoil_money, spoil_a_job, spoil_an_execution, spoil_a_reputation])
def test_the_comparison_notices_a_difference(stage: Stage, spoil: Callable[[Exchange], None]) -> None:
    pair = Exchange(stage)
    try:
        pair.prepare((5, 5, 5, 5))
        pair.submit(stage.who.clients[0])
        pair.allocate(1)
        spoil(pair)
        with pytest.raises(AssertionError):
            pair.compare(1)
    finally:
        pair.close()
