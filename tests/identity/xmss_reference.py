"""The signature scheme of `IXmssVerifier`, written down once more, straight from its text.

Shares no code with `qcrs.identity`, and hashes with another library (pycryptodome). Slow and plain on
purpose. Run as a program it writes `xmss_vectors.json` anew, which the tests compare with.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from Crypto.Hash import keccak

VECTORS = Path(__file__).parent / "xmss_vectors.json"
SECRET = bytes.fromhex("517c" * 16) + b"seed of the vectors!"
CASES = [
    (0, b"zero"),
    (1, b"one"),
    (511, b"left half"),
    (512, b"right half"),
    (1022, b"last but one"),
    (1023, b"rotation"),
]


def keccak256(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


def f(seed: bytes, kind: int, index: int, count: int, part: int, step: int, x: bytes) -> bytes:
    """The one hash function: seed ‖ address ‖ x, cut to 24 bytes."""
    return keccak256(struct.pack(">20sBIIHB", seed, kind, index, count, part, step) + x)[:24]


def chain(seed: bytes, leaf: int, number: int, start: int, end: int, x: bytes) -> bytes:
    for step in range(start, end):
        x = f(seed, 1, leaf, 0, number, step, x)
    return x


def secret_start(secret: bytes, leaf: int, number: int) -> bytes:
    return keccak256(secret + struct.pack(">BIIHB", 5, leaf, 0, number, 0))[:24]


def leaf_of(secret: bytes, leaf: int) -> bytes:
    seed = secret[32:]
    ends = [chain(seed, leaf, i, 0, 15, secret_start(secret, leaf, i)) for i in range(48)]
    return f(seed, 2, leaf, 0, 0, 0, b"".join(ends))


def levels_of(secret: bytes) -> list[list[bytes]]:
    """All nodes: leaves, then each height up to the root."""
    levels = [[leaf_of(secret, leaf) for leaf in range(1024)]]
    while len(levels[-1]) > 1:
        below, height = levels[-1], len(levels)
        pairs = range(len(below) // 2)
        levels.append([f(secret[32:], 3, j, 0, height, 0, below[2 * j] + below[2 * j + 1]) for j in pairs])
    return levels


def digits_of(value: bytes) -> list[int]:
    return [int(c, 16) for c in value.hex()]


def message_digits(seed: bytes, leaf: int, counter: int, randomizer: bytes, message: bytes) -> list[int]:
    return digits_of(f(seed, 4, leaf, counter, 0, 0, randomizer + message))


def sign(secret: bytes, levels: list[list[bytes]], leaf: int, message: bytes) -> bytes:
    seed = secret[32:]
    randomizer = keccak256(secret + struct.pack(">BIIHB", 6, leaf, 0, 0, 0) + message)[:24]
    counter = 0
    while sum(message_digits(seed, leaf, counter, randomizer, message)) != 440:
        counter += 1
    digits = message_digits(seed, leaf, counter, randomizer, message)
    values = [chain(seed, leaf, i, 0, digits[i], secret_start(secret, leaf, i)) for i in range(48)]
    path = [levels[h][(leaf >> h) ^ 1] for h in range(10)]
    return struct.pack(">II", leaf, counter) + randomizer + b"".join(values + path)


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    if len(key) != 44 or len(signature) != 1424:
        return False
    root, seed = key[:24], key[24:]
    leaf, counter = struct.unpack(">II", signature[:8])
    if leaf > 1023:
        return False
    digits = message_digits(seed, leaf, counter, signature[8:32], message)
    if sum(digits) != 440:
        return False
    values = [signature[32 + 24 * i :][:24] for i in range(48)]
    path = [signature[32 + 1152 + 24 * h :][:24] for h in range(10)]
    node = f(
        seed, 2, leaf, 0, 0, 0, b"".join(chain(seed, leaf, i, digits[i], 15, values[i]) for i in range(48))
    )
    for h in range(10):
        pair = path[h] + node if leaf >> h & 1 else node + path[h]
        node = f(seed, 3, leaf >> (h + 1), 0, h + 1, 0, pair)
    return node == root


def vectors(secret: bytes) -> dict[str, object]:
    levels = levels_of(secret)
    cases = []
    for leaf, text in CASES:
        message = keccak256(text)
        signature = sign(secret, levels, leaf, message)
        cases.append({"index": leaf, "message": message.hex(), "signature": signature.hex()})
    key = levels[-1][0] + secret[32:]
    return {"secret": secret.hex(), "key": key.hex(), "nodes": sum(map(len, levels)), "signatures": cases}


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(SECRET), indent=1) + "\n", encoding="utf-8")
