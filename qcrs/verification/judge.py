"""The verdict on one execution: a pure function of frames, seeds, counts, references and registered errors.

The order is by cost, and the first that decides, decides:

    V0 form       shots, widths, hashes, scaled counts              a fault rejects
    V1 predicate  the client's own check                             a shortfall rejects
    V2 frames     all frames tell the same story                     a contradiction rejects
    audit draw    a drawn, untargeted job without a peer             undecided: it runs elsewhere
    V3 simulate   the ideal distribution, where it can be had        rejects, accepts
    V4 peer       another execution of the same job                  rejects, accepts
    V5 consensus  two or more of them                                by majority

A rejection needs one reference. Fraud needs two that condemn by the same test at one in a million, and none
that accepts: the exact ideal and another, or two executions that agree and are independent, as far as their
outcomes could show it if they were not: of a few outcomes nobody is condemned on others' word. Where nothing
can be compared an undrawn execution is accepted on form and frames alone, as weakly verified. A majority of
colluding providers wins; that is what the bond, the draw and the cap of a job's value by the bond are for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qcrs.circuits.document import CircuitDocument
from qcrs.circuits.frames import decode, frame, frame_mask, shots_per_frame
from qcrs.errors import VerificationError
from qcrs.types import Json
from qcrs.verification.compare import Comparison, PairUnit, compare
from qcrs.verification.decide import IDEAL, Case, decide
from qcrs.verification.fit import Alternative
from qcrs.verification.form import form_problem
from qcrs.verification.frame_test import P_REJECT, FrameUnit, mask_test, score_test
from qcrs.verification.independence import replay_surprise
from qcrs.verification.noise_tests import Expected
from qcrs.verification.peer import (
    Execution,
    predicted_damage,
    predicted_flips,
    predicted_magnitude,
    readout_errors,
)
from qcrs.verification.predicate import check_predicate, predicate_share
from qcrs.verification.samples import Floats, Sample, blur_density, merged, sample_of
from qcrs.verification.simulate import Ideal, active_qubits, expectations, ideal
from qcrs.verification.verdict import (
    PPM,
    Outcome,
    Policy,
    Test,
    Verdict,
    plausibility,
    ppm,
    test_of,
    verdict_of,
)

__all__ = ["JudgeInput", "JudgeUnit", "frames_match", "judge"]

_Party = tuple[Execution, Sequence[Sample]]
"""An execution and its decoded samples, one for each unit."""
_Side = tuple[Execution, Sample, tuple[float, ...]]
"""One unit of an execution: who, what, with which readout errors."""

PICO = 10**12


@dataclass(frozen=True, slots=True)
class JudgeUnit:
    """One circuit of the job as its client meant it."""

    circuit: CircuitDocument
    shots: int = 0
    predicate: Json = None
    observables: tuple[tuple[str, int, int], ...] = ()
    """Exact mode: (label, real part, imaginary part) in 10⁻⁹; the value of each label alone is returned."""


@dataclass(frozen=True, slots=True)
class JudgeInput:
    """Everything that a verdict depends on."""

    units: tuple[JudgeUnit, ...]
    seed: bytes
    tested: Execution
    peers: tuple[Execution, ...] = ()
    exact: bool = False
    drawn: bool = False
    targeted: bool = False
    client_void: bool = False
    """The client's frames are not those of its seed: it has voided its own check."""
    hashes: tuple[tuple[str, bytes, bytes], ...] = ()
    """(name, wanted, found) of the result's root, commitment and documents."""
    ideals: Mapping[int, Ideal] | None = field(default=None, compare=False)
    """Ideal distributions by unit, where they are at hand already."""


def frames_match(units: Sequence[JudgeUnit], seed: bytes, sent: Sequence[Sequence[CircuitDocument]]) -> bool:
    """Whether the frames that the client sent are those that its seed gives."""
    if len(units) != len(sent):
        return False
    for number, (unit, frames) in enumerate(zip(units, sent, strict=True)):
        if len(frames) != len(shots_per_frame(unit.shots, len(units))):
            return False
        for index, document in enumerate(frames):
            if frame(unit.circuit, seed, number, index).circuit != document:
                return False
    return True


def judge(evidence: JudgeInput, policy: Policy | None = None) -> Verdict:
    """The verdict; `VerificationError` only where the input itself makes no sense."""
    policy = policy or Policy()
    if not evidence.units:
        raise VerificationError("a job has at least one unit", field="units", value=0)
    if evidence.client_void:
        return _simple(
            Outcome.ACCEPT, "V0 form", "the client's frames are not those of its own seed", (), True
        )
    if evidence.exact:
        return _judge_exact(evidence, policy)
    return _Judge(evidence, policy).run()


def _simple(
    outcome: Outcome, by: str, reason: str, tests: tuple[Test, ...], passed: bool, weak: bool = False
) -> Verdict:
    """A verdict without a statistic: score 1 or 0 against a threshold of 1."""
    score = PPM if passed else 0
    return Verdict(outcome, score, PPM, (score, score), tests, by, weak, None, reason)


class _Judge:
    """Walks through the protocols for a sampled job."""

    def __init__(self, evidence: JudgeInput, policy: Policy) -> None:
        self._in = evidence
        self._policy = policy
        self._bits = [unit.circuit.measured_clbits() for unit in evidence.units]
        self._shots = [shots_per_frame(unit.shots, len(evidence.units)) for unit in evidence.units]
        self._masks = [
            tuple(frame_mask(unit.circuit, evidence.seed, number, b) for b in range(len(self._shots[number])))
            for number, unit in enumerate(evidence.units)
        ]
        self._tests: list[Test] = []
        self._covered = False
        self._peers: list[tuple[str, Execution, list[Sample]]] = []
        """Peers of the right form, with their decoded samples."""
        self._between_peers: dict[tuple[int, int], Comparison] = {}
        self._blurred: dict[int, Floats] = {}
        """Exact distributions with the tested device's readout errors, by unit."""
        self._readout = self._readouts(evidence.tested)

    def _readouts(self, execution: Execution) -> list[tuple[float, ...]]:
        return [readout_errors(execution, number, bits) for number, bits in enumerate(self._bits)]

    def _samples(self, execution: Execution) -> list[tuple[Sample, ...]]:
        """Decoded frames of every unit."""
        return [
            tuple(
                sample_of(counts, bits, mask)
                for counts, mask in zip(execution.counts[number], self._masks[number], strict=True)
            )
            for number, bits in enumerate(self._bits)
        ]

    def run(self) -> Verdict:
        """The verdict."""
        problem = form_problem(self._in.tested.counts, self._shots, self._bits, self._in.hashes)
        self._tests.append(Test("form", PPM if problem is None else 0, 0, PPM, problem is None))
        if problem is not None:
            return _simple(Outcome.REJECT, "V0 form", problem, tuple(self._tests), False)
        frames = self._samples(self._in.tested)
        ideals = self._ideals()
        for early in (self._predicates(), self._frames(frames, ideals)):
            if early is not None:
                return early
        merged_a = [merged(unit) for unit in frames]
        comparisons = self._comparisons(merged_a, ideals)
        verdict = self._decide(comparisons)
        waits = self._in.drawn and not self._in.targeted and not self._peers
        if waits and verdict.outcome is Outcome.ACCEPT:
            return Verdict(
                Outcome.UNDECIDED,
                verdict.score_ppm,
                verdict.threshold_ppm,
                verdict.interval_ppm,
                verdict.tests,
                "audit draw",
                verdict.weak,
                verdict.needed_shots,
                "the beacon drew this job for an audit: another provider runs it too",
            )
        return verdict

    def _ideals(self) -> list[Ideal | None]:
        """The ideal distribution of every unit, where the policy asks for it and it can be had."""
        policy, out = self._policy, []
        limit = policy.simulate_drawn_qubits if self._in.drawn else policy.simulate_qubits
        for number, unit in enumerate(self._in.units):
            given = (self._in.ideals or {}).get(number)
            if given is None and max(len(active_qubits(unit.circuit)), len(self._bits[number])) <= limit:
                try:
                    given = ideal(unit.circuit, seed=self._in.seed)
                except VerificationError:
                    given = None  # endless loops and too many amplitudes: peers remain
            out.append(given)
        pairs = zip(out, self._bits, strict=True)
        self._covered = all(not bits or (known is not None and not known.shots) for known, bits in pairs)
        return out

    def _predicates(self) -> Verdict | None:
        for number, unit in enumerate(self._in.units):
            if unit.predicate is None:
                continue
            least = check_predicate(unit.predicate, unit.circuit)
            whole: dict[int, int] = {}
            for counts, mask in zip(self._in.tested.counts[number], self._masks[number], strict=True):
                for outcome, count in decode(counts, mask).items():
                    whole[outcome] = whole.get(outcome, 0) + count
            share = predicate_share(unit.predicate, unit.circuit, whole)
            fails = share.below(least, self._policy.z_reject)
            test = test_of(f"predicate {number}", share, least, passed=not fails)
            self._tests.append(test)
            if fails:
                reason = f"too few answers of unit {number} fulfil the client's predicate"
                return verdict_of(self._tests, Outcome.REJECT, "V1 predicate", reason, test, False, None)
        return None

    def _frames(self, frames: Sequence[tuple[Sample, ...]], ideals: Sequence[Ideal | None]) -> Verdict | None:
        units = []
        for number, samples in enumerate(frames):
            known = ideals[number]
            reference = None
            if known is not None and known.shots == 0:
                reference = self._blurred.setdefault(
                    number, blur_density(known.probabilities, self._readout[number])
                )
            bits, masks = self._bits[number], self._masks[number]
            units.append(FrameUnit(samples, masks, bits, self._readout[number], reference))
        limit = -math.log10(P_REJECT)
        found = (("frame mask", mask_test(units)), ("frame score", score_test(units)))
        for name, finding in found:
            value = ppm(plausibility(finding.surprise, limit))
            self._tests.append(Test(name, value, 0, PPM // 2, not finding.fails))
        for test in self._tests[-2:]:
            if not test.passed:
                reason = "the frames of one circuit contradict each other once decoded"
                return verdict_of(self._tests, Outcome.REJECT, "V2 frame", reason, test, False, None)
        return None

    def _comparisons(self, tested: Sequence[Sample], ideals: Sequence[Ideal | None]) -> list[Comparison]:
        out = []
        seed, policy = self._in.seed, self._policy
        has_ideal = [n for n, known in enumerate(ideals) if known is not None and len(self._bits[n])]
        if has_ideal:
            units = [self._against_ideal(tested[n], ideals[n], n) for n in has_ideal]
            # Exact and sampled references are compared apart: they have different errors.
            for name, wanted in ((IDEAL, False), ("sampled ideal", True)):
                part = [unit for unit in units if isinstance(unit.reference, Sample) == wanted]
                if part:
                    out.append(compare(name, part, policy, seed))
        for index, peer in enumerate(self._in.peers):
            if form_problem(peer.counts, self._shots, self._bits) is not None:
                continue  # a result of the wrong form is no reference
            samples = [merged(unit) for unit in self._samples(peer)]
            self._peers.append((f"peer {index}", peer, samples))
        if any(self._bits):
            me = (self._in.tested, tested)
            out += [self._compared(name, me, (peer, samples)) for name, peer, samples in self._peers]
        return out

    def _compared(self, name: str, mine: _Party, theirs: _Party) -> Comparison:
        """One execution compared with another."""
        (a, samples_a), (b, samples_b) = mine, theirs
        measured = [number for number, bits in enumerate(self._bits) if bits]
        readout_a, readout_b = self._readouts(a), self._readouts(b)
        pairs = [
            self._pair(
                number, (a, samples_a[number], readout_a[number]), (b, samples_b[number], readout_b[number])
            )
            for number in measured
        ]
        return compare(
            name,
            pairs,
            self._policy,
            self._in.seed,
            tested_is_later=b.committed_first,
            copies=not (a.deterministic and b.deterministic),
        )

    def _between(self, i: int, j: int) -> Comparison:
        """Peer i compared with peer j (numbers among those that were compared)."""
        if (i, j) not in self._between_peers:
            (_, a, samples_a), (_, b, samples_b) = self._peers[i], self._peers[j]
            self._between_peers[i, j] = self._compared(f"peers {i} {j}", (a, samples_a), (b, samples_b))
        return self._between_peers[i, j]

    def _fingerprinted(self, i: int) -> bool:
        """Whether a copy of peer i's outcomes would be seen: narrow or peaked ones have none of their own."""
        _, _, samples = self._peers[i]
        return replay_surprise(samples) >= -math.log10(self._policy.p_copy)

    def _against_ideal(self, a: Sample, known: Ideal | None, number: int) -> PairUnit:
        if known is None:
            raise VerificationError("no ideal distribution", field="unit", value=number)
        predicted = predicted_magnitude(self._in.tested, number, self._in.units[number].circuit)
        expected = predicted**self._policy.slack_ideal
        readout = self._readout[number]
        if known.shots:
            index = known.probabilities.nonzero()[0]
            counts = (known.probabilities[index] * known.shots).round().astype(int)
            reference = Sample(a.width, index, counts)
            return PairUnit(a, reference, readout, (0.0,) * a.width, expected, predicted)
        return PairUnit(
            a,
            self._blurred[number],
            readout,
            (0.0,) * a.width,
            expected,
            predicted,
            expected=self._expected(self._in.tested, number),
            alternatives=tuple(
                Alternative(name, blur_density(density, readout)) for name, density in known.alternatives
            ),
        )

    def _expected(self, execution: Execution, number: int) -> Expected:
        circuit = self._in.units[number].circuit
        return Expected(
            predicted_damage(execution, number, circuit),
            predicted_flips(execution, number, circuit, self._bits[number]),
        )

    def _pair(self, number: int, mine: _Side, theirs: _Side) -> PairUnit:
        """One unit of two executions."""
        (a, sample_a, readout_a), (b, sample_b, readout_b) = mine, theirs
        circuit = self._in.units[number].circuit
        fa, fb = predicted_magnitude(a, number, circuit), predicted_magnitude(b, number, circuit)
        slack = self._policy.slack_peer
        relative = min(1.0, fa**slack / max(fb ** (1 / slack), 1e-9))
        expected = self._expected(a, number), self._expected(b, number)
        return PairUnit(sample_a, sample_b, readout_a, readout_b, relative, fa, fb, *expected)

    def _decide(self, comparisons: Sequence[Comparison]) -> Verdict:
        if not comparisons:
            reason = "form and frames are right; nothing was compared"
            measured = any(self._bits)
            return _simple(Outcome.ACCEPT, "V2 frame", reason, tuple(self._tests), True, weak=measured)
        shots = tuple(unit.shots for unit in self._in.units)
        case = Case(
            tuple(comparisons),
            len(self._peers),
            self._between,
            self._fingerprinted,
            self._covered,
            shots,
            tuple(self._tests),
        )
        return decide(case, self._policy)


def _judge_exact(evidence: JudgeInput, policy: Policy) -> Verdict:
    """Mode exact: the value of every label within 10⁻⁹ of the simulated one."""
    values = evidence.tested.values_pico
    wanted = [len(unit.observables) for unit in evidence.units]
    if [len(unit) for unit in values] != wanted:
        test = Test("form", 0, 0, PPM, False)
        return _simple(Outcome.REJECT, "V0 form", "the result has another number of values", (test,), False)
    for name, want, found in evidence.hashes:
        if want != found:
            test = Test("form", 0, 0, PPM, False)
            return _simple(Outcome.REJECT, "V0 form", f"the {name} does not match", (test,), False)
    worst = 0.0
    for unit, got in zip(evidence.units, values, strict=True):
        if len(active_qubits(unit.circuit)) > policy.simulate_drawn_qubits:
            reason = "the circuit is too wide to simulate"
            return _simple(Outcome.UNDECIDED, "V3 simulate", reason, (), False)
        labels = [[(label, 1.0 + 0.0j)] for label, _re, _im in unit.observables]
        for right, value in zip(expectations(unit.circuit, labels), got, strict=True):
            worst = max(worst, abs(value / PICO - right))
    tolerance = policy.exact_tolerance_pico / PICO
    # What is left of the tolerance, as a share of it, so that a number of 10⁻⁶ can hold it.
    passed = worst <= tolerance
    test = Test("exact values", ppm(1 - worst / tolerance), 0, 0, passed)
    outcome = Outcome.ACCEPT if passed else Outcome.REJECT
    reason = "every value is right" if passed else "a value differs from the simulated one"
    shown = (test.value_ppm, test.value_ppm)
    return Verdict(outcome, test.value_ppm, 0, shown, (test,), "V3 simulate", False, None, reason)
