"""A campaign: the plan, a pool of processes that works it off, and the file that it can go on from.

`cells.jsonl` opens with a line that names the plan and the judge (a hash of its sources); each further line
is a finished cell. A campaign goes on only with the same plan and the same judge.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from qcrs.attackers.bench.attacks import ATTACKS, SIMPLE
from qcrs.attackers.bench.cells import Cell, run_cell
from qcrs.attackers.bench.families import FAMILIES, MQT_FAMILIES, mqt_installed
from qcrs.errors import ConfigError, IntegrityError

__all__ = ["CELLS", "judge_hash", "plan", "read", "run", "verdicts_hash"]

CELLS = "cells.jsonl"
_OWN = tuple(FAMILIES)
_ALL = tuple(ATTACKS)
_FAKE = ("A01", "A02", "A04", "A05/0.2", "A05/0.3", "A05/0.5", "A05r", "A08", "A11/30", "A11/50", "dilute/50")
"""Attacks that make sense on any device: those that undo frames know only `u` and `cz`."""
_INSTANCES = 1000
"""Numbers of instances that belong to one seed."""


def plan(*, quick: bool, seed: int = 0) -> list[Cell]:
    """All cells. The full plan has 1,080 trials of each attacker at n = 8, 4,000 shots, noise A.

    Another seed gives the same plan over other circuits, frames and shots.
    """
    mqt = MQT_FAMILIES if mqt_installed() else ()
    out: list[Cell] = []

    def add(
        group: str,
        families: Sequence[str],
        n: int,
        shots: int,
        device: str,
        instances: int,
        trials: int,
        honest: int,
        attacks: tuple[str, ...] = _ALL,
    ) -> None:
        for instance in range(instances):
            for family in families:
                number = _INSTANCES * seed + instance
                out.append(Cell(group, family, n, shots, device, number, trials, honest, attacks))

    if quick:
        add("main", _OWN, 8, 4000, "A", 1, 2, 8)
        add("main", _OWN[:3], 8, 4000, "B", 1, 2, 8)
        add("width", _OWN[:2], 4, 4000, "A", 1, 2, 8)
        add("width", _OWN[:1], 12, 4000, "A", 1, 2, 4, SIMPLE)
        add("fake", _OWN[:2], 4, 4000, "Nairobi", 1, 2, 4, _FAKE)
        add("mqt", mqt[:1], 8, 4000, "A", 1, 2, 4)
        return out
    add("main", _OWN, 8, 4000, "A", 12, 15, 70)
    add("main", _OWN, 8, 4000, "B", 6, 10, 60)
    add("mqt", mqt, 8, 4000, "A", 3, 6, 20)
    for shots in (1000, 16_000):
        add("shots", _OWN, 8, shots, "A", 2, 6, 40)
    for device in ("A", "B"):
        add("width", _OWN, 4, 4000, device, 2, 6, 40)
        add("width", _OWN, 12, 4000, device, 1, 5, 20, SIMPLE)
        add("width", _OWN, 16, 4000, device, 1, 3, 10, SIMPLE)
    add("width", _OWN[:3], 20, 4000, "A", 1, 2, 5, SIMPLE)
    for device in ("Nairobi", "Guadalupe", "Brisbane"):
        add("fake", _OWN, 4, 4000, device, 1, 5, 40, _FAKE)
    for device in ("Guadalupe", "Brisbane"):
        add("fake", ("brickwork", "ising"), 8, 4000, device, 1, 5, 40, _FAKE)
    return out


def judge_hash() -> str:
    """A name for the judge: the hash of the sources of `qcrs.verification`."""
    digest = sha256()
    for item in sorted(files("qcrs.verification").iterdir(), key=lambda found: found.name):
        if item.name.endswith(".py"):
            digest.update(item.name.encode() + b"\0" + item.read_bytes())
    return digest.hexdigest()[:16]


def verdicts_hash(lines: Sequence[Mapping[str, Any]]) -> str:
    """A name for all verdicts of a campaign, in whatever order its cells were finished."""
    digest = sha256()
    for line in sorted(lines, key=lambda found: str(found["key"])):
        letters = [[row["attack"], row["outcomes"]] for row in line["rows"]]
        digest.update(json.dumps([line["key"], letters], sort_keys=True).encode() + b"\n")
    return digest.hexdigest()[:16]


def _head(cells: Sequence[Cell]) -> dict[str, Any]:
    names = sha256("\n".join(repr(cell) for cell in cells).encode()).hexdigest()[:16]
    return {"qcrs": "bench-verify/1", "plan": names, "cells": len(cells), "judge": judge_hash()}


def read(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Head and finished cells of a file, by their names; a last line that was cut off is left out."""
    lines = path.read_text().splitlines()
    found = []
    for number, line in enumerate(lines):
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines) - 1:
                raise IntegrityError(
                    "a line of the campaign is not JSON", field="line", value=number + 1
                ) from error
    if not found or found[0].get("qcrs") != "bench-verify/1":
        raise IntegrityError("not a campaign of `qcrs bench verify`", field="file", value=str(path))
    return found[0], sorted(found[1:], key=lambda line: str(line["key"]))


def _start(path: Path, cells: Sequence[Cell], *, resume: bool) -> set[str]:
    """Keys of the cells that are done; makes the file where there is none."""
    head = _head(cells)
    if path.exists():
        if not resume:
            raise ConfigError(
                "there is a campaign in this folder already",
                field="out",
                value=str(path.parent),
                solution="add --resume to go on with it, or choose another --out",
            )
        found, done = read(path)
        if found != head:
            raise ConfigError(
                "the campaign in this folder has another plan or another judge",
                field="out",
                value=str(path.parent),
                solution="start a new one in another --out; results of two judges do not mix",
            )
        whole = [json.dumps(entry, separators=(",", ":")) for entry in (head, *done)]
        path.write_text("".join(line + "\n" for line in whole))  # without a line that was cut off
        return {entry["key"] for entry in done}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(head, separators=(",", ":")) + "\n")
    return set()


def run(
    cells: Sequence[Cell],
    out: Path,
    *,
    resume: bool,
    workers: int,
    progress: Callable[[int, int, str], None],
) -> list[dict[str, Any]]:
    """Work the plan off with so many processes; all finished cells, old and new.

    `progress` gets the cells that are done, all cells, and the name of the last one.
    """
    path = out / CELLS
    done = _start(path, cells, resume=resume)
    todo = [cell for cell in cells if cell.key not in done]
    progress(len(done), len(cells), "")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core for each process
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool, path.open("a") as file:
        waiting: set[Future[dict[str, Any]]] = {pool.submit(run_cell, cell) for cell in todo}
        try:
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    line = future.result()
                    file.write(json.dumps(line, separators=(",", ":")) + "\n")
                    file.flush()
                    done.add(line["key"])
                    progress(len(done), len(cells), line["key"])
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return read(path)[1]
