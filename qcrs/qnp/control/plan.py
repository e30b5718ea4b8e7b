"""Routing and signalling: path, link fidelities, cutoff and rates for a wanted end-to-end fidelity.

The prediction is for the worst pair that the cutoff lets through: every stored qubit of a repeater waits one
cutoff, an end's qubit (n − 1) cutoffs and the way of a message, through each node's own memory, gate and
readout errors. The slowest setting is never chosen without need: among link fidelities that meet the goal
the lowest is taken, because single-click links are faster the less is asked of them.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from qcrs.errors import ConfigError
from qcrs.qnp.network.actions import RoutingEntry
from qcrs.qnp.physical import single_click
from qcrs.qnp.physical.hardware import Source
from qcrs.qnp.topology.model import NO_LIMIT_NS, CircuitSpec, LinkSpec, Topology

__all__ = ["CircuitPlan", "LinkSetting", "link_setting", "plan", "plan_all", "predicted_fidelity", "route"]

SECOND = 1_000_000_000
_STEPS = 64


@dataclass(frozen=True, slots=True)
class LinkSetting:
    """A link as one circuit uses it: the source's setting, mean time to a pair, cutoffs."""

    link: int
    source: Source
    mean_ns: int
    short_cutoff_ns: int
    alpha: float | None

    @property
    def fidelity(self) -> float:
        """Of a fresh pair."""
        return self.source.fidelity

    @property
    def rate(self) -> float:
        """Pairs per second if the link does nothing else."""
        return SECOND * self.source.p / self.source.attempt_ns


@dataclass(frozen=True, slots=True)
class CircuitPlan:
    """A circuit ready to be installed. Rates in pairs per second."""

    number: int
    spec: CircuitSpec
    path: tuple[int, ...]
    settings: tuple[LinkSetting, ...]
    cutoff_ns: int
    predicted_fidelity: float
    lpr: float
    eer: float
    entries: tuple[RoutingEntry, ...]


def link_setting(topology: Topology, link: int, fidelity: float) -> LinkSetting:
    """The setting of a link that gives pairs of (at least) this fidelity; `ConfigError` if it cannot."""
    spec = topology.links[link]
    if spec.kind == "heralded":
        if fidelity > spec.fidelity + 1e-12:
            raise ConfigError(
                f"link {spec.name} gives fidelity {spec.fidelity:.4f} at most",
                field="fidelity",
                value=fidelity,
            )
        source = Source(spec.p, spec.attempt_ns, _heralded(spec), (0, 1, 2, 3))
        alpha = None
    else:
        alpha = single_click.alpha_for_fidelity(fidelity, spec.eta)
        p = single_click.success_probability(alpha, spec.eta)
        xyz = single_click.correlators(alpha, spec.eta)
        source = Source(p, spec.attempt_ns, xyz, (2, 3), single_click.herald_fidelity(alpha, spec.eta))
    mean = single_click.cycle_time_ns(source.p, spec.attempt_ns)
    return LinkSetting(link, source, mean, single_click.short_cutoff_ns(source.p, spec.attempt_ns), alpha)


def _heralded(spec: LinkSpec) -> tuple[float, float, float]:
    """Correlators with the infidelity spread evenly (Werner) or over Z alone, or in between."""
    bad = 1 - spec.fidelity
    z = bad * (1 + 2 * spec.dephasing) / 3
    x = y = bad * (1 - spec.dephasing) / 3
    return 1 - 2 * (z + y), 1 - 2 * (z + x), 1 - 2 * (x + y)


def route(topology: Topology, head: str, tail: str) -> tuple[int, ...]:
    """The path with the fewest hops, then the shortest; as node numbers."""
    start, goal = topology.index(head), topology.index(tail)
    neighbours: dict[int, list[tuple[int, float]]] = {}
    for link in topology.links:
        a, b = topology.index(link.a), topology.index(link.b)
        neighbours.setdefault(a, []).append((b, link.length_m))
        neighbours.setdefault(b, []).append((a, link.length_m))
    heap: list[tuple[int, float, int, tuple[int, ...]]] = [(0, 0.0, start, (start,))]
    done: set[int] = set()
    while heap:
        hops, length, node, path = heapq.heappop(heap)
        if node == goal:
            return path
        if node in done:
            continue
        done.add(node)
        for other, metres in neighbours.get(node, ()):
            if other not in done:
                heapq.heappush(heap, (hops + 1, length + metres, other, (*path, other)))
    raise ConfigError(
        "no path joins these nodes",
        field="circuit",
        value=f"{head}-{tail}",
        solution="add links between them",
    )


def _cutoff(
    topology: Topology, spec: CircuitSpec, path: Sequence[int], settings: Sequence[LinkSetting]
) -> int:
    if isinstance(spec.cutoff, int):
        return spec.cutoff
    if spec.cutoff == "none":
        return NO_LIMIT_NS
    if spec.cutoff == "short":
        return max(s.short_cutoff_ns for s in settings)
    worst = NO_LIMIT_NS
    for i, setting in enumerate(settings):
        noises = [topology.nodes[n].hardware.noise for n in path[i : i + 2]]
        dephasing = sum(n.dephasing_per_ns for n in noises)
        depolarising = sum(n.depolarising_per_ns for n in noises)
        worst = min(worst, single_click.long_cutoff_ns(setting.source.xyz, dephasing, depolarising))
    return worst


def _path_delay_ns(topology: Topology, settings: Sequence[LinkSetting]) -> int:
    return sum(topology.links[s.link].frame_delay_ns for s in settings)


def predicted_fidelity(
    topology: Topology, path: Sequence[int], settings: Sequence[LinkSetting], cutoff_ns: int
) -> float:
    """End-to-end fidelity of the worst pair that the cutoff lets through."""
    xx = yy = zz = 1.0
    for setting in settings:
        x, y, z = setting.source.xyz
        xx, yy, zz = xx * x, yy * y, zz * z
    wait_repeater = cutoff_ns if len(path) > 2 else 0
    wait_end = (len(path) - 2) * cutoff_ns + _path_delay_ns(topology, settings)
    dephased = depolarised = 0.0
    for position, node in enumerate(path):
        hardware = topology.nodes[node].hardware
        inner = 0 < position < len(path) - 1
        waited = 2 * (wait_repeater + hardware.swap_ns) if inner else wait_end
        noise = hardware.noise
        dephased += noise.dephasing_per_ns * waited
        depolarised += noise.depolarising_per_ns * waited
        if inner:
            k, r = 1 - noise.gate_error, 1 - 2 * noise.readout_error
            xx, yy, zz = xx * k * r, yy * k * r * r, zz * k * r
    fade = math.exp(-depolarised)
    return (1 + (xx + yy) * fade * math.exp(-dephased) + zz * fade) / 4


def _settings(topology: Topology, path: Sequence[int], fidelity: float) -> tuple[LinkSetting, ...]:
    names = [topology.nodes[n].name for n in path]
    links = [topology.link_between(a, b) for a, b in pairwise(names)]
    found = []
    for link in links:
        spec = topology.links[link]
        found.append(link_setting(topology, link, fidelity if spec.kind == "single_click" else 0.0))
    return tuple(found)


def plan(topology: Topology, spec: CircuitSpec, number: int, sharing: int = 1) -> CircuitPlan:
    """Choose path, link fidelities, cutoff and rates of one circuit.

    `sharing` is how many circuits its busiest link serves. `ConfigError` where no setting of the links
    reaches the wanted fidelity.
    """
    path = tuple(map(topology.index, spec.path)) if spec.path else route(topology, spec.head, spec.tail)
    if path[0] != topology.index(spec.head) or path[-1] != topology.index(spec.tail):
        raise ConfigError("a path runs from head to tail", field="path", value=spec.path)

    def attempt(fidelity: float) -> tuple[tuple[LinkSetting, ...], int, float]:
        settings = _settings(topology, path, fidelity)
        cutoff = _cutoff(topology, spec, path, settings)
        usable = cutoff if cutoff < NO_LIMIT_NS else max(s.short_cutoff_ns for s in settings)
        return settings, cutoff, predicted_fidelity(topology, path, settings, usable)

    if spec.link_fidelity:
        settings, cutoff, predicted = attempt(spec.link_fidelity)
    else:
        settings, cutoff, predicted = _lowest(attempt, spec)
    return _finish(topology, spec, number, sharing, path, settings, cutoff, predicted)


def _lowest(
    attempt: Callable[[float], tuple[tuple[LinkSetting, ...], int, float]], spec: CircuitSpec
) -> tuple[tuple[LinkSetting, ...], int, float]:
    """The lowest link fidelity that meets the goal: a coarse scan (waiting longer for better pairs may
    lower the end-to-end fidelity again, so no bisection from afar), then bisection in the step found.
    """
    best, low = 0.0, 0.5
    for step in range(1, _STEPS):
        high = 0.5 + 0.5 * step / _STEPS
        found = attempt(high)
        best = max(best, found[2])
        if found[2] >= spec.fidelity:
            break
        low = high
    else:
        raise ConfigError(
            f"circuit {spec.name} reaches fidelity {best:.4f} at most on this path",
            field="fidelity",
            value=spec.fidelity,
            solution="ask for less, choose a shorter path, or give its nodes longer memories",
        )
    for _ in range(12):
        middle = (low + high) / 2
        if middle <= 0.5:
            break
        trial = attempt(middle)
        if trial[2] >= spec.fidelity:
            high, found = middle, trial
        else:
            low = middle
    return found


def _finish(
    topology: Topology,
    spec: CircuitSpec,
    number: int,
    sharing: int,
    path: tuple[int, ...],
    settings: tuple[LinkSetting, ...],
    cutoff: int,
    predicted: float,
) -> CircuitPlan:
    """Rates and routing entries. The end-to-end maximum is LPR / H_n: all n links have to come together."""
    lpr = min(s.rate for s in settings) / sharing
    waiting = sum(1 / k for k in range(1, len(settings) + 1))
    usable = 1 - math.exp(-min(cutoff, NO_LIMIT_NS) * lpr / SECOND) if len(settings) > 1 else 1.0
    eer = lpr / waiting * usable if len(settings) > 1 else lpr * 0.95
    delay = _path_delay_ns(topology, settings)
    horizon = min(NO_LIMIT_NS, 4 * delay + len(settings) * min(cutoff, SECOND) + SECOND // 10)
    control = topology.control
    entries = []
    for i, node in enumerate(path):
        hardware = topology.nodes[node].hardware
        around = (settings[max(0, i - 1)], settings[min(i, len(settings) - 1)])
        entries.append(
            RoutingEntry(
                number,
                path[0],
                path[-1],
                path[i - 1] if i else None,
                path[i + 1] if i + 1 < len(path) else None,
                (around[0].fidelity, around[1].fidelity),
                (int(around[0].rate * 1000), int(around[1].rate * 1000)),
                int(eer * 1000),
                cutoff,
                horizon,
                hardware.swap_ns,
                hardware.qubits or hardware.qubits_per_link,
                control.test_every,
                control.test_count if control.test_every else 0,
                control.slice_pairs,
                control.max_error,
            )
        )
    return CircuitPlan(number, spec, path, settings, cutoff, predicted, lpr, eer, tuple(entries))


def plan_all(topology: Topology, circuits: Sequence[CircuitSpec] | None = None) -> tuple[CircuitPlan, ...]:
    """Plans of all circuits, numbered from 1, each with the share of its busiest link."""
    specs = topology.circuits if circuits is None else tuple(circuits)
    if len(specs) > 65535:
        raise ConfigError("at most 65535 circuits have numbers", field="circuits", value=len(specs))
    paths = [tuple(map(topology.index, s.path)) if s.path else route(topology, s.head, s.tail) for s in specs]
    load: dict[frozenset[int], int] = {}
    for path, spec in zip(paths, specs, strict=True):
        for hop in pairwise(path):
            load[frozenset(hop)] = load.get(frozenset(hop), 0) + spec.weight
    plans = []
    for number, (path, spec) in enumerate(zip(paths, specs, strict=True), 1):
        names = tuple(topology.nodes[n].name for n in path)
        sharing = max(load[frozenset(hop)] for hop in pairwise(path))
        pinned = CircuitSpec(
            spec.name,
            spec.head,
            spec.tail,
            spec.fidelity,
            spec.cutoff,
            names,
            spec.link_fidelity,
            spec.weight,
        )
        plans.append(plan(topology, pinned, number, max(1, sharing // spec.weight)))
    return tuple(plans)
