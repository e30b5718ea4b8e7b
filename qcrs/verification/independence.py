"""Whether a sample was measured for this job: pools, resampling and shared deviations.

*Copies* agree too well with one other sample: a lower tail. Who draws S shots from a pool of M < S real ones,
alone or with colluders, leaves no such trace: the samples are independent given the pool. What shows is the
pool itself. Its own sampling noise stays in every sample drawn from it, as

    X_ab = (C_ab − 1/D) − (C_ac − 1/D)(C_bc − 1/D) / (C_cc − 1/D)   →   (1 − Σp²)/M      (a = b included),

where c is a third party: the ideal distribution, or the execution of somebody who is not suspected. White
noise of any strength cancels. What noise leaves besides ("colour") is shared by honest devices too. Most of
it are flips of one or two bits, late in the circuit or at readout: the ideal with these bits flipped is
fitted and taken off. The rest comes from runs with one early error, whose weight is −m ln m. Over brickwork,
QAOA, Ising and layered circuits on noise A and B and on fake devices with their registered noise it stays
below 0.27 (m_a ln m_a)(m_b ln m_b) Σ w q² from 7 qubits on, and below 1.3 under that; the tests allow 0.5
and 1.5.

The null distribution of the excess is that of a sum of independent products of Poisson fluctuations; a gamma
distribution with its first three moments gives the tail.

A few outcomes, or one that dominates, are no fingerprint: then no test here has power, and
`replay_surprise` and `PoolTest.visible` say so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import gamma, norm

from qcrs.circuits.drbg import Drbg
from qcrs.verification.samples import Floats, Sample

__all__ = [
    "COLOUR",
    "PoolTest",
    "PoolUnit",
    "asymmetry_p_value",
    "no_pool",
    "overlap_p_value",
    "pool_test",
    "replay_surprise",
]

COLOUR = 0.5
"""How much honest devices may have in common beyond what is fitted: this times (m_a ln m_a)(m_b ln m_b)."""
UNFITTED = 3.0
"""How much more, where ideals with two bits flipped are not fitted."""
FEWEST_FLIPPED, FEWEST_FLIPPED_TWICE, MOST_FLIPPED = 5, 7, 12
"""Widths at which ideals with one bit flipped, and with two, are fitted: above, colour is thin anyway."""
LEAST_LOST = 0.05
"""Least 1 − m that is reckoned with: registered readout errors are not exact."""
UNEVEN = 1.25
"""Σq³/(Σq²)² above which the outcomes of two that agree are no pool of equal shots."""
SURE = 5.0
"""Standard errors at which parities agree, or contradict each other."""
UNSURE = 0.1
"""Standard error of m above which the certificate says what was lost."""
MOST_PEAKED = 8.0
"""D·Σp² from which errors lead to a few outcomes again and again, as a pool does: no test is made there."""
SLACK = 3.0
"""How much better two may agree with each other than with a third: also if the third dilutes to a third.

At the widths where no ideal is to be had a pool of 2,000 shots shows itself by a factor of a thousand.
"""


@dataclass(frozen=True, slots=True)
class PoolUnit:
    """One circuit: a sample, a second one (None: the first is tested alone), and what each should follow.

    `p_a` and `p_b` are ideal distributions with the side's registered readout errors; `certified_a` and
    `certified_b` the magnitudes that the certificates predict, for where the shots do not show them.
    """

    a: Sample
    b: Sample | None
    p_a: Floats
    p_b: Floats
    certified_a: float = 1.0
    certified_b: float = 1.0


@dataclass(frozen=True, slots=True)
class PoolTest:
    """A test for a common pool.

    `p_value` under independence; `found` the size of the pool in shots that the excess amounts to (0: no
    excess); `visible` the largest pool that would have been found at 10⁻⁶ half of the time.
    """

    p_value: float
    found: int
    visible: int


def _tail(excess: float, variance: float, third: float) -> float:
    """Upper tail of a centred gamma distribution with these second and third cumulants."""
    if variance <= 0:
        return 1.0
    z = excess / math.sqrt(variance)
    skew = third / variance**1.5
    if skew < 1e-4:
        return float(norm.sf(z))
    shape = 4 / skew**2
    return float(gamma.sf(shape + z * math.sqrt(shape), shape))


def _magnitude(sample: Sample, p: Floats) -> tuple[float, float]:
    """m of a sample against the exact distribution, between 0 and 1, and its standard error; 1, ∞ if flat."""
    d = 1 / len(p)
    mass = float((p**2).sum()) - d
    if mass < d / 100:
        return 1.0, math.inf
    met = p[sample.keys.astype(np.int64)]
    mean = float((sample.counts * met).sum()) / sample.shots
    variance = float((sample.counts * (met - mean) ** 2).sum()) / sample.shots**2
    return min(1.0, max(0.0, (mean - d) / mass)), math.sqrt(variance) / mass


def _one_error(m: float, se: float, certified: float) -> float:
    """Weight of runs with exactly one error where a share m has none: −m ln m, at most 1/e."""
    if se > UNSURE:
        m = min(m, certified)
    m = min(1 - LEAST_LOST, max(1 / math.e, m))
    return -m * math.log(m)


def _basis(p_a: Floats, p_b: Floats, weights: Floats) -> Floats:
    """What noise makes of the ideal, orthonormal under the weights; shape (2^n, k)."""
    size = len(p_a)
    width = size.bit_length() - 1
    cells = np.arange(size)
    flips = [1 << j for j in range(width)] if FEWEST_FLIPPED <= width <= MOST_FLIPPED else []
    if FEWEST_FLIPPED_TWICE <= width <= MOST_FLIPPED:
        flips += [1 << j | 1 << k for j in range(width) for k in range(j)]
    columns = [np.full(size, 1 / size), p_a, *(p_a[cells ^ flip] for flip in flips)]
    if p_b is not p_a:
        columns.append(p_b)
    q, r = np.linalg.qr(np.stack(columns, axis=1) * np.sqrt(weights)[:, None])
    sizes = np.abs(np.diag(r))
    return np.asarray(q[:, sizes > 1e-9 * sizes.max()])


@dataclass(slots=True)
class _Sums:
    """Excess of coinciding pairs and its null cumulants, summed over units."""

    excess: float = 0.0
    allowed: float = 0.0
    variance: float = 0.0
    third: float = 0.0
    whole: float = 0.0
    """Excess that a pool of one shot would show."""


@dataclass(frozen=True, slots=True)
class _Sides:
    """Both sides of a unit (the same where one is tested alone): what each follows, and common colour."""

    alone: bool
    a: Sample
    b: Sample
    qa: Floats
    qb: Floats
    share: float

    @classmethod
    def of(cls, unit: PoolUnit, colour: float) -> _Sides:
        b = unit.a if unit.b is None else unit.b
        (ma, se_a), (mb, se_b) = _magnitude(unit.a, unit.p_a), _magnitude(b, unit.p_b)
        share = _one_error(ma, se_a, unit.certified_a) * _one_error(mb, se_b, unit.certified_b)
        if not FEWEST_FLIPPED_TWICE <= unit.a.width <= MOST_FLIPPED:
            share *= UNFITTED
        d = 1 / len(unit.p_a)
        qa, qb = ma * unit.p_a + (1 - ma) * d, mb * unit.p_b + (1 - mb) * d
        return cls(unit.b is None, unit.a, b, qa, qb, colour * share)


def _add_wide(sums: _Sums, one: _Sides) -> None:
    """A unit with more cells than shots: only m is fitted, and cells need no weights."""
    a, b, qa, qb, na, nb = one.a, one.b, one.qa, one.qb, one.a.shots, one.b.shots
    square, cube = float(qa @ qb), float((qa * qb) @ (qa + qb)) / 2
    on_qb = float(a.counts @ qb[a.keys.astype(np.int64)])
    if one.alone:
        half, ways, third = 0.5, na * (na - 1), 2.0 * float(na) ** 3 * cube
        met = float((a.counts * (a.counts - 1)).sum()) - 2 * (na - 1) * on_qb
    else:
        half, ways, third = 1.0, na * nb, 0.0
        on_qa = float(b.counts @ qa[b.keys.astype(np.int64)])
        met = float((a.counts * b.lookup(a.keys)).sum()) - nb * on_qb - na * on_qa
    room = half * one.share * ways * square
    sums.excess += half * (met + ways * square)
    sums.allowed += room
    sums.variance += half * ways * square + room * (na + nb) * cube / square
    sums.third += half * (ways * square + third)
    sums.whole += half * ways * (1 - square)


def _add_fitted(sums: _Sums, one: _Sides, fit_to: tuple[Floats, Floats]) -> None:
    """A unit by a weighted fit: Σ w r² − Σ w (1 − h) a, or Σ w r_a r_b.

    r are residuals, w weights and h leverages (the share of a cell that is fitted).
    """
    na, nb, half = one.a.shots, one.b.shots, 0.5 if one.alone else 1.0
    # 1/w lies in the span of the fit, so that the fixed number of shots is fitted too.
    w = 1 / ((one.qa + one.qb) / 2 + 2 / (na + nb))
    root = np.sqrt(w)
    fit = _basis(*fit_to, w)
    h = (fit**2).sum(axis=1)
    dense_a, dense_b = one.a.dense(), one.b.dense()
    mu_a, mu_b = na * one.qa, nb * one.qb
    on_a, on_b = fit.T @ (root * dense_a), fit.T @ (root * dense_b)
    sums.excess += half * float((w * dense_a) @ dense_b - on_a @ on_b)
    if one.alone:
        sums.excess -= half * float((w * (1 - h)) @ dense_a)
    both = w**2 * mu_a * mu_b
    inner_a, inner_b = (fit.T * (w * mu_a)) @ fit, (fit.T * (w * mu_b)) @ fit
    room = half * one.share * float((w * mu_a) @ mu_b)
    sums.allowed += room
    # Colour also sways how often each shot meets others: Σ w² r² μ, and w q is at most 1.
    sums.variance += half * float(both @ (1 - 2 * h) + (inner_a * inner_b).sum()) + room * (na + nb)
    sums.third += half * float(w @ both)
    if one.alone:
        sums.third += float(((1 - h) * w * mu_a) @ ((1 - h) * both * (1 - h)))
    sums.whole += half * float((w * (1 - h)) @ np.sqrt(one.qa * one.qb)) * na * nb


def pool_test(units: Sequence[PoolUnit], colour: float = COLOUR) -> PoolTest | None:
    """Whether a (and b) were drawn from a pool, against exact distributions; None without a single pair."""
    sums = _Sums()
    for unit in units:
        if unit.a.shots < 2 or (unit.b is not None and not unit.b.shots):
            continue
        if len(unit.p_a) * float(unit.p_a @ unit.p_a) >= MOST_PEAKED:
            continue
        sides = _Sides.of(unit, colour)
        if unit.a.width > MOST_FLIPPED:
            _add_wide(sums, sides)
        else:
            _add_fitted(sums, sides, (unit.p_a, unit.p_b))
    if sums.whole <= 0 or sums.variance <= 0:
        return None
    p_value = _tail(sums.excess - sums.allowed, sums.variance, sums.third)
    found = round(sums.whole / sums.excess) if sums.excess > 0 else 0
    least = sums.allowed + _quantile(sums.variance, sums.third)
    return PoolTest(p_value, found, int(sums.whole / least))


def _quantile(variance: float, third: float, p: float = 1e-6) -> float:
    """Excess whose tail is p."""
    skew = third / variance**1.5
    if skew < 1e-4:
        return float(norm.isf(p)) * math.sqrt(variance)
    shape = 4 / skew**2
    return float(gamma.isf(p, shape) - shape) * math.sqrt(variance / shape)


def asymmetry_p_value(
    units: Sequence[tuple[Sample, Sample, Sample]],
    magnitudes: Sequence[tuple[float, float, float]],
    slack: float = SLACK,
) -> float | None:
    """Chance that a and b agree so much better with each other than both with the third party c.

    Each unit is (a, b, c) with the predicted magnitudes of each. For wide outputs, where no ideal is to be
    had. A c that answers nonsense shows the same asymmetry (see `no_pool`), so this says "not two
    witnesses", never "guilty".
    """
    value = variance = met = 0.0
    for (a, b, c), (ma, mb, mc) in zip(units, magnitudes, strict=True):
        keys = np.unique(np.concatenate([a.keys, b.keys, c.keys]))
        fa, fb, fc = (s.lookup(keys).astype(np.float64) for s in (a, b, c))
        na, nb, nc = a.shots, b.shots, c.shots
        if not (na and nb and nc):
            continue
        d = 2.0**-a.width
        wa = slack / 2 * mb / max(mc, 1e-3) * nb / nc  # weight of the pairs (a, c), in pairs (a, b)
        wb = slack / 2 * ma / max(mc, 1e-3) * na / nc
        value += float((fa * fb).sum()) - na * nb * d
        value -= wa * (float((fa * fc).sum()) - na * nc * d) + wb * (float((fb * fc).sum()) - nb * nc * d)
        for counts, reach in ((fa, fb - wa * fc), (fb, fa - wb * fc), (fc, wa * fa + wb * fb)):
            mean = float((counts * reach).sum()) / counts.sum()
            variance += float((counts * (reach - mean) ** 2).sum())
        # Three pairs that were not met might have been; unseen ones have a variance too.
        variance += na * nb * d + 3 * (wa**2 + wb**2)
        met += na * nb * d + wa * float((fa * fc).sum()) + wb * float((fb * fc).sum()) + 3
    if not met:
        return None
    return _tail(value, variance, met)


def _parities(sample: Sample) -> Floats:
    """⟨Z_i⟩ and ⟨Z_i Z_j⟩, i < j."""
    width = sample.width
    signs = np.stack([1.0 - 2.0 * (sample.keys >> j & 1).astype(np.float64) for j in range(width)], axis=1)
    weights = sample.counts / sample.shots
    both = (signs.T * weights) @ signs
    return np.concatenate([weights @ signs, both[np.triu_indices(width, 1)]])


def no_pool(
    units: Sequence[tuple[Sample, Sample, Sample]], magnitudes: Sequence[tuple[float, float, float]]
) -> bool:
    """Whether a and b agree for another reason than a pool, so that it is c who stands apart.

    Shots of a pool count alike: with weights 1/M, Σq³ = (Σq²)². Outputs of circuits are uneven, 3/2 of that
    where they spread out. Or: their parities of one and two bits agree beyond what a pool's own noise makes
    them (1/M each), and not with c's. Whoever draws from right shots has the right parities, as an honest c.
    """
    pairs = triples = whole = 0.0
    together = against = variance = noise = 0.0
    for (a, b, c), (ma, mb, mc) in zip(units, magnitudes, strict=True):
        na, nb, nc = a.shots, b.shots, c.shots
        if min(na, nb, nc) < 3:
            continue
        ca = a.counts.astype(np.float64)
        cb = b.lookup(a.keys).astype(np.float64)
        met = float(ca @ cb)
        threes = float((ca * (ca - 1) * cb + ca * cb * (cb - 1)).sum())
        chance = na * nb * 2.0**-a.width
        pairs += met
        triples += threes
        whole += met**2 * (na + nb) / (na * nb)
        va, vb, vc = (_parities(s) for s in (a, b, c))
        share = 0.5 * min(1.0, mc / max(ma, mb, 1e-3))
        ab = float(va @ vb) - len(va) * max(0.0, met - chance) / (na * nb)
        across = (float(va @ vc) + float(vb @ vc)) / 2
        together += ab
        against += share * ab - across
        spread = float(va @ va) / nb + float(vb @ vb) / na + len(va) / (na * nb)
        noise += spread
        variance += share**2 * spread + (float(va @ va) + float(vb @ vb) + len(va) / nc) / (2 * nc)
        variance += float(vc @ vc) * (1 / na + 1 / nb) / 4
    if whole and (triples - 2 * math.sqrt(triples)) / whole > UNEVEN:
        return True
    return together > SURE * math.sqrt(noise) and against > SURE * math.sqrt(variance)


def overlap_p_value(pairs: Sequence[tuple[Sample, Sample]]) -> float | None:
    """Chance that two independent samples agree this well; None where no outcome was seen twice.

    Given how often an outcome was seen in both together (s), independent samples of one distribution share
    it binomially; each cell's squared deviation is 1 in the mean, with variance 2 + (1 − 6v)/(s v) and
    v = r(1 − r), at any s ≥ 1. Different distributions only deviate more, so a sum far in the lower tail is
    a copy, or a sample drawn from the other one.
    """
    deviation = variance = third = 0.0
    for a, b in pairs:
        keys = np.unique(np.concatenate([a.keys, b.keys]))
        ca, cb = a.lookup(keys).astype(np.float64), b.lookup(keys).astype(np.float64)
        s = ca + cb
        if not (a.shots and b.shots) or s.size < 2:
            continue  # whoever sees one outcome alone has no choice
        r = a.shots / (a.shots + b.shots)
        v = r * (1 - r)
        deviation += float((((ca - s * r) ** 2) / (s * v) - 1).sum()) + 1  # the numbers of shots are fixed
        variance += float(np.maximum(0.0, 2 + (1 - 6 * v) / (s * v)).sum())
        third += float(np.maximum(0.0, 8 - 16 / s).sum())
    if variance < 1:
        return None
    z, skew = -deviation / math.sqrt(variance), third / variance**1.5
    if skew < 1e-4:
        return float(norm.sf(z))
    shape = 4 / skew**2
    return float(gamma.cdf(shape - z * math.sqrt(shape), shape))


def replay_surprise(samples: Sequence[Sample]) -> float:
    """−log₁₀ p of the overlap test, had these counts been drawn again from themselves.

    Below the threshold of the test (6), it has no power: the outcomes are too few, or too alike.
    """
    pairs = []
    for number, sample in enumerate(samples):
        stream = Drbg(bytes(32), b"qcrs/replay/1" + number.to_bytes(4, "big"))
        shots = np.repeat(sample.keys, sample.counts)
        keys, counts = np.unique(shots[stream.integers(len(shots), len(shots))], return_counts=True)
        pairs.append((sample, Sample(sample.width, keys, counts.astype(np.int64))))
    p = overlap_p_value(pairs)
    return 0.0 if p is None else -math.log10(max(p, 1e-300))
