"""A run in numbers: each figure with its 95 % confidence interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from qcrs.qnp.drivers.heap import Network
from qcrs.qnp.drivers.records import CircuitStats, Delivery
from qcrs.qnp.network.actions import Status

__all__ = ["qber", "summarise", "throughput", "wilson"]

Z95 = 1.959963984540054
SECOND = 1_000_000_000


def wilson(wrong: int, total: int) -> tuple[float, float, float] | None:
    """Share, lower and upper end of Wilson's 95 % interval; None without trials."""
    if not total:
        return None
    p, z = wrong / total, Z95
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    return p, max(0.0, middle - half), min(1.0, middle + half)


def _rate(stats: CircuitStats) -> tuple[float, float, float] | None:
    """Pairs per second from the gaps between deliveries, with a normal interval of their mean."""
    gaps = stats.delivered - 1
    if gaps < 2 or stats.last_ns <= stats.first_ns:
        return None
    mean = (stats.last_ns - stats.first_ns) / gaps
    deviation = math.sqrt(max(0.0, stats.gap_sum2 / gaps - mean * mean) / gaps)
    low, high = mean + Z95 * deviation, max(mean - Z95 * deviation, mean / gaps)
    return SECOND / mean, SECOND / low, SECOND / high


def _fidelity(stats: CircuitStats) -> tuple[float, float, float] | None:
    found = stats.interval()
    if found is None:
        return None
    mean, error = found
    return mean, mean - Z95 * error, min(1.0, mean + Z95 * error)


def qber(pairs: Sequence[Delivery]) -> dict[str, tuple[float, float, float] | None]:
    """Error rates of measured pairs by axis where both ends measured the same, with intervals."""
    count, wrong = [0, 0, 0], [0, 0, 0]
    for pair in pairs:
        axis = pair.head_outcome >> 1
        if pair.head_outcome < 0 or axis != pair.tail_outcome >> 1 or axis > 2:
            continue
        x, z = pair.bell >> 1, pair.bell & 1
        expected = (z, x ^ z ^ 1, x)[axis]
        count[axis] += 1
        wrong[axis] += (pair.head_outcome ^ pair.tail_outcome) & 1 ^ expected
    return {name: wilson(wrong[i], count[i]) for i, name in enumerate("xyz")}


def throughput(pairs: Sequence[Delivery], circuit: int, bins: int = 40) -> list[tuple[float, float]]:
    """Pairs per second over time: (seconds, rate) in equal steps."""
    times = [p.time_ns for p in pairs if p.circuit == circuit]
    if len(times) < 2:
        return []
    step = max(1, max(times) // bins + 1)
    count = [0] * (max(times) // step + 1)
    for time in times:
        count[time // step] += 1
    return [((i + 0.5) * step / SECOND, n * SECOND / step) for i, n in enumerate(count)]


def _tests(network: Network, circuit: int) -> dict[str, Any] | None:
    state = network.port(circuit, network.plans[circuit].path[0]).state
    if state is None or not state.tests.total:  # no state here: the node is a process of its own
        return None
    return {axis: wilson(state.tests.wrong[i], state.tests.count[i]) for i, axis in enumerate("xyz")}


def summarise(network: Network) -> dict[str, Any]:
    """Everything about a run that a reader asks for first. Intervals are [value, low, high]."""
    circuits = []
    for number, plan in network.plans.items():
        stats = network.stats[number]
        pairs = [p for p in network.deliveries if p.circuit == number]
        circuits.append(
            {
                "circuit": plan.spec.name,
                "number": number,
                "path": [network.topology.nodes[n].name for n in plan.path],
                "delivered": stats.delivered,
                "wrong_bell": stats.wrong_bell,
                "rate_hz": _rate(stats),
                "predicted_rate_hz": plan.eer,
                "fidelity": _fidelity(stats),
                "predicted_fidelity": plan.predicted_fidelity,
                "qber": qber(pairs),
                "test_rounds": _tests(network, number),
            }
        )
    logs = list(network.requests.values())
    return {
        "network": network.topology.name,
        "seed": network.seed,
        "simulated_s": network.now / SECOND,
        "events": network.events,
        "link_pairs": network.plant.pairs_made,
        "delivered": network.delivered,
        "leaked_qubits": network.leaked(),
        "circuits": circuits,
        "requests": [log.as_dict() for log in logs],
        "completed": sum(log.status is Status.COMPLETED for log in logs),
    }
