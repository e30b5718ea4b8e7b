"""Random sequences of calls, done to the contracts and to the model; both must agree after each.

I1 money is conserved, I2 an execution settles once, I3 qubits are freed once and never overdrawn, I4 only legal
transitions, I6 trails only grow (and are what the log says), I7 eras and rounds increase, I10 reputation follows
verdicts alone, I11 no slash above the bond, I12 quorums, I13 escrow always comes back, I14 nobody blocks another.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from exchange_model import ALLOCATED, COMMITTED, EXPIRED, Job, Machine, Model, Refused
from exchange_stage import CREDIT, DISPUTE, Processor, Stage, refuses
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from test_trail import trails


EMPTY, DRAINING = 1, 4
UPHELD, OVERTURNED = 2, 3
picks = st.integers(0, 10**6)


class Exchange(RuleBasedStateMachine):
    """The contracts and the model side by side."""

    stage: Stage

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
            self.model.processors[p.id] = Machine(p.provider, qubits, 2 * CREDIT, qubits, tick=self.stage.time >> 8)

    # -- picking ----------------------------------------------------------------------------------

    def any_job(self, pick: int) -> int:
        numbers = sorted(self.model.jobs)
        # The most recent ones, mostly: they are the ones in which something can happen.
        return numbers[-1 - pick % min(len(numbers), 5)]

    def any_execution(self, pick: int, *states: int) -> tuple[int, int]:
        found = [
            (number, index)
            for number, job in sorted(self.model.jobs.items())
            for index, e in enumerate(job.executions)
            if e.state in states
        ]
        if found and pick % 8:
            return found[pick % len(found)]
        number = self.any_job(pick // 8)
        return number, pick % (len(self.model.jobs[number].executions) + 1)

    # -- rules ------------------------------------------------------------------------------------

    @rule(who=st.integers(0, 3), amount=st.integers(1, 10**12))
    def withdraw(self, who: int, amount: int) -> None:
        client = self.stage.who.clients[who]
        self.both(
            lambda: self.stage.allocator.send("withdraw", client, amount, by=client),
            lambda _: self.model.withdraw(client, amount),
        )

    @rule(
        who=st.integers(0, 3), qubits=st.integers(1, 12), seconds=st.integers(1, 120),
        redundancy=st.sampled_from((1, 1, 1, 2, 3)), more=st.integers(0, 2), trust=st.sampled_from((2, 2, 3, 6)),
        slack=st.integers(0, 4000),
    )  # fmt: skip
    def submit(self, who: int, qubits: int, seconds: int, redundancy: int, more: int, trust: int, slack: int) -> None:
        client = self.stage.who.clients[who]
        deadline = self.stage.now + seconds + 90 + slack
        most = min(5, redundancy + more)
        request = self.stage.request(
            qubits=qubits, seconds=seconds, redundancy=redundancy, most=most, trust=trust, deadline=deadline
        )
        number = len(self.model.jobs) + 1
        job = Job(client, qubits, seconds, redundancy, most, trust, deadline)
        self.both(
            lambda: self.stage.allocator.send("submit", request, by=client),
            lambda _: self.model.submit(number, job),
        )
        self.touched.add(number)

    @precondition(lambda self: self.model.jobs)
    @rule(which=st.integers(1, 4), times=st.integers(1, 3))
    def allocate(self, which: int, times: int) -> None:
        for _ in range(times):
            now = self.stage.now
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

    @precondition(lambda self: self.model.jobs)
    @rule(pick=picks)
    def commit(self, pick: int) -> None:
        number, index = self.any_execution(pick, ALLOCATED)
        found = self.model.jobs[number].executions[index : index + 1]
        p = self.machines[found[0].processor if found else 1]
        self.both(
            lambda: self.stage.commit(p, number, index), lambda now: self.model.commit(number, index, now)
        )
        self.touched.add(number)

    @precondition(lambda self: self.model.jobs)
    @rule(pick=picks, outcome=st.sampled_from((1, 1, 1, 2, 2, 3, 4)), weak=st.booleans(), shift=st.sampled_from((0, 0, 0, 1)))
    def judge(self, pick: int, outcome: int, weak: bool, shift: int) -> None:
        number, index = self.any_execution(pick, COMMITTED, 3, 5)
        found = self.model.jobs[number].executions[index : index + 1]
        round_ = (found[0].reports if found else 0) + shift
        self.both(
            lambda: self.stage.judge(number, index, outcome, round=round_, flags=int(weak)),
            lambda now: self.model.judge(number, index, outcome, weak, round_, now),
        )
        self.touched.add(number)

    @precondition(lambda self: self.model.jobs)
    @rule(pick=picks)
    def expire_execution(self, pick: int) -> None:
        number, index = self.any_execution(pick, ALLOCATED, COMMITTED)
        self.both(
            lambda: self.stage.allocator.send("expireExecution", number, index, by=self.stage.who.stranger),
            lambda now: self.model.expire_execution(number, index, now),
        )
        self.touched.add(number)

    @precondition(lambda self: self.model.jobs)
    @rule(pick=picks)
    def expire(self, pick: int) -> None:
        number = self.any_job(pick)
        self.both(
            lambda: self.stage.allocator.send("expire", number, by=self.stage.who.stranger),
            lambda now: self.model.expire(number, now),
        )
        self.touched.add(number)

    @precondition(lambda self: self.model.jobs)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        number = self.any_job(pick)
        client = self.model.jobs[number].client
        self.both(
            lambda: self.stage.allocator.send("cancel", number, by=client), lambda _: self.model.cancel(number)
        )
        self.touched.add(number)

    @precondition(lambda self: self.model.jobs)
    @rule(pick=picks, who=st.integers(0, 3))
    def challenge(self, pick: int, who: int) -> None:
        number, index = self.any_execution(pick, 4, 5, 6)
        by = self.stage.who.clients[who]
        self.both(
            lambda: self.stage.verifier.send("challenge", number, index, bytes(32), by=by),
            lambda now: self.model.challenge(number, index, by, now),
        )
        self.touched.add(number)

    @precondition(lambda self: self.model.challenges)
    @rule(pick=picks, ruling=st.sampled_from((UPHELD, OVERTURNED, None)))
    def rule_on_challenge(self, pick: int, ruling: int | None) -> None:
        number = 1 + pick % len(self.model.challenges)
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

    @rule(which=st.integers(1, 4), amount=st.integers(0, 2 * CREDIT), leave=st.booleans())
    def move_bond(self, which: int, amount: int, leave: bool) -> None:
        p = self.machines[which]
        if leave:
            self.both(
                lambda: self.stage.registry.send("withdrawBond", which, by=p.provider),
                lambda now: self.model.withdraw_bond(which, now),
            )
        else:
            self.both(
                lambda: self.stage.registry.send("unbond", which, amount, by=p.provider),
                lambda now: self.model.unbond(which, amount, now),
            )

    @rule(seconds=st.sampled_from((10, 60, 150, 1000, 4000, 90_000, 15 * 86_400)))
    def wait(self, seconds: int) -> None:
        self.stage.wait(seconds)
        for number, p in self.machines.items():
            if self.stage.allocator.read("dispatch", number)[4] < self.stage.now + 86_400:
                epoch = self.stage.registry.read("processor", p.id)["epoch"]
                self.stage.certify(p.id, epoch=epoch + 1)

    @rule()
    def rotate(self) -> None:
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
        assert (view["state"], view["escrow"], view["executions"]) == (job.state, job.escrow, len(job.executions))
        for index, e in enumerate(job.executions):
            seen = self.stage.allocator.read("execution", number, index)
            found = (seen["processor"], seen["state"], seen["since"], seen["reports"])
            assert found == (e.processor, e.state, e.since, e.reports)

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


def machine(stage: Stage) -> type[Exchange]:
    return type("Exchange", (Exchange,), {"stage": stage})


QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)


def run(stage: Stage, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine(stage),
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=QUIET,
            derandomize=True, database=None,
        ),
    )  # fmt: skip


def test_contracts_follow_the_model(stage: Stage) -> None:
    run(stage, examples=6, steps=40)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_contracts_follow_the_model_at_length(stage: Stage) -> None:
    run(stage, examples=200, steps=60)


def test_the_comparison_notices_a_difference(stage: Stage) -> None:
    """A model that pays a unit too much is caught."""

    class Wrong(Exchange):
        def __init__(self) -> None:
            super().__init__()
            self.model.balances[self.stage.who.treasury] += 1

        def teardown(self) -> None:
            self.stage.tester.revert_to_snapshot(self.snapshot)
            del self.stage.history[self.known :]

    Wrong.stage = stage
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Wrong, settings=settings(max_examples=1, stateful_step_count=5, deadline=None, database=None, print_blob=False)
        )


