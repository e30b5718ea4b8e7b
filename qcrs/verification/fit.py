"""What happened to a distribution on its way: a model of honest noise, fitted to counts.

Pauli noise in a circuit does one of two things to its outcomes: it scrambles them, or it flips bits near
the end. So an honest device answers, to first order in its errors, with

    q = (1 − lost) · (⊗ⱼ flipⱼ(δⱼ)) p + lost / D,

p the ideal distribution with the registered readout errors. The fit (maximum likelihood by Fisher scoring,
against an exact p; weighted least squares between two samples, which also cancels second order because both
are compared with their mean) gives

    δⱼ        a bit that was flipped, whatever the others do; it needs no share of the spectrum
    damage    lost + Σ δⱼ: every fault is one or the other, so this grows as gates × error per gate and is
              nearly the same for circuits that scramble and for circuits that do not
    misfit    χ² of what the model cannot explain: not the noise of the device, but another answer
    weights   of named alternatives mixed into the answer (efficient score test, Neyman's C(α), 1959)

Measured on brickwork, QAOA, Ising, VQE, QFT and random circuits of 8 qubits: damage is 0.6 to 0.85 of gates
× error at two-qubit errors 1e-3 and 1e-2, δⱼ at most 8/15 × error × gates on the qubit, and the misfit of
honest noise at most a quarter of shots × damage² × colour (`Misfit`), or all of it where outputs are peaked.

A weak prior (standard deviation 1 of each parameter) leaves what the counts cannot tell with an error of
about 1, so that nothing follows from it. No BLAS or LAPACK takes part: sums are NumPy's pairwise ones and
the few linear equations are solved here, so machines differ in the last bits of logarithms at most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from qcrs.errors import VerificationError
from qcrs.verification.samples import Floats, Keys, Sample
from qcrs.verification.statistics import Estimate

__all__ = ["Alternative", "Fit", "Misfit", "fit_exact", "fit_peer"]

LEAST_SHOTS = 200
"""Shots of a unit below which it is not fitted."""
DENSE = 12
"""Widths up to which every outcome counts in the information, above only those seen."""
POOLED_PER_CELL = 4
"""Shots per outcome, both samples together, that two samples need."""
LEAST_EXPECTED = 5.0
MOST_FLIPS = 0.45
MOST_CORRECTED = 2.0
"""How many times the variance of a parameter may grow by taking the noise off."""
_PRIOR = 1.0


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another distribution (blurred as p) that may have been mixed in."""

    name: str
    density: Floats


@dataclass(frozen=True, slots=True)
class Misfit:
    """χ² of what the model leaves unexplained.

    `shots` times Σ e²/q is what an unexplained part e of q adds. `colour` is Σ g²/q of the profile g that a
    unit of damage has, half of it scrambled and half of it single flips: where q itself is made of noise a
    little damage explains much. `peaked` is D·Σq².
    """

    statistic: float
    df: int
    shots: int
    colour: float
    peaked: float


@dataclass(frozen=True, slots=True)
class Fit:
    """One unit's fit; between two samples everything is the tested one's relative to the reference."""

    lost: Estimate
    flips: tuple[Estimate, ...]
    damage: Estimate
    misfit: Misfit | None
    weights: tuple[tuple[str, Estimate], ...] = ()


def _flipped(density: Floats, bit: int) -> Floats:
    return density.reshape(-1, 2, 1 << bit)[:, ::-1].reshape(-1)


def _blurred(density: Floats, flips: Sequence[float]) -> Floats:
    """Flip bit j with probability flips[j]; negative ones undo what was flipped too much."""
    out = density.copy()
    for bit, flip in enumerate(flips):
        if flip:
            view = out.reshape(-1, 2, 1 << bit)
            moved = (view[:, 1] - view[:, 0]) * flip
            view[:, 0] += moved
            view[:, 1] -= moved
    return out


def _products(directions: Floats, weight: Floats) -> Floats:
    """Σ weight · dᵢ · dₖ for all pairs."""
    weighted = directions * weight
    return np.array([(weighted * direction).sum(axis=1) for direction in directions])


def _inverse(matrix: Floats) -> Floats | None:
    """Inverse of matrix + prior, by Gauss and Jordan (a few dozen rows); None unless positive definite."""
    n = len(matrix)
    rows = np.hstack([matrix + _PRIOR * np.eye(n), np.eye(n)])
    for i in range(n):
        if not rows[i, i] > _PRIOR / 2:  # every pivot of prior + something positive is at least the prior
            return None
        row = rows[i] / rows[i, i]
        rows = rows - rows[:, i : i + 1] * row
        rows[i] = row
    return np.asarray(rows[:, n:])


def _applied(matrix: Floats, vector: Floats) -> Floats:
    return np.asarray((matrix * vector).sum(axis=1))


def _sandwich(inverse: Floats, products: Floats) -> Floats:
    """inverse · (products + prior) · inverse: the covariance where the inverse is another matrix's."""
    half = np.array([_applied(products + _PRIOR * np.eye(len(products)), row) for row in inverse])
    return np.array([_applied(half, row) for row in inverse])


def _inverted(products: Floats) -> Floats:
    """Inverse of sums of squares + prior."""
    inverse = _inverse(products)
    if inverse is None:
        raise VerificationError("a sum of squares is not positive", field="products", value=len(products))
    return inverse


def _without_noise(products: Floats, noise: Floats) -> Floats:
    """Inverse of the products less their noise, or less as much of it as leaves most of each to stand on."""
    whole = _inverted(products)
    for part in (1.0, 0.75, 0.5, 0.25):
        inverse = _inverse(products - part * noise)
        if inverse is not None and bool((np.diag(inverse) <= MOST_CORRECTED * np.diag(whole)).all()):
            return inverse
    return whole


def _estimates(values: Floats, covariance: Floats) -> tuple[Estimate, tuple[Estimate, ...], Estimate]:
    """lost, flips and damage from the parameters (lost first) and their covariance."""
    numbers = values.tolist()
    variances = [max(0.0, float(covariance[i, i])) for i in range(len(numbers))]
    each = [Estimate(v, math.sqrt(variance)) for v, variance in zip(numbers, variances, strict=True)]
    total = max(0.0, float(covariance.sum()))
    return each[0], tuple(each[1:]), Estimate(sum(numbers), math.sqrt(total))


def _profile(q: Floats, width: int) -> Floats:
    """What a unit of damage adds to q: half of it white, half of it single flips of all bits alike."""
    flips = sum((_flipped(q, bit) for bit in range(width)), np.zeros_like(q))
    return np.asarray(0.5 / len(q) + 0.5 * flips / width)


class _Exact:
    """The model against an exact distribution."""

    def __init__(self, a: Sample, p: Floats, readout: Sequence[float]) -> None:
        self.width, self.shots = a.width, a.shots
        self.p = p
        self.dense = a.width <= DENSE
        keys = a.keys.astype(np.int64)
        self.cells: Keys = np.arange(len(p)) if self.dense else keys
        self.counts = a.dense() if self.dense else a.counts.astype(np.float64)
        self.least = np.array([0.0, *(-0.9 * r / (1 - 2 * r) for r in readout)])
        self.most = np.array([1.0] + [MOST_FLIPS] * a.width)
        self.values = np.array([0.01] + [0.002] * a.width)
        self.q = self.core = p
        self.directions = self.products = self.covariance = np.zeros((0, 0))

    def _expand(self) -> None:
        """Set q, its derivatives on the cells and their products at the present parameters."""
        lost, *flips = self.values.tolist()
        d = 1.0 / len(self.p)
        self.core = _blurred(self.p, flips)
        at = self.core[self.cells]
        self.q = np.maximum((1 - lost) * at + lost * d, 1e-3 * d)
        rows = [d - at]
        for bit, flip in enumerate(flips):
            other = _flipped(self.core, bit) if self.dense else self.core[self.cells ^ (1 << bit)]
            rows.append((other - at) * ((1 - lost) / (1 - 2 * flip)))
        self.directions = np.array(rows)
        self.products = _products(self.directions, self.information())

    def information(self) -> Floats:
        """What a product of two directions is weighted with."""
        return np.asarray(self.shots / self.q if self.dense else self.counts / self.q**2)

    def solve(self, rounds: int) -> Floats:
        """The parameters, by Fisher scoring within bounds (those that press against one are held there).

        The last step is not bounded: it is unbiased where the truth is at a bound, as no loss is.
        """
        for _ in range(rounds):
            self._expand()
            slopes = self._slopes()
            held = ((self.values <= self.least) & (slopes < 0)) | ((self.values >= self.most) & (slopes > 0))
            free = np.where(held, 0.0, 1.0)
            moves = _applied(_inverted(self.products * free * free[:, None]), slopes * free)
            self.values = np.minimum(self.most, np.maximum(self.least, self.values + moves))
        self._expand()
        self.covariance = _inverted(self.products)
        return np.asarray(self.values + _applied(self.covariance, self._slopes()))

    def _slopes(self) -> Floats:
        """Derivatives of the logarithm of likelihood and prior."""
        return np.asarray((self.directions * (self.counts / self.q)).sum(axis=1) - _PRIOR * self.values)

    def misfit(self) -> Misfit | None:
        """χ² of the counts against q; outcomes expected fewer than five times are taken together.

        A parameter at its bound has explained nothing and costs no degree of freedom.
        """
        if not self.dense:
            return None
        q = self.q / float(self.q.sum())
        expected = self.shots * q
        often = expected >= LEAST_EXPECTED
        statistic = float(((self.counts[often] - expected[often]) ** 2 / expected[often]).sum())
        free = int(((self.values > self.least) & (self.values < self.most)).sum())
        df = int(often.sum()) - 1 - free
        rest = self.shots - float(expected[often].sum())
        profile = _profile(q, self.width)
        colour = float((profile[often] ** 2 / q[often]).sum())
        if rest >= LEAST_EXPECTED:
            statistic += (self.shots - float(self.counts[often].sum()) - rest) ** 2 / rest
            colour += float(profile[~often].sum()) ** 2 * self.shots / rest
            df += 1
        peaked = len(q) * float((q**2).sum())
        return Misfit(statistic, df, self.shots, colour, peaked) if df > 0 else None

    def mixed(self, density: Floats) -> Floats:
        """What mixing in another distribution, with the same noise, changes on the cells.

        In wide outputs the flips by gates are left out: they cost a pass over 2ⁿ numbers for each bit.
        """
        lost, *flips = self.values.tolist()
        d = 1.0 / len(self.p)
        there = _blurred(density, flips)[self.cells] if self.dense else density[self.cells]
        return np.asarray((1 - lost) * there + lost * d - self.q)

    def swapped(self, a: int, b: int) -> Floats:
        """What mixing in the answer with two bits swapped changes on the cells."""
        differs = (self.cells >> a ^ self.cells >> b) & 1
        there = self.core[self.cells ^ (differs << a | differs << b)]
        return np.asarray((1 - float(self.values[0])) * (there - self.core[self.cells]))

    def weight(self, change: Floats) -> Estimate:
        """Share of another answer, by its change, with the model's own parameters projected out."""
        score = self.counts / self.q
        weighted = change * self.information()
        slopes = (self.directions * score).sum(axis=1)
        mixed = (self.directions * weighted).sum(axis=1)
        carried = _applied(self.covariance, mixed)
        own = float((weighted * change).sum()) - float((mixed * carried).sum())
        slope = float((change * score).sum()) - float((slopes * carried).sum())
        precision = max(own, 0.0) + _PRIOR
        return Estimate(slope / precision, 1 / math.sqrt(precision))


def fit_exact(
    a: Sample, p: Floats, readout: Sequence[float], alternatives: Sequence[Alternative] = ()
) -> Fit | None:
    """Fit a sample against p (already blurred by `readout`); None for too few shots or no bits."""
    if a.shots < LEAST_SHOTS or a.width == 0:
        return None
    model = _Exact(a, p, readout)
    lost, flips, damage = _estimates(model.solve(8 if model.dense else 3), model.covariance)
    changes = [(one.name, model.mixed(one.density)) for one in alternatives]
    changes += [(f"swap {j} {k}", model.swapped(j, k)) for j, k in combinations(range(a.width), 2)]
    weights = tuple((name, model.weight(change)) for name, change in changes)
    return Fit(lost, flips, damage, model.misfit(), weights)


def fit_peer(a: Sample, b: Sample) -> Fit | None:
    """Fit a sample relative to another of the same readout errors; None where both are too thin.

    The pooled frequencies are uncorrelated with the difference that they explain; their noise only adds to
    the products of directions, from which it is taken off.
    """
    na, nb = a.shots, b.shots
    size = 1 << min(a.width, 40)
    if min(na, nb) < LEAST_SHOTS or a.width == 0 or na + nb < POOLED_PER_CELL * size:
        return None
    ca, cb = a.dense(), b.dense()
    pooled = (ca + cb) / (na + nb)
    smooth = (ca + cb + 1) / (na + nb + size)
    weight = 1 / (smooth * (1 / na + 1 / nb))
    difference = ca / na - cb / nb
    directions = np.array([1.0 / size - pooled] + [_flipped(pooled, bit) - pooled for bit in range(a.width)])
    products = _products(directions, weight)
    share = na * nb / (na + nb) ** 2
    noise = np.full_like(products, share * float((pooled / smooth).sum()))
    for bit in range(a.width):
        noise[bit + 1, bit + 1] += share * float((_flipped(pooled, bit) / smooth).sum())
    slopes = (directions * (weight * difference)).sum(axis=1)
    inverse = _without_noise(products, noise)
    lost, flips, damage = _estimates(_applied(inverse, slopes), _sandwich(inverse, products))
    nearest = _applied(_inverted(products), slopes)  # explains most, noise and all
    left = difference - (directions * nearest[:, None]).sum(axis=0)
    return Fit(lost, flips, damage, _two_sample_misfit(ca, cb, left, a.width))


def _two_sample_misfit(ca: Floats, cb: Floats, left: Floats, width: int) -> Misfit | None:
    """χ² of what is left of the difference of frequencies."""
    na, nb = float(ca.sum()), float(cb.sum())
    pooled, both = (ca + cb) / (na + nb), 1 / na + 1 / nb
    often = pooled * min(na, nb) >= LEAST_EXPECTED
    statistic = float((left[often] ** 2 / (pooled[often] * both)).sum())
    df = int(often.sum()) - 2 - width
    profile = _profile(pooled, width)
    colour = float((profile[often] ** 2 / pooled[often]).sum())
    rest = 1.0 - float(pooled[often].sum())
    if rest * min(na, nb) >= LEAST_EXPECTED:
        statistic += float(left[~often].sum()) ** 2 / (rest * both)
        colour += float(profile[~often].sum()) ** 2 / rest
        df += 1
    if df <= 0:
        return None
    peaked = len(ca) * float((ca / na * (cb / nb)).sum())
    return Misfit(statistic, df, round(1 / both), colour, peaked)
