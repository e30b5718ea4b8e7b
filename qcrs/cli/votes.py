"""Ballots, proposals and what they change, as commands tell them; and their acts, told as they are made.

`qcrs gov` and `scripts/vote.py` differ in where their keys come from, and in nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from qcrs.cli.output import say, table, visible

if TYPE_CHECKING:
    from qcrs.chain.sender import Sender
    from qcrs.governance import Act, Commons, Draft
    from qcrs.governance.overview import BodyView, MatterView, Overview

__all__ = [
    "bodies_text",
    "execute_told",
    "matters_text",
    "outcome",
    "plain",
    "propose_told",
    "queue_told",
    "shown",
    "support_of",
    "vote_told",
]

UNFAITHFUL = "the words are not the sentence that gives these calls, so judge by what they change"
WIDTH = 98
"""Characters of a line in a list."""
LONGEST = 360
"""Characters of a call or of words where one ballot or proposal is shown."""

Told = tuple[Any, str]
"""What a command prints: the value for `--json`, and the lines for people."""


# --------------------------------------------------------------------------- looking


def bodies_text(found: Overview) -> str:
    """The bodies, what each decides on under it, and what they have stopped."""
    rows = [(b.key, b.title, _decide(b), _waits(b.delay_s)) for b in found.bodies]
    text = _noted(rows, ("body", "title", "votes", "waits"), [b.decides for b in found.bodies])
    return "\n".join([text, *(f"✗ {words}" for words in found.halts)])


def matters_text(found: Overview) -> str:
    """Ballots and proposals, and under each its call or words."""
    if not found.matters:
        return "nothing is open: propose with `qcrs gov propose WORDS…`"
    rows = [(m.id[:8], m.body, m.state, m.tally, _next(m, found.now)) for m in found.matters]
    text = _noted(rows, ("id", "body", "state", "votes", "next"), [_said(m) for m in found.matters])
    if any(m.faithful is False for m in found.matters):
        text += f"\n≠ {UNFAITHFUL}: `qcrs gov show ID`"
    return text


def shown(commons: Commons, words: str) -> Told:
    """What a sentence, ballot or proposal would change: before and after. Nothing is sent."""
    from qcrs.governance import draft, is_id, matter, refusal_of, rivals
    from qcrs.governance.overview import view_of

    if is_id(words):
        view = view_of(commons, matter(commons, words))
        return plain(view), _view(view, commons.chain.now())
    found = draft(commons, words)
    refusal = refusal_of(commons, found)
    calls = [commons.words_of(call) for call in found.calls]
    value = {
        "words": found.words,
        "body": found.body.key,
        "calls": calls,
        "changes": list(map(plain, found.changes)),
        "rivals": [one.id for one in rivals(commons, found)],
        "refused": None if refusal is None else refusal.as_json(),
    }
    human = "\n".join(
        [f"{found.body.title} decides:", *(f"  {call}" for call in calls), _draft(commons, found)]
    )
    if refusal is not None:
        human += f"\n✗ made now, the contract would refuse it: {refusal.message()}"
    return value, human


# --------------------------------------------------------------------------- acting


def support_of(*, against: bool, abstain: bool) -> str:
    """What is said with a vote; `InputError` for both at once."""
    from qcrs.errors import InputError

    if against and abstain:
        raise InputError(
            "a vote is against or an abstention",
            field="--against",
            value="--abstain",
            solution="give one of them",
        )
    return "against" if against else "abstain" if abstain else "for"


def propose_told(commons: Commons, found: Draft, senders: Sequence[Sender], *, anyway: bool) -> Told:
    """What it changes, then its proposal and votes."""
    from qcrs.governance import propose_all

    say(_draft(commons, found))
    acts = propose_all(commons, found, senders, anyway=anyway, told=partial(_tell, commons))
    return outcome(commons, acts, senders)


def vote_told(
    commons: Commons, prefix: str, senders: Sequence[Sender], support: str, *, anyway: bool
) -> Told:
    """What it changes, then the votes."""
    from qcrs.governance import vote_all

    say(shown(commons, prefix)[1])
    acts = vote_all(commons, prefix, senders, support, anyway=anyway, told=partial(_tell, commons))
    return outcome(commons, acts, senders)


def queue_told(commons: Commons, prefix: str, sender: Sender) -> Told:
    """Into the timelock."""
    from qcrs.governance import queue

    return outcome(commons, [queue(commons, prefix, sender)], [sender])


def execute_told(commons: Commons, prefix: str, sender: Sender, *, anyway: bool) -> Told:
    """What it changes, then its execution."""
    from qcrs.governance import execute

    say(shown(commons, prefix)[1])
    return outcome(commons, [execute(commons, prefix, sender, anyway=anyway)], [sender])


def outcome(commons: Commons, acts: Sequence[Act], senders: Sequence[Sender]) -> Told:
    """How it stands after the last act, what comes next, and whose votes were not asked for."""
    last = acts[-1]
    short = last.id[:8]
    hint = {
        "open": f"further votes: qcrs gov vote {short}",
        "pending": f"its vote begins in {_begins(commons, last)}; then: qcrs gov vote {short}",
        "active": f"further votes: qcrs gov vote {short}",
        "waiting": f"when its delay is over: qcrs gov execute {short}",
        "succeeded": f"next: qcrs gov queue {short}",
        "queued": f"when its delay is over: qcrs gov execute {short}",
    }.get(last.state)
    lines = [f"{last.kind} {short} is {last.state}", *([hint] if hint else [])]
    left = [commons.name(sender.address) for sender in senders[len(acts) :]]
    if left:
        lines.insert(1, f"· without a vote of {', '.join(left)}")
    return plain(last) | {"acts": list(map(plain, acts))}, "\n".join(lines)


def plain(value: Any) -> dict[str, Any]:
    """Plain values, for `--json`."""
    from dataclasses import asdict

    return asdict(value)


# --------------------------------------------------------------------------- parts


def _begins(commons: Commons, act: Act) -> str:
    from qcrs.governance import Proposal, matter
    from qcrs.governance.quantities import span

    if act.state != "pending":
        return ""
    found = matter(commons, act.id)
    return span(found.vote_start - commons.chain.now()) if isinstance(found, Proposal) else ""


def _tell(commons: Commons, sender: Sender, act: Act) -> None:
    say(f"✓ {commons.name(sender.address)}: {act.kind} {act.id[:8]} is {act.state} ({act.gas:,} gas)")


def _draft(commons: Commons, found: Draft) -> str:
    from qcrs.governance import rivals

    lines = [_changes(found.changes)]
    others = rivals(commons, found)
    for one in others:
        calls = _short("; ".join(map(commons.call_shown, one.calls)), LONGEST)
        lines.append(f"✗ {one.kind} {one.id[:8]} is {one.state} and sets the same values: {calls}")
    if others:
        lines.append("  → each sets all of them: better propose this once that is executed")
    return "\n".join(lines)


def _view(one: MatterView, now: int) -> str:
    by = "" if one.kind == "ballot" else f", proposed by {visible(one.proposer)}"
    head = [f"{one.kind} {one.id}", f"{one.state}: {one.tally}{by}"]
    if one.kind == "ballot":
        head.append(f"voted: {', '.join(one.voters)}")
    if one.until:
        head.append(_next(one, now))
    if one.kind == "proposal":
        head.append(f"words: {_short(one.words, LONGEST)}")
    if one.faithful is False:
        head.append(f"✗ {UNFAITHFUL}")
    head += [f"  {_short(call, LONGEST)}" for call in one.calls]
    if one.undoes:
        said = "; ".join(f"{c.what} from {c.before} to {c.after}" for c in one.undoes)
        head.append(f"✗ it would also set back what was decided since it was proposed: {said}")
    if one.open:
        head.append(_changes(one.changes))
    elif one.state != "executed":
        head.append("· it is over and changed nothing")
    return "\n".join(head)


def _said(one: MatterView) -> str:
    """Words that are true, else the calls and what the proposer says of them."""
    mark = "✗ sets back what was decided since: " if one.undoes else ""
    room = WIDTH - len(mark)
    if one.faithful and one.kind == "proposal":
        return mark + _short(one.words, room)
    if one.kind == "ballot":
        return mark + _short("; ".join(one.calls), room)
    calls = _short("; ".join(one.calls), room * 2 // 3)
    return f"{mark}{'≠ ' if one.faithful is False else ''}{calls} “{_short(one.words, room // 3 - 4)}”"


def _short(text: str, most: int) -> str:
    line = visible(text)
    return line if len(line) <= most else line[: most - 1] + "…"


def _changes(changes: Sequence[Any]) -> str:
    if not changes:
        return "· changes nothing: this is how it is"
    return table([(c.what, c.before, "→", c.after) for c in changes], ("what", "before", "", "after"))


def _noted(rows: Sequence[Sequence[object]], headers: Sequence[str], notes: Sequence[str]) -> str:
    """A table with a line under each row."""
    head, rule, *lines = table(rows, headers).split("\n")
    under = (text for pair in zip(lines, (f"  {note}" for note in notes), strict=True) for text in pair)
    return "\n".join([head, rule, *under])


def _decide(body: BodyView) -> str:
    from qcrs.governance.bodies import CONSORTIA

    count = len(body.seats)
    if body.key != CONSORTIA:
        return f"{body.quorum} of {count}"
    return f"quorum {body.quorum} of {count}; {body.threshold} at once"


def _waits(seconds: int) -> str:
    from qcrs.governance.quantities import shown as words

    return words(seconds, "seconds") if seconds else "at once"


def _next(one: MatterView, now: int) -> str:
    from qcrs.governance.quantities import span

    if one.state in ("waiting", "queued") and one.coming != "ready":
        return "ready" + (f", lapses in {span(one.until - now)}" if one.until else "")
    return f"{one.coming} in {span(one.until - now)}" if one.until else "–"
