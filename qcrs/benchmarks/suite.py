"""The capability suite: plans the circuits of one certification and turns their counts into a certificate.

`plan` follows from a processor's metadata, a seed and a level alone; `evaluate` from the plan, decoded
counts and timings. So every oracle that holds the seed computes the same report, to the byte.

| protocol | full | quick |
|---|---|---|
| readout (C1) | 16 circuits x 500 | 6 x 400 |
| layer fidelity (C2) | about 80 x 400, five lengths | at most 12 x 300, three lengths |
| GHZ (C4) | up to 8 widths x 12 settings x 100 | up to 3 widths x 6 settings x 100 |
| quantum volume (C5) | 3 widths x 100 x 200 | 2 widths x 10 x 150 |
| speed (C7) | all of them | all of them |

The quick level is for demonstrations: the same estimators with fewer circuits, wider intervals, and quantum
volume judged on fewer circuits than its definition asks for. Its report says so.

Report, integers only: `{"qcrs": "capability/1", "level", "confidence", "seed", "qubits", "circuits", "shots",
"capability": {…}, "readout": {"error_nano": [per qubit], …}, "layer_fidelity": {…}, "ghz": […],
"quantum_volume": […], "speed": {…}}`; `_nano` is 1e-9, `_se_nano` one standard error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from qcrs.benchmarks import ghz, layer_fidelity, quantum_volume, readout, speed
from qcrs.benchmarks.topology import Coupling, Edge, Spread
from qcrs.benchmarks.units import BenchmarkUnit, Reading, read
from qcrs.circuits import Drbg
from qcrs.errors import InputError, VerificationError
from qcrs.types import Json, canonical_json

__all__ = [
    "Capability",
    "CapabilityResult",
    "Level",
    "ProcessorModel",
    "SuitePlan",
    "evaluate",
    "plan",
    "quality_word",
]

Level = Literal["full", "quick"]

NANO = 10**9
MOST_QUALITY = 4095
MOST_VOLUME_WIDTH = {"full": 16, "quick": 6}
_UNCLAIMED_ERROR = 1e-2
_EXPECTED_READOUT = 0.02
_ENOUGH_PAIRS = 12
_CONFIDENCE = {
    "full": "two standard errors for every pass; quantum volume by its definition",
    "quick": "reduced: few circuits and shots, wide intervals; quantum volume on fewer than 100 circuits",
}


def quality_word(error_nano: int) -> int:
    """The certificate's quality: floor(-256 log2(error)), 1 to 4095, in exact integer arithmetic.

    256 units are a factor of two in the error per layered gate, given in 1e-9: 1e-2 is 1700, 1e-3 is 2551.
    """
    ratio: int = NANO**256 // max(1, error_nano) ** 256
    return max(1, min(MOST_QUALITY, ratio.bit_length() - 1))


@dataclass(frozen=True, slots=True)
class ProcessorModel:
    """What a plan needs to know of a processor."""

    qubits: int
    coupling: Coupling
    claimed_quality: int | None = None
    t1_ns: int = 0
    t2_ns: int = 0

    def __post_init__(self) -> None:
        if self.qubits < 2:
            raise InputError("the suite needs two qubits at least", field="qubits", value=self.qubits)
        if not self.coupling.edges:
            raise InputError("the suite needs a coupled pair of qubits", field="coupling", value=[])

    @classmethod
    def from_metadata(
        cls, metadata: Mapping[str, Json], claimed_quality: int | None = None, t1_ns: int = 0, t2_ns: int = 0
    ) -> ProcessorModel:
        """From a processor's metadata document; T1 and T2 are declared, not measured."""
        qubits = metadata["qubits"]
        if type(qubits) is not int or not 0 < qubits <= 4095:
            raise InputError("a processor has 1 to 4095 qubits", field="qubits", value=qubits)
        return cls(qubits, Coupling.of(qubits, metadata.get("coupling")), claimed_quality, t1_ns, t2_ns)

    @property
    def expected_error(self) -> float:
        """Error per layered gate that lengths and widths are chosen for; from the claim, else 1e-2."""
        claim = self.claimed_quality
        return float(2.0 ** (-claim / 256)) if claim else _UNCLAIMED_ERROR


@dataclass(frozen=True, slots=True)
class Capability:
    """A processor's certificate in the units of the registry's struct of the same name, in its order."""

    width_tested: int
    log2_quantum_volume: int
    error_per_layered_gate: int
    layers_per_second: int
    readout_error: int
    t1_nanoseconds: int
    t2_nanoseconds: int
    ghz_width: int
    quality: int

    def as_tuple(self) -> tuple[int, ...]:
        """The fields in the order of the contract."""
        return (
            self.width_tested,
            self.log2_quantum_volume,
            self.error_per_layered_gate,
            self.layers_per_second,
            self.readout_error,
            self.t1_nanoseconds,
            self.t2_nanoseconds,
            self.ghz_width,
            self.quality,
        )


@dataclass(frozen=True, slots=True)
class SuitePlan:
    """Every circuit of one certification, in the order in which counts come back."""

    processor: ProcessorModel
    seed: bytes
    level: Level
    units: tuple[BenchmarkUnit, ...]

    @property
    def shots(self) -> int:
        """Over all units."""
        return sum(unit.shots for unit in self.units)

    def jobs(self, most_units: int) -> tuple[tuple[int, ...], ...]:
        """Indices of the units, in runs of at most `most_units` for one job each."""
        count = len(self.units)
        return tuple(tuple(range(i, min(i + most_units, count))) for i in range(0, count, most_units))


@dataclass(frozen=True, slots=True)
class CapabilityResult:
    """The certificate's numbers and the report behind them."""

    capability: Capability
    report: Json

    @property
    def document(self) -> bytes:
        """Canonical bytes of the report; their sha2-256 goes into the certificate."""
        return canonical_json(self.report)


def _layers(processor: ProcessorModel, most: int, seed: bytes) -> list[tuple[Edge, ...]]:
    """Layers that cover the coupling; where there are more than `most`, that many drawn from the seed."""
    layers = processor.coupling.layers()
    order = Drbg(seed, b"capability/layers").permutation(len(layers))
    return [layers[i] for i in sorted(int(i) for i in order[:most])]


def _lengths(processor: ProcessorModel, level: Level) -> list[int]:
    error = processor.expected_error
    if level == "quick":
        longest = max(12, min(40, round(0.3 / error)))
        return [2, longest // 3, longest]
    longest = max(16, min(300, round(0.6 / error)))
    return [2, longest // 8, longest // 4, longest // 2, longest]


def _ghz_widths(reach: int, level: Level) -> list[int]:
    if level == "quick":
        return sorted({max(2, reach // 4), max(2, reach // 2), reach})
    steps = [round(2 * (reach / 2) ** (k / 7)) for k in range(8)]
    return sorted({*steps, reach})


def _volume_widths(processor: ProcessorModel, spread: Spread, level: Level) -> list[int]:
    """Widths about the widest that the expected error should pass, predicted on one routed circuit each."""
    most = min(MOST_VOLUME_WIDTH[level], len(spread.steps) + 1)
    margin = 0.74 if level == "quick" else 0.70
    top = 2
    for width in range(2, most + 1):
        draws = Drbg(bytes(32), b"capability/volume-widths/%d" % width)
        trial = quantum_volume.model_circuit(
            processor.qubits, processor.coupling, spread.region(width), draws
        )
        fidelity = (1 - processor.expected_error) ** trial.count("cz") * (1 - _EXPECTED_READOUT) ** width
        if 0.5 + 0.347 * fidelity > margin:
            top = width
    if level == "quick":
        return sorted({max(2, top // 2), top})
    return sorted({max(2, top - 1), top, min(most, top + 1)})


def plan(processor: ProcessorModel, seed: bytes, level: Level = "full") -> SuitePlan:
    """All circuits of one certification. The seed comes from a beacon after the registration."""
    n, spread = processor.qubits, processor.coupling.spread()
    reach = len(spread.steps) + 1
    quick = level == "quick"
    layers = _layers(processor, 4 if quick else 16, seed)
    lengths = _lengths(processor, level)
    samples = max(1, (12 if quick else 80) // (len(lengths) * len(layers)))
    if quick:  # many pairs average each other's noise; their circuits are the dear ones
        samples = min(samples, -(-_ENOUGH_PAIRS // sum(len(layer) for layer in layers)))
    widths = _volume_widths(processor, spread, level)
    count = (20 // len(widths)) if quick else quantum_volume.FULL_CIRCUITS
    units = [
        *readout.circuits(n, 3 if quick else 8, 400 if quick else 500, seed),
        *layer_fidelity.circuits(n, layers, lengths, samples, 300 if quick else 400, seed),
        *ghz.circuits(n, spread, _ghz_widths(reach, level), 5 if quick else 11, 100, seed),
        *quantum_volume.circuits(
            n,
            processor.coupling,
            [spread.region(width) for width in widths],
            count,
            150 if quick else 200,
            seed,
        ),
    ]
    return SuitePlan(processor, seed, level, tuple(units))


def _nano(value: float) -> int:
    return max(-(2**62), min(2**62, round(value * NANO)))


def _part(
    suite: SuitePlan, readings: Sequence[Reading], protocol: str
) -> tuple[list[BenchmarkUnit], list[Reading]]:
    chosen = [(u, r) for u, r in zip(suite.units, readings, strict=True) if u.protocol == protocol]
    return [u for u, _ in chosen], [r for _, r in chosen]


def evaluate(
    suite: SuitePlan, counts: Sequence[Mapping[Any, int]], timings: Sequence[speed.Timing]
) -> CapabilityResult:
    """The certificate and its report from decoded counts of every unit, in the order of the plan.

    Keys are outcomes as integers or "0x…". Raises `VerificationError` where units, shots or outcomes are
    not those of the plan.
    """
    if len(counts) != len(suite.units):
        raise VerificationError("counts do not match the plan", field="units", value=len(counts))
    readings = [read(u, c, i) for i, (u, c) in enumerate(zip(suite.units, counts, strict=True))]
    reading_errors = readout.score(*_part(suite, readings, readout.PROTOCOL))
    decay = layer_fidelity.score(*_part(suite, readings, layer_fidelity.PROTOCOL), reading_errors)
    states = ghz.score(*_part(suite, readings, ghz.PROTOCOL))
    volumes = quantum_volume.score(*_part(suite, readings, quantum_volume.PROTOCOL))
    rate = speed.score(suite.units, timings)
    error_nano = _nano(decay.certified_error)
    capability = Capability(
        width_tested=suite.processor.qubits,
        log2_quantum_volume=quantum_volume.largest(volumes),
        error_per_layered_gate=error_nano,
        layers_per_second=rate.layers_per_second,
        readout_error=_nano(float(reading_errors.error.mean())),
        t1_nanoseconds=min(suite.processor.t1_ns, 2**32 - 1),
        t2_nanoseconds=min(suite.processor.t2_ns, 2**32 - 1),
        ghz_width=ghz.largest(states),
        quality=quality_word(error_nano),
    )
    report = {
        "qcrs": "capability/1",
        "level": suite.level,
        "confidence": _CONFIDENCE[suite.level],
        "seed": suite.seed.hex(),
        "qubits": suite.processor.qubits,
        "circuits": len(suite.units),
        "shots": suite.shots,
        "capability": asdict(capability),
        "readout": _readout_json(reading_errors),
        "layer_fidelity": _decay_json(decay),
        "ghz": [
            {
                "width": r.width,
                "fidelity_nano": _nano(r.fidelity),
                "fidelity_se_nano": _nano(r.standard_error),
                "passed": r.passed,
            }
            for r in states
        ],
        "quantum_volume": [
            {
                "width": r.width,
                "circuits": r.circuits,
                "heavy_nano": _nano(r.heavy),
                "heavy_se_nano": _nano(r.standard_error),
                "lower_bound_nano": _nano(r.lower_bound),
                "passed": r.passed,
            }
            for r in volumes
        ],
        "speed": {"layer_shots": rate.layer_shots, "milliseconds": rate.milliseconds},
    }
    return CapabilityResult(capability, report)


def _readout_json(result: readout.ReadoutResult) -> Json:
    return {
        "error_nano": [_nano(float(p)) for p in result.error],
        "one_given_zero_nano": [_nano(float(p)) for p in result.p_one_given_zero],
        "zero_given_one_nano": [_nano(float(p)) for p in result.p_zero_given_one],
        "mean_se_nano": _nano(result.standard_error),
        "shots_per_state": result.shots,
    }


def _decay_json(result: layer_fidelity.LayerFidelityResult) -> Json:
    return {
        "error_per_layered_gate_nano": _nano(result.error_per_layered_gate),
        "error_se_nano": _nano(result.standard_error),
        "log_fidelity_nano": _nano(result.log_fidelity),
        "pairs": [
            {
                "pair": list(p.pair),
                "layer": p.layer,
                "error_nano": _nano(1 - p.fidelity),
                "error_se_nano": _nano(15 / 16 * p.alpha_se),
            }
            for p in result.pairs
        ],
    }
