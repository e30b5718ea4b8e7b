"""Random votes, seats, waits and cancellations, done to a council and to a model; both agree after each.

The model knows nothing of bitmaps or of the AccessManager: seats are a dictionary, ballots are sets of
members, and a call that waits is a time. Whatever the council did to the exchange is read back.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from contract_stage import ZERO, refuses
from council_stage import DELAY_S, Council, council
from exchange_stage import SECURITY, Stage
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

LIFE_S = EXPIRY_S = 7 * 86_400
MEMBERS = 8
DRAINS = (900, 1500)
"""The two calls that wait set the drain threshold; the two that act at once stop and start the exchange."""


@dataclass
class Ballot:
    ends: int
    votes: set[int] = field(default_factory=set)
    state: str = "open"


@dataclass
class Model:
    """A council as its interface describes it, and what it governs."""

    holders: dict[int, int]
    threshold: int
    term: int = 1
    ballots: dict[tuple[object, ...], Ballot] = field(default_factory=dict)
    scheduled: dict[tuple[str, int], int] = field(default_factory=dict)
    paused: bool = False
    drain: int = 2000

    def vote(self, member: int, call: tuple[str, int], salt: int, now: int) -> str | None:
        if member not in self.holders.values():
            return "CouncilNotMember"
        key = (call, salt, self.term)
        ballot = self.ballots.get(key, Ballot(now + LIFE_S))
        if member in ballot.votes:
            return "CouncilAlreadyVoted"
        if ballot.state != "open" or now > ballot.ends:
            return "CouncilBadBallot"
        decides = len(ballot.votes) + 1 == self.threshold
        self.ballots[key] = ballot
        ballot.votes.add(member)
        if decides and call[0] == "drain":
            ballot.state, self.scheduled[call] = "waiting", now + DELAY_S
        elif decides:
            ballot.state, self.paused = "done", bool(call[1])
        return None

    def execute(self, call: tuple[str, int], salt: int, now: int) -> str | None:
        ballot = self.ballots.get((call, salt, self.term))
        if ballot is None or ballot.state != "waiting":
            return "CouncilBadBallot"
        if call not in self.scheduled:
            return "AccessManagerNotScheduled"
        if now < self.scheduled[call]:
            return "AccessManagerNotReady"
        if now >= self.scheduled[call] + EXPIRY_S:
            return "AccessManagerExpired"
        del self.scheduled[call]
        ballot.state, self.drain = "done", call[1]
        return None

    def cancel(self, call: tuple[str, int]) -> str | None:
        if call not in self.scheduled:
            return "AccessManagerNotScheduled"
        del self.scheduled[call]
        return None

    def reseat(self, changes: dict[int, int | None], threshold: int) -> str | None:
        after = {place: who for place, who in self.holders.items() if place not in changes}
        for place, who in changes.items():
            if who is not None and who in after.values():
                return "CouncilBadSeat"
            if who is not None:
                after[place] = who
        if len(after) < 3 or not threshold <= len(after) < 2 * threshold:
            return "CouncilBadThreshold"
        self.holders, self.threshold, self.term = after, threshold, self.term + 1
        return None


CALLS = st.sampled_from([("drain", DRAINS[0]), ("drain", DRAINS[1]), ("pause", 1), ("pause", 0)])
SALTS = st.integers(0, 2)
WHO = st.integers(0, MEMBERS - 1)


class Played(RuleBasedStateMachine):
    """The council and the model side by side."""

    stage: Stage
    reached: set[str]

    @initialize(threshold=st.integers(3, 5))
    def begin(self, threshold: int) -> None:
        self.snapshot, self.known = self.stage.tester.take_snapshot(), len(self.stage.history)
        self.body: Council = council(self.stage, seats=5, threshold=threshold)
        self.model = Model({place: place for place in range(5)}, threshold)

    def teardown(self) -> None:
        if hasattr(self, "snapshot"):
            self.stage.tester.revert_to_snapshot(self.snapshot)
            del self.stage.history[self.known :]

    def data(self, call: tuple[str, int]) -> bytes:
        function, arguments = (
            ("setQueueing", (call[1], 0)) if call[0] == "drain" else ("setPaused", (bool(call[1]),))
        )
        return self.body.data(self.stage.allocator, function, *arguments)

    def both(self, refusal: str | None, act: object) -> None:
        assert callable(act)
        if refusal is None:
            act()
        else:
            with refuses(refusal):
                act()
        self.reached.add(refusal or "done")
        held, threshold, term = self.body.contract.read("seats")
        assert held == sum(1 << place for place in self.model.holders)
        assert (threshold, term) == (self.model.threshold, self.model.term)
        for place, who in self.model.holders.items():
            address = self.body.members[who].address
            assert self.body.contract.read("holderOf", place) == address
            assert self.body.contract.read("seatOf", address) == (1 << place, threshold, term)
        assert self.stage.allocator.read("paused") == self.model.paused
        assert self.stage.allocator.read("queueing")[0] == self.model.drain

    @rule(member=WHO, call=CALLS, salt=SALTS)
    def vote(self, member: int, call: tuple[str, int], salt: int) -> None:
        refusal = self.model.vote(member, call, salt, self.stage.now)
        self.both(refusal, lambda: self.body.vote(member, self.stage.allocator, self.data(call), salt))

    @rule(call=CALLS, salts=st.permutations(range(3)), count=st.integers(1, 2))
    def decide(self, call: tuple[str, int], salts: list[int], count: int) -> None:
        """As many vote as it takes; once more with another salt, which makes a waiting call wait anew."""
        for salt in salts[:count]:
            for member in list(self.model.holders.values())[: self.model.threshold]:
                self.vote(member, call, salt)

    @rule(drain=st.sampled_from(DRAINS), salt=SALTS, late=st.sampled_from([-1, 0, EXPIRY_S]))
    def execute_about_its_time(self, drain: int, salt: int, late: int) -> None:
        when = self.model.scheduled.get(("drain", drain), 0) + late
        if when > self.stage.now:
            self.stage.wait_until(when)
        self.execute(("drain", drain), salt)

    @rule(call=CALLS, salt=SALTS)
    def execute(self, call: tuple[str, int], salt: int) -> None:
        refusal = self.model.execute(call, salt, self.stage.now)
        self.both(refusal, lambda: self.body.execute(self.stage.allocator, self.data(call), salt))

    @rule(drain=st.sampled_from(DRAINS))
    def cancel(self, drain: int) -> None:
        target, data = self.stage.allocator.address, self.data(("drain", drain))
        guardian = self.stage.who.committee[SECURITY]
        self.both(
            self.model.cancel(("drain", drain)),
            lambda: self.stage.manager.send("cancel", self.body.contract.address, target, data, by=guardian),
        )

    @rule(
        changes=st.dictionaries(st.integers(0, 6), st.none() | WHO, max_size=3),
        threshold=st.integers(2, 6),
    )
    def reseat(self, changes: dict[int, int | None], threshold: int) -> None:
        holders = [ZERO if who is None else self.body.members[who].address for who in changes.values()]
        self.both(
            self.model.reseat(changes, threshold),
            lambda: self.body.contract.send("reseat", list(changes), holders, threshold, by=self.stage.admin),
        )

    @rule(seconds=st.sampled_from([1, DELAY_S, LIFE_S]))
    def wait(self, seconds: int) -> None:
        self.stage.wait(seconds)


@pytest.mark.timeout(900)
def test_a_council_does_what_its_model_does(stage: Stage) -> None:
    Played.stage, Played.reached = stage, set()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Played,
        settings=settings(
            max_examples=14,
            stateful_step_count=24,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    met = {"done", "CouncilNotMember", "CouncilAlreadyVoted", "CouncilBadBallot", "CouncilBadThreshold"}
    met |= {"AccessManagerNotScheduled"}
    assert met <= Played.reached
