"""Pictures of an entanglement network's run: map, throughput, waiting times, the life of a pair; one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path

from qcrs.qnp import CircuitPlan, Delivery, Network, Topology
from qcrs.qnp.drivers.summary import summarise, throughput
from qcrs.qnp.drivers.timeline import Timeline, timeline
from qcrs.report.page import STYLE, table
from qcrs.report.svg import COLOURS, FAINT, GREY, INK, Drawing, Scale, ticks

__all__ = ["lines_chart", "network_map", "page", "pair_life", "waiting", "write"]

PALETTE = ("blue", "orange", "green", "red", "sky", "pink", "grey")
WIDTH = 960.0


def _colour(share: float) -> str:
    """Red over yellow to green."""
    share = min(1.0, max(0.0, share))
    low, mid, high = (213, 94, 0), (240, 228, 66), (0, 158, 115)
    a, b, k = (low, mid, 2 * share) if share < 0.5 else (mid, high, 2 * share - 1)
    return "#" + "".join(f"{round(x + k * (y - x)):02x}" for x, y in zip(a, b, strict=True))


def _layout(topology: Topology) -> list[tuple[float, float]]:
    """Places of nodes in [0, 1]²: distances as near to the numbers of hops as a plane allows.

    Stress majorisation (Gansner, Koren, North, GD 2004) from a spiral, so the same network looks the same.
    """
    import numpy as np

    n = len(topology.nodes)
    hops = np.full((n, n), float(n))
    np.fill_diagonal(hops, 0.0)
    for link in topology.links:
        i, j = topology.index(link.a), topology.index(link.b)
        hops[i, j] = hops[j, i] = 1.0
    for k in range(n):
        hops = np.minimum(hops, hops[:, k, None] + hops[None, k, :])
    angle = np.arange(n) * 2.399963
    places = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.sqrt(1 + np.arange(n))[:, None]
    weights = 1 / np.maximum(hops, 1e-9) ** 2
    np.fill_diagonal(weights, 0.0)
    inverse = np.linalg.pinv(np.diag(weights.sum(axis=1)) - weights)
    for _ in range(120 if n <= 60 else 30):
        apart = places[:, None, :] - places[None, :, :]
        length = np.maximum(np.linalg.norm(apart, axis=2), 1e-9)
        pull = weights * hops / length
        places = inverse @ (np.diag(pull.sum(axis=1)) - pull) @ places
    axes = np.linalg.svd(places - places.mean(axis=0), full_matrices=False)[2]
    places = (places - places.mean(axis=0)) @ axes.T  # the longest way lies across
    low, span = places.min(axis=0), np.maximum(np.ptp(places, axis=0), 1e-9)
    flat = span[1] < 0.05 * span[0]
    unit = (places - low) / span
    return [(float(x), 0.5 if flat else float(y)) for x, y in unit]


def network_map(topology: Topology, plans: Sequence[CircuitPlan], delivered: Mapping[str, int]) -> str:
    """Nodes and links, a link coloured by the fidelity asked of it, circuits as lines along their path."""
    draw = Drawing(WIDTH, 460, f"Network {topology.name}: links by fidelity, circuits")
    x, y = Scale(0, 1, 90, WIDTH - 90), Scale(0, 1, 60, 360)
    place = [(x(a), y(b)) for a, b in _layout(topology)]
    fidelity: dict[int, float] = {}
    for plan in plans:
        for setting in plan.settings:
            fidelity[setting.link] = max(fidelity.get(setting.link, 0.0), setting.fidelity)
    for i, link in enumerate(topology.links):
        a, b = place[topology.index(link.a)], place[topology.index(link.b)]
        known = fidelity.get(i)
        colour = FAINT if known is None else _colour((known - 0.5) * 2)
        draw.line(*a, *b, colour, width=6.0)
        if known is not None and len(topology.links) <= 40:
            draw.text(
                (a[0] + b[0]) / 2, (a[1] + b[1]) / 2 - 8, f"{known:.3f}", size=10, fill=GREY, anchor="middle"
            )
    if len(plans) <= 12:
        for k, plan in enumerate(plans):
            shift = 3.0 * (k - (len(plans) - 1) / 2)
            for n, m in pairwise(plan.path):
                a, b = place[n], place[m]
                draw.line(
                    a[0], a[1] + shift, b[0], b[1] + shift, COLOURS[PALETTE[k % 7]], width=1.5, dash="5 3"
                )
        entries = [
            (f"{p.spec.name}: {delivered.get(p.spec.name, 0)} pairs", COLOURS[PALETTE[k % 7]])
            for k, p in enumerate(plans)
        ]
        draw.legend(30, 430, entries)
    for node, (px, py) in zip(topology.nodes, place, strict=True):
        draw.dot(px, py, INK, radius=7 if len(place) <= 40 else 3, tip=node.name)
        if len(place) <= 40:
            draw.text(px, py + 22, node.name, size=11, anchor="middle", bold=True)
    draw.text(
        WIDTH - 30, 24, "link fidelity: red 0.5 … yellow 0.75 … green 1", size=10, fill=GREY, anchor="end"
    )
    return draw.svg()


def lines_chart(
    title: str,
    series: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    across: str,
    up: str,
    *,
    dots: bool = False,
) -> str:
    """Several curves over one axis: (name, points)."""
    draw = Drawing(WIDTH, 330, title)
    points = [point for _, curve in series for point in curve] or [(0.0, 0.0), (1.0, 1.0)]
    x = Scale(min(0.0, *(p[0] for p in points)), max(p[0] for p in points) or 1.0, 70, WIDTH - 30)
    y = Scale(0.0, (max(p[1] for p in points) or 1.0) * 1.08, 270, 40)
    draw.axis(x, 270, 40, across)
    for mark in ticks(y.low, y.high):
        draw.line(70, y(mark), WIDTH - 30, y(mark), FAINT)
        draw.text(62, y(mark) + 4, f"{mark:g}", size=10, fill=GREY, anchor="end")
    draw.text(12, 30, up, size=11, fill=GREY)
    for k, (_, curve) in enumerate(series):
        colour = COLOURS[PALETTE[k % 7]]
        path = " ".join(f"{'M' if i == 0 else 'L'}{x(a):.1f},{y(b):.1f}" for i, (a, b) in enumerate(curve))
        if path:
            draw.add("path", None, d=path, fill="none", stroke=colour, stroke_width=1.8)
        if dots:
            for a, b in curve:
                draw.dot(x(a), y(b), colour, radius=3.0, tip=f"{a:g}, {b:g}")
    draw.legend(260, 24, [(name, COLOURS[PALETTE[k % 7]]) for k, (name, _) in enumerate(series)])
    return draw.svg()


def waiting(pairs: Sequence[Delivery], names: Mapping[int, str]) -> str:
    """Distribution of the time between deliveries: the share of gaps that are shorter."""
    series = []
    for circuit, name in names.items():
        times = [p.time_ns for p in pairs if p.circuit == circuit]
        gaps = sorted((b - a) / 1e6 for a, b in pairwise(times))
        keep = max(1, len(gaps) // 200)
        curve = [(gap, (i + 1) / len(gaps)) for i, gap in enumerate(gaps) if i % keep == 0]
        series.append((name, curve))
    return lines_chart("Time between deliveries", series, "ms since the last delivery", "share of pairs")


def pair_life(names: Sequence[str], life: Timeline) -> str:
    """Space across, time down: link pairs as bars, swaps as dots, TRACKs as slanted lines, deliveries."""
    draw = Drawing(WIDTH, 460, "The life of one pair")
    hops = len(life.path)
    begin = min(t for _, t in life.heralds)
    end = max(life.delivered)
    x, y = Scale(0, hops - 1, 120, WIDTH - 120), Scale(0, max(1, end - begin), 60, 400)
    for i, node in enumerate(life.path):
        draw.line(x(i), 50, x(i), 410, FAINT)
        draw.text(x(i), 36, names[node], size=12, anchor="middle", bold=True)
    for mark in ticks(0, (end - begin) / 1e6):
        draw.text(70, y(mark * 1e6) + 4, f"{mark:g} ms", size=10, fill=GREY, anchor="end")
        draw.line(80, y(mark * 1e6), WIDTH - 80, y(mark * 1e6), FAINT)
    for link, t in life.heralds:
        height = y(t - begin)
        draw.line(x(link), height, x(link + 1), height, COLOURS["blue"], width=4.0)
        draw.dot(x(link), height, COLOURS["blue"], radius=4)
        draw.dot(x(link + 1), height, COLOURS["blue"], radius=4)
    for source, target, left, arrived in life.tracks:
        draw.line(
            x(source),
            y(left - begin),
            x(target),
            y(arrived - begin),
            COLOURS["orange"],
            width=1.5,
            dash="4 3",
        )
    for place, t, outcome in life.swaps:
        draw.dot(x(place), y(t - begin), COLOURS["red"], radius=6, tip=f"swap, outcome {outcome:02b}")
    for place, t in ((0, life.delivered[0]), (hops - 1, life.delivered[1])):
        draw.dot(x(place), y(t - begin), COLOURS["green"], radius=7, tip="delivered")
    draw.legend(
        120,
        445,
        [
            ("link pair", COLOURS["blue"]),
            ("swap", COLOURS["red"]),
            ("TRACK", COLOURS["orange"]),
            ("delivered", COLOURS["green"]),
        ],
    )
    return draw.svg()


def _interval(value: Sequence[float] | None, digits: int = 4) -> str:
    if value is None:
        return "–"
    middle, low, high = value
    return f"{middle:.{digits}f} ({low:.{digits}f} … {high:.{digits}f})"


def _life(network: Network) -> Timeline | None:
    """The first pair after the start whose whole life the trace holds; a long path first."""
    if network.trace is None:
        return None
    for number, plan in sorted(network.plans.items(), key=lambda item: -len(item[1].path)):
        pairs = [p for p in network.deliveries if p.circuit == number]
        for pair in pairs[2:12] or pairs[:2]:
            found = timeline(network.trace.lines, plan, pair)
            if found is not None:
                return found
    return None


def pictures(network: Network) -> dict[str, str]:
    """SVG texts by name."""
    plans = list(network.plans.values())
    names = {number: plan.spec.name for number, plan in network.plans.items()}
    counts: dict[str, int] = {}
    for number, name in names.items():
        counts[name] = counts.get(name, 0) + network.stats[number].delivered
    latest = {p.spec.name: p for p in plans}
    found = {
        "map": network_map(network.topology, list(latest.values()), counts),
        "throughput": lines_chart(
            "Throughput",
            [(name, throughput(network.deliveries, number)) for number, name in list(names.items())[:7]],
            "simulated seconds",
            "pairs per second",
        ),
        "waiting": waiting(network.deliveries, dict(list(names.items())[:7])),
    }
    life = _life(network)
    if life is not None:
        found["pair"] = pair_life([n.name for n in network.topology.nodes], life)
    return found


def page(network: Network) -> str:
    """The whole report as HTML text."""
    found = summarise(network)
    circuits = table(
        ["circuit", "path", "pairs", "rate /s (95 %)", "fidelity (95 %)", "predicted", "QBER x", "QBER z"],
        [
            (
                c["circuit"],
                " – ".join(c["path"]) if len(c["path"]) < 12 else f"{len(c['path'])} nodes",
                c["delivered"],
                _interval(c["rate_hz"], 2),
                _interval(c["fidelity"]),
                f"{c['predicted_fidelity']:.4f}",
                _interval(c["qber"]["x"]),
                _interval(c["qber"]["z"]),
            )
            for c in found["circuits"]
        ],
    )
    requests = table(
        ["request", "circuit", "status", "pairs", "seconds", "reason"],
        [
            (
                str(r["request"]),
                network.plans[r["circuit"]].spec.name,
                r["status"] or "–",
                r["delivered"],
                "–" if r["finished_ns"] < 0 else f"{(r['finished_ns'] - r['submitted_ns']) / 1e9:.3f}",
                r["reason"],
            )
            for r in found["requests"]
        ],
    )
    drawn = pictures(network)
    title = f"Entanglement network {found['network']}"
    words = {"map": "Network", "throughput": "Throughput", "waiting": "Waiting", "pair": "The life of a pair"}
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>',
        f"<h1>{escape(title)}</h1>",
        f"<p>{found['delivered']:,} pairs from {found['link_pairs']:,} link pairs in "
        f"{found['simulated_s']:.3f} simulated seconds, {found['events']:,} events, seed {found['seed']}; "
        f"{found['leaked_qubits']} qubits left over.</p>",
    ]
    for name, svg in drawn.items():
        parts += [f"<h2>{words[name]}</h2>", svg]
    parts += ["<h2>Circuits</h2>", circuits, "<h2>Requests</h2>", requests, "</html>\n"]
    return "\n".join(parts)


def write(network: Network, folder: Path) -> Path:
    """Write `qnp.html` and its pictures into a folder; the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in pictures(network).items():
        (folder / f"qnp-{name}.svg").write_text(svg, encoding="utf-8")
    path = folder / "qnp.html"
    path.write_text(page(network), encoding="utf-8")
    return path
