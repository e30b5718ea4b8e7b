"""Ballots and proposals by their ids, of which the first digits suffice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from qcrs.errors import InputError
from qcrs.governance.ballots import Ballot, ballots
from qcrs.governance.commons import Commons
from qcrs.governance.proposals import Proposal, proposals

__all__ = ["Matter", "ballot_named", "is_id", "matter", "proposal_named"]

Matter = Ballot | Proposal
"""What a body decides on."""
Found = TypeVar("Found", Ballot, Proposal, Matter)


def is_id(words: str) -> bool:
    """Whether this is written as an id of a ballot or proposal, and not as a sentence."""
    return re.fullmatch("(0x)?[0-9a-fA-F]{1,64}", words.strip()) is not None


def matter(commons: Commons, prefix: str) -> Matter:
    """The ballot or proposal whose id begins so; `InputError` where there is none or more than one."""
    known: list[Matter] = [*ballots(commons, everything=True), *proposals(commons, everything=True)]
    return _only(known, prefix, "ballot or proposal", "ballots and proposals")


def ballot_named(commons: Commons, prefix: str) -> Ballot:
    """The ballot whose id begins so."""
    return _only(ballots(commons, everything=True), prefix, "ballot", "ballots")


def proposal_named(commons: Commons, prefix: str) -> Proposal:
    """The proposal whose id begins so."""
    return _only(proposals(commons, everything=True), prefix, "proposal", "proposals")


def _only(known: Sequence[Found], prefix: str, one: str, several: str) -> Found:
    wanted = prefix.strip().lower().removeprefix("0x")
    found = [each for each in known if wanted and each.id.startswith(wanted)]
    if len(found) != 1:
        raise InputError(
            f"several {several} begin so" if found else f"no such {one}",
            field="id",
            value=prefix,
            solution="write more of its id; `qcrs gov list --all` shows them",
        )
    return found[0]
