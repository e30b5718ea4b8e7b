"""Key material of two nodes, delivered once: the shape of ETSI GS QKD 014 as Python methods.

Each node has a `KeyStore`; both are filled with the same blocks in the same order. Material is cut into
chunks of 32 bytes, even ones for keys that one side asks for first (as *master*), odd ones for the other, so
that both may ask at the same time and never get the same bits. A key id names session, side, chunks and a
check; the store of the other side finds the key from the id alone, and a chunk is given out once at each
side and then erased.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import dataclass
from typing import Any

from qcrs.errors import InputError

__all__ = ["CHUNK_BYTES", "Key", "KeyStore"]

CHUNK_BYTES = 32
MAX_KEYS = 128
"""Keys in one request."""

MAX_KEY_BITS = 1 << 16


@dataclass(frozen=True, slots=True)
class Key:
    """A key and its id, as text: a UUID of version 8."""

    key_id: str
    key: bytes


class KeyStore:
    """One node's store of keys with one other node. `side` is 0 at one and 1 at the other."""

    def __init__(
        self, own: str, other: str, side: int, session: bytes = b"", max_keys: int = 100_000
    ) -> None:
        if side not in (0, 1):
            raise InputError("a store is on side 0 or 1", field="side", value=side)
        self.own, self.other, self.side = own, other, side
        self.max_keys = max_keys
        ends = sorted((own, other))
        self._name = hashlib.sha3_256(b"\0".join([session, *(e.encode() for e in ends)])).digest()
        self._chunks: dict[int, bytes] = {}
        self._added = 0
        self._rest = b""
        self._next = side
        self._mine = 0
        self.overflow = 0

    def add(self, material: bytes) -> int:
        """A block of key bytes, the same at both nodes; the number of chunks that it completed."""
        data = self._rest + material
        count = len(data) // CHUNK_BYTES
        for i in range(count):
            if len(self._chunks) < 2 * self.max_keys:
                self._chunks[self._added + i] = data[i * CHUNK_BYTES : (i + 1) * CHUNK_BYTES]
                self._mine += (self._added + i) % 2 == self.side
            else:
                self.overflow += 1
        self._added += count
        self._rest = data[count * CHUNK_BYTES :]
        return count

    @property
    def stored(self) -> int:
        """Keys of 256 bits that this side may ask for now."""
        return self._mine

    def status(self) -> dict[str, Any]:
        """The fields of "Get status"."""
        return {
            "source_KME_ID": self.own,
            "target_KME_ID": self.other,
            "master_SAE_ID": self.own,
            "slave_SAE_ID": self.other,
            "key_size": 8 * CHUNK_BYTES,
            "stored_key_count": self.stored,
            "max_key_count": self.max_keys,
            "max_key_per_request": MAX_KEYS,
            "max_key_size": MAX_KEY_BITS,
            "min_key_size": 8 * CHUNK_BYTES,
            "max_SAE_ID_count": 0,
        }

    def enc_keys(self, number: int = 1, size: int = 8 * CHUNK_BYTES) -> list[Key]:
        """Fresh keys of so many bits, for whoever speaks first ("Get key"). All or none."""
        if not 1 <= number <= MAX_KEYS:
            raise InputError(f"1 to {MAX_KEYS} keys can be asked for at once", field="number", value=number)
        if size % (8 * CHUNK_BYTES) or not 8 * CHUNK_BYTES <= size <= MAX_KEY_BITS:
            raise InputError(
                f"a key's size is a multiple of {8 * CHUNK_BYTES} bits, at most {MAX_KEY_BITS}",
                field="size",
                value=size,
            )
        per_key = size // (8 * CHUNK_BYTES)
        if number * per_key > self.stored:
            raise InputError(
                "not enough key material",
                field="number",
                value=number,
                solution="wait for more, or ask for fewer or smaller keys",
            )
        return [self._given(self._next, per_key) for _ in range(number)]

    def _given(self, first: int, count: int) -> Key:
        while first not in self._chunks:  # dropped when the store was full
            first += 2
        chunks = [first + 2 * i for i in range(count)]
        if any(c not in self._chunks for c in chunks):
            raise InputError("key material has a gap here", field="chunk", value=first)
        self._next = chunks[-1] + 2
        self._mine -= count
        key_id = self._id(self.side, first, count)
        return Key(key_id, b"".join(self._chunks.pop(c) for c in chunks))

    def dec_keys(self, key_ids: list[str]) -> list[Key]:
        """Keys that the other side was given, by their ids ("Get key with key IDs"), once. All or none."""
        if not 1 <= len(key_ids) <= MAX_KEYS or len(set(key_ids)) != len(key_ids):
            raise InputError(f"1 to {MAX_KEYS} different ids are needed", field="key_IDs", value=len(key_ids))
        wanted = [self._chunks_of(one) for one in key_ids]
        return [
            Key(key_id, b"".join(self._chunks.pop(c) for c in chunks))
            for key_id, chunks in zip(key_ids, wanted, strict=True)
        ]

    def _chunks_of(self, key_id: str) -> list[int]:
        try:
            number = uuid.UUID(key_id).int
        except ValueError as error:
            raise InputError("a key id is a UUID", field="key_ID", value=key_id) from error
        count, first = number >> 112, number >> 80 & 0xFFFFFFFF
        side = 1 - self.side
        if (
            first % 2 != side
            or not count
            or not hmac.compare_digest(self._id(side, first, count), key_id.lower())
        ):
            raise InputError("no key of this pair has this id", field="key_ID", value=key_id)
        chunks = [first + 2 * i for i in range(count)]
        if any(c not in self._chunks for c in chunks):
            raise InputError(
                "this key was delivered before, or is not here yet",
                field="key_ID",
                value=key_id,
                solution="each key is given out once at each side",
            )
        return chunks

    def _id(self, side: int, first: int, count: int) -> str:
        """Count (16 bits), first chunk (32), then a hash, with the marks of a UUID of version 8."""
        head = count.to_bytes(2, "big") + first.to_bytes(4, "big")
        check = hashlib.sha3_256(self._name + bytes([side]) + head).digest()[:10]
        number = int.from_bytes(head + check, "big")
        number = number & ~(0xF << 76) | 8 << 76
        number = number & ~(0x3 << 62) | 2 << 62
        return str(uuid.UUID(int=number))
