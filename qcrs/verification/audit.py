"""The audit draw: which executions are run again elsewhere, decided after the commitment.

Cheating loses iff q·d + (1 − q)·d₀ > (c + b)/(f + S + V): c the cost it saves, b a bribe, f the fee, S what a
fraud is slashed, V what it costs in reputation; d and d₀ the chance of detection with and without an audit.
With a margin of one half on c, and b what the client says that a wrong answer is worth (0 if nothing),

    q = clamp(((1.5 c + b) / (f + S + V·L) − d₀) / (d − d₀), 0.03, 1),    c = 0.7 f, d = 0.95.

Beyond q = 1 there is nothing left to raise: that b, with no reputation counted, caps a job's value
(`value_cap`).

S is the smaller of the bond and the contract's multiple of the fee: a bond beyond that is not at stake in one
job. L is what one fraud takes from a lower confidence bound of the reputation (Beta(a, b): mean less one
standard deviation), though never below a newcomer's: of a long record it takes little, of none nothing. d₀ is
0 where nobody simulates the circuit and 0.8 where every execution is held against the exact distribution.
Everything is integers in parts per million and wei, so that every oracle draws the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from qcrs.circuits.drbg import keccak
from qcrs.errors import InputError

__all__ = [
    "audit_rate_ppm",
    "drawn",
    "majority",
    "reputation_at_risk_ppm",
    "reputation_bound_ppm",
    "share_threshold",
    "slashable",
    "value_cap",
]

PPM = 1_000_000
SAVED_PPM = 700_000
"""Cost that cheating saves, as a share of the fee."""
DETECTION_PPM = 950_000
SIMULATED_PPM = 800_000
"""d₀ where the exact distribution is known: less than any cheat that saves much is found with."""
LEAST_PPM = 30_000
ONE = 256
"""One observation in the registry's reputation."""
FRAUD = 8 * ONE
"""What a fraud adds against it."""


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


def reputation_at_risk_ppm(alpha: int, beta: int) -> int:
    """How much of that bound one fraud takes; never below a newcomer's, since anybody can register anew."""
    left = max(reputation_bound_ppm(alpha, beta + FRAUD), reputation_bound_ppm(ONE, ONE))
    return max(0, reputation_bound_ppm(alpha, beta) - left)


def slashable(bond: int, fee: int, fraud_multiple: int) -> int:
    """What a fraud in a job with this fee costs of the bond."""
    return min(bond, fee * fraud_multiple)


def value_cap(fee: int, stake: int) -> int:
    """The largest bribe for one wrong execution that does not pay where every execution is audited."""
    return max(0, (DETECTION_PPM * (fee + stake) - 3 * SAVED_PPM * fee // 2) // PPM)


def majority(redundancy: int) -> int:
    """How many of a job's executions must be bribed alike for a wrong answer to stand."""
    return redundancy // 2 + 1


def audit_rate_ppm(
    fee: int,
    stake: int,
    reputation_value: int = 0,
    reputation_ppm: int = 0,
    unaudited_ppm: int = 0,
    value: int = 0,
) -> int:
    """q in parts per million; fee, what a fraud is slashed and a full reputation's value in one money.

    `reputation_ppm` is the share of the reputation's value that is at risk, `unaudited_ppm` is d₀, `value`
    what a wrong answer is worth to whoever would bribe for it.
    """
    if value < 0:
        raise InputError("a value is not negative", field="value", value=value)
    if fee < 0 or stake < 0 or reputation_value < 0 or not 0 <= reputation_ppm <= PPM:
        raise InputError("fee, stake and reputation are not negative", field="fee", value=(fee, stake))
    if not 0 <= unaudited_ppm < DETECTION_PPM:
        raise InputError("detection without an audit is below that with one", field="d0", value=unaudited_ppm)
    if fee == 0:
        return LEAST_PPM
    at_stake = (fee + stake) * PPM + reputation_value * reputation_ppm
    needed = 3 * SAVED_PPM * fee * PPM // 2 + value * PPM * PPM - unaudited_ppm * at_stake
    rate = needed * PPM // ((DETECTION_PPM - unaudited_ppm) * at_stake)
    return min(PPM, max(LEAST_PPM, rate))


def share_threshold(rate_ppm: int, shares: int) -> int:
    """Of 2⁶⁴: the chance of one share so that of this many independent ones some draws with the rate q.

    1 − (1 − q)^(1/shares), rounded up; an integer root, so that everyone gets the same.
    """
    if not 0 <= rate_ppm <= PPM or not 1 <= shares <= 64:
        raise InputError("a rate lies between 0 and 1", field="rate_ppm", value=(rate_ppm, shares))
    power = ((PPM - rate_ppm) << 64 * shares) // PPM
    low, high = 0, 1 << 64  # ⌊power^(1/shares)⌋ by bisection
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**shares <= power else (low, middle - 1)
    return (1 << 64) - low


def drawn(block_hash: bytes, proofs: Mapping[int, bytes], rate_ppm: int, oracles: int) -> bool:
    """Whether some oracle's share keccak(block hash ‖ proof) falls under the threshold of 2f + 1 shares.

    Of 3f + 1 oracles at least 2f + 1 are honest and prove, so the chance is q or more whatever the others do:
    a proof that is withheld can only be missing where it would have drawn. With all proofs the chance is up
    to half as much again. Fewer than 2f + 1 proofs draw for certain.
    """
    if len(block_hash) != 32:
        raise InputError("a block hash has 32 bytes", field="block_hash", value=len(block_hash))
    enough = 2 * (oracles - 1) // 3 + 1
    if len(proofs) < enough:
        return True
    threshold = share_threshold(rate_ppm, enough)
    return any(int.from_bytes(keccak(block_hash + proof)[:8], "big") < threshold for proof in proofs.values())
