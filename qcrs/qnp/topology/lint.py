"""What a topology promises before it runs: fidelities, link times, cutoffs, rates; and what looks wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qcrs.errors import ConfigError
from qcrs.qnp.control import CircuitPlan, plan_all
from qcrs.qnp.topology.model import NO_LIMIT_NS, Topology

__all__ = ["LintReport", "lint"]


@dataclass(frozen=True, slots=True)
class LintReport:
    """Predictions of each circuit, and warnings in words."""

    circuits: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {"circuits": list(self.circuits), "warnings": list(self.warnings)}


def _circuit(topology: Topology, plan: CircuitPlan) -> dict[str, Any]:
    return {
        "circuit": plan.spec.name,
        "path": [topology.nodes[n].name for n in plan.path],
        "wanted_fidelity": plan.spec.fidelity,
        "predicted_fidelity": plan.predicted_fidelity,
        "cutoff_ns": None if plan.cutoff_ns >= NO_LIMIT_NS else plan.cutoff_ns,
        "link_pair_rate_hz": plan.lpr,
        "end_to_end_rate_hz": plan.eer,
        "links": [
            {
                "link": topology.links[s.link].name,
                "fidelity": s.fidelity,
                "alpha": s.alpha,
                "mean_ns": s.mean_ns,
                "short_cutoff_ns": s.short_cutoff_ns,
            }
            for s in plan.settings
        ],
    }


def lint(topology: Topology) -> LintReport:
    """Plan every circuit by itself, so that one that cannot be planned does not hide the others."""
    warnings: list[str] = []
    reachable = []
    for spec in topology.circuits:
        try:
            plan_all(topology, (spec,))
            reachable.append(spec)
        except ConfigError as error:
            warnings.append(f"circuit {spec.name}: {error.reason}")
    plans = plan_all(topology, reachable)
    by_name = {plan.spec.name: plan for plan in plans}
    for plan in plans:
        if plan.predicted_fidelity < plan.spec.fidelity:
            warnings.append(
                f"circuit {plan.spec.name}: predicted fidelity {plan.predicted_fidelity:.4f} is below the "
                f"wanted {plan.spec.fidelity:.4f}"
            )
    for i, work in enumerate(topology.workloads):
        circuit = by_name.get(work.circuit)
        time_s = (work.by_ns - work.start_ns) / 1e9 if work.by_ns else 0.0
        need = work.rate or (work.number / time_s if time_s > 0 else 0.0)
        if circuit is not None and need > circuit.eer:
            warnings.append(
                f"workload {i + 1} on {work.circuit}: needs {need:.1f} pairs/s, "
                f"the circuit has {circuit.eer:.1f}"
            )
        if work.by_ns and work.by_ns <= work.start_ns:
            warnings.append(f"workload {i + 1} on {work.circuit}: its deadline is before its start")
    used = {s.link for plan in plans for s in plan.settings}
    if plans:  # without any, applications open what they need
        warnings += [
            f"link {link.name}: no circuit uses it" for i, link in enumerate(topology.links) if i not in used
        ]
    return LintReport(tuple(_circuit(topology, plan) for plan in plans), tuple(warnings))
