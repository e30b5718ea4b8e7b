"""The bench's unit of work: one circuit on one device, all attackers, some trials of each; one line of JSON.

Everything in a cell follows from its key, so that a campaign that was killed goes on where it stopped and
two campaigns with the same plan agree to the last digit.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from qcrs.attackers import Attacker
from qcrs.attackers.bench.attacks import ATTACKS, HONEST, THIRD, Attack, Setup
from qcrs.attackers.bench.baselines import Scores, scores
from qcrs.attackers.bench.lab import Frames, Judged, Lab
from qcrs.attackers.colluding import SharesSample
from qcrs.attackers.fabricating import Stale
from qcrs.verification import Execution, Outcome
from qcrs.verification.eprocess import measured_in

__all__ = ["CODES", "WEAK", "Cell", "run_cell"]

CODES = "?AURF"
"""Letter of each outcome: accept, undecided, reject, fraud."""
WEAK = "W"
"""Letter of an acceptance that is weakly verified: too few shots for the shape, or nothing to compare."""
DISTANCE_SHOTS = 100_000
DISTANCE_BITS = 9
TRAP_QUBITS = 8
PEER = "A"


@dataclass(frozen=True, slots=True)
class Cell:
    """One line of the plan. `groups` names the tables that it counts in."""

    group: str
    family: str
    n: int
    shots: int
    device: str
    instance: int
    trials: int
    honest: int
    attacks: tuple[str, ...]

    @property
    def key(self) -> str:
        """Its name: what everything random in it is drawn from."""
        return f"{self.group}/{self.family}/{self.n}/{self.shots}/{self.device}/{self.instance}"


class _Run:
    """A cell at work."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._lab = Lab(cell.family, cell.n, cell.shots, cell.device, cell.instance)
        self._kept: dict[str, Attacker] = {}
        ours = cell.device in ("A", "B")
        self._trap: Lab | None = None
        if cell.n <= TRAP_QUBITS and ours:
            self._trap = Lab(cell.family, cell.n, cell.shots, cell.device, cell.instance, trap=True)
        self._measures_distance = len(self._lab.bits) <= DISTANCE_BITS and ours

    def _seed(self, name: str, trial: int) -> int:
        """An odd number below 2³⁰; the even one below it is the peer's."""
        digest = sha256(f"{self._cell.key}/{name}/{trial}".encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 2 | 1

    def rows(self) -> list[dict[str, Any]]:
        """All rows of the cell."""
        cell = self._cell
        out = [self._honest(cell.honest)]
        out += [self._attack(ATTACKS[name], cell.trials) for name in cell.attacks]
        if any(ATTACKS[name].colludes for name in cell.attacks):
            out.append(self._third(cell.trials))
        return out

    def _honest(self, trials: int) -> dict[str, Any]:
        """Honest executions against the ideal, against an honest peer, and against both at once."""
        lab, row = self._lab, _Row(HONEST)
        for trial in range(trials):
            seed = self._seed(HONEST, trial)
            tested, peer = lab.honest(seed), lab.honest(seed - 1, PEER)
            found = [
                lab.judge(tested, simulate=True),
                lab.judge(tested, [peer], simulate=False),
                lab.judge(tested, [peer], simulate=True),
            ]
            trapped = None
            if self._trap is not None:
                trapped = self._trap, self._trap.run(self._trap.device(), seed)
            row.add(found, 0.0, scores(lab, tested, peer, trapped))
        return row.as_json()

    def _attack(self, attack: Attack, trials: int) -> dict[str, Any]:
        """One attacker; its peer is honest, or its accomplice, who committed first."""
        lab, row = self._lab, _Row(attack.name)
        distance: float | None = None
        for trial in range(trials):
            seed = self._seed(attack.name, trial)
            tested = lab.execution(attack.run(Setup(lab, lab.device(), seed, self._kept)))
            honest = lab.honest(seed - 1, PEER)
            peer = honest
            if attack.colludes:
                peer = lab.execution(attack.run(Setup(lab, lab.device(), seed - 1, self._kept)))
            found = [lab.judge(tested, simulate=True), lab.judge(tested, [peer], simulate=False)]
            if attack.colludes:
                found.append(lab.judge(tested, [peer], simulate=True))
            if self._measures_distance and (distance is None or attack.chooses):
                distance = self._distance(attack, seed)
            trapped: tuple[Lab, Frames] | None = None
            if self._trap is not None:
                setup = Setup(self._trap, self._trap.device(), seed, self._kept)
                trapped = self._trap, attack.run(setup)
            row.add(found, distance, scores(lab, tested, honest, trapped))
        return row.as_json()

    def _distance(self, attack: Attack, seed: int) -> float:
        """How far the attacker's answer would be from the right one on a perfect device.

        The attacker takes the same choices (qubits, bits) from the same seed.
        """
        lab = self._lab
        setup = Setup(lab, lab.device("ideal"), seed, self._kept)
        return lab.distance(attack.run(setup, shots=DISTANCE_SHOTS // lab.frames))

    def _third(self, trials: int) -> dict[str, Any]:
        """An honest execution against two colluders who share a wrong sample: it must not be slashed."""
        lab, row = self._lab, _Row(THIRD)
        for trial in range(trials):
            seed = self._seed(THIRD, trial)
            liar = Stale(lab.device())
            lab.before.run(liar, seed + 1, leak=True)
            peers: list[Execution] = []
            for k in range(2):
                wrong = SharesSample(liar, str(seed), 0.1 * k)
                counts = lab.run(wrong, seed + 2 + k, leak=True)
                peers.append(lab.execution(counts))
            row.add([lab.judge(lab.honest(seed), peers, simulate=False)], 0.0, None)
        return row.as_json()


class _Row:
    """Trials of one attacker in one cell."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._codes: list[str] = []
        self._deciders: list[dict[str, int]] = []
        self._distances: list[float | None] = []
        self._scores: list[Scores] = []
        self._shapes: list[float] = []
        self._magnitudes: list[tuple[int, int, int] | None] = []

    def add(self, verdicts: list[Judged], distance: float | None, found: Scores | None) -> None:
        """One trial: verdicts by reference, in the same order in every trial."""
        while len(self._codes) < len(verdicts):
            self._codes.append("")
            self._deciders.append({})
        for place, verdict in enumerate(verdicts):
            weak = verdict.outcome == Outcome.ACCEPT and verdict.verdict.weak
            self._codes[place] += WEAK if weak else CODES[verdict.outcome]
            if verdict.outcome in (Outcome.REJECT, Outcome.FRAUD):
                failed = verdict.failing.split(":")[0]
                kind = "bit" if failed.startswith("bit ") else failed
                self._deciders[place][kind] = self._deciders[place].get(kind, 0) + 1
        self._distances.append(None if distance is None else round(distance, 4))
        if found is not None:
            self._scores.append(found)
        tests = {test.name: test for test in verdicts[0].verdict.tests}
        shape = tests.get("shape:ideal")
        self._shapes.append(1.0 if shape is None else shape.value_ppm / 1e6)
        known = measured_in({"tests": [asdict(test) for test in tests.values()]})
        self._magnitudes.append(
            None if known is None else (known.value_ppm, known.se_ppm, known.expected_ppm)
        )

    def as_json(self) -> dict[str, Any]:
        """Letters of the outcomes by reference (ideal, peer, both), deciding tests, distances, scores."""
        columns = ("ideal", "peer", "both") if self._name != THIRD else ("peer",)
        named = dict(zip(columns, zip(self._codes, self._deciders, strict=True), strict=False))
        out: dict[str, Any] = {
            "attack": self._name,
            "outcomes": {name: codes for name, (codes, _by) in named.items()},
            "deciders": {name: by for name, (_codes, by) in named.items()},
            "distance": self._distances,
        }
        if self._scores:
            lists: dict[str, list[float | None]] = {}
            for found in self._scores:
                for name, value in asdict(found).items():
                    lists.setdefault(name, []).append(None if value is None else round(value, 4))
            out["scores"] = lists
            out["scores"]["shape"] = [round(shape, 4) for shape in self._shapes]
            out["magnitudes"] = self._magnitudes
        return out


def run_cell(cell: Cell) -> dict[str, Any]:
    """The cell's line."""
    started = time.perf_counter()
    rows = _Run(cell).rows()
    return {
        "key": cell.key,
        "cell": asdict(cell),
        "rows": rows,
        "seconds": round(time.perf_counter() - started, 2),
    }
