"""V10 FRESHNESS: whether a result was measured for this job, and which of its references are witnesses.

Held against each other are the frames of one circuit, equal circuits of the job, the result and its peers,
and the result and the past ones that `archive.counted` names: all by the overlap test, and by the pool test
where the ideal is known. A shared origin is the fault of whoever committed later; the earlier one could not
have copied, and its word is not used either. Of references that depend on each other one is kept, so that
colluders are never two witnesses, neither for each other nor against a third.

Every p-value counts times the number of tests; below 10⁻⁶ it is a fault, so by construction an honest result
has one with a chance of 10⁻⁶. Tests state it as a plausibility, ½ at the limit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qcrs.circuits.document import CircuitDocument
from qcrs.circuits.frames import frame_mask
from qcrs.errors import VerificationError
from qcrs.verification.archive import circuit_key
from qcrs.verification.independence import (
    PoolTest,
    PoolUnit,
    asymmetry_p_value,
    no_pool,
    overlap_p_value,
    pool_test,
    replay_surprise,
)
from qcrs.verification.judge import JudgeUnit
from qcrs.verification.peer import Execution, predicted_magnitude, readout_errors
from qcrs.verification.samples import Sample, blur_density, merged, sample_of
from qcrs.verification.simulate import Ideal
from qcrs.verification.verdict import PPM, Policy, Test, plausibility, ppm

__all__ = ["Freshness", "Past", "PastUnit", "freshness"]

MOST_PAIRS = 64
"""Pairs of equal circuits of one job that are compared."""
MOST_CELLS = 1 << 21
"""Outcomes, over all units, up to which pools are looked for."""


@dataclass(frozen=True, slots=True)
class PastUnit:
    """A past result of one circuit: which unit of this job it belongs to, and how its frames decode."""

    unit: int
    seed: bytes
    number: int
    """Its unit in the past job."""
    counts: tuple[Mapping[int, int], ...]


@dataclass(frozen=True, slots=True)
class Past:
    """A past execution with the circuits that it shares with this job."""

    name: str
    units: tuple[PastUnit, ...]
    deterministic: bool = False
    """By a simulator with a given seed."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """What was found. `fault` is a sentence, empty where the result is fresh; `kept` the peers that count."""

    tests: tuple[Test, ...]
    fault: str
    failed: Test | None
    kept: tuple[int, ...]


@dataclass(slots=True)
class _Tests:
    """Named p-values with what each would mean, until their number is known."""

    found: list[tuple[str, float, str]] = field(default_factory=list)

    def add(self, name: str, p_value: float | None, meaning: str = "") -> bool:
        """Note a p-value; whether it is small enough to treat both sides as one."""
        if p_value is None:
            return False
        self.found.append((name, p_value, meaning))
        return p_value < SHARED

    def done(self, p_limit: float) -> tuple[list[Test], str, Test | None]:
        """Tests, the clearest fault among them, its test."""
        out, fault, failed, worst = [], "", None, 0.0
        limit = -math.log10(p_limit)
        for name, p_value, meaning in self.found:
            surprise = -math.log10(min(1.0, max(p_value, 1e-300) * len(self.found)))
            # A dependence that is nobody's fault is told by its value alone.
            fails = surprise > limit and bool(meaning)
            test = Test(name, ppm(plausibility(surprise, limit)), 0, ppm(0.5) if meaning else 0, not fails)
            out.append(test)
            if fails and surprise > worst:
                fault, failed, worst = meaning, test, surprise
        return out, fault, failed


SHARED = 1e-6
"""p-value under which two references are one witness."""


class _Samples:
    """Decoded samples of the job's units, and the ideal distributions that are known."""

    def __init__(
        self, units: Sequence[JudgeUnit], seed: bytes, tested: Execution, ideals: Mapping[int, Ideal]
    ) -> None:
        self._units, self._seed = units, seed
        self.bits = [unit.circuit.measured_clbits() for unit in units]
        self.width = [len(bits) for bits in self.bits]
        self.keys = [circuit_key(unit.circuit) for unit in units]
        self.exact = {}
        cells = 0
        for number, known in sorted(ideals.items()):
            cells += 1 << self.width[number]
            if known.shots == 0 and self.width[number] and cells <= MOST_CELLS:
                errors = readout_errors(tested, number, self.bits[number])
                self.exact[number] = blur_density(known.probabilities, errors)
        self.certified = [predicted_magnitude(tested, n, unit.circuit) for n, unit in enumerate(units)]

    def circuit(self, number: int) -> CircuitDocument:
        """The circuit of a unit."""
        return self._units[number].circuit

    def frames(
        self, number: int, counts: Sequence[Mapping[int, int]], seed: bytes, their: int
    ) -> list[Sample]:
        """Frames of one unit, decoded as the job's `seed` and its unit `their` say."""
        circuit, bits = self._units[number].circuit, self.bits[number]
        return [sample_of(c, bits, frame_mask(circuit, seed, their, b)) for b, c in enumerate(counts) if c]

    def of(self, execution: Execution) -> dict[int, Sample]:
        """One sample for each unit with measured bits."""
        return {
            number: merged(found)
            for number, counts in enumerate(execution.counts)
            if self.width[number] and (found := self.frames(number, counts, self._seed, number))
        }

    def past(self, one: Past) -> dict[int, Sample]:
        """Likewise for the units that a past execution shares."""
        out: dict[int, Sample] = {}
        for unit in one.units:
            if not 0 <= unit.unit < len(self._units):
                raise VerificationError("a past result is of no unit", field="past", value=unit.unit)
            found = self.frames(unit.unit, unit.counts, unit.seed, unit.number)
            if found and self.width[unit.unit]:
                out.setdefault(unit.unit, merged(found))
        return out

    def pool(self, a: Mapping[int, Sample], b: Mapping[int, Sample] | None) -> PoolTest | None:
        """The pool test over the units whose ideal is known."""
        units = []
        for number, p in self.exact.items():
            if number in a and (b is None or number in b):
                m = self.certified[number]
                units.append(PoolUnit(a[number], None if b is None else b[number], p, p, m, m))
        return pool_test(units) if units else None


def freshness(
    units: Sequence[JudgeUnit],
    seed: bytes,
    tested: Execution,
    peers: Sequence[Execution] = (),
    past: Sequence[Past] = (),
    ideals: Mapping[int, Ideal] | None = None,
    policy: Policy | None = None,
) -> Freshness:
    """Hold a sampled result of the right form against itself, its peers and the past."""
    policy = policy or Policy()
    samples, tests = _Samples(units, seed, tested, ideals or {}), _Tests()
    own = samples.of(tested)
    pool = _alone(samples, tests, seed, tested, own)
    for one in past:
        if not (one.deterministic and tested.deterministic):
            other = samples.past(one)
            meaning = f"the counts were made from those of {one.name}"
            tests.add(f"overlap:{one.name}", _overlap(own, other), meaning)
            shared = samples.pool(own, other)
            tests.add(f"pool:{one.name}", shared.p_value if shared else None, meaning)
    kept = _witnesses(samples, tests, tested, peers, own)
    found, fault, failed = tests.done(policy.p_copy)
    surprise = replay_surprise(list(own.values()))
    limit = -math.log10(policy.p_copy)
    if surprise < limit:
        found.append(Test("no power against replays", PPM, 0, PPM, True))
    half = sum(sample.shots for sample in own.values()) // 2
    if pool is None or pool.visible < half:
        found.append(Test("no power against pools", PPM, 0, PPM, True))
    return Freshness(tuple(found), fault, failed, kept)


def _overlap(a: Mapping[int, Sample], b: Mapping[int, Sample]) -> float | None:
    return overlap_p_value([(a[number], b[number]) for number in sorted(a.keys() & b.keys())])


def _alone(
    samples: _Samples, tests: _Tests, seed: bytes, tested: Execution, own: Mapping[int, Sample]
) -> PoolTest | None:
    """Frames against frames, equal circuits against each other, the whole against the ideal."""
    pairs = []
    for number, counts in enumerate(tested.counts):
        if samples.width[number]:
            decoded = samples.frames(number, counts, seed, number)
            pairs += list(zip(decoded[::2], decoded[1::2], strict=False))
    tests.add("overlap:frames", overlap_p_value(pairs), "frames were made from each other, not measured")
    same: dict[str, list[int]] = {}
    for number in own:
        same.setdefault(samples.keys[number], []).append(number)
    least, made = 1.0, 0
    for group in same.values():
        for i, first in enumerate(group):
            for second in group[i + 1 :]:
                if made < MOST_PAIRS:
                    made += 1
                    p_value = overlap_p_value([(own[first], own[second])])
                    least = min(least, 1.0 if p_value is None else p_value)
    meaning = "equal circuits of the job were measured once and answered several times"
    tests.add("overlap:units", min(1.0, least * made) if made else None, meaning)
    pool = samples.pool(own, None)
    if pool is not None:
        meaning = f"the counts were drawn again and again from about {pool.found} measured shots"
        tests.add("pool", pool.p_value, meaning)
    return pool


def _witnesses(
    samples: _Samples,
    tests: _Tests,
    tested: Execution,
    peers: Sequence[Execution],
    own: Mapping[int, Sample],
) -> tuple[int, ...]:
    """Peers that depend neither on the tested execution nor on an earlier one among them."""
    theirs = [samples.of(peer) for peer in peers]
    dependent: set[int] = set()

    def one(label: str, a: int, b: int, meaning: str) -> bool:
        first = own if a < 0 else theirs[a]
        sides = (tested if a < 0 else peers[a], peers[b])
        if all(side.deterministic for side in sides):
            return False
        shared = samples.pool(first, theirs[b])
        found = [
            tests.add(f"overlap:{label}", _overlap(first, theirs[b]), meaning),
            tests.add(f"pool:{label}", shared.p_value if shared else None, meaning),
        ]
        for c in range(-1, len(peers)):
            if c not in (a, b) and c not in dependent and not samples.exact:
                third = own if c < 0 else theirs[c]
                p_value = _asymmetry(
                    samples, (first, theirs[b], third), (*sides, tested if c < 0 else peers[c])
                )
                found.append(tests.add(f"asymmetry:{label} to {'tested' if c < 0 else f'peer {c}'}", p_value))
        return any(found)

    for index, peer in enumerate(peers):
        meaning = f"the counts share their origin with those of {peer.name}" if peer.committed_first else ""
        if one(f"peer {index}", -1, index, meaning):
            dependent.add(index)
    for index in range(len(peers)):
        for earlier in range(index):
            if dependent.isdisjoint((earlier, index)) and one(
                f"peers {earlier} and {index}", earlier, index, ""
            ):
                dependent.add(index)
    return tuple(index for index in range(len(peers)) if index not in dependent)


def _asymmetry(
    samples: _Samples,
    sides: tuple[Mapping[int, Sample], Mapping[int, Sample], Mapping[int, Sample]],
    executions: tuple[Execution, Execution, Execution],
) -> float | None:
    a, b, c = sides
    numbers = sorted(a.keys() & b.keys() & c.keys())
    magnitudes = [
        tuple(predicted_magnitude(e, number, samples.circuit(number)) for e in executions)
        for number in numbers
    ]
    triples = [(a[n], b[n], c[n]) for n in numbers]
    expected = [(x, y, z) for x, y, z in magnitudes]
    return None if no_pool(triples, expected) else asymmetry_p_value(triples, expected)
