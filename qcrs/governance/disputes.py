"""A challenge from its opening to its end: evidence made anew, commitment, reveal, appeal, payment.

Evidence is what anyone can recompute from chain and store; its canonical bytes go into the store, and a
member of the Dispute Council commits to its content id together with the ruling. The salt is on disk before
the commitment is sent, in a file of its own: a commitment that is refused takes the salt of none before it,
without which nothing could be revealed. Rules and stages are `IDisputeCourt`'s.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from qcrs.chain.bindings import ChallengeState, DisputeCourt, ResourceCredit, ResultVerifier
from qcrs.errors import InputError, JobNotFoundError
from qcrs.types import canonical_json, cid_of, cid_to_digest, parse_json

if TYPE_CHECKING:
    from qcrs.chain.abi import Call
    from qcrs.client.reader import Reader
    from qcrs.governance.commons import Commons

__all__ = [
    "Dispute",
    "Evidence",
    "Sealed",
    "appeal_calls",
    "challenge_call",
    "commitment_of",
    "dispute",
    "disputes",
    "gather",
    "reveal_call",
    "seal_ruling",
]

RULINGS = {"upheld": ChallengeState.UPHELD, "overturned": ChallengeState.OVERTURNED}


@dataclass(frozen=True, slots=True)
class Evidence:
    """An execution judged anew: what the chain says, what came out, and the ruling that follows."""

    job: int
    execution: int
    recorded: str
    recomputed: str
    ruling: str
    cid: str
    document: bytes

    def as_json(self) -> dict[str, Any]:
        """Without the document."""
        return {key: value for key, value in asdict(self).items() if key != "document"}


@dataclass(frozen=True, slots=True)
class Dispute:
    """A challenge and where it stands. Times in seconds since 1970, bonds in base units."""

    challenge: int
    job: int
    execution: int
    challenger: str
    bond: int
    state: str
    stage: str
    until: int
    ruling: str
    upheld: int
    overturned: int
    appellant: str | None
    appeal_bond: int


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


def gather(
    reader: Reader, job: int, execution: int | None = None, *, progress: Callable[[str], None] | None = None
) -> Evidence:
    """Judge an execution anew from chain and store alone, by default the last; `JobError` if it is open.

    The ruling is upheld where the recomputed outcome is the recorded one and every comparison of the
    execution agrees, else overturned.
    """
    from qcrs.client.verify import verify_job

    info = reader.job(job)
    judged = [run for run in info.executions if run.verdicts]
    chosen = next((run for run in judged if run.index == execution), None) if execution is not None else None
    if execution is None and judged:
        chosen = judged[-1]
    if chosen is None:
        raise JobNotFoundError(
            "there is no verdict on this execution",
            field="execution",
            value=execution,
            solution=f"see `qcrs job show {job}`",
        )
    report = verify_job(reader, job, progress=progress)
    mine = [one for one in report.verdicts if one["execution"] == chosen.index]
    recorded = chosen.verdicts[-1].outcome.lower()
    recomputed = str(mine[-1]["outcome"]).lower() if mine else "nothing"
    subject = f"execution {chosen.index}"
    agrees = all(check.ok for check in report.checks if check.subject.startswith(subject))
    ruling = "upheld" if recomputed == recorded and agrees else "overturned"
    document = canonical_json(
        {
            "type": "qcrs/dispute-evidence/1",
            "job": report.job,
            "execution": chosen.index,
            "recorded": recorded,
            "recomputed": recomputed,
            "ruling": ruling,
            "report": report.as_json(),
        }
    )
    return Evidence(info.id, chosen.index, recorded, recomputed, ruling, cid_of(document), document)


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
        state=found.state.name.lower(),
        stage=stage,
        until=until,
        ruling=ruling.name.lower(),
        upheld=case.upheld,
        overturned=case.overturned,
        appellant=commons.name(case.appellant) if int(case.appellant, 16) else None,
        appeal_bond=court.appeal_bond(challenge),
    )


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
    if ruling not in RULINGS:
        raise InputError(
            "a ruling is upheld or overturned",
            field="ruling",
            value=ruling,
            solution="write upheld where the recorded verdict is right, else overturned",
        )
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


def appeal_calls(commons: Commons, challenge: int, grounds: str) -> tuple[Call, Call]:
    """Approval of the bond, twice the challenge's, from the sender's credit; and the appeal."""
    court = commons.bind(DisputeCourt)
    approve = commons.bind(ResourceCredit).approve(court.address, court.appeal_bond(challenge))
    return approve, court.appeal(challenge, cid_to_digest(grounds))
