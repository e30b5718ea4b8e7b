"""One execution against one reference: every statistic as a finding, and what they come to.

The reference is exact (V3) or another execution (V4). Nearly uniform targets have no shape: they are
compared by distance ("flat"). Where too few shots were asked for to know the shape, the magnitude, which
needs far fewer, decides alone, and the result is *weakly* verified.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from scipy.stats import norm

from qcrs.circuits.drbg import Drbg
from qcrs.verification.dispersion import (
    NONE,
    chi_square_exact,
    chi_square_peer,
    coloured_excess,
    copy_p_value,
    dispersion,
)
from qcrs.verification.fit import Alternative
from qcrs.verification.noise_tests import Expected, NoiseUnit, noise_findings
from qcrs.verification.samples import Floats, Sample, flip_sample
from qcrs.verification.statistics import (
    DENSE_WIDTH,
    Estimate,
    PairStatistics,
    Unit,
    exact_unit,
    missing_errors,
    peer_unit,
)
from qcrs.verification.verdict import (
    PPM,
    Finding,
    Policy,
    Test,
    inverted,
    plausibility,
    ppm,
    quantised,
    rounded,
    test_of,
    turned,
)

__all__ = ["Comparison", "Leaning", "PairUnit", "compare"]

_SIGNIFICANT = 4.0
"""Standard errors by which C − 1/D must exceed 0 before a shape is looked at."""


class Leaning(IntEnum):
    """What one reference says."""

    OPEN = 0
    ACCEPT = 1
    WEAK = 2
    REJECT = 3


@dataclass(frozen=True, slots=True)
class PairUnit:
    """One circuit of the comparison: the tested sample and its reference, with predicted magnitudes."""

    a: Sample
    reference: Sample | Floats
    """Counts of another execution, or exact probabilities, already blurred by a's readout errors."""
    errors_a: tuple[float, ...]
    errors_b: tuple[float, ...]
    predicted: float
    """Predicted magnitude of a relative to the reference (readout aside: it is blurred away)."""
    predicted_a: float
    """Predicted magnitude of a relative to the noiseless circuit."""
    predicted_b: float = 1.0
    expected: Expected | None = None
    """What gate errors do to the tested sample, and to the reference; None: the noise is not fitted."""
    expected_b: Expected | None = None
    alternatives: tuple[Alternative, ...] = ()

    def noise_unit(self) -> NoiseUnit | None:
        """What the noise model is fitted to."""
        if self.expected is None:
            return None
        return NoiseUnit(
            self.a,
            self.reference,
            self.errors_a,
            self.errors_b,
            self.expected,
            self.expected_b,
            self.alternatives,
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Findings against one reference, what they come to, and the shots that a decision would need."""

    name: str
    findings: tuple[Finding, ...]
    leaning: Leaning
    needed_shots: int | None


def compare(
    name: str,
    units: Sequence[PairUnit],
    policy: Policy,
    seed: bytes,
    *,
    tested_is_later: bool = False,
    copies: bool = True,
) -> Comparison:
    """All statistics of one execution against one reference called `name`.

    `seed` feeds the random flips that equalise wide samples. `tested_is_later`: the reference was
    committed first, so that a copy can only be the tested one. `copies` false: agreement is no sign of
    one (simulators with the same seed).
    """
    made = [_unit(unit, Drbg(seed, b"qcrs/blur/1" + i.to_bytes(4, "big"))) for i, unit in enumerate(units)]
    flat = [_is_flat(unit, made[i], policy) for i, unit in enumerate(units)]
    findings: list[Finding] = []
    leanings: list[Leaning] = []
    needed: int | None = None
    shaped = [i for i, is_flat in enumerate(flat) if not is_flat]
    modelled, fitted = _noise(name, units, policy, seed)
    if shaped:
        part = _Shaped(name, [units[i] for i in shaped], [made[i] for i in shaped], policy, seed)
        part.without_model = not all(fitted[i] for i in shaped)
        leaning, needed = part.run()
        findings += part.findings
        leanings.append(leaning)
    if len(shaped) < len(units):
        finding, leaning = _flat_finding(
            name, [m for m, f in zip(made, flat, strict=True) if f], units, policy
        )
        findings.append(finding)
        leanings.append(leaning)
    findings += modelled
    if any(finding.fails for finding in modelled):
        leanings.append(Leaning.REJECT)
    elif not all(finding.accepts for finding in modelled):
        leanings.append(Leaning.OPEN)
    copied = _copy(name, units, policy, tested_is_later) if copies else None
    if copied is not None:
        findings.append(copied)
        if not copied.test.passed:
            leanings.append(Leaning.REJECT if copied.fails else Leaning.OPEN)
    return Comparison(name, tuple(findings), _joined(leanings), needed)


def _noise(
    name: str, units: Sequence[PairUnit], policy: Policy, seed: bytes
) -> tuple[list[Finding], list[bool]]:
    """Findings on the fitted noise model, and which units it was fitted to."""
    made = [unit.noise_unit() for unit in units]
    given = [i for i, unit in enumerate(made) if unit is not None]
    findings, fitted = noise_findings(name, [unit for unit in made if unit is not None], policy, seed)
    done = {i for i, is_fitted in zip(given, fitted, strict=True) if is_fitted}
    return findings, [i in done for i in range(len(units))]


def _joined(leanings: Sequence[Leaning]) -> Leaning:
    if Leaning.REJECT in leanings:
        return Leaning.REJECT
    if Leaning.OPEN in leanings:
        return Leaning.OPEN
    return Leaning.WEAK if Leaning.WEAK in leanings else Leaning.ACCEPT


def _unit(unit: PairUnit, stream: Drbg) -> Unit:
    if isinstance(unit.reference, Sample):
        return peer_unit(unit.a, unit.reference, unit.errors_a, unit.errors_b, stream)
    return exact_unit(unit.a, unit.reference)


def _is_flat(unit: PairUnit, made: Unit, policy: Policy) -> bool:
    """Whether the reference is known to be nearly uniform."""
    size = 2.0**made.width
    if not isinstance(unit.reference, Sample):
        return size * made.bb < policy.flat_below
    mass = PairStatistics([made]).reference_mass()
    limit = policy.flat_below * max(unit.predicted_b, policy.least_magnitude) ** 2
    return bool(size * (mass.value + 2 * mass.se) < limit)


def _flat_finding(
    name: str, made: Sequence[Unit], units: Sequence[PairUnit], policy: Policy
) -> tuple[Finding, Leaning]:
    distance = quantised(PairStatistics(made).distance())
    too_far = distance.above(policy.flat_reject, policy.z_reject)
    exact = not isinstance(units[0].reference, Sample)
    # A flat peer may be the one that answers with noise: alone it never condemns.
    finding = Finding(
        test_of(f"likeness:{name}", turned(distance), 1 - policy.flat_reject, passed=not too_far),
        fails=too_far and exact,
        condemns=exact and distance.above(policy.flat_reject, policy.z_fraud),
        accepts=bool(distance.value + policy.z_accept * distance.se < policy.flat_accept),
        least_ppm=ppm(1 - policy.flat_reject - policy.z_reject * distance.se),
    )
    if too_far:
        return finding, Leaning.REJECT if exact else Leaning.OPEN
    return finding, Leaning.ACCEPT if finding.accepts and exact else Leaning.WEAK


def _copy(name: str, units: Sequence[PairUnit], policy: Policy, tested_is_later: bool) -> Finding | None:
    pairs = [(unit.a, unit.reference) for unit in units if isinstance(unit.reference, Sample)]
    p = copy_p_value(pairs) if pairs else None
    if p is None:
        return None
    value = ppm(plausibility(-math.log10(max(p, 1e-300)), -math.log10(policy.p_copy)))
    copied = value < PPM // 2
    test = Test(f"copy:{name}", value, 0, PPM // 2, not copied)
    return Finding(test, copied and tested_is_later, False, not copied)


class _Shaped:
    """The tests of units whose target has structure."""

    def __init__(
        self, name: str, units: Sequence[PairUnit], made: Sequence[Unit], policy: Policy, seed: bytes
    ) -> None:
        self._name = name
        self._units = units
        self._made = made
        self._policy = policy
        self._seed = seed
        self._pair = PairStatistics(made)
        self._exact = not isinstance(units[0].reference, Sample)
        weights = [w * max(m.bb, 0.0) for w, m in zip(self._pair.weights, made, strict=True)]
        total = sum(weights)
        if total <= 0:
            weights, total = [1.0] * len(units), float(len(units))
        parts = list(zip(weights, units, strict=True))
        self._predicted = sum(w * unit.predicted for w, unit in parts) / total
        self._predicted_a = sum(w * unit.predicted_a for w, unit in parts) / total
        self._predicted_b = sum(w * unit.predicted_b for w, unit in parts) / total
        self._certified = min(1.0, self._predicted_a / max(self._predicted_b, 1e-9))
        self._white = min(self._predicted_a, self._predicted_b) >= policy.least_magnitude
        self.findings: list[Finding] = []
        self.without_model = True
        """Some unit was not fitted: bits and dispersion are looked at without a model of the noise."""

    def _add(
        self,
        name: str,
        estimate: Estimate,
        threshold: float,
        *,
        fails: bool,
        condemns: bool,
        accepts: bool,
        least: float | None = None,
    ) -> Finding:
        test = test_of(f"{name}:{self._name}", estimate, threshold, passed=not fails)
        finding = Finding(test, fails, condemns, accepts, None if least is None else ppm(least))
        self.findings.append(finding)
        return finding

    def run(self) -> tuple[Leaning, int | None]:
        """All findings; what they come to; shots that the shape needs where they were too few."""
        magnitude = quantised(self._pair.magnitude())
        reference = self._pair.reference_mass()
        known = self._exact or reference.value > _SIGNIFICANT * reference.se
        if not known:
            return self._marginals_only()
        level = self._magnitude(magnitude)
        shape = self._shape()
        if self.without_model:
            self._bits(magnitude)
            self._dispersion(magnitude)
        if len(self._units) > 1:
            self._worst_unit()
        if any(finding.fails for finding in self.findings):
            return Leaning.REJECT, None
        if shape is not None and shape.accepts and level.accepts:
            return Leaning.ACCEPT, None
        return self._weak(magnitude, shape), self._needed(magnitude)

    def _magnitude(self, m: Estimate) -> Finding:
        policy, predicted = self._policy, self._predicted
        limit = rounded(policy.magnitude_reject * predicted)
        return self._add(
            "magnitude",
            m,
            limit,
            fails=m.below(limit, policy.z_reject),
            condemns=m.below(limit, policy.z_fraud),
            accepts=not m.below(rounded(policy.magnitude_accept * predicted), -policy.z_accept),
            least=limit - policy.z_accept * m.se,
        )

    def _shape(self) -> Finding | None:
        """ρ; None where C_aa cannot be told from chance (then a wrong shape shows in the magnitude)."""
        policy = self._policy
        tested = self._pair.tested_mass()
        if not tested.value > _SIGNIFICANT * tested.se:
            return None
        rho = quantised(self._pair.shape())
        fails = rho.below(policy.shape_reject, policy.z_reject) and self._white
        return self._add(
            "shape",
            rho,
            policy.shape_reject,
            fails=fails,
            condemns=fails and rho.below(policy.shape_reject, policy.z_fraud),
            accepts=not rho.below(policy.shape_accept, -policy.z_accept),
            least=policy.shape_accept + policy.z_accept * rho.se,
        )

    def _bits(self, m: Estimate) -> None:
        """The worst bit. It must fall behind the others and behind what is predicted of all together."""
        policy = self._policy
        worst: tuple[float, int, Estimate] | None = None
        for bit in range(max(unit.width for unit in self._made)):
            ratio = self._pair.bit_ratio(bit)
            if ratio is not None:
                key = ratio.value + policy.z_bit * ratio.se
                if worst is None or key < worst[0]:
                    worst = (key, bit, ratio)
        if worst is None:
            return
        _, bit, ratio = worst
        ratio = quantised(ratio)
        own = Estimate(ratio.value * m.value, ratio.se * abs(m.value))
        behind = own.below(policy.bit_behind * self._certified, policy.z_accept) and self._white
        fails = ratio.below(policy.bit_reject, policy.z_bit) and behind
        self._add(
            f"bit {bit}",
            ratio,
            policy.bit_reject,
            fails=fails,
            condemns=fails and ratio.below(policy.bit_reject, policy.z_fraud + 1),
            accepts=True,
        )

    def _dispersion(self, m: Estimate) -> None:
        total = NONE
        for i, unit in enumerate(self._units):
            if not isinstance(unit.reference, Sample):
                total = total + chi_square_exact(unit.a, unit.reference, m.value)
            elif unit.a.width <= DENSE_WIDTH:
                stream = Drbg(self._seed, b"qcrs/dispersion/1" + i.to_bytes(4, "big"))
                a = flip_sample(unit.a, missing_errors(unit.errors_a, unit.errors_b), stream)
                b = flip_sample(unit.reference, missing_errors(unit.errors_b, unit.errors_a), stream)
                total = total + chi_square_peer(a, b, m.value)
        phi = dispersion(total)
        if phi is None:
            return
        estimate, policy = quantised(Estimate(*phi)), self._policy
        limit = rounded(policy.dispersion_reject + coloured_excess(total, m.value))
        fails = estimate.above(limit, 0) and self._white
        condemns = fails and estimate.above(limit, policy.z_fraud)
        self._add("evenness", inverted(estimate), 1 / limit, fails=fails, condemns=condemns, accepts=True)

    def _worst_unit(self) -> None:
        """The unit whose magnitude is least likely, with Bonferroni's correction."""
        policy, count = self._policy, len(self._units)
        z_reject = rounded(norm.isf(norm.sf(policy.z_reject) / count))
        z_fraud = rounded(norm.isf(norm.sf(policy.z_fraud) / count))
        worst: tuple[float, Estimate, float] | None = None
        for unit, found in zip(self._units, self._pair.unit_magnitudes(), strict=True):
            m, limit = quantised(found), rounded(policy.magnitude_reject * unit.predicted)
            if math.isfinite(m.se) and m.se > 0:
                key = (m.value - limit) / m.se
                if worst is None or key < worst[0]:
                    worst = (key, m, limit)
        if worst is not None:
            _, m, limit = worst
            self._add(
                "worst unit",
                m,
                limit,
                fails=m.below(limit, z_reject),
                condemns=m.below(limit, z_fraud),
                accepts=True,
            )

    def _weak(self, m: Estimate, shape: Finding | None) -> Leaning:
        """Whether the magnitude lies in the band that an honest device is in."""
        policy = self._policy
        enough = self._policy.magnitude_reject * self._predicted
        most = max(policy.magnitude_most * self._predicted, 1.1)
        inside = m.value + policy.z_accept * m.se >= enough and m.value - policy.z_accept * m.se <= most
        open_shape = shape is None or shape.test.value_ppm + 2 * shape.test.se_ppm >= shape.test.threshold_ppm
        return Leaning.WEAK if inside and (open_shape or not self._white) else Leaning.OPEN

    def _needed(self, m: Estimate) -> int:
        """N ≥ 5 √D / (f_a f_b), with the magnitudes that were found or predicted."""
        size = 2.0 ** max(unit.width for unit in self._made)
        fa = max(0.05, min(1.0, self._predicted_a))
        fb = max(0.05, min(1.0, self._predicted_b if not self._exact else max(m.value, fa)))
        return math.ceil(5 * math.sqrt(size) / (fa * fb))

    def _marginals_only(self) -> tuple[Leaning, int | None]:
        """Too few shots for any collision statistic: single bits are all that can be compared."""
        policy = self._policy
        worst = quantised(self._pair.marginals())
        limit = rounded(policy.marginal_reject + abs(self._predicted_a - self._predicted_b) / 2)
        fails = worst.above(limit, policy.z_bit) and self._white
        condemns = fails and worst.above(limit, policy.z_fraud + 1)
        self._add(
            "marginals",
            turned(worst),
            1 - limit,
            fails=fails,
            condemns=condemns,
            accepts=False,
            least=1 - limit - policy.z_bit * worst.se,
        )
        leaning = Leaning.REJECT if fails else Leaning.WEAK
        return leaning, self._needed(Estimate(1.0, 0.0))
