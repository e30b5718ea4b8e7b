"""The audit draw: which executions are run again elsewhere, decided after the commitment.

Cheating loses iff q·d + (1 − q)·d₀ > (c + b)/(f + S + V): c the cost it saves, b a bribe, f the fee, S the
bond, V what the reputation is worth; d and d₀ the chance of detection with and without an audit. With d₀ = b
= 0 and a margin of one half

    q = clamp(1.5 c / (d (f + S + V·L)), 0.03, 1),    c = 0.7 f, d = 0.95,

where L is a lower confidence bound of the reputation (Beta(a, b): mean less one standard deviation).
Everything is integers in parts per million and wei, so that every oracle draws the same.
"""

from __future__ import annotations

import math

from qcrs.circuits.drbg import keccak
from qcrs.errors import InputError

__all__ = ["audit_rate_ppm", "beacon_of", "drawn", "reputation_bound_ppm"]

PPM = 1_000_000
SAVED_PPM = 700_000
"""Cost that cheating saves, as a share of the fee."""
DETECTION_PPM = 950_000
LEAST_PPM = 30_000
ONE = 256
"""One observation in the registry's reputation."""


def reputation_bound_ppm(alpha: int, beta: int) -> int:
    """Mean less one standard deviation of Beta(α, β), given in 1/256 as the registry does; 0 to 1,000,000."""
    if alpha < 0 or beta < 0:
        raise InputError("a reputation is not negative", field="reputation", value=(alpha, beta))
    n = alpha + beta
    if n == 0:
        return 0
    mean = alpha * PPM // n
    # variance = αβ / (n² (n + 1)); one observation is 256.
    variance = alpha * beta * PPM * PPM * ONE // (n * n * (n + ONE))
    return max(0, mean - math.isqrt(variance))


def audit_rate_ppm(fee: int, bond: int, reputation_value: int = 0, reputation_ppm: int = 0) -> int:
    """q in parts per million; fee, bond and the value of a full reputation in one unit of money."""
    if fee < 0 or bond < 0 or reputation_value < 0 or not 0 <= reputation_ppm <= PPM:
        raise InputError("fee, bond and reputation are not negative", field="fee", value=(fee, bond))
    if fee == 0:
        return LEAST_PPM
    at_stake = (fee + bond) * PPM + reputation_value * reputation_ppm
    rate = 3 * SAVED_PPM * fee * PPM * PPM // (2 * DETECTION_PPM * at_stake)
    return min(PPM, max(LEAST_PPM, rate))


def beacon_of(block_hash: bytes, proofs: dict[int, bytes]) -> bytes:
    """keccak of the block hash and the oracles' proofs in order of oracle index."""
    if len(block_hash) != 32:
        raise InputError("a block hash has 32 bytes", field="block_hash", value=len(block_hash))
    return keccak(block_hash + b"".join(proofs[index] for index in sorted(proofs)))


def drawn(beacon: bytes, rate_ppm: int) -> bool:
    """Whether beacon / 2²⁵⁶ < q."""
    if len(beacon) != 32:
        raise InputError("a beacon has 32 bytes", field="beacon", value=len(beacon))
    return int.from_bytes(beacon, "big") * PPM < rate_ppm << 256
