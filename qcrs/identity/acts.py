"""What a post-quantum key signs: the EIP-712 struct `Act` of `contracts/interfaces/IProcessorKeys.sol`.

Digests are computed here and never asked from a node, which could name another act.
"""

from __future__ import annotations

from dataclasses import dataclass

import sha3

from qcrs.errors import InputError
from qcrs.identity.xmss import KEY_BYTES, N

__all__ = ["ActDomain", "key_words", "registration_content"]


def _keccak(data: bytes) -> bytes:
    digest: bytes = sha3.keccak_256(data).digest()
    return digest


_DOMAIN = _keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_NAME, _VERSION = _keccak(b"QCRS ProcessorRegistry"), _keccak(b"1")
_ACT = _keccak(b"Act(bytes32 purpose,address consumer,uint256 subject,uint32 era,bytes32 content)")


def _word(value: int) -> bytes:
    if not 0 <= value < 1 << 256:
        raise InputError(
            "a word holds 0 to 2^256 - 1", field="value", value=value, solution="give a smaller one"
        )
    return value.to_bytes(32, "big")


def _address(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 20:
        raise InputError("not an address", field="address", value=text, solution="write 0x and 40 hex digits")
    return bytes(12) + raw


def key_words(key: bytes) -> bytes:
    """A public key as the contract's struct: root and seed, each at the left of a word."""
    if len(key) != KEY_BYTES:
        raise InputError(
            f"a public key has {KEY_BYTES} bytes",
            field="key length",
            value=len(key),
            solution="give root and seed, one after the other",
        )
    return key[:N].ljust(32, b"\0") + key[N:].ljust(32, b"\0")


def key_content(key: bytes) -> bytes:
    """What is signed of a new key."""
    return _keccak(key_words(key))


def registration_content(spec: bytes, key: bytes) -> bytes:
    """What is signed of a registration: `spec` is the ABI encoding of the ProcessorSpec, seven words."""
    return _keccak(spec + key_words(key))


@dataclass(frozen=True, slots=True)
class ActDomain:
    """The registry, on its chain, for which acts are signed."""

    chain_id: int
    registry: str

    def digest(self, purpose: str, consumer: str, subject: int, era: int, content: bytes) -> bytes:
        """The 32 bytes to be signed. `subject`: the processor, or the provider's address as a number."""
        label = purpose.encode()
        if not 0 < len(label) <= 32 or len(content) != 32:
            raise InputError(
                "a purpose has 1 to 32 bytes and a content 32",
                field="purpose",
                value=purpose,
                solution="hash longer contents",
            )
        domain = _keccak(_DOMAIN + _NAME + _VERSION + _word(self.chain_id) + _address(self.registry))
        body = label.ljust(32, b"\0") + _address(consumer) + _word(subject) + _word(era) + content
        return _keccak(b"\x19\x01" + domain + _keccak(_ACT + body))

    def registration(self, provider: str, spec: bytes, key: bytes) -> bytes:
        """The digest of `registerWithKey`, sent by `provider`."""
        subject = int.from_bytes(_address(provider), "big")
        return self.digest("register", self.registry, subject, 1, registration_content(spec, key))

    def adoption(self, processor: int, key: bytes) -> bytes:
        """The digest of `adoptKey`."""
        return self.digest("adopt", self.registry, processor, 1, key_content(key))

    def rotation(self, processor: int, era: int, successor: bytes, identity: bytes) -> bytes:
        """The digest of `rotateKeys`, in the era of the key that is given up; `identity` as `setIdentity`."""
        content = _keccak(key_content(successor) + identity)
        return self.digest("rotate", self.registry, processor, era, content)

    def unbonding(self, processor: int, era: int, amount: int) -> bytes:
        """The digest of `unbondWithKey`."""
        return self.digest("unbond", self.registry, processor, era, _word(amount))
