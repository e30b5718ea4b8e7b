"""How often an honest result of a job for one processor alone stays undecided, by circuit and shots.

A job that names its processor has no second provider to confirm it: what the judge leaves undecided ends
unpaid. Noise A (two-qubit error 1e-3, readout 1 %), six qubits, judged against the ideal distribution as
oracles do, four circuits of each family, Wilson's 95 % intervals:

    python benchmarks/undecided.py [--trials 400]
"""

from __future__ import annotations

import argparse

from scipy.stats import binomtest

from qcrs.attackers.bench.families import FAMILIES
from qcrs.attackers.bench.lab import Lab
from qcrs.verification import Outcome

QUBITS, CIRCUITS, DEVICE = 6, 4, "A"
SHOTS = (500, 1_000, 4_000, 16_000)


def undecided(family: str, shots: int, trials: int) -> str:
    """The share and its interval, in percent; `AssertionError` if an honest result was rejected."""
    found = 0
    for instance in range(CIRCUITS):
        lab = Lab(family, QUBITS, shots, DEVICE, instance)
        for trial in range(trials // CIRCUITS):
            outcome = lab.judge(lab.honest(trial), simulate=True).outcome
            assert outcome in (Outcome.ACCEPT, Outcome.UNDECIDED), f"{family}: {outcome.name}"
            found += outcome is Outcome.UNDECIDED
    ends = binomtest(found, trials).proportion_ci(method="wilson")
    return f"{100 * found / trials:.1f} ({100 * ends.low:.1f} to {100 * ends.high:.1f})"


def main() -> None:
    """Print the table in Markdown, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=400, help="of each cell; a multiple of four")
    trials = parser.parse_args().trials
    print("| family | " + " | ".join(f"{shots:,}" for shots in SHOTS) + " |")
    print("|---|" + "---|" * len(SHOTS))
    for family in FAMILIES:
        cells = [undecided(family, shots, trials) for shots in SHOTS]
        print(f"| {family} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
