"""How surely samples that were not freshly measured are found (V10), and how often fresh ones would be.

Eight qubits, 4,000 shots: each sample is drawn from the exact noisy distribution of a circuit, through the
frames of a job, as in the public table. A cell is the range over four families of the share of trials whose
p-value is below 5e-7, the level of one test among two. The last line is the least p-value of any test between
honest samples:

    python benchmarks/freshness.py [--trials 60]
"""

from __future__ import annotations

import argparse

import numpy as np

from qcrs.attackers.bench.lab import Lab
from qcrs.verification.independence import PoolUnit, overlap_p_value, pool_test
from qcrs.verification.peer import predicted_magnitude, readout_errors
from qcrs.verification.samples import Floats, Sample, blur_density, merged

FAMILIES, QUBITS, SHOTS, LEVEL = ("random", "qaoa", "ising", "brickwork"), 8, 4000, 5e-7
ROWS = (
    "drawn from 2,000 shots, alone",
    "two colluders who draw from 2,000",
    "2,000 shots and 10 % jitter, alone",
    "own past result drawn again, by overlap",
    "the same, by pool",
    "half of it drawn again, half fresh, by overlap",
)


def sample(density: Floats, shots: int, rng: np.random.Generator) -> Sample:
    """Shots drawn from a distribution over the outcomes of eight bits."""
    counts = rng.multinomial(shots, density / density.sum())
    keys = np.nonzero(counts)[0]
    return Sample(QUBITS, keys.astype(np.int64), counts[keys].astype(np.int64))


def again(pool: Sample, shots: int, rng: np.random.Generator, jitter: float = 0.0) -> Sample:
    """Shots drawn from those of a sample, a share of them uniform instead."""
    return sample((1 - jitter) * pool.dense() / pool.shots + jitter / (1 << QUBITS), shots, rng)


def kept(run: Sample, shots: int, rng: np.random.Generator) -> Sample:
    """Some of the shots that were really run."""
    chosen = rng.permutation(np.repeat(run.keys, run.counts))[:shots]
    keys, counts = np.unique(chosen, return_counts=True)
    return Sample(QUBITS, keys, counts.astype(np.int64))


class Trials:
    """One family on one device: p-values of every row, and of honest samples."""

    def __init__(self, family: str, device: str) -> None:
        """Compile the job once; families and noises have seeds of their own."""
        self.first = 10**6 * (1 + FAMILIES.index(family) + len(FAMILIES) * (device == "B"))
        self.lab = Lab(family, QUBITS, SHOTS, device, 0)
        first = self.lab.honest(0)
        self.ideal = blur_density(self.lab.ideal.probabilities, readout_errors(first, 0, self.lab.bits))
        self.certified = predicted_magnitude(first, 0, self.lab.document)

    def fresh(self, seed: int) -> Sample:
        """An honest sample, decoded."""
        shares = self.lab.frequencies(self.lab.run(self.lab.device(), seed))
        counts = np.rint(shares * SHOTS).astype(np.int64)
        keys = np.nonzero(counts)[0]
        return Sample(QUBITS, keys.astype(np.int64), counts[keys])

    def pool(self, a: Sample, b: Sample | None = None) -> float:
        """The p-value of a common pool; 1 where no test is made."""
        p, known = self.ideal, self.certified
        found = pool_test([PoolUnit(a, b, p, p, known, known)])
        return 1.0 if found is None else found.p_value

    def row(self, trial: int) -> tuple[list[float], list[float]]:
        """One trial: p-values by row, and those between honest samples."""
        rng = np.random.default_rng(self.first + 10 * trial + 9)
        run, past, other = (self.fresh(self.first + 10 * trial + k) for k in range(3))
        shots = kept(run, SHOTS // 2, rng)
        x, y = again(shots, SHOTS, rng), again(shots, SHOTS, rng)
        replay = again(past, SHOTS, rng)
        half = merged([again(past, SHOTS // 2, rng), kept(other, SHOTS // 2, rng)])
        found = [
            self.pool(x),
            self.pool(x, y),
            self.pool(again(shots, SHOTS, rng, 0.1)),
            overlap_p_value([(replay, past)]),
            self.pool(replay),
            overlap_p_value([(half, past)]),
        ]
        honest = [self.pool(run), self.pool(run, past), overlap_p_value([(run, past)])]
        return [1.0 if p is None else p for p in found], [1.0 if p is None else p for p in honest]


def main() -> None:
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=60, help="of each family and noise")
    trials = parser.parse_args().trials
    cells: dict[str, list[str]] = {name: [] for name in ROWS}
    least, made = 1.0, 0
    for device in ("A", "B"):
        shares = []
        for family in FAMILIES:
            one = Trials(family, device)
            rows = [one.row(trial) for trial in range(trials)]
            shares.append(np.mean([[p < LEVEL for p in found] for found, _ in rows], axis=0))
            least = min(least, *(p for _, honest in rows for p in honest))
            made += len(rows)
        low, high = np.min(shares, axis=0), np.max(shares, axis=0)
        for name, a, b in zip(ROWS, low, high, strict=True):
            cells[name].append(f"{a:.2f}" if a == b else f"{a:.2f} to {b:.2f}")
    print("| | noise A | noise B |\n|---|---|---|")
    for name, (a, b) in cells.items():
        print(f"| {name} | {a} | {b} |")
    print(f"\nLeast p-value of {made:,} honest trials, three tests each: {least:.1e}")


if __name__ == "__main__":
    main()
