"""How surely cheats are found: the judge's own verdicts, as inputs of the economics.

Each cheat runs on noise A at 8 qubits and 4,000 shots over the families of the bench, as in the public table:
audited it is held against one honest peer without simulation; slashed is who fails against two; unaudited it
is held against the exact distribution where that is known.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from qcrs.attackers.bench.attacks import ATTACKS, Setup
from qcrs.attackers.bench.families import FAMILIES
from qcrs.attackers.bench.lab import Lab
from qcrs.verification import Outcome
from qcrs.verification.economics import Power

__all__ = ["CHEATS", "measured_powers"]

CHEATS = {"diluted": "dilute/50", "noise": "A01", "stale": "A02"}
"""Cheats of the economics by rows of the table."""
N, SHOTS, DEVICE = 8, 4000, "A"


def measured_powers(
    trials: int = 5, *, simulated: bool = False, progress: Callable[[str], None] | None = None
) -> dict[str, Power]:
    """Power of each cheat over `trials` executions of every family; `simulated`: d₀ by simulation, else 0."""
    found = {name: [0, 0, 0, 0] for name in CHEATS}
    for family in FAMILIES:
        if progress is not None:
            progress(family)
        lab = Lab(family, N, SHOTS, DEVICE, 0)
        for name, row in CHEATS.items():
            for trial in range(trials):
                digest = sha256(f"economics/{family}/{row}/{trial}".encode()).digest()
                seed = int.from_bytes(digest[:4], "big") >> 2 | 1
                tested = lab.execution(ATTACKS[row].run(Setup(lab, lab.device(), seed, {})))
                peers = [lab.honest(seed - 1), lab.honest(seed + 1)]
                count = found[name]
                count[0] += 1
                if lab.judge(tested, peers[:1], simulate=False).outcome in (Outcome.REJECT, Outcome.FRAUD):
                    count[1] += 1
                    count[2] += lab.judge(tested, peers, simulate=False).outcome is Outcome.FRAUD
                if simulated:
                    verdict = lab.judge(tested, simulate=True).outcome
                    count[3] += verdict in (Outcome.REJECT, Outcome.FRAUD)
    return {name: _power(name, *counts) for name, counts in found.items()}


def _power(name: str, made: int, audited: int, slashed: int, unaudited: int) -> Power:
    """Shares, each with one imagined failure, so that few trials never look certain."""
    return Power(
        audited * 10**6 // (made + 1),
        unaudited * 10**6 // (made + 1),
        slashed * 10**6 // (audited + 1),
        f"{made} trials of {CHEATS[name]}, n = {N}, {SHOTS} shots, noise {DEVICE}",
    )
