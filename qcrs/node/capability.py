"""The capability suite on a device at hand, without chain or oracles: what `qcrs bench capability` runs.

Circuits take the way that they take in a certification: framed, translated in place, run, decoded, scored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from qcrs.benchmarks import CapabilityResult, Level, ProcessorModel, SuitePlan, Timing, evaluate, plan
from qcrs.circuits import keccak
from qcrs.client.documents import ResultDocument, ResultUnit
from qcrs.client.program import Unit, build_documents, decode_result
from qcrs.node.devices import Device, metadata
from qcrs.node.runner import run_units

__all__ = ["measure", "plan_for"]

_CHUNK = 50
"""Most units that run between two notes of progress."""


def plan_for(
    device: Device,
    seed: bytes,
    level: Level = "quick",
    only: list[str] | None = None,
    quality: int | None = None,
) -> SuitePlan:
    """The circuits for a device; lengths and widths follow the claimed `quality`, else an error of 1e-2."""
    described = metadata(device, name=str(device.backend.name), hpke="", calibration_cid="")
    return plan(ProcessorModel.from_metadata(described, quality), seed, level, only)


def measure(
    device: Device, suite: SuitePlan, progress: Callable[[int, int, str], None] | None = None
) -> CapabilityResult:
    """Run a plan and evaluate it. `progress` hears of (units done, units in all, protocol at work).

    The same seed gives the same counts on a simulator; times differ.
    """
    units = [Unit(unit.circuit, unit.shots) for unit in suite.units]
    frames, secret = build_documents(
        units,
        seed=keccak(b"frames" + suite.seed),
        job_nonce=keccak(b"nonce" + suite.seed).hex(),
        physical=True,
        simulator_seed=0,
        purpose="capability",
    )
    found: list[ResultUnit] = []
    started = time.perf_counter()
    for start, end in _chunks([unit.protocol for unit in suite.units]):
        if progress is not None:
            progress(start, len(units), suite.units[start].protocol)
        # Every part draws its own noise; one seed for all would give them the same.
        draw = keccak(b"simulator" + suite.seed + start.to_bytes(4, "big"))
        part = replace(
            frames,
            units=frames.units[start:end],
            simulator_seed=int.from_bytes(draw[:4], "big") >> 1,
        )
        found += run_units(device, part)
    milliseconds = max(1, round(1000 * (time.perf_counter() - started)))
    if progress is not None:
        progress(len(units), len(units), "scoring")
    document = ResultDocument(0, 0, 0, tuple(found), {}, milliseconds)
    counts = [outcome.counts for outcome in decode_result(secret, document)]
    return evaluate(suite, counts, [Timing(tuple(range(len(units))), milliseconds)])


def _chunks(protocols: list[str]) -> Iterator[tuple[int, int]]:
    """Runs of one protocol, cut at `_CHUNK`."""
    start = 0
    for end in range(1, len(protocols) + 1):
        if end == len(protocols) or protocols[end] != protocols[start] or end - start == _CHUNK:
            yield start, end
            start = end
