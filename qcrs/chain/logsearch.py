"""Searching logs by bloom filter.

Every block carries 2,048 bits in which each address and topic of its logs sets three. A search reads
one number per block and opens only the blocks whose bits may match; the stock test chain opens every
block, and for each of their transactions walks back from the head.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from eth_utils.crypto import keccak

from qcrs.chain import render

if TYPE_CHECKING:
    from qcrs.chain.embedded import EmbeddedChain

__all__ = ["Query", "matching", "search"]


@lru_cache(maxsize=4096)
def _bits(value: bytes) -> int:
    """The three bits of an address or topic (Yellow Paper, section 4.3.1)."""
    digest = keccak(value)
    out = 0
    for at in (0, 2, 4):
        out |= 1 << (int.from_bytes(digest[at : at + 2], "big") & 0x7FF)
    return out


@dataclass(frozen=True, slots=True)
class Query:
    """Which logs: any of the addresses (all if none), and per place any of the topics (all if none)."""

    addresses: frozenset[bytes]
    topics: tuple[frozenset[bytes], ...]

    @classmethod
    def from_rpc(cls, query: dict[str, Any]) -> Query:
        """From `{"address": …, "topics": […]}`; `ValueError` where it is neither."""
        topics = query.get("topics") or ()
        if not isinstance(topics, (list, tuple)):
            raise ValueError(f"expected a list of topics in a log query: {topics!r}")
        return cls(
            frozenset(_each(query.get("address"), 20)), tuple(frozenset(_each(topic, 32)) for topic in topics)
        )

    def may_match(self, bloom: int) -> bool:
        """Whether a block with this filter can hold such a log."""
        if bloom == 0:
            return False
        groups = [group for group in (self.addresses, *self.topics) if group]
        return all(any(bloom & _bits(value) == _bits(value) for value in group) for group in groups)

    def matches(self, address: bytes, topics: tuple[bytes, ...]) -> bool:
        """Whether a log is one of those asked for."""
        if self.addresses and address not in self.addresses:
            return False
        if len(self.topics) > len(topics):
            return False
        return all(not wanted or topic in wanted for wanted, topic in zip(self.topics, topics, strict=False))


def _each(value: Any, length: int) -> list[bytes]:
    if value is None:
        return []
    out = []
    for item in value if isinstance(value, (list, tuple)) else [value]:
        raw = bytes.fromhex(item.removeprefix("0x")) if isinstance(item, str) else item
        if not isinstance(raw, bytes) or len(raw) != length:
            raise ValueError(f"expected {length} bytes in a log query: {item!r}")
        out.append(raw)
    return out


def matching(
    chain: EmbeddedChain, query: Query, first: int, last: int
) -> Iterator[tuple[Any, int, int, Any]]:
    """The logs asked for in blocks `first` to `last`, both included, oldest first.

    Each with its block, the place of its transaction there, and its own place there.
    """
    for number in range(max(first, 0), min(last, chain.height) + 1):
        with chain.lock:
            header = chain.header(number)
            if header is None:
                break
            if not query.may_match(header.bloom):
                continue
            block, receipts = chain.block(header)
        place = 0
        for index, receipt in enumerate(receipts):
            for log in receipt.logs:
                if query.matches(log.address, tuple(topic.to_bytes(32, "big") for topic in log.topics)):
                    yield block, index, place, log
                place += 1


def search(chain: EmbeddedChain, query: Query, first: int, last: int) -> list[dict[str, Any]]:
    """What `matching` finds, in the words of JSON-RPC."""
    return [
        render.log(block.header, block.transactions[index].hash, index, place, log)
        for block, index, place, log in matching(chain, query, first, last)
    ]
