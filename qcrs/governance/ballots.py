"""A council's decisions: the first vote proposes, the last that is needed acts, anyone executes what waited.

All of it is read from the council's log and state; nothing is kept beside them but an index of the log.
"""

from __future__ import annotations

from dataclasses import dataclass

from qcrs.chain.abi import Call
from qcrs.chain.bindings import BallotState, Council, Motion
from qcrs.errors import InputError
from qcrs.governance.bodies import BODIES, CONSORTIA, Body
from qcrs.governance.commons import Commons

__all__ = ["Ballot", "ballots", "execute_call", "find_ballot", "motion_for", "vote_call"]

SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Ballot:
    """One ballot. Times in seconds since 1970; `ready_at` where the call waits or waited.

    `state` is open, waiting, executed, expired, ended (with its term) or cancelled.
    """

    id: str
    body: Body
    motion: Motion
    call: Call
    words: str
    voters: tuple[str, ...]
    threshold: int
    expires_at: int
    ready_at: int | None
    state: str

    @property
    def open(self) -> bool:
        """Whether something is still to be done about it."""
        return self.state in ("open", "waiting")


def ballots(commons: Commons, *, everything: bool = False) -> list[Ballot]:
    """Ballots of all councils, oldest first; only those that are not over unless `everything`."""
    found = [ballot for body in BODIES if body.key != CONSORTIA for ballot in _of(commons, body)]
    return [ballot for ballot in found if everything or ballot.open]


def _of(commons: Commons, body: Body) -> list[Ballot]:
    council = commons.council(body.key)
    opened: dict[bytes, Council.BallotOpened] = {}
    voters: dict[bytes, list[str]] = {}
    ready: dict[bytes, int] = {}
    for row in commons.events(body.contract):
        topic = row.topics[0]
        if topic == Council.BallotOpened.TOPIC:
            event = Council.BallotOpened.from_log(row.topics, row.data)
            opened[event.ballot] = event
            voters[event.ballot] = [event.member]
        elif topic == Council.Voted.TOPIC:
            event = Council.Voted.from_log(row.topics, row.data)
            voters[event.ballot].append(event.member)
        elif topic == Council.CallScheduled.TOPIC:
            event = Council.CallScheduled.from_log(row.topics, row.data)
            ready[event.ballot] = event.ready_at
    _, threshold, _ = council.seats()
    return [
        _ballot(commons, body, council, one, tuple(voters[key]), threshold, ready.get(key))
        for key, one in opened.items()
    ]


def _ballot(
    commons: Commons,
    body: Body,
    council: Council,
    opened: Council.BallotOpened,
    voters: tuple[str, ...],
    threshold: int,
    ready_at: int | None,
) -> Ballot:
    motion = Motion(opened.target, opened.data, opened.salt)
    call = Call(opened.target, opened.data)
    return Ballot(
        id=opened.ballot.hex(),
        body=body,
        motion=motion,
        call=call,
        words=commons.call_shown(call),
        voters=tuple(commons.name(voter) for voter in voters),
        threshold=threshold,
        expires_at=opened.expires_at,
        ready_at=ready_at,
        state=_state(commons, council, opened.ballot, motion, call),
    )


def _state(commons: Commons, council: Council, ballot: bytes, motion: Motion, call: Call) -> str:
    state = council.ballot_of(ballot)[2]
    if state is BallotState.EXECUTED:
        return "executed"
    if council.ballot_id(motion) != ballot:
        return "ended"
    if state is BallotState.WAITING:
        manager = commons.manager
        operation = manager.hash_operation(council.address, call.to, call.data)
        return "waiting" if manager.get_schedule(operation) else "cancelled"
    return state.name.lower()


def find_ballot(commons: Commons, prefix: str) -> Ballot:
    """The ballot whose id begins so; `InputError` where there is none or more than one."""
    known = ballots(commons, everything=True)
    found = [one for one in known if prefix and one.id.startswith(prefix.lower().removeprefix("0x"))]
    if len(found) != 1:
        raise InputError(
            "several ballots begin so" if found else "no such ballot",
            field="ballot",
            value=prefix,
            solution="write more of its id; `qcrs gov list` shows those that are open",
        )
    return found[0]


def motion_for(commons: Commons, body: Body, call: Call) -> Motion:
    """The motion of an open ballot on this very call, else a new one."""
    for ballot in _of(commons, body):
        if ballot.state == "open" and (ballot.call.to, ballot.call.data) == (call.to, call.data):
            return ballot.motion
    council, salt = commons.council(body.key), 0
    while True:
        motion = Motion(call.to, call.data, salt.to_bytes(SALT_BYTES, "big"))
        if council.ballot_of(council.ballot_id(motion))[2] is BallotState.NONE:
            return motion
        salt += 1


def vote_call(commons: Commons, body: Body, motion: Motion) -> Call:
    """A member's vote, to be sent with its key."""
    return commons.council(body.key).vote(motion)


def execute_call(commons: Commons, ballot: Ballot) -> Call:
    """The execution of a decision that waited, to be sent by anyone."""
    return commons.council(ballot.body.key).execute(ballot.motion)
