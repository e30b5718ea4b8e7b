"""A challenge from its opening to its end: commitment, reveal, appeal, payment.

A member of the Dispute Council commits to a ruling and to the content id of its evidence. The salt is on
disk before the commitment is sent, in a file of its own: a commitment that is refused takes the salt of none
before it, without which nothing could be revealed. Rules and stages are `IDisputeCourt`'s.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from qcrs.chain.bindings import ChallengeState, DisputeCourt, ResourceCredit, ResultVerifier
from qcrs.errors import AccountError, InputError
from qcrs.governance.acts import members
from qcrs.governance.bodies import body_named
from qcrs.governance.quantities import span
from qcrs.types import cid_to_digest, credits_text, digest_to_cid, parse_json

if TYPE_CHECKING:
    from qcrs.chain.abi import Call, Event
    from qcrs.chain.networks import Log
    from qcrs.governance.commons import Commons

__all__ = [
    "Dispute",
    "Sealed",
    "Stage",
    "appeal_calls",
    "challenge_call",
    "check_appeal",
    "check_member",
    "check_ruling",
    "check_stage",
    "commitment_of",
    "court_logs",
    "dispute",
    "disputes",
    "reveal_call",
    "seal_ruling",
    "stages_of",
]

RULINGS = {"upheld": ChallengeState.UPHELD, "overturned": ChallengeState.OVERTURNED}


@dataclass(frozen=True, slots=True)
class Dispute:
    """A challenge and where it stands. Times in seconds since 1970, bonds in base units."""

    challenge: int
    job: int
    execution: int
    challenger: str
    bond: int
    grounds: str
    state: str
    stage: str
    until: int
    ruling: str
    upheld: int
    overturned: int
    appellant: str | None
    appeal_bond: int
    appeal_grounds: str | None


@dataclass(frozen=True, slots=True)
class Stage:
    """When something can be done about a challenge: after `begins`, until `ends`; seconds since 1970."""

    name: str
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """A ruling that a member committed to and will reveal."""

    challenge: int
    member: str
    ruling: str
    evidence: str
    salt: str

    def __post_init__(self) -> None:
        if self.ruling not in RULINGS or not re.fullmatch("[0-9a-f]{64}", self.salt):
            raise InputError("no sealed ruling", field="ruling", value=self.ruling)
        cid_to_digest(self.evidence)


def challenge_call(commons: Commons, job: int, execution: int, grounds: str) -> Call:
    """The challenge of a verdict; its bond comes from the sender's balance."""
    return commons.bind(ResultVerifier).challenge(job, execution, cid_to_digest(grounds))


def dispute(commons: Commons, challenge: int) -> Dispute:
    """One challenge; `InputError` where there is none."""
    verifier, court = commons.bind(ResultVerifier), commons.bind(DisputeCourt)
    found = verifier.challenge_of(challenge)
    if found.state is ChallengeState.NONE:
        raise InputError(
            "no such challenge", field="challenge", value=challenge, solution="`qcrs dispute list` shows them"
        )
    stages, case, now = court.stages_of(challenge), court.case_of(challenge), commons.chain.now()
    ruling = court.ruling_of(challenge)
    stage, until = "closed", stages.deadline
    if found.state is ChallengeState.OPEN:
        appealed = int(case.appellant, 16) != 0
        ends = {
            "commit": stages.commit_until,
            "reveal": stages.reveal_until,
            "appeal": stages.appeal_until if ruling is not ChallengeState.NONE and not appealed else 0,
            "decision": stages.decide_until if appealed else 0,
        }
        late = "silence" if ruling is ChallengeState.NONE and now <= stages.deadline else "finalise"
        stage, until = next(
            ((name, end) for name, end in ends.items() if now <= end), (late, stages.deadline)
        )
    return Dispute(
        challenge=challenge,
        job=found.job,
        execution=found.execution,
        challenger=commons.name(found.challenger),
        bond=found.bond,
        grounds=digest_to_cid(found.grounds),
        state=found.state.name.lower(),
        stage=stage,
        until=until,
        ruling=ruling.name.lower(),
        upheld=case.upheld,
        overturned=case.overturned,
        appellant=commons.name(case.appellant) if int(case.appellant, 16) else None,
        appeal_bond=court.appeal_bond(challenge),
        appeal_grounds=_appeal_grounds(commons, challenge) if int(case.appellant, 16) else None,
    )


def _appeal_grounds(commons: Commons, challenge: int) -> str | None:
    """Content id of an appeal's argument, which only the log holds."""
    kind = DisputeCourt.AppealOpened
    found = (kind.from_log(log.topics, log.data) for log in court_logs(commons, challenge, kind))
    return next((digest_to_cid(one.grounds) for one in found), None)


def court_logs(commons: Commons, challenge: int, *kinds: type[Event]) -> list[Log]:
    """Commitments, revelations or the appeal of a challenge as the court logged them, oldest first.

    Asked for in the blocks from its opening to the last second of an appeal, however long the chain is.
    """
    chain = commons.chain
    opened = commons.bind(ResultVerifier).challenge_of(challenge).opened_at
    until = commons.bind(DisputeCourt).stages_of(challenge).appeal_until
    first = chain.first_since(opened)
    head = chain.block()
    last = head.number if head.timestamp <= until else chain.first_since(until + 1, first) - 1
    logs = chain.logs(first, last, [commons.contracts["DisputeCourt"]], [kind.TOPIC for kind in kinds])
    return [log for log in logs if int.from_bytes(log.topics[1], "big") == challenge]


def stages_of(commons: Commons, challenge: int) -> tuple[Stage, ...]:
    """What can be done about an open challenge, and when; of what depends on rulings, as they are now."""
    opened = commons.bind(ResultVerifier).challenge_of(challenge).opened_at
    court = commons.bind(DisputeCourt)
    times, case = court.stages_of(challenge), court.case_of(challenge)
    ruled = court.ruling_of(challenge) is not ChallengeState.NONE
    appealed = int(case.appellant, 16) != 0
    end = times.deadline if not ruled else times.decide_until if appealed else times.appeal_until
    return (
        Stage("commit", opened, times.commit_until),
        Stage("reveal", times.commit_until, times.reveal_until),
        Stage("appeal", times.reveal_until, times.appeal_until),
        Stage("decision", times.reveal_until if appealed else times.appeal_until, times.decide_until),
        Stage("finalise", end, times.deadline),
    )


def check_stage(commons: Commons, challenge: int, name: str) -> Dispute:
    """The challenge, if this can be done now; `InputError` says when it can, or since when no more."""
    about, now = dispute(commons, challenge), commons.chain.now()
    if about.state != "open":
        raise InputError(
            f"the challenge is over: {about.state}",
            field="challenge",
            value=challenge,
            solution=f"`qcrs dispute show {challenge}` tells how it went",
        )
    stage = next(one for one in stages_of(commons, challenge) if one.name == name)
    late = now > stage.ends and name != "finalise"  # whoever finalises late ends what has lapsed
    if now > stage.begins and not late:
        return about
    when = f"ended {span(now - stage.ends)} ago" if late else f"begins in {span(stage.begins - now + 1)}"
    raise InputError(
        f"{name} {when}",
        field="challenge",
        value=challenge,
        solution=f"now is the time for: {about.stage}; `qcrs dispute show {challenge}` gives all times",
    )


def check_member(commons: Commons, address: str) -> None:
    """`AccountError` where the account has no seat in the Dispute Council."""
    seated = members(commons, body_named("dispute")).values()
    if address not in seated:
        raise AccountError(
            "only a member of the Dispute Resolution Council rules",
            field="account",
            value=commons.name(address),
            solution="use the key of one of " + ", ".join(map(commons.name, seated)),
        )


def check_ruling(word: str) -> str:
    """The ruling; `InputError` where the word is none."""
    if word not in RULINGS:
        raise InputError(
            "a ruling is upheld or overturned",
            field="ruling",
            value=word,
            solution="write upheld where the recorded verdict is right, else overturned",
        )
    return word


def disputes(commons: Commons, *, everything: bool = False) -> list[Dispute]:
    """All challenges, oldest first; only open ones unless `everything`."""
    count = commons.bind(ResultVerifier).challenge_count()
    found = [dispute(commons, number) for number in range(1, count + 1)]
    return [one for one in found if everything or one.state == "open"]


def commitment_of(sealed: Sealed) -> bytes:
    """`keccak256(abi.encode(challenge, member, ruling, evidence, salt))`, as `IDisputeCourt` says."""
    values = (
        sealed.challenge,
        sealed.member,
        int(RULINGS[sealed.ruling]),
        cid_to_digest(sealed.evidence),
        bytes.fromhex(sealed.salt),
    )
    return bytes(keccak(encode(["uint256", "address", "uint8", "bytes32", "bytes32"], values)))


def seal_ruling(folder: Path, challenge: int, member: str, ruling: str, evidence: str) -> Sealed:
    """A ruling with a fresh salt, kept in `folder` before anybody sees its commitment."""
    check_ruling(ruling)
    sealed = Sealed(challenge, member, ruling, evidence, secrets.token_hex(32))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{challenge}-{member.lower()}-{commitment_of(sealed).hex()[:16]}.json"
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(sealed), file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return sealed


def reveal_call(commons: Commons, folder: Path, challenge: int, member: str) -> Call:
    """The reveal of what the chain says was committed to; `InputError` where its salt is not here."""
    court = commons.bind(DisputeCourt)
    committed = court.commitment_of(challenge, member)
    if not any(committed):
        raise InputError(
            "there is no commitment of this account to reveal",
            field="challenge",
            value=challenge,
            solution=f"commit with `qcrs dispute commit {challenge}` while its stage lasts; "
            "what was revealed is not revealed twice",
        )
    for path in sorted(folder.glob(f"{challenge}-{member.lower()}*.json")):
        sealed = _read(path)
        if sealed is not None and commitment_of(sealed) == committed:
            return court.reveal(
                challenge, RULINGS[sealed.ruling], cid_to_digest(sealed.evidence), bytes.fromhex(sealed.salt)
            )
    raise InputError(
        "no sealed ruling that can be read here is the one that was committed to",
        field="folder",
        value=str(folder),
        solution="reveal from the home folder that committed",
    )


def _read(path: Path) -> Sealed | None:
    """A file's ruling; none where it is damaged, so that another beside it is still found."""
    try:
        return Sealed(**parse_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError, InputError):
        return None


def check_appeal(commons: Commons, challenge: int, appellant: str) -> Dispute:
    """The challenge, if this account can appeal its ruling now; nothing is sent.

    `InputError` where it is not the time, nothing was ruled, or an appeal is open; `AccountError` where the
    account has too little credit outside the exchange's ledger, from where the bond is taken.
    """
    about = check_stage(commons, challenge, "appeal")
    if about.ruling == ChallengeState.NONE.name.lower():
        raise InputError(
            "the council has not ruled, so there is nothing to appeal",
            field="challenge",
            value=challenge,
            solution=f"it lapses at its deadline: `qcrs dispute finalise {challenge}` then",
        )
    if about.appellant is not None:
        raise InputError(
            f"{about.appellant} has appealed already, and there is one appeal",
            field="challenge",
            value=challenge,
            solution="the consortia decide it: `qcrs gov list`",
        )
    held = commons.bind(ResourceCredit).balance_of(appellant)
    if held < about.appeal_bond:
        missing, name = credits_text(about.appeal_bond - held), commons.name(appellant)
        key = f" --account {name}" if name != appellant else ""
        raise AccountError(
            f"the bond of an appeal is {credits_text(about.appeal_bond)} credits from outside the exchange's "
            f"ledger, and {name} has {credits_text(held)} there",
            field="account",
            value=name,
            solution=f"take them out of the ledger first: `qcrs account withdraw {missing}{key}`",
        )
    return about


def appeal_calls(commons: Commons, challenge: int, appellant: str, grounds: str) -> tuple[Call, Call]:
    """Approval of the bond, twice the challenge's, from the appellant's credit; and the appeal.

    Refuses what `check_appeal` refuses.
    """
    bond = check_appeal(commons, challenge, appellant).appeal_bond
    court = commons.bind(DisputeCourt)
    approve = commons.bind(ResourceCredit).approve(court.address, bond)
    return approve, court.appeal(challenge, cid_to_digest(grounds))
