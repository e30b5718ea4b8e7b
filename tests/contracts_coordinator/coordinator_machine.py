"""The machine that makes random calls on the contract and on the reference model and compares them.

Every run ends with the proof that nothing can be locked up: with the exchange paused and no privileged
role acting, a stranger ends every session, epoch, dispute and channel after its deadline, all accounts
withdraw, and the contract holds nothing.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any, ClassVar

from coordinator_ledger import Ledger
from coordinator_model import Model
from coordinator_values import (
    RUNNING,
    AbortCode,
    Channel,
    ChannelState,
    Figures,
    Processor,
    Refused,
    SessionState,
)
from coordinator_words import Correction, EpochRecord, Request, Seen, Terms, Tree, rounds_of
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)

FLIPS = {"same": (), "other": (3,)}
"""Two trees of test rounds that an end may attest; they differ at index 3 alone."""

picks = st.integers(0, 11)
parties = st.sampled_from([(1, 2), (1, 3), (2, 3), (3, 4), (1, 2, 3), (1, 2, 3, 4)])


class CoordinatorMachine(RuleBasedStateMachine):
    """One run. `stage` is the deployed contract, set by the test."""

    stage: ClassVar[Any]
    start: ClassVar[list[tuple[Model, dict[int, Terms], Ledger]]]
    outcomes: ClassVar[Counter[tuple[str, str]]]

    @initialize()
    def begin(self) -> None:
        self.model: Model
        self.terms: dict[int, Terms]
        self.ledger: Ledger
        self.users = [self.stage.client, *self.stage.providers]
        if not self.start:
            self.prepare()
            self.start.append((self.model, self.terms, self.ledger))
        self.model, self.terms, self.ledger = copy.deepcopy(self.start[0])
        self.requests: dict[int, Request] = {}
        self.snapshot = self.stage.tester.take_snapshot()

    def prepare(self) -> None:
        """Funded accounts and three measured channels in a row, from which every run sets out."""
        stage = self.stage
        self.model = Model(
            {
                number: Processor(
                    provider,
                    stage.operator if number == 1 else provider,
                    t2,
                    stage.registry.read("processor", number)["certifiedUntil"],
                )
                for number, (provider, t2) in enumerate(zip(stage.providers, stage.t2, strict=True), 1)
            }
        )
        self.terms = {}
        self.ledger = Ledger({n: p.provider for n, p in self.model.processors.items()})
        for user in self.users:
            self.put_in(user, 700_000)
        for ends, bond in (((1, 2), 10_000), ((2, 3), 33_333), ((3, 4), 10_000)):
            self.open_channel_with(
                Terms(stage.now + 3_000_000, *ends, deposit=60_001, end_bond=bond, pair_price=7)
            )
            channel = len(self.model.channels)
            for end in ends:
                self.attest_one(channel, end, 0, Figures(120, 20_000, 20_000, 950_000, 1_200, "same"), 0)

    def teardown(self) -> None:
        if hasattr(self, "snapshot"):
            self.everything_can_be_ended()
            self.stage.tester.revert_to_snapshot(self.snapshot)

    # -- one step on both sides ---------------------------------------------------------------

    def act(self, name: str, args: tuple[Any, ...], by: str, expect: Callable[[int], Any]) -> bool:
        """Runs the model, then the contract; they agree on refusal, or on balances and what is held."""
        contract = self.stage.coordinator
        try:
            expect(self.stage.now)
        except Refused as refusal:
            found = contract.refusal(name, *args, by=by)
            outcome = None if found is None else str(found.name)
            self.outcomes[name, str(refusal)] += 1
            if outcome != f"Coordinator{refusal}":
                raise AssertionError((name, args, f"model: {refusal}", f"contract: {found}")) from refusal
            return False
        self.ledger.take(contract.send(name, *args, by=by).events)
        for user in self.users:
            held = contract.read("balanceOf", user)
            assert held == self.model.balance(user) == self.ledger.balances[user], (name, args)
        self.check_conservation()
        self.outcomes[name, "done"] += 1
        return True

    def check_conservation(self) -> None:
        held = self.stage.token.read("balanceOf", self.stage.coordinator.address)
        assert held == self.model.held() == self.model.deposited - self.model.withdrawn

    def check_channel(self, channel: int) -> None:
        m, seen = self.model.channels[channel], self.stage.coordinator.read("channelOf", channel)
        assert seen["state"] == m.state
        assert seen["epoch"] == m.epoch
        assert seen["deposit"] == m.deposit
        assert (seen["bondA"], seen["bondB"]) == (m.bonds.get(0, 0), m.bonds.get(1, 0))
        assert seen["pendingEnd"] == (0 if m.pending is None else m.pending[0] + 1)
        assert (seen["lockedUntil"], seen["deadline"]) == (m.locked_until, m.deadline)
        assert (seen["openDisputes"], seen["fidelity"]) == (len(m.disputes), m.fidelity)
        assert sorted(filter(None, seen["sessions"])) == sorted(m.sessions)
        for epoch in m.records:
            assert (
                self.stage.coordinator.read("epochDigestOf", channel, epoch)
                == self.record(channel, epoch).hash()
            )

    def check_session(self, session: int) -> None:
        m, seen = self.model.sessions[session], self.stage.coordinator.read("sessionOf", session)
        assert (seen["state"], seen["code"]) == (m.state, m.code)
        assert (seen["barrier"], seen["lastBarrier"]) == (m.barrier, m.last_barrier)
        assert seen["deadline"] == m.deadline
        bits = {party: 1 << place for place, party in enumerate(m.parties)}
        assert seen["arrived"] == sum(bits[party] for party in m.arrived)
        assert seen["corrected"] == sum(bits[party] for party in m.corrected)

    # -- choices ------------------------------------------------------------------------------

    def channel(self, pick: int) -> int:
        return pick % len(self.model.channels) + 1

    def session(self, pick: int) -> int:
        """Mostly one of the last two, which are likely to run."""
        return max(1, len(self.model.sessions) - pick % 3)

    def owner(self, processor: int, pick: int = 0) -> str:
        """Provider, operator, or now and then a stranger."""
        owner = self.model.processors.get(processor)
        if owner is None or pick == 11:
            return str(self.stage.stranger)
        return owner.operator if pick % 2 else owner.provider

    def record(self, channel: int, epoch: int) -> EpochRecord:
        r = self.model.channels[channel].records[epoch]
        a, b = (Tree(channel, epoch, rounds_of(120, FLIPS[root])).root for root in r.roots)
        return EpochRecord(epoch, a, b, *r.rounds, *r.paid, r.disputable_until)

    # -- ledger -------------------------------------------------------------------------------

    @rule(pick=picks, amount=st.integers(0, 400_000))
    def deposit(self, pick: int, amount: int) -> None:
        self.put_in(self.users[pick % len(self.users)], amount)

    def put_in(self, user: str, amount: int) -> None:
        self.act("deposit", (amount,), user, lambda now: self.model.deposit(user, amount))

    @rule(pick=picks, amount=st.integers(0, 200_000))
    def withdraw(self, pick: int, amount: int) -> None:
        self.take_out(self.users[pick % len(self.users)], amount)

    def take_out(self, user: str, amount: int) -> None:
        self.act("withdraw", (user, amount), user, lambda now: self.model.withdraw(user, amount))

    # -- channels -----------------------------------------------------------------------------

    @rule(
        ends=st.sampled_from([(1, 2), (2, 3), (1, 3), (3, 4), (4, 4), (1, 9)]),
        life=st.sampled_from([5_000, 200_000, 3_000_000]),
        deposit=st.sampled_from([0, 7_001, 60_000, 500_000]),
        bond=st.sampled_from([9_999, 10_000, 33_333]),
        accept=st.integers(0, 5),
    )
    def open_channel(self, ends: tuple[int, int], life: int, deposit: int, bond: int, accept: int) -> None:
        terms = Terms(self.stage.now + life, *ends, deposit=deposit, end_bond=bond, pair_price=7)
        self.open_channel_with(terms, accept=accept > 0)

    def open_channel_with(self, terms: Terms, *, accept: bool = True) -> None:
        client, ends = self.stage.client, (terms.processor_a, terms.processor_b)
        opened = self.act(
            "openChannel", (terms.word,), client,
            lambda now: self.model.open_channel(
                client, now, ends=ends, min_fidelity=terms.min_fidelity, pair_rate=terms.pair_rate,
                deadline=terms.deadline, pair_price=terms.pair_price, deposit=terms.deposit,
                end_bond=terms.end_bond,
            ),
        )  # fmt: skip
        if not opened:
            return
        channel = len(self.model.channels)
        self.terms[channel] = terms
        for end in ends if accept else ():
            self.accept(channel - 1, end, 0)

    @precondition(lambda self: self.model.channels)
    @rule(pick=picks, processor=st.integers(1, 5), who=picks)
    def accept(self, pick: int, processor: int, who: int) -> None:
        channel, by = self.channel(pick), self.owner(processor, who)
        digest = self.terms[channel].hash(self.stage.client)
        self.act(
            "acceptChannel", (channel, processor, digest), by,
            lambda now: self.model.accept(by, now, channel, processor),
        )  # fmt: skip
        self.check_channel(channel)

    @precondition(lambda self: self.model.channels)
    @rule(pick=picks, amount=st.integers(0, 50_000), stranger=st.booleans())
    def top_up(self, pick: int, amount: int, stranger: bool) -> None:
        channel, by = self.channel(pick), self.users[1] if stranger else self.stage.client
        self.act("topUp", (channel, amount), by, lambda now: self.model.top_up(by, channel, amount))

    @precondition(lambda self: self.model.channels)
    @rule(
        pick=picks, end=st.integers(0, 1), both=st.integers(0, 4), late=st.integers(0, 8), who=picks,
        qber=st.sampled_from([0, 20_000, 20_000, 110_000, 110_001]),
        fidelity=st.sampled_from([960_000, 960_000, 930_000, 899_999, 1_000_000]),
        pairs=st.integers(0, 2_000), rounds=st.sampled_from([0, 99, 120, 120, 120, 120]),
        root=st.sampled_from(["same", "same", "other"]),
    )  # fmt: skip
    def attest(
        self, pick: int, end: int, both: int, late: int, who: int, qber: int, fidelity: int, pairs: int,
        rounds: int, root: str,
    ) -> None:  # fmt: skip
        channel = self.channel(pick)
        ends = self.model.channels[channel].ends
        self.attest_one(channel, ends[end], who, Figures(rounds, qber, 10_000, fidelity, pairs, root), late)
        if both:
            good = Figures(120, 20_000, 20_000, 950_000, 900, "same")
            self.attest_one(channel, ends[1 - end], 0, good, 0)

    def attest_one(self, channel: int, processor: int, who: int, f: Figures, late: int) -> None:
        by = self.owner(processor, who)
        epoch = self.model.channels[channel].epoch + (late == 8)
        root = Tree(channel, epoch, rounds_of(120, FLIPS[f.root])).root
        seen = Seen(epoch, root, f.rounds, f.qber_x, f.qber_z, f.fidelity, f.pairs)
        self.act(
            "attest", (channel, processor, seen.word), by,
            lambda now: self.model.attest(by, now, channel, processor, epoch, f),
        )  # fmt: skip
        self.check_channel(channel)

    def pending(self) -> list[int]:
        return [number for number, c in self.model.channels.items() if c.pending is not None]

    @precondition(lambda self: self.pending())
    @rule(pick=picks, late=st.booleans())
    def lapse_pending(self, pick: int, late: bool) -> None:
        channel = self.pending()[pick % len(self.pending())]
        pending = self.model.channels[channel].pending
        assert pending is not None
        if late:
            self.stage.wait_until(max(self.stage.now, pending[2] + pick % 2))
        self.lapse(channel - 1)

    @precondition(lambda self: self.model.channels)
    @rule(pick=picks)
    def lapse(self, pick: int) -> None:
        channel = self.channel(pick)
        self.act("lapse", (channel,), self.stage.stranger, lambda now: self.model.lapse(now, channel))
        self.check_channel(channel)

    @precondition(lambda self: any(c.records for c in self.model.channels.values()))
    @rule(pick=picks, who=picks, index=st.sampled_from([0, 3, 5, 119, 120]), last=st.booleans())
    def dispute(self, pick: int, who: int, index: int, last: bool) -> None:
        channel = self.of_paid(pick)
        c = self.model.channels[channel]
        epoch = max(c.records) if last else min(c.records)
        by = [self.stage.client, self.owner(c.ends[0]), self.owner(c.ends[1]), self.stage.stranger][who % 4]
        self.act(
            "dispute", (channel, self.record(channel, epoch).word, index), by,
            lambda now: self.model.dispute(by, now, channel, epoch, index),
        )  # fmt: skip
        self.check_channel(channel)

    def of_paid(self, pick: int) -> int:
        paid = [number for number, c in self.model.channels.items() if c.records]
        return paid[pick % len(paid)]

    def disputed(self, pick: int) -> tuple[int, int, int]:
        found = [(n, *key) for n, c in self.model.channels.items() for key in c.disputes]
        return found[pick % len(found)]

    @precondition(lambda self: any(c.disputes for c in self.model.channels.values()))
    @rule(pick=picks, end=st.integers(0, 1), both=st.booleans(), forged=st.integers(0, 5))
    def open_leaf(self, pick: int, end: int, both: bool, forged: int) -> None:
        channel, epoch, index = self.disputed(pick)
        self.leaf_of(channel, epoch, index, end, forged=forged == 5)
        if both and (epoch, index) in self.model.channels[channel].disputes:
            self.leaf_of(channel, epoch, index, 1 - end, forged=False)

    def leaf_of(self, channel: int, epoch: int, index: int, end: int, *, forged: bool) -> None:
        root = self.model.channels[channel].records[epoch].roots[end]
        tree = Tree(channel, epoch, rounds_of(120, FLIPS[root]))
        proof = tree.proof(index ^ 1 if forged else index)
        args = (channel, self.record(channel, epoch).word, end, tree.round(index), proof)
        self.act(
            "openLeaf", args, self.stage.stranger,
            lambda now: self.model.open_leaf(now, channel, epoch, end, index, tree.rounds[index], not forged),
        )  # fmt: skip
        self.check_channel(channel)

    @precondition(lambda self: any(c.disputes for c in self.model.channels.values()))
    @rule(pick=picks, late=st.booleans())
    def resolve(self, pick: int, late: bool) -> None:
        channel, epoch, index = self.disputed(pick)
        deadline = self.model.channels[channel].disputes[epoch, index].deadline
        if late:
            self.stage.wait_until(max(self.stage.now, deadline + pick % 2))
        self.resolve_one(channel, epoch, index)

    def resolve_one(self, channel: int, epoch: int, index: int) -> None:
        self.act(
            "resolveDispute", (channel, self.record(channel, epoch).word, index), self.stage.stranger,
            lambda now: self.model.resolve(now, channel, epoch, index),
        )  # fmt: skip
        self.check_channel(channel)

    @precondition(lambda self: self.model.channels)
    @rule(pick=picks, who=picks)
    def retire(self, pick: int, who: int) -> None:
        channel = self.channel(pick)
        by = self.stage.client if who < 6 else self.owner(self.model.channels[channel].ends[who % 2], who)
        self.act("retireChannel", (channel,), by, lambda now: self.model.retire(by, now, channel))

    @precondition(lambda self: self.model.channels)
    @rule(pick=picks, opener=st.booleans())
    def close(self, pick: int, opener: bool) -> None:
        channel = self.channel(pick)
        by = self.stage.client if opener else self.stage.stranger
        self.act("closeChannel", (channel,), by, lambda now: self.model.close(by, now, channel))
        self.check_channel(channel)

    @precondition(lambda self: self.model.channels)
    @rule(pick=picks, sure=st.integers(0, 5))
    def quarantine(self, pick: int, sure: int) -> None:
        if sure == 0:
            channel = self.channel(pick)
            running = list(self.model.channels[channel].sessions)
            self.act(
                "quarantine", (channel,), self.stage.security, lambda now: self.model.quarantine(channel)
            )
            self.check_channel(channel)
            for session in running:
                self.check_session(session)

    # -- sessions -----------------------------------------------------------------------------

    def live(self) -> list[tuple[int, Channel]]:
        """Channels that may carry sessions."""
        found = self.model.channels.items()
        return [(number, c) for number, c in found if c.state is ChannelState.LIVE and c.fidelity]

    @precondition(lambda self: self.live())
    @rule(
        parties=parties, job=st.integers(1, 3), again=st.integers(0, 8),
        shots=st.sampled_from([10, 500, 5_000, 10_000, 10**9]), epochs=st.integers(1, 2),
        fee=st.sampled_from([0, 7, 1_001, 5_000, 400_000]), arrive=st.integers(0, 7),
    )  # fmt: skip
    def open_session(
        self, parties: tuple[int, ...], job: int, again: int, shots: int, epochs: int, fee: int, arrive: int
    ) -> None:
        client = self.stage.client
        usable = tuple(n for n, c in self.live() if set(c.ends) <= set(parties))[:8]
        if not usable:
            usable = (self.live()[0][0],)
            parties = tuple(sorted(self.model.channels[usable[0]].ends))
        attempt = self.model.attempts.get((client, job), (0, 0))[1] + (again == 8)
        ebits = tuple(1 + n % 3 for n in usable)
        r = Request(
            job, attempt, parties=parties, channels=usable, ebits=ebits, shots=shots, epochs=epochs, fee=fee
        )
        real = self.model.barrier_seconds(parties, usable, ebits, shots)
        refusal = self.stage.coordinator.refusal("barrierSeconds", r.word, by=client)
        if refusal is None:
            seconds = self.stage.coordinator.read("barrierSeconds", r.word)
            assert real - 1e-6 * real <= seconds <= real * (1 + 1e-6) + 1
        else:
            assert refusal.name in ("CoordinatorBarrierTooLong", "CoordinatorUncertified")
            seconds = int(real) + 1
        opened = self.act(
            "openSession", (r.word,), client,
            lambda now: self.model.open_session(
                client, now, job=job, attempt=attempt, parties=parties, channels=usable, ebits=ebits,
                shots=shots, epochs=epochs, plan_s=r.plan_s, fee=fee, stake=r.stake, barrier_s=seconds,
            ),
        )  # fmt: skip
        if opened:
            session = len(self.model.sessions)
            self.requests[session] = r
            self.check_session(session)
            if arrive:
                self.arrive_all(0, arrive)

    @precondition(lambda self: self.model.sessions)
    @rule(pick=picks, party=st.integers(1, 4), who=picks, shift=st.integers(0, 9), same=st.integers(0, 9))
    def arrive(self, pick: int, party: int, who: int, shift: int, same: int) -> None:
        self.arrive_one(self.session(pick), party, who, shift=int(shift == 9), same=same != 9)

    @precondition(lambda self: self.model.sessions)
    @rule(pick=picks, times=st.integers(1, 4))
    def arrive_all(self, pick: int, times: int) -> None:
        """All parties pass `times` barriers."""
        session = self.session(pick)
        for _ in range(times):
            s = self.model.sessions[session]
            for party in s.parties:
                if s.state in RUNNING and party not in s.arrived:
                    self.arrive_one(session, party, 0, shift=0, same=True)

    def arrive_one(self, session: int, party: int, who: int, *, shift: int, same: bool) -> None:
        s, by = self.model.sessions[session], self.owner(party, who)
        barrier = s.barrier + shift
        digest = self.requests[session].digest(s.client)
        commitment = digest if barrier == 0 and same else bytes([barrier]) * 32
        before = (s.barrier, len(s.arrived))
        moved = self.act(
            "arrive", (session, barrier, party, commitment), by,
            lambda now: self.model.arrive(by, now, session, barrier, party, same),
        )  # fmt: skip
        if moved and s.barrier > before[0]:
            assert before[1] == len(s.parties) - 1  # never without all
        self.check_session(session)

    @precondition(lambda self: self.model.sessions)
    @rule(pick=picks, party=st.integers(1, 4), code=st.sampled_from(AbortCode))
    def decline(self, pick: int, party: int, code: AbortCode) -> None:
        session, by = self.session(pick), self.owner(party)
        self.act(
            "decline", (session, party, code), by, lambda now: self.model.decline(by, session, party, code)
        )
        self.check_session(session)

    @precondition(lambda self: self.model.sessions)
    @rule(pick=picks, stranger=st.booleans())
    def cancel(self, pick: int, stranger: bool) -> None:
        session, by = self.session(pick), self.stage.stranger if stranger else self.stage.client
        self.act("cancelSession", (session,), by, lambda now: self.model.cancel(by, session))
        self.check_session(session)

    @precondition(lambda self: self.model.sessions)
    @rule(pick=picks, late=st.integers(0, 2))
    def abort(self, pick: int, late: int) -> None:
        session = self.session(pick)
        if late:
            self.stage.wait_until(max(self.stage.now, self.model.sessions[session].deadline + pick % 2))
        self.abort_one(session)

    def abort_one(self, session: int) -> None:
        self.act("abort", (session,), self.stage.stranger, lambda now: self.model.abort(now, session))
        self.check_session(session)

    @precondition(lambda self: self.model.sessions)
    @rule(pick=picks, party=st.integers(1, 4), failures=st.integers(0, 1))
    def correct(self, pick: int, party: int, failures: int) -> None:
        session, by, record = self.session(pick), self.owner(party), Correction(failures=failures)
        self.act(
            "attestCorrection", (session, party, record.word), by,
            lambda now: self.model.correct(by, session, party, record),
        )  # fmt: skip
        self.check_session(session)

    # -- time and bodies ----------------------------------------------------------------------

    @rule(seconds=st.sampled_from([1, 61, 700, 700, 700, 3_601, 3_601, 21_601, 86_401, 3_000_000]))
    def wait(self, seconds: int) -> None:
        self.stage.wait_until(self.stage.now + seconds)

    @rule(paused=st.sampled_from([0, 0, 0, 5]))
    def pause(self, paused: int) -> None:
        self.model.paused = paused == 5
        self.stage.coordinator.send("setPaused", paused == 5, by=self.stage.security)

    # -- the end ------------------------------------------------------------------------------

    def everything_can_be_ended(self) -> None:
        """Privileged roles are silent and new business is stopped; all that is left is time and strangers."""
        self.pause(5)
        for wait in (40_000_000, 1_000_000):
            self.stage.wait_until(self.stage.now + wait)
            for number, s in self.model.sessions.items():
                if s.state in RUNNING:
                    self.abort_one(number)
                    assert s.state is SessionState.ABORTED
            for number, c in self.model.channels.items():
                if c.pending is not None:
                    self.lapse(number - 1)
                for epoch, index in list(c.disputes):
                    self.resolve_one(number, epoch, index)
        for number, c in self.model.channels.items():
            if c.state is not ChannelState.CLOSED:
                self.close(number - 1, opener=False)
                assert self.model.channels[number].state is ChannelState.CLOSED
        for user in self.users:
            self.take_out(user, self.model.balance(user))
        assert self.model.held() == 0
        assert self.stage.token.read("balanceOf", self.stage.coordinator.address) == 0
