"""Sealing and opening the documents of a job: who gets which key, bound to what.

Three documents are sealed under a content key each: `frames`, `secret` and `result`. The keys travel
in HPKE envelopes whose `info` binds purpose, chain, allocator, job, recipient and era:

    purpose             job in info            recipients                      carried by
    frames, secret      the submission tag     the era's oracles, the client   the job document
    release/<execution> the job's number       the processor's provider        mail release/<job>/<execution>
    result/<execution>  the job's number       the era's oracles, the client   mail result/<job>/<execution>

A job has no number yet when its documents are made; the submission tag binds the client's address and
both content ids instead, so openers take the client's address from the chain.

Source: docs/protocol.md, "Conventions" and "A job".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcrs.client.documents import (
    FramesDocument,
    HandOver,
    JobDocument,
    Release,
    ResultDocument,
    SecretDocument,
)
from qcrs.errors import VerificationError
from qcrs.sealing import HpkeKey, envelope_info, keccak256, open_sealed, seal, submission_tag, wrap
from qcrs.types import ContentId, Json, canonical_json, cid_of, cid_to_digest, parse_canonical

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = [
    "Place",
    "SealedJob",
    "SealedResult",
    "batch_topic",
    "beacon_topic",
    "certify_topic",
    "commitment_of",
    "open_frames",
    "open_handed_over",
    "open_job_key",
    "open_release",
    "open_result",
    "open_secret",
    "opened_topic",
    "opening_topic",
    "parse_job_document",
    "release_topic",
    "report_topic",
    "result_topic",
    "seal_job",
    "seal_release",
    "seal_result",
]


@dataclass(frozen=True, slots=True)
class Place:
    """The exchange that envelopes are bound to: a chain and its allocator."""

    chain_id: int
    allocator: str

    def info(self, purpose: str, job: int | bytes, recipient: str, era: int) -> bytes:
        """The HPKE info of an envelope."""
        return envelope_info(
            purpose,
            chain_id=self.chain_id,
            allocator=self.allocator,
            job=job,
            recipient=recipient,
            era=era,
        )


def release_topic(job: int, execution: int) -> str:
    """Where oracles mail the frames key to the processor."""
    return f"release/{job}/{execution}"


def result_topic(job: int, execution: int) -> str:
    """Where the node hands over its result."""
    return f"result/{job}/{execution}"


def opened_topic(job: int, execution: int) -> str:
    """Where oracles say that the result has been opened to them."""
    return f"opened/{job}/{execution}"


def beacon_topic(job: int, execution: int) -> str:
    """Where oracles mail their beacon proofs."""
    return f"beacon/{job}/{execution}"


def report_topic(job: int, execution: int, report_round: int) -> str:
    """Where oracles mail proposals and signatures of one report round."""
    return f"report/{job}/{execution}/{report_round}"


def batch_topic(job: int, execution: int, report_round: int) -> str:
    """Where oracles mail batches whose first report is of this round."""
    return f"batch/{job}/{execution}/{report_round}"


def opening_topic(job: int) -> str:
    """Where oracles mail the content keys of a closed job."""
    return f"opening/{job}"


def certify_topic(processor: int, epoch: int) -> str:
    """Where oracles mail capability reports and their signatures."""
    return f"certify/{processor}/{epoch}"


# --------------------------------------------------------------------------- submission


@dataclass(frozen=True, slots=True)
class SealedJob:
    """The three blobs of a submission; `payload` is the 32-byte digest that goes on chain."""

    frames: bytes
    secret: bytes
    job: bytes

    @property
    def payload(self) -> bytes:
        """The digest of the job document's content id."""
        return cid_to_digest(cid_of(self.job))


def seal_job(
    frames: FramesDocument,
    secret: SecretDocument,
    *,
    place: Place,
    client: LocalAccount,
    oracles: Mapping[str, bytes],
    era: int,
) -> SealedJob:
    """Seal both documents and wrap their keys to every oracle (address: HPKE public key) and the client."""
    sealed_frames = seal(frames.as_json(), "frames")
    sealed_secret = seal(secret.as_json(), "secret")
    frames_cid, secret_cid = cid_of(sealed_frames.blob), cid_of(sealed_secret.blob)
    tag = submission_tag(client.address, cid_to_digest(frames_cid), cid_to_digest(secret_cid))
    own = HpkeKey.from_account(client).public
    envelopes = {
        who: {
            "frames": wrap(public, sealed_frames.key, place.info("frames", tag, who, era)),
            "secret": wrap(public, sealed_secret.key, place.info("secret", tag, who, era)),
        }
        for who, public in {**oracles, client.address: own}.items()
    }
    document = JobDocument(frames_cid, secret_cid, era, client.address, own, envelopes)
    return SealedJob(sealed_frames.blob, sealed_secret.blob, canonical_json(document.as_json()))


def parse_job_document(data: bytes) -> JobDocument:
    """Read the public document of a job from its bytes; `InputError` where its form is wrong."""
    return JobDocument.from_json(parse_canonical(data))


def open_job_key(
    document: JobDocument, name: str, *, place: Place, client: str, recipient: str, key: HpkeKey
) -> bytes:
    """The content key `frames` or `secret` from the recipient's envelope.

    `client` is the submitting account as the chain names it. `VerificationError` when there is no envelope
    or it was made for another context.
    """
    envelope = document.envelopes.get(recipient, {}).get(name)
    if envelope is None:
        raise VerificationError(
            f"the job has no {name} envelope for this account",
            field="recipient",
            value=recipient,
            solution="only the client and the oracles of the job's era can open it before it closes",
        )
    tag = submission_tag(client, cid_to_digest(document.frames), cid_to_digest(document.secret))
    return key.open(envelope, place.info(name, tag, recipient, document.era))


def open_frames(blob: bytes, key: bytes) -> FramesDocument:
    """The provider's document in its blob."""
    return FramesDocument.from_json(open_sealed(blob, key, "frames"))


def open_secret(blob: bytes, key: bytes) -> SecretDocument:
    """The oracles' document in its blob."""
    return SecretDocument.from_json(open_sealed(blob, key, "secret"))


# --------------------------------------------------------------------------- release


def seal_release(
    frames_key: bytes,
    *,
    place: Place,
    job: int,
    execution: int,
    processor: int,
    provider: str,
    public: bytes,
    era: int,
) -> Release:
    """The frames key for the processor that got the execution; `public` is from its metadata."""
    info = place.info(f"release/{execution}", job, provider, era)
    return Release(processor, wrap(public, frames_key, info))


def open_release(
    release: Release,
    *,
    place: Place,
    job: int,
    execution: int,
    provider: str,
    key: HpkeKey,
    era: int,
) -> bytes:
    """The frames key from a release; `VerificationError` when it was made for another execution."""
    return key.open(release.envelope, place.info(f"release/{execution}", job, provider, era))


# --------------------------------------------------------------------------- result


def commitment_of(salt: bytes, provider: str, job: int, root: bytes) -> bytes:
    """`keccak(salt32 ‖ provider20 ‖ job8 ‖ root32)`, what a provider commits to."""
    return keccak256(salt + bytes.fromhex(provider.removeprefix("0x")) + job.to_bytes(8, "big") + root)


@dataclass(frozen=True, slots=True)
class SealedResult:
    """A sealed result and its key; `root` is the sha2-256 of the document's canonical bytes."""

    blob: bytes
    key: bytes
    root: bytes

    @property
    def cid(self) -> ContentId:
        """The content id of the sealed document."""
        return cid_of(self.blob)

    def hand_over(
        self,
        salt: bytes,
        recipients: Mapping[str, bytes],
        *,
        place: Place,
        job: int,
        execution: int,
        era: int,
    ) -> HandOver:
        """The mail that opens the commitment: `recipients` are the era's oracles and the client."""
        purpose = f"result/{execution}"
        envelopes = {
            who: wrap(public, self.key, place.info(purpose, job, who, era))
            for who, public in recipients.items()
        }
        return HandOver(salt, self.root, self.cid, envelopes)


def seal_result(result: ResultDocument) -> SealedResult:
    """Seal a result under a fresh key."""
    value: Json = result.as_json()
    sealed = seal(value, "result")
    return SealedResult(sealed.blob, sealed.key, cid_to_digest(cid_of(canonical_json(value))))


def open_handed_over(
    mail: HandOver,
    *,
    place: Place,
    job: int,
    execution: int,
    recipient: str,
    key: HpkeKey,
    era: int,
) -> bytes:
    """The result key from the recipient's envelope of a hand-over."""
    envelope = mail.envelopes.get(recipient)
    if envelope is None:
        raise VerificationError(
            "the hand-over has no envelope for this account",
            field="recipient",
            value=recipient,
            solution="after the job has closed, the oracles' opening gives the key to everyone",
        )
    return key.open(envelope, place.info(f"result/{execution}", job, recipient, era))


def open_result(blob: bytes, key: bytes, *, root: bytes) -> ResultDocument:
    """The result in its blob; `VerificationError` unless it is the one that `root` names."""
    value = open_sealed(blob, key, "result")
    found = cid_to_digest(cid_of(canonical_json(value)))
    if found != root:
        raise VerificationError(
            "a result is not the one committed to: its hash differs from the root",
            field="root",
            value=f"expected {root.hex()}, found {found.hex()}",
        )
    return ResultDocument.from_json(value)
