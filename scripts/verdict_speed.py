"""How long a verdict takes: two executions of n qubits compared, or one with its ideal distribution at hand.

    python scripts/verdict_speed.py [--qubits 20] [--shots 4000] [--exact]

Counts are drawn from the distribution of a random circuit with a tenth of white noise; simulating the circuit
is not part of what is measured. Process time of one core, the median of repeated verdicts.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import numpy as np
from qiskit.circuit.library import quantum_volume

from qcrs.circuits import Drbg, lower
from qcrs.circuits.frames import frame_mask, shots_per_frame
from qcrs.verification import DeviceErrors, Execution, Ideal, JudgeInput, JudgeUnit, Policy, judge

ERRORS = DeviceErrors(1_000_000, (), 10_000_000)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--qubits", type=int, default=20)
    parser.add_argument("--shots", type=int, default=4000)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--exact", action="store_true", help="against the ideal instead of a peer")
    asked = parser.parse_args()
    circuit = lower(quantum_volume(asked.qubits, 6, seed=1)).document
    seed = bytes(32)
    stream = Drbg(seed, b"qcrs/verdict-speed/1")
    # Porter and Thomas: exponential probabilities, to a power that leaves something to compare at this width.
    p = (-np.log1p(-stream.uniform(1 << asked.qubits))) ** 4
    p /= p.sum()
    edges = np.cumsum(0.9 * p + 0.1 / len(p))

    def execution() -> Execution:
        frames = []
        for index, shots in enumerate(shots_per_frame(asked.shots, 1)):
            drawn = np.searchsorted(edges, stream.uniform(shots) * edges[-1])
            raw, counts = np.unique(drawn ^ frame_mask(circuit, seed, 0, index), return_counts=True)
            frames.append(dict(zip(raw.tolist(), counts.tolist(), strict=True)))
        return Execution((tuple(frames),), errors=ERRORS)

    unit = JudgeUnit(circuit, asked.shots)
    policy = Policy() if asked.exact else Policy(simulate_qubits=0, simulate_drawn_qubits=0)
    ideals = {0: Ideal(circuit.measured_clbits(), p)} if asked.exact else None
    times = []
    for _ in range(asked.repeat + 1):
        peers = () if asked.exact else (execution(),)
        job = JudgeInput((unit,), seed, execution(), peers, ideals=ideals)
        start = time.process_time()
        verdict = judge(job, policy)
        times.append(1e3 * (time.process_time() - start))
    against = "the ideal" if asked.exact else "another execution"
    sys.stdout.write(
        f"{asked.qubits} qubits, {asked.shots} shots against {against}: "
        f"{statistics.median(times[1:]):.1f} ms ({verdict.outcome.name.lower()}, {verdict.decided_by})\n"
    )


if __name__ == "__main__":
    main()
