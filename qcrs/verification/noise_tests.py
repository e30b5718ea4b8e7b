"""Tests on the fitted noise model (`qcrs.verification.fit`): is what happened to the answer honest noise?

Four questions, each against what the certificate allows. Their thresholds leave room for errors that differ
from qubit to qubit and from day to day; three fake devices of qiskit-ibm-runtime stay below half of it.

    bit j       flips beyond twice 8/15 × error × gates on its qubit, and 5 %
    fidelity    1 − damage, damage at most 2.5 × gates × error: a device ten times worse stands out
    fit         what noise cannot explain (noncentral χ²: honest noise is not quite the model's)
    answer      a named other answer mixed in: the state cut to a small bond dimension (V3 only)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qcrs.circuits.drbg import Drbg
from qcrs.verification.fit import Alternative, Fit, Misfit, fit_exact, fit_peer
from qcrs.verification.samples import Floats, Sample, flip_sample
from qcrs.verification.statistics import Estimate, missing_errors
from qcrs.verification.verdict import Finding, Policy, quantised, rounded, test_of, turned

__all__ = ["Expected", "NoiseUnit", "noise_findings"]


_ON_BITS = 0.3
"""Part of the unexplained noise that may look like flips of one bit (the model takes up most of those)."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the certificates predict of one unit: damage (gates × error) and flips of each bit by gates."""

    damage: float
    flips: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class NoiseUnit:
    """One circuit: sample, reference (as in `PairUnit`), readout errors, predictions of both sides."""

    a: Sample
    reference: Sample | Floats
    errors_a: tuple[float, ...]
    errors_b: tuple[float, ...]
    expected: Expected
    expected_b: Expected | None = None
    """None for an exact reference."""
    alternatives: tuple[Alternative, ...] = ()

    def fitted(self, stream: Callable[[], Drbg]) -> Fit | None:
        """The fit, where there is enough to fit; two samples are first brought to equal readout errors."""
        if not isinstance(self.reference, Sample):
            return fit_exact(self.a, self.reference, self.errors_a, self.alternatives)
        if self.a.width > 40 or self.a.shots + self.reference.shots < 1 << self.a.width:
            return None
        drbg = stream()
        a = flip_sample(self.a, missing_errors(self.errors_a, self.errors_b), drbg)
        b = flip_sample(self.reference, missing_errors(self.errors_b, self.errors_a), drbg)
        return fit_peer(a, b)

    def unexplained(self, fit: Fit, misfit: Misfit, policy: Policy) -> float:
        """Noncentrality that honest noise may leave: colour × shots × damage², damage as found but capped."""
        other = self.expected_b.damage if self.expected_b is not None else 0.0
        most = 1.25 * max(self.expected.damage, other) + 0.02
        found = min(most, abs(fit.damage.value) + 2 * fit.damage.se)
        shared = 0.85 * min(self.expected.damage, other)  # what both lost does not show in the difference
        colour = (policy.misfit_colour + min(1.0, misfit.peaked / policy.misfit_peaked)) * misfit.colour
        return float(colour * misfit.shots * (found**2 + shared**2))

    def widened(self, fit: Fit, estimate: Estimate, policy: Policy, part: float = 1.0) -> Estimate:
        """The estimate with the error that unexplained honest noise, or a part of it, adds to a direction."""
        if fit.misfit is None:
            return estimate
        more = part * self.unexplained(fit, fit.misfit, policy) / fit.misfit.df
        return Estimate(estimate.value, estimate.se * math.sqrt(1 + more))

    def share(self, fit: Fit, bit: int, policy: Policy) -> float:
        """Damage that the sample suffered apart from one bit, over what is predicted; between 0 and 1.5."""
        before = policy.damage_least * self.expected_b.damage if self.expected_b is not None else 0.0
        rest = self.expected.damage - self.expected.flips[bit]
        suffered = fit.damage.value - fit.flips[bit].value + before
        return min(1.5, max(0.0, suffered / rest)) if rest > 0 else 0.0


def noise_findings(
    name: str, units: Sequence[NoiseUnit], policy: Policy, seed: bytes
) -> tuple[list[Finding], list[bool]]:
    """All findings against the reference `name`, and which units were fitted."""
    fits = []
    for index, unit in enumerate(units):
        label = b"qcrs/fit/1" + index.to_bytes(4, "big")
        fit = unit.fitted(lambda label=label: Drbg(seed, label))  # type: ignore[misc] # bound at once
        # A few outcomes do not tell damage from a change of shape: the plain tests know more.
        blind = fit is not None and rounded(fit.damage.se) > policy.damage_blind
        fits.append(None if blind else fit)
    found = [(unit, fit) for unit, fit in zip(units, fits, strict=True) if fit is not None]
    findings: list[Finding] = []
    if found:
        findings.append(_fidelity(name, found, policy))
        findings += [
            finding
            for finding in (
                _bit(name, found, policy),
                _fit(name, found, policy),
                _answer(name, found, policy),
            )
            if finding is not None
        ]
    return findings, [fit is not None for fit in fits]


def _excess_finding(
    name: str, excess: Estimate, limit: float, z: tuple[float, float, float], accept: float | None = None
) -> Finding:
    """A finding on something that should be small, shown as 1 − x; z to stay open, to fail, to condemn."""
    z_open, z_reject, z_fraud = z
    excess, limit = quantised(excess), rounded(limit)
    fails = excess.above(limit, z_reject)
    return Finding(
        test_of(name, turned(excess), 1 - limit, passed=not fails),
        fails=fails,
        condemns=excess.above(limit, z_fraud),
        accepts=not excess.above(limit if accept is None else rounded(accept), z_open),
    )


def _least(pairs: Sequence[tuple[float, float]], expected: float) -> float:
    return min(factor * expected + constant for factor, constant in pairs)


def _fidelity(name: str, found: Sequence[tuple[NoiseUnit, Fit]], policy: Policy) -> Finding:
    """Damage over its limit, averaged over units by precision."""
    value = limit = accept = total = 0.0
    for unit, fit in found:
        weight = 1 / max(fit.damage.se, 1e-6) ** 2
        total += weight
        value += weight * fit.damage.value
        expected = unit.expected.damage
        own = policy.damage_least * unit.expected_b.damage if unit.expected_b is not None else 0.0
        own = min(own, policy.damage_least * expected)  # a certificate that promises too little helps nobody
        limit += weight * (_least(policy.damage_reject, expected) - own)
        accept += weight * (_least(policy.damage_accept, expected) - own)
    damage = Estimate(value / total, 1 / math.sqrt(total))
    z = (policy.z_open, policy.z_reject, policy.z_fraud)
    return _excess_finding(f"fidelity:{name}", damage, limit / total, z, accept / total)


def _bit(name: str, found: Sequence[tuple[NoiseUnit, Fit]], policy: Policy) -> Finding | None:
    """The bit that is flipped most beyond its limit, a little more being asked for where there are many bits.

    Its share of the damage is what its gates predict, scaled by the damage that all others suffered.
    """
    worst: tuple[float, int, Estimate, float] | None = None
    bits = sum(len(fit.flips) for _, fit in found)
    for unit, fit in found:
        for bit, flips in enumerate(fit.flips):
            share = unit.share(fit, bit, policy)
            limit = policy.flip_factor * share * unit.expected.flips[bit] + policy.flip_allowed
            widened = unit.widened(fit, flips, policy, _ON_BITS)
            score = (flips.value - limit) / max(widened.se, 1e-6)
            if worst is None or score > worst[0]:
                worst = (score, bit, widened, limit)
    if worst is None:
        return None
    _, bit, flips, limit = worst
    more = 0.25 * math.log10(max(1.0, bits / 10))
    z = (policy.z_bit_open + more, policy.z_bit + more, policy.z_fraud + 1 + more)
    return _excess_finding(f"bit {bit}:{name}", flips, limit, z)


def deviations(statistic: float, df: float, noncentrality: float) -> float:
    """Standard deviations of the normal law by which a noncentral χ² lies above its middle.

    Patnaik's two moments (Biometrika 36, 1949) and the cube root of Wilson and Hilferty (PNAS 17, 1931).
    """
    h = (df + noncentrality) ** 2 / (df + 2 * noncentrality)
    scaled = statistic * h / (df + noncentrality)
    spread = 2 / (9 * h)
    return (math.pow(max(scaled, 0.0) / h, 1 / 3) - (1 - spread)) / math.sqrt(spread)


def _fit(name: str, found: Sequence[tuple[NoiseUnit, Fit]], policy: Policy) -> Finding | None:
    """χ² beyond what honest noise may leave, stated per shot."""
    statistic = allowed = 0.0
    df = shots = 0
    for unit, fit in found:
        if fit.misfit is not None:
            statistic += fit.misfit.statistic
            df += fit.misfit.df
            shots += fit.misfit.shots
            allowed += unit.unexplained(fit, fit.misfit, policy)
    if df < policy.least_df:
        return None
    z = rounded(deviations(statistic, df, allowed))
    excess = Estimate((statistic - df) / shots, math.sqrt(2 * (df + 2 * allowed)) / shots)
    fails = z > policy.z_misfit
    return Finding(
        test_of(f"fit:{name}", turned(excess), 1 - allowed / shots, passed=not fails),
        fails=fails,
        condemns=z > policy.z_misfit_fraud,
        accepts=z <= policy.z_misfit_open,
    )


def _answer(name: str, found: Sequence[tuple[NoiseUnit, Fit]], policy: Policy) -> Finding | None:
    """The other answer that is most certainly there; the more there are, the surer it must be."""
    worst: tuple[float, str, Estimate] | None = None
    answers = sum(len(fit.weights) for _, fit in found)
    for unit, fit in found:
        for label, share in fit.weights:
            weight = unit.widened(fit, share, policy)
            score = (weight.value - policy.answer_share) / weight.se
            if worst is None or score > worst[0]:
                worst = (score, label, weight)
    if worst is None:
        return None
    _, label, weight = worst
    more = 0.25 * math.log10(max(1.0, answers / 10))
    z = (policy.z_bit + more, policy.z_bit + 0.5 + more, policy.z_fraud + 1 + more)
    return _excess_finding(f"{label}:{name}", weight, policy.answer_share, z)
