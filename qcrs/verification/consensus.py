"""V5 CONSENSUS: what three or more executions of one job say about each other.

Executions are nodes; two agree where neither is rejected against the other, their shapes are alike (ρ ≥ 0.9
within two standard errors) and both have a mass that can be told from chance. This is the amplitude guard:
noise agrees with noise, so answers without structure are voices only where nobody's has any. A copy is not
another voice: of two executions that fail the copy test the later counts as the earlier's. The largest clique
decides if it is more than half of all voices: who is in it is accepted, who is not, and contradicts it, is
rejected. Anything else stays open.

A majority of colluders wins. But two references count as two for a fraud only if they are independent and
agree with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from qcrs.verification.compare import Comparison, Leaning
from qcrs.verification.verdict import PPM, Policy

__all__ = ["Consensus", "agree", "consensus", "copied", "majority_clique"]

TESTED = 0
"""The node of the tested execution; peers are 1, 2, …"""
MOST_NODES = 10


@dataclass(frozen=True, slots=True)
class Consensus:
    """Cliques of more than half of all voices: whether one holds the tested execution, and one of others."""

    holds_tested: bool
    others: tuple[int, ...]
    """Peers (0, 1, …) of a majority that leaves the tested one out; empty if there is none."""
    voices: int


def copied(comparison: Comparison) -> bool:
    """Whether one of the two was made from the other."""
    return any(not f.test.passed and f.kind == "copy" for f in comparison.findings)


def structured(comparison: Comparison) -> bool:
    """Whether the reference of a comparison can be told from uniform noise."""
    return any(f.kind in ("shape", "magnitude") for f in comparison.findings)


def agree(comparison: Comparison, policy: Policy, *, guard: bool = False) -> bool:
    """Whether two executions are alike, by the comparison of either; `guard`: and have a shape."""
    if comparison.leaning is Leaning.REJECT or copied(comparison):
        return False
    shapes = [f.test for f in comparison.findings if f.kind == "shape"]
    if not shapes:
        return not guard and comparison.leaning in (Leaning.ACCEPT, Leaning.WEAK)
    return all(s.value_ppm + 2 * s.se_ppm >= policy.shape_clique * PPM for s in shapes)


def majority_clique(nodes: Sequence[int], linked: Callable[[int, int], bool]) -> list[tuple[int, ...]]:
    """All largest cliques, if they are more than half of the nodes; in order of their members."""
    for size in range(len(nodes), len(nodes) // 2, -1):
        found = [
            group
            for group in combinations(nodes, size)
            if all(linked(a, b) for a, b in combinations(group, 2))
        ]
        if found:
            return found
    return []


def consensus(
    own: Sequence[Comparison], between: Callable[[int, int], Comparison], policy: Policy
) -> Consensus:
    """Who agrees with whom: `own` compares the tested execution with each peer, `between` peer with peer."""
    peers = list(range(min(len(own), MOST_NODES - 1)))
    voices: list[int] = []
    for peer in peers:
        if not any(copied(between(one, peer)) for one in voices):
            voices.append(peer)

    pairs = [between(a, b) for a in voices for b in voices if a != b]
    guard = any(map(structured, (*own, *pairs)))

    def linked(a: int, b: int) -> bool:
        if a == TESTED:
            return agree(own[b - 1], policy, guard=guard)
        both = between(a - 1, b - 1), between(b - 1, a - 1)
        return all(agree(one, policy, guard=guard) for one in both)

    nodes = [TESTED, *(peer + 1 for peer in voices)]
    cliques = majority_clique(nodes, linked) if len(nodes) > 2 else []
    others = next((clique for clique in cliques if TESTED not in clique), ())
    holds = any(TESTED in clique for clique in cliques)
    return Consensus(holds, tuple(node - 1 for node in others), len(nodes))
