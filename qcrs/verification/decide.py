"""From comparisons to a verdict: whose word counts, what two references must share, what it would take.

An exact reference decides alone. One other execution decides as far as a rejection goes; from two on they
vote (`qcrs.verification.consensus`). What is sampled, or covers some units only, can reject and otherwise
is one voice among others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from qcrs.errors import VerificationError
from qcrs.verification.compare import Comparison, Leaning
from qcrs.verification.consensus import agree, consensus
from qcrs.verification.verdict import Finding, Outcome, Policy, Test, Verdict, verdict_of

__all__ = ["IDEAL", "Case", "decide"]

IDEAL = "ideal"
"""Name of the comparison with exact distributions."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is decided on."""

    comparisons: tuple[Comparison, ...]
    """At least one; those with executions come last."""
    peers: int
    """How many of them are with executions."""
    between: Callable[[int, int], Comparison]
    """Compares peer i with peer j."""
    fingerprinted: Callable[[int], bool]
    """Whether the outcomes of peer i are many enough for a copy of them to be seen."""
    covered: bool
    """Whether every unit has an exact reference."""
    shots: tuple[int, ...]
    """Of each unit."""
    tests: tuple[Test, ...]
    """Made before."""


def decide(case: Case, policy: Policy) -> Verdict:
    """The verdict on these comparisons."""
    return _Decision(case, policy).run()


class _Decision:
    def __init__(self, case: Case, policy: Policy) -> None:
        self.case = case
        self.policy = policy
        self.tests = (*case.tests, *(f.test for c in case.comparisons for f in c.findings))

    def run(self) -> Verdict:
        """The verdict."""
        comparisons = self.case.comparisons
        simulated = [c for c in comparisons if c.name == IDEAL and c.leaning is not Leaning.OPEN]
        peers = comparisons[len(comparisons) - self.case.peers :]
        # An exact reference decides alone; what is sampled or covers a part can only reject.
        exact = [c for c in simulated if c.leaning is not Leaning.WEAK and self.case.covered]
        if not exact and len(peers) > 1:
            return self._by_consensus(comparisons, peers)
        voters = exact or [*simulated, *(c for c in comparisons if c.name != IDEAL)]
        rejecting = [c for c in voters if c.leaning is Leaning.REJECT]
        accepting = [c for c in voters if c.leaning in (Leaning.ACCEPT, Leaning.WEAK)]
        stolen = [c for c in peers if _stolen(c)]
        if stolen or (rejecting and len(rejecting) > len(accepting)):
            return self._rejection(stolen or rejecting, comparisons)
        if accepting:
            return self._acceptance(max(accepting, key=lambda c: c.leaning is Leaning.ACCEPT), comparisons)
        return self._open(comparisons)

    def _by_consensus(self, comparisons: Sequence[Comparison], peers: Sequence[Comparison]) -> Verdict:
        """V5: two peers or more, and no exact reference."""
        found = consensus(peers, self.case.between, self.policy)
        others = [c for c in comparisons if c not in peers]
        stolen = [c for c in peers if _stolen(c)]
        rejecting = [c for c in others if c.leaning is Leaning.REJECT]
        against = [peers[i] for i in found.others if peers[i].leaning is Leaning.REJECT]
        if stolen or rejecting:
            return self._rejection(stolen or rejecting, comparisons)
        accepting = [c for c in peers if c.leaning in (Leaning.ACCEPT, Leaning.WEAK)]
        if found.holds_tested and accepting:
            best = max(accepting, key=lambda c: c.leaning is Leaning.ACCEPT)
            return self._acceptance(best, comparisons, "V5 consensus")
        if against and not found.holds_tested:
            # Who is outside of the majority can neither condemn nor excuse.
            return self._rejection(against, [*others, *against], "V5 consensus")
        return self._open(comparisons, "V5 consensus")

    def _acceptance(self, best: Comparison, comparisons: Sequence[Comparison], by: str = "") -> Verdict:
        partial = best.name == IDEAL and not self.case.covered  # some units were too wide to simulate
        weak = best.leaning is Leaning.WEAK or partial
        reason = "shape and magnitude agree"
        if partial:
            reason = "what could be compared is right; some circuits are too wide to simulate"
        elif weak:
            reason = "too few shots to know the shape; the magnitude is right"
        finding = _deciding(best, weak)
        least = finding.least_ppm if finding.least_ppm is not None else finding.test.threshold_ppm
        shown = replace(finding.test, threshold_ppm=min(least, finding.test.value_ppm))
        needed = max((c.needed_shots or 0 for c in comparisons), default=0) or None
        return verdict_of(self.tests, Outcome.ACCEPT, by or _protocol(best), reason, shown, weak, needed)

    def _open(self, comparisons: Sequence[Comparison], by: str = "") -> Verdict:
        """Undecided: what it would take, and which is cheaper, more shots or another execution.

        More shots against an execution are needed of both sides; against the ideal of the tested one alone,
        and no other execution helps. The cost is in shots, another execution's with what it costs besides.
        """
        waiting = [
            c for c in comparisons if c.leaning is Leaning.OPEN and all(f.test.passed for f in c.findings)
        ]
        first = (waiting or comparisons)[0]
        test = _unsettled(first)
        shots = sum(self.case.shots)
        needed = max(first.needed_shots or 0, round(max(self.case.shots) * _factor(test)))
        more = max(1, needed * len(self.case.shots) - shots)
        by = by or _protocol(first)
        if first.name == IDEAL:
            reason = f"neither right nor wrong by these shots: {more} more are needed"
            return verdict_of(self.tests, Outcome.UNDECIDED, by, reason, test, False, needed)
        other = round(shots * (1 + self.policy.execution_cost))
        costs = f"{2 * more} more shots of both sides against {other} for another execution"
        if waiting and 2 * more < other:
            reason = f"neither right nor wrong: more shots are needed ({costs})"
            return verdict_of(self.tests, Outcome.UNDECIDED, by, reason, test, False, needed)
        reason = f"neither right nor wrong: another execution is needed ({costs})"
        return verdict_of(self.tests, Outcome.UNDECIDED, by, reason, test, False, None)

    def _rejection(
        self, rejecting: Sequence[Comparison], comparisons: Sequence[Comparison], by: str = ""
    ) -> Verdict:
        twice = self._condemned_twice(comparisons)
        nobody_accepts = not any(c.leaning in (Leaning.ACCEPT, Leaning.WEAK) for c in comparisons)
        fraud = bool(twice) and nobody_accepts
        first = rejecting[0]
        failing = [finding for finding in first.findings if finding.fails]
        chosen = next((f for f in failing if fraud and f.kind in twice), failing[0])
        outcome = Outcome.FRAUD if fraud else Outcome.REJECT
        more = ", against two references at one in a million" if fraud else ""
        reason = f"the test {chosen.test.name} fails{more}"
        return verdict_of(self.tests, outcome, by or _protocol(first), reason, chosen.test, False, None)

    def _condemned_twice(self, comparisons: Sequence[Comparison]) -> list[str]:
        """Tests that condemn against two references: the exact ideal and another, or two independent ones.

        Executions are independent of each other where neither is a copy, which can only be known of outcomes
        that a copy would betray; and two that contradict each other are no two witnesses of anything.
        """
        everyone = self.case.comparisons
        first_peer = len(everyone) - self.case.peers
        by_test: dict[str, list[int]] = {}
        for index, comparison in enumerate(everyone):
            if comparison not in comparisons:
                continue
            for kind in sorted({finding.kind for finding in comparison.findings if finding.condemns}):
                by_test.setdefault(kind, []).append(index)
        return [
            kind
            for kind, found in sorted(by_test.items())
            if any(
                a < first_peer
                or (
                    self.case.fingerprinted(a - first_peer)
                    and self.case.fingerprinted(b - first_peer)
                    and agree(self.case.between(a - first_peer, b - first_peer), self.policy)
                    and agree(self.case.between(b - first_peer, a - first_peer), self.policy)
                )
                for a, b in combinations(found, 2)
            )
        ]


def _stolen(comparison: Comparison) -> bool:
    """The tested execution is a copy of an earlier one."""
    return any(finding.fails and finding.kind == "copy" for finding in comparison.findings)


def _protocol(comparison: Comparison) -> str:
    return "V3 simulate" if comparison.name == IDEAL else "V4 peer"


def _unsettled(comparison: Comparison) -> Test:
    """The test that keeps a comparison open."""
    waiting = [finding.test for finding in comparison.findings if not finding.accepts]
    return waiting[0] if waiting else _deciding(comparison, False).test


def _factor(test: Test) -> float:
    """How many times the shots bring the value three standard errors from its threshold (at most 100)."""
    apart = abs(test.value_ppm - test.threshold_ppm)
    return min(100.0, max(1.25, (3 * test.se_ppm / max(apart, 1)) ** 2))


def _deciding(comparison: Comparison, weak: bool) -> Finding:
    """The test whose number is shown: the shape, or the magnitude where that decided, or the only one."""
    order = ("magnitude", "marginals", "likeness") if weak else ("shape", "magnitude", "likeness")
    found: dict[str, Finding] = {finding.kind: finding for finding in comparison.findings}
    for kind in (*order, *found):
        if kind in found:
            return found[kind]
    raise VerificationError("a comparison without tests", field="comparison", value=comparison.name)
