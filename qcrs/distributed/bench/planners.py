"""Pairs that planners need for the same circuits on the same processors, peers in the same run.

Every processor has n/k data qubits and a channel to every other one. Random graphs, angles and orders follow
from a seed, so a run with a new seed judges on circuits that nothing was tuned on. Each finished row is kept
in a file of lines, and a run goes on from there.
"""

from __future__ import annotations

import json
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from qiskit import QuantumCircuit

from qcrs.circuits.families import adder, ansatz, brickwork, ghz, qaoa, qft
from qcrs.distributed.bench.goal import Goal
from qcrs.distributed.bench.peers import peer_pairs
from qcrs.distributed.bench.tables import markdown
from qcrs.distributed.network import Network
from qcrs.distributed.normal_form import normal_form
from qcrs.distributed.plan import Effort, Plan, plan
from qcrs.distributed.seed import seeds
from qcrs.errors import ConfigError, InputError

__all__ = ["LIMITS", "Row", "Task", "goals", "limit_curves", "planners_table", "run_rows", "suite", "tasks"]

LINKS = 4
"""Communication qubits of each processor where they are limited, ours and the peer's."""
LIMITS = (2, 3, 4, 6, 8)
QUICK = Effort(tries=20, kept=3, moves=20_000)


@dataclass(frozen=True, slots=True)
class Task:
    """One row to be made."""

    circuit: QuantumCircuit
    parts: int

    @property
    def key(self) -> str:
        """Its name in the file."""
        return f"{self.circuit.name}/{self.parts}"

    def sizes(self, spare: int = 0) -> list[int]:
        """Data qubits of each processor."""
        return [-(-self.circuit.num_qubits // self.parts) + spare] * self.parts


@dataclass(frozen=True, slots=True)
class Row:
    """Pairs of one circuit on k processors. None: no plan (limits), or the peer failed or was not run."""

    key: str
    naive: int
    """Qubits in their order, a pair for every gate between processors."""
    pairs: int
    links: int
    """Most communication qubits that the unlimited plan has in use on a processor."""
    spare: int
    """Pairs with one data qubit more on each processor."""
    limited: int | None
    """Pairs with four communication qubits each."""
    by_limit: tuple[tuple[int, int], ...]
    """(Communication qubits, pairs) where that was asked for."""
    peer: int | None
    how: str
    seed_ms: float
    seconds: float
    """Of the slowest of our plans, in processor seconds."""


def suite(fresh: int) -> list[QuantumCircuit]:
    """The fixed rows, with random graphs, angles and gates from `fresh`."""
    return [
        qft(16),
        qft(32),
        qaoa(32, 1, fresh),
        qaoa(32, 3, fresh),
        adder(16),
        ansatz(16, 3, fresh),
        brickwork(16, 16, fresh),
        ghz(64),
    ]


def tasks(fresh: int, parts: Sequence[int], *, quick: bool) -> list[Task]:
    """All rows of a run."""
    chosen = [qft(16), qaoa(16, 1, fresh), adder(7), ghz(16)] if quick else suite(fresh)
    return [Task(circuit, k) for circuit in chosen for k in parts]


def run_rows(
    asked: Sequence[Task],
    file: Path,
    *,
    peer: Path | None,
    quick: bool = False,
    curves: bool = True,
    say: Callable[[str], None],
) -> list[Row]:
    """Makes the rows that the file does not have yet; all rows, in order."""
    done = {row.key: row for row in _read(file)}
    for number, task in enumerate(asked):
        if task.key in done:
            continue
        say(f"{number + 1} of {len(asked)}: {task.key}")
        row = _row(task, peer, QUICK if quick else Effort(), curves=curves)
        done[task.key] = row
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(row)) + "\n")
    return [done[task.key] for task in asked]


def _read(file: Path) -> list[Row]:
    if not file.exists():
        return []
    rows = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            raw = json.loads(line)
            raw["by_limit"] = tuple((int(a), int(b)) for a, b in raw["by_limit"])
            rows.append(Row(**raw))
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(
                "a line of an earlier run cannot be read",
                field="out",
                value=str(file),
                solution="choose another folder",
            ) from error
    return rows


def _row(task: Task, peer: Path | None, effort: Effort, *, curves: bool) -> Row:
    spent = []

    def pairs_of(links: int, spare: int = 0) -> Plan | None:
        begun = time.process_time()
        limits = [links] * task.parts if links else ()
        try:
            found = plan(task.circuit, Network.of(task.sizes(spare), limits), effort, clock=time.process_time)
        except InputError:  # so few communication qubits cannot do
            found = None
        spent.append(time.process_time() - begun)
        return found

    form = normal_form(task.circuit)
    network = Network.of(task.sizes())
    # The least of ten: other programs on the machine can only add to what a try takes.
    seed_ms = 1e3 * min(
        timeit.repeat(lambda: seeds(form, network, 1), time.process_time, number=1, repeat=10)
    )
    free, more, limited = pairs_of(0), pairs_of(0, 1), pairs_of(LINKS)
    if free is None or more is None:
        raise InputError("no plan without limits", field="circuit", value=task.key)
    swept = {LINKS: limited}
    if curves:
        swept |= {limit: pairs_of(limit) for limit in LIMITS if limit != LINKS}
    rival = None if peer is None else peer_pairs(peer, task.circuit, task.sizes(), LINKS)
    return Row(
        task.key,
        _naive(task),
        free.pairs,
        max(free.schedule.links),
        more.pairs,
        None if limited is None else limited.pairs,
        tuple((limit, made.pairs) for limit, made in sorted(swept.items()) if made is not None),
        None if rival is None else rival.pairs,
        "not run" if rival is None else rival.how,
        seed_ms,
        max(spent),
    )


def _naive(task: Task) -> int:
    size = task.sizes()[0]
    gates = normal_form(task.circuit).gates
    return sum(gate.qubits[0] // size != gate.qubits[1] // size for gate in gates)


def planners_table(rows: Sequence[Row]) -> str:
    """One table for a page."""
    cells = [
        (
            *row.key.split("/"),
            row.naive,
            row.how if row.peer is None else f"{row.peer} ({row.how})",
            row.pairs,
            row.links,
            "none" if row.limited is None else row.limited,
            row.spare,
            f"{row.seconds:.1f}",
        )
        for row in rows
    ]
    headers = (
        "circuit",
        "k",
        "naive",
        "memq-dqc, best",
        "ours",
        "links",
        "ours, 4 links",
        "ours, 1 spare",
        "s",
    )
    return markdown(headers, cells)


def goals(rows: Sequence[Row]) -> list[Goal]:
    """At most the peer's pairs on every row; times."""
    judged = [row for row in rows if row.peer is not None]
    worst = max((row.pairs - (row.peer or 0) for row in judged), default=0)
    tight = max((row.limited - (row.peer or 0) for row in judged if row.limited is not None), default=0)
    return [
        Goal("pairs beyond the peer's, worst row", worst, None, 0),
        Goal("pairs beyond the peer's with as few communication qubits, worst row", tight, None, 0),
        Goal("slowest seed (ms of processor time)", max(row.seed_ms for row in rows), None, 20),
        Goal("slowest plan (processor seconds)", max(row.seconds for row in rows), None, 10),
    ]


def limit_curves(rows: Sequence[Row]) -> list[tuple[str, tuple[tuple[int, int], ...]]]:
    """For a picture: circuits on four processors by their number of communication qubits."""
    return [(row.key, row.by_limit) for row in rows if len(row.by_limit) > 1 and row.key.endswith("/4")]
