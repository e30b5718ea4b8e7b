"""A provider whose processor has a post-quantum key, as tests act for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract_stage import ZERO, Done
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from exchange_stage import CREDIT, Stage

from qcrs.identity import LAST_LEAF, XmssKey
from qcrs.identity.acts import ActDomain

VECTORS = Path(__file__).parents[1] / "identity" / "xmss_vectors.json"
SPEC = "(uint16,bytes32,bytes32,address,bytes32,uint16,uint256)"
IDENTITY, NEXT = keccak(text="identity"), keccak(text="next identity")


def spec(**changes: Any) -> tuple[Any, ...]:
    fields: dict[str, Any] = {
        "qubits": 27,
        "profile": keccak(text="profile"),
        "metadata": keccak(text="meta"),
        "operator": ZERO,
        "identity": IDENTITY,
        "claim": 0,
        "bond": 50 * CREDIT,
    }
    return tuple((fields | changes).values())


def parts(key: XmssKey) -> tuple[bytes, bytes]:
    return key.public[:24], key.public[24:]


@dataclass(frozen=True, slots=True)
class Owner:
    """A provider that signs with its processor's key."""

    stage: Stage
    key: XmssKey
    successor: XmssKey
    account: str
    processor: int = 1
    era: int = 1

    @property
    def domain(self) -> ActDomain:
        chain_id = self.stage.tester.backend.chain.chain_id
        return ActDomain(chain_id, self.stage.registry.address)

    def register(self, leaf: int = 0, by: str | None = None, **changes: Any) -> Done:
        wanted = spec(**changes)
        digest = self.domain.registration(self.account, encode([SPEC], [wanted]), self.key.public)
        return self.stage.registry.send(
            "registerWithKey", wanted, parts(self.key), self.key.sign(digest, leaf), by=by or self.account
        )

    def unbond(self, amount: int, leaf: int, **signed: Any) -> Done:
        digest = self.domain.unbonding(self.processor, self.era, signed.get("amount", amount))
        return self.send_unbond(amount, self.key.sign(signed.get("digest", digest), leaf))

    def send_unbond(self, amount: int, signature: bytes) -> Done:
        return self.stage.registry.send(
            "unbondWithKey", self.processor, amount, parts(self.key), signature, by=self.account
        )

    def rotate(self, leaf: int = LAST_LEAF) -> Done:
        digest = self.domain.rotation(self.processor, self.era, self.successor.public, NEXT)
        return self.stage.registry.send(
            "rotateKeys",
            self.processor,
            parts(self.key),
            parts(self.successor),
            NEXT,
            self.key.sign(digest, leaf),
            by=self.account,
        )

    def state(self) -> tuple[bytes, int, int]:
        found = self.stage.registry.read("keyOf", self.processor)
        return bytes(found[0]), int(found[1]), int(found[2])


def commitment(key: XmssKey) -> bytes:
    return keccak(parts(key)[0].ljust(32, b"\0") + parts(key)[1].ljust(32, b"\0"))[:24]


def word(key: XmssKey, era: int, leaf: int) -> int:
    return int.from_bytes(commitment(key), "big") << 64 | era << 32 | leaf


def two_keys() -> tuple[XmssKey, XmssKey]:
    """The key of the known-answer vectors, and one more."""
    secret = bytes.fromhex(json.loads(VECTORS.read_text(encoding="utf-8"))["secret"])
    return XmssKey.generate(secret), XmssKey.generate(secret[:32] + b"seed of another key.")
