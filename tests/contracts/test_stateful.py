"""Random sequences of calls, done to the contracts and to the model; both must agree after each.

I1 money is conserved, I2 an execution settles once, I3 qubits are freed once and never overdrawn, I4 only
legal transitions, I6 trails only grow (and are what the log says), I7 eras and rounds increase, I10
reputation follows verdicts alone, I11 no slash above the bond, I12 quorums, I13 escrow always comes back,
I14 nobody blocks another.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from exchange_model import (
    ACCEPTED,
    ALLOCATED,
    COMMITTED,
    EXPIRED,
    FRAUDULENT,
    REJECTED,
    UNDECIDED,
    Job,
    Machine,
    Model,
    Refused,
)
from exchange_stage import CREDIT, DISPUTE, Processor, Stage, refuses
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from test_trail import trails

EMPTY, DRAINING = 1, 4
UPHELD, OVERTURNED = 2, 3
WEIGHTS = {
    "submit": 5,
    "allocate": 8,
    "commit": 7,
    "judge": 8,
    "expire_execution": 2,
    "expire": 1,
    "cancel": 1,
    "challenge": 5,
    "rule_on_challenge": 4,
    "move_bond": 2,
    "wait": 2,
    "withdraw": 1,
    "rotate": 1,
}
OPERATIONS = [name for name, weight in WEIGHTS.items() for _ in range(weight)]


class Exchange(RuleBasedStateMachine):
    """The contracts and the model side by side."""

    stage: Stage
    done: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        self.snapshot = self.stage.tester.take_snapshot()
        self.known = len(self.stage.history)
        self.model = Model(self.stage.who.treasury)
        self.machines: dict[int, Processor] = {}
        self.touched: set[int] = set()

    def teardown(self) -> None:
        try:
            self.settle_everything()
        finally:
            self.stage.tester.revert_to_snapshot(self.snapshot)
            del self.stage.history[self.known :]

    # -- doing things on both sides ---------------------------------------------------------------

    def both(self, contract: Callable[[], object], model: Callable[[int], None]) -> bool:
        """Both do it, or both refuse with the same error; whether it was done."""
        now = self.stage.now
        try:
            model(now)
        except Refused as refusal:
            with refuses(str(refusal)):
                contract()
            return False
        contract()
        assert self.stage.time == now
        self.done.update(name for name, _, time in self.stage.history[self.known :] if time == now)
        return True

    @initialize(widths=st.tuples(*[st.integers(5, 12)] * 4))
    def prepare(self, widths: tuple[int, ...]) -> None:
        for account in (*self.stage.who.clients, *self.stage.who.providers):
            self.model.deposit(account, self.stage.balance(account))
        for index, qubits in zip((0, 1, 2, 0), widths, strict=True):
            p = self.stage.register(index, qubits=qubits, bond=2 * CREDIT)
            self.stage.certify(p.id)
            self.machines[p.id] = p
            self.model.debit(p.provider, 2 * CREDIT)
            self.model.processors[p.id] = Machine(
                p.provider, qubits, 2 * CREDIT, qubits, tick=self.stage.time >> 8
            )

    # -- picking ----------------------------------------------------------------------------------

    def any_job(self, rng: random.Random) -> int:
        """One of the most recent: in those something can still happen."""
        return rng.choice(sorted(self.model.jobs)[-5:])

    def any_execution(self, rng: random.Random, *states: int) -> tuple[int, int]:
        """Mostly one in the given states, now and then any, or one that does not exist."""
        found = [
            (number, index)
            for number, job in self.model.jobs.items()
            for index, e in enumerate(job.executions)
            if e.state in states
        ]
        if found and rng.random() < 0.85:
            return rng.choice(found)
        number = self.any_job(rng)
        return number, rng.randint(0, len(self.model.jobs[number].executions))

    # -- rules ------------------------------------------------------------------------------------

    @precondition(lambda self: self.machines)
    @rule(seeds=st.lists(st.integers(0, 2**32 - 1), min_size=10, max_size=10))
    def act(self, seeds: list[int]) -> None:
        """Ten operations, drawn so that lives go on more often than they end."""
        for seed in seeds:
            rng = random.Random(seed)
            getattr(self, rng.choice(OPERATIONS))(rng)
            self.money_agrees()
            self.what_was_touched_agrees()

    def withdraw(self, rng: random.Random) -> None:
        client, amount = rng.choice(self.stage.who.clients), rng.choice((1, 10**6, 10**12))
        self.both(
            lambda: self.stage.allocator.send("withdraw", client, amount, by=client),
            lambda _: self.model.withdraw(client, amount),
        )

    def submit(self, rng: random.Random) -> None:
        client, seconds = rng.choice(self.stage.who.clients), rng.randint(1, 120)
        redundancy = rng.choice((1, 1, 1, 2, 3))
        job = Job(
            client=client,
            qubits=rng.randint(1, 12),
            seconds=seconds,
            redundancy=redundancy,
            most=min(5, redundancy + rng.randint(0, 2)),
            trust=rng.choice((2, 2, 3, 6)),
            deadline=self.stage.now + seconds + 90 + rng.choice((0, 300, 4000, 10**5)),
        )
        request = self.stage.request(
            qubits=job.qubits,
            seconds=seconds,
            redundancy=redundancy,
            most=job.most,
            trust=job.trust,
            deadline=job.deadline,
        )
        number = len(self.model.jobs) + 1
        self.both(
            lambda: self.stage.allocator.send("submit", request, by=client),
            lambda _: self.model.submit(number, job),
        )
        self.touched.add(number)

    def allocate(self, rng: random.Random) -> None:
        which, now = rng.randint(1, 4), self.stage.now
        job, reason = self.stage.allocator.read("nextFor", which)
        if reason:
            with refuses("ComputationAllocatorNothingEligible", reason=reason, job=job):
                self.stage.allocate(self.machines[which])
            waiting = [j for j in self.model.jobs.values() if j.live(now) and not self.model.had(j, which)]
            assert reason != EMPTY or not waiting
            assert (reason == DRAINING) == bool(job)
            return
        done = self.stage.allocate(self.machines[which]).one("JobAllocated")
        assert done["job"] == job
        self.model.allocate(job, done["execution"], which, now)
        self.touched.add(job)

    def commit(self, rng: random.Random) -> None:
        if not self.model.jobs:
            return
        number, index = self.any_execution(rng, ALLOCATED)
        found = self.model.jobs[number].executions[index : index + 1]
        p = self.machines[found[0].processor if found else 1]
        self.both(
            lambda: self.stage.commit(p, number, index), lambda now: self.model.commit(number, index, now)
        )
        self.touched.add(number)

    def judge(self, rng: random.Random) -> None:
        if not self.model.jobs:
            return
        number, index = self.any_execution(rng, COMMITTED, UNDECIDED, REJECTED)
        found = self.model.jobs[number].executions[index : index + 1]
        outcome, weak = rng.choice((1, 1, 1, 2, 2, 3, 4)), rng.random() < 0.5
        round_ = (found[0].reports if found else 0) + (rng.random() < 0.1)
        self.both(
            lambda: self.stage.judge(number, index, outcome, round=round_, flags=int(weak)),
            lambda now: self.model.judge(number, index, outcome, weak, round_, now),
        )
        self.touched.add(number)

    def expire_execution(self, rng: random.Random) -> None:
        if not self.model.jobs:
            return
        number, index = self.any_execution(rng, ALLOCATED, COMMITTED)
        self.both(
            lambda: self.stage.allocator.send("expireExecution", number, index, by=self.stage.who.stranger),
            lambda now: self.model.expire_execution(number, index, now),
        )
        self.touched.add(number)

    def expire(self, rng: random.Random) -> None:
        if not self.model.jobs:
            return
        number = self.any_job(rng)
        self.both(
            lambda: self.stage.allocator.send("expire", number, by=self.stage.who.stranger),
            lambda now: self.model.expire(number, now),
        )
        self.touched.add(number)

    def cancel(self, rng: random.Random) -> None:
        if not self.model.jobs:
            return
        number = self.any_job(rng)
        client = self.model.jobs[number].client
        self.both(
            lambda: self.stage.allocator.send("cancel", number, by=client),
            lambda _: self.model.cancel(number),
        )
        self.touched.add(number)

    def challenge(self, rng: random.Random) -> None:
        if not self.model.jobs:
            return
        number, index = self.any_execution(rng, ACCEPTED, REJECTED, FRAUDULENT)
        by = rng.choice(self.stage.who.clients)
        self.both(
            lambda: self.stage.verifier.send("challenge", number, index, bytes(32), by=by),
            lambda now: self.model.challenge(number, index, by, now),
        )
        self.touched.add(number)

    def rule_on_challenge(self, rng: random.Random) -> None:
        if not self.model.challenges:
            return
        number, ruling = rng.randint(1, len(self.model.challenges)), rng.choice((UPHELD, OVERTURNED, None))
        self.touched.add(self.model.challenges[number].job)
        if ruling is None:
            self.both(
                lambda: self.stage.verifier.send("lapse", number, by=self.stage.who.stranger),
                lambda now: self.model.lapse(number, now),
            )
            return
        body = self.stage.who.committee[DISPUTE]
        self.both(
            lambda: self.stage.verifier.send("rule", number, ruling, by=body),
            lambda now: self.model.rule(number, ruling == OVERTURNED, now),
        )

    def move_bond(self, rng: random.Random) -> None:
        which = rng.randint(1, 4)
        p, amount = self.machines[which], rng.choice((0, 1, CREDIT, 2 * CREDIT))
        if rng.random() < 0.5:
            self.both(
                lambda: self.stage.registry.send("withdrawBond", which, by=p.provider),
                lambda now: self.model.withdraw_bond(which, now),
            )
        else:
            self.both(
                lambda: self.stage.registry.send("unbond", which, amount, by=p.provider),
                lambda now: self.model.unbond(which, amount, now),
            )

    def wait(self, rng: random.Random) -> None:
        self.stage.wait(rng.choice((10, 60, 150, 150, 1000, 4000, 90_000, 15 * 86_400)))
        for number in self.machines:
            if self.stage.allocator.read("dispatch", number)[4] < self.stage.now + 86_400:
                epoch = self.stage.registry.read("processor", number)["epoch"]
                self.stage.certify(number, epoch=epoch + 1)

    def rotate(self, _: random.Random) -> None:
        era = self.stage.era
        self.stage.rotate(self.stage.oracles)
        assert self.stage.era == era + 1 == self.stage.verifier.read("era")

    # -- comparing --------------------------------------------------------------------------------

    @invariant()
    def money_agrees(self) -> None:
        if not self.machines:
            return
        who = self.stage.who
        for account in (*who.clients, *who.providers, who.treasury, who.stranger):
            assert self.stage.balance(account) == self.model.balances[account], account
        held = self.stage.credit.read("balanceOf", self.stage.allocator.address)
        assert held == self.model.owed == self.model.deposited

    @invariant()
    def what_was_touched_agrees(self) -> None:
        for number in self.touched & self.model.jobs.keys():
            self.compare_job(number)
        self.touched.clear()
        for number, p in self.model.processors.items():
            self.compare_processor(number, p)

    def compare_job(self, number: int) -> None:
        job, view = self.model.jobs[number], self.stage.job(number)
        found = (view["state"], view["escrow"], view["executions"])
        assert found == (job.state, job.escrow, len(job.executions))
        for index, e in enumerate(job.executions):
            seen = self.stage.allocator.read("execution", number, index)
            told = (seen["processor"], seen["state"], seen["since"], seen["reports"])
            assert told == (e.processor, e.state, e.since, e.reports)

    def compare_processor(self, number: int, p: Machine) -> None:
        running = [
            job.qubits
            for job in self.model.jobs.values()
            for e in job.executions
            if e.processor == number and e.state == ALLOCATED
        ]
        assert p.free == p.qubits - sum(running) >= 0
        assert self.stage.allocator.read("dispatch", number)[2] == p.free
        alpha, beta = p.at(self.stage.now)
        assert self.stage.allocator.read("standing", number) == (p.provider, p.bond, alpha, beta)

    def settle_everything(self) -> None:
        """Without any privileged role: every job can be closed, and all trails are what the log says."""
        if not self.model.jobs:
            return
        self.stage.wait(15 * 86_400)
        for number, job in self.model.jobs.items():
            if job.open:
                self.stage.allocator.send("expire", number, by=self.stage.who.stranger)
                self.model.expire(number, self.stage.time)
                assert job.state == EXPIRED
            self.compare_job(number)
        for number, c in self.model.challenges.items():
            if c.open:
                self.stage.verifier.send("lapse", number, by=self.stage.who.stranger)
                self.model.lapse(number, self.stage.time)
        self.money_agrees()
        for number, p in self.model.processors.items():
            assert p.free == p.qubits
            self.compare_processor(number, p)
        for number, trail in trails(self.stage).items():
            assert self.stage.allocator.read("trail", number) == trail
        ends = [v["job"] for name, v, _ in self.stage.history if name == "JobClosed"]
        assert sorted(ends) == sorted(self.model.jobs)


QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


EVENTS = {
    "JobSubmitted",
    "ResultCommitted",
    "VerdictReported",
    "ExecutionPaid",
    "ExecutionEnded",
    "JobRequeued",
    "JobClosed",
    "Slashed",
    "ChallengeOpened",
    "ChallengeRuled",
    "BondReleaseStarted",
    "Withdrawn",
}


def run(stage: Stage, examples: int, steps: int) -> None:
    done: Counter[str] = Counter()
    run_state_machine_as_test(
        type("Exchange", (Exchange,), {"stage": stage, "done": done}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=QUIET,
            derandomize=True,
            database=None,
        ),
    )
    assert done.keys() >= EVENTS, (EVENTS - done.keys(), done)


def test_contracts_follow_the_model(stage: Stage) -> None:
    run(stage, examples=5, steps=8)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_contracts_follow_the_model_at_length(stage: Stage) -> None:
    run(stage, examples=150, steps=12)


def test_the_comparison_notices_a_difference(stage: Stage) -> None:
    """A model that pays a unit too much is caught."""

    class Wrong(Exchange):
        def __init__(self) -> None:
            super().__init__()
            self.model.balances[self.stage.who.treasury] += 1

        def teardown(self) -> None:
            self.stage.tester.revert_to_snapshot(self.snapshot)
            del self.stage.history[self.known :]

    Wrong.stage, Wrong.done = stage, Counter()
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Wrong,
            settings=settings(
                max_examples=1, stateful_step_count=5, deadline=None, database=None, phases=[Phase.generate]
            ),
        )
