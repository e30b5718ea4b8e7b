"""Mail: signatures, garbage, cursors, many writers."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from hypothesis import given
from hypothesis import strategies as st

from qcrs.errors import InputError
from qcrs.store import MAX_MAIL_BYTES, ContentStore, Mailbox, check_topic, mail_hash
from qcrs.types import canonical_json, cid_of

ALICE: LocalAccount = Account.from_key("0x" + "11" * 32)
BOB: LocalAccount = Account.from_key("0x" + "22" * 32)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture(params=["folder", "memory"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Mailbox:
    where = str(tmp_path) if request.param == "folder" else f"memory://{tmp_path.name}-mail"
    return Mailbox(ContentStore(where))


def plant(box: Mailbox, topic: str, data: bytes, name: str | None = None) -> None:
    """Put raw bytes into a topic, as anybody who can write to the store could."""
    box.store.files.write(f"mail/{topic}/{name or cid_of(data)}", data)


def mail_bytes(box: Mailbox, topic: str, body: dict[str, object], account: LocalAccount) -> bytes:
    cid = box.post(topic, body, account)
    data = box.store.files.read(f"mail/{topic}/{cid}", MAX_MAIL_BYTES)
    assert data is not None
    return data


def test_post_and_read(box: Mailbox) -> None:
    cid = box.post("release/7/0", {"key": "ab", "n": 3}, ALICE)
    assert box.post("release/7/0", {"n": 3, "key": "ab"}, ALICE) == cid
    box.post("release/7/0", {"key": "ab", "n": 3}, BOB)
    mails = box.read("release/7/0")
    assert {(mail.sender, mail.body["n"]) for mail in mails} == {(ALICE.address, 3), (BOB.address, 3)}
    assert [mail.cid for mail in mails] == sorted(mail.cid for mail in mails)
    (only,) = box.read("release/7/0", senders=[BOB.address.lower()])
    assert only.sender == BOB.address
    (other,) = box.read("release/7/0", after=[cid])
    assert other.sender == BOB.address
    assert box.read("release/7/1") == []


def test_signature_is_the_account_key_over_the_protocol_hash(box: Mailbox) -> None:
    document = json.loads(mail_bytes(box, "beacon/1/0", {"proof": "00"}, ALICE))
    from eth_hash.auto import keccak

    digest = mail_hash("beacon/1/0", b'{"proof":"00"}')
    assert digest == keccak(b'qcrs/mail/1beacon/1/0{"proof":"00"}')
    assert Account._recover_hash(digest, signature=document["signature"]) == ALICE.address


def test_topics_below_a_topic_are_not_its_mail(box: Mailbox) -> None:
    box.post("report/1/0", {"a": 1}, ALICE)
    box.post("report/1/0/2", {"a": 2}, ALICE)
    reader = box.reader("report/1/0")
    assert [mail.body for mail in reader.poll()] == [{"a": 1}]
    assert reader.dropped == 0


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "..",
        "a/../b",
        "/a",
        "a/",
        "a//b",
        "A/1",
        "a/B",
        "a/.",
        "a\n",
        "1/2",
        "a/" + "b" * 43,
        "a/1/2/3/4/5",
        "ä",
    ],
)
def test_topics_are_whitelisted(box: Mailbox, topic: str) -> None:
    with pytest.raises(InputError):
        check_topic(topic)
    for act in (lambda: box.post(topic, {}, ALICE), lambda: box.read(topic)):
        with pytest.raises(InputError):
            act()


def test_forgeries_and_garbage_are_dropped_and_counted(box: Mailbox) -> None:
    topic = "result/5/0"
    good = json.loads(mail_bytes(box, topic, {"root": "aa", "n": 1}, ALICE))
    r_s = bytes.fromhex(good["signature"][2:])
    s = int.from_bytes(r_s[32:64], "big")
    high_s = r_s[:32] + (ORDER - s).to_bytes(32, "big") + bytes([55 - r_s[64]])
    elsewhere = mail_bytes(box, "result/6/0", {"root": "aa", "n": 1}, ALICE)
    forged = [
        canonical_json(good | {"body": {"root": "bb", "n": 1}}),  # changed body
        canonical_json(good | {"sender": BOB.address}),  # claimed by another
        canonical_json(good | {"sender": ALICE.address.lower()}),  # a second spelling
        canonical_json(good | {"signature": "0x" + high_s.hex()}),  # malleated
        canonical_json(good | {"signature": good["signature"].upper()}),
        canonical_json(good | {"signature": "0x" + (r_s[:64] + b"\x00").hex()}),
        canonical_json(good | {"signature": "0x" + "00" * 65}),
        canonical_json(good | {"signature": None}),
        canonical_json(good | {"extra": 1}),  # unsigned addition
        canonical_json({key: good[key] for key in ("topic", "body", "sender")}),
        json.dumps(good).encode(),  # not canonical
        elsewhere,  # another topic's mail
        canonical_json(good | {"topic": "result/6/0"}),
        b"", b"\x00\xff", b"[]", b"3", b"null", b'"text"', b"{", b"[" * 100_000, b'{"a":1e999}', b'{"a":NaN}',
        b'{"a":' + b"9" * 5000 + b"}", b'{"a":"\\ud800"}', b"x" * (MAX_MAIL_BYTES + 1),
    ]  # fmt: skip
    for data in forged:
        plant(box, topic, data)
    plant(box, topic, canonical_json(good | {"n": 0}), name=cid_of(b"another name"))
    plant(box, topic, b"noise", name="README.txt")
    reader = box.reader(topic)
    found = [mail.body for _look in range(3) for mail in reader.poll()]
    assert found == [{"root": "aa", "n": 1}]
    assert reader.dropped == len(set(forged)) + 1


def test_a_second_signature_is_bound_by_the_first(box: Mailbox) -> None:
    """Nobody but the account adds, changes or takes it away; what has none is as it always was."""
    topic, body = "result/5/0", {"root": "aa", "n": 1}
    plain = json.loads(mail_bytes(box, topic, body, ALICE))
    assert set(plain) == {"topic", "body", "sender", "signature"}
    assert box.read(topic)[0].cosignature == b""
    asked: list[bytes] = []

    def cosign(digest: bytes) -> bytes:
        asked.append(digest)
        return b"second" * 9

    cid = box.post("result/6/0", body, ALICE, cosign)
    assert asked == [mail_hash("result/6/0", canonical_json(body))]
    (found,) = box.read("result/6/0")
    assert (found.cid, found.sender, found.body) == (cid, ALICE.address, body)
    assert found.cosignature == b"second" * 9
    both = json.loads(box.store.files.read(f"mail/result/6/0/{cid}", MAX_MAIL_BYTES) or b"")
    text = both["cosignature"]
    forged = [
        {key: both[key] for key in plain},  # taken away
        json.loads(mail_bytes(box, "result/7/0", body, ALICE)) | {"topic": "result/6/0", "cosignature": text},
        both | {"cosignature": b64encode(b"another").decode()},
        both | {"cosignature": ""},
        both | {"cosignature": None},
        both | {"cosignature": [text]},
        both | {"cosignature": text + "\n"},  # a second spelling
        both | {"cosignature": "é" * 8},
        both | {"cosignature": b64encode(bytes(8 * 1024 + 1)).decode()},
    ]
    for document in forged:
        plant(box, "result/6/0", canonical_json(document))
    plant(box, topic, canonical_json(plain | {"cosignature": text}))  # added
    plant(box, topic, canonical_json(plain | {"cosignature": None}))
    for where, bad in (("result/6/0", len(forged)), (topic, 2)):
        reader = box.reader(where)
        assert [mail.body for mail in reader.poll()] == [body]
        assert reader.dropped == bad


@given(st.data())
def test_no_flipped_bit_survives(draw: st.DataObject) -> None:
    box = Mailbox(ContentStore("memory://mail-flips"))
    data = mail_bytes(box, "release/1/0", {"key": "00ff", "n": 12}, ALICE)
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    bad = bytearray(data)
    bad[bit // 8] ^= 1 << bit % 8
    plant(box, "release/2/0", bytes(bad))
    plant(box, "release/1/0", bytes(bad))
    assert box.read("release/2/0") == []
    assert [mail.body for mail in box.read("release/1/0")] == [{"key": "00ff", "n": 12}]


def test_a_reader_gives_each_mail_once(box: Mailbox) -> None:
    reader = box.reader("opening/3")
    assert reader.poll() == []
    for index in range(5):
        box.post("opening/3", {"i": index}, ALICE)
        assert [mail.body for mail in reader.poll()] == [{"i": index}]
        assert reader.poll() == []


def test_strangers_are_ignored_not_dropped(box: Mailbox) -> None:
    box.post("opening/3", {"i": 0}, BOB)
    reader = box.reader("opening/3", senders=[ALICE.address])
    assert reader.poll() == []
    assert (reader.dropped, reader.ignored) == (0, 1)


def test_watch_yields_as_mail_comes_and_ends_when_told(box: Mailbox) -> None:
    looks: Iterator[int] = iter(range(3))

    def pause() -> bool:
        """In the place of waiting, the world goes on: two more mails, then the end."""
        look = next(looks)
        if look < 2:
            box.post("opening/9", {"i": look}, ALICE)
        return look < 2

    assert [mail.body["i"] for mail in box.watch("opening/9", pause=pause)] == [0, 1]


def test_oversized_and_float_bodies_are_refused(box: Mailbox) -> None:
    with pytest.raises(InputError, match="blob"):
        box.post("opening/1", {"text": "x" * MAX_MAIL_BYTES}, ALICE)
    with pytest.raises(InputError, match="floats"):
        box.post("opening/1", {"p": 0.5}, ALICE)
    assert box.read("opening/1") == []


def test_a_look_without_news_is_cheap(tmp_path: Path) -> None:
    box = Mailbox(ContentStore(tmp_path))
    for index in range(50):
        box.post("report/1/0", {"i": index}, ALICE)
    reader = box.reader("report/1/0")
    assert len(reader.poll()) == 50
    best = min(_seconds(reader.poll) for _ in range(20))
    assert best < 2e-3  # measured: 30 µs


def _seconds(act: object) -> float:
    assert callable(act)
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def test_a_flood_delays_but_never_stalls(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qcrs.store.mail.MAILS_PER_LOOK", 10)
    for index in range(35):
        plant(box, "opening/2", b"junk %d" % index)
    box.post("opening/2", {"ok": 1}, ALICE)
    reader = box.reader("opening/2")
    looks = [reader.poll() for _ in range(4)]
    assert [mail.body for look in looks for mail in look] == [{"ok": 1}]
    assert reader.dropped == 35


def test_what_comes_later_never_overtakes(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who writes faster than a reader reads, with names that sort first, holds up nothing."""
    monkeypatch.setattr("qcrs.store.mail.MAILS_PER_LOOK", 10)
    cid = box.post("opening/2", {"ok": 1}, ALICE)
    first = [data for data in (b"junk %d" % index for index in range(1000)) if cid_of(data) < cid]
    assert len(first) >= 100
    for data in first[:25]:
        plant(box, "opening/2", data)
    reader = box.reader("opening/2")
    place, looks = 26, 0
    while not reader.past(place) or not reader.listed:
        found = reader.poll()
        looks += 1
        for data in first[25 * looks : 25 * looks + 25]:
            plant(box, "opening/2", data)
    assert looks == 3
    assert [mail.body for mail in found] == [{"ok": 1}]
    assert not reader.past(reader.listed)


def test_a_reading_looks_at_all_that_lies_there(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qcrs.store.mail.MAILS_PER_LOOK", 10)
    cid = box.post("opening/2", {"ok": 1}, ALICE)
    for index in range(100):
        plant(box, "opening/2", b"junk %d" % index)
    assert [mail.cid for mail in box.read("opening/2")] == [cid]
    assert box.read("opening/2", after=[cid]) == []


def test_a_look_ends_after_so_many_bytes(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qcrs.store.mail.BYTES_PER_LOOK", 2_000)
    for index in range(6):
        box.post("opening/2", {"i": index, "text": "x" * 900}, ALICE)
    reader = box.reader("opening/2")
    assert [len(reader.poll()) for _ in range(4)] == [2, 2, 2, 0]


def test_mail_that_names_no_party_is_left_unread(box: Mailbox) -> None:
    """Forgeries in a stranger's name are not even hashed; in a party's name they are."""
    good = json.loads(mail_bytes(box, "opening/2", {"i": 0}, BOB))
    for index in range(5):
        plant(box, "opening/2", canonical_json(good | {"body": {"i": 10 + index}}), cid_of(b"%d" % index))
    plant(box, "opening/2", canonical_json(good | {"sender": ALICE.address}))
    reader = box.reader("opening/2", senders=[ALICE.address])
    assert reader.poll() == []
    assert (reader.dropped, reader.ignored) == (1, 6)
    reader = box.reader("opening/2", senders=[ALICE.address, BOB.address])
    assert [mail.body for mail in reader.poll()] == [{"i": 0}]
    assert (reader.dropped, reader.ignored) == (6, 0)


def test_unreadable_mail_is_unfinished_business(tmp_path: Path) -> None:
    """A passing fault does not make a reader say that it has looked at everything."""
    box = Mailbox(ContentStore(tmp_path))
    cid = box.post("opening/2", {"ok": 1}, ALICE)
    path = tmp_path / "mail" / "opening" / "2" / cid
    whole = path.read_bytes()
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")  # what no reader follows
    reader = box.reader("opening/2")
    assert reader.poll() == []
    assert not reader.past(1)
    path.unlink()
    path.write_bytes(whole)
    assert [mail.cid for mail in reader.poll()] == [cid]
    assert reader.past(1)
