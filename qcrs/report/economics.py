"""Two pictures of the economics: what every kind of provider earns, and what verification costs."""

from __future__ import annotations

from collections.abc import Sequence

from qcrs.report.svg import COLOURS, FAINT, GREY, INK, Drawing, Scale, ticks
from qcrs.verification.economics import Outcome

__all__ = ["overheads", "profits"]

WIDTH, HEIGHT = 960.0, 420.0
LEFT, RIGHT, TOP, BOTTOM = 60.0, 640.0, 20.0, 370.0
MOST_LEGIBLE = 400.0
"""Profits in fees beyond which a curve leaves the picture: bribes that nothing deters."""


def _frame(draw: Drawing, x: Scale, y: Scale, words_x: str, words_y: str, unit: str = "") -> None:
    draw.axis(x, BOTTOM, TOP, words_x)
    for mark in ticks(min(y.low, y.high), max(y.low, y.high)):
        draw.line(LEFT, y(mark), RIGHT, y(mark), FAINT)
        draw.text(LEFT - 6, y(mark) + 4, f"{mark:g}{unit}", size=10, fill=GREY, anchor="end")
    draw.text(LEFT, TOP - 6, words_y, size=11, fill=GREY)


def _curve(draw: Drawing, x: Scale, y: Scale, values: Sequence[float], colour: str, tip: str) -> None:
    step = max(1, len(values) // 300)
    places = [*range(0, len(values), step), len(values) - 1]
    points = " ".join(f"{x(i + 1):.1f},{y(values[i]):.1f}" for i in places)
    draw.add("polyline", f"<title>{tip}</title>", points=points, fill="none", stroke=colour, stroke_width=1.8)


def _names(draw: Drawing, rows: Sequence[tuple[float, str, str]]) -> None:
    """Names beside the ends of curves, moved apart."""
    lowest = TOP
    for at, words, colour in sorted(rows):
        place = max(at, lowest)
        draw.line(RIGHT, at, RIGHT + 14, place, colour)
        draw.text(RIGHT + 18, place + 4, words, size=11, fill=INK)
        lowest = place + 15


def profits(outcomes: Sequence[Outcome]) -> str:
    """Cumulative profit in fees, the mean over the providers of each kind."""
    draw = Drawing(WIDTH, HEIGHT, "Cumulative profit of honest and dishonest providers")
    shown = [one for one in outcomes if one.curve and abs(one.curve[-1]) < MOST_LEGIBLE]
    if not shown:
        return draw.svg()
    ends = [value for one in shown for value in one.curve]
    x = Scale(0, max(len(one.curve) for one in shown), LEFT, RIGHT)
    y = Scale(min(0.0, *ends), max(ends), BOTTOM, TOP)
    _frame(draw, x, y, "jobs of one provider", "profit in fees")
    palette = [COLOURS[name] for name in ("green", "blue", "sky", "orange", "red", "pink", "grey")]
    rows = []
    for place, one in enumerate(shown):
        colour = palette[place % len(palette)]
        words = f"{one.strategy.name} ({one.per_job:+.3f} a job)"
        _curve(draw, x, y, one.curve, colour, words)
        rows.append((y(one.curve[-1]), words, colour))
    _names(draw, rows)
    return draw.svg()


def overheads(curves: Sequence[tuple[str, Sequence[float]]], goal: float) -> str:
    """Audits a job along an honest provider's first jobs, and the bound that they should keep."""
    draw = Drawing(WIDTH, HEIGHT, "What verification adds in shots")
    x = Scale(0, max(len(values) for _name, values in curves), LEFT, RIGHT)
    y = Scale(0, 100 * max(goal, *(max(values) for _name, values in curves)) * 1.05, BOTTOM, TOP)
    _frame(draw, x, y, "jobs of an honest provider", "additional shots", " %")
    draw.line(LEFT, y(100 * goal), RIGHT, y(100 * goal), COLOURS["red"], dash="4 3")
    palette = [COLOURS[name] for name in ("blue", "green", "orange", "pink")]
    rows = []
    for place, (name, values) in enumerate(curves):
        colour = palette[place % len(palette)]
        percent = [100 * value for value in values]
        words = f"{name} ({percent[-1]:.1f} %)"
        _curve(draw, x, y, percent, colour, words)
        rows.append((y(percent[-1]), words, colour))
    _names(draw, rows)
    return draw.svg()
