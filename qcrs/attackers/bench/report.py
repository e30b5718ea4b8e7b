"""The campaign as text: tables in Markdown, put between two marks of a page, and its pictures beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from qcrs.attackers.bench.attacks import ATTACKS, HONEST, THIRD
from qcrs.attackers.bench.baselines import BASELINES, Scores, rejected
from qcrs.attackers.bench.campaign import verdicts_hash
from qcrs.attackers.bench.families import FAMILIES
from qcrs.attackers.bench.pictures import roc, verdicts
from qcrs.attackers.bench.tally import RIGHT, Rate, Tally, tally
from qcrs.errors import ConfigError

__all__ = ["BEGIN", "END", "goals", "markdown", "parts", "summary", "write"]

BEGIN, END = "<!-- bench verify: begin -->", "<!-- bench verify: end -->"

Line = Mapping[str, Any]


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(headers) + " |", "|" + "---|" * len(headers)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _every(_cell: Line) -> bool:
    return True


def _main(device: str) -> Callable[[Line], bool]:
    return lambda cell: cell["group"] == "main" and cell["device"] == device


def _label(name: str) -> str:
    return ATTACKS[name].label if name in ATTACKS else name


def _named(tallies: Mapping[str, Tally]) -> list[str]:
    return [name for name in ATTACKS if name in tallies]


def _distance(found: Tally) -> str:
    known = found.known_distances
    return f"{np.median(known):.2f} ({min(known):.2f}–{max(known):.2f})" if known else "–"


def _headline(a: Mapping[str, Tally], b: Mapping[str, Tally]) -> str:
    """Rejected and accepted for every attacker, with both references and both noises."""
    rows = []
    for name in _named(a):
        row = [name, _label(name), _distance(a[name])]
        for tallies in (a, b):
            found = tallies.get(name, Tally())
            for reference in ("ideal", "peer"):
                no, yes = found.rejected(reference), found.accepted(reference)
                low, high = yes.interval
                text = f"{no.value:.3f} / {yes.value:.3f} ({low:.3f}–{high:.3f})" if yes.trials else "–"
                row.append(text)
        rows.append(row)
    headers = ("", "attacker", "ideal distance", "A, V3", "A, V4", "B, V3", "B, V4")
    return _table(headers, rows)


def _right(a: Mapping[str, Tally]) -> str:
    """Attackers some of whose trials end in the right distribution: what was accepted of the wrong ones."""
    rows = []
    for name in _named(a):
        found = a[name]
        known = found.known_distances
        right = sum(d < RIGHT for d in known)
        if not right or right == len(known):
            continue
        cells = [name, f"{right} of {len(known)}"]
        for reference in ("ideal", "peer"):
            no = found.rejected(reference, wrong_only=True)
            yes = found.accepted(reference, wrong_only=True)
            cells += [f"{no.value:.3f}", yes.text()]
        rows.append(cells)
    headers = ("", f"distance < {RIGHT}", "V3 rejected", "V3 accepted", "V4 rejected", "V4 accepted")
    return _table(headers, rows)


_STEPS = (0.0, RIGHT, 0.075, 0.1, 0.15, 0.2, 0.3, np.inf)


def _by_distance(a: Mapping[str, Tally]) -> str:
    """Approximations and altered answers together, by how far from the right distribution they end."""
    found = [a[name] for name in _named(a) if name.startswith(("approx/", "A04", "A05/", "A06"))]
    rows = []
    for low, high in pairwise(_STEPS):
        cells = []
        for reference in ("ideal", "peer"):
            codes = [code for one in found for code in one.between(reference, low, high)]
            no, yes = (Rate(sum(code in kind for code in codes), len(codes)) for kind in ("RF", "AW"))
            cells += [f"{no.value:.3f}" if codes else "–", yes.text()]
        step = f"{low:g} to {high:g}" if high < np.inf else f"from {low:g} on"
        rows.append((step, f"{len(codes):,}", *cells))
    headers = ("ideal distance", "trials", "V3 rejected", "V3 accepted", "V4 rejected", "V4 accepted")
    return _table(headers, rows)


def _honest(lines: Sequence[Line]) -> str:
    rows = []
    keys = ("group", "device", "n", "shots")
    seen = sorted({tuple(line["cell"][key] for key in keys) for line in lines})
    for values in (None, *seen):
        label = "all"
        chosen: Callable[[Line], bool] = _every
        if values is not None:
            chosen = _where(**dict(zip(keys, values, strict=True)))
            label = "{}: {}, n = {}, {:,} shots".format(*values)
        found = tally(lines, chosen).get(HONEST)
        if found is None:
            continue
        worst = Rate(
            sum(any(code in "RF" for code in trial) for trial in zip(*found.codes.values(), strict=True)),
            len(found.codes["ideal"]),
        )
        slashed = Rate(sum("F" in trial for trial in zip(*found.codes.values(), strict=True)), worst.trials)
        rows.append(
            (
                label,
                f"{worst.trials:,}",
                f"{slashed.count} (< {slashed.interval[1]:.1e})",
                f"{worst.count}: {worst.text(4)}",
                found.accepted("ideal").text(),
                found.accepted("peer").text(),
                f"{found.weak('peer').value:.3f}",
            )
        )
    headers = (
        "cells",
        "trials",
        "slashed",
        "rejected by any reference",
        "V3 accepted",
        "V4 accepted",
        "V4 weakly",
    )
    return _table(headers, rows)


def _baseline_rates(found: Tally) -> dict[str, Rate]:
    """How often each plain check rejects."""
    out = {}
    columns = {name: found.scores.get(name, []) for name in BASELINES}
    for check in BASELINES:
        values = [v for v in columns[check] if v is not None]
        other = dict.fromkeys(BASELINES, 0.0)
        count = sum(rejected(check, Scores(**{**other, check: value})) for value in values)
        out[check] = Rate(count, len(values))
    return out


def _baselines(a: Mapping[str, Tally]) -> str:
    rows = []
    for name in (HONEST, *_named(a)):
        rates = _baseline_rates(a[name])
        cells = [f"{rate.value:.2f}" if rate.trials else "–" for rate in rates.values()]
        judged = [f"{a[name].rejected(reference).value:.2f}" for reference in ("ideal", "peer")]
        rows.append((name, _label(name), *cells, *judged))
    headers = ("", "share rejected by", "trap", "TVD", "χ²", "XEB", "judge, V3", "judge, V4")
    return _table(headers, rows)


def _both(found: Tally, reference: str) -> str:
    """Rejected / accepted, and how many of all were weak acceptances."""
    no, yes, weak = found.rejected(reference), found.accepted(reference), found.weak(reference)
    if not no.trials:
        return "–"
    mark = f" ({weak.value:.2f} w)" if weak.count else ""
    return f"{no.value:.2f} / {yes.value:.2f}{mark}"


def _by_column(
    lines: Sequence[Line],
    columns: Sequence[tuple[str, Callable[[Line], bool]]],
    reference: str = "ideal",
) -> str:
    """Rejected / accepted for every attacker, one column for each choice of cells."""
    tallies = [(label, tally(lines, chosen)) for label, chosen in columns]
    tallies = [(label, found) for label, found in tallies if found]
    if not tallies:
        return "No trials in this campaign."
    rows = []
    for name in (HONEST, *ATTACKS):
        cells = []
        for _name, found in tallies:
            one = found.get(name, Tally())
            cells.append(_both(one, reference))
        if any(cell != "–" for cell in cells):
            rows.append((name, *cells))
    return _table(("", *(label for label, _found in tallies)), rows)


def _where(**wanted: object) -> Callable[[Line], bool]:
    return lambda cell: all(cell[key] == value for key, value in wanted.items())


def _deciders(a: Mapping[str, Tally]) -> str:
    rows = []
    for name in _named(a):
        for reference in ("ideal",):
            found = a[name].deciders.get(reference)
            if found:
                total = found.total()
                rows.append(
                    (name, ", ".join(f"{kind} {count / total:.0%}" for kind, count in found.most_common(4)))
                )
    return _table(("", "failing test, V3, noise A"), rows)


def _colluders(lines: Sequence[Line], a: Mapping[str, Tally]) -> str:
    """Colluders against each other, and an honest provider against two of them."""
    rows = []
    for name in ATTACKS:
        found = a.get(name, Tally())
        if ATTACKS[name].colludes and found.codes:
            cells = [found.accepted(reference).text() for reference in ("ideal", "peer", "both")]
            rows.append((name, _label(name), *cells))
    headers = ("", "accepted when judged by", "the ideal alone", "its accomplice alone", "both")
    third = tally(lines, _every).get(THIRD, Tally())
    slashed, no, yes = third.rate("peer", "F"), third.rejected("peer"), third.accepted("peer")
    text = (
        f"An honest provider whose only references are two colluders with one wrong sample, nothing being "
        f"simulated: slashed {slashed.text()}, rejected {no.text()}, accepted {yes.text()}, of "
        f"{slashed.trials} trials."
    )
    return f"{_table(headers, rows)}\n\n{text}"


_SLACK = (HONEST, "A05/0.2", "A07", "A08", "A10/pool", "dilute/10", "approx/0.99")


def _ledger(a: Mapping[str, Tally]) -> str:
    """V8: how many jobs it takes to flag a provider that does the same in every job."""
    rows = []
    for name in _SLACK:
        flags = a.get(name, Tally()).flags()
        found = sorted(jobs for jobs in flags if jobs is not None)
        if flags:
            soon = Rate(sum(jobs <= 10 for jobs in found), len(flags))
            median = f"{found[len(flags) // 2]}" if len(found) > len(flags) // 2 else "–"
            rows.append((name, _label(name), median, soon.text(), Rate(len(found), len(flags)).text()))
    return _table(("", "provider", "median jobs to flag", "within 10 jobs", "within 60 jobs"), rows)


def goals(lines: Sequence[Line]) -> list[tuple[str, float, str, bool]]:
    """What this exchange promises: figure, measured value, bound, met. Noise A, n = 8, 4,000 shots."""
    a = tally(lines, _main("A"))
    everyone = tally(lines, _every).get(HONEST, Tally())
    trials = list(zip(*everyone.codes.values(), strict=True))
    count = max(1, len(trials))
    out: list[tuple[str, float, str, bool]] = []

    def at_most(name: str, value: float, bound: float) -> None:
        out.append((name, value, f"≤ {bound:g}", value <= bound))

    def at_least(name: str, value: float, bound: float) -> None:
        out.append((name, value, f"≥ {bound:g}", value >= bound))

    at_most("honest slashed", sum("F" in t for t in trials) / count, 0)
    at_most("honest rejected", sum("R" in t or "F" in t for t in trials) / count, 0.001)
    wide = tally(lines, lambda cell: cell["shots"] == 4000 and cell["group"] == "main").get(HONEST, Tally())
    for reference in ("ideal", "peer"):
        at_least(f"honest accepted, {reference}", wide.accepted(reference).value, 0.97)
    strict = ("A01", "A02", "A03/100", "A03/400", "A08", "A09", "A11/30", "A11/50")
    loose = {"A04": 0.03, "A05/0.3": 0.03, "A05/0.5": 0.03, "A05/0.2": 0.3, "A05r": 0.1, "A06/2": 0.1}
    for reference in ("ideal", "peer"):
        for name in strict:
            if name in a:
                at_least(f"{name} rejected, {reference}", a[name].rejected(reference).value, 0.99)
                at_most(f"{name} accepted, {reference}", a[name].accepted(reference).value, 0.005)
        for name, bound in {**loose, "A07": 0.25}.items():
            if name in a:
                found = a[name].accepted(reference, wrong_only=name != "A07")
                at_most(f"{name} accepted, {reference}", found.value, bound)
    for name in ("A10", "A10/jitter", "A10/pool"):
        if name in a:
            at_most(f"{name} paid as independent", a[name].accepted("both").value, 0.03)
    if a.get("A07", Tally()).magnitudes:
        flags = a["A07"].flags()
        soon = sum(jobs is not None and jobs <= 10 for jobs in flags) / len(flags)
        at_least("A07 flagged by V8 within 10 jobs", soon, 0.95)
    third = tally(lines, _every).get(THIRD)
    if third is not None:
        at_most("honest third slashed on colluders' word", third.rate("peer", "F").value, 0)
    return out


def markdown(lines: Sequence[Line], head: Line, pictures: str) -> str:
    """The part of the page that the campaign writes."""
    a, b = tally(lines, _main("A")), tally(lines, _main("B"))
    trials = sum(len(row["distance"]) for line in lines for row in line["rows"])
    honest = len(tally(lines, _every)[HONEST].distances)
    seconds = sum(line["seconds"] for line in lines)
    met = [(("✓" if ok else "✗"), name, f"{value:.4f}", bound) for name, value, bound, ok in goals(lines)]
    widths: list[tuple[str, Callable[[Line], bool]]] = [("A, 8", _main("A")), ("B, 8", _main("B"))]
    for n in (4, 12, 16, 20):
        for device in ("A", "B"):
            widths.append((f"{device}, {n}", _where(group="width", n=n, device=device)))
    fakes = [
        (f"{device}, {n}", _where(group="fake", n=n, device=device))
        for device in ("Nairobi", "Guadalupe", "Brisbane")
        for n in (4, 8)
    ]
    others = [(f"{shots:,} shots", _where(group="shots", shots=shots)) for shots in (1000, 16_000)]
    others.append(("MQT Bench", _where(group="mqt")))
    families = [(f, lambda c, f=f: _main("A")(c) and c["family"] == f) for f in FAMILIES]
    parts = [
        f"Judge `{head['judge']}`, plan `{head['plan']}`: {len(lines)} cells, {trials:,} trials, {honest:,} "
        f"of them honest, {seconds / 60:.0f} minutes of one core. Intervals: Clopper and Pearson, 95 %. "
        f"Verdicts `{verdicts_hash(lines)}`: whoever runs the same plan with the same versions gets the same "
        "verdict in every trial, and this name for all of them.",
        "### n = 8, 4,000 shots: rejected / accepted (interval of accepted)",
        _headline(a, b),
        f"![Verdicts against the ideal distribution]({pictures}/verdicts.svg)",
        "### Wrong ways to the right distribution",
        "Trials whose ideal distribution is the target's (symmetric circuits, for the most part) hold "
        "nothing that statistics could find. Of the others:",
        _right(a),
        "All ways that change the answer (A04, A05, A06, approximations) together, by how far from the "
        "right distribution they end. For scale: S honest shots spread over D outcomes are themselves "
        "√(D / 2πS) away from their own distribution, here 0.10, and two such samples 0.14 from each "
        "other. What is nearer than that is found in part only, on more shots more of it.",
        _by_distance(a),
        "### Honest providers",
        "Each trial is judged three times: by the ideal, by an honest peer of noise A, and by both.",
        _honest(lines),
        "### Colluders (noise A, n = 8, 4,000 shots)",
        "A single colluder's sample is a real one, and right against the ideal. What must not pass is two "
        "of them as two witnesses.",
        _colluders(lines, a),
        "### Beside other checks (noise A)",
        _baselines(a),
        f"![Detection against false rejects]({pictures}/roc.svg)",
        "### By width, against the ideal: rejected / accepted (of all: weakly)",
        _by_column(lines, widths),
        "### By width, against a peer alone",
        "A peer needs about 5 √D / (f_a f_b) shots to show the shape: 1,280 at n = 16 without noise, ten "
        "times that where a device keeps a third. What is accepted on less says that it is weakly "
        "verified; up to 20 qubits oracles simulate as well.",
        _by_column(lines, widths, "peer"),
        "### On copies of calibrated devices",
        _by_column(lines, fakes),
        "### Other numbers of shots, circuits of MQT Bench (noise A, n = 8)",
        _by_column(lines, others),
        "### By family (noise A, n = 8, 4,000 shots)",
        _by_column(lines, families),
        "### Over many jobs: the ledger (V8), noise A",
        "400 providers, each with jobs drawn from the trials above.",
        _ledger(a),
        "### What decides",
        _deciders(a),
        "### Promises",
        _table(("", "figure", "measured", "bound"), met),
    ]
    return "\n\n".join(parts) + "\n"


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """All rates of the headline tables, for scripts."""
    out: dict[str, Any] = {}
    for device in ("A", "B"):
        found = tally(lines, _main(device))
        out[device] = {
            name: {
                reference: {
                    "rejected": one.rejected(reference).as_json(),
                    "accepted": one.accepted(reference).as_json(),
                }
                for reference in one.codes
            }
            for name, one in found.items()
        }
    out["goals"] = [
        {"name": name, "value": value, "bound": bound, "met": ok} for name, value, bound, ok in goals(lines)
    ]
    return out


def parts(page: Path) -> tuple[str, str]:
    """What stands before and after the report on a page; `ConfigError` where it has no place for one."""
    whole = page.read_text()
    if whole.count(BEGIN) != 1 or whole.count(END) != 1:
        raise ConfigError(
            "the page has no place for the report",
            field="page",
            value=str(page),
            solution=f"add {BEGIN} and {END}",
        )
    before, _, rest = whole.partition(BEGIN)
    return before, rest.partition(END)[2]


def write(lines: Sequence[Line], head: Line, out: Path, page: Path | None) -> Path:
    """Pictures and `report.md` in `out`; with a page, its part between the marks and pictures beside it."""
    tallies = tally(lines, _main("A"))
    drawn = {"roc.svg": roc(tallies), "verdicts.svg": verdicts(tallies, "ideal")}
    for name, text in drawn.items():
        (out / name).write_text(text)
    report = out / "report.md"
    report.write_text(markdown(lines, head, "."))
    if page is None:
        return report
    before, after = parts(page)
    folder = page.parent / "images" / "verification"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in drawn.items():
        (folder / name).write_text(text)
    body = markdown(lines, head, "images/verification")
    page.write_text(f"{before}{BEGIN}\n{body}{END}{after}")
    return page
