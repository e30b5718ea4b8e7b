"""Quora of oracles that a stranger changed, and one that counts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from eth_account import Account
from mutations import bytes_mutants

from qcrs.chain.bindings import Report
from qcrs.client.quorum import SignedReports, report_digest
from qcrs.oracles.signing import bitmap_of, sign_digest

__all__ = ["CHAIN", "OTHER", "REPORT", "SIGNERS", "VERIFIER", "digest", "forgeries", "signed"]

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
CHAIN, VERIFIER, OTHER = 31_337, "0x" + "aa" * 20, "0x" + "ab" * 20
ORACLES = [Account.from_key(bytes([i]) * 32) for i in range(1, 5)]
SIGNERS = [one.address for one in ORACLES]
REPORT = Report(7, 0, 1, 1, 0, 990_000, 800_000, b"\7" * 32, 1)


def digest(report: Report = REPORT, chain: int = CHAIN, verifier: str = VERIFIER) -> bytes:
    return report_digest(report.to_abi(), chain_id=chain, verifier=verifier)


def signed(over: bytes) -> SignedReports:
    bitmap, signatures = bitmap_of({n: sign_digest(ORACLES[n], over) for n in (0, 1, 3)})
    return SignedReports((REPORT.to_abi(),), False, bitmap, signatures)


def twisted(one: bytes, draw: random.Random) -> bytes:
    """A signature (r ‖ parity and s, ERC-2098) after one of the known twists."""
    r, packed = one[:32], int.from_bytes(one[32:], "big")
    parity, s = packed >> 255, packed & ((1 << 255) - 1)

    def put(parity: int, s: int) -> bytes:
        return (parity << 255 | s % (1 << 255)).to_bytes(32, "big")

    return draw.choice(
        (
            r + put(1 - parity, ORDER - s),  # the same point, high s
            r + put(parity, ORDER - s),
            r + put(1 - parity, s),
            bytes(32) + put(parity, s),
            r + put(parity, 0),
            bytes(64),
            ORDER.to_bytes(32, "big") + put(parity, s),
            (int.from_bytes(r, "big") ^ 1 << draw.randrange(256)).to_bytes(32, "big") + put(parity, s),
            r + put(parity, s ^ 1 << draw.randrange(255)),
            b"\xff" * 64,
        )
    )


def forgeries(count: int, seed: int) -> Iterator[SignedReports]:
    """Quora of which at least one signature is none."""
    draw, good = random.Random(seed), signed(digest())
    parts = [good.signatures[i : i + 64] for i in range(0, 192, 64)]
    others = (replace(REPORT, job=8), replace(REPORT, outcome=2), replace(REPORT, era=2))
    digests = (digest(chain=1), digest(verifier=OTHER), *map(digest, others))
    elsewhere = [signed(one).signatures[:64] for one in digests]
    damaged = bytes_mutants([good.signatures], count, seed, inserts=(b"\0", b"\xff" * 64, b"\0" * 64))
    for data in damaged:
        bitmap, mine = good.bitmap, list(parts)
        place, kind = draw.randrange(3), draw.randrange(6)
        if kind <= 1:
            mine[place] = twisted(mine[place], draw)
        elif kind == 2:
            mine[0] = draw.choice(elsewhere)
        elif kind == 3:
            mine[place] = mine[place - 1]
        elif kind == 4:
            bitmap = draw.choice((0, 0b0111, 0b1110, 0b1001, 0b11011, 1 << 255 | 0b1011, 2**256 - 1))
        elif data != good.signatures:
            mine = [data]
        else:
            mine.reverse()
        yield SignedReports(good.reports, False, bitmap, b"".join(mine))
