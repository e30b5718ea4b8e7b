"""What the coordinator must do, said a second time and plainly.

Amounts are integers, accounts are names, a refusal is an exception that carries the contract's error name.
Every operation checks everything before it changes anything, as a transaction does. Time is an argument.
The stateful test runs the same calls here and on the chain and compares outcomes, balances and states.
"""

from __future__ import annotations

import math
from dataclasses import replace

from coordinator_values import (
    RUNNING,
    AbortCode,
    Channel,
    ChannelState,
    Dispute,
    Figures,
    Parameters,
    Processor,
    Record,
    Session,
    SessionState,
    require,
)

PPM = 10**6
MAX_BARRIER_S = 7 * 86_400


class Model:
    """The whole contract. `processors` stands for the registry."""

    def __init__(self, processors: dict[int, Processor], parameters: Parameters | None = None) -> None:
        self.processors = processors
        self.parameters = parameters or Parameters()
        self.paused = False
        self.deposited = self.withdrawn = 0
        self.balances: dict[str, int] = {}
        self.channels: dict[int, Channel] = {}
        self.sessions: dict[int, Session] = {}
        self.attempts: dict[tuple[str, int], tuple[int, int]] = {}

    # -- money --------------------------------------------------------------------------------

    def balance(self, account: str) -> int:
        return self.balances.get(account, 0)

    def _give(self, account: str, amount: int) -> None:
        self.balances[account] = self.balance(account) + amount

    def _can_pay(self, account: str, amount: int) -> None:
        require(self.balance(account) >= amount, "InsufficientBalance")

    def _take(self, account: str, amount: int) -> None:
        self._can_pay(account, amount)
        self.balances[account] -= amount

    def held(self) -> int:
        """Everything the contract owes: balances, deposits, bonds, escrow, stakes."""
        channels = sum(
            c.deposit + sum(c.bonds.values()) + c.penalty * len(c.disputes) for c in self.channels.values()
        )
        sessions = sum(
            s.fee * len(s.parties) + s.stake * len(self._bonded(s))
            for s in self.sessions.values()
            if s.state in RUNNING
        )
        return sum(self.balances.values()) + channels + sessions

    @staticmethod
    def _bonded(s: Session) -> set[int]:
        return s.arrived if s.state is SessionState.PLAN else set(s.parties)

    def deposit(self, by: str, amount: int) -> None:
        self._give(by, amount)
        self.deposited += amount

    def withdraw(self, by: str, amount: int) -> None:
        self._take(by, amount)
        self.withdrawn += amount

    # -- rights -------------------------------------------------------------------------------

    def _provider(self, processor: int) -> str:
        require(processor in self.processors, "UnknownProcessor")
        return self.processors[processor].provider

    def _controls(self, by: str, processor: int) -> bool:
        owner = self.processors[processor]
        return by in (owner.provider, owner.operator)

    def _authorized(self, by: str, processor: int) -> str:
        provider = self._provider(processor)
        require(self._controls(by, processor), "NotOperator")
        return provider

    def _channel(self, channel: int, *states: ChannelState) -> Channel:
        found = self.channels.get(channel)
        require(found is not None and found.state in states, "WrongChannelState")
        assert found is not None
        return found

    def _session(self, session: int, *states: SessionState) -> Session:
        found = self.sessions.get(session)
        require(found is not None and found.state in states, "WrongSessionState")
        assert found is not None
        return found

    # -- channels -----------------------------------------------------------------------------

    def open_channel(
        self,
        by: str,
        now: int,
        *,
        ends: tuple[int, int],
        min_fidelity: int,
        pair_rate: int,
        deadline: int,
        pair_price: int,
        deposit: int,
        end_bond: int,
    ) -> int:
        require(not self.paused, "Paused")
        require(ends[0] != ends[1], "SameProcessor")
        for end in ends:
            self._provider(end)
        require(500_001 <= min_fidelity <= PPM, "BadTerms")
        require(pair_rate > 0, "BadTerms")
        require(now < deadline <= now + 365 * 86_400, "BadTerms")
        require(end_bond >= 10_000, "BadTerms")
        self._take(by, deposit)
        number = len(self.channels) + 1
        penalty = end_bond * self.parameters.penalty_bps // 10_000
        self.channels[number] = Channel(
            by, ends, min_fidelity, pair_rate, pair_price, deadline, deposit, end_bond, penalty
        )
        return number

    def accept(self, by: str, now: int, channel: int, processor: int) -> None:
        c = self._channel(channel, ChannelState.PROPOSED)
        require(now <= c.deadline, "ChannelExpired")
        require(processor in c.ends, "NotAnEnd")
        end = c.ends.index(processor)
        provider = self._authorized(by, processor)
        require(end not in c.bonds, "AlreadyAccepted")
        self._take(provider, c.end_bond)
        c.bonds[end] = c.end_bond
        if len(c.bonds) == 2:
            c.state = ChannelState.LIVE

    def top_up(self, by: str, channel: int, amount: int) -> None:
        c = self._channel(channel, ChannelState.LIVE)
        require(by == c.opener, "NotOpener")
        self._take(by, amount)
        c.deposit += amount

    def attest(self, by: str, now: int, channel: int, processor: int, epoch: int, figures: Figures) -> None:
        c = self._channel(channel, ChannelState.LIVE)
        require(processor in c.ends, "NotAnEnd")
        end = c.ends.index(processor)
        self._authorized(by, processor)
        require(epoch == c.epoch, "WrongEpoch")
        require(c.pending is None or c.pending[0] != end, "AlreadyAttested")
        nothing = figures.rounds == 0 and figures.pairs == 0
        require(nothing or figures.rounds >= self.parameters.min_test_rounds, "TooFewTestRounds")
        possible = 2 * (PPM - figures.fidelity) + 2 >= figures.qber_x + figures.qber_z
        rates = (figures.fidelity, figures.qber_x, figures.qber_z)
        require(all(rate <= PPM for rate in rates) and possible, "ImpossibleFigures")
        if c.pending is None:
            require(now <= c.deadline, "ChannelExpired")
            c.pending = (end, figures, now + self.parameters.attest_window)
            return
        first_end, first, _ = c.pending
        c.pending = None
        c.epoch += 1
        self._settle(now, c, epoch, {first_end: first, end: figures})

    def _settle(self, now: int, c: Channel, epoch: int, views: dict[int, Figures]) -> None:
        a, b = views[0], views[1]
        if a.rounds == 0 or b.rounds == 0:
            return
        c.fidelity = min(a.fidelity, b.fidelity)
        worst = max(a.qber_x, a.qber_z, b.qber_x, b.qber_z)
        if c.fidelity < c.min_fidelity or worst > self.parameters.max_qber:
            self._quarantine(c)
            return
        until = now + self.parameters.dispute_window
        c.locked_until = max(c.locked_until, until)
        each = min(min(a.pairs, b.pairs) * c.pair_price, c.deposit) // 2
        c.deposit -= 2 * each
        for end in (0, 1):
            self._give(self._provider(c.ends[end]), each)
        c.records[epoch] = Record((a.root, b.root), (a.rounds, b.rounds), (each, each), until)

    def lapse(self, now: int, channel: int) -> None:
        c = self.channels.get(channel)
        require(c is not None and c.pending is not None, "NothingPending")
        assert c is not None
        assert c.pending is not None
        waiting, _, until = c.pending
        require(now > until, "TooEarly")
        c.pending = None
        c.epoch += 1
        _, penalty = self._slash(c, 1 - waiting, 0, c.penalty)
        self._give(self._provider(c.ends[waiting]), penalty)

    def _slash(self, c: Channel, end: int, restitution: int, fine: int) -> tuple[int, int]:
        back = min(restitution, c.bonds[end])
        penalty = min(fine, c.bonds[end] - back)
        c.bonds[end] -= back + penalty
        return back, penalty

    def dispute(self, by: str, now: int, channel: int, epoch: int, index: int) -> None:
        c = self._channel(channel, ChannelState.LIVE, ChannelState.QUARANTINED)
        entitled = by == c.opener or any(self._controls(by, end) for end in c.ends)
        require(entitled, "NotEntitled")
        require(epoch in c.records, "RecordDiffers")
        record = c.records[epoch]
        require(now <= record.disputable_until, "TooLate")
        require(index < min(record.rounds), "NoSuchRound")
        require((epoch, index) not in c.disputes, "AlreadyDisputed")
        self._take(by, c.penalty)
        c.disputes[epoch, index] = Dispute(by, now + self.parameters.answer_window)

    def open_leaf(
        self, now: int, channel: int, epoch: int, end: int, index: int, leaf: object, provable: bool
    ) -> None:
        c = self.channels.get(channel)
        require(c is not None and epoch in c.records, "RecordDiffers")
        assert c is not None
        require((epoch, index) in c.disputes, "NotDisputed")
        d = c.disputes[epoch, index]
        require(now <= d.deadline, "TooLate")
        require(end in (0, 1) and end not in d.opened, "AlreadyOpened")
        require(provable, "BadProof")
        d.opened[end] = leaf
        if len(d.opened) < 2:
            return
        del c.disputes[epoch, index]
        if d.opened[0] == d.opened[1]:
            self._give(self._provider(c.ends[0]), c.penalty - c.penalty // 2)
            self._give(self._provider(c.ends[1]), c.penalty // 2)
        else:
            self._uphold(c, epoch, d.disputer, (0, 1), 0)

    def resolve(self, now: int, channel: int, epoch: int, index: int) -> None:
        c = self.channels.get(channel)
        require(c is not None and epoch in c.records, "RecordDiffers")
        assert c is not None
        require((epoch, index) in c.disputes, "NotDisputed")
        d = c.disputes[epoch, index]
        require(now > d.deadline, "TooEarly")
        del c.disputes[epoch, index]
        self._uphold(c, epoch, d.disputer, tuple({0, 1} - set(d.opened)), c.penalty)

    def _uphold(self, c: Channel, epoch: int, disputer: str, liable: tuple[int, ...], fine: int) -> None:
        record, award = c.records[epoch], c.penalty
        paid = list(record.paid)
        for end in liable:
            back, penalty = self._slash(c, end, paid[end], fine)
            c.deposit += back
            award += penalty
            paid[end] = 0
        c.records[epoch] = replace(record, paid=(paid[0], paid[1]))
        self._give(disputer, award)
        if c.state is ChannelState.LIVE:
            self._quarantine(c)

    def _quarantine(self, c: Channel) -> None:
        c.state = ChannelState.QUARANTINED
        c.pending = None
        for session in list(c.sessions):
            self._abort(session, AbortCode.FIDELITY_LOW, (), 0)

    def quarantine(self, channel: int) -> None:
        self._quarantine(self._channel(channel, ChannelState.PROPOSED, ChannelState.LIVE))

    def retire(self, by: str, now: int, channel: int) -> None:
        c = self._channel(channel, ChannelState.LIVE)
        entitled = by == c.opener or any(self._controls(by, end) for end in c.ends)
        require(entitled, "NotEntitled")
        notice = now + self.parameters.attest_window
        require(c.deadline > notice, "ChannelExpired")
        c.deadline = notice

    def close(self, by: str, now: int, channel: int) -> None:
        c = self._channel(channel, ChannelState.PROPOSED, ChannelState.LIVE, ChannelState.QUARANTINED)
        free = c.state is ChannelState.QUARANTINED or (c.state is ChannelState.PROPOSED and by == c.opener)
        require(free or now > c.deadline, "TooEarly")
        require(c.pending is None, "EpochPending")
        require(not c.disputes and now > c.locked_until, "BondsLocked")
        require(not c.sessions, "ChannelBusy")
        self._give(c.opener, c.deposit)
        for end, bond in c.bonds.items():
            self._give(self._provider(c.ends[end]), bond)
        c.deposit, c.bonds, c.state = 0, {}, ChannelState.CLOSED

    # -- sessions -----------------------------------------------------------------------------

    def barrier_seconds(
        self, parties: tuple[int, ...], channels: tuple[int, ...], ebits: tuple[int, ...], shots: int
    ) -> float:
        """The rule in real numbers; the contract's whole seconds must be this rounded up, to rounding."""
        pairing, alive = 0.0, math.inf
        for channel, count in zip(channels, ebits, strict=True):
            c = self.channels[channel]
            pairing = max(pairing, count * 1000 / c.pair_rate)
            tau = min(self.processors[end].t2_ns for end in c.ends) * 1e-9
            ratio = (4 * c.fidelity - PPM) / (4 * c.min_fidelity - PPM)
            alive = min(alive, tau * math.log(ratio))
        return self.parameters.grace + shots * (pairing + alive)

    def open_session(
        self,
        by: str,
        now: int,
        *,
        job: int,
        attempt: int,
        parties: tuple[int, ...],
        channels: tuple[int, ...],
        ebits: tuple[int, ...],
        shots: int,
        epochs: int,
        plan_s: int,
        fee: int,
        stake: int,
        barrier_s: int,
    ) -> int:
        """`barrier_s` is what the contract's own view says; `barrier_seconds` checks it apart."""
        require(not self.paused, "Paused")
        for party in parties:
            self._provider(party)
            require(now <= self.processors[party].certified_until, "Uncertified")
        for channel in channels:
            c = self.channels.get(channel)
            require(c is not None and c.state is ChannelState.LIVE, "WrongChannelState")
            assert c is not None
            require(c.fidelity > 0, "ChannelUnmeasured")
            require(set(c.ends) <= set(parties), "BadRequest")
        require(barrier_s <= MAX_BARRIER_S, "BarrierTooLong")
        require(stake >= 10_000, "BadRequest")
        last, following = self.attempts.get((by, job), (0, 0))
        require(attempt == following, "WrongAttempt")
        require(following < self.parameters.max_attempts, "NoAttemptsLeft")
        require(following == 0 or self.sessions[last].state is SessionState.ABORTED, "AttemptRunning")
        end = now + plan_s + (epochs + 1) * barrier_s
        for channel in channels:
            c = self.channels[channel]
            require(c.opener == by, "NotOpener")
            require(end <= c.deadline, "ChannelTooShort")
            require(len(c.sessions) < 4, "ChannelFull")
        touched = {end for channel in channels for end in self.channels[channel].ends}
        require(touched == set(parties), "PartyUnconnected")
        self._take(by, fee * len(parties))
        number = len(self.sessions) + 1
        for channel in channels:
            self.channels[channel].sessions.append(number)
        self.attempts[by, job] = (number, attempt + 1)
        penalty = stake * self.parameters.penalty_bps // 10_000
        self.sessions[number] = Session(
            by, job, attempt, parties, channels, fee, stake, penalty, epochs + 1, barrier_s, now + plan_s
        )
        return number

    def arrive(self, by: str, now: int, session: int, barrier: int, processor: int, same_plan: bool) -> None:
        s = self._session(session, *RUNNING)
        require(barrier == s.barrier, "WrongBarrier")
        require(processor in s.parties, "NotAParty")
        require(processor not in s.arrived, "AlreadyArrived")
        provider = self._authorized(by, processor)
        if barrier == 0:
            require(same_plan, "PlanDiffers")
            self._take(provider, s.stake)
        s.arrived.add(processor)
        if len(s.arrived) < len(s.parties):
            return
        if barrier == s.last_barrier:
            s.state = SessionState.DONE
            self._release(session)
            for party in s.parties:
                self._give(self._provider(party), s.fee + s.stake)
            return
        s.barrier += 1
        s.arrived = set()
        s.state = SessionState.READY if barrier == 0 else SessionState.GO
        s.deadline = now + s.barrier_s

    def _release(self, session: int) -> None:
        for channel in self.sessions[session].channels:
            self.channels[channel].sessions.remove(session)

    def _abort(self, session: int, code: AbortCode, blamed: tuple[int, ...], penalty: int) -> None:
        s = self.sessions[session]
        pot = penalty * len(blamed)
        share = pot // (len(s.arrived) + 1)
        for party in self._bonded(s):
            amount = s.stake
            if penalty and party in blamed:
                amount -= penalty
            if party in s.arrived:
                amount += share
            self._give(self._provider(party), amount)
        self._give(s.client, s.fee * len(s.parties) + pot - share * len(s.arrived))
        s.state, s.code, s.blamed = SessionState.ABORTED, code, blamed
        self._release(session)

    def decline(self, by: str, session: int, processor: int, code: AbortCode) -> None:
        s = self._session(session, SessionState.PLAN, SessionState.READY)
        require(code in (AbortCode.LINK_LOST, AbortCode.FIDELITY_LOW), "BadAbortCode")
        require(processor in s.parties, "NotAParty")
        self._authorized(by, processor)
        self._abort(session, code, (processor,), 0)

    def cancel(self, by: str, session: int) -> None:
        s = self._session(session, SessionState.PLAN)
        require(by == s.client, "NotClient")
        self._abort(session, AbortCode.CANCELLED, (), 0)

    def abort(self, now: int, session: int) -> None:
        s = self._session(session, *RUNNING)
        require(now > s.deadline, "TooEarly")
        missing = tuple(party for party in s.parties if party not in s.arrived)
        if s.state is SessionState.PLAN:
            self._abort(session, AbortCode.TIMEOUT, missing, 0)
        else:
            self._abort(session, AbortCode.PEER_SILENT, missing, s.penalty)

    def correct(self, by: str, session: int, processor: int, record: object) -> None:
        s = self._session(session, SessionState.GO, SessionState.DONE)
        require(processor in s.parties, "NotAParty")
        self._authorized(by, processor)
        require(processor not in s.corrected, "AlreadyAttestedCorrection")
        require(not s.corrected or s.correction == record, "CorrectionDiffers")
        s.corrected.add(processor)
        s.correction = record
