"""The pictures of a capability report: decays, GHZ staircase, heavy outputs, times, and the map of errors.

Each takes a report (`qcrs.benchmarks.report`) and returns SVG text, or None where its protocol did not run.
`write` puts them on one page, with the numbers as tables, beside the report's canonical bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path

from qcrs.report.graph import positions
from qcrs.report.page import STYLE, as_table, table
from qcrs.report.svg import COLOURS, FAINT, GREY, INK, Drawing, Scale, ticks
from qcrs.types import Json, canonical_json, cid_of

__all__ = ["PICTURES", "decays", "error_map", "heavy_outputs", "page", "staircase", "times", "write"]

WIDTH = 960.0
_NANO = 1e-9
_Series = tuple[str, str, Sequence[float], Sequence[tuple[int, float, float]]]
"""Name, colour, the decays α behind it, and its points: length, mean, standard error."""

_CYCLE = ("blue", "orange", "green", "red", "pink", "sky")


def _vertical(
    draw: Drawing, scale: Scale, left: float, right: float, label: str, marks: Sequence[float]
) -> None:
    """A vertical axis with grid lines; `scale` maps upwards."""
    for mark in marks:
        y = scale(mark)
        draw.line(left, y, right, y, FAINT)
        draw.text(left - 6, y + 4, f"{mark:g}", size=10, fill=GREY, anchor="end")
    draw.text(left - 34, min(scale.start, scale.end) - 10, label, size=11, fill=GREY)


def _curve(draw: Drawing, points: Sequence[tuple[float, float]], colour: str, *, width: float = 1.5) -> None:
    path = " ".join(f"{'L' if i else 'M'}{x:.1f},{y:.1f}" for i, (x, y) in enumerate(points))
    draw.add("path", d=path, fill="none", stroke=colour, stroke_width=width)


def _bar(draw: Drawing, x: float, low: float, high: float, colour: str) -> None:
    """An error bar."""
    draw.line(x, low, x, high, colour, width=1.5)
    for y in (low, high):
        draw.line(x - 3, y, x + 3, y, colour, width=1.5)


# --------------------------------------------------------------------------- decays


def _decay_panel(
    draw: Drawing,
    left: float,
    right: float,
    title: str,
    series: Sequence[_Series],
) -> None:
    """Readings against length, each series with the curve that its decays add up to."""
    top, bottom = 62.0, 262.0
    longest = max(m for *_, points in series for m, _, _ in points)
    across, up = Scale(0, longest * 1.04, left, right), Scale(0, 1.1, bottom, top)
    draw.text(left - 34, 22, title, bold=True)
    draw.axis(across, bottom, top, "layers")
    _vertical(draw, up, left, right, "mean reading", ticks(0, 1))
    for _name, colour, alphas, points in series:

        def shape_at(m: float, alphas: Sequence[float] = alphas) -> float:
            return sum(math.pow(alpha, m) for alpha in alphas) / len(alphas)

        weights = [1 / max(se, 1e-4) ** 2 for _, _, se in points]
        shape = [shape_at(m) for m, _, _ in points]
        start = sum(w * s * v for w, s, (_, v, _) in zip(weights, shape, points, strict=True)) / sum(
            w * s * s for w, s in zip(weights, shape, strict=True)
        )
        grid = [longest * k / 60 for k in range(61)]
        _curve(draw, [(across(m), up(start * shape_at(m))) for m in grid], colour)
        for m, value, se in points:
            _bar(draw, across(m), up(value - 2 * se), up(value + 2 * se), colour)
            draw.dot(across(m), up(value), colour, radius=3.5, tip=f"{m} layers: {value:.4f} ± {se:.4f}")
    if len(series) > 1:
        draw.legend(left + 6, bottom - 8, [(name, colour) for name, colour, _, _ in series])


def decays(report: Json) -> str | None:
    """Readings of layer fidelity (one curve a layer) and of binary benchmarking against length."""
    layered, binary = report.get("layer_fidelity"), report.get("binary_rb")
    if layered is None and binary is None:
        return None
    panels: list[tuple[str, list[_Series]]] = []
    if layered is not None:
        series: list[_Series] = []
        for layer in sorted({point["layer"] for point in layered["curve"]})[: len(_CYCLE)]:
            errors = [p["error_nano"] * _NANO for p in layered["pairs"] if p["layer"] == layer]
            alphas = [1 - 16 / 15 * error for error in errors]
            points = [_point(p) for p in layered["curve"] if p["layer"] == layer]
            series.append((f"layer {layer + 1}", COLOURS[_CYCLE[layer % len(_CYCLE)]], alphas, points))
        error = layered["error_per_layered_gate_nano"] * _NANO
        se = layered["error_se_nano"] * _NANO
        panels.append((f"Layer fidelity: error per layered gate {error:.2e} ± {se:.0e}", series))
    if binary is not None:
        points = [_point(p) for p in binary["curve"]]
        alphas = [1 - r["error_nano"] * _NANO / (1 - 4.0 ** -len(r["qubits"])) for r in binary["regions"]]
        error = binary["error_per_qubit_nano"] * _NANO
        se = binary["error_per_qubit_se_nano"] * _NANO
        title = f"Binary benchmarking: error per qubit and layer {error:.2e} ± {se:.0e}"
        panels.append((title, [("all regions", COLOURS["blue"], alphas, points)]))
    draw = Drawing(WIDTH, 310, "Decays of layer fidelity and binary benchmarking")
    for index, (title, series) in enumerate(panels):
        _decay_panel(draw, 52 + 490 * index, 440 + 490 * index, title, series)
    return draw.svg()


def _point(value: Mapping[str, int]) -> tuple[int, float, float]:
    return value["length"], value["mean_nano"] * _NANO, value["mean_se_nano"] * _NANO


# --------------------------------------------------------------------------- staircase and heavy outputs


def staircase(report: Json) -> str | None:
    """Fidelity of GHZ states of growing width, with two standard errors, against one half."""
    rows = report.get("ghz")
    if not rows:
        return None
    left, right, top, bottom = 60.0, 930.0, 46.0, 246.0
    step = (right - left) / len(rows)
    draw = Drawing(WIDTH, 290, "GHZ staircase")
    passed = max((row["width"] for row in rows if row["passed"]), default=0)
    words = f"the widest that passes has {passed} qubits" if passed else "none passes"
    draw.text(left - 34, 22, f"GHZ states: {words}", bold=True)
    up = Scale(0, 1, bottom, top)
    _vertical(draw, up, left, right, "", ticks(0, 1))
    for index, row in enumerate(rows):
        value, se = row["fidelity_nano"] * _NANO, row["fidelity_se_nano"] * _NANO
        colour = COLOURS["green"] if row["passed"] else COLOURS["grey"]
        x = left + index * step
        tip = f"{row['width']} qubits: F = {value:.3f} ± {se:.3f}"
        draw.rect(x + 4, up(value), step - 8, max(0.5, bottom - up(value)), colour, tip=tip, opacity=0.75)
        _bar(draw, x + step / 2, up(value - 2 * se), up(value + 2 * se), INK)
        draw.text(x + step / 2, bottom + 16, row["width"], size=11, anchor="middle")
    draw.line(left, up(0.5), right, up(0.5), COLOURS["red"], width=1.5, dash="5 4")
    draw.line(right - 232, 18, right - 204, 18, COLOURS["red"], width=1.5, dash="5 4")
    draw.text(right, 22, "above one half: all qubits entangled", size=11, fill=GREY, anchor="end")
    draw.text(
        (left + right) / 2,
        bottom + 34,
        "qubits (bar: two standard errors)",
        size=11,
        fill=GREY,
        anchor="middle",
    )
    return draw.svg()


def heavy_outputs(report: Json) -> str | None:
    """For every width of quantum volume: heavy outputs of all circuits, their mean, and its 2σ bound."""
    rows = report.get("quantum_volume")
    if not rows:
        return None
    height = 168.0
    draw = Drawing(WIDTH, 56 + height * len(rows), "Heavy outputs of quantum volume circuits")
    passed = max((row["width"] for row in rows if row["passed"]), default=0)
    title = f"Quantum volume 2^{passed}" if passed else "Quantum volume: no width passes"
    draw.text(26, 22, title, bold=True)
    for index, row in enumerate(rows):
        _histogram(draw, row, 40 + height * index)
    return draw.svg()


def _histogram(draw: Drawing, row: Json, top: float) -> None:
    left, right, bottom = 200.0, 930.0, top + 110
    values = [value * _NANO for value in row["each_nano"]]
    low = math.floor(20 * min([0.5, *values])) / 20
    scale = Scale(low, 1.0, left, right)
    bins = max(8, min(40, round(2 * len(values) ** 0.5)))
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int((value - low) / (1 - low) * bins))] += 1
    up = Scale(0, max(counts), bottom, top + 18)
    draw.axis(scale, bottom, top + 18, "share of heavy outputs of a circuit")
    width = (right - left) / bins
    for place, count in enumerate(counts):
        if count:
            edges = f"{low + (1 - low) * place / bins:.3f} to {low + (1 - low) * (place + 1) / bins:.3f}"
            draw.rect(
                left + place * width + 1,
                up(count),
                width - 2,
                bottom - up(count),
                COLOURS["sky"],
                tip=f"{count} circuits, {edges}",
            )
    mean, bound = row["heavy_nano"] * _NANO, row["lower_bound_nano"] * _NANO
    draw.line(scale(2 / 3), top + 4, scale(2 / 3), bottom, COLOURS["red"], width=1.5, dash="5 4")
    draw.text(scale(2 / 3), top, "2/3", size=11, fill=COLOURS["red"], anchor="middle")
    draw.line(scale(mean), top + 8, scale(mean), bottom, INK, width=2)
    colour = COLOURS["green"] if row["passed"] else COLOURS["orange"]
    draw.line(scale(bound), top + 8, scale(bound), bottom, colour, width=2, dash="2 3")
    draw.line(scale(bound), top + 8, scale(mean), top + 8, colour, width=2)
    verdict = "passes" if row["passed"] else "does not pass"
    draw.text(26, top + 40, f"{row['width']} qubits", bold=True)
    draw.text(26, top + 57, verdict, size=11, fill=colour)
    draw.text(26, top + 74, f"mean {mean:.3f} (line)", size=11, fill=GREY)
    draw.text(26, top + 91, f"2σ bound {bound:.3f} (dots)", size=11, fill=GREY)
    draw.text(26, top + 108, f"{row['circuits']} circuits", size=11, fill=GREY)


# --------------------------------------------------------------------------- times


def times(report: Json) -> str | None:
    """Readings against waiting time for every qubit that was checked (log scale)."""
    rows = report.get("relaxation")
    if not rows:
        return None
    panel = 310.0
    draw = Drawing(WIDTH, 300, "T1 and T2 of the qubits that were checked")
    draw.text(26, 22, "Spot checks of T1 and T2", bold=True)
    draw.legend(240, 22, [("T1", COLOURS["blue"]), ("T2, echo", COLOURS["orange"])])
    for index, row in enumerate(rows[:3]):
        left, right, top, bottom = 56 + panel * index, 300 + panel * index, 66.0, 246.0
        delays = [delay for delay, _ in row["t1_points"]]
        across = Scale(math.log10(min(delays)) - 0.15, math.log10(max(delays)) + 0.15, left, right)
        up = Scale(0, 1.1, bottom, top)
        _vertical(draw, up, left, right, "", ticks(0, 1, 4))
        for power in range(math.ceil(across.low), math.floor(across.high) + 1):
            draw.line(across(power), top, across(power), bottom, FAINT)
            draw.text(
                across(power), bottom + 15, f"{10.0 ** (power - 3):g} µs", size=10, fill=GREY, anchor="middle"
            )
        words = []
        for kind, colour in (("t1", COLOURS["blue"]), ("t2", COLOURS["orange"])):
            time = row[kind]["time_ns"]
            if time is not None:
                grid = [across.low + (across.high - across.low) * k / 60 for k in range(61)]
                _curve(draw, [(across(g), up(math.exp(-(10**g) / time))) for g in grid], colour)
                words.append(f"{kind.upper()} {time / 1e3:.0f} ± {row[kind]['error_ns'] / 1e3:.0f} µs")
            else:
                words.append(f"{kind.upper()} over {row[kind]['at_least_ns'] / 1e3:,.0f} µs")
            for delay, value in row[f"{kind}_points"]:
                tip = f"{delay / 1e3:g} µs: {value * _NANO:.3f}"
                draw.dot(across(math.log10(delay)), up(value * _NANO), colour, radius=3.5, tip=tip)
        draw.text(left, 46, f"qubit {row['qubit']}", size=12, bold=True)
        draw.text(left + 52 + 8 * len(str(row["qubit"])), 46, ", ".join(words), size=11, fill=GREY)
    draw.text(WIDTH / 2, 284, "waiting time", size=11, fill=GREY, anchor="middle")
    return draw.svg()


# --------------------------------------------------------------------------- map


def _shade(value: float, low: float, high: float) -> str:
    """A colour between pale yellow and dark blue (viridis turned round), by the logarithm of an error."""
    share = 0.0 if high <= low else (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    stops = ((253, 231, 37), (94, 201, 98), (33, 145, 140), (59, 82, 139), (68, 1, 84))
    at = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    first = min(int(at), len(stops) - 2)
    mix = [round(a + (b - a) * (at - first)) for a, b in zip(stops[first], stops[first + 1], strict=True)]
    return "#" + "".join(f"{part:02x}" for part in mix)


def error_map(report: Json) -> str | None:
    """The coupling graph: a pair's colour is its measured error, a qubit's is its readout error."""
    layered, readout = report.get("layer_fidelity"), report.get("readout")
    if layered is None or readout is None:
        return None
    pairs = {tuple(p["pair"]): max(p["error_nano"], p["error_se_nano"], 1) * _NANO for p in layered["pairs"]}
    reads = [max(value * _NANO, 1e-4) for value in readout["error_nano"]]
    edges = None if report["coupling"] is None else [(a, b) for a, b in report["coupling"]]
    places = positions(report["qubits"], edges)
    spread = places.max(axis=0) - places.min(axis=0)
    unit = min(870 / max(spread[0], 1e-9), 560 / max(spread[1], 1e-9), 70.0)
    height = spread[1] * unit
    draw = Drawing(WIDTH, height + 170, "Map of measured errors")
    draw.text(26, 22, "Map of errors", bold=True)
    origin = (WIDTH - spread[0] * unit) / 2, 110.0
    at = [
        (origin[0] + (x - places[:, 0].min()) * unit, origin[1] + (y - places[:, 1].min()) * unit)
        for x, y in places
    ]
    _colour_bar(draw, 26, 50, "pairs: error per layered gate", sorted(pairs.values()))
    _colour_bar(draw, 520, 50, "qubits: readout error", sorted(reads))
    thick = max(2.0, min(7.0, unit / 5))
    radius = max(2.5, min(13.0, unit / 3.4))
    for a, b in edges or pairs:
        known = pairs.get((a, b))
        colour = FAINT if known is None else _shade(known, *_range(sorted(pairs.values())))
        tip = f"{a}-{b}: " + ("not measured" if known is None else f"{known:.2e}")
        draw.add(
            "line", f"<title>{tip}</title>", x1=at[a][0], y1=at[a][1], x2=at[b][0], y2=at[b][1],
            stroke=colour, stroke_width=thick,
        )  # fmt: skip
    low, high = _range(sorted(reads))
    for qubit, (x, y) in enumerate(at):
        draw.add(
            "circle", f"<title>qubit {qubit}: readout error {reads[qubit]:.2e}</title>",
            cx=float(x), cy=float(y), r=radius, fill=_shade(reads[qubit], low, high),
            stroke="#ffffff", stroke_width=1,
        )  # fmt: skip
        if radius >= 8:
            share = math.log(reads[qubit] / low) / math.log(high / low)
            ink = "#ffffff" if share > 0.45 else INK
            draw.text(x, y + 3.5, qubit, size=9 if qubit > 99 else 10, fill=ink, anchor="middle")
    return draw.svg()


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Smallest and largest of ordered values but for two in a hundred; at least a factor of two apart."""
    few = len(values) // 50
    low, high = values[few], values[-1 - few]
    if high < 2 * low:
        middle = math.sqrt(low * high)
        low, high = middle / math.sqrt(2), middle * math.sqrt(2)
    return low, high


def _colour_bar(draw: Drawing, x: float, y: float, label: str, values: Sequence[float]) -> None:
    low, high = _range(values)
    for step in range(40):
        colour = _shade(low * (high / low) ** (step / 39), low, high)
        draw.rect(x + step * 6, y, 6.5, 10, colour, radius=0)
    draw.text(x + 250, y + 9, label, size=11, fill=GREY)
    draw.text(x, y + 25, f"up to {low:.1e}", size=10, fill=GREY)
    draw.text(x + 240, y + 25, f"{high:.1e} and above", size=10, fill=GREY, anchor="end")


# --------------------------------------------------------------------------- page

PICTURES: Mapping[str, tuple[str, Callable[[Json], str | None]]] = {
    "decays": ("Layers", decays),
    "staircase": ("Entanglement", staircase),
    "heavy_outputs": ("Quantum volume", heavy_outputs),
    "times": ("Times", times),
    "error_map": ("Map", error_map),
}


def _numbers(report: Json) -> str:
    """The head of the page: what the certificate would hold, or what was measured."""
    rows: list[tuple[str, object]] = [("circuits", report["circuits"]), ("shots", report["shots"])]
    for name, value in report.get("capability", {}).items():
        if name in ("error_per_layered_gate", "readout_error"):
            rows.append((name.replace("_", " "), f"{value * _NANO:.2e}"))
        elif name.endswith("_nanoseconds"):
            shown = f"{value / 1e3:,.1f} µs" if value else "not resolved"
            rows.append((name[:2].upper(), shown))
        else:
            rows.append((name.replace("_", " "), value))
    if "xeb" in report:
        found = report["xeb"]
        value = f"{found['fidelity_nano'] * _NANO:.4f} ± {found['fidelity_se_nano'] * _NANO:.4f}"
        shape = "not resolved" if found["shape_nano"] is None else f"{found['shape_nano'] * _NANO:.3f}"
        rows.append((f"cross-entropy fidelity, {found['width']} qubits", f"{value} (shape {shape})"))
    if "capability" not in report:
        speed = report["speed"]
        rows.append(("layers per second", round(1000 * speed["layer_shots"] / speed["milliseconds"])))
    return table(["", ""], rows)


def _tables(report: Json) -> dict[str, str]:
    """The numbers behind each picture."""
    out: dict[str, str] = {}
    rows: list[tuple[object, ...]]
    if "layer_fidelity" in report:
        rows = [
            (
                " ".join(map(str, p["pair"])),
                p["layer"] + 1,
                f"{p['error_nano'] * _NANO:.2e}",
                f"{p['error_se_nano'] * _NANO:.0e}",
            )
            for p in report["layer_fidelity"]["pairs"]
        ]
        out["error_map"] = table(["pair", "layer", "error", "standard error"], rows)
    for name, key in (("staircase", "ghz"), ("heavy_outputs", "quantum_volume")):
        if key in report:
            shown = [k for k in report[key][0] if k != "each_nano"]
            rows = [tuple(str(row[k]) if k != "width" else row[k] for k in shown) for row in report[key]]
            out[name] = table(shown, rows)
    return out


def page(report: Json, title: str = "Capability") -> str:
    """The whole report as HTML text."""
    tables = _tables(report)
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style><h1>{escape(title)}</h1>',
        f"<p>{report['qubits']} qubits, suite <b>{escape(report['level'])}</b>: "
        f"{escape(report['confidence'])}. "
        f"The report's content id is <code>{cid_of(canonical_json(report))}</code>.</p>",
        _numbers(report),
    ]
    for name, (heading, picture) in PICTURES.items():
        drawn = picture(report)
        if drawn is not None:
            parts += [f"<h2>{heading}</h2>", drawn]
            if name in tables:
                parts.append(as_table(tables[name]))
    return "\n".join([*parts, "</html>\n"])


def write(report: Json, folder: Path, title: str = "Capability") -> tuple[Path, Path]:
    """Write the page, its pictures and the canonical report (named by its content id); page, report."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_heading, picture) in PICTURES.items():
        drawn = picture(report)
        if drawn is not None:
            (folder / f"{name}.svg").write_text(drawn, encoding="utf-8")
    document = canonical_json(report)
    kept = folder / f"{cid_of(document)}.json"
    kept.write_bytes(document)
    path = folder / "capability.html"
    path.write_text(page(report, title), encoding="utf-8")
    return path, kept
