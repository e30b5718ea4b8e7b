"""Signalling: link fidelities, cutoff and rates for a wanted end-to-end fidelity, as routing entries.

A link is faster the less is asked of it, and a cutoff wastes less the longer it is; the goal limits both.
With the cutoff "auto" the two are chosen together for the best rate. With a rule ("short", "long", "none")
or a given time the lowest link fidelity that meets the goal is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from qcrs.errors import ConfigError
from qcrs.qnp.control.fidelity import LinkSetting, PathModel, link_setting
from qcrs.qnp.control.routing import neighbours, route
from qcrs.qnp.network.actions import RoutingEntry
from qcrs.qnp.physical import single_click
from qcrs.qnp.topology.model import NO_LIMIT_NS, CircuitSpec, Topology

__all__ = ["CircuitPlan", "plan", "plan_all"]

SECOND = 1_000_000_000
_STEPS = 64
_REFINED = 16

Choice = tuple[tuple[LinkSetting, ...], int, float]
"""Settings of the links, the cutoff, the end-to-end fidelity predicted for them."""


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


def plan(topology: Topology, spec: CircuitSpec, number: int, sharing: float = 1) -> CircuitPlan:
    """Choose path, link fidelities, cutoff and rates of one circuit.

    `sharing` is how many circuits its busiest link serves. `ConfigError` where no setting of the links
    reaches the wanted fidelity.
    """
    path = tuple(map(topology.index, spec.path)) if spec.path else route(topology, spec.head, spec.tail)
    if path[0] != topology.index(spec.head) or path[-1] != topology.index(spec.tail):
        raise ConfigError("a path runs from head to tail", field="path", value=spec.path)
    names = [topology.nodes[n].name for n in path]
    links = [topology.link_between(a, b) for a, b in pairwise(names)]
    model = PathModel(topology, path, links)
    adjustable = any(topology.links[link].kind == "single_click" for link in links)

    def settings(fidelity: float) -> tuple[LinkSetting, ...]:
        goals = (fidelity if topology.links[link].kind == "single_click" else 0.0 for link in links)
        return tuple(link_setting(topology, link, f) for link, f in zip(links, goals, strict=True))

    def attempt(fidelity: float) -> Choice:
        found = settings(fidelity)
        if spec.cutoff == "auto" and len(path) > 2:
            fastest = min(s.source.attempt_ns for s in found)
            most = max(fastest, int(10 * sharing * max(s.mean_ns for s in found)))
            cutoff = model.longest_cutoff(found, spec.fidelity, fastest, most)
            if cutoff is None:
                return found, 0, model.predict(found, fastest)
            return found, cutoff, model.predict(found, cutoff)
        cutoff = _cutoff(topology, spec, path, found)
        worst = cutoff if cutoff < NO_LIMIT_NS else max(s.short_cutoff_ns for s in found)
        return found, cutoff, model.predict(found, worst)

    given = spec.link_fidelity or (0.0 if adjustable else 0.75)
    choice = _best(attempt, spec, sharing, given)
    return _finish(topology, spec, number, sharing, path, model, choice)


def _best(attempt: Callable[[float], Choice], spec: CircuitSpec, sharing: float, given: float) -> Choice:
    """The choice with the best rate among those that meet the goal; a scan, then a finer one around it.

    A link fidelity that is given is taken as it is, even if it misses the goal: whoever gives it measures.
    """
    if given:
        choice = attempt(given)
        if not choice[1] or (not spec.link_fidelity and choice[2] < spec.fidelity):
            raise _impossible(spec, choice[2])
        return choice
    width = 0.5 / _STEPS
    coarse = [(f, attempt(f)) for f in (0.5 + width * k for k in range(1, _STEPS))]
    found = _fastest(coarse, spec, sharing)
    if found is None:
        raise _impossible(spec, max(choice[2] for _, choice in coarse))
    start = found[0] - width
    finer = [f for f in (start + width * k / _REFINED for k in range(1, 2 * _REFINED)) if 0.5 < f < 1]
    return (_fastest([*((f, attempt(f)) for f in finer), found], spec, sharing) or found)[1]


def _fastest(
    candidates: Iterable[tuple[float, Choice]], spec: CircuitSpec, sharing: float
) -> tuple[float, Choice] | None:
    """The one with the best end-to-end rate that meets the goal."""
    good = [c for c in candidates if c[1][1] and c[1][2] >= spec.fidelity]
    return max(good, key=lambda c: _end_to_end(c[1][0], c[1][1], sharing), default=None)


def _impossible(spec: CircuitSpec, best: float) -> ConfigError:
    return ConfigError(
        f"circuit {spec.name} reaches fidelity {best:.4f} at most on this path",
        field="fidelity",
        value=spec.fidelity,
        solution="ask for less, choose a shorter path, or give its nodes longer memories",
    )


def _cutoff(
    topology: Topology, spec: CircuitSpec, path: Sequence[int], settings: Sequence[LinkSetting]
) -> int:
    """The cutoff by rule, or as given."""
    if isinstance(spec.cutoff, int):
        return spec.cutoff
    if spec.cutoff == "none":
        return NO_LIMIT_NS
    if spec.cutoff in ("short", "auto"):
        return max(s.short_cutoff_ns for s in settings)
    worst = NO_LIMIT_NS
    for i, setting in enumerate(settings):
        noises = [topology.nodes[n].hardware.noise for n in path[i : i + 2]]
        dephasing = sum(n.dephasing_per_ns for n in noises)
        depolarising = sum(n.depolarising_per_ns for n in noises)
        worst = min(worst, single_click.long_cutoff_ns(setting.source.xyz, dephasing, depolarising))
    return worst


def _end_to_end(settings: Sequence[LinkSetting], cutoff: int, sharing: float) -> float:
    """A cautious end-to-end rate: LPR / H_n, as all n links have to come together, less what cutoffs cost."""
    lpr = min(s.rate for s in settings) / sharing
    if len(settings) == 1:
        return lpr * 0.95
    waiting = sum(1 / k for k in range(1, len(settings) + 1))
    usable = 1 - math.exp(-min(cutoff, NO_LIMIT_NS) * lpr / SECOND)
    return float(lpr / waiting * usable ** (len(settings) / 2))


def _finish(
    topology: Topology,
    spec: CircuitSpec,
    number: int,
    sharing: float,
    path: tuple[int, ...],
    model: PathModel,
    choice: Choice,
) -> CircuitPlan:
    """Rates and routing entries."""
    settings, cutoff, predicted = choice
    lpr = min(s.rate for s in settings) / sharing
    eer = _end_to_end(settings, cutoff, sharing)
    horizon = min(NO_LIMIT_NS, 4 * model.delay_ns + len(settings) * min(cutoff, SECOND) + SECOND // 10)
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
    around = neighbours(topology)
    paths = [
        tuple(map(topology.index, s.path)) if s.path else route(topology, s.head, s.tail, around)
        for s in specs
    ]
    load: dict[frozenset[int], int] = {}
    for path, spec in zip(paths, specs, strict=True):
        for hop in pairwise(path):
            load[frozenset(hop)] = load.get(frozenset(hop), 0) + spec.weight
    plans = []
    for number, (path, spec) in enumerate(zip(paths, specs, strict=True), 1):
        names = tuple(topology.nodes[n].name for n in path)
        sharing = max(load[frozenset(hop)] for hop in pairwise(path)) / spec.weight
        plans.append(plan(topology, replace(spec, path=names), number, sharing))
    return tuple(plans)
