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
    from qcrs.governance.casebook import Paper
    from qcrs.governance.evidence import Evidence

__all__ = ["register"]

ExecutionOption = Annotated[
    int | None,
    typer.Option("--execution", min=0, help="Of this execution. Default: the last that was judged."),
]
GroundsOption = Annotated[
    Path | None, typer.Option("--grounds", help="A file with the argument. Default: evidence made anew.")
]
ChallengeArgument = Annotated[int, typer.Argument(metavar="CHALLENGE", min=1, help="The challenge's number.")]

LONGEST = 4_000
"""Characters of somebody's words that are printed."""


def register(root: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        rich_markup_mode=None,
        no_args_is_help=True,
        help="Challenge a verdict, rule on it, appeal, and end it.",
    )
    for command in (evidence, commit, reveal, show, appeal, finalise, withdraw):
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
        f"{_speaks(found)}: {found.cid}"
    )
    emit(found.as_json(), as_json=as_json, human=human)


def open_dispute(
    job: JobArgument,
    execution: ExecutionOption = None,
    grounds: GroundsOption = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also where the evidence speaks for the verdict.")
    ] = False,
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Challenge a verdict; the bond comes from the account's balance in the exchange's ledger.

    Grounds are evidence made anew: where it speaks for upholding nothing is sent, since the bond would be
    lost.
    """
    from qcrs.chain.bindings import ResultVerifier
    from qcrs.client.reader import Reader, parse_job_id
    from qcrs.errors import InputError
    from qcrs.governance.disputes import challenge_call
    from qcrs.governance.evidence import judged_execution
    from qcrs.types import credits_text

    commons, verifier = _commons(home), ResultVerifier
    with Reader.open(home) as reader:
        number, run = judged_execution(reader, parse_job_id(job), execution)
    contract = commons.bind(verifier)
    # What the contract refuses is told before anything is judged.
    commons.chain.estimate(contract.challenge(number, run.index, bytes(32)), _address(home, account))
    found = None if grounds else _evidence(home, job, run.index)
    if found is not None and found.ruling == "upheld" and not anyway:
        bond = credits_text(contract.challenge_bond(number))
        raise InputError(
            f"{_speaks(found)}, so the challenge would lose its bond of {bond} credits",
            field="job",
            value=number,
            solution="if you know better, say why in a file: --grounds FILE; or challenge --anyway",
        )
    cid = found.cid if found is not None else _grounds(home, grounds)
    receipt = _send(commons, home, account, challenge_call(commons, number, run.index, cid))
    log = next(log for log in receipt.logs if log.topics[0] == verifier.ChallengeOpened.TOPIC)
    opened = verifier.ChallengeOpened.from_log(log.topics, log.data)
    value = {
        "challenge": opened.challenge,
        "job": number,
        "execution": run.index,
        "bond": opened.bond,
        "ruling_deadline": opened.ruling_deadline,
        "grounds": cid,
    }
    human = f"challenge {opened.challenge}, bond {credits_text(opened.bond)} credits, grounds {cid}"
    emit(value | ({} if found is None else found.as_json()), as_json=as_json, human=human)


def commit(
    challenge: ChallengeArgument,
    ruling: Annotated[
        str | None, typer.Option("--ruling", help="upheld or overturned. Default: what the evidence says.")
    ] = None,
    grounds: GroundsOption = None,
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """A member's sealed ruling, over evidence made anew, or over its own grounds."""
    from qcrs.chain.bindings import DisputeCourt
    from qcrs.errors import InputError
    from qcrs.governance.disputes import (
        check_member,
        check_ruling,
        check_stage,
        commitment_of,
        seal_ruling,
        stages_of,
    )
    from qcrs.governance.quantities import span

    commons, member = _commons(home), _address(home, account)
    if ruling is not None:
        check_ruling(ruling)
    elif grounds is not None:
        raise InputError(
            "grounds of your own say no ruling",
            field="ruling",
            solution="add --ruling upheld or --ruling overturned",
        )
    about = check_stage(commons, challenge, "commit")
    check_member(commons, member)
    found = None if grounds else _evidence(home, str(about.job), about.execution)
    cid, says = (_grounds(home, grounds), None) if found is None else (found.cid, found.ruling)
    sealed = seal_ruling(_sealed_folder(home), challenge, member, ruling or str(says), cid)
    _send(commons, home, account, commons.bind(DisputeCourt).commit(challenge, commitment_of(sealed)))
    turn = next(one for one in stages_of(commons, challenge) if one.name == "reveal")
    value = {
        "challenge": challenge,
        "member": member,
        "ruling": sealed.ruling,
        "evidence": cid,
        "reveal_begins": turn.begins,
        "reveal_ends": turn.ends,
    }
    now = commons.chain.now()
    lines = [
        f"committed to {sealed.ruling.upper()} on challenge {challenge}",
        f"evidence {cid}" if found is None else f"{_speaks(found)}: {cid}",
        f"reveal begins in {span(turn.begins - now + 1)} and ends in {span(turn.ends - now)}: "
        f"`qcrs dispute reveal {challenge}`",
    ]
    emit(value, as_json=as_json, human="\n".join(lines))


def reveal(
    challenge: ChallengeArgument,
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Reveal the ruling that was committed to."""
    from qcrs.governance.disputes import check_member, check_stage, reveal_call

    commons, member = _commons(home), _address(home, account)
    check_stage(commons, challenge, "reveal")
    check_member(commons, member)
    _send(commons, home, account, reveal_call(commons, _sealed_folder(home), challenge, member))
    _show(commons, challenge, as_json=as_json)


def finalise(
    challenge: ChallengeArgument,
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """End a challenge whose stages are over; by anyone. After its deadline it lapses, ruling or not."""
    from qcrs.chain.bindings import DisputeCourt
    from qcrs.governance.disputes import check_stage

    commons = _commons(home)
    check_stage(commons, challenge, "finalise")
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


def show(challenge: ChallengeArgument, home: HomeOption = None, as_json: Json = False) -> None:
    """One challenge: its stages, grounds, commitments, revealed rulings with evidence, and its appeal."""
    from dataclasses import asdict

    from qcrs.client.reader import Reader
    from qcrs.governance.casebook import casebook
    from qcrs.governance.quantities import span
    from qcrs.types import credits_text

    commons = _commons(home)
    with Reader.open(home) as reader:
        found = casebook(commons, reader.store, challenge)
    about, now = found.about, commons.chain.now()
    lines = [
        f"challenge {challenge} of job {about.job}, execution {about.execution}, by {about.challenger}, "
        f"bond {credits_text(about.bond)} credits: {about.state}"
    ]
    if about.state == "open":
        lines.append(f"stage {about.stage}, for another {span(about.until - now)}")
        idle = "decision" if about.appellant is None else "appeal"
        times = [one for one in found.stages if one.name != idle]
        lines += [f"  {one.name}: {_when(one.begins, one.ends, now)}" for one in times]
    lines += ["", f"grounds {found.grounds.cid}", *_quoted(found.grounds)]
    lines += ["", f"{found.committed} committed, {len(found.revealed)} revealed; the council: {about.ruling}"]
    for one in found.revealed:
        lines += [f"{one.member}: {one.ruling}, evidence {one.evidence.cid}", *_quoted(one.evidence)]
    if found.appeal is not None:
        bond = credits_text(about.appeal_bond)
        lines += ["", f"appealed by {about.appellant}, bond {bond} credits, grounds {found.appeal.cid}"]
        lines += _quoted(found.appeal)
    emit(asdict(found), as_json=as_json, human="\n".join(lines))


def appeal(
    challenge: ChallengeArgument,
    grounds: GroundsOption = None,
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Appeal the council's ruling to the consortia.

    The bond, twice the challenge's, comes from outside the exchange's ledger: `qcrs account withdraw` first.
    """
    from qcrs.governance.disputes import appeal_calls, check_appeal

    commons, appellant = _commons(home), _address(home, account)
    about = check_appeal(commons, challenge, appellant)
    cid = _grounds(home, grounds) if grounds else _evidence(home, str(about.job), about.execution).cid
    for call in appeal_calls(commons, challenge, appellant, cid):
        _send(commons, home, account, call)
    _show(commons, challenge, as_json=as_json)


# --------------------------------------------------------------------------- parts


def _evidence(home: Path | None, job: str, execution: int | None) -> Evidence:
    from qcrs.client.reader import Reader, parse_job_id
    from qcrs.governance.evidence import gather

    with Reader.open(home) as reader:
        found = gather(reader, parse_job_id(job), execution, progress=say)
        reader.store.put(found.document)
    return found


def _speaks(found: Evidence) -> str:
    return f"the evidence speaks for {'upholding' if found.ruling == 'upheld' else 'overturning'}"


def _grounds(home: Path | None, path: Path | None) -> str:
    """Content id of the argument in a file, which goes into the store."""
    from qcrs.client.reader import Reader
    from qcrs.errors import InputError

    try:
        data = Path(path or "").read_bytes()
    except OSError as error:
        raise InputError(
            f"the grounds cannot be read: {error.strerror}",
            field="grounds",
            value=str(path),
            solution="name a file with the argument, or leave --grounds out: new evidence is made then",
        ) from error
    with Reader.open(home) as reader:
        return reader.store.put(data)


def _when(begins: int, ends: int, now: int) -> str:
    from qcrs.governance.quantities import span

    if now > ends:
        return f"ended {span(now - ends)} ago"
    if now > begins:
        return f"now, for another {span(ends - now)}"
    return f"begins in {span(begins - now + 1)}, ends in {span(ends - now)}"


def _quoted(paper: Paper) -> list[str]:
    """Somebody's words behind a bar, so that none of their lines looks like one of ours."""
    from qcrs.governance.casebook import gist

    if paper.text is None:
        return ["  not in this store"]
    text = gist(paper.text)
    lines = [f"  │ {line}" for line in text[:LONGEST].split("\n")]
    return lines + ([f"  … {len(text) - LONGEST:,} more characters: --json"] if len(text) > LONGEST else [])


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
