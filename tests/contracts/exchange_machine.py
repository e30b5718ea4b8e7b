"""The contracts and the model, driven by the same operations and compared after each.

A run ends with the proof that nothing can be locked up: without any privileged role all jobs are closed, all
challenges lapse, and the trails are what the log says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from contract_stage import refuses
from exchange_model import (
    ALLOCATED,
    EXPIRED,
    GRACE,
    MARGIN,
    Entry,
    Job,
    Machine,
    Model,
    Refused,
)
from exchange_stage import CREDIT, DISPUTE, Processor, Stage
from test_trail import trails

EMPTY, DRAINING = 1, 4
UPHELD, OVERTURNED = 2, 3


class Exchange:
    """The contracts and the model side by side, until `close`; every operation ends with a comparison.

    `reached` counts what was met: events by name, `refused NAME`, and `job A to B` and `execution A to B` of
    states.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.reached: Counter[str] = Counter()
        self.snapshot = self.stage.tester.take_snapshot()
        self.known = self.told = len(self.stage.history)
        self.model = Model(self.stage.who.treasury)
        self.machines: dict[int, Processor] = {}
        self.states: dict[tuple[int, ...], tuple[int, ...]] = {}

    def close(self) -> None:
        """Leave the stage as it was."""
        self.stage.tester.revert_to_snapshot(self.snapshot)
        del self.stage.history[self.known :]

    # -- doing things on both sides ---------------------------------------------------------------

    def both(
        self, contract: Callable[[], object], model: Callable[[int], None], job: int | None = None
    ) -> None:
        """Both do it, or both refuse with the same error; then the job and all else agree."""
        now = self.stage.now
        try:
            model(now)
        except Refused as refusal:
            with refuses(str(refusal)):
                contract()
            self.reached[f"refused {refusal}"] += 1
        else:
            contract()
            assert self.stage.time == now
        self.compare(job)

    def prepare(self, widths: tuple[int, ...]) -> None:
        """Four processors, 1 to 4, of three providers: 1 and 4 are of the first."""
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

    # -- operations -------------------------------------------------------------------------------

    def withdraw(self, client: str, amount: int) -> None:
        self.both(
            lambda: self.stage.allocator.send("withdraw", client, amount, by=client),
            lambda _: self.model.withdraw(client, amount),
        )

    def submit(
        self,
        client: str,
        *,
        qubits: int = 5,
        seconds: int = 60,
        redundancy: int = 1,
        most: int = 2,
        trust: int = 2,
        slack: int = 4000,
    ) -> int:
        """The job's number. `slack` is what the deadline leaves to spare."""
        deadline = self.stage.now + seconds + GRACE + MARGIN + slack
        job = Job(client, qubits, seconds, redundancy, most, trust, deadline)
        request = self.stage.request(
            qubits=qubits, seconds=seconds, redundancy=redundancy, most=most, trust=trust, deadline=deadline
        )
        number = len(self.model.jobs) + 1
        self.both(
            lambda: self.stage.allocator.send("submit", request, by=client),
            lambda _: self.model.submit(number, job),
            number,
        )
        return number

    def allocate(self, which: int) -> int | None:
        """The job that was handed out, if any."""
        now = self.stage.now
        job, reason = self.stage.allocator.read("nextFor", which)
        if reason:
            with refuses("ComputationAllocatorNothingEligible", reason=reason, job=job):
                self.stage.allocate(self.machines[which])
            waiting = [j for j in self.model.jobs.values() if j.live(now) and not self.model.had(j, which)]
            assert reason != EMPTY or not waiting
            assert (reason == DRAINING) == bool(job)
            self.reached["refused ComputationAllocatorNothingEligible"] += 1
            self.compare()
            return None
        done = self.stage.allocate(self.machines[which]).one("JobAllocated")
        assert done["job"] == job
        self.model.allocate(job, done["execution"], which, now)
        self.compare(job)
        return int(job)

    def commit(self, number: int, index: int) -> None:
        found = self.model.jobs[number].executions[index : index + 1]
        p = self.machines[found[0].processor if found else 1]
        self.both(
            lambda: self.stage.commit(p, number, index),
            lambda now: self.model.commit(number, index, now),
            number,
        )

    def judge(self, number: int, index: int, outcome: int, round_: int = 0, *, weak: bool = False) -> None:
        self.both(
            lambda: self.stage.judge(number, index, outcome, round=round_, flags=int(weak)),
            lambda now: self.model.judge(number, index, outcome, weak, round_, now),
            number,
        )

    def judge_batch(self, entries: Sequence[Entry]) -> None:
        """Entries are job, execution, outcome, round, weak. What was skipped agrees too, in order."""
        reports = [
            self.stage.report(number, index, outcome, round=round_, flags=int(weak))
            for number, index, outcome, round_, weak in entries
        ]
        told = len(self.stage.history)
        skipped: list[str] = []
        self.both(
            lambda: self.stage.settle(reports),
            lambda now: skipped.extend(self.model.judge_batch(entries, now)),
        )
        seen = [self.stage.decoder.decode(v["reason"]).name for v in self.skips(told)]
        assert seen == skipped
        self.reached.update(f"skipped {name}" for name in seen)
        for number in {number for number, *_ in entries}:
            self.compare_job(number)

    def skips(self, since: int) -> list[dict[str, Any]]:
        """Entries of batches that the contract passed over."""
        return [v for name, v, _ in self.stage.history[since:] if name == "BatchEntrySkipped"]

    def expire_execution(self, number: int, index: int) -> None:
        self.both(
            lambda: self.stage.allocator.send("expireExecution", number, index, by=self.stage.who.stranger),
            lambda now: self.model.expire_execution(number, index, now),
            number,
        )

    def expire(self, number: int) -> None:
        self.both(
            lambda: self.stage.allocator.send("expire", number, by=self.stage.who.stranger),
            lambda now: self.model.expire(number, now),
            number,
        )

    def cancel(self, number: int) -> None:
        client = self.model.jobs[number].client
        self.both(
            lambda: self.stage.allocator.send("cancel", number, by=client),
            lambda _: self.model.cancel(number),
            number,
        )

    def challenge(self, number: int, index: int, by: str) -> None:
        self.both(
            lambda: self.stage.verifier.send("challenge", number, index, bytes(32), by=by),
            lambda now: self.model.challenge(number, index, by, now),
            number,
        )

    def rule_on(self, challenge: int, ruling: int) -> None:
        body = self.stage.who.committee[DISPUTE]
        self.both(
            lambda: self.stage.verifier.send("rule", challenge, ruling, by=body),
            lambda now: self.model.rule(challenge, ruling == OVERTURNED, now),
            self.model.challenges[challenge].job,
        )

    def lapse(self, challenge: int) -> None:
        self.both(
            lambda: self.stage.verifier.send("lapse", challenge, by=self.stage.who.stranger),
            lambda now: self.model.lapse(challenge, now),
            self.model.challenges[challenge].job,
        )

    def add_bond(self, which: int, amount: int) -> None:
        provider = self.machines[which].provider
        self.both(
            lambda: self.stage.registry.send("addBond", which, amount, by=provider),
            lambda _: self.model.add_bond(which, amount),
        )

    def unbond(self, which: int, amount: int) -> None:
        provider = self.machines[which].provider
        self.both(
            lambda: self.stage.registry.send("unbond", which, amount, by=provider),
            lambda now: self.model.unbond(which, amount, now),
        )

    def withdraw_bond(self, which: int) -> None:
        provider = self.machines[which].provider
        self.both(
            lambda: self.stage.registry.send("withdrawBond", which, by=provider),
            lambda now: self.model.withdraw_bond(which, now),
        )

    def wait(self, seconds: int) -> None:
        """Certificates that would not last another day are renewed."""
        self.stage.wait(seconds)
        for number in self.machines:
            if self.stage.allocator.read("dispatch", number)[4] < self.stage.now + 86_400:
                epoch = self.stage.registry.read("processor", number)["epoch"]
                self.stage.certify(number, epoch=epoch + 1)
        self.compare()

    def rotate(self) -> None:
        era = self.stage.era
        self.stage.rotate(self.stage.oracles)
        assert self.stage.era == era + 1 == self.stage.verifier.read("era")
        self.compare()

    # -- comparing --------------------------------------------------------------------------------

    def compare(self, job: int | None = None) -> None:
        """Money, processors and one job."""
        self.money_agrees()
        for number, p in self.model.processors.items():
            self.compare_processor(number, p)
        if job in self.model.jobs:
            self.compare_job(job)
        self.note()

    def note(self) -> None:
        """Count what is new: events, and changes of states."""
        history = self.stage.history
        self.reached.update(name for name, _, _ in history[self.told :])
        self.told = len(history)
        for number, job in self.model.jobs.items():
            places: dict[tuple[int, ...], tuple[int, ...]] = {(number,): (job.state,)}
            places |= {(number, i): (e.state, e.reports) for i, e in enumerate(job.executions)}
            for place, state in places.items():
                before = self.states.get(place, (0,))
                if before != state:
                    kind = "job" if len(place) == 1 else "execution"
                    self.reached[f"{kind} {before[0]} to {state[0]}"] += 1
                    self.states[place] = state

    def money_agrees(self) -> None:
        who = self.stage.who
        for account in (*who.clients, *who.providers, who.treasury, who.stranger):
            assert self.stage.balance(account) == self.model.balances[account], account
        held = self.stage.credit.read("balanceOf", self.stage.allocator.address)
        assert held == self.model.owed == self.model.deposited

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
        dispatch = self.stage.allocator.read("dispatch", number)
        assert (dispatch[2], dispatch[5]) == (p.free, p.short)
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
