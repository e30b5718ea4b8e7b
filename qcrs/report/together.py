"""Pictures of computing together: pairs by planner, logical errors of a patch with a seam."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from qcrs.distributed.bench.seam import KINDS, Campaign, per_distance
from qcrs.report.svg import COLOURS, FAINT, GREY, INK, Drawing, Scale

__all__ = ["pairs_by_limit", "seam_curves"]

PALETTE = ("blue", "orange", "green", "red", "sky", "pink", "grey")
WIDTH = 960.0
KIND = {"seam": "links ten times worse", "whole": "no seam"}


def seam_curves(found: Campaign) -> str:
    """Logical error of d rounds against the error of an operation, by distance; crossings as dashed lines."""
    draw = Drawing(WIDTH, 400, "Logical error of d rounds against physical error, with and without a seam")
    rates = [per_distance(e) for e in found.estimates if e.seam.basis == "z" and e.failures]
    ps = [e.seam.p for e in found.estimates]
    y = Scale(math.log10(min(rates)), math.log10(max(rates)), 330, 50)
    names = [(f"d = {d}", COLOURS[PALETTE[i]]) for i, d in enumerate(found.distances)]
    draw.legend(70, 20, names)
    for number, kind in enumerate(KINDS):
        left = 70 + number * 450
        x = Scale(math.log10(min(ps)), math.log10(max(ps)), left, left + 390)
        for p in (0.002, 0.003, 0.004, 0.005, 0.006, 0.008):
            if min(ps) <= p <= max(ps):
                draw.line(x(math.log10(p)), 50, x(math.log10(p)), 330, FAINT)
                draw.text(x(math.log10(p)), 346, f"{100 * p:g}", size=10, fill=GREY, anchor="middle")
        for power in range(math.ceil(y.low), math.floor(y.high) + 1):
            draw.line(left, y(power), left + 390, y(power), FAINT)
            draw.text(left - 6, y(power) + 4, f"{10.0**power:g}", size=10, fill=GREY, anchor="end")
        draw.text(left + 195, 42, KIND[kind], anchor="middle", bold=True)
        draw.text(
            left + 195,
            364,
            "error of a local operation (%)",
            size=11,
            fill=GREY,
            anchor="middle",
        )
        for index, distance in enumerate(found.distances):
            curve = [e for e in found.curve(kind, distance) if e.failures]
            points = [(x(math.log10(e.seam.p)), y(math.log10(per_distance(e))), e) for e in curve]
            colour = COLOURS[PALETTE[index]]
            for (x1, y1, _), (x2, y2, _) in pairwise(points):
                draw.line(x1, y1, x2, y2, colour, width=1.8)
            for px, py, e in points:
                draw.dot(px, py, colour, radius=3, tip=f"{e.failures} of {e.shots} shots")
        for one in found.crossings(kind):
            at = x(math.log10(one.p))
            draw.line(at, 50, at, 330, INK, dash="4 3")
            draw.text(at - 4, 326, f"{100 * one.p:.2f} %", size=10, anchor="end")
    return draw.svg()


def pairs_by_limit(curves: Sequence[tuple[str, Sequence[tuple[int, int]]]], title: str, across: str) -> str:
    """Pairs of plans (log scale) against a limit: (name, points) for each circuit."""
    draw = Drawing(WIDTH, 380, title)
    points = [point for _, curve in curves for point in curve]
    x = Scale(min(a for a, _ in points), max(a for a, _ in points), 70, WIDTH - 190)
    y = Scale(0.0, math.log10(max(b for _, b in points) * 1.2), 320, 30)
    draw.axis(x, 320, 30, across, marks=sorted({float(a) for a, _ in points}))
    for power in range(math.floor(y.high) + 1):
        for step in (1, 2, 5):
            value = step * 10**power
            if math.log10(value) <= y.high:
                draw.line(70, y(math.log10(value)), WIDTH - 190, y(math.log10(value)), FAINT)
                draw.text(62, y(math.log10(value)) + 4, value, size=10, fill=GREY, anchor="end")
    draw.text(12, 20, "pairs", size=11, fill=GREY)
    for number, (name, curve) in enumerate(curves):
        colour = COLOURS[PALETTE[number % len(PALETTE)]]
        for (a, b), (c, d) in pairwise(curve):
            draw.line(x(a), y(math.log10(b)), x(c), y(math.log10(d)), colour, width=1.8)
        for a, b in curve:
            draw.dot(x(a), y(math.log10(b)), colour, radius=3, tip=f"{name}: {b} pairs at {a}")
        draw.rect(WIDTH - 175, 40 + 18 * number, 10, 10, colour)
        draw.text(WIDTH - 160, 49 + 18 * number, name, size=11, fill=GREY)
    return draw.svg()
