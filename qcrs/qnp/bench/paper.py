"""The evaluation of Kozlowski, Dahlberg, Wehner (CoNEXT 2020) as far as its numbers are known: Figs. 8–10.

The network is the dumbbell: 2 m links, two communication qubits a link end, T2* = 60 s, attempts of
10.12 µs. One number is fitted: the detection efficiency 0.0101, for which a link of fidelity 0.95 takes
10 ms and one of 0.977 takes 21.8 ms on average.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qcrs.errors import ConfigError
from qcrs.qnp.drivers.heap import Network
from qcrs.qnp.topology.model import CircuitSpec, ControlSpec, HardwareSpec, LinkSpec, Topology

__all__ = ["ENDS", "LINK", "Table", "dumbbell", "measure"]

SECOND = 1_000_000_000
LINK = LinkSpec("", "", eta=0.0101)
ENDS = (("A0", "B0"), ("A1", "B1"), ("A0", "B1"), ("A1", "B0"))

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Table:
    """A figure as a table; `curves` are the plots' points by name."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    across: str
    up: str
    curves: tuple[tuple[str, tuple[tuple[float, float], ...]], ...]

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "title": self.title,
            "rows": [dict(zip(self.headers, row, strict=True)) for row in self.rows],
            "curves": {name: [list(point) for point in curve] for name, curve in self.curves},
        }


def dumbbell(
    circuits: int,
    cutoff: str | int,
    *,
    link_fidelity: float = 0.0,
    fidelity: float = 0.5,
    labels: str = "coordinated",
    t2_s: float = 60.0,
    link: LinkSpec = LINK,
    seed: int = 1,
) -> Network:
    """The evaluation's network with one to four circuits, not yet run."""
    specs = tuple(
        CircuitSpec(f"{a}-{b}", a, b, fidelity=fidelity, cutoff=cutoff, link_fidelity=link_fidelity)
        for a, b in ENDS[:circuits]
    )
    hardware = HardwareSpec(t2_ns=round(t2_s * SECOND))
    topology = Topology.dumbbell(link, hardware, control=ControlSpec(labels=labels), circuits=specs)
    return Network(topology, seed, record=False)


def _saturated(network: Network, seconds: int) -> Network:
    for plan in network.plans.values():
        network.request(plan.number)
    network.run(until_ns=seconds * SECOND)
    return network


def _useful(network: Network) -> float:
    return sum(s.useful for s in network.stats.values()) * SECOND / network.now


def _rate(network: Network) -> float:
    return network.delivered * SECOND / network.now


def congestion(seconds: int, progress: Progress) -> Table:
    """Fig. 8: total rate of one, two and four circuits by cutoff and by how links choose labels."""
    rows, curves = [], []
    for labels in ("independent", "coordinated"):
        for cutoff in ("long", "short"):
            rates = []
            for circuits in (1, 2, 4):
                progress(f"Fig. 8: {circuits} circuits, {cutoff} cutoff, {labels} labels")
                network = dumbbell(circuits, cutoff, link_fidelity=0.965, labels=labels)
                rates.append((float(circuits), _rate(_saturated(network, seconds))))
            rows.append((labels, cutoff, *(f"{rate:.1f}" for _, rate in rates)))
            curves.append((f"{labels}, {cutoff} cutoff", tuple(rates)))
    return Table(
        "Fig. 8: congestion, total pairs per second",
        ("labels", "cutoff", "1 circuit", "2 circuits", "4 circuits"),
        tuple(rows),
        "circuits",
        "pairs per second in all",
        tuple(curves),
    )


def latency(seconds: int, progress: Progress) -> Table:
    """Fig. 8's other side: mean time of a request for ten pairs, alone and beside another circuit's."""
    rows, curves = [], []
    for circuits in (1, 2, 4):
        points = []
        for interval_ms in (3200, 1600, 800, 600):
            progress(f"Fig. 8: latency, {circuits} circuits, a request every {interval_ms} ms")
            network = dumbbell(circuits, "short", link_fidelity=0.965)
            for plan in list(network.plans.values()):
                for k in range(seconds * 1000 // interval_ms):
                    network.request(plan.number, at_ns=k * interval_ms * 1_000_000, number=10)
            network.run(until_ns=2 * seconds * SECOND)
            times = [
                log.finished_ns - log.submitted_ns
                for log in network.requests.values()
                if log.finished_ns >= 0
            ]
            points.append((10_000 / interval_ms, sum(times) / max(1, len(times)) / 1e6))
        rows.append((str(circuits), *(f"{ms:.0f}" for _, ms in points)))
        curves.append((f"{circuits} circuits", tuple(points)))
    return Table(
        "Fig. 8: mean latency of a request for 10 pairs, ms, by offered load of each circuit",
        ("circuits", "3.1 pairs/s", "6.3 pairs/s", "12.5 pairs/s", "16.7 pairs/s"),
        tuple(rows),
        "pairs per second offered to each circuit",
        "ms",
        tuple(curves),
    )


def saturation(seconds: int, progress: Progress) -> Table:
    """Fig. 9: a circuit alone and beside another; the paper has about 27 and 18 pairs per second."""
    rows, curves = [], []
    for circuits, paper in ((1, 27.0), (2, 18.0)):
        progress(f"Fig. 9: {circuits} circuits")
        network = _saturated(dumbbell(circuits, "short", link_fidelity=0.977), 5 * seconds)
        rate = sum(s.delivered for s in network.stats.values()) / circuits / (5 * seconds)
        rows.append((str(circuits), f"{rate:.2f}", f"{paper:.0f}", f"{100 * (rate / paper - 1):+.1f} %"))
        curves.append((f"{circuits} circuits", ((float(circuits), rate),)))
    return Table(
        "Fig. 9: saturated rate of a circuit, pairs per second",
        ("circuits", "here", "paper", "difference"),
        tuple(rows),
        "circuits",
        "pairs per second",
        tuple(curves),
    )


def cutoffs(seconds: int, progress: Progress) -> Table:
    """Fig. 10: pairs of the wanted fidelity, with cutoffs and with an oracle that never cuts off."""
    rows, curves = [], []
    for fidelity in (0.8, 0.9):
        ours, theirs = [], []
        for t2 in (0.25, 0.5, 1.0, 1.6, 5.0):
            progress(f"Fig. 10: fidelity {fidelity}, memory {t2} s")
            network = _pair_of_circuits(fidelity, t2)
            link = network.plans[1].settings[0].fidelity
            oracle = dumbbell(2, "none", fidelity=fidelity, link_fidelity=link, t2_s=t2)
            a, b = _useful(_saturated(network, seconds)), _useful(_saturated(oracle, seconds))
            cutoff = network.plans[1].cutoff_ns / 1e6
            rows.append((f"{fidelity}", f"{t2}", f"{link:.4f}", f"{cutoff:.1f}", f"{a:.1f}", f"{b:.1f}"))
            ours.append((t2, a))
            theirs.append((t2, b))
        curves += [(f"cutoff, F {fidelity}", tuple(ours)), (f"oracle, F {fidelity}", tuple(theirs))]
    return Table(
        "Fig. 10: useful pairs per second by memory time",
        ("fidelity", "T2 s", "link fidelity", "cutoff ms", "cutoff /s", "oracle /s"),
        tuple(rows),
        "T2 in seconds",
        "useful pairs per second",
        tuple(curves),
    )


def _pair_of_circuits(fidelity: float, t2: float) -> Network:
    """With the short cutoff where it reaches the fidelity, else with the longest one that does."""
    try:
        return dumbbell(2, "short", fidelity=fidelity, t2_s=t2)
    except ConfigError:
        return dumbbell(2, "auto", fidelity=fidelity, t2_s=t2)


def delays(seconds: int, progress: Progress) -> Table:
    """Fig. 10: messages that take long; T2 = 1.6 s, fidelity 0.8."""
    plan = dumbbell(2, "auto", fidelity=0.8, t2_s=1.6).plans[1]
    link, cutoff = plan.settings[0].fidelity, plan.cutoff_ns
    points = []
    for delay_us in (0.01, 100, 1000, 3000, 10_000, 30_000):
        progress(f"Fig. 10: message delay {delay_us:g} µs")
        slow = replace(LINK, frame_delay_ns=round(delay_us * 1000))
        network = dumbbell(2, cutoff, fidelity=0.8, link_fidelity=link, t2_s=1.6, link=slow)
        points.append((delay_us / 1000, _useful(_saturated(network, seconds))))
    return Table(
        f"Fig. 10: useful pairs per second by message delay (cutoff {cutoff / 1e6:.1f} ms)",
        ("delay ms", "pairs /s"),
        tuple((f"{delay:g}", f"{rate:.1f}") for delay, rate in points),
        "delay of a message over a link, ms",
        "useful pairs per second",
        (("two circuits, F 0.8, T2 1.6 s", tuple(points)),),
    )


def measure(seconds: int = 60, progress: Progress = lambda _: None) -> Sequence[Table]:
    """All figures, each point over this many simulated seconds."""
    return [figure(seconds, progress) for figure in (congestion, latency, saturation, cutoffs, delays)]
