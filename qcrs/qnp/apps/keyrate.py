"""How much key there is: asymptotic rates, their thresholds, the finite-key length.

Finite keys after Tomamichel, Lim, Gisin, Renner, *Tight finite-key analysis for quantum cryptography*,
Nature Communications 3, 634 (2012), arXiv 1103.4130, eqs. (2) and (3). Of N sifted bits k, drawn at random,
are compared; the other n = N − k give

    l = n [1 − h(Q + mu)] − leak − log2(2 / (eps_s² eps_c)),   mu² = (n + k)(k + 1) ln(2/eps_s) / (n k²),

Q the error rate of the k and leak what reconciliation disclosed. With both bases equally likely and used
for key and sample alike the errors of the sample stand for the phase errors of the key: Tomamichel,
Leverrier, Quantum 1, 14 (2017). The rate of E91 from the CHSH value is that of Acín et al., PRL 98,
230501 (2007).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from qcrs.errors import InputError

__all__ = [
    "EPS_CORRECT",
    "EPS_SECRET",
    "Security",
    "asymptotic_bb84",
    "asymptotic_six_state",
    "best_sample",
    "chsh_entropy",
    "chsh_length",
    "deviation",
    "entropy",
    "key_length",
    "threshold",
]

EPS_SECRET = 1e-10
EPS_CORRECT = 1e-15
EFFICIENCY = 1.16
"""Leak of reconciliation over Shannon's limit that is reckoned with before it is known."""


@dataclass(frozen=True, slots=True)
class Security:
    """How far from a perfect key one may be: secrecy and correctness failures, as probabilities."""

    secret: float = EPS_SECRET
    correct: float = EPS_CORRECT

    def __post_init__(self) -> None:
        for name in ("secret", "correct"):
            value = getattr(self, name)
            if not 0.0 < value < 1.0:
                raise InputError("a failure probability lies between 0 and 1", field=name, value=value)

    @property
    def price_bits(self) -> float:
        """log2(2 / (eps_s² eps_c)): what secrecy and the verification hash cost."""
        return 1 - 2 * math.log2(self.secret) - math.log2(self.correct)

    @property
    def hash_bits(self) -> int:
        """Length of a universal hash that two different keys share with probability eps_c at most."""
        return math.ceil(-math.log2(self.correct))


def entropy(p: float) -> float:
    """Binary entropy h(p) in bits."""
    return 0.0 if p <= 0.0 or p >= 1.0 else -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def asymptotic_bb84(qber: float) -> float:
    """Secret bits of a sifted bit without end: 1 − 2h(Q) (Shor, Preskill, PRL 85, 441 (2000))."""
    return 1 - 2 * entropy(qber)


def asymptotic_six_state(qber: float) -> float:
    """The same where X, Y and Z are measured: 1 − H(1 − 3Q/2, Q/2, Q/2, Q/2) (Lo, QIC 1, 81 (2001))."""
    good, bad = 1 - 1.5 * qber, qber / 2
    return 1 + (good * math.log2(good) if good > 0 else 0.0) + (3 * bad * math.log2(bad) if bad > 0 else 0.0)


def threshold(rate: Callable[[float], float], low: float = 0.01, high: float = 0.3) -> float:
    """The error rate at which a falling rate reaches zero, by bisection to 1e-15."""
    while high - low > 1e-15 and low < (low + high) / 2 < high:
        middle = (low + high) / 2
        low, high = (middle, high) if rate(middle) > 0 else (low, middle)
    return (low + high) / 2


def deviation(n: int, k: int, eps_secret: float) -> float:
    """mu: how much worse the unseen n bits may be than the k seen ones (Serfling's bound)."""
    return math.sqrt((n + k) * (k + 1) * math.log(2 / eps_secret) / n) / k


def key_length(n: int, k: int, qber: float, leak: float, security: Security | None = None) -> int:
    """Secret bits in n reconciled ones after k were compared; 0 where none is left.

    `leak` are the bits that reconciliation disclosed, the verification hash not among them.
    """
    if n < 1 or k < 1 or not 0.0 <= qber <= 1.0 or leak < 0:
        raise InputError(
            "a key needs bits to keep, bits to compare, and an error rate",
            field="n, k, Q",
            value=(n, k, qber),
        )
    security = security or Security()
    worst = qber + deviation(n, k, security.secret)
    if worst >= 0.5:
        return 0
    return max(0, math.floor(n * (1 - entropy(worst)) - leak - security.price_bits))


def best_sample(
    total: int,
    qber: float,
    *,
    efficiency: float = EFFICIENCY,
    security: Security | None = None,
    choices: Iterable[int] | None = None,
) -> tuple[int, int]:
    """The sample k that leaves most of `total` sifted bits at an expected error rate: (k, length).

    `choices` limits k; without, all of 1 … total − 1 count (the length has one peak, which golden sections
    find).
    """
    if total < 2:
        raise InputError("a sample needs at least two sifted bits", field="total", value=total)
    security = security or Security()

    def exact(k: int) -> float:
        n = total - k
        worst = min(0.5, qber + deviation(n, k, security.secret))
        return n * (1 - entropy(worst)) - efficiency * n * entropy(qber)

    if choices is None:
        choices = _around_peak(exact, 1, total - 1)
    k = max(choices, key=lambda one: (exact(one), -one))
    n = total - k
    return k, key_length(n, k, qber, efficiency * n * entropy(qber), security)


def _around_peak(value: Callable[[int], float], low: int, high: int) -> list[int]:
    """A handful of integers around the peak; where the bound is vacuous (small k) the value still rises."""
    coarse = sorted({max(low, min(high, round(low * (high / low) ** (i / 64)))) for i in range(65)})
    best = max(range(len(coarse)), key=lambda i: value(coarse[i]))
    low, high = coarse[max(0, best - 1)], coarse[min(len(coarse) - 1, best + 1)]
    while high - low > 16:
        third = (high - low) // 3
        if value(low + third) < value(high - third):
            low += third
        else:
            high -= third
    return list(range(low, high + 1))


def chsh_entropy(s: float) -> float:
    """What an eavesdropper may know of a bit at CHSH value S: h((1 + sqrt((S/2)² − 1)) / 2); 1 at S ≤ 2."""
    if s <= 2.0:
        return 1.0
    return entropy((1 + math.sqrt(min(1.0, (s / 2) ** 2 - 1))) / 2)


def chsh_length(n: int, s_low: float, leak: float, security: Security | None = None) -> int:
    """Secret bits in n reconciled ones where S is at least `s_low`, against collective attacks."""
    if n < 1 or leak < 0:
        raise InputError("a key needs bits to keep", field="n", value=n)
    security = security or Security()
    return max(0, math.floor(n * (1 - chsh_entropy(s_low)) - leak - security.price_bits))
