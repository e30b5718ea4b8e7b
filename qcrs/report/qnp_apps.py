"""Pages of applications on an entanglement network: keys over blocks, GHZ fidelity over size, and others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from qcrs.qnp.apps import keyrate
from qcrs.qnp.drivers.apps.barrier import BarrierResult
from qcrs.qnp.drivers.apps.keys import KeyBlock
from qcrs.qnp.drivers.apps.teleport import Teleported
from qcrs.qnp.physical.bell import BellPair
from qcrs.qnp.physical.purification import purified
from qcrs.report.page import STYLE, table
from qcrs.report.qnp import lines_chart
from qcrs.report.svg import COLOURS, FAINT, GREY, Drawing, Scale, ticks

__all__ = ["write_barrier", "write_ghz", "write_keys", "write_purify", "write_teleport"]

Points = Sequence[tuple[float, float]]


def _write(
    folder: Path, name: str, title: str, words: str, drawn: Mapping[str, str], tables: Sequence[str]
) -> Path:
    """A page and its pictures; the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>',
        f"<h1>{escape(title)}</h1><p>{escape(words)}</p>",
    ]
    for key, svg in drawn.items():
        (folder / f"qnp-{name}-{key}.svg").write_text(svg, encoding="utf-8")
        parts.append(svg)
    path = folder / f"qnp-{name}.html"
    path.write_text("\n".join([*parts, *tables, "</html>\n"]), encoding="utf-8")
    return path


def write_keys(scheme: str, circuit: str, blocks: Sequence[KeyBlock], folder: Path) -> Path:
    """QBER and key rate over blocks."""
    limit = keyrate.threshold(keyrate.asymptotic_bb84)
    errors: Points = [(b.number, 100 * b.tail.qber) for b in blocks if b.tail.qber is not None]
    across = [(float(b.number), 100 * limit) for b in blocks]
    rates: list[tuple[float, float]] = []
    ended = 0
    for block in blocks:
        rates.append((block.number, block.length * 1e9 / max(1, block.finished_ns - ended)))
        ended = block.finished_ns
    drawn = {
        "qber": lines_chart(
            "Error rate of the sample", [("QBER", errors), ("no key above", across)], "block", "%", dots=True
        ),
        "rate": lines_chart(
            "Key rate", [("secret bits per simulated second", rates)], "block", "bit/s", dots=True
        ),
    }
    shown = table(
        [
            "block",
            "pairs",
            "sifted",
            "compared",
            "errors",
            "QBER",
            "leaked",
            "f",
            "S",
            "key bits",
            "messages",
            "reason",
        ],
        [
            (
                b.number,
                b.tail.pairs,
                b.tail.sifted,
                b.tail.sample,
                b.tail.errors,
                "–" if b.tail.qber is None else f"{100 * b.tail.qber:.3f} %",
                b.tail.leaked,
                "–" if b.tail.efficiency is None else f"{b.tail.efficiency:.3f}",
                "–" if b.tail.chsh is None else f"{b.tail.chsh.value:.4f} ± {b.tail.chsh.error:.4f}",
                b.length,
                b.messages,
                b.reason,
            )
            for b in blocks
        ],
    )
    bits = sum(b.length for b in blocks)
    seconds = max((b.finished_ns for b in blocks), default=0) / 1e9
    words = f"{bits:,} bits of key from {len(blocks)} blocks in {seconds:.3f} simulated seconds."
    return _write(folder, "keys", f"{scheme.upper()} on {circuit}", words, drawn, [shown])


def write_ghz(hub: str, rows: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """GHZ fidelity against the number of nodes."""
    closed = [(float(r["size"]), r["fidelity"]) for r in rows if r["fidelity"] is not None]
    drawn_by = [(float(r["size"]), r["sampled"]) for r in rows if r["sampled"] is not None]
    half = [(float(r["size"]), 0.5) for r in rows]
    chart = lines_chart(
        "Fidelity of GHZ states",
        [("closed form", closed), ("stim", drawn_by), ("above: all nodes entangled", half)],
        "nodes",
        "fidelity",
        dots=True,
    )
    shown = table(
        ["nodes", "made", "fidelity", "stim", "simulated ms", "missing"],
        [
            (
                r["size"],
                f"{r['made']}/{r['runs']}",
                *("–" if r[k] is None else f"{r[k]:.5f}" for k in ("fidelity", "sampled")),
                "–" if r["seconds"] is None else f"{1e3 * r['seconds']:.3f}",
                ", ".join(r["missing"]),
            )
            for r in rows
        ],
    )
    words = f"Pairs of {hub} with each other node, fused as they come."
    return _write(folder, "ghz", f"GHZ states around {hub}", words, {"fidelity": chart}, [shown])


def write_teleport(done: Sequence[Teleported], folder: Path) -> Path:
    """Fidelity of each state, and the closed form's."""
    chart = lines_chart(
        "Teleported states",
        [
            ("fidelity", [(i, one.fidelity) for i, one in enumerate(done)]),
            ("the pair's", [(i, one.pair_fidelity) for i, one in enumerate(done)]),
        ],
        "state",
        "fidelity",
    )
    shown = table(
        ["state", "Bloch vector", "arrived", "pair", "fidelity", "closed form"],
        [
            (
                i,
                *(", ".join(f"{v:+.3f}" for v in vector) for vector in (one.vector, one.arrived)),
                *(f"{v:.9f}" for v in (one.pair_fidelity, one.fidelity, one.predicted)),
            )
            for i, one in enumerate(done)
        ],
    )
    words = "What arrived at the tail after its correction."
    return _write(folder, "teleport", "Teleportation", words, {"fidelity": chart}, [shown])


def write_purify(method: int, name: str, before: float, after: float, success: float, folder: Path) -> Path:
    """Fidelity after a round over the fidelity before, with what was measured."""
    steps = [0.5 + 0.01 * i for i in range(51)]
    found = [purified(BellPair.werner(f), BellPair.werner(f), method) for f in steps]
    after_all = [(f, one.pair.fidelity) for f, one in zip(steps, found, strict=True)]
    chances = [(f, one.success) for f, one in zip(steps, found, strict=True)]
    draw = Drawing(960, 330, f"Two Werner pairs made one by {name}")
    x, y = Scale(0.5, 1.0, 70, 930), Scale(0.5, 1.0, 270, 40)
    draw.axis(x, 270, 40, "fidelity before")
    for mark in ticks(0.5, 1.0):
        draw.line(70, y(mark), 930, y(mark), FAINT)
        draw.text(62, y(mark) + 4, f"{mark:g}", size=10, fill=GREY, anchor="end")
    for points, colour in (
        (after_all, "blue"),
        (chances, "orange"),
        ([(f, f) for f in steps], "grey"),
    ):
        path = " ".join(f"{'M' if i == 0 else 'L'}{x(a):.1f},{y(b):.1f}" for i, (a, b) in enumerate(points))
        draw.add("path", None, d=path, fill="none", stroke=COLOURS[colour], stroke_width=1.8)
    draw.dot(x(before), y(after), COLOURS["blue"], radius=6, tip=f"measured: {after:.4f}")
    draw.dot(x(before), y(success), COLOURS["orange"], radius=6, tip=f"measured: {success:.4f}")
    draw.legend(
        90,
        24,
        [
            ("fidelity after", COLOURS["blue"]),
            ("success", COLOURS["orange"]),
            ("no gain", GREY),
            ("dots: this run", COLOURS["red"]),
        ],
    )
    shown = table(
        ["", "fidelity before", "fidelity after", "success"],
        [
            ("this run", f"{before:.5f}", f"{after:.5f}", f"{success:.5f}"),
            (
                "two Werner pairs",
                f"{before:.5f}",
                *(
                    f"{v:.5f}"
                    for one in [purified(BellPair.werner(before), BellPair.werner(before), method)]
                    for v in (one.pair.fidelity, one.success)
                ),
            ),
        ],
    )
    words = "Waiting and memories lie between this run and the curve."
    return _write(folder, "purify", f"Purification by {name}", words, {"gain": draw.svg()}, [shown])


def write_barrier(result: BarrierResult, folder: Path) -> Path:
    """When each node was ready and when it was told."""
    row = 26.0
    draw = Drawing(960, 70 + row * len(result.ended), "Ready, and told")
    last = max((at for at, _ in result.ended.values()), default=1)
    x = Scale(0, max(last, 1) / 1e6, 140, 930)
    bottom = 20 + row * len(result.ended)
    draw.axis(x, bottom, 14, "simulated ms")
    for i, (name, (at, passed)) in enumerate(result.ended.items()):
        y = 30 + i * row
        draw.text(8, y + 4, name, bold=True)
        ready = result.ready_ns.get(name)
        end = COLOURS["green"] if passed else COLOURS["red"]
        if ready is not None:
            draw.line(x(ready / 1e6), y, x(at / 1e6), y, GREY, width=2.0)
            draw.dot(x(ready / 1e6), y, COLOURS["blue"], tip=f"ready at {ready / 1e6:.3f} ms")
        draw.dot(x(at / 1e6), y, end, tip=f"{'goes on' if passed else 'aborted'} at {at / 1e6:.3f} ms")
    shown = table(
        ["node", "ready ms", "told ms", "how"],
        [
            (
                name,
                f"{result.ready_ns[name] / 1e6:.3f}" if name in result.ready_ns else "–",
                f"{at / 1e6:.3f}",
                "goes on" if passed else "aborted",
            )
            for name, (at, passed) in result.ended.items()
        ],
    )
    words = "All go on." if result.passed else f"Aborted; {result.reason}."
    return _write(
        folder, "barrier", f"Barrier of {result.coordinator}", words, {"times": draw.svg()}, [shown]
    )
