"""Doing it: propose, vote, queue and execute with somebody's key, for councils and consortia alike.

An id is that of a ballot or of a proposal, or its first digits. Every act is one transaction; what the
contracts refuse is raised as their own error, with what to do about it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcrs.errors import AccountError, InputError
from qcrs.governance.ballots import Ballot, ballots, execute_call, motion_for, vote_call
from qcrs.governance.bodies import CONSORTIA, Body, body_named
from qcrs.governance.commons import Commons
from qcrs.governance.proposals import SUPPORT, Proposal, find_proposal, proposals, propose_call
from qcrs.governance.rehearsal import refusal_of
from qcrs.governance.sentences import Draft, gives

if TYPE_CHECKING:
    from qcrs.chain.abi import Call
    from qcrs.chain.sender import Sender

__all__ = ["Act", "execute", "is_id", "matter", "members", "propose", "queue", "vote"]


@dataclass(frozen=True, slots=True)
class Act:
    """One transaction that was made: on what, what state that is in now, and the gas it took."""

    id: str
    kind: str
    state: str
    transaction: str
    gas: int


def members(commons: Commons, body: Body) -> dict[int, str]:
    """Who sits in a body: addresses by seat; of the consortia, in the order of their admission."""
    from qcrs.chain.bindings import ConsortiumSeats

    if body.key != CONSORTIA:
        council = commons.council(body.key)
        held = council.seats()[0]
        return {place: council.holder_of(place) for place in range(32) if held >> place & 1}
    seats = commons.bind(ConsortiumSeats)
    logs = commons.chain.logs(
        0, commons.chain.height, [seats.address], [ConsortiumSeats.ConsortiumAdmitted.TOPIC]
    )
    admitted = [ConsortiumSeats.ConsortiumAdmitted.from_log(log.topics, log.data).consortium for log in logs]
    seated = [one for one in dict.fromkeys(admitted) if seats.is_seated(one)]
    return dict(enumerate(seated))


def is_id(words: str) -> bool:
    """Whether this is written as an id of a ballot or proposal, and not as a sentence."""
    return re.fullmatch("(0x)?[0-9a-fA-F]{1,64}", words.strip()) is not None


def matter(commons: Commons, prefix: str) -> Ballot | Proposal:
    """The ballot or proposal whose id begins so."""
    wanted = prefix.lower().removeprefix("0x")
    known: list[Ballot | Proposal] = list(ballots(commons, everything=True))
    known += proposals(commons, everything=True)
    found = [one for one in known if wanted and one.id.startswith(wanted)]
    if len(found) != 1:
        raise InputError(
            "several ballots and proposals begin so" if found else "no such ballot or proposal",
            field="id",
            value=prefix,
            solution="write more of its id; `qcrs gov list` shows those that are open",
        )
    return found[0]


def propose(commons: Commons, draft: Draft, sender: Sender, *, anyway: bool = False) -> Act:
    """A member's first vote, or its vote where the same call is open already; a consortium's proposal.

    `InputError` for what the contract would refuse, unless `anyway`: it may pass once the delay is over.
    """
    _check_member(commons, draft.body, sender.address)
    refusal = None if anyway else refusal_of(commons, draft)
    if refusal is not None:
        raise InputError(
            f"the contract would refuse it: {refusal.reason}",
            field="words",
            value=draft.words,
            solution=(f"{refusal.solution}; " if refusal.solution else "")
            + "what passes once the delay is over may be proposed --anyway",
        ) from refusal
    if draft.body.key == CONSORTIA:
        call, number = propose_call(commons, draft.words, draft.calls)
        return _made(commons, sender, call, f"{number:064x}")
    if len(draft.calls) != 1:
        raise InputError("a council decides on one call at a time", field="words", value=draft.words)
    motion = motion_for(commons, draft.body, draft.calls[0])
    ballot = commons.council(draft.body.key).ballot_id(motion)
    return _made(commons, sender, vote_call(commons, draft.body, motion), ballot.hex())


def vote(commons: Commons, prefix: str, sender: Sender, support: str = "for", *, anyway: bool = False) -> Act:
    """A vote on what is open; a council knows only votes for.

    `InputError` for what is decided or over: a council would open a ballot on it anew. Also for a vote in
    favour of a proposal whose words are not the sentence that gives its calls, unless `anyway`.
    """
    found = matter(commons, prefix)
    _check_votable(found)
    if isinstance(found, Proposal):
        _check_member(commons, body_named(CONSORTIA), sender.address)
        if support == "for" and not anyway and not gives(commons, found.words, found.calls):
            raise InputError(
                "the proposal's words are not the sentence that gives its calls",
                field="id",
                value=found.id[:8],
                solution=f"read what it changes with `qcrs gov show {found.id[:8]}`; "
                "if that is what you want, vote --anyway",
            )
        return _made(commons, sender, commons.governor.cast_vote(found.number, SUPPORT[support]), found.id)
    if support != "for":
        raise InputError(
            "in a council nobody votes against",
            field="support",
            value=support,
            solution="who is against does not vote: a ballot ends after a week",
        )
    _check_member(commons, found.body, sender.address)
    return _made(commons, sender, vote_call(commons, found.body, found.motion), found.id)


def queue(commons: Commons, prefix: str, sender: Sender) -> Act:
    """Put a proposal that has passed into the timelock; by anyone."""
    found = find_proposal(commons, prefix)
    return _made(commons, sender, commons.governor.queue(*found.arguments), found.id)


def execute(commons: Commons, prefix: str, sender: Sender) -> Act:
    """Make what was decided and has waited; by anyone."""
    found = matter(commons, prefix)
    if isinstance(found, Proposal):
        return _made(commons, sender, commons.governor.execute(*found.arguments), found.id)
    if found.state == "ended":
        _check_votable(found)
    return _made(commons, sender, execute_call(commons, found), found.id)


_NEXT = {
    "waiting": "it is decided: when its delay is over, `qcrs gov execute {id}`",
    "succeeded": "it has passed: `qcrs gov queue {id}`",
    "queued": "it has passed: when its delay is over, `qcrs gov execute {id}`",
}
"""What to do with what is past its vote; everything else is over."""


def _check_votable(found: Ballot | Proposal) -> None:
    if found.state in ("open", "pending", "active"):  # of a vote that has not begun the governor tells
        return
    kind = "proposal" if isinstance(found, Proposal) else "ballot"
    over = "ended with the council's last election" if found.state == "ended" else f"is {found.state}"
    again = "it is over: who wants the same decides anew with `qcrs gov propose WORDS…`"
    raise InputError(
        f"this {kind} {over}, and nobody votes on it",
        field="id",
        value=found.id[:8],
        solution=_NEXT.get(found.state, again).format(id=found.id[:8]),
    )


def _check_member(commons: Commons, body: Body, address: str) -> None:
    seated = members(commons, body).values()
    if address not in seated:
        raise AccountError(
            f"only a member of the body decides: {body.title}",
            field="account",
            value=commons.name(address),
            solution="use the key of one of " + ", ".join(map(commons.name, seated)),
        )


def _made(commons: Commons, sender: Sender, call: Call, id_: str) -> Act:
    receipt = sender.transact(call)
    found = matter(commons, id_)
    kind = "proposal" if isinstance(found, Proposal) else "ballot"
    return Act(found.id, kind, found.state, "0x" + receipt.hash.hex(), receipt.gas_used)
