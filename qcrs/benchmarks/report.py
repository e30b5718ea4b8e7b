"""The report of a suite: what every protocol found, as integers, so that its canonical bytes name it.

`{"qcrs": "capability/1", "level", "confidence", "seed", "qubits", "coupling", "circuits", "shots",
"capability": {…}}` and a section for each protocol that ran: `readout`, `layer_fidelity`, `binary_rb`, `ghz`,
`quantum_volume`, `xeb`, `relaxation`, `speed`. `_nano` is 1e-9, `_se_nano` one standard error, `_ns`
nanoseconds. `coupling` is null where all pairs are coupled; `capability` is there only where all ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qcrs.benchmarks.binary_rb import BinaryResult
from qcrs.benchmarks.ghz import GhzResult
from qcrs.benchmarks.layer_fidelity import LayerFidelityResult
from qcrs.benchmarks.quantum_volume import VolumeResult
from qcrs.benchmarks.readout import ReadoutResult
from qcrs.benchmarks.relaxation import QubitTimes, TimeFound
from qcrs.benchmarks.speed import SpeedResult
from qcrs.benchmarks.xeb import XebResult
from qcrs.types import Json

__all__ = ["Findings", "sections"]

_NANO = 10**9


@dataclass(frozen=True, slots=True)
class Findings:
    """Every protocol's result; None where it did not run."""

    readout: ReadoutResult | None
    layer_fidelity: LayerFidelityResult | None
    binary_rb: BinaryResult | None
    ghz: Sequence[GhzResult] | None
    quantum_volume: Sequence[VolumeResult] | None
    xeb: XebResult | None
    relaxation: Sequence[QubitTimes] | None
    speed: SpeedResult


def _nano(value: float) -> int:
    return max(-(2**62), min(2**62, round(value * _NANO)))


def sections(found: Findings) -> dict[str, Json]:
    """One section for each protocol that ran."""
    out: dict[str, Json] = {
        "speed": {"layer_shots": found.speed.layer_shots, "milliseconds": found.speed.milliseconds}
    }
    if found.readout is not None:
        out["readout"] = _readout(found.readout)
    if found.layer_fidelity is not None:
        out["layer_fidelity"] = _layer_fidelity(found.layer_fidelity)
    if found.binary_rb is not None:
        out["binary_rb"] = _binary_rb(found.binary_rb)
    if found.ghz is not None:
        out["ghz"] = [_ghz(r) for r in found.ghz]
    if found.quantum_volume is not None:
        out["quantum_volume"] = [_quantum_volume(r) for r in found.quantum_volume]
    if found.xeb is not None:
        out["xeb"] = _xeb(found.xeb)
    if found.relaxation is not None:
        out["relaxation"] = [_relaxation(r) for r in found.relaxation]
    return out


def _readout(result: ReadoutResult) -> Json:
    return {
        "error_nano": [_nano(float(p)) for p in result.error],
        "one_given_zero_nano": [_nano(float(p)) for p in result.p_one_given_zero],
        "zero_given_one_nano": [_nano(float(p)) for p in result.p_zero_given_one],
        "mean_se_nano": _nano(result.standard_error),
        "shots_per_state": result.shots,
    }


def _layer_fidelity(result: LayerFidelityResult) -> Json:
    return {
        "error_per_layered_gate_nano": _nano(result.error_per_layered_gate),
        "error_se_nano": _nano(result.standard_error),
        "log_fidelity_nano": _nano(result.log_fidelity),
        "log_fidelity_se_nano": _nano(result.log_fidelity_se),
        "pairs": [
            {
                "pair": list(p.pair),
                "layer": p.layer,
                "error_nano": _nano(1 - p.fidelity),
                "error_se_nano": _nano(p.standard_error),
            }
            for p in result.pairs
        ],
        "curve": [
            {"layer": layer, "length": length, "mean_nano": _nano(mean), "mean_se_nano": _nano(error)}
            for layer, length, mean, error in result.curve
        ],
    }


def _binary_rb(result: BinaryResult) -> Json:
    return {
        "error_per_layer_nano": _nano(result.error_per_layer),
        "error_per_qubit_nano": _nano(result.error_per_qubit),
        "error_per_qubit_se_nano": _nano(result.standard_error),
        "regions": [
            {
                "qubits": list(r.region),
                "error_nano": _nano(r.error),
                "error_se_nano": _nano(r.standard_error),
            }
            for r in result.regions
        ],
        "curve": [
            {"length": length, "mean_nano": _nano(mean), "mean_se_nano": _nano(error)}
            for length, mean, error in result.curve
        ],
    }


def _ghz(result: GhzResult) -> Json:
    return {
        "width": result.width,
        "fidelity_nano": _nano(result.fidelity),
        "fidelity_se_nano": _nano(result.standard_error),
        "passed": result.passed,
    }


def _quantum_volume(result: VolumeResult) -> Json:
    return {
        "width": result.width,
        "circuits": result.circuits,
        "heavy_nano": _nano(result.heavy),
        "heavy_se_nano": _nano(result.standard_error),
        "lower_bound_nano": _nano(result.lower_bound),
        "passed": result.passed,
        "each_nano": [_nano(value) for value in result.each],
    }


def _xeb(result: XebResult) -> Json:
    return {
        "width": result.width,
        "circuits": result.circuits,
        "fidelity_nano": _nano(result.fidelity),
        "fidelity_se_nano": _nano(result.standard_error),
        "shape_nano": None if result.shape is None else _nano(result.shape),
        "each_nano": [_nano(value) for value in result.each],
    }


def _time(found: TimeFound) -> Json:
    return {
        "time_ns": None if found.time_ns is None else round(found.time_ns),
        "error_ns": None if found.error_ns is None else round(found.error_ns),
        "at_least_ns": round(found.at_least_ns),
    }


def _relaxation(found: QubitTimes) -> Json:
    return {
        "qubit": found.qubit,
        "t1": _time(found.t1),
        "t2": _time(found.t2),
        "t1_points": [[delay, _nano(value)] for delay, value in found.t1_points],
        "t2_points": [[delay, _nano(value)] for delay, value in found.t2_points],
    }
