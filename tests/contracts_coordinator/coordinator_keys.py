"""A channel's end with a post-quantum key, as tests act for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from coordinator_play import Play
from coordinator_words import Seen
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from qcrs.identity import XmssKey
from qcrs.identity.acts import ActDomain

VECTORS = Path(__file__).parents[1] / "identity" / "xmss_vectors.json"
ATTESTATION = "(uint32,bytes32,uint32,uint24,uint24,uint24,uint32)"


def vector_key() -> XmssKey:
    """The key of the known-answer vectors."""
    return XmssKey.generate(bytes.fromhex(json.loads(VECTORS.read_text(encoding="utf-8"))["secret"]))


class Keyed:
    """End A of a live channel, whose processor adopts the key."""

    def __init__(self, play: Play, key: XmssKey) -> None:
        self.play, self.key = play, key
        self.words = (key.public[:24], key.public[24:])
        self.domain = ActDomain(play.stage.tester.backend.chain.chain_id, play.stage.registry.address)
        digest = self.domain.adoption(1, key.public)
        self.channel = play.live()
        play.stage.registry.send("adoptKey", 1, self.words, key.sign(digest, 0), by=play.provider(1))

    def signature(self, seen: Seen, leaf: int, **signed: Any) -> bytes:
        content = encode(["uint32", ATTESTATION], [signed.pop("channel", self.channel), seen.word])
        fields = {
            "purpose": "attest",
            "consumer": self.play.c.address,
            "subject": 1,
            "era": 1,
            "content": keccak(content),
        }
        return self.key.sign(self.domain.digest(**(fields | signed)), leaf)

    def args(self, seen: Seen, signature: bytes) -> tuple[Any, ...]:
        return (self.channel, 1, seen.word, self.words, signature)

    def attest(self, seen: Seen, leaf: int) -> Any:
        args = self.args(seen, self.signature(seen, leaf))
        return self.play.c.send("attestWithKey", *args, by=self.play.provider(1))

    def refused(self, error: str, seen: Seen, signature: bytes) -> None:
        self.play.c.refuses(error, "attestWithKey", *self.args(seen, signature), by=self.play.provider(1))
