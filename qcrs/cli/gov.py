"""`qcrs gov …`: bodies, seats, proposals in plain words, votes, execution, and a picture of it all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcrs.cli.options import AccountOption, HomeOption, Json
from qcrs.cli.output import emit, say, table, visible

if TYPE_CHECKING:
    from qcrs.chain.sender import Sender
    from qcrs.governance import Act, Commons
    from qcrs.governance.overview import BodyView, MatterView

__all__ = ["register"]

Accounts = Annotated[
    list[str] | None,
    typer.Option(
        "--account", help="A member's key; several times for several members. Default: the only one."
    ),
]
Words = Annotated[list[str], typer.Argument(metavar="WORDS…", help="Such as: set Δ to 900 qubit-seconds")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Of a ballot or proposal; its first digits suffice.")]
Body = Annotated[
    str, typer.Argument(metavar="BODY", help="allocation, certification, security, standards, dispute")
]


def register(root: typer.Typer) -> None:
    """Add the group."""
    gov = typer.Typer(
        rich_markup_mode=None,
        no_args_is_help=True,
        help="Who decides what: bodies, seats, proposals in plain words, votes, execution.",
    )
    for command in (
        bodies,
        seats,
        show,
        propose,
        vote,
        queue,
        execute,
        elect,
        remove,
        pause,
        resume,
        picture,
    ):
        gov.command()(command)
    gov.command("list")(list_matters)
    gov.command()(appeal)
    root.add_typer(gov, name="gov")


# --------------------------------------------------------------------------- looking


def bodies(home: HomeOption = None, as_json: Json = False) -> None:
    """The bodies: what each decides, how many votes that takes, how long it waits."""
    from qcrs.governance.overview import overview

    found = overview(_commons(home))
    rows = [
        (b.key, b.title, _decide(b), _waits(b.delay_s), b.decides)
        for b in found.bodies
    ]  # fmt: skip
    human = table(rows, ("body", "title", "votes", "waits", "decides"))
    emit(found.as_json()["bodies"], as_json=as_json, human=human)


def seats(home: HomeOption = None, as_json: Json = False) -> None:
    """Who sits where."""
    from qcrs.governance.overview import overview

    found = overview(_commons(home))
    rows = [(body.key, place, holder) for body in found.bodies for place, holder in body.seats]
    human = table(rows, ("body", "seat", "holder"))
    value = [{"body": body, "seat": place, "holder": holder} for body, place, holder in rows]
    emit(value, as_json=as_json, human=human)


def list_matters(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Open ballots and proposals."""
    from qcrs.governance.overview import overview

    found = overview(_commons(home), everything=everything)
    rows = [
        (m.id[:8], m.kind, m.body, m.state, f"{m.votes}/{m.needed}", _left(m, found.now), _said(m))
        for m in found.matters
    ]
    headers = ("id", "kind", "body", "state", "votes", "left", "call or words")
    human = table(rows, headers) if rows else "nothing is open: propose with `qcrs gov propose WORDS…`"
    if any(m.faithful is False for m in found.matters):
        human += f"\n≠ {UNFAITHFUL}: `qcrs gov show ID`"
    emit(found.as_json()["matters"], as_json=as_json, human=human)


def show(words: Words, home: HomeOption = None, as_json: Json = False) -> None:
    """What a sentence, ballot or proposal would change: before and after. Nothing is sent."""
    from qcrs.governance import draft, is_id, matter, refusal_of
    from qcrs.governance.overview import view_of

    commons = _commons(home)
    if len(words) == 1 and is_id(words[0]):
        view = view_of(commons, matter(commons, words[0]))
        emit(_plain(view), as_json=as_json, human=_view(view))
        return
    found = draft(commons, " ".join(words))
    calls = [commons.words_of(call) for call in found.calls]
    refusal = refusal_of(commons, found)
    value = {
        "words": found.words,
        "body": found.body.key,
        "calls": calls,
        "changes": list(map(_plain, found.changes)),
        "refused": None if refusal is None else refusal.as_json(),
    }
    human = f"{found.body.title} decides:\n  " + "\n  ".join(calls) + "\n" + _changes(found.changes)
    if refusal is not None:
        human += f"\n✗ made now, the contract would refuse it: {refusal.message()}"
    emit(value, as_json=as_json, human=human)


def picture(
    out: Annotated[Path, typer.Option("--out", help="The SVG file.")] = Path("out/governance.svg"),
    everything: Annotated[bool, typer.Option("--all", help="Also what is over.")] = False,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Draw bodies, powers and open proposals."""
    from qcrs.governance.overview import overview
    from qcrs.report.republic import republic

    text = republic(overview(_commons(home), everything=everything))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    emit({"picture": str(out)}, as_json=as_json, human=str(out))


# --------------------------------------------------------------------------- deciding


def propose(
    words: Words,
    account: Accounts = None,
    home: HomeOption = None,
    as_json: Json = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also what the contract would refuse now.")
    ] = False,
) -> None:
    """Propose in plain words; a council's member votes with it, and further --account add their votes."""
    from qcrs.governance import draft
    from qcrs.governance import propose as act
    from qcrs.governance.acts import vote as support

    commons = _commons(home)
    found = draft(commons, " ".join(words))
    say(_changes(found.changes))
    acts: list[Act] = []
    for sender in _senders(commons, home, account, found.body.key):
        first = not acts or acts[-1].kind == "ballot"
        acts.append(
            act(commons, found, sender, anyway=anyway) if first else support(commons, acts[0].id, sender)
        )
        _tell(commons, sender, acts[-1])
    _report(acts, as_json=as_json)


def vote(
    prefix: Id,
    against: Annotated[bool, typer.Option("--against", help="A consortium's vote against.")] = False,
    abstain: Annotated[bool, typer.Option("--abstain", help="A consortium's abstention.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also where words and calls of a proposal differ.")
    ] = False,
    account: Accounts = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Vote on a ballot or proposal; what it does is told first."""
    from qcrs.governance import matter
    from qcrs.governance import vote as act
    from qcrs.governance.overview import view_of

    commons = _commons(home)
    view = view_of(commons, matter(commons, prefix))
    say(_view(view))
    acts = []
    support = "against" if against else "abstain" if abstain else "for"
    for sender in _senders(commons, home, account, view.body):
        acts.append(act(commons, view.id, sender, support, anyway=anyway))
        _tell(commons, sender, acts[-1])
    _report(acts, as_json=as_json)


def queue(prefix: Id, account: AccountOption = None, home: HomeOption = None, as_json: Json = False) -> None:
    """Put a proposal that has passed into the timelock."""
    from qcrs.governance import queue as act

    commons = _commons(home)
    _report([act(commons, prefix, _sender(commons, home, account))], as_json=as_json)


def execute(
    prefix: Id, account: AccountOption = None, home: HomeOption = None, as_json: Json = False
) -> None:
    """Make what was decided and has waited."""
    from qcrs.governance import execute as act

    commons = _commons(home)
    _report([act(commons, prefix, _sender(commons, home, account))], as_json=as_json)


def elect(
    who: Annotated[str, typer.Argument(help="Name of a key, or an address.")],
    body: Body,
    account: Accounts = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Propose to the consortia to seat somebody in a council."""
    propose([f"elect {who} to the {body} council"], account, home, as_json)


def remove(
    who: Annotated[str, typer.Argument(help="Name of a key, or an address.")],
    body: Body,
    account: Accounts = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Propose to the consortia to take a seat in a council from somebody."""
    propose([f"remove {who} from the {body} council"], account, home, as_json)


def pause(
    what: Annotated[str, typer.Argument(help="exchange or channels.")] = "exchange",
    account: Accounts = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """The security group's vote to stop new jobs, or new channels and sessions; refunds go on."""
    propose([f"pause the {what}"], account, home, as_json)


def resume(
    what: Annotated[str, typer.Argument(help="exchange or channels.")] = "exchange",
    account: Accounts = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """The security group's vote to go on."""
    propose([f"resume the {what}"], account, home, as_json)


def appeal(
    challenge: Annotated[int, typer.Argument(help="The challenge's number.")],
    grounds: Annotated[Path | None, typer.Option("--grounds", help="A file with the argument.")] = None,
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """What `qcrs dispute appeal` does: twice the challenge's bond, from outside the exchange's ledger."""
    from qcrs.cli.dispute import appeal as act

    act(challenge, grounds, account, home, as_json)


# --------------------------------------------------------------------------- parts


def _commons(home: Path | None) -> Commons:
    from qcrs.cli.citizens import commons_of

    return commons_of(home)


def _sender(commons: Commons, home: Path | None, account: str | None) -> Sender:
    from qcrs.cli.citizens import sender_of

    return sender_of(commons, home, account)


def _senders(commons: Commons, home: Path | None, accounts: list[str] | None, body: str) -> list[Sender]:
    from qcrs.cli.citizens import members_here

    return members_here(commons, home, accounts, body)


def _tell(commons: Commons, sender: Sender, act: Act) -> None:
    say(f"✓ {commons.name(sender.address)}: {act.kind} {act.id[:8]} is {act.state} ({act.gas:,} gas)")


def _report(acts: list[Act], *, as_json: bool) -> None:
    last = acts[-1]
    hint = {
        "open": f"\nfurther votes: qcrs gov vote {last.id[:8]}",
        "pending": f"\nwhen it is active: qcrs gov vote {last.id[:8]}",
        "active": f"\nfurther votes: qcrs gov vote {last.id[:8]}",
        "waiting": f"\nwhen its delay is over: qcrs gov execute {last.id[:8]}",
        "succeeded": f"\nnext: qcrs gov queue {last.id[:8]}",
        "queued": f"\nwhen its delay is over: qcrs gov execute {last.id[:8]}",
    }.get(last.state, "")
    human = f"{last.kind} {last.id[:8]} is {last.state}{hint}"
    emit(_plain(last) | {"acts": list(map(_plain, acts))}, as_json=as_json, human=human)


def _plain(value: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(value)


UNFAITHFUL = "the words are not the sentence that gives these calls, so judge by what they change"
SHORT = 72
"""Characters of a call in a list."""


def _view(one: MatterView) -> str:
    head = [f"{one.kind} {one.id}", f"{one.state}: {one.votes} of {one.needed} votes"]
    if one.kind == "proposal":
        head.append(f"words: {_short(one.words, 5 * SHORT)}")
    if one.faithful is False:
        head.append(f"✗ {UNFAITHFUL}")
    head += [f"  {_short(call, 5 * SHORT)}" for call in one.calls]
    return "\n".join([*head, _changes(one.changes)] if one.faithful is not None else head)


def _said(one: MatterView) -> str:
    """Words that are true, else the calls and what the proposer says of them."""
    if one.faithful and one.kind == "proposal":
        return one.words
    calls = _short("; ".join(one.calls), SHORT)
    if one.kind == "ballot":
        return calls
    return f"{'≠ ' if one.faithful is False else ''}{calls} “{_short(one.words, SHORT // 2)}”"


def _short(text: str, most: int) -> str:
    line = visible(text)
    return line if len(line) <= most else line[: most - 1] + "…"


def _changes(changes: Any) -> str:
    if not changes:
        return "· changes nothing: this is how it is"
    return table([(c.what, c.before, "→", c.after) for c in changes], ("what", "before", "", "after"))


def _decide(body: BodyView) -> str:
    early = f"; {body.threshold} at once" if body.threshold != body.quorum else ""
    return f"{body.quorum} of {len(body.seats)}{early}"


def _waits(seconds: int) -> str:
    from qcrs.governance.quantities import shown

    return shown(seconds, "seconds") if seconds else "at once"


def _left(one: MatterView, now: int) -> str:
    from qcrs.governance.quantities import span

    return span(one.until - now)
