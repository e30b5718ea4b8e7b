"""How large every protocol is in a suite: qubits, lengths, widths, circuits and shots, by claim and level.

Lengths of decays follow the error that the processor claims: readings should fall to about one half. On wide
processors many pairs or regions average one another's noise, so fewer and shorter circuits do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

from qcrs.benchmarks import binary_rb, ghz, layer_fidelity, quantum_volume, readout, relaxation, xeb
from qcrs.benchmarks.topology import Coupling, Edge, Spread
from qcrs.benchmarks.units import BenchmarkUnit
from qcrs.circuits import Drbg

__all__ = ["MOST_VOLUME_WIDTH", "MOST_XEB_WIDTH", "PLANS", "Planned", "decay_lengths", "layers_of"]

MOST_VOLUME_WIDTH = {False: 16, True: 6}
"""Widest quantum volume, by whether the suite is quick: exact answers are needed."""
MOST_XEB_WIDTH = {False: 10, True: 6}
"""Widest cross-entropy: wide enough for a distribution of many outcomes, and simulators finish in seconds."""

_EXPECTED_READOUT = 0.02
_ENOUGH_PAIRS = {False: 1280, True: 12}
"""From this many pairs x samples on, further samples of a decay add little."""
_MOST_INSTRUCTIONS = 150_000
_DELAYS_NS = {
    False: (1_000, 4_000, 12_000, 32_000, 80_000, 160_000, 320_000, 640_000),
    True: (4_000, 20_000, 80_000, 320_000),
}


class Planned(Protocol):
    """What a schedule needs to know of a processor."""

    @property
    def qubits(self) -> int:
        """How many."""
        ...

    @property
    def coupling(self) -> Coupling:
        """Its graph."""
        ...

    @property
    def expected_error(self) -> float:
        """Error per layered gate, as claimed."""
        ...

    @property
    def delays(self) -> bool:
        """Whether it can wait."""
        ...


def layers_of(coupling: Coupling, most: int, seed: bytes) -> list[tuple[Edge, ...]]:
    """Layers that cover the coupling; where there are more than `most`, that many drawn from the seed."""
    layers = coupling.layers()
    order = Drbg(seed, b"capability/layers").permutation(len(layers))
    return [layers[i] for i in sorted(int(i) for i in order[:most])]


def decay_lengths(error: float, qubits: int, quick: bool) -> list[int]:
    """Lengths over which a reading with this error a step falls to about one half (quick: less far)."""
    widest = max(12, _MOST_INSTRUCTIONS * 2 // (3 * qubits))
    if quick:
        longest = min(widest, max(12, min(40, round(0.3 / error))))
        return [2, longest // 3, longest]
    longest = min(widest, max(16, min(300, round(0.6 / error))))
    return [2, longest // 8, longest // 4, longest // 2, longest]


def _readout(processor: Planned, seed: bytes, quick: bool) -> list[BenchmarkUnit]:
    return readout.circuits(processor.qubits, 3 if quick else 8, 400 if quick else 500, seed)


def _layer_fidelity(processor: Planned, seed: bytes, quick: bool) -> list[BenchmarkUnit]:
    layers = layers_of(processor.coupling, 4 if quick else 16, seed)
    lengths = decay_lengths(processor.expected_error, processor.qubits, quick)
    samples = max(1, (12 if quick else 80) // (len(lengths) * len(layers)))
    enough = _ENOUGH_PAIRS[quick]
    samples = min(samples, -(-enough // sum(len(layer) for layer in layers)))
    return layer_fidelity.circuits(processor.qubits, layers, lengths, samples, 300 if quick else 400, seed)


def _binary_rb(processor: Planned, seed: bytes, quick: bool) -> list[BenchmarkUnit]:
    areas = binary_rb.regions(processor.coupling)
    widest = max(len(area) for area in areas)
    error = binary_rb.layer_error(processor.expected_error, widest)
    lengths = decay_lengths(error, processor.qubits, quick)
    return binary_rb.circuits(processor.coupling, lengths, 3 if quick else 8, 100, seed)


def _ghz(processor: Planned, seed: bytes, quick: bool) -> list[BenchmarkUnit]:
    spread = processor.coupling.spread()
    reach = len(spread.steps) + 1
    if quick:
        top = min(reach, _passing_width(processor.expected_error))
        widths = sorted({max(2, top // 2), top, reach})
    else:
        widths = sorted({*(round(2 * (reach / 2) ** (k / 7)) for k in range(8)), reach})
    return ghz.circuits(processor.qubits, spread, widths, 5 if quick else 11, 100, seed)


def _passing_width(error: float) -> int:
    """About the widest GHZ state that keeps a fidelity of one half: an error and a readout a qubit."""
    return max(2, round(math.log(2) / (error + _EXPECTED_READOUT)))


def _volume_widths(processor: Planned, spread: Spread, quick: bool) -> list[int]:
    """Widths about the widest that the expected error should pass, predicted on one routed circuit each."""
    most = min(MOST_VOLUME_WIDTH[quick], len(spread.steps) + 1)
    margin = 0.74 if quick else 0.70
    draws, top = Drbg(bytes(32)), 2
    for width in range(2, most + 1):
        trial = quantum_volume.model_circuit(
            processor.qubits, processor.coupling, spread.region(width), draws
        )
        fidelity = (1 - processor.expected_error) ** trial.count("cz") * (1 - _EXPECTED_READOUT) ** width
        if 0.5 + 0.347 * fidelity > margin:
            top = width
    if quick:
        return sorted({max(2, top // 2), top})
    return sorted({max(2, top - 1), top, min(most, top + 1)})


def _quantum_volume(processor: Planned, seed: bytes, quick: bool) -> list[BenchmarkUnit]:
    spread = processor.coupling.spread()
    widths = _volume_widths(processor, spread, quick)
    count = 20 // len(widths) if quick else quantum_volume.FULL_CIRCUITS
    regions = [spread.region(width) for width in widths]
    return quantum_volume.circuits(
        processor.qubits, processor.coupling, regions, count, 150 if quick else 200, seed
    )


def _xeb(processor: Planned, seed: bytes, quick: bool) -> list[BenchmarkUnit]:
    """As wide as leaves a fidelity of about 0.2 after as many layers as qubits."""
    spread = processor.coupling.spread()
    width = 2
    for wider in range(3, min(MOST_XEB_WIDTH[quick], len(spread.steps) + 1) + 1):
        gates = wider * wider / 2
        if (1 - processor.expected_error) ** gates * (1 - _EXPECTED_READOUT) ** wider > 0.2:
            width = wider
    return xeb.circuits(
        processor.coupling,
        spread.region(width),
        max(4, width),
        3 if quick else 10,
        500 if quick else 2000,
        seed,
    )


def _relaxation(processor: Planned, seed: bytes, quick: bool) -> list[BenchmarkUnit]:
    if not processor.delays:
        return []
    chosen = relaxation.choose(processor.qubits, 2 if quick else 3, seed)
    return relaxation.circuits(processor.qubits, chosen, _DELAYS_NS[quick], 300 if quick else 400)


PLANS: Mapping[str, Callable[[Planned, bytes, bool], list[BenchmarkUnit]]] = {
    "C1": _readout,
    "C2": _layer_fidelity,
    "C3": _binary_rb,
    "C4": _ghz,
    "C5": _quantum_volume,
    "C6": _xeb,
    "C8": _relaxation,
}
"""Circuits of every protocol from (processor, seed, quick); C7 times all of them."""
