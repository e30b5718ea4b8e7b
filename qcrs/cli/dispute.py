"""`qcrs dispute …`: a challenge from its evidence to its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcrs.cli.options import AccountOption, HomeOption, JobArgument, Json
from qcrs.cli.output import emit, say, table

if TYPE_CHECKING:
    from qcrs.chain.abi import Call
    from qcrs.governance import Commons
    from qcrs.governance.disputes import Evidence

__all__ = ["register"]

ExecutionOption = Annotated[
    int | None,
    typer.Option("--execution", min=0, help="Of this execution. Default: the last that was judged."),
]
ChallengeArgument = Annotated[int, typer.Argument(metavar="CHALLENGE", min=1, help="The challenge's number.")]


def register(root: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        rich_markup_mode=None,
        no_args_is_help=True,
        help="Challenge a verdict, rule on it, appeal, and end it.",
    )
    for command in (evidence, commit, reveal, finalise, withdraw):
        group.command()(command)
    group.command("open")(open_dispute)
    group.command("list")(list_disputes)
    root.add_typer(group, name="dispute")


def evidence(
    job: JobArgument, execution: ExecutionOption = None, home: HomeOption = None, as_json: Json = False
) -> None:
    """Judge an execution anew from chain and store, and put the evidence into the store."""
    found = _evidence(home, job, execution)
    human = (
        f"job {found.job}, execution {found.execution}: recorded {found.recorded}, "
        f"recomputed {found.recomputed}\n"
        f"the verdict is {found.ruling}; evidence {found.cid}"
    )
    emit(found.as_json(), as_json=as_json, human=human)


def open_dispute(
    job: JobArgument,
    execution: ExecutionOption = None,
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Challenge a verdict, with evidence made anew as grounds; the bond comes from the account's balance."""
    from qcrs.chain.bindings import ResultVerifier
    from qcrs.governance.disputes import challenge_call
    from qcrs.types import credits_text

    found, commons = _evidence(home, job, execution), _commons(home)
    receipt = _send(commons, home, account, challenge_call(commons, found.job, found.execution, found.cid))
    topic = ResultVerifier.ChallengeOpened.TOPIC
    log = next(log for log in receipt.logs if log.topics[0] == topic)
    opened = ResultVerifier.ChallengeOpened.from_log(log.topics, log.data)
    value = {"challenge": opened.challenge, "bond": opened.bond, "ruling_deadline": opened.ruling_deadline}
    human = f"challenge {opened.challenge}, bond {credits_text(opened.bond)} credits"
    emit(value | found.as_json(), as_json=as_json, human=human)


def commit(
    challenge: ChallengeArgument,
    ruling: Annotated[
        str | None, typer.Option("--ruling", help="upheld or overturned. Default: what the evidence says.")
    ] = None,
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """A member's sealed ruling, over evidence made anew."""
    from qcrs.chain.bindings import DisputeCourt
    from qcrs.governance.disputes import commitment_of, dispute, seal_ruling

    commons = _commons(home)
    about = dispute(commons, challenge)
    found = _evidence(home, str(about.job), about.execution)
    member = _address(home, account)
    sealed = seal_ruling(_sealed_folder(home), challenge, member, ruling or found.ruling, found.cid)
    _send(commons, home, account, commons.bind(DisputeCourt).commit(challenge, commitment_of(sealed)))
    value = {"challenge": challenge, "member": member, "ruling": sealed.ruling, "evidence": sealed.evidence}
    human = (
        f"committed to a ruling on challenge {challenge}; reveal it with `qcrs dispute reveal {challenge}`"
    )
    emit(value, as_json=as_json, human=human)


def reveal(
    challenge: ChallengeArgument,
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Reveal the ruling that was committed to."""
    from qcrs.governance.disputes import dispute, reveal_call

    commons, member = _commons(home), _address(home, account)
    dispute(commons, challenge)
    _send(commons, home, account, reveal_call(commons, _sealed_folder(home), challenge, member))
    _show(commons, challenge, as_json=as_json)


def finalise(
    challenge: ChallengeArgument,
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """End a challenge whose stages are over; by anyone."""
    from qcrs.chain.bindings import DisputeCourt
    from qcrs.governance.disputes import dispute

    commons = _commons(home)
    dispute(commons, challenge)
    _send(commons, home, account, commons.bind(DisputeCourt).finalise(challenge))
    _show(commons, challenge, as_json=as_json)


def withdraw(account: AccountOption = None, home: HomeOption = None, as_json: Json = False) -> None:
    """Take what the court holds for the account."""
    from qcrs.chain.bindings import DisputeCourt
    from qcrs.types import credits_text

    commons, address = _commons(home), _address(home, account)
    amount = commons.bind(DisputeCourt).credits_of(address)
    _send(commons, home, account, commons.bind(DisputeCourt).withdraw())
    emit({"address": address, "amount": amount}, as_json=as_json, human=f"{credits_text(amount)} credits")


def list_disputes(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Challenges and where they stand."""
    from dataclasses import asdict

    from qcrs.governance.disputes import disputes
    from qcrs.governance.quantities import span
    from qcrs.types import credits_text

    commons = _commons(home)
    found, now = disputes(commons, everything=everything), commons.chain.now()
    rows = [
        (
            d.challenge,
            d.job,
            d.execution,
            d.state,
            d.stage,
            span(d.until - now),
            d.ruling,
            credits_text(d.bond),
        )
        for d in found
    ]
    headers = ("challenge", "job", "execution", "state", "stage", "left", "council", "bond")
    human = table(rows, headers) if rows else "no challenge is open: `qcrs dispute open JOB` makes one"
    emit([asdict(one) for one in found], as_json=as_json, human=human)


def appeal(
    challenge: int, grounds: Path | None, account: str | None, home: Path | None, as_json: bool
) -> None:
    """What `qcrs gov appeal` does."""
    from qcrs.client.reader import Reader
    from qcrs.governance.disputes import appeal_calls, dispute

    commons = _commons(home)
    about = dispute(commons, challenge)
    if grounds is None:
        cid = _evidence(home, str(about.job), about.execution).cid
    else:
        cid = Reader.open(home).store.put(_grounds(grounds))
    for call in appeal_calls(commons, challenge, cid):
        _send(commons, home, account, call)
    _show(commons, challenge, as_json=as_json)


# --------------------------------------------------------------------------- parts


def _evidence(home: Path | None, job: str, execution: int | None) -> Evidence:
    from qcrs.client.reader import Reader, parse_job_id
    from qcrs.governance.disputes import gather

    reader = Reader.open(home)
    found = gather(reader, parse_job_id(job), execution, progress=say)
    reader.store.put(found.document)
    return found


def _grounds(path: Path) -> bytes:
    from qcrs.errors import InputError

    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"the grounds cannot be read: {error.strerror}",
            field="grounds",
            value=str(path),
            solution="name a file with the argument, or leave --grounds out: new evidence is made then",
        ) from error


def _commons(home: Path | None) -> Commons:
    from qcrs.cli.citizens import commons_of

    return commons_of(home)


def _address(home: Path | None, account: str | None) -> str:
    from qcrs.client.wallet import Wallet
    from qcrs.config.home import Home

    wallet = Wallet(Home.find(home))
    return wallet.address(wallet.choose(account))


def _sealed_folder(home: Path | None) -> Path:
    from qcrs.config.home import Home

    return Home.find(home).root / "disputes"


def _send(commons: Commons, home: Path | None, account: str | None, call: Call) -> Any:
    from qcrs.cli.citizens import sender_of

    return sender_of(commons, home, account).transact(call)


def _show(commons: Commons, challenge: int, *, as_json: bool) -> None:
    from dataclasses import asdict

    from qcrs.governance.disputes import dispute

    found = dispute(commons, challenge)
    human = f"challenge {challenge} is {found.state}; stage {found.stage}, the council: {found.ruling}"
    emit(asdict(found), as_json=as_json, human=human)
