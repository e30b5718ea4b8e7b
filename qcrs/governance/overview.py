"""All bodies at one moment: who sits, what is open. For lists, `--json` and the picture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from qcrs.chain.deploy import ROLES
from qcrs.governance.actions import Change, all_changes
from qcrs.governance.acts import members
from qcrs.governance.ballots import Ballot, ballots
from qcrs.governance.bodies import BODIES, CONSORTIA
from qcrs.governance.commons import Commons
from qcrs.governance.proposals import Proposal, proposals
from qcrs.governance.sentences import gives

__all__ = ["BodyView", "MatterView", "Overview", "overview", "view_of"]


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
    """A ballot or proposal: what it says, who is for it, its state, the next time that matters (s, 1970).

    `calls` are what it does. `faithful` says whether `words`, which are those of whoever proposed it, are the
    sentence that gives these calls; none where it is over, since what is on chain has changed.
    """

    id: str
    kind: str
    body: str
    words: str
    calls: tuple[str, ...]
    faithful: bool | None
    state: str
    votes: int
    needed: int
    voters: tuple[str, ...]
    until: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole of it, at `now` of the chain's clock."""

    now: int
    bodies: tuple[BodyView, ...]
    matters: tuple[MatterView, ...]

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
    return Overview(commons.chain.now(), tuple(views), tuple(matters))


def _timelock_delay(commons: Commons) -> int:
    from qcrs.chain.bindings import ExchangeTimelock

    return commons.bind(ExchangeTimelock).get_min_delay()


def view_of(commons: Commons, one: Ballot | Proposal) -> MatterView:
    """One ballot or proposal with what it would change now, while it is open."""
    calls = (one.call,) if isinstance(one, Ballot) else one.calls
    changes = all_changes(commons, calls) if one.open else ()
    told = tuple(map(commons.call_shown, calls))
    if isinstance(one, Ballot):
        until = one.ready_at if one.state == "waiting" and one.ready_at else one.expires_at
        return MatterView(
            one.id, "ballot", one.body.key, one.words, told, True, one.state,
            len(one.voters), one.threshold, one.voters, until, changes,
        )  # fmt: skip
    until = one.vote_start if one.state == "pending" else one.eta or one.vote_end
    faithful = gives(commons, one.words, calls) if one.open else None
    return MatterView(
        one.id, "proposal", CONSORTIA, one.words, told, faithful, one.state,
        one.votes_for, one.quorum, (), until, changes,
    )  # fmt: skip
