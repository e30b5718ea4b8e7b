"""Doing it: propose, vote, queue and execute with somebody's key, for councils and consortia alike.

An id is that of a ballot or of a proposal, or its first digits. Every act is one transaction; what the
contracts refuse is raised as their own error, with what to do about it. `propose_all` and `vote_all` act for
several members of a body, until there is nothing left to vote on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcrs.errors import AccountError, InputError
from qcrs.governance.ballots import execute_call, motion_for, vote_call
from qcrs.governance.bodies import CONSORTIA, Body, body_named
from qcrs.governance.commons import Commons
from qcrs.governance.conflicts import set_back
from qcrs.governance.matters import Matter, matter, proposal_named
from qcrs.governance.proposals import SUPPORT, Proposal, proposals, propose_call
from qcrs.governance.quantities import span
from qcrs.governance.rehearsal import closure_of, refusal_of
from qcrs.governance.sentences import Draft, gives

if TYPE_CHECKING:
    from qcrs.chain.abi import Call
    from qcrs.chain.sender import Sender

__all__ = ["Act", "execute", "members", "propose", "propose_all", "queue", "vote", "vote_all"]


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
    kind = ConsortiumSeats.ConsortiumAdmitted
    admitted = [row.args["consortium"] for row in commons.events(kind.CONTRACT, kind.NAME)]
    seated = [one for one in dict.fromkeys(admitted) if seats.is_seated(one)]
    return dict(enumerate(seated))


def propose(commons: Commons, draft: Draft, sender: Sender, *, anyway: bool = False) -> Act:
    """A member's first vote, or its vote where the same is open already; a consortium's proposal.

    `InputError` where the consortia have the same calls before them and do not vote on them just now. Also
    for what the contract would refuse, unless `anyway`: it may pass once the delay is over.
    """
    _check_member(commons, draft.body, sender.address)
    same = _same(commons, draft)
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
        if same is not None:
            return vote(commons, same.id, sender)
        call, number = propose_call(commons, draft.words, draft.calls)
        return _made(commons, sender, call, f"{number:064x}")
    if len(draft.calls) != 1:
        raise InputError("a council decides on one call at a time", field="words", value=draft.words)
    motion = motion_for(commons, draft.body, draft.calls[0])
    ballot = commons.council(draft.body.key).ballot_id(motion)
    return _made(commons, sender, vote_call(commons, draft.body, motion), ballot.hex())


def _same(commons: Commons, draft: Draft) -> Proposal | None:
    """The proposal with the same calls on which the consortia vote now; two of them might both pass."""
    if draft.body.key != CONSORTIA:
        return None
    for one in proposals(commons):
        calls = [(call.to, call.data, call.value) for call in one.calls]
        ours = [(call.to, call.data, call.value) for call in draft.calls]
        # One whose words lie is no reason not to propose the same with true ones.
        if calls != ours or not gives(commons, one.words, one.calls):
            continue
        if one.state == "active":
            return one
        begins = f"its vote begins in {span(one.vote_start - commons.chain.now())}: then "
        raise InputError(
            "the consortia have a proposal with the same calls before them",
            field="id",
            value=one.id[:8],
            solution=_NEXT.get(one.state, begins + "`qcrs gov vote {id}`").format(id=one.id[:8]),
        )
    return None


def vote(commons: Commons, prefix: str, sender: Sender, support: str = "for", *, anyway: bool = False) -> Act:
    """A vote on what is open; a council knows only votes for.

    `InputError` for what is decided or over: a council would open a ballot on it anew. Also for a vote in
    favour of a proposal whose words are not the sentence that gives its calls, unless `anyway`.
    """
    found = matter(commons, prefix)
    _check_votable(found)
    if isinstance(found, Proposal):
        _check_member(commons, body_named(CONSORTIA), sender.address)
        if found.state == "pending":
            raise InputError(
                "the vote on this proposal has not begun",
                field="id",
                value=found.id[:8],
                solution=f"it begins in {span(found.vote_start - commons.chain.now())}",
            )
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
    closed = closure_of(commons, found.call)
    if closed is not None and len(found.voters) + 1 >= found.threshold:
        raise closed
    return _made(commons, sender, vote_call(commons, found.body, found.motion), found.id)


def queue(commons: Commons, prefix: str, sender: Sender) -> Act:
    """Put a proposal that has passed into the timelock; by anyone."""
    found = proposal_named(commons, prefix)
    if found.state in ("queued", "executed"):
        raise _past(found)
    return _made(commons, sender, commons.governor.queue(*found.arguments), found.id)


def execute(commons: Commons, prefix: str, sender: Sender, *, anyway: bool = False) -> Act:
    """Make what was decided and has waited; by anyone.

    `InputError` for what would also set back what was decided since it was proposed, unless `anyway`.
    """
    found = matter(commons, prefix)
    if found.state in ("executed", "ended", "lapsed"):
        raise _past(found)
    if found.state in ("waiting", "queued"):
        _check_effect(commons, found, anyway=anyway)
    if isinstance(found, Proposal):
        return _made(commons, sender, commons.governor.execute(*found.arguments), found.id)
    return _made(commons, sender, execute_call(commons, found), found.id)


def _check_effect(commons: Commons, found: Matter, *, anyway: bool) -> None:
    closed = next((error for call in found.calls if (error := closure_of(commons, call))), None)
    if closed is not None:
        raise closed
    back = () if anyway else set_back(commons, found)
    if back:
        raise InputError(
            "it would also set back what was decided since it was proposed: "
            + "; ".join(f"{change.what} from {change.before} to {change.after}" for change in back),
            field="id",
            value=found.id[:8],
            solution="decide it anew with `qcrs gov propose WORDS…`, or execute it --anyway",
        )


def propose_all(
    commons: Commons,
    draft: Draft,
    senders: Sequence[Sender],
    *,
    anyway: bool = False,
    told: Callable[[Sender, Act], None] = lambda _sender, _act: None,
) -> list[Act]:
    """The first proposes, the others vote for it, as long as it can be voted on; `told` hears of each."""
    acts: list[Act] = []
    for sender in senders:
        _check_member(commons, draft.body, sender.address)  # of all before anything is sent
    for sender in senders:
        if acts and acts[-1].state not in _VOTABLE:
            break
        acts.append(
            vote(commons, acts[0].id, sender) if acts else propose(commons, draft, sender, anyway=anyway)
        )
        told(sender, acts[-1])
    return acts


def vote_all(
    commons: Commons,
    prefix: str,
    senders: Sequence[Sender],
    support: str = "for",
    *,
    anyway: bool = False,
    told: Callable[[Sender, Act], None] = lambda _sender, _act: None,
) -> list[Act]:
    """Each votes in turn, as long as it can be voted on; `told` hears of each."""
    acts: list[Act] = []
    found = matter(commons, prefix)
    for sender in senders:
        body = body_named(CONSORTIA) if isinstance(found, Proposal) else found.body
        _check_member(commons, body, sender.address)
    for sender in senders:
        if acts and acts[-1].state not in _VOTABLE:
            break
        acts.append(vote(commons, prefix, sender, support, anyway=anyway))
        told(sender, acts[-1])
    return acts


_VOTABLE = ("open", "active")


_NEXT = {
    "waiting": "it is decided: when its delay is over, `qcrs gov execute {id}`",
    "succeeded": "it has passed: `qcrs gov queue {id}`",
    "queued": "it has passed: when its delay is over, `qcrs gov execute {id}`",
}
"""What to do with what is past its vote; everything else is over."""
_OVER = {
    "ended": "ended with the council's last election",
    "executed": "is executed already",
    "lapsed": "was decided and not executed in time",
}


def _past(found: Matter, more: str = "") -> InputError:
    again = "it is over: who wants the same decides anew with `qcrs gov propose WORDS…`"
    return InputError(
        f"this {found.kind} {_OVER.get(found.state, f'is {found.state}')}{more}",
        field="id",
        value=found.id[:8],
        solution=_NEXT.get(found.state, again).format(id=found.id[:8]),
    )


def _check_votable(found: Matter) -> None:
    if found.state not in (*_VOTABLE, "pending"):
        raise _past(found, ", and nobody votes on it")


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
    return Act(found.id, found.kind, found.state, "0x" + receipt.hash.hex(), receipt.gas_used)
