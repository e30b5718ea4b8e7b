"""A few words of SVG: enough to draw plain charts as text, with no plotting library at run time.

A `Drawing` collects shapes in user units (pixels) with the origin at the top left and escapes all
text. Colours are those of Okabe and Ito (2008), which readers of any colour vision can tell apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

__all__ = ["COLOURS", "GREY", "INK", "Drawing", "Scale", "ticks"]

INK = "#22262b"
GREY = "#8a929c"
FAINT = "#e4e7eb"
COLOURS = {
    "blue": "#0072b2",
    "sky": "#56b4e9",
    "green": "#009e73",
    "orange": "#e69f00",
    "red": "#d55e00",
    "pink": "#cc79a7",
    "grey": GREY,
}


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers from `low` to `high`: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    raw = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from data to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value; values outside the range are held at its ends."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        share = min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))
        return self.start + share * (self.end - self.start)


@dataclass(slots=True)
class Drawing:
    """An SVG picture in the making."""

    width: float
    height: float
    title: str
    parts: list[str] = field(default_factory=list)

    def add(self, tag: str, content: str | None = None, **attributes: object) -> None:
        """One element; underscores in attribute names become hyphens, numbers keep two decimals."""
        words = []
        for name, value in attributes.items():
            text = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
            words.append(f'{name.rstrip("_").replace("_", "-")}="{escape(text, quote=True)}"')
        body = f">{content}</{tag}>" if content is not None else "/>"
        self.parts.append(f"<{tag} {' '.join(words)}{body}")

    def text(
        self,
        x: float,
        y: float,
        words: object,
        *,
        size: int = 12,
        fill: str = INK,
        anchor: str = "start",
        bold: bool = False,
    ) -> None:
        """A line of text whose baseline is at y."""
        weight = {"font_weight": "600"} if bold else {}
        self.add(
            "text",
            escape(str(words)),
            x=float(x),
            y=float(y),
            font_size=size,
            fill=fill,
            text_anchor=anchor,
            **weight,
        )

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str,
        *,
        tip: str = "",
        radius: float = 2.0,
        opacity: float = 1.0,
    ) -> None:
        """A filled rectangle with a tool tip; never narrower than a pixel, so that nothing vanishes."""
        content = f"<title>{escape(tip)}</title>" if tip else None
        self.add(
            "rect",
            content,
            x=float(x),
            y=float(y),
            width=max(1.0, float(width)),
            height=float(height),
            rx=radius,
            fill=fill,
            fill_opacity=opacity,
        )

    def line(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        stroke: str = GREY,
        *,
        width: float = 1.0,
        dash: str = "",
    ) -> None:
        """A straight line."""
        extra = {"stroke_dasharray": dash} if dash else {}
        self.add(
            "line",
            x1=float(x1),
            y1=float(y1),
            x2=float(x2),
            y2=float(y2),
            stroke=stroke,
            stroke_width=width,
            **extra,
        )

    def dot(self, x: float, y: float, fill: str, *, radius: float = 4.0, tip: str = "") -> None:
        """A filled circle with a tool tip."""
        self.add(
            "circle",
            f"<title>{escape(tip)}</title>" if tip else None,
            cx=float(x),
            cy=float(y),
            r=radius,
            fill=fill,
        )

    def ribbon(
        self, x1: float, y1: float, x2: float, y2: float, thickness: float, fill: str, tip: str
    ) -> None:
        """A curved band from (x1, y1) to (x2, y2), both its upper corners; for flows of money."""
        middle = (x1 + x2) / 2
        path = (
            f"M{x1:.1f},{y1:.1f} C{middle:.1f},{y1:.1f} {middle:.1f},{y2:.1f} {x2:.1f},{y2:.1f} "
            f"v{thickness:.1f} C{middle:.1f},{y2 + thickness:.1f} {middle:.1f},{y1 + thickness:.1f} "
            f"{x1:.1f},{y1 + thickness:.1f} z"
        )
        self.add("path", f"<title>{escape(tip)}</title>", d=path, fill=fill, fill_opacity=0.45)

    def axis(
        self,
        scale: Scale,
        y: float,
        top: float,
        label: str,
        marks: Iterable[float] | None = None,
        unit: str = "",
    ) -> None:
        """A horizontal axis at y with grid lines up to `top`."""
        for mark in marks if marks is not None else ticks(scale.low, scale.high):
            x = scale(mark)
            self.line(x, top, x, y, FAINT)
            self.text(x, y + 15, f"{mark:g}{unit}", size=10, fill=GREY, anchor="middle")
        self.text((scale.start + scale.end) / 2, y + 30, label, size=11, fill=GREY, anchor="middle")

    def legend(self, x: float, y: float, entries: Sequence[tuple[str, str]]) -> None:
        """Coloured squares with words, in one row."""
        for words, colour in entries:
            self.rect(x, y - 9, 10, 10, colour)
            self.text(x + 15, y, words, size=11, fill=GREY)
            x += 27 + 6.3 * len(words)

    def svg(self) -> str:
        """The picture as a document of its own."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width:g}" height="{self.height:g}" role="img" '
            f'aria-label="{escape(self.title, quote=True)}" '
            f'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">'
        )
        return "\n".join([head, f"<title>{escape(self.title)}</title>", *self.parts, "</svg>\n"])
