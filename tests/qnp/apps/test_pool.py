"""Key pools: both sides get the same keys, once, and never the same bits twice."""

from __future__ import annotations

import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcrs.errors import InputError
from qcrs.qnp.apps.pool import CHUNK_BYTES, KeyStore


def stores(chunks: int = 20, **named: object) -> tuple[KeyStore, KeyStore]:
    pair = KeyStore("a", "b", 0, **named), KeyStore("b", "a", 1, **named)  # type: ignore[arg-type]
    material = random.Random(1).randbytes(chunks * CHUNK_BYTES)
    for store in pair:
        store.add(material[:50])
        store.add(material[50:])
    return pair


def test_a_key_is_found_by_its_id_at_the_other_side_once() -> None:
    a, b = stores()
    (key,) = a.enc_keys()
    assert uuid.UUID(key.key_id).version == 8
    assert len(key.key) == 32
    assert b.dec_keys([key.key_id.upper()])[0].key == key.key
    with pytest.raises(InputError, match="delivered before"):
        b.dec_keys([key.key_id])
    with pytest.raises(InputError):
        a.dec_keys([key.key_id])  # the side that was given it has it already


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3), st.integers(1, 3)), max_size=30))
def test_no_bits_are_given_out_twice(asks: list[tuple[bool, int, int]]) -> None:
    pair = stores(40)
    seen: list[bytes] = []
    for first, number, size in asks:
        one, other = pair if first else pair[::-1]
        stored = one.stored
        try:
            keys = one.enc_keys(number, 256 * size)
        except InputError:
            assert number * size > stored
            assert one.stored == stored
            continue
        assert one.stored == stored - number * size
        assert other.dec_keys([k.key_id for k in keys]) == keys
        for key in keys:
            seen += [key.key[i : i + CHUNK_BYTES] for i in range(0, len(key.key), CHUNK_BYTES)]
    assert len(set(seen)) == len(seen)


def test_status_has_the_fields_of_the_standard() -> None:
    a, b = stores(21)
    assert (a.status()["stored_key_count"], b.status()["stored_key_count"]) == (11, 10)
    assert set(a.status()) == {
        "source_KME_ID",
        "target_KME_ID",
        "master_SAE_ID",
        "slave_SAE_ID",
        "key_size",
        "stored_key_count",
        "max_key_count",
        "max_key_per_request",
        "max_key_size",
        "min_key_size",
        "max_SAE_ID_count",
    }


@pytest.mark.parametrize(
    ("number", "size"), [(0, 256), (129, 256), (1, 100), (1, 0), (1, 1 << 17), (99, 256)]
)
def test_what_cannot_be_given_is_refused_and_costs_nothing(number: int, size: int) -> None:
    a, _ = stores()
    before = a.stored
    with pytest.raises(InputError):
        a.enc_keys(number, size)
    assert a.stored == before


def test_wrong_ids_open_nothing_and_a_bad_one_spoils_no_good_one() -> None:
    a, b = stores()
    key, second = a.enc_keys(2)
    other = KeyStore("a", "c", 0)
    other.add(bytes(64))
    for bad in ("", "x", str(uuid.UUID(int=0)), other.enc_keys()[0].key_id, key.key_id[:-1] + "0"):
        if bad == key.key_id:
            continue
        with pytest.raises(InputError):
            b.dec_keys([second.key_id, bad])
    with pytest.raises(InputError):
        b.dec_keys([key.key_id, key.key_id])
    assert b.dec_keys([key.key_id, second.key_id]) == [key, second]


def test_a_full_store_drops_what_is_too_much_at_both_sides_alike() -> None:
    a, b = stores(20, max_keys=4)
    assert (a.stored, b.stored, a.overflow) == (4, 4, 12)
    keys = a.enc_keys(4)
    assert b.dec_keys([k.key_id for k in keys]) == keys
    with pytest.raises(InputError):
        a.enc_keys()
    with pytest.raises(InputError):
        KeyStore("a", "b", 2)
