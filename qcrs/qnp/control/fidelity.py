"""What links give and what is left of it at the ends of a path.

The prediction is for the worst pair that a cutoff lets through: every stored qubit of a repeater waits one
cutoff, an end's qubit (n − 2) cutoffs and the way of a message over n nodes, each in its own node's memory,
with the gate and readout errors of every swap on the way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from qcrs.errors import ConfigError
from qcrs.qnp.physical import single_click
from qcrs.qnp.physical.hardware import Source
from qcrs.qnp.topology.model import Topology

__all__ = ["LinkSetting", "PathModel", "link_setting"]

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class LinkSetting:
    """A link as one circuit uses it: the source's setting, mean time to a pair, its short cutoff."""

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


def link_setting(topology: Topology, link: int, fidelity: float) -> LinkSetting:
    """The setting of a link that gives pairs of this fidelity; `ConfigError` if it cannot.

    A heralded link has one setting, which has to be at least as good.
    """
    spec = topology.links[link]
    if spec.kind == "heralded":
        if fidelity > spec.fidelity + 1e-12:
            raise ConfigError(
                f"link {spec.name} gives fidelity {spec.fidelity:.4f} at most",
                field="fidelity",
                value=fidelity,
            )
        alpha, source = None, _heralded(spec.p, spec.attempt_ns, spec.fidelity, spec.dephasing)
    else:
        alpha, source = _single_click(fidelity, spec.eta, spec.attempt_ns)
    mean = single_click.cycle_time_ns(source.p, spec.attempt_ns)
    return LinkSetting(link, source, mean, single_click.short_cutoff_ns(source.p, spec.attempt_ns), alpha)


@lru_cache(maxsize=4096)
def _single_click(fidelity: float, eta: float, attempt_ns: int) -> tuple[float, Source]:
    alpha = single_click.alpha_for_fidelity(fidelity, eta)
    p = single_click.success_probability(alpha, eta)
    xyz = single_click.correlators(alpha, eta)
    return alpha, Source(p, attempt_ns, xyz, (2, 3), single_click.herald_fidelity(alpha, eta))


@lru_cache(maxsize=4096)
def _heralded(p: float, attempt_ns: int, fidelity: float, dephasing: float) -> Source:
    """A source whose infidelity is spread evenly (Werner) or over Z alone, or in between.

    Equal sources are one object: a large network has thousands, and few fit in a cache.
    """
    bad = 1 - fidelity
    z = bad * (1 + 2 * dephasing) / 3
    x = y = bad * (1 - dephasing) / 3
    return Source(p, attempt_ns, (1 - 2 * (z + y), 1 - 2 * (z + x), 1 - 2 * (x + y)), (0, 1, 2, 3))


class PathModel:
    """A path's losses but for its links' fidelities: `predict` is a closed form in the cutoff."""

    def __init__(self, topology: Topology, path: Sequence[int], links: Sequence[int]) -> None:
        self.delay_ns = sum(topology.links[link].frame_delay_ns for link in links)
        self._gates = [1.0, 1.0, 1.0]
        self._dephased = [0.0, 0.0]
        self._depolarised = [0.0, 0.0]
        hops = len(path)
        for position, node in enumerate(path):
            hardware = topology.nodes[node].hardware
            noise = hardware.noise
            inner = 0 < position < hops - 1
            fixed = 2 * hardware.swap_ns if inner else self.delay_ns
            cutoffs = 2 if inner else hops - 2
            for rate, total in (
                (noise.dephasing_per_ns, self._dephased),
                (noise.depolarising_per_ns, self._depolarised),
            ):
                total[0] += rate * fixed
                total[1] += rate * cutoffs
            if inner:
                k, r = 1 - noise.gate_error, 1 - 2 * noise.readout_error
                for axis, factor in enumerate((k * r, k * r * r, k * r)):
                    self._gates[axis] *= factor

    def predict(self, settings: Sequence[LinkSetting], cutoff_ns: int) -> float:
        """End-to-end fidelity of the worst pair."""
        xx, yy, zz = self._gates
        for setting in settings:
            x, y, z = setting.source.xyz
            xx, yy, zz = xx * x, yy * y, zz * z
        depolarised = math.exp(-self._depolarised[0] - self._depolarised[1] * cutoff_ns)
        dephased = math.exp(-self._dephased[0] - self._dephased[1] * cutoff_ns)
        return (1 + (xx + yy) * depolarised * dephased + zz * depolarised) / 4

    def longest_cutoff(
        self, settings: Sequence[LinkSetting], fidelity: float, low: int, high: int
    ) -> int | None:
        """The longest cutoff in [low, high] that keeps a fidelity, to 1 %; None if `low` is too long."""
        if self.predict(settings, low) < fidelity:
            return None
        if self.predict(settings, high) >= fidelity:
            return high
        while high - low > max(1, low // 100):
            middle = (low + high) // 2
            if self.predict(settings, middle) >= fidelity:
                low = middle
            else:
                high = middle
        return low
