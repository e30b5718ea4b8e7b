"""Single-click heralding in closed form: rate, fidelity, cycle time and cutoffs of one link.

Both ends excite an emitter so that it shines with probability α (the *bright-state population*) and send
what it emits to a beam splitter half way; one click heralds. With η the chance that an emitted photon is
detected, an attempt succeeds with p = 2α(1−α)η + α²(2η−η²), and the state is

    F |Ψ±⟩⟨Ψ±| + (1−F) |11⟩⟨11|,   F = 2α(1−α)η / p,

the sign being which detector clicked. At η = 1 these are p = α² + 2α(1−α) and F = 2α(1−α)/p, the values of
Kozlowski, Dahlberg, Wehner, CoNEXT 2020 (arXiv 2010.02575). Times are whole nanoseconds.
"""

from __future__ import annotations

import math

from qcrs.errors import InputError

__all__ = [
    "ATTEMPT_NS",
    "alpha_for_fidelity",
    "correlators",
    "cycle_time_ns",
    "herald_fidelity",
    "long_cutoff_ns",
    "short_cutoff_ns",
    "success_probability",
]

ATTEMPT_NS = 10_120
"""Duration of an attempt over 2 m of fibre."""

SHORT_CUTOFF_MISS = 0.15
"""The short cutoff is as long as a link needs to give a pair with probability 85 %."""

LONG_CUTOFF_LOSS = 0.015
"""The long cutoff is as long as a pair needs to lose this part of its initial fidelity."""


def _unit(name: str, value: float) -> float:
    if not 0.0 < value <= 1.0:
        raise InputError("a probability above 0 and at most 1 is needed", field=name, value=value)
    return value


def success_probability(alpha: float, eta: float = 1.0) -> float:
    """Probability p that an attempt heralds."""
    _unit("alpha", alpha)
    _unit("eta", eta)
    return 2 * alpha * (1 - alpha) * eta + alpha * alpha * (2 * eta - eta * eta)


def herald_fidelity(alpha: float, eta: float = 1.0) -> float:
    """Fidelity F of the heralded pair to its Bell state."""
    return 2 * alpha * (1 - alpha) * eta / success_probability(alpha, eta)


def alpha_for_fidelity(fidelity: float, eta: float = 1.0) -> float:
    """The bright-state population that gives fidelity F: α = 2(1−F) / (2 − Fη)."""
    if not 0.5 < fidelity < 1.0:
        raise InputError(
            "a link's fidelity lies above 0.5 and below 1",
            field="fidelity",
            value=fidelity,
            solution="single-click heralding trades rate for fidelity; 1 would take for ever",
        )
    return 2 * (1 - fidelity) / (2 - fidelity * _unit("eta", eta))


def correlators(alpha: float, eta: float = 1.0) -> tuple[float, float, float]:
    """(xx, yy, zz) of the pair's Bell-diagonal part, relative to its Bell state: (F, F, 2F − 1)."""
    fidelity = herald_fidelity(alpha, eta)
    return fidelity, fidelity, 2 * fidelity - 1


def cycle_time_ns(p: float, attempt_ns: int = ATTEMPT_NS) -> int:
    """Mean time to a pair, T_att/p, cut to whole nanoseconds."""
    return int(attempt_ns / _unit("p", p))


def short_cutoff_ns(p: float, attempt_ns: int = ATTEMPT_NS) -> int:
    """T_att · ⌊ln 0.15 / ln(1−p)⌋, at least one attempt."""
    if p >= 1.0:
        return attempt_ns
    return attempt_ns * max(1, math.floor(math.log(SHORT_CUTOFF_MISS) / math.log1p(-_unit("p", p))))


def long_cutoff_ns(
    xyz: tuple[float, float, float], dephasing_per_ns: float, depolarising_per_ns: float = 0.0
) -> int:
    """Time in which a stored pair loses 1.5 % of its initial fidelity; `MAX_NS` in a perfect memory.

    The rates are those of both memories together: xx and yy fall with their sum, zz with the second.
    """
    xx, yy, zz = xyz
    initial = (1 + xx + yy + zz) / 4

    def fidelity(t: int) -> float:
        depolarised = math.exp(-depolarising_per_ns * t)
        return (1 + (xx + yy) * depolarised * math.exp(-dephasing_per_ns * t) + zz * depolarised) / 4

    target = (1 - LONG_CUTOFF_LOSS) * initial
    if fidelity(MAX_NS) > target:
        return MAX_NS
    low, high = 0, MAX_NS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fidelity(middle) > target else (low, middle)
    return low


MAX_NS = 1 << 53
"""A hundred days: longer than anything here lasts."""
