"""Two pictures: false rejects against detection for every check, and the verdicts on every attacker."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from qcrs.attackers.bench.attacks import ATTACKS, HONEST
from qcrs.attackers.bench.tally import RIGHT, Floats, Tally, operating_curve
from qcrs.report.svg import COLOURS, FAINT, GREY, INK, Drawing, Scale

__all__ = ["roc", "verdicts"]

_CHECKS = (
    ("tvd", "TVD", "orange", -1),
    ("chi2", "χ² against a peer", "pink", 1),
    ("xeb", "XEB alone", "sky", 1),
    ("trap", "idle-qubit trap", "grey", 1),
    ("shape", "ρ alone", "green", 1),
)
"""Score, label, colour, and the sign that makes low scores bad."""
_LEAST = 1e-4
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def _scores(tallies: Mapping[str, Tally], check: str, sign: int) -> tuple[Floats, Floats]:
    """Scores of the honest and of all attackers whose answer is wrong."""
    honest = [v * sign for v in tallies[HONEST].scores.get(check, []) if v is not None]
    cheats: list[float] = []
    for name, found in tallies.items():
        if name in ATTACKS and found.scores:
            pairs = zip(found.scores.get(check, []), found.distances, strict=True)
            cheats += [v * sign for v, d in pairs if v is not None and d is not None and d >= RIGHT]
    return np.array(honest), np.array(cheats)


def roc(tallies: Mapping[str, Tally]) -> str:
    """Detection of wrong answers over false rejects (logarithmic) for each check, and the judge's point."""
    draw = Drawing(720, 400, "Detection of wrong answers against false rejects, by check")
    x, y = Scale(math.log10(_LEAST), 0.0, 60.0, 520.0), Scale(0.0, 1.0, 340.0, 20.0)
    for power in range(-4, 1):
        draw.line(x(power), 20, x(power), 340, FAINT)
        draw.text(x(power), 356, f"{10.0**power:g}", size=10, fill=GREY, anchor="middle")
    for share in _SHARES:
        draw.line(60, y(share), 520, y(share), FAINT)
        draw.text(54, y(share) + 4, f"{share:g}", size=10, fill=GREY, anchor="end")
    draw.text(290, 378, "honest executions rejected", size=11, fill=GREY, anchor="middle")
    draw.text(60, 12, "wrong answers found", size=11, fill=GREY)
    for place, (check, label, colour, sign) in enumerate(_CHECKS):
        honest, cheats = _scores(tallies, check, sign)
        if not len(honest) or not len(cheats):
            continue
        false, found = operating_curve(honest, cheats)
        points = [(x(math.log10(max(f, _LEAST))), y(float(d))) for f, d in zip(false, found, strict=True)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in _thinned(points))
        draw.add("polyline", points=path, fill="none", stroke=COLOURS[colour], stroke_width=1.6)
        draw.legend(540, 60 + 22 * place, [(label, COLOURS[colour])])
    rejected = tallies[HONEST].rejected("ideal")
    wrong = [
        found.rejected("ideal", wrong_only=True)
        for name, found in tallies.items()
        if name in ATTACKS and any(d >= RIGHT for d in found.known_distances)
    ]
    total = sum(rate.trials for rate in wrong)
    if total:
        share = sum(rate.count for rate in wrong) / total
        at = x(math.log10(max(rejected.value, _LEAST)))
        draw.dot(at, y(share), COLOURS["blue"], radius=6, tip=f"the judge: {share:.3f} found")
        draw.text(at + 10, y(share) + 4, f"the judge: {share:.3f}", bold=True)
    return draw.svg()


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points that a reader can tell apart."""
    out = points[:1]
    for point in points[1:]:
        if abs(point[0] - out[-1][0]) + abs(point[1] - out[-1][1]) >= 1:
            out.append(point)
    return [*out, points[-1]]


def verdicts(tallies: Mapping[str, Tally], reference: str) -> str:
    """Rejected, undecided and accepted shares of every attacker against one reference."""
    names = [name for name in (HONEST, *ATTACKS) if tallies.get(name, Tally()).codes.get(reference)]
    draw = Drawing(820, 60 + 22 * len(names), f"Verdicts by attacker against the {reference}")
    x = Scale(0.0, 1.0, 330.0, 800.0)
    kinds = (("RF", "rejected", "red"), ("U", "undecided", "grey"), ("AW", "accepted", "green"))
    draw.legend(330, 18, [(label, COLOURS[colour]) for _letters, label, colour in kinds])
    for place, name in enumerate(names):
        top = 30.0 + 22 * place
        label = ATTACKS[name].label if name in ATTACKS else "honest"
        draw.text(8, top + 12, name, bold=True)
        draw.text(90, top + 12, label, size=11, fill=INK)
        at = 0.0
        for letters, word, colour in kinds:
            rate = tallies[name].rate(reference, letters)
            if rate.count:
                width = x(at + rate.value) - x(at)
                draw.rect(x(at), top, width, 16, COLOURS[colour], tip=f"{word}: {rate.text()}")
            at += rate.value
    return draw.svg()
