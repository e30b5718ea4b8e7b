"""A council's decisions: the first vote proposes, the last that is needed acts, anyone executes what waited.

All of it is read from the council's log and state; nothing is kept beside them but an index of the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from qcrs.chain.abi import Call
from qcrs.chain.bindings import AccessManager, BallotState, Council, Motion
from qcrs.governance.bodies import BODIES, CONSORTIA, Body
from qcrs.governance.commons import Commons

__all__ = ["Ballot", "ballots", "execute_call", "motion_for", "vote_call"]

SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Ballot:
    """One ballot. Times in seconds since 1970; `ready_at` and `lapses_at` where the call waits or waited.

    `state` is open, waiting, executed, expired (too few votes in time), ended (with its term), cancelled or
    lapsed (decided, and not executed in time). `block` is that of its first vote.
    """

    kind: ClassVar[str] = "ballot"

    id: str
    body: Body
    motion: Motion
    call: Call
    words: str
    voters: tuple[str, ...]
    threshold: int
    expires_at: int
    ready_at: int | None
    lapses_at: int | None
    state: str
    block: int

    @property
    def calls(self) -> tuple[Call, ...]:
        """As proposals have them."""
        return (self.call,)

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
    opened: dict[bytes, tuple[int, Council.BallotOpened]] = {}
    voters: dict[bytes, list[str]] = {}
    ready: dict[bytes, int] = {}
    for row in commons.events(body.contract):
        topic = row.topics[0]
        if topic == Council.BallotOpened.TOPIC:
            event = Council.BallotOpened.from_log(row.topics, row.data)
            opened[event.ballot] = row.block, event
            voters[event.ballot] = [event.member]
        elif topic == Council.Voted.TOPIC:
            event = Council.Voted.from_log(row.topics, row.data)
            voters[event.ballot].append(event.member)
        elif topic == Council.CallScheduled.TOPIC:
            event = Council.CallScheduled.from_log(row.topics, row.data)
            ready[event.ballot] = event.ready_at
    threshold, life = council.seats()[1], commons.manager.expiration()
    found = []
    for key, (block, event) in opened.items():
        motion = Motion(event.target, event.data, event.salt)
        call = Call(event.target, event.data)
        ready_at = ready.get(key)
        lapses_at = None if ready_at is None else ready_at + life
        ballot = Ballot(
            id=key.hex(),
            body=body,
            motion=motion,
            call=call,
            words=commons.call_shown(call),
            voters=tuple(commons.name(voter) for voter in voters[key]),
            threshold=threshold,
            expires_at=event.expires_at,
            ready_at=ready_at,
            lapses_at=lapses_at,
            state=_state(commons, council, key, motion, lapses_at),
            block=block,
        )
        found.append(ballot)
    return found


def _state(commons: Commons, council: Council, ballot: bytes, motion: Motion, lapses_at: int | None) -> str:
    state = council.ballot_of(ballot)[2]
    if state is BallotState.EXECUTED:
        return "executed"
    if council.ballot_id(motion) != ballot:
        return "ended"
    if state is BallotState.WAITING:
        operation = commons.manager.hash_operation(council.address, motion.target, motion.data)
        if commons.manager.get_schedule(operation):
            return "waiting"
        # The manager says as little of what was cancelled as of what nobody executed in time.
        lapsed = lapses_at is not None and lapses_at <= commons.chain.now()
        return "lapsed" if lapsed and not _was_cancelled(commons, operation) else "cancelled"
    return state.name.lower()


def _was_cancelled(commons: Commons, operation: bytes) -> bool:
    kind = AccessManager.OperationCanceled
    rows = commons.events(kind.CONTRACT, kind.NAME)
    cancelled = [kind.from_log(row.topics, row.data) for row in rows]
    # Each schedule of the same call has a number of its own.
    last = commons.manager.get_nonce(operation)
    return any((one.operation_id, one.nonce) == (operation, last) for one in cancelled)


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
