"""The consortia's decisions: proposal, vote, queue, execution, each a call that somebody sends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar

from eth_utils.crypto import keccak

from qcrs.chain.abi import Call
from qcrs.chain.bindings import ExchangeGovernor
from qcrs.governance.bodies import CONSORTIA, body_named
from qcrs.governance.commons import Commons

__all__ = ["SUPPORT", "Proposal", "proposals", "propose_call"]

SUPPORT = {"against": 0, "for": 1, "abstain": 2}
"""The governor's numbers for what a consortium says."""


class ProposalState(IntEnum):
    """`IGovernor.ProposalState` of OpenZeppelin, whose enumerations the artifacts do not hold."""

    PENDING = 0
    ACTIVE = 1
    CANCELED = 2
    DEFEATED = 3
    SUCCEEDED = 4
    QUEUED = 5
    EXPIRED = 6
    EXECUTED = 7


_OPEN = (ProposalState.PENDING, ProposalState.ACTIVE, ProposalState.SUCCEEDED, ProposalState.QUEUED)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal. Votes are seats; times are seconds since 1970, `eta` zero before it is queued.

    `block` is the one in which it was proposed.
    """

    kind: ClassVar[str] = "proposal"

    number: int
    proposer: str
    words: str
    calls: tuple[Call, ...]
    votes_for: int
    votes_against: int
    votes_abstain: int
    quorum: int
    vote_start: int
    vote_end: int
    eta: int
    state: str
    block: int

    @property
    def id(self) -> str:
        """The number in hexadecimal, of which the first digits suffice."""
        return f"{self.number:064x}"

    @property
    def open(self) -> bool:
        """Whether something is still to be done about it."""
        return ProposalState[self.state.upper()] in _OPEN

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What queue, execute and cancel take."""
        return (*_operations(self.calls), keccak(self.words.encode(errors="surrogateescape")))


def _operations(calls: tuple[Call, ...]) -> tuple[tuple[str, ...], tuple[int, ...], tuple[bytes, ...]]:
    return (
        tuple(call.to for call in calls),
        tuple(call.value for call in calls),
        tuple(call.data for call in calls),
    )


def proposals(commons: Commons, *, everything: bool = False) -> list[Proposal]:
    """Proposals, oldest first; only those that are not over unless `everything`."""
    created = [
        (row.block, ExchangeGovernor.ProposalCreated.from_log(row.topics, row.data))
        for row in commons.events(body_named(CONSORTIA).contract)
        if row.topics[0] == ExchangeGovernor.ProposalCreated.TOPIC
    ]
    found = [_proposal(commons, block, one) for block, one in created]
    return [one for one in found if everything or one.open]


def _proposal(commons: Commons, block: int, created: ExchangeGovernor.ProposalCreated) -> Proposal:
    governor, number = commons.governor, created.proposal_id
    against, supporting, abstaining = governor.proposal_votes(number)
    # Seats are counted before the last block, whose time the call has; the next one is too late.
    counted = min(created.vote_start, commons.chain.block().timestamp - 1)
    calls = zip(created.targets, created.values, created.calldatas, strict=True)
    return Proposal(
        number=number,
        proposer=commons.name(created.proposer),
        words=created.description,
        calls=tuple(Call(target, data, value) for target, value, data in calls),
        votes_for=supporting,
        votes_against=against,
        votes_abstain=abstaining,
        quorum=governor.quorum(counted),
        vote_start=created.vote_start,
        vote_end=governor.proposal_deadline(number),
        eta=governor.proposal_eta(number),
        state=ProposalState(governor.state(number)).name.lower(),
        block=block,
    )


def propose_call(commons: Commons, words: str, calls: tuple[Call, ...]) -> tuple[Call, int]:
    """The call that proposes these calls, and the proposal's number.

    The same words were perhaps proposed before; then they are numbered, since a proposal is known by the
    hash of what it says.
    """
    governor, count = commons.governor, 1
    known = {one.number for one in proposals(commons, everything=True)}
    while True:
        text = words if count == 1 else f"{words} ({count})"
        number = governor.hash_proposal(*_operations(calls), keccak(text=text))
        if number not in known:
            return governor.propose(*_operations(calls), text), number
        count += 1
