"""The four pictures of a run: processors, queue and timeline, verdicts, money.

Each takes a `Summary` and returns SVG text. What a picture shows stands in a table below it in the
report, so nobody depends on seeing it.
"""

from __future__ import annotations

import math

from qcrs.report.summary import Execution, Job, Summary
from qcrs.report.svg import COLOURS, FAINT, GREY, INK, Drawing, Scale
from qcrs.types import credits_text

__all__ = ["money", "processors", "timeline", "verdicts"]

OUTCOME_COLOUR = {
    "accepted": COLOURS["green"],
    "rejected": COLOURS["red"],
    "fraud": COLOURS["red"],
    "undecided": COLOURS["orange"],
    "expired": COLOURS["pink"],
}
LEFT = 210.0
WAITED = "#c9ced6"
WIDTH = 960.0
SCORE = "score of the deciding test (dot) with its interval (bar): good at or right of the threshold (tick)"


def processors(run: Summary) -> str:
    """Certified error per layered gate and readout error (log scale), reputation, bond and what it lost."""
    row = 46.0
    draw = Drawing(WIDTH, 70 + row * len(run.processors), "Processors: certified errors, reputation, bond")
    errors = Scale(-4.0, 0.0, LEFT, 560.0)
    bottom = 20 + row * len(run.processors)
    for power in range(-4, 1):
        draw.line(errors(power), 14, errors(power), bottom, FAINT)
        draw.text(errors(power), bottom + 15, f"{10.0**power:g}", size=10, fill=GREY, anchor="middle")
    draw.text(
        385,
        bottom + 30,
        "certified error (dot: per layered gate, ring: readout)",
        size=11,
        fill=GREY,
        anchor="middle",
    )
    draw.text(600, 12, "reputation", size=11, fill=GREY)
    draw.text(745, 12, "bond kept | slashed, in credits", size=11, fill=GREY)
    largest = max([p.bond + p.slashed for p in run.processors], default=1) or 1
    for i, p in enumerate(run.processors):
        y = 34 + i * row
        draw.text(8, y, p.name, bold=True)
        measured = bool(p.ghz_width or p.error_per_layered_gate_nano)
        found = f"QV 2^{p.log2_quantum_volume}, GHZ {p.ghz_width}" if measured else "no certificate"
        detail = f"{p.qubits} qubits, {found}"
        draw.text(8, y + 15, detail, size=10, fill=GREY)
        if p.error_per_layered_gate_nano:
            value = p.error_per_layered_gate_nano * 1e-9
            draw.dot(errors(math.log10(value)), y, COLOURS["blue"], tip=f"error per layered gate {value:.2e}")
        if p.readout_error_nano:
            value = p.readout_error_nano * 1e-9
            draw.add(
                "circle",
                f"<title>readout error {value:.2e}</title>",
                cx=errors(math.log10(value)),
                cy=y,
                r=4.5,
                fill="none",
                stroke=COLOURS["orange"],
                stroke_width=2,
            )
        draw.rect(600, y - 8, 110, 14, FAINT)
        draw.rect(
            600,
            y - 8,
            110 * p.reputation_ppm / 1e6,
            14,
            COLOURS["sky"],
            tip=f"{p.reputation_ppm / 1e4:.1f} %",
        )
        draw.text(655, y + 3, f"{p.reputation_ppm / 1e4:.0f} %", size=10, anchor="middle")
        held, lost = credits_text(p.bond), credits_text(p.slashed)
        kept = 200 * p.bond / largest
        draw.rect(745, y - 8, kept, 14, COLOURS["green"], tip=f"bond {held}")
        draw.text(745, y + 18, held, size=10, fill=GREY)
        if p.slashed:
            draw.rect(745 + kept, y - 8, 200 * p.slashed / largest, 14, COLOURS["red"], tip=f"slashed {lost}")
            draw.text(945, y + 18, lost, size=10, fill=COLOURS["red"], anchor="end")
    return draw.svg()


def _segments(job: Job, execution: Execution, since: int) -> list[tuple[int, int, str, str]]:
    """(from, to, colour, what) for one execution: waiting since then, running, being judged."""
    ended = execution.judged_at or job.ended_at
    waited = (min(since, execution.allocated_at), execution.allocated_at, WAITED, "waited in line")
    if not execution.committed_at:
        return [
            waited,
            (execution.allocated_at, ended, COLOURS["pink"], f"lost on {execution.processor_name}"),
        ]
    colour = OUTCOME_COLOUR.get(execution.outcome, COLOURS["grey"])
    return [
        waited,
        (
            execution.allocated_at,
            execution.committed_at,
            COLOURS["blue"],
            f"ran on {execution.processor_name}",
        ),
        (execution.committed_at, ended, colour, f"judged: {execution.outcome}"),
    ]


def _lanes(job: Job) -> list[list[tuple[int, int, str, str]]]:
    """What a job's bar shows, a lane for each execution: the next may start while one is still judged.

    A job without an accepted result waited on from its last step until its end.
    """
    lanes = []
    since = job.submitted_at
    for execution in job.executions:
        lanes.append(_segments(job, execution, since))
        since = execution.judged_at or execution.committed_at or since
    if job.verdict != "accepted" and since < job.ended_at:
        lanes = lanes or [[]]
        lanes[-1].append((since, job.ended_at, WAITED, "waited for another processor"))
    return lanes


def timeline(run: Summary) -> str:
    """Every job from submission to its end: waiting, running, judged, in a lane for each execution."""
    row = 24.0
    jobs = sorted(run.jobs, key=lambda j: (j.submitted_at, j.id))
    draw = Drawing(WIDTH, 84 + row * len(jobs), "Queue and timeline of every job")
    start = min((j.submitted_at for j in jobs), default=0)
    end = max((j.ended_at for j in jobs), default=start + 1)
    scale = Scale(0, max(1, end - start), LEFT, WIDTH - 130)
    bottom = 30 + row * len(jobs)
    draw.axis(scale, bottom, 24, "seconds of the chain's clock since the first submission")
    draw.legend(
        LEFT,
        14,
        [
            ("waited", WAITED),
            ("ran", COLOURS["blue"]),
            ("judged: accepted", COLOURS["green"]),
            ("undecided", COLOURS["orange"]),
            ("rejected", COLOURS["red"]),
            ("missed its deadline", COLOURS["pink"]),
        ],
    )
    for i, job in enumerate(jobs):
        y = 30 + i * row
        draw.text(8, y + 15, f"{job.name} ({job.qubits}q)", size=11)
        lanes = _lanes(job)
        height = 18 / max(1, len(lanes))
        for place, lane in enumerate(lanes):
            top = y + 2 + place * height
            for first, last, colour, words in lane:
                left, right = scale(first - start), scale(last - start)
                if last > first:
                    tip = f"{job.name}: {words}, {last - first} s"
                    draw.rect(left, top, right - left, height - 1, colour, tip=tip, radius=1.0)
        good = job.verdict == "accepted"
        words = job.status if good or job.status == job.verdict else f"{job.verdict} ({job.status})"
        draw.text(WIDTH - 122, y + 15, words, size=11, fill=INK if good else COLOURS["red"])
    return draw.svg()


def verdicts(run: Summary) -> str:
    """Score with its interval against the threshold, one line per judged execution."""
    rows = [(j, e) for j in run.jobs for e in j.executions if e.score_ppm is not None]
    height = 20.0
    draw = Drawing(WIDTH, 84 + height * len(rows), "Verdicts: score with interval against threshold")
    bounds = [v for _, e in rows for v in (e.score_ppm or 0, *(e.interval_ppm or ()))]
    low = min([0, *bounds]) / 1e6
    high = max([1_100_000, *bounds]) / 1e6
    scale = Scale(max(low, -0.5), min(high, 1.6), LEFT, WIDTH - 170)
    bottom = 30 + height * len(rows)
    draw.axis(scale, bottom, 24, SCORE)
    draw.legend(LEFT, 14, [(k, OUTCOME_COLOUR[k]) for k in ("accepted", "undecided", "rejected")])
    for i, (job, e) in enumerate(rows):
        y = 40 + i * height
        colour = OUTCOME_COLOUR.get(e.outcome, COLOURS["grey"])
        draw.text(8, y + 4, f"{job.name} #{e.index}", size=11)
        if e.interval_ppm:
            draw.line(scale(e.interval_ppm[0] / 1e6), y, scale(e.interval_ppm[1] / 1e6), y, colour, width=3)
        if e.threshold_ppm is not None:
            x = scale(e.threshold_ppm / 1e6)
            draw.line(x, y - 8, x, y + 8, INK, width=2)
        score, threshold = (e.score_ppm or 0) / 1e6, (e.threshold_ppm or 0) / 1e6
        draw.dot(scale(score), y, colour, tip=f"score {score:.3f}, threshold {threshold:.3f}, {e.decided_by}")
        draw.text(WIDTH - 162, y + 4, f"{e.outcome}: {e.decided_by}", size=10, fill=colour)
    return draw.svg()


def money(run: Summary) -> str:
    """Who paid whom: escrow to fees and refunds, bonds to slashes."""
    flows = [f for f in run.flows if f.amount > 0]
    total = sum(f.amount for f in flows) or 1
    unit = 300.0 / total
    names = {
        "left": list(dict.fromkeys(f.source for f in flows)),
        "right": list(dict.fromkeys(f.target for f in flows)),
    }
    height = 60 + 300 + 26.0 * max(len(names["left"]), len(names["right"]), 1)
    draw = Drawing(WIDTH, height, "Money: what escrow and bonds became")
    colour = {"fee": COLOURS["green"], "refund": COLOURS["sky"], "slash": COLOURS["red"]}
    draw.legend(LEFT, 14, [("fee", colour["fee"]), ("refund", colour["refund"]), ("slash", colour["slash"])])
    draw.text(WIDTH - 8, 14, "all amounts in credits", size=11, fill=GREY, anchor="end")
    cursor: dict[tuple[str, str], float] = {}
    for side, x in (("left", LEFT), ("right", WIDTH - LEFT - 40)):
        y = 36.0
        for name in names[side]:
            amount = sum(f.amount for f in flows if (f.source if side == "left" else f.target) == name)
            draw.rect(x, y, 14, max(2.0, amount * unit), INK)
            where = (x - 8, "end") if side == "left" else (x + 22, "start")
            words = f"{name} {credits_text(amount)}"
            draw.text(where[0], y + max(2.0, amount * unit) / 2 + 4, words, size=11, anchor=where[1])
            cursor[side, name] = y
            y += max(2.0, amount * unit) + 22
    for f in sorted(flows, key=lambda f: (names["left"].index(f.source), names["right"].index(f.target))):
        thickness = max(1.0, f.amount * unit)
        left, right = ("left", f.source), ("right", f.target)
        tip = f"{f.kind}: {f.source} → {f.target}, {credits_text(f.amount)} credits"
        fill = colour.get(f.kind, GREY)
        draw.ribbon(LEFT + 14, cursor[left], WIDTH - LEFT - 40, cursor[right], thickness, fill, tip)
        cursor[left] += thickness
        cursor[right] += thickness
    return draw.svg()
