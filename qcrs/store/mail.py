"""Mail: signed, append-only topics in the content store, for what the chain need not hold.

A mail is the canonical JSON of `{"topic", "body", "sender", "signature"}`, kept under
`mail/<topic>/<content id of those bytes>`. The signature is the sender's account key (ECDSA,
secp256k1) over `keccak("qcrs/mail/1" ‖ topic ‖ body)`. The three parts cannot run into each other: a
topic starts with a letter and holds no brace, a body starts with one. Nor can the hash be that of a
transaction or of an EIP-191/712 message, whose first byte is never `q`.

A sender may have a second key, of another kind (docs/identity.md). Such a mail has a fifth field,
`"cosignature"` in base64: the second key's signature over the hash above. The account key then signs
`keccak("qcrs/mail/2" ‖ topic ‖ body ‖ cosignature)`, so nobody else can add, change or take away the
second signature. Whose it is, and who needs one, is for the topic's readers to say: `Mail.cosignature`
is given to them as it came.

Anybody may write to a store, so readers take nothing on faith: a mail is kept only when its bytes
hash to its name, are canonical, name this topic, and carry the low-s signature of the sender they
name. So each (topic, body, sender) has one valid form and strangers cannot multiply it. All else is
dropped and counted.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcrs.errors import InputError, StoreError
from qcrs.store.content import ContentStore
from qcrs.types import ContentId, Json, canonical_json, cid_of, cid_to_digest, parse_canonical

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = ["MAILS_PER_LOOK", "MAX_MAIL_BYTES", "Mail", "MailReader", "Mailbox", "check_topic", "mail_hash"]

MAX_MAIL_BYTES = 256 * 1024
"""The largest mail, in bytes; what is larger belongs into a blob."""

MAX_COSIGNATURE_BYTES = 8 * 1024
"""The longest second signature; ML-DSA-65 takes 3,309 bytes."""

MAILS_PER_LOOK = 1_000
"""A reader opens no more mails than this in one look, so that a flood delays but never stalls it."""

_READ_ATTEMPTS = 3  # looks after which a mail that cannot be read counts as dropped

_TOPIC = re.compile(r"[a-z]{1,16}(/[0-9a-z]{1,42}){0,4}")  # shorter than a content id: never confused
_SECP256K1_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def check_topic(topic: str) -> str:
    """The topic itself; `InputError` unless it is a word and up to four parts, as `report/17/0/2`."""
    if _TOPIC.fullmatch(topic) is None:
        raise InputError(
            "not a mail topic",
            field="topic",
            value=topic[:100],
            solution="a topic is a lower-case word and up to four parts of digits and lower-case letters",
        )
    return topic


def mail_hash(topic: str, body: bytes) -> bytes:
    """What a sender signs: `keccak("qcrs/mail/1" ‖ topic ‖ body)`, `body` in canonical bytes."""
    from eth_hash.auto import keccak

    return bytes(keccak(b"qcrs/mail/1" + topic.encode() + body))


def _account_hash(topic: str, body: bytes, cosignature: bytes) -> bytes:
    """What the account key signs."""
    from eth_hash.auto import keccak

    if not cosignature:
        return mail_hash(topic, body)
    return bytes(keccak(b"qcrs/mail/2" + topic.encode() + body + cosignature))


@dataclass(frozen=True, slots=True)
class Mail:
    """One verified mail: who sent what, and under which content id it lies."""

    sender: str
    """Checksum address of the account that signed."""
    body: dict[str, Json]
    cid: ContentId
    cosignature: bytes = b""
    """The second key's signature over `mail_hash`, unverified; empty where the mail has none."""


def _sender_of(topic: str, body: bytes, signature: str, cosignature: bytes) -> str | None:
    """The address that signed, or None where the signature is malformed or not in its one low-s form."""
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    if re.fullmatch(r"0x[0-9a-f]{130}", signature) is None:
        return None
    raw = bytes.fromhex(signature[2:])
    if raw[64] not in (27, 28) or int.from_bytes(raw[32:64], "big") > _SECP256K1_HALF_ORDER:
        return None
    try:
        parsed = Signature(raw[:64] + bytes([raw[64] - 27]))
        key = parsed.recover_public_key_from_msg_hash(_account_hash(topic, body, cosignature))
    except (BadSignature, ValidationError, ValueError):
        return None
    return str(key.to_checksum_address())


def _cosignature(document: dict[str, Json]) -> bytes:
    """The field in its one spelling, empty where it is missing; `InputError` where it is malformed."""
    if "cosignature" not in document:
        return b""
    text = document.pop("cosignature")
    try:
        raw = b64decode(text, validate=True)
    except (TypeError, ValueError):
        raw = b""
    if not 0 < len(raw) <= MAX_COSIGNATURE_BYTES or b64encode(raw).decode() != text:
        raise InputError("not a second signature", field="cosignature", solution="leave it out")
    return raw


def _parse(topic: str, name: str, data: bytes) -> Mail | None:
    """The mail in these bytes, or None where any rule of the module's text is broken."""
    if cid_of(data) != name:
        return None
    try:
        document = parse_canonical(data)
        if not isinstance(document, dict):
            return None
        cosignature = _cosignature(document)
        if set(document) != {"topic", "body", "sender", "signature"} or document["topic"] != topic:
            return None
        body, sender, signature = document["body"], document["sender"], document["signature"]
        if not isinstance(body, dict) or not isinstance(sender, str) or not isinstance(signature, str):
            return None
        if _sender_of(topic, canonical_json(body), signature, cosignature) != sender:
            return None
    except (InputError, TypeError):
        return None
    return Mail(sender, body, ContentId(name), cosignature)


def _is_cid(name: str) -> bool:
    try:
        cid_to_digest(name)
    except InputError:
        return False
    return True


class Mailbox:
    """Topics of signed mail in a content store."""

    def __init__(self, store: ContentStore) -> None:
        self.store = store

    def post(
        self,
        topic: str,
        body: dict[str, Json],
        account: LocalAccount,
        cosign: Callable[[bytes], bytes] | None = None,
    ) -> ContentId:
        """Sign `body` with `account` and append it to `topic`; the same mail twice is one mail.

        `cosign` makes the second key's signature of a `mail_hash`; where that is randomised, the same mail
        twice is two. Raises `InputError` for a bad topic or a body that is too large or holds floats.
        """
        from eth_typing import Hash32

        check_topic(topic)
        words = canonical_json(body)
        second = b"" if cosign is None else cosign(mail_hash(topic, words))
        signed = account.unsafe_sign_hash(Hash32(_account_hash(topic, words, second)))
        signature = signed.r.to_bytes(32, "big") + signed.s.to_bytes(32, "big") + bytes([signed.v])
        sender, cosigned = account.address, {"cosignature": b64encode(second).decode()} if second else {}
        data = canonical_json(
            {"topic": topic, "body": body, "sender": sender, "signature": "0x" + signature.hex()} | cosigned
        )
        if len(data) > MAX_MAIL_BYTES:
            raise InputError(
                f"a mail may have {MAX_MAIL_BYTES} bytes at most",
                field="bytes",
                value=len(data),
                solution="store the content as a blob and mail its content id",
            )
        cid = cid_of(data)
        name = f"mail/{topic}/{cid}"
        if not self.store.files.exists(name):
            self.store.files.write(name, data)
        return cid

    def reader(self, topic: str, senders: Iterable[str] | None = None) -> MailReader:
        """A reader that gives each mail of `topic` once; `senders` are the addresses it listens to."""
        return MailReader(self, topic, senders)

    def read(
        self, topic: str, senders: Iterable[str] | None = None, after: Collection[str] = ()
    ) -> list[Mail]:
        """All valid mails of a topic but those whose content ids are in `after`, ordered by content id."""
        reader = MailReader(self, topic, senders)
        reader.seen.update(after)
        return reader.poll()

    def watch(
        self, topic: str, *, pause: Callable[[], bool], senders: Iterable[str] | None = None
    ) -> Iterator[Mail]:
        """Yield each mail of a topic as it comes.

        After each look that brought nothing, `pause` is called; it waits as long as the caller
        likes and returns False to end. (`lambda: not stop.wait(0.2)` for a `threading.Event`.)
        """
        reader = MailReader(self, topic, senders)
        while True:
            found = reader.poll()
            yield from found
            if not found and not pause():
                return


class MailReader:
    """Gives each mail of one topic once; a look without news costs one directory listing.

    `seen` are the names already dealt with, `dropped` counts what was not a valid mail of the topic,
    `ignored` valid mail of senders nobody asked for.
    """

    def __init__(self, mailbox: Mailbox, topic: str, senders: Iterable[str] | None = None) -> None:
        self.topic = check_topic(topic)
        self.seen: set[str] = set()
        self.dropped = 0
        self.ignored = 0
        self._attempts: dict[str, int] = {}
        self._files = mailbox.store.files
        self._senders = None if senders is None else {sender.lower() for sender in senders}

    def poll(self) -> list[Mail]:
        """The valid mails that came since the last look, ordered by content id."""
        folder = f"mail/{self.topic}"
        fresh = sorted(name for name in self._files.names(folder) if name not in self.seen)
        mails = []
        for name in fresh[:MAILS_PER_LOOK]:
            if not _is_cid(name):
                self.seen.add(name)  # a longer topic below this one, or a stray file
                continue
            try:
                data = self._files.read(f"{folder}/{name}", MAX_MAIL_BYTES)
            except StoreError:
                self._attempts[name] = self._attempts.get(name, 0) + 1
                if self._attempts[name] < _READ_ATTEMPTS:
                    continue  # perhaps a passing fault: look again next time
                data = None
            self.seen.add(name)
            self._attempts.pop(name, None)
            mail = None if data is None else _parse(self.topic, name, data)
            if mail is None:
                self.dropped += 1
            elif self._senders is not None and mail.sender.lower() not in self._senders:
                self.ignored += 1
            else:
                mails.append(mail)
        return mails
