"""The picture of governance: bodies, their powers, their seats, and what is open before each."""

from __future__ import annotations

from qcrs.governance.bodies import CONSORTIA
from qcrs.governance.overview import BodyView, MatterView, Overview
from qcrs.report.svg import COLOURS, FAINT, GREY, INK, Drawing

__all__ = ["republic"]

WIDTH = 960.0
ROW = 62.0
LINE = 34.0
HALT = 20.0
STATE_COLOUR = {
    "open": COLOURS["orange"],
    "pending": COLOURS["grey"],
    "active": COLOURS["orange"],
    "waiting": COLOURS["sky"],
    "succeeded": COLOURS["sky"],
    "queued": COLOURS["sky"],
    "executed": COLOURS["green"],
}


def republic(found: Overview) -> str:
    """Each body with its seats and powers, and its open ballots and proposals as bars of votes, as SVG."""
    own = {body.key: [m for m in found.matters if m.body == body.key] for body in found.bodies}
    top = 40 + HALT * len(found.halts)
    heights = [ROW + LINE * len(own[body.key]) for body in found.bodies]
    draw = Drawing(WIDTH, top + sum(heights) + 14 * len(heights), "Bodies, powers and open proposals")
    draw.text(8, 22, "who decides what, who sits, and what is open", size=13, bold=True)
    colours = {"votes": "orange", "against": "red", "waits": "sky", "done": "green"}
    draw.legend(WIDTH - 270, 22, [(word, COLOURS[colour]) for word, colour in colours.items()])
    y = 40.0
    for words in found.halts:
        draw.text(8, y + 10, words, size=12, fill=COLOURS["red"], bold=True)
        y += HALT
    for body, height in zip(found.bodies, heights, strict=True):
        _body(draw, body, y, height)
        for number, one in enumerate(own[body.key]):
            _matter(draw, one, found.now, y + ROW + LINE * number)
        y += height + 14
    return draw.svg()


def _body(draw: Drawing, body: BodyView, y: float, height: float) -> None:
    draw.rect(4, y, WIDTH - 8, height, FAINT, radius=6, opacity=0.55)
    draw.text(16, y + 20, body.title, size=13, bold=True)
    draw.text(16, y + 37, body.decides, size=11, fill=GREY)
    waits = f"waits {_time(body.delay_s)}" if body.delay_s else "acts at once"
    count = len(body.seats)
    votes = f"{body.threshold} of {count} decide"
    if body.key == CONSORTIA:
        votes = f"quorum {body.quorum} of {count}, {body.threshold} decide early"
    draw.text(WIDTH - 16, y + 20, f"{votes}, {waits}", size=11, anchor="end")
    step = min(22.0, 560.0 / max(1, len(body.seats)))
    for number, (place, holder) in enumerate(body.seats):
        draw.dot(26 + step * number, y + 51, COLOURS["blue"], radius=6, tip=f"seat {place}: {holder}")


def _matter(draw: Drawing, one: MatterView, now: int, y: float) -> None:
    colour = STATE_COLOUR.get(one.state, COLOURS["grey"])
    full = max(one.needed, one.votes + one.against + one.abstained, 1)
    draw.rect(26, y + 4, 120, 12, "#ffffff")
    draw.rect(26, y + 4, 120 * one.votes / full, 12, colour, tip=one.tally)
    if one.against:
        draw.rect(146 - 120 * one.against / full, y + 4, 120 * one.against / full, 12, COLOURS["red"])
    when = f", {one.coming} in {_time(one.until - now)}" if one.until else ""
    draw.text(156, y + 14, f"{one.state}{when}", size=11, fill=INK)
    draw.text(156, y + 28, one.tally, size=10, fill=GREY)
    words = "; ".join(f"{c.what}: {c.before} → {c.after}" for c in one.changes) or "; ".join(one.calls)
    told = f"sets back what was decided since: {words}" if one.undoes else words
    fill = COLOURS["red"] if one.undoes or one.faithful is False else INK
    draw.text(WIDTH - 16, y + 14, _short(told, 84), size=11, fill=fill, anchor="end")
    draw.text(26, y + 28, f"{one.kind} {one.id[:8]}", size=10, fill=GREY)


def _time(seconds: int) -> str:
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
