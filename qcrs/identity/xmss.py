"""XMSS-like signatures over keccak256, as `contracts/identity/XmssVerifier.sol` verifies them.

The scheme is written out in `contracts/interfaces/IXmssVerifier.sol`: 1,024 leaves (h = 10), each of 48
Winternitz chains of 15 steps (w = 16, n = 24 bytes), a digit sum fixed at 440 by grinding a counter (the idea
of WOTS+C: Hülsing, Kudinov, Ronen, Yogev, "SPHINCS+C", ePrint 2022/778), addresses in every hash as in
RFC 8391. It is neither of the two, unaudited, and not conformant to NIST SP 800-208.

Everything here is a pure function of its arguments: a key signs the same message at the same index with
the same bytes. **A leaf that signs two messages can be forged with.** Nothing in this module prevents that;
`qcrs.identity.state` does.
"""

from __future__ import annotations

from dataclasses import dataclass

import sha3

from qcrs.errors import InputError

__all__ = [
    "KEY_BYTES",
    "LAST_LEAF",
    "LEAVES",
    "SECRET_BYTES",
    "SIGNATURE_BYTES",
    "TREE_BYTES",
    "XmssKey",
    "index_of",
    "verify",
]

N = 24
SEED_BYTES = 20
CHAINS = 48
STEPS = 15
DIGIT_SUM = 440
HEIGHT = 10

LEAVES = 1 << HEIGHT
"""Messages that one key can sign."""

LAST_LEAF = LEAVES - 1
"""The leaf that is kept for naming the next key."""

KEY_BYTES = N + SEED_BYTES
"""A public key: root, then seed."""

SECRET_BYTES = 32 + SEED_BYTES
"""What a key is made from: 32 secret bytes, then the public seed."""

SIGNATURE_BYTES = 32 + N * (CHAINS + HEIGHT)
"""Index 4, counter 4, randomizer 24, chain values, path."""

TREE_BYTES = N * (2 * LEAVES - 1)
"""All nodes, leaves first, the root last; not secret."""

_CHAIN, _LEAF, _NODE, _MESSAGE, _START, _RANDOMIZER = (bytes([kind]) for kind in range(1, 7))
# count (4) ‖ part (2) ‖ step (1) of each step of each chain
_TAILS = [
    [bytes(4) + chain.to_bytes(2, "big") + bytes([step]) for step in range(STEPS)] for chain in range(CHAINS)
]
_NIBBLE_SUMS = bytes((value >> 4) + (value & 15) for value in range(256))
_keccak = sha3.keccak_256


def _hash(data: bytes) -> bytes:
    digest: bytes = _keccak(data).digest()
    return digest[:N]


def _walk(head: bytes, chain: int, start: int, stop: int, value: bytes) -> bytes:
    """`value` from step `start` to step `stop` of a chain; `head` is seed, type and leaf."""
    for tail in _TAILS[chain][start:stop]:
        value = _keccak(head + tail + value).digest()[:N]
    return value


def _digits(seed: bytes, index: bytes, counter: bytes, randomizer: bytes, message: bytes) -> bytes:
    """The 24 bytes whose nibbles are a message's digits."""
    return _hash(seed + _MESSAGE + index + counter + bytes(3) + randomizer + message)


def _nibbles(digits: bytes) -> list[int]:
    return [nibble for value in digits for nibble in (value >> 4, value & 15)]


def _node(seed: bytes, height: int, place: int, left: bytes, right: bytes) -> bytes:
    address = _NODE + place.to_bytes(4, "big") + bytes(4) + height.to_bytes(2, "big") + b"\0"
    return _hash(seed + address + left + right)


def _leaf(seed: bytes, index: bytes, ends: list[bytes]) -> bytes:
    return _hash(seed + _LEAF + index + bytes(7) + b"".join(ends))


def _check_message(message: bytes) -> None:
    if len(message) != 32:
        raise InputError(
            "a message is a hash of 32 bytes",
            field="message length",
            value=len(message),
            solution="sign the digest of what is meant, never the text itself",
        )


@dataclass(frozen=True, slots=True)
class XmssKey:
    """A private key with its whole tree.

    `secret`: `SECRET_BYTES` long; `tree`: the nodes that `generate` made from it, `TREE_BYTES` long.
    """

    secret: bytes
    tree: bytes

    def __post_init__(self) -> None:
        for name, length in (("secret", SECRET_BYTES), ("tree", TREE_BYTES)):
            if len(getattr(self, name)) != length:
                raise InputError(
                    f"a key's {name} has {length} bytes",
                    field=f"{name} length",
                    value=len(getattr(self, name)),
                    solution="derive the key again from its identity file",
                )

    def __repr__(self) -> str:
        return f"XmssKey({self.public.hex()}, secret hidden)"

    @classmethod
    def generate(cls, secret: bytes) -> XmssKey:
        """The key of `secret` (`SECRET_BYTES`). Hashes 0.8 million times, about a second."""
        if len(secret) != SECRET_BYTES:
            raise InputError(
                f"a key is made from {SECRET_BYTES} bytes",
                field="secret length",
                value=len(secret),
                solution="derive it from an identity's secret",
            )
        seed = secret[32:]
        nodes = []
        for leaf in range(LEAVES):
            index = leaf.to_bytes(4, "big")
            head = seed + _CHAIN + index
            starts = (_start(secret, index, chain) for chain in range(CHAINS))
            nodes.append(_leaf(seed, index, [_walk(head, i, 0, STEPS, x) for i, x in enumerate(starts)]))
        level = nodes
        for height in range(1, HEIGHT + 1):
            level = [
                _node(seed, height, place, level[2 * place], level[2 * place + 1])
                for place in range(len(level) // 2)
            ]
            nodes = nodes + level
        return cls(secret, b"".join(nodes))

    @property
    def public(self) -> bytes:
        """The public key, `KEY_BYTES` long: root, then seed."""
        return self.tree[-N:] + self.secret[32:]

    def sign(self, message: bytes, index: int) -> bytes:
        """The signature of a 32-byte hash with a leaf. A leaf signs once: see `qcrs.identity.state`."""
        _check_message(message)
        if not 0 <= index < LEAVES:
            raise InputError(
                f"a key has leaves 0 to {LAST_LEAF}",
                field="index",
                value=index,
                solution="rotate to a new key with the last leaf",
            )
        seed, leaf = self.secret[32:], index.to_bytes(4, "big")
        randomizer = _hash(self.secret + _RANDOMIZER + leaf + bytes(7) + message)
        digits, tried = b"", 0
        while sum(digits.translate(_NIBBLE_SUMS)) != DIGIT_SUM:
            digits = _digits(seed, leaf, tried.to_bytes(4, "big"), randomizer, message)
            tried += 1
        head = seed + _CHAIN + leaf
        values = [
            _walk(head, chain, 0, digit, _start(self.secret, leaf, chain))
            for chain, digit in enumerate(_nibbles(digits))
        ]
        counter = (tried - 1).to_bytes(4, "big")
        return leaf + counter + randomizer + b"".join(values) + b"".join(self._path(index))

    def _path(self, index: int) -> list[bytes]:
        """The siblings from a leaf to the root."""
        found, base = [], 0
        for height in range(HEIGHT):
            place = base + ((index >> height) ^ 1)
            found.append(self.tree[N * place : N * place + N])
            base += LEAVES >> height
        return found


def _start(secret: bytes, index: bytes, chain: int) -> bytes:
    """The secret beginning of a chain."""
    return _hash(secret + _START + index + _TAILS[chain][0])


def index_of(signature: bytes) -> int:
    """The leaf that a signature names."""
    return int.from_bytes(signature[:4], "big")


def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature is one of a 32-byte hash by a public key, by the rules of the contract."""
    _check_message(message)
    if len(key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES or index_of(signature) >= LEAVES:
        return False
    root, seed = key[:N], key[N:]
    index, counter, randomizer = signature[:4], signature[4:8], signature[8:32]
    digits = _digits(seed, index, counter, randomizer, message)
    if sum(digits.translate(_NIBBLE_SUMS)) != DIGIT_SUM:
        return False
    parts = [signature[at : at + N] for at in range(32, SIGNATURE_BYTES, N)]
    head = seed + _CHAIN + index
    ends = [_walk(head, i, digit, STEPS, parts[i]) for i, digit in enumerate(_nibbles(digits))]
    node, place = _leaf(seed, index, ends), index_of(signature)
    for height, sibling in enumerate(parts[CHAINS:], start=1):
        left, right = (sibling, node) if place & 1 else (node, sibling)
        place >>= 1
        node = _node(seed, height, place, left, right)
    return node == root
