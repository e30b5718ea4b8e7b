"""Stores, mail and sealed blobs in the hands of strangers: what comes out was put in, or is an error."""

from __future__ import annotations

import os
import random
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from eth_account import Account
from mutations import bytes_mutants, campaign
from watching import Watch

from qcrs.errors import QCRSError
from qcrs.sealing import HpkeKey, open_sealed, seal, wrap
from qcrs.sealing.seal import _derive, padded_length
from qcrs.store import ContentStore, Mailbox
from qcrs.types import canonical_json, cid_of

KEY = b"k" * 32
DOCUMENT = {"qcrs": "test/1", "words": [f"word {i}" for i in range(200)]}
TEXT = canonical_json(DOCUMENT)
CIRCLE = 2**20
"""Bytes of what a test's bombs would become at most."""


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder beside the store that nobody may open."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("swordfish")
    watch = Watch(folder)
    yield folder
    assert not watch.opened()
    watch.close()


def test_the_watch_sees_an_opening(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("swordfish")
    watch = Watch(tmp_path)
    assert not watch.opened()
    (tmp_path / "secret").read_text()
    assert watch.opened()
    watch.close()


def damage(draw: random.Random, path: Path, store: Path, outside: Path) -> None:
    """One of the things that a stranger with a hand in the folder could do to a blob."""
    data = path.read_bytes()
    action = draw.randrange(10)
    if action == 0:
        path.write_bytes(next(bytes_mutants([data], 1, draw.getrandbits(32))))
    elif action == 1:
        path.write_bytes(data[: draw.randrange(len(data))])
    elif action == 2:
        path.unlink()
        path.symlink_to(outside / "secret")
    elif action == 3:
        shutil.rmtree(path.parent)
        path.parent.symlink_to(outside)
    elif action == 4:
        shutil.rmtree(store / "blobs")
        (store / "blobs").symlink_to(outside)
    elif action == 5:
        path.unlink()
        os.mkfifo(path)
    elif action == 6:
        path.unlink()
        path.mkdir()
    elif action == 7:
        with path.open("ab") as file:
            file.truncate(2**40)
    elif action == 8:
        path.unlink()
    else:
        others = [one for one in (store / "blobs").rglob("*") if one.is_file()]
        path.write_bytes(draw.choice(others).read_bytes())


def test_damaged_stores_give_what_was_put_in_or_an_error(tmp_path: Path, outside: Path) -> None:
    draw, names = random.Random(5), ("../outside/secret", "/etc/passwd", "blobs", "..", "secret", "b" * 59)
    right, wrong, unclear = 0, 0, []
    for _ in range(60):
        store = ContentStore(tmp_path / "store", max_bytes=CIRCLE)
        blobs = [draw.randbytes(draw.choice((0, 1, 300))) + b"x" for _ in range(3)]
        cids = [store.put(blob) for blob in blobs]
        (tmp_path / "store" / "blobs" / "zz").symlink_to(outside)
        victim = draw.randrange(3)
        (path,) = (tmp_path / "store").rglob(cids[victim])
        damage(draw, path, tmp_path / "store", outside)
        for asked in (*cids, *names):
            try:
                data = store.get(asked)
                right += 1
                assert data == blobs[cids.index(asked)]
            except QCRSError as error:
                wrong += 1
                unclear += [error] * ("swordfish" in str(error) or not (error.solution or error.field))
            try:
                there = store.has(asked)
            except QCRSError:
                there = False
            assert not there or asked in cids
        try:
            assert store.get(store.put(blobs[victim])) == blobs[victim]
        except QCRSError as error:
            unclear += [error] * (not error.solution)
        shutil.rmtree(tmp_path / "store")
    assert right > 80
    assert wrong > 360
    assert unclear == []


SENT = 8


def mails(tmp_path: Path, outside: Path, count: int, seed: int) -> tuple[int, int]:
    """Mutants of four mails of two senders under their own, the old and other names, one of them with a
    second signature; and what one reader makes of all."""
    who = [Account.from_key(bytes([i]) * 32) for i in (1, 2)]
    box = Mailbox(ContentStore(tmp_path / "store"))
    bodies = [{"a": 1}, {"envelope": "aa" * 200}, {"list": [1, [2, {"x": "é"}]]}]
    for body in bodies:
        for account in who:
            box.post("topic/1", body, account)
    for account in who:
        box.post("topic/1", {"twice": 1}, account, lambda digest: digest * 100)
    sent = {(mail.sender, canonical_json(mail.body), mail.cosignature) for mail in box.read("topic/1")}
    assert len(sent) == SENT
    folder = tmp_path / "store" / "mail" / "topic" / "1"
    corpus = [path.read_bytes() for path in sorted(folder.iterdir())]
    names = [path.name for path in sorted(folder.iterdir())]
    draw = random.Random(seed)
    for data in bytes_mutants(corpus, count, seed):
        (folder / draw.choice((cid_of(data), cid_of(data), cid_of(data[:-1]), "x" * 59))).write_bytes(data)
    for name in names[:2]:
        (folder / cid_of(name.encode())).symlink_to(outside / "secret")
    reader = box.reader("topic/1")
    found = [mail for _look in range(count // 1000 + 4) for mail in reader.poll()]
    assert {(mail.sender, canonical_json(mail.body), mail.cosignature) for mail in found} == sent
    return len(found), reader.dropped


def test_damaged_mail_is_dropped(tmp_path: Path, outside: Path) -> None:
    accepted, dropped = mails(tmp_path, outside, 300, seed=1)
    assert accepted == SENT
    assert dropped > 150


@pytest.mark.slow
def test_10_000_damaged_mails_are_dropped(tmp_path: Path, outside: Path) -> None:
    accepted, dropped = mails(tmp_path, outside, 10_000, seed=2)
    assert accepted == SENT
    assert dropped > 5_000


def test_a_topic_that_is_a_link_is_not_followed(tmp_path: Path, outside: Path) -> None:
    box = Mailbox(ContentStore(tmp_path / "store"))
    (tmp_path / "store" / "mail").mkdir()
    (tmp_path / "store" / "mail" / "topic").symlink_to(outside)
    assert box.read("topic") == []
    with pytest.raises(QCRSError):
        box.post("topic/1", {"a": 1}, Account.from_key(b"\1" * 32))


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_sealed_blobs_do_not_open(count: int) -> None:
    blob = seal(DOCUMENT, "frames", key=KEY).blob
    found = campaign(
        bytes_mutants([blob], count, 1),
        lambda data: open_sealed(data, KEY, "frames"),
        lambda _value, data: data == blob,
    )
    assert found.odd == []
    assert found.refused > count * 0.9


def sealed_raw(packed: bytes) -> bytes:
    """Any bytes in a blob that is sealed as it should be: what only a client with the key can make."""
    salt = b"s" * 32
    cipher, commitment, label = _derive(KEY, salt, "frames")
    return salt + commitment + ChaCha20Poly1305(cipher).encrypt(bytes(12), packed, label)


def streams() -> list[bytes]:
    """Compressed documents, a stream of many members, a bomb, and one inside another."""
    bomb = zlib.compress(b"[" + b"0," * CIRCLE + b"0]", 9)
    packs = [zlib.compress(TEXT, level) for level in (0, 6, 9)]
    packs += [packs[1] + packs[1], bomb, zlib.compress(bomb), zlib.compress(b"[" * 100_000)]
    return [one.ljust(padded_length(len(one)), b"\0") for one in packs]


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_streams_decompress_to_the_document_or_not_at_all(count: int) -> None:
    found = campaign(
        (sealed_raw(one) for one in bytes_mutants(streams(), count, 3)),
        lambda blob: open_sealed(blob, KEY, "frames", limit=CIRCLE),
        lambda value, _blob: value == DOCUMENT,
    )
    assert found.odd == []
    assert found.refused > count * 0.7


@pytest.mark.parametrize("count", [80, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_envelopes_do_not_open(count: int) -> None:
    own = HpkeKey.from_secret(b"s" * 32)
    envelope = wrap(own.public, KEY, b"info")
    found = campaign(
        bytes_mutants([envelope], count, 4),
        lambda data: own.open(data, b"info"),
        lambda _value, data: data == envelope,
    )
    assert found.odd == []
    assert found.refused > count * 0.9
