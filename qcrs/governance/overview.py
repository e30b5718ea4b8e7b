"""All bodies at one moment: who sits, what is open. For lists, `--json` and the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from qcrs.chain.bindings import AccessManager, ComputationAllocator, EntanglementCoordinator
from qcrs.chain.deploy import ROLES
from qcrs.governance.actions import Change, all_changes
from qcrs.governance.acts import members
from qcrs.governance.ballots import Ballot, ballots
from qcrs.governance.bodies import BODIES, CONSORTIA
from qcrs.governance.commons import Commons
from qcrs.governance.conflicts import set_back
from qcrs.governance.matters import Matter
from qcrs.governance.proposals import Proposal, proposals
from qcrs.governance.sentences import gives

if TYPE_CHECKING:
    from qcrs.chain.networks import Chain

__all__ = ["BodyView", "MatterView", "Overview", "body_key", "halted", "overview", "view_of"]


@dataclass(frozen=True, slots=True)
class BodyView:
    """A body: seats (place and holder), votes that decide, and how long its decisions wait (s).

    Of the consortia `threshold` votes decide at once, and at least `quorum` at the end of the vote; in a
    council the two are one.
    """

    key: str
    title: str
    decides: str
    seats: tuple[tuple[int, str], ...]
    threshold: int
    quorum: int
    delay_s: int


@dataclass(frozen=True, slots=True)
class MatterView:
    """A ballot or proposal: what it says, who is for it, its state, and what comes next.

    Of a ballot `votes` of `needed` decide. Of a proposal `needed` is the quorum, which those who abstain
    count for; it passes with more `votes` (for) than `against`. `coming` happens at `until` (s, 1970; 0 where
    nothing does). `undoes` is what it would set back that others decided since it was proposed. `calls`
    are what it does. `faithful` says whether `words`, those of whoever proposed it, are the sentence that
    gives these calls; none where it is over, since what is on chain has changed.
    """

    id: str
    kind: str
    body: str
    words: str
    calls: tuple[str, ...]
    faithful: bool | None
    state: str
    open: bool
    proposer: str
    votes: int
    needed: int
    voters: tuple[str, ...]
    against: int
    abstained: int
    coming: str
    until: int
    changes: tuple[Change, ...]
    undoes: tuple[Change, ...]

    @property
    def tally(self) -> str:
        """The votes in words."""
        if self.kind == "ballot":
            return f"{self.votes} of {self.needed}"
        return f"{self.votes} for, {self.against} against, {self.abstained} abstain; quorum {self.needed}"


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole of it, at `now` of the chain's clock; `halts` are what is paused or closed, in words."""

    now: int
    bodies: tuple[BodyView, ...]
    matters: tuple[MatterView, ...]
    halts: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def overview(commons: Commons, *, everything: bool = False) -> Overview:
    """Read it; closed matters too with `everything`."""
    views = []
    for body in BODIES:
        seats = tuple((place, commons.name(who)) for place, who in members(commons, body).items())
        if body.key == CONSORTIA:
            governor, before = commons.governor, commons.chain.block().timestamp - 1
            threshold, quorum = governor.super_quorum(before), governor.quorum(before)
            delay = _timelock_delay(commons)
        else:
            threshold = quorum = commons.council(body.key).seats()[1]
            delay = commons.manager.has_role(ROLES[body.roles[0]], commons.contracts[body.contract])[1]
        views.append(BodyView(body.key, body.title, body.decides, seats, threshold, quorum, delay))
    matters = [view_of(commons, one) for one in ballots(commons, everything=everything)]
    matters += [view_of(commons, one) for one in proposals(commons, everything=everything)]
    halts = halted(commons.chain, commons.contracts)
    return Overview(commons.chain.now(), tuple(views), tuple(matters), halts)


def halted(chain: Chain, contracts: Mapping[str, str]) -> tuple[str, ...]:
    """What the bodies have stopped: paused work, and contracts that are closed to the bodies."""
    coordinator = EntanglementCoordinator(chain, contracts["EntanglementCoordinator"])
    stopped = {
        "new jobs are paused": ComputationAllocator(chain, contracts["ComputationAllocator"]).paused(),
        "new channels and sessions are paused": coordinator.current_parameters().paused,
    }
    closed = AccessManager(chain, contracts["AccessManager"]).is_target_closed
    found = [words for words, holds in stopped.items() if holds]
    return (*found, *(f"{name} is closed to the bodies" for name in contracts if closed(contracts[name])))


def _timelock_delay(commons: Commons) -> int:
    from qcrs.chain.bindings import ExchangeTimelock

    return commons.bind(ExchangeTimelock).get_min_delay()


def body_key(one: Matter) -> str:
    """The short name of the body that decides on it."""
    return one.body.key if isinstance(one, Ballot) else CONSORTIA


def view_of(commons: Commons, one: Matter) -> MatterView:
    """One ballot or proposal with what it would change now, while it is open."""
    now = commons.chain.now()
    changes = all_changes(commons, one.calls) if one.open else ()
    undoes = set_back(commons, one) if one.open else ()
    told = tuple(map(commons.call_shown, one.calls))
    if isinstance(one, Ballot):
        coming, until = _next_of_ballot(one, now)
        return MatterView(
            one.id, one.kind, one.body.key, one.words, told, True, one.state, one.open, one.voters[0],
            len(one.voters), one.threshold, one.voters, 0, 0, coming, until, changes, undoes,
        )  # fmt: skip
    coming, until = _next_of_proposal(one, now)
    faithful = gives(commons, one.words, one.calls) if one.open else None
    return MatterView(
        one.id, one.kind, CONSORTIA, one.words, told, faithful, one.state, one.open, one.proposer,
        one.votes_for, one.quorum, (), one.votes_against, one.votes_abstain, coming, until, changes, undoes,
    )  # fmt: skip


def _next_of_ballot(one: Ballot, now: int) -> tuple[str, int]:
    if one.state == "open":
        return "expires", one.expires_at
    if one.state == "waiting" and one.ready_at is not None and one.lapses_at is not None:
        return ("ready", one.ready_at) if now < one.ready_at else ("lapses", one.lapses_at)
    return "", 0


def _next_of_proposal(one: Proposal, now: int) -> tuple[str, int]:
    match one.state:
        case "pending":
            return "vote begins", one.vote_start
        case "active":
            return "vote ends", one.vote_end
        case "queued" if now < one.eta:
            return "ready", one.eta
    return "", 0
