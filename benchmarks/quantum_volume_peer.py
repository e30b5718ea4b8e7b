"""Quantum volume beside qiskit-experiments: the same backend, circuits, counts and seeds given to both.

Records `tests/benchmarks/data/quantum_volume_peer.json`, which the tests hold against what QCRS computes.
Three comparisons on two noisy simulators (two-qubit error 1e-3 and 1e-2, readout 1 % and 2 %):

1. our circuits and their counts, analysed by both: heavy outputs of every circuit must be equal;
2. the peer's circuits and their counts, analysed by both: the same;
3. each with its own circuits, shots and seeds: means must agree within their standard errors.

Widths are even: at odd ones a qubit may stay idle, and the peer measures active qubits only.

Not part of the lock, since the peer is needed only here. To record anew, in a separate environment:

    python -m venv peer && peer/bin/pip install . qiskit-aer==0.18.2 qiskit-experiments==0.14.2
    peer/bin/python benchmarks/quantum_volume_peer.py
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit, transpile
from qiskit_experiments.framework import ExperimentData
from qiskit_experiments.library.quantum_volume import QuantumVolume, QuantumVolumeAnalysis

from qcrs.benchmarks import Coupling, quantum_volume
from qcrs.benchmarks.ideal import probabilities
from qcrs.benchmarks.units import BenchmarkUnit, read
from qcrs.circuits import lower, to_qiskit
from qcrs.node.devices import open_device

WIDTHS = (2, 4)
CIRCUITS, SHOTS = 100, 200
SEED = bytes.fromhex("5e" * 32)
BACKENDS = ("aer:noisy-a?qubits=4&coupling=full", "aer:noisy-b?qubits=4&coupling=full")
OUT = Path(__file__).resolve().parents[1] / "tests" / "benchmarks" / "data" / "quantum_volume_peer.json"


def counts_of(backend: Any, circuits: list[QuantumCircuit], seed: int) -> list[dict[int, int]]:
    result = backend.run(circuits, shots=SHOTS, seed_simulator=seed).result()
    return [{int(key, 16): n for key, n in result.data(i)["counts"].items()} for i in range(len(circuits))]


def peer_analysis(width: int, ideal: list[list[float]], counts: list[dict[int, int]]) -> dict[str, Any]:
    """The peer's own analysis of these distributions and counts."""
    data = ExperimentData()
    data.add_data(
        [
            {
                "counts": {format(k, f"0{width}b"): n for k, n in found.items()},
                "metadata": {"depth": width, "ideal_probabilities": p},
            }
            for p, found in zip(ideal, counts, strict=True)
        ]
    )
    analysis = QuantumVolumeAnalysis()
    analysis.set_options(plot=False)
    analysis.run(data).block_for_results()
    rows = data.analysis_results(dataframe=True, columns="all").set_index("name")
    mean, volume = rows.loc["mean_HOP"], rows.loc["quantum_volume"]
    return {
        "each": list(mean["HOPs"]),
        "mean": mean["value"].nominal_value,
        "sigma": mean["value"].std_dev,
        "quantum_volume": int(volume["value"]),
        "success": bool(volume["success"]),
    }


def ours(units: list[BenchmarkUnit], counts: list[dict[int, int]]) -> Any:
    readings = [read(u, c, i) for i, (u, c) in enumerate(zip(units, counts, strict=True))]
    return quantum_volume.score(units, readings)[0]


def hexed(counts: list[dict[int, int]]) -> list[dict[str, int]]:
    return [{f"{k:x}": n for k, n in sorted(found.items())} for found in counts]


def one_width(spec: str, width: int) -> dict[str, Any]:
    backend = open_device(spec).backend
    coupling = Coupling.of(width, None)
    units = quantum_volume.circuits(width, coupling, [tuple(range(width))], CIRCUITS, SHOTS, SEED)
    counts = counts_of(backend, [to_qiskit(u.circuit) for u in units], 1)
    same = peer_analysis(width, [probabilities(u.circuit).tolist() for u in units], counts)
    mine = ours(units, counts)
    assert list(mine.each) == same["each"], "heavy outputs of our circuits differ"

    experiment = QuantumVolume(range(width), trials=CIRCUITS, seed=7)
    theirs = [circuit.decompose(reps=0) for circuit in experiment.circuits()]
    ideal = [list(map(float, c.metadata["ideal_probabilities"])) for c in theirs]
    translated = transpile(theirs, backend, optimization_level=1, seed_transpiler=7)
    peer_counts = counts_of(backend, translated, 2)
    alone = peer_analysis(width, ideal, peer_counts)
    lowered = [BenchmarkUnit("quantum_volume", lower(c).document, SHOTS, width) for c in theirs]
    again = ours(lowered, peer_counts)
    assert list(again.each) == alone["each"], "heavy outputs of the peer's circuits differ"
    print(
        f"{spec}, {width} qubits: ours {mine.heavy:.4f} ± {mine.standard_error:.4f}, "
        f"peer {alone['mean']:.4f} ± {alone['sigma']:.4f}; {2 * CIRCUITS} circuits equal in both"
    )
    return {
        "backend": spec,
        "width": width,
        "same_circuits": {"counts": hexed(counts), "peer": same},
        "peer_circuits": {
            "circuits": [u.circuit.as_json() for u in lowered[:10]],
            "counts": hexed(peer_counts[:10]),
            "peer": alone,
        },
    }


def main() -> None:
    recorded = {
        "versions": {name: version(name) for name in ("qiskit", "qiskit-aer", "qiskit-experiments")},
        "seed": SEED.hex(),
        "circuits": CIRCUITS,
        "shots": SHOTS,
        "widths": [one_width(spec, width) for spec in BACKENDS for width in WIDTHS],
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(recorded, separators=(",", ":"), sort_keys=True) + "\n")
    print(f"{OUT}: {OUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
