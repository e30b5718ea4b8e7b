"""`qcrs gov …`: bodies, seats, proposals in plain words, votes, execution, and a picture of it all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcrs.cli.options import AccountOption, HomeOption, Json
from qcrs.cli.output import emit, table

if TYPE_CHECKING:
    from qcrs.chain.sender import Sender
    from qcrs.governance import Commons

__all__ = ["register"]

Accounts = Annotated[
    list[str] | None,
    typer.Option(
        "--account",
        help="A member's key; several times for several members. Default: $QCRS_ACCOUNT, or the only one.",
    ),
]
Words = Annotated[list[str], typer.Argument(metavar="WORDS…", help="Such as: set Δ to 900 qubit-seconds")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Of a ballot or proposal; its first digits suffice.")]
Anyway = Annotated[
    bool, typer.Option("--anyway", help="Also where it would set back what was decided meanwhile.")
]
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
    """The bodies: what each decides, the votes that takes, how long it waits; what is paused or closed."""
    from qcrs.cli.votes import bodies_text
    from qcrs.governance.overview import overview

    found = overview(_commons(home))
    emit(found.as_json()["bodies"], as_json=as_json, human=bodies_text(found))


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
    from qcrs.cli.votes import matters_text
    from qcrs.governance.overview import overview

    found = overview(_commons(home), everything=everything)
    emit(found.as_json()["matters"], as_json=as_json, human=matters_text(found))


def show(words: Words, home: HomeOption = None, as_json: Json = False) -> None:
    """What a sentence, ballot or proposal would change: before and after. Nothing is sent."""
    from qcrs.cli.votes import shown

    value, human = shown(_commons(home), " ".join(words))
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
    """Propose in plain words; a council's member votes with it, and further --account add their votes.

    Where the same is open already it is a vote for that. A proposal of the consortia is voted on later.
    """
    from qcrs.cli.votes import propose_told
    from qcrs.governance import draft

    commons = _commons(home)
    found = draft(commons, " ".join(words))
    senders = _senders(commons, home, account, found.body.key)
    value, human = propose_told(commons, found, senders, anyway=anyway)
    emit(value, as_json=as_json, human=human)


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
    from qcrs.cli.votes import support_of, vote_told
    from qcrs.governance import matter
    from qcrs.governance.overview import body_key

    support = support_of(against=against, abstain=abstain)
    commons = _commons(home)
    senders = _senders(commons, home, account, body_key(matter(commons, prefix)))
    value, human = vote_told(commons, prefix, senders, support, anyway=anyway)
    emit(value, as_json=as_json, human=human)


def queue(prefix: Id, account: AccountOption = None, home: HomeOption = None, as_json: Json = False) -> None:
    """Put a proposal that has passed into the timelock."""
    from qcrs.cli.votes import queue_told

    commons = _commons(home)
    value, human = queue_told(commons, prefix, _sender(commons, home, account))
    emit(value, as_json=as_json, human=human)


def execute(
    prefix: Id,
    anyway: Anyway = False,
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Make what was decided and has waited; what it changes is told first."""
    from qcrs.cli.votes import execute_told

    commons = _commons(home)
    value, human = execute_told(commons, prefix, _sender(commons, home, account), anyway=anyway)
    emit(value, as_json=as_json, human=human)


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
