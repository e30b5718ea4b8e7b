"""What was said in a dispute: grounds, revealed evidence, an appeal's argument, with their texts.

Chain and log hold content ids; the texts lie in the store, and are strangers' words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qcrs.chain.bindings import DisputeCourt
from qcrs.errors import QCRSError
from qcrs.governance.disputes import Dispute, Stage, court_logs, dispute, stages_of
from qcrs.governance.evidence import EVIDENCE_TYPE
from qcrs.types import digest_to_cid, parse_json

if TYPE_CHECKING:
    from qcrs.governance.commons import Commons
    from qcrs.store import ContentStore

__all__ = ["Casebook", "Paper", "Revealed", "casebook", "gist"]


@dataclass(frozen=True, slots=True)
class Paper:
    """A document by its content id, and its text as its writer left it; None where it cannot be had."""

    cid: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Revealed:
    """A member's ruling and the evidence that it says it made."""

    member: str
    ruling: str
    evidence: Paper


@dataclass(frozen=True, slots=True)
class Casebook:
    """A challenge with all that was said in it. `committed` counts members, revealed or not."""

    about: Dispute
    stages: tuple[Stage, ...]
    grounds: Paper
    committed: int
    revealed: tuple[Revealed, ...]
    appeal: Paper | None


def casebook(commons: Commons, store: ContentStore, challenge: int) -> Casebook:
    """Everything about one challenge; `InputError` where there is none."""
    about = dispute(commons, challenge)
    members, revealed = set(), []
    for log in court_logs(commons, challenge, DisputeCourt.RulingCommitted, DisputeCourt.RulingRevealed):
        if log.topics[0] == DisputeCourt.RulingCommitted.TOPIC:
            members.add(DisputeCourt.RulingCommitted.from_log(log.topics, log.data).member)
            continue
        shown = DisputeCourt.RulingRevealed.from_log(log.topics, log.data)
        paper = _paper(store, digest_to_cid(shown.evidence))
        revealed.append(Revealed(commons.name(shown.member), shown.ruling.name.lower(), paper))
    return Casebook(
        about=about,
        stages=stages_of(commons, challenge),
        grounds=_paper(store, about.grounds),
        committed=len(members),
        revealed=tuple(revealed),
        appeal=None if about.appeal_grounds is None else _paper(store, about.appeal_grounds),
    )


def _paper(store: ContentStore, cid: str) -> Paper:
    try:
        return Paper(cid, store.get(cid).decode("utf-8", "replace"))
    except QCRSError:
        return Paper(cid, None)


def gist(text: str) -> str:
    """Evidence of `qcrs dispute` in a few lines, with what it says differs; any other text as it is."""
    try:
        value: Any = parse_json(text)
        if not isinstance(value, dict) or value["type"] != EVIDENCE_TYPE:
            return text
        lines = [
            f"job {value['job']}, execution {value['execution']}: recorded {value['recorded']}, recomputed "
            f"{value['recomputed']}; it speaks for: {value['ruling']}"
        ]
        lines += [
            f"✗ {one['subject']}: {one['name']}: {one['detail']}" for one in value["report"]["differences"]
        ]
    except (QCRSError, KeyError, TypeError):
        return text
    return "\n".join(lines)
