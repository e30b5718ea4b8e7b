"""Collision statistics: how alike two noisy samples of one distribution are, when one device is worse.

For counts a, b with N_a, N_b shots over D = 2^width outcomes, the collision rates

    C_ab = Σ a b / (N_a N_b)         C_aa = Σ a (a − 1) / (N_a (N_a − 1))

are unbiased estimates of Σ p_a p_b and Σ p_a². White noise of any strength scales p − 1/D, so

    shape      ρ = (C_ab − 1/D) / √((C_aa − 1/D)(C_bb − 1/D))    stays 1,
    magnitude  m = (C_ab − 1/D) / (C_bb − 1/D)                    is the ratio of fidelities,
    bit j      R_j = m_j / m, m_j from the Fourier mass that contains bit j,
    distance   d² = D (C_aa + C_bb − 2 C_ab)                      serves where p is nearly uniform.

χ², total variation and Hellinger distance are useless between devices: they reject honest pairs. The
reference b may also be an exact distribution (then it has no sampling error).

Standard errors are the delete-one-shot jackknife in closed form (every statistic is a smooth function
of U-statistics, so each shot's influence is explicit). It has no random groups, so it does not depend on
the order of shots, which a provider chooses, and never underestimates by luck as ten groups do.

Units of one job are pooled as one concatenated distribution: collision rates minus 1/D_u are summed with
weights (share of the shots)².
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from qcrs.circuits.drbg import Drbg
from qcrs.verification.samples import Floats, Keys, Sample, blur_density, flip_sample

__all__ = [
    "Estimate",
    "ExactUnit",
    "PairStatistics",
    "PeerUnit",
    "Unit",
    "exact_unit",
    "missing_errors",
    "peer_unit",
]

LEAST_BIT_SHOTS = 50
UNKNOWN = 1e9
"""Influence of the one shot of a sample that has no pairs."""
DENSE_WIDTH = 14
"""Widths to which samples are blurred exactly; above, shots are flipped at random."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and its standard error."""

    value: float
    se: float

    def below(self, limit: float, z: float) -> bool:
        """Whether it lies below a limit by z standard errors."""
        return bool(self.value + z * self.se < limit)

    def above(self, limit: float, z: float) -> bool:
        """Whether it lies above a limit by z standard errors."""
        return bool(self.value - z * self.se > limit)


@dataclass(frozen=True, slots=True)
class BitMass:
    """Twice the Fourier mass that contains one bit, and what each shot adds to it."""

    ab: float
    bb: float
    a_on_ab: Floats
    b_on_ab: Floats | None = None
    b_on_bb: Floats | None = None


class Unit(Protocol):
    """One circuit of a comparison; `aa`, `bb`, `ab` are collision rates less 1/D."""

    @property
    def width(self) -> int:
        """Measured bits."""

    @property
    def shots(self) -> int:
        """Shots of the tested side."""

    @property
    def aa(self) -> float:
        """C_aa − 1/D."""

    @property
    def bb(self) -> float:
        """C_bb − 1/D."""

    @property
    def ab(self) -> float:
        """C_ab − 1/D."""

    def influence(self, on_aa: float, on_bb: float, on_ab: float) -> tuple[Floats, Floats | None]:
        """What one shot of a, and of b, in each cell adds to on_aa·aa + on_bb·bb + on_ab·ab."""

    def variance(self, a: Floats, b: Floats | None) -> float:
        """Variance of a sum of these influences over the shots."""

    def pair_noise(self, on_aa: float, on_bb: float, on_ab: float) -> float:
        """Variance of the number of coinciding pairs alone: the least that the whole variance can be."""

    def prior_noise(self, on_ab: float) -> float:
        """Variance that few shots cannot show themselves (three equal shots look certain)."""

    def bit_mass(self, bit: int) -> BitMass:
        """Mass of one bit."""

    def bit_means(self) -> tuple[Floats, Floats, Floats]:
        """Mean of each bit on both sides, and the standard error of the difference."""


@dataclass(frozen=True, slots=True)
class _Side:
    """One sample on the cells, and what one of its shots meets there."""

    counts: Floats
    density: Floats
    """Blurred."""
    self_reach: Floats
    """Density after the blur of both shots of a pair, for the side's collisions with itself."""
    cross_reach: Floats
    """The other side's density as a raw shot of this side meets it."""
    shots: int
    self_pair: float
    """What a shot paired with itself contributes to Σ density²·N²: 1 without blur."""
    kernel: float
    """How much blur shrinks the variance of the number of coinciding pairs: 1 without blur."""

    def collision(self) -> float:
        n = self.shots
        return float((n * (self.density**2).sum() - self.self_pair) / (n - 1)) if n > 1 else 0.0

    def influence(self, on_self: float, collision: float, on_cross: float, cross: float) -> Floats:
        n = self.shots
        out = on_cross * (self.cross_reach - cross) / n
        if on_self:
            if n < 2:
                return np.full_like(out, UNKNOWN)
            out = out + on_self * 2 * ((n * self.self_reach - self.self_pair) / (n - 1) - collision) / n
        return np.asarray(out)


@dataclass(frozen=True, slots=True)
class PeerUnit:
    """Two samples of one circuit on common cells."""

    width: int
    cells: Keys
    a: _Side
    b: _Side
    blur_b: tuple[float, ...]
    """Flip probabilities that were applied to b exactly (empty where shots were flipped at random)."""
    aa: float
    bb: float
    ab: float

    @property
    def shots(self) -> int:
        """Shots of the tested side."""
        return self.a.shots

    def influence(self, on_aa: float, on_bb: float, on_ab: float) -> tuple[Floats, Floats | None]:
        """See `Unit`."""
        d = 2.0**-self.width
        return (
            self.a.influence(on_aa, self.aa + d, on_ab, self.ab + d),
            self.b.influence(on_bb, self.bb + d, on_ab, self.ab + d),
        )

    def variance(self, a: Floats, b: Floats | None) -> float:
        """See `Unit`."""
        total = float((self.a.counts * a**2).sum())
        return total if b is None else total + float((self.b.counts * b**2).sum())

    def pair_noise(self, on_aa: float, on_bb: float, on_ab: float) -> float:
        """See `Unit`."""
        d, na, nb = 2.0**-self.width, self.a.shots, self.b.shots
        kernel = math.sqrt(self.a.kernel * self.b.kernel)
        return (
            on_ab**2 * kernel * max(self.ab + d, d) / (na * nb)
            + on_aa**2 * self.a.kernel * 2 * max(self.aa + d, d) / max(1, na * (na - 1))
            + on_bb**2 * self.b.kernel * 2 * max(self.bb + d, d) / max(1, nb * (nb - 1))
        )

    def prior_noise(self, on_ab: float) -> float:
        """See `Unit`; here the noise of coinciding pairs already says it."""
        return 0.0 * on_ab

    def _flipped(self, values: Floats, bit: int) -> Floats:
        """The values at the outcomes with one bit flipped, 0 outside the cells."""
        if len(self.cells) == 1 << self.width:
            return values.reshape(-1, 2, 1 << bit)[:, ::-1].reshape(-1)
        other = self.cells ^ np.array(1 << bit, dtype=self.cells.dtype)
        at = np.minimum(np.searchsorted(self.cells, other), len(self.cells) - 1)
        return np.asarray(np.where(self.cells[at] == other, values[at], 0.0))

    def bit_mass(self, bit: int) -> BitMass:
        """See `Unit`."""
        a, b = self.a, self.b
        error = self.blur_b[bit] if self.blur_b else 0.0
        apart = 2 * error * (1 - error)  # chance that two blurred copies of one shot differ in this bit
        alone = b.self_pair * (1 - apart / (1 - apart))
        difference = b.density - self._flipped(b.density, bit)
        gab = float((a.density * difference).sum())
        gbb = (b.shots * float((b.density * difference).sum()) - alone) / max(1, b.shots - 1)
        a_reach = a.cross_reach - self._flipped(a.cross_reach, bit)
        b_cross = b.cross_reach - self._flipped(b.cross_reach, bit)
        b_self = b.self_reach - self._flipped(b.self_reach, bit)
        b_on_bb = 2 * ((b.shots * b_self - alone) / max(1, b.shots - 1) - gbb) / b.shots
        return BitMass(gab, gbb, (a_reach - gab) / a.shots, (b_cross - gab) / b.shots, b_on_bb)

    def bit_means(self) -> tuple[Floats, Floats, Floats]:
        """See `Unit`."""
        means = []
        for side in (self.a, self.b):
            bits = [float(side.density[(self.cells >> j & 1).astype(bool)].sum()) for j in range(self.width)]
            means.append(np.array(bits))
        pa, pb = means
        return pa, pb, np.sqrt(_mean_variance(pa, self.a.shots) + _mean_variance(pb, self.b.shots))


def _mean_variance(p: Floats, shots: int) -> Floats:
    """Variance of a frequency, with two imagined shots on either side so that few never look certain."""
    q = (p * shots + 2) / (shots + 4)
    return np.asarray(q * (1 - q) / (shots + 4))


@dataclass(frozen=True, slots=True)
class ExactUnit:
    """One sample against an exact distribution p over all outcomes."""

    width: int
    cells: Keys
    a: _Side
    p: Floats
    aa: float
    bb: float
    ab: float

    @property
    def shots(self) -> int:
        """Shots of the tested side."""
        return self.a.shots

    def influence(self, on_aa: float, on_bb: float, on_ab: float) -> tuple[Floats, Floats | None]:  # noqa: ARG002 -- p has no error
        """See `Unit`."""
        d = 2.0**-self.width
        return self.a.influence(on_aa, self.aa + d, on_ab, self.ab + d), None

    def variance(self, a: Floats, b: Floats | None) -> float:  # noqa: ARG002 -- p has no error
        """See `Unit`."""
        return float((self.a.counts * a**2).sum())

    def pair_noise(self, on_aa: float, on_bb: float, on_ab: float) -> float:  # noqa: ARG002 -- p has no error
        """See `Unit`."""
        d, n = 2.0**-self.width, self.a.shots
        return on_aa**2 * 2 * max(self.aa + d, d) / max(1, n * (n - 1))

    def prior_noise(self, on_ab: float) -> float:
        """See `Unit`: variance of p(x) for x from p with a fifth of white noise."""
        square, cube, d = self.bb + 2.0**-self.width, float((self.p**3).sum()), 2.0**-self.width
        mean, mean_square = 0.8 * square + 0.2 * d, 0.8 * cube + 0.2 * d * square
        return on_ab**2 * max(0.0, mean_square - mean**2) / self.a.shots

    def bit_mass(self, bit: int) -> BitMass:
        """See `Unit`."""
        view = self.p.reshape(-1, 2, 1 << bit)
        difference = view[:, 0] - view[:, 1]
        gbb = float((difference**2).sum())
        reach = self.a.cross_reach - self.p[self.cells ^ (1 << bit)]
        gab = float((self.a.density * reach).sum())
        return BitMass(gab, gbb, (reach - gab) / self.a.shots)

    def bit_means(self) -> tuple[Floats, Floats, Floats]:
        """See `Unit`."""
        pa = np.array([self.a.density[(self.cells >> j & 1).astype(bool)].sum() for j in range(self.width)])
        pb = np.array([self.p.reshape(-1, 2, 1 << j)[:, 1].sum() for j in range(self.width)])
        return pa, pb, np.sqrt(_mean_variance(pa, self.a.shots))


def missing_errors(own: Sequence[float], other: Sequence[float]) -> tuple[float, ...]:
    """The flips that bring each bit's own readout error up to the other's, where that is larger."""
    pairs = [(min(e, 0.45), min(f, 0.45)) for e, f in zip(own, other, strict=True)]
    return tuple(max(0.0, f - e) / (1 - 2 * e) for e, f in pairs)


def peer_unit(
    a: Sample,
    b: Sample,
    errors_a: Sequence[float] = (),
    errors_b: Sequence[float] = (),
    stream: Drbg | None = None,
) -> PeerUnit:
    """Compare two samples after bringing both to the larger readout error of each bit.

    Blurring each side by the other's whole error would do as well, but costs structure for nothing.
    `stream` is where wide samples, whose shots are flipped one by one, take their randomness from.
    """
    width, d = a.width, 2.0**-a.width
    errors_a, errors_b = missing_errors(errors_a, errors_b), missing_errors(errors_b, errors_a)
    dense = width <= DENSE_WIDTH
    if dense:
        cells: Keys = np.arange(1 << width)
        raw_a, raw_b = a.dense(), b.dense()
    else:
        if stream is not None:
            a, b = flip_sample(a, errors_a, stream), flip_sample(b, errors_b, stream)
        cells = np.unique(np.concatenate([a.keys, b.keys]))
        raw_a, raw_b = a.lookup(cells).astype(np.float64), b.lookup(cells).astype(np.float64)
    blur_a, blur_b = (errors_a, errors_b) if dense else ((), ())

    def alike(errors: Sequence[float]) -> float:
        return math.prod((1 - e) ** 2 + e**2 for e in errors)

    def kernel(errors: Sequence[float]) -> float:
        return alike([2 * e * (1 - e) for e in errors])

    fa, fb = blur_density(raw_a / a.shots, blur_a), blur_density(raw_b / b.shots, blur_b)
    reach_a, reach_b = blur_density(fa, blur_a), blur_density(fb, blur_b)
    left = _Side(raw_a, fa, reach_a, blur_density(fb, blur_a), a.shots, alike(blur_a), kernel(blur_a))
    right = _Side(raw_b, fb, reach_b, blur_density(fa, blur_b), b.shots, alike(blur_b), kernel(blur_b))
    ab = float((fa * fb).sum())
    return PeerUnit(width, cells, left, right, blur_b, left.collision() - d, right.collision() - d, ab - d)


def exact_unit(a: Sample, probabilities: Floats, errors_a: Sequence[float] = ()) -> ExactUnit:
    """Compare a sample with an exact distribution, which is blurred by the sample's readout errors."""
    p = blur_density(probabilities, errors_a)
    cells = a.keys.astype(np.int64)
    raw = a.counts.astype(np.float64)
    density, reach, d = raw / a.shots, p[cells], 2.0**-a.width
    side = _Side(raw, density, density, reach, a.shots, 1.0, 1.0)
    ab = float((density * reach).sum())
    return ExactUnit(a.width, cells, side, p, side.collision() - d, float((p**2).sum()) - d, ab - d)


def _variance(unit: Unit, on_aa: float, on_bb: float, on_ab: float) -> float:
    """Variance of on_aa·aa + on_bb·bb + on_ab·ab.

    The jackknife counts the noise of coinciding pairs twice; it is taken off once, and is the floor.
    """
    pairs = unit.pair_noise(on_aa, on_bb, on_ab)
    return max(unit.variance(*unit.influence(on_aa, on_bb, on_ab)) - pairs, pairs)


class PairStatistics:
    """Pooled statistics of one execution against one reference, over all units of a job."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = tuple(units)
        total = sum(unit.shots for unit in units)
        self.weights = tuple((unit.shots / total) ** 2 for unit in units)
        self.aa = sum(w * unit.aa for w, unit in self._weighted())
        self.bb = sum(w * unit.bb for w, unit in self._weighted())
        self.ab = sum(w * unit.ab for w, unit in self._weighted())

    def _weighted(self) -> Iterator[tuple[float, Unit]]:
        return zip(self.weights, self.units, strict=True)

    def _se(self, on_aa: float, on_bb: float, on_ab: float) -> float:
        """Standard error of a function with these derivatives."""
        total = 0.0
        for weight, unit in self._weighted():
            terms = (weight * on_aa, weight * on_bb, weight * on_ab)
            total += _variance(unit, *terms)
        return math.sqrt(total)

    def tested_mass(self) -> Estimate:
        """C_aa − 1/D of the tested side."""
        return Estimate(self.aa, self._se(1, 0, 0))

    def reference_mass(self) -> Estimate:
        """C_bb − 1/D of the reference."""
        return Estimate(self.bb, self._se(0, 1, 0))

    def shape(self) -> Estimate:
        """ρ; of infinite error where either side has no structure to compare."""
        if not (self.aa > 0 and self.bb > 0):
            return Estimate(0.0, math.inf)
        norm = math.sqrt(self.aa * self.bb)
        value = self.ab / norm
        return Estimate(value, self._se(-value / (2 * self.aa), -value / (2 * self.bb), 1 / norm))

    def magnitude(self) -> Estimate:
        """m, the ratio of fidelities; of infinite error where the reference has no structure."""
        if not self.bb > 0:
            return Estimate(0.0, math.inf)
        value = self.ab / self.bb
        prior = sum(unit.prior_noise(weight / self.bb) for weight, unit in self._weighted())
        return Estimate(value, math.sqrt(max(self._se(0, -value / self.bb, 1 / self.bb) ** 2, prior)))

    def distance(self) -> Estimate:
        """D times the squared L2 distance, averaged over units by their shots."""
        value = variance = 0.0
        for weight, unit in self._weighted():
            k = math.sqrt(weight) * 2.0**unit.width
            value += k * (unit.aa + unit.bb - 2 * unit.ab)
            variance += _variance(unit, k, k, -2 * k)
        return Estimate(value, math.sqrt(variance))

    def unit_magnitudes(self) -> list[Estimate]:
        """m of each unit alone."""
        return [PairStatistics([unit]).magnitude() for unit in self.units]

    def bit_ratio(self, bit: int, least_share: float = 0.02) -> Estimate | None:
        """R_j pooled over the units that have bit j; None where it holds too little of the mass or shots."""
        if sum(unit.shots for unit in self.units if bit < unit.width) < LEAST_BIT_SHOTS:
            return None
        parts = [(w, unit, unit.bit_mass(bit)) for w, unit in self._weighted() if bit < unit.width]
        gab, gbb = sum(w * g.ab for w, _, g in parts), sum(w * g.bb for w, _, g in parts)
        ab, bb = sum(w * unit.ab for w, unit, _ in parts), sum(w * unit.bb for w, unit, _ in parts)
        # The mass with bit j is half of the differences; all mass together is C − 1/D.
        if not (ab > 0 and bb > 0 and gbb / 2 >= least_share * bb):
            return None
        slope = (gab / gbb) / (ab / bb)
        variance = 0.0
        for w, unit, g in parts:
            a, b = unit.influence(0, w * slope / bb, -w * slope / ab)
            # d(gab/gbb · bb/ab), written so that a mass near zero does not divide.
            scale = w * (bb / ab) / gbb
            a = a + scale * g.a_on_ab
            if b is not None and g.b_on_ab is not None and g.b_on_bb is not None:
                b = b + scale * (g.b_on_ab - (gab / gbb) * g.b_on_bb)
            noise = (w * (bb / ab) / gbb) ** 2 * unit.pair_noise(0, 0, 1) * 2
            variance += max(unit.variance(a, b), noise if b is not None else 0.0)
        return Estimate(slope, math.sqrt(variance))

    def marginals(self) -> Estimate:
        """Largest significant difference of a single bit's mean between the sides, over units and bits."""
        worst = Estimate(0.0, 0.0)
        for unit in self.units:
            pa, pb, se = unit.bit_means()
            for value, error in zip(np.abs(pa - pb).tolist(), se.tolist(), strict=True):
                if value - 2 * error > worst.value - 2 * worst.se or worst.se == 0:
                    worst = Estimate(value, error)
        return worst
