"""The capability suite: plans the circuits of one certification and turns their counts into a certificate.

`plan` follows from a processor's metadata, a seed and a level alone; `evaluate` from the plan, decoded
counts and timings. So every oracle that holds the seed computes the same report, to the byte.

| protocol | full | quick |
|---|---|---|
| readout (C1) | 16 circuits x 500 | 6 x 400 |
| layer fidelity (C2) | about 80 x 400, five lengths | at most 12 x 300, three lengths |
| binary benchmarking (C3) | 40 x 100, five lengths | 9 x 100, three lengths |
| GHZ (C4) | up to 8 widths x 12 settings x 100 | up to 3 widths x 6 settings x 100 |
| quantum volume (C5) | 3 widths x 100 x 200 | 2 widths x 10 x 150 |
| cross-entropy (C6) | 10 x 2000, up to 10 qubits | 3 x 500, up to 6 qubits |
| speed (C7) | all of them | all of them |
| T1 and T2 (C8) | 3 qubits, 8 delays x 2 x 400 | 2 qubits, 4 delays x 2 x 300 |

C8 is left out where a processor's metadata have no `delay` in its basis. Any selection of protocols can be
planned; only the whole suite gives a certificate.

The quick level is for demonstrations: the same estimators with fewer circuits, wider intervals, and quantum
volume judged on fewer circuits than its definition asks for. Its report says so.

The report's form is described in `qcrs.benchmarks.report`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from qcrs.benchmarks import (
    binary_rb,
    ghz,
    layer_fidelity,
    quantum_volume,
    readout,
    relaxation,
    report,
    schedule,
    speed,
    xeb,
)
from qcrs.benchmarks.topology import Coupling
from qcrs.benchmarks.units import BenchmarkUnit, Reading, read
from qcrs.errors import InputError, VerificationError
from qcrs.types import Json, canonical_json

__all__ = [
    "PROTOCOLS",
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

PROTOCOLS: Mapping[str, str] = {
    "C1": readout.PROTOCOL,
    "C2": layer_fidelity.PROTOCOL,
    "C3": binary_rb.PROTOCOL,
    "C4": ghz.PROTOCOL,
    "C5": quantum_volume.PROTOCOL,
    "C6": xeb.PROTOCOL,
    "C7": "speed",
    "C8": relaxation.PROTOCOL,
}
"""Names of the protocols by number. C2, C3 and C8 correct their readings by C1's."""

NANO = 10**9
MOST_QUALITY = 4095
_UNCLAIMED_ERROR = 1e-2
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
    delays: bool = True
    """Whether circuits may wait: without, T1 and T2 are as declared."""

    def __post_init__(self) -> None:
        if self.qubits < 2:
            raise InputError(
                "the suite needs two qubits at least",
                field="qubits",
                value=self.qubits,
                solution="measure a device with two or more qubits",
            )
        if not self.coupling.edges:
            raise InputError(
                "the suite needs a coupled pair of qubits",
                field="coupling",
                value=[],
                solution="give the device's coupling map at least one pair",
            )

    @classmethod
    def from_metadata(
        cls, metadata: Mapping[str, Json], claimed_quality: int | None = None, t1_ns: int = 0, t2_ns: int = 0
    ) -> ProcessorModel:
        """From a processor's metadata document; declared T1 and T2 count where none are measured."""
        qubits = metadata["qubits"]
        if type(qubits) is not int or not 0 < qubits <= 4095:
            raise InputError("a processor has 1 to 4095 qubits", field="qubits", value=qubits)
        coupling = Coupling.of(qubits, metadata.get("coupling"))
        delays = "delay" in metadata.get("basis", ["delay"])
        return cls(qubits, coupling, claimed_quality, t1_ns, t2_ns, delays)

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
    complete: bool = True
    """Whether all protocols are in it, so that it gives a certificate."""

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
    """The certificate's numbers, None where only some protocols ran, and the report behind them."""

    capability: Capability | None
    report: Json

    @property
    def document(self) -> bytes:
        """Canonical bytes of the report; their sha2-256 goes into the certificate."""
        return canonical_json(self.report)


def plan(
    processor: ProcessorModel, seed: bytes, level: Level = "full", only: Iterable[str] | None = None
) -> SuitePlan:
    """All circuits of one certification. The seed comes from a beacon after the registration.

    `only` names protocols by number ("C2"); those whose readings they need are added. `InputError` on others.
    """
    chosen = set(PROTOCOLS) if only is None else {name.upper() for name in only}
    unknown = chosen - set(PROTOCOLS)
    if unknown or not chosen:
        raise InputError(
            "no such protocol",
            field="only",
            value=", ".join(sorted(unknown)),
            solution=f"name some of {', '.join(PROTOCOLS)}",
        )
    if chosen & {"C2", "C3", "C8"} or chosen == {"C7"}:
        chosen.add("C1")
    units: list[BenchmarkUnit] = []
    for name, planned in schedule.PLANS.items():
        if name in chosen:
            units += planned(processor, seed, level == "quick")
    return SuitePlan(processor, seed, level, tuple(units), chosen == set(PROTOCOLS))


def _nano(value: float) -> int:
    return max(-(2**62), min(2**62, round(value * NANO)))


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
    found = _scored(suite, readings, timings)
    capability = _certificate(suite, found) if suite.complete else None
    coupling = suite.processor.coupling
    head: dict[str, Json] = {
        "qcrs": "capability/1",
        "level": suite.level,
        "confidence": _CONFIDENCE[suite.level],
        "seed": suite.seed.hex(),
        "qubits": suite.processor.qubits,
        "coupling": None if coupling.complete else [list(edge) for edge in coupling.edges],
        "circuits": len(suite.units),
        "shots": suite.shots,
    }
    if capability is not None:
        head["capability"] = asdict(capability)
    return CapabilityResult(capability, head | report.sections(found))


def _scored(
    suite: SuitePlan, readings: Sequence[Reading], timings: Sequence[speed.Timing]
) -> report.Findings:
    """Every protocol's result; None where it did not run."""
    parts: dict[str, tuple[list[BenchmarkUnit], list[Reading]]] = {}
    for unit, reading in zip(suite.units, readings, strict=True):
        units, found = parts.setdefault(unit.protocol, ([], []))
        units.append(unit)
        found.append(reading)
    errors = readout.score(*parts[readout.PROTOCOL]) if readout.PROTOCOL in parts else None

    def corrected(name: str, score: Callable[..., Any]) -> Any:
        return score(*parts[name], errors) if name in parts else None

    def plain(name: str, score: Callable[..., Any]) -> Any:
        return score(*parts[name]) if name in parts else None

    return report.Findings(
        readout=errors,
        layer_fidelity=corrected(layer_fidelity.PROTOCOL, layer_fidelity.score),
        binary_rb=corrected(binary_rb.PROTOCOL, binary_rb.score),
        ghz=plain(ghz.PROTOCOL, ghz.score),
        quantum_volume=plain(quantum_volume.PROTOCOL, quantum_volume.score),
        xeb=plain(xeb.PROTOCOL, xeb.score),
        relaxation=corrected(relaxation.PROTOCOL, relaxation.score),
        speed=speed.score(suite.units, timings),
    )


def _certificate(suite: SuitePlan, found: report.Findings) -> Capability:
    """The registry's numbers. `VerificationError` where a plan called whole lacks a protocol."""
    decay, errors, states, volumes = found.layer_fidelity, found.readout, found.ghz, found.quantum_volume
    if decay is None or errors is None or states is None or volumes is None:
        raise VerificationError("a certificate needs the whole suite", field="units")
    error_nano = _nano(decay.certified_error)
    t1, t2 = suite.processor.t1_ns, suite.processor.t2_ns
    if found.relaxation:
        t1, t2 = relaxation.shortest(found.relaxation)
    return Capability(
        width_tested=suite.processor.qubits,
        log2_quantum_volume=quantum_volume.largest(volumes),
        error_per_layered_gate=error_nano,
        layers_per_second=found.speed.layers_per_second,
        readout_error=_nano(float(errors.error.mean())),
        t1_nanoseconds=min(t1, 2**32 - 1),
        t2_nanoseconds=min(t2, 2**32 - 1),
        ghz_width=ghz.largest(states),
        quality=quality_word(error_nano),
    )
