"""Mail of processors that have a post-quantum key: it counts only with their ML-DSA-65 signature as well.

A processor's `identity` on chain is keccak(ML-DSA key ‖ envelope key), or of the envelope key alone where
there is no other. Once it has a key (`IProcessorKeys`) only that key can change the identity. So whoever
computes the account key, as a quantum computer could, can neither hand over a result in the processor's name
nor have its programs sealed to another envelope key, whatever he puts into its description.

*Which keys*: those of the description, among all that the processor has ever published, whose hash is the
identity. A description that a thief publishes has another hash, so it hides nothing and adds nothing.
*Of which time*: for a hand-over those in force when its result was committed, for a channel's epoch those in
force when it began. The chain alone tells them, so parties and later readers cannot differ; a change of keys
in between takes nothing away from what was begun; and a key that was changed because it leaked opens nothing
that is begun later.
*What is signed*: the mail's hash, for one chain, exchange and processor.

Source: docs/identity.md, "Mail".
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from qcrs.client.documents import HandOver
from qcrs.client.history import Execution, History, Job, Processor
from qcrs.client.sealed import Place, commitment_of, result_topic
from qcrs.errors import AccountError, InputError, QCRSError, StoreError
from qcrs.identity import ML_DSA_PUBLIC_BYTES, verify_message
from qcrs.sealing import PUBLIC_KEY_BYTES, keccak256
from qcrs.store import ContentStore, Mailbox
from qcrs.store.mail import Mail, mail_hash
from qcrs.types import canonical_json, digest_to_cid, parse_canonical

if TYPE_CHECKING:
    from qcrs.client.book import Channel

__all__ = [
    "Cosign",
    "Cosigns",
    "Library",
    "OffChainKeys",
    "Shelf",
    "Witness",
    "committed_keys",
    "cosign_purpose",
    "cosigner",
    "handed_over",
    "witness_of",
    "witness_of_end",
]

Cosign = Callable[[bytes], bytes]
"""Makes the second signature of a mail's hash."""


class Library(Protocol):
    """Mail and public documents, as participants and readers both hold them."""

    mailbox: Mailbox

    @property
    def place(self) -> Place:
        """The exchange."""

    def document(self, digest: bytes) -> Mapping[str, Any]:
        """A public document by its digest, empty where it is missing or none."""


class Shelf:
    """A content store as a library of an exchange."""

    def __init__(self, store: ContentStore, place: Place) -> None:
        self.store = store
        self.place = place
        self.mailbox = Mailbox(store)

    def document(self, digest: bytes) -> Mapping[str, Any]:
        """A public document by its digest, empty where it is missing or none."""
        try:
            found = parse_canonical(self.store.get(digest_to_cid(digest)))
        except QCRSError:
            return {}
        return found if isinstance(found, dict) else {}


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
    """The keys that a description names, with and without the ML-DSA key.

    Each has the one length of its kind: the identity hashes them side by side, so another cut between the
    same bytes would be other keys of the same identity.
    """
    quantum = description.get("quantum")
    texts = (quantum.get("ml_dsa") if isinstance(quantum, dict) else None, description.get("hpke"))
    try:
        ml_dsa, hpke = (b64decode(text or "", validate=True) for text in texts)
    except (TypeError, ValueError):
        return
    if len(hpke) != PUBLIC_KEY_BYTES:
        return
    if len(ml_dsa) == ML_DSA_PUBLIC_BYTES:
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


def _witness(library: Library, history: History, processor: int, identity: bytes) -> Witness:
    purpose = cosign_purpose(library.place, processor)
    if not identity:
        return Witness(b"", purpose)
    return Witness(committed_keys(library, history.processors[processor], identity).ml_dsa, purpose)


def witness_of(library: Library, history: History, run: Execution) -> Witness:
    """Who has to sign an execution's hand-over too; `StoreError` as in `committed_keys`."""
    return _witness(library, history, run.processor, run.identity)


def witness_of_end(
    library: Library, registry: History, channel: Channel, epoch: int, processor: int
) -> Witness:
    """Who has to sign the mail of a channel's end in an epoch too; `StoreError` as in `committed_keys`."""
    return _witness(library, registry, processor, channel.identities.get(epoch, {}).get(processor, b""))


Cosigns = Callable[[Witness], Cosign | None]
"""An identity's part: how it signs for a processor (`QuantumIdentity.cosigner`)."""


def cosigner(witness: Witness, cosigns: Cosigns | None) -> Cosign | None:
    """What makes the second signature of a processor's mail; None where it needs none.

    `AccountError` where it needs one and there is no identity, or another one.
    """
    if not witness.ml_dsa:
        return None
    if cosigns is None:
        raise AccountError(
            "the processor has a post-quantum key, and there is no identity to sign its mail with",
            field="identity",
            value=witness.purpose,
            solution="put the account's identity file beside its key, then start again",
        )
    return cosigns(witness)


def handed_over(library: Library, history: History, job: Job, run: Execution) -> list[HandOver]:
    """The mails that open the execution's commitment, those first whose result signed evidence names.

    Salt and root are public once they are mailed, so they say nothing of who mails them again. Only mail of
    the processor's provider or of an operator counts; a processor that has a key signs it too. Whoever looks
    for the result tries one after the other until one opens to the root: not even its own provider's second
    mail can then hide a result. `StoreError` as in `committed_keys`.
    """
    witness, topic = witness_of(library, history, run), result_topic(job.id, run.index)
    processor = history.processors[run.processor]
    found = []
    for mail in library.mailbox.read(topic, senders=processor.senders):
        try:
            body = HandOver.from_json(mail.body)
        except InputError:
            continue
        if commitment_of(body.salt, processor.provider, job.id, body.root) != run.commitment:
            continue
        if witness.accepts(topic, mail):
            found.append(body)
    if len(found) > 1:
        named = _results_named(library, run)
        found.sort(key=lambda body: body.result not in named)
    return found


def _results_named(library: Library, run: Execution) -> set[object]:
    """Content ids of the results that the evidence of the execution's verdicts names."""
    inputs = (library.document(verdict.evidence).get("inputs") for verdict in run.verdicts)
    return {words.get("result") for words in inputs if isinstance(words, dict)}
