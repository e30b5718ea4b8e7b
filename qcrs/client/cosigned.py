"""Mail of processors that have a post-quantum key: it counts only with their ML-DSA-65 signature as well.

A processor's `identity` on chain is keccak(ML-DSA key ‖ envelope key), or of the envelope key alone where
there is no other. Once it has a key (`IProcessorKeys`) only that key can change the identity. So whoever
computes the account key, as a quantum computer could, can neither hand over a result in the processor's name
nor have its programs sealed to another envelope key, whatever he puts into its description.

*Which keys*: those of the description, among all that the processor has ever published, whose hash is the
identity. A description that a thief publishes has another hash, so it hides nothing and adds nothing.
*Of which time*: for a hand-over those in force when its result was committed. The chain alone tells them, so
oracles and later readers cannot differ; a change of keys in between takes nothing away from a result that is
committed; and a key that was changed because it leaked opens nothing that was committed later.
*What is signed*: the mail's hash, for one chain, exchange and processor.

Source: docs/identity.md, "Mail".
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from qcrs.client.documents import HandOver
from qcrs.client.history import Execution, History, Job, Processor
from qcrs.client.sealed import Place, commitment_of, result_topic
from qcrs.errors import InputError, StoreError
from qcrs.identity import verify_message
from qcrs.sealing import keccak256
from qcrs.store.mail import Mail, mail_hash
from qcrs.types import canonical_json

if TYPE_CHECKING:
    from qcrs.store import Mailbox

__all__ = [
    "Library",
    "OffChainKeys",
    "Witness",
    "committed_keys",
    "cosign_purpose",
    "handed_over",
    "witness_of",
]


class Library(Protocol):
    """Mail and public documents, as participants and readers both hold them."""

    mailbox: Mailbox

    @property
    def place(self) -> Place:
        """The exchange."""

    def document(self, digest: bytes) -> Mapping[str, Any]:
        """A public document by its digest, empty where it is missing or none."""


@dataclass(frozen=True, slots=True)
class OffChainKeys:
    """What an identity on chain commits to: `ml_dsa` is empty where it has no such key."""

    ml_dsa: bytes
    hpke: bytes

    @property
    def identity(self) -> bytes:
        """The 32 bytes on chain."""
        return keccak256(self.ml_dsa + self.hpke)


def _described(description: Mapping[str, Any]) -> Iterator[OffChainKeys]:
    """The keys that a description names, with and without the ML-DSA key."""
    quantum = description.get("quantum")
    texts = (quantum.get("ml_dsa") if isinstance(quantum, dict) else None, description.get("hpke"))
    try:
        ml_dsa, hpke = (b64decode(text or "", validate=True) for text in texts)
    except (TypeError, ValueError):
        return
    yield OffChainKeys(ml_dsa, hpke)
    yield OffChainKeys(b"", hpke)


def committed_keys(library: Library, processor: Processor, identity: bytes) -> OffChainKeys:
    """The keys of an identity that the processor has, or had.

    `StoreError` where no description in the store has them: then nobody can check what they sign.
    """
    for digest in reversed(processor.descriptions):
        for found in _described(library.document(digest)):
            if found.identity == identity:
                return found
    raise StoreError(
        f"no description of processor {processor.id} has the keys that its identity commits to",
        field="identity",
        value="0x" + identity.hex(),
        solution="its provider has to store the description with these keys again",
    )


def cosign_purpose(place: Place, processor: int) -> str:
    """What an ML-DSA signature of mail is for: this chain, this exchange, this processor."""
    return f"mail/{place.chain_id}/{place.allocator.lower()}/{processor}"


@dataclass(frozen=True, slots=True)
class Witness:
    """Tells whether a processor's mail has its second signature; without `ml_dsa` it needs none."""

    ml_dsa: bytes
    purpose: str

    def accepts(self, topic: str, mail: Mail) -> bool:
        """Whether the mail counts as the processor's, as far as its second key goes."""
        if not self.ml_dsa:
            return True
        return bool(mail.cosignature) and verify_message(
            self.ml_dsa, self.purpose, mail_hash(topic, canonical_json(mail.body)), mail.cosignature
        )


def witness_of(library: Library, history: History, run: Execution) -> Witness:
    """Who has to sign an execution's hand-over too; `StoreError` as in `committed_keys`."""
    purpose = cosign_purpose(library.place, run.processor)
    if not run.identity:
        return Witness(b"", purpose)
    return Witness(committed_keys(library, history.processors[run.processor], run.identity).ml_dsa, purpose)


def handed_over(library: Library, history: History, job: Job, run: Execution) -> HandOver | None:
    """The mail that opens the execution's commitment; None while there is none.

    `StoreError` as in `committed_keys`.
    Whose account sent it does not matter: only who committed knows the salt, and a processor that has a
    key signs it too.
    """
    witness, topic = witness_of(library, history, run), result_topic(job.id, run.index)
    provider = history.processors[run.processor].provider
    for mail in library.mailbox.read(topic):
        try:
            found = HandOver.from_json(mail.body)
        except InputError:
            continue
        if commitment_of(found.salt, provider, job.id, found.root) != run.commitment:
            continue
        if witness.accepts(topic, mail):
            return found
    return None
