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
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcrs.errors import InputError, StoreError
from qcrs.store.content import ContentStore
from qcrs.types import ContentId, Json, canonical_json, cid_of, cid_to_digest, parse_canonical

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = [
    "BYTES_PER_LOOK",
    "MAILS_PER_LOOK",
    "MAX_MAIL_BYTES",
    "Mail",
    "MailReader",
    "Mailbox",
    "check_topic",
    "mail_hash",
]

MAX_MAIL_BYTES = 256 * 1024
"""The largest mail, in bytes; what is larger belongs into a blob."""

MAX_COSIGNATURE_BYTES = 8 * 1024
"""The longest second signature; ML-DSA-65 takes 3,309 bytes."""

MAILS_PER_LOOK = 1_000
"""A reader opens no more mails than this in one look, so that a flood delays but never stalls it."""

BYTES_PER_LOOK = 16 * 2**20
"""Nor does it begin another mail after this many bytes."""

_READ_ATTEMPTS = 3  # looks after which a mail that cannot be read counts as dropped

_TAIL = re.compile(rb'"sender":"(0x[0-9a-fA-F]{40})","signature":"0x[0-9a-f]{130}","topic":"([^"]*)"}\Z')
"""How the canonical bytes of every valid mail end."""
_TAIL_BYTES = 400

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


def _claimed_sender(topic: str, data: bytes) -> str | None:
    """Whose mail of this topic it says it is, by its last bytes alone; None where it can be nobody's."""
    tail = _TAIL.search(data[-_TAIL_BYTES:])
    return tail[1].decode() if tail is not None and tail[2] == topic.encode() else None


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
        """All valid mails of a topic but those whose content ids are in `after`, ordered by content id.

        However many lie there, each is looked at; what comes meanwhile is left for another time.
        """
        reader = MailReader(self, topic, senders)
        reader.seen.update(after)
        return reader.poll_all()

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

    Names wait in a line, in the order in which they were first listed, and each is looked at once. So mail is
    reached after as many looks as the mail before it takes, whatever comes after it and however names sort.

    `seen` are the names in the line or dealt with, `dropped` counts what was not a valid mail of the topic,
    `ignored` what names senders nobody asked for: that is left unread, so its signatures cost nothing.
    """

    def __init__(self, mailbox: Mailbox, topic: str, senders: Iterable[str] | None = None) -> None:
        self.topic = check_topic(topic)
        self.seen: set[str] = set()
        self.dropped = 0
        self.ignored = 0
        self.listed = 0
        """How many names have been in the line: the place of the next one."""
        self._line: deque[tuple[int, str]] = deque()
        self._attempts: dict[str, int] = {}
        self._files = mailbox.store.files
        self._senders = None if senders is None else {sender.lower() for sender in senders}

    def past(self, place: int) -> bool:
        """Whether everything before this place in the line has been looked at."""
        return not self._line or self._line[0][0] >= place

    def poll(self) -> list[Mail]:
        """The valid mails that came since the last look, or the next of them, ordered by content id."""
        self._list()
        return self._look()

    def poll_all(self) -> list[Mail]:
        """The valid mails of all that lies there now, ordered by content id."""
        self._list()
        end = self.listed
        mails: list[Mail] = []
        while not self.past(end):
            mails += self._look()
        return sorted(mails, key=lambda mail: mail.cid)

    def _list(self) -> None:
        """Put new names at the end of the line."""
        for name in sorted(set(self._files.names(f"mail/{self.topic}")) - self.seen):
            self.seen.add(name)
            if _is_cid(name):  # else a longer topic below this one, or a stray file
                self._line.append((self.listed, name))
                self.listed += 1

    def _look(self) -> list[Mail]:
        """What the next names of the line hold."""
        mails: list[Mail] = []
        again: list[tuple[int, str]] = []
        left = BYTES_PER_LOOK
        for _ in range(min(MAILS_PER_LOOK, len(self._line))):
            place, name = self._line.popleft()
            try:
                data = self._files.read(f"mail/{self.topic}/{name}", MAX_MAIL_BYTES)
            except StoreError:
                self._attempts[name] = self._attempts.get(name, 0) + 1
                if self._attempts[name] < _READ_ATTEMPTS:
                    again.append((place, name))  # perhaps a passing fault: look again next time
                    continue
                data = None
            self._attempts.pop(name, None)
            mail = self._read(name, data)
            if mail is not None:
                mails.append(mail)
            left -= len(data or b"")
            if left <= 0:
                break
        self._line.extendleft(reversed(again))
        return sorted(mails, key=lambda mail: mail.cid)

    def _read(self, name: str, data: bytes | None) -> Mail | None:
        """The mail in these bytes if it is valid and of a sender that was asked for; counted otherwise."""
        claimed = None if data is None else _claimed_sender(self.topic, data)
        if data is None or claimed is None:
            self.dropped += 1
            return None
        if self._senders is not None and claimed.lower() not in self._senders:
            self.ignored += 1
            return None
        mail = _parse(self.topic, name, data)
        if mail is None:
            self.dropped += 1
        return mail
