"""Blobs: round trip, damage, limits, names, every kind of place."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcrs.errors import InputError, IntegrityError, StoreError
from qcrs.store import ContentStore
from qcrs.types import cid_of, cid_to_digest


def blob_path(root: Path, cid: str) -> Path:
    (path,) = (root / "blobs").rglob(cid)
    return path


@pytest.fixture(params=["folder", "file-url", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ContentStore:
    where = {
        "folder": str(tmp_path / "store"),
        "file-url": f"file://{tmp_path}/store",
        "memory": f"memory://{tmp_path.name}-{request.node.name}",
    }[request.param]
    return ContentStore(where)


def test_round_trip_and_identity(store: ContentStore) -> None:
    data = os.urandom(10_000)
    cid = store.put(data)
    assert cid == cid_of(data)
    assert cid_to_digest(cid) == hashlib.sha256(data).digest()
    assert store.put(data) == cid
    assert store.get(cid) == data
    assert store.has(cid)
    assert store.get(store.put(b"")) == b""


def test_missing_blob_is_named(store: ContentStore) -> None:
    cid = cid_of(b"never stored")
    assert not store.has(cid)
    with pytest.raises(StoreError, match=cid) as caught:
        store.get(cid)
    assert caught.value.solution is not None


@pytest.mark.parametrize(
    "name",
    ["", "..", "../../etc/passwd", "/etc/passwd", "bafkrei", "..%2f..%2fetc", "b" + "a" * 58, "é" * 59],
)
def test_only_content_ids_are_names(store: ContentStore, name: str) -> None:
    for ask in (store.get, store.has):
        with pytest.raises(InputError):
            ask(name)


def test_upper_case_is_not_a_second_name(store: ContentStore) -> None:
    cid = store.put(b"x")
    with pytest.raises(InputError):
        store.get(cid.upper())


def test_damage_is_found_and_put_repairs_it(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    cid = store.put(b"the true bytes")
    path = blob_path(tmp_path, cid)
    path.write_bytes(b"other bytes")
    with pytest.raises(IntegrityError) as caught:
        store.get(cid)
    assert cid in str(caught.value)
    assert cid_of(b"other bytes") in str(caught.value)
    assert store.put(b"the true bytes") == cid
    assert store.get(cid) == b"the true bytes"


@given(st.binary(min_size=1, max_size=200), st.data())
def test_any_flipped_bit_is_found(data: bytes, draw: st.DataObject) -> None:
    store = ContentStore("memory://flips")
    cid = store.put(data)
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    bad = bytearray(data)
    bad[bit // 8] ^= 1 << bit % 8
    store.files.write(f"blobs/{cid[-2:]}/{cid}", bytes(bad))
    with pytest.raises(IntegrityError):
        store.get(cid)


def test_size_limit_holds_before_reading(tmp_path: Path) -> None:
    for where in (str(tmp_path), "memory://limit"):
        ContentStore(where).put(b"x" * 5000)
        small = ContentStore(where, max_bytes=4096)
        with pytest.raises(StoreError, match="5000 bytes"):
            small.get(cid_of(b"x" * 5000))
        with pytest.raises(InputError, match="4096"):
            small.put(b"y" * 4097)


def test_a_sparse_giant_is_refused_without_reading_it(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    cid = store.put(b"small")
    with blob_path(tmp_path, cid).open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(StoreError, match="1099511627776 bytes"):
        store.get(cid)


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    store = ContentStore(tmp_path / "store")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    cid = store.put(b"a")
    path = blob_path(tmp_path / "store", cid)
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(StoreError):
        store.get(cid)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StoreError, match="plain file"):
        store.get(cid)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="plain file"):
        store.get(cid)


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ContentStore(tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        store.put(b"data")
    assert not store.has(cid_of(b"data"))
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_place_that_cannot_be_opened_is_one_clear_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(StoreError, match="opening the store"):
        ContentStore(blocked / "store")
    with pytest.raises(StoreError, match="opening the store"):
        ContentStore("nosuchscheme://bucket")


def test_many_threads_write_the_same_and_different_blobs(tmp_path: Path) -> None:
    store = ContentStore(tmp_path)
    failures: list[BaseException] = []

    def work(index: int) -> None:
        try:
            for step in range(10):
                for data in (b"shared %d" % step, b"own %d %d" % (index, step)):
                    assert store.get(store.put(data)) == data
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(1 for path in (tmp_path / "blobs").rglob("*") if path.is_file()) == 10 + 80
