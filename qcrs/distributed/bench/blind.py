"""Blind computing measured: results against the circuit, the server's view, cheats against test rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from qiskit.quantum_info import Statevector
from scipy.stats import chi2

from qcrs.circuits.drbg import Drbg
from qcrs.distributed.bench.goal import Goal
from qcrs.distributed.blind import (
    Brickwork,
    Computing,
    Keys,
    Lab,
    Pattern,
    Server,
    Trapping,
    pattern,
    run,
    view,
)
from qcrs.distributed.blind.pattern import Place
from qcrs.distributed.noise import BellDiagonal
from qcrs.types import Json

__all__ = ["PROGRAMS", "Flipping", "Program", "ServerRow", "Study", "Turning", "study"]

PROGRAMS: dict[str, Pattern] = {
    "turns on a wire": pattern(1, [{0: "h"}, {0: "t"}, {0: "h"}, {0: "t"}, {0: "h"}]),
    "an entangled pair": pattern(2, [{1: "h"}, {0: "t", 1: "s"}, {0: "cx"}, {0: "t"}, {0: "h", 1: "t"}]),
    "four wires": pattern(4, [{1: "h", 2: "t", 3: "h"}, {0: "h", 1: "cx"}, {0: "cx", 2: "cx"}]),
}
SECRET = b"\x2a" * 32


class Flipping(Server):
    """Flips the answer of the first wire's last qubit, to change the result."""

    def measure(self, place: Place, delta: int) -> int:
        """The wrong answer at one qubit."""
        return super().measure(place, delta) ^ (place == (0, self.graph.columns - 1))


class Turning(Server):
    """Measures every qubit an eighth of a turn off."""

    def measure(self, place: Place, delta: int) -> int:
        """The answer to another question."""
        return super().measure(place, (delta + 1) % 8)


@dataclass(frozen=True, slots=True)
class Program:
    """One program: total variation distance of its blind outcomes, and what sampling alone gives."""

    name: str
    wires: int
    qubits: int
    distance: float
    expected: float


@dataclass(frozen=True, slots=True)
class ServerRow:
    """One server against test rounds; χ² with 7 degrees of freedom of the angles it was told."""

    name: str
    tests: int
    failed: int
    chi: float


@dataclass(frozen=True, slots=True)
class Study:
    """All of it; `seen` is the largest entry of the server's state minus 1/2ⁿ, over all views built."""

    programs: tuple[Program, ...]
    servers: tuple[ServerRow, ...]
    seen: float

    def goals(self) -> list[Goal]:
        """What the demonstration has to show."""
        far = max(p.distance / p.expected for p in self.programs)
        honest = next(s for s in self.servers if s.name == "honest, perfect pairs")
        cheats = [s for s in self.servers if not s.name.startswith("honest")]
        return [
            Goal("distance to the exact distribution, in units of sampling alone", far, None, 2.0),
            Goal("server's state: largest deviation from 1/2ⁿ", self.seen, None, 1e-12),
            Goal("χ² of angles, worst", max(s.chi for s in self.servers), None, float(chi2.ppf(0.9999, 7))),
            Goal("failed tests of an honest server on perfect pairs", honest.failed, None, 0),
            Goal("failed share of tests, mildest cheat", min(s.failed / s.tests for s in cheats), 0.3, None),
        ]

    def as_json(self) -> dict[str, Json]:
        """For scripts."""
        return {
            "programs": [asdict(program) for program in self.programs],
            "servers": [asdict(server) for server in self.servers],
            "seen": self.seen,
            "goals": [goal.as_json() for goal in self.goals()],
        }


def study(shots: int, tests: int, fidelity: float, say: Callable[[str], None]) -> Study:
    """Runs programs, builds views, tries servers."""
    programs = []
    for name, made in PROGRAMS.items():
        say(f"{name}: {shots} rounds")
        programs.append(_program(name, made, shots))
    say("the server's view")
    seen = max(_deviation(seed) for seed in range(4))
    servers = []
    kinds: list[tuple[str, Callable[[Lab, Brickwork], Server], float]] = [
        ("honest, perfect pairs", Server, 1.0),
        (f"honest, pairs of fidelity {fidelity:g}", Server, fidelity),
        ("flips one answer", Flipping, 1.0),
        ("turns every angle", Turning, 1.0),
    ]
    for name, kind, f in kinds:
        say(f"{name}: {tests} test rounds")
        made = PROGRAMS["an entangled pair"]
        found = run(made, 1, tests, SECRET, pair=BellDiagonal.werner(f), server=kind, nature=7)
        servers.append(ServerRow(name, found.tests, found.failed, _chi(found.angles)))
    return Study(tuple(programs), tuple(servers), seen)


def _program(name: str, made: Pattern, shots: int) -> Program:
    circuit = made.circuit()
    circuit.remove_final_measurements()
    exact = Statevector(circuit).probabilities()
    counts = run(made, shots, 0, SECRET, nature=1).counts
    observed = np.array([counts.get(i, 0) for i in range(len(exact))]) / shots
    mean = np.sqrt(2 * exact * (1 - exact) / (np.pi * shots))  # of the size of a normal variable
    graph = made.graph
    distance = float(np.abs(observed - exact).sum() / 2)
    return Program(name, graph.wires, graph.wires * graph.columns, distance, float(mean.sum() / 2))


def _deviation(seed: int) -> float:
    """Largest deviation of six-qubit views, of random programs, answers and angles and of test rounds."""
    dice = Drbg(seed.to_bytes(32, "big"))
    angles = dice.integers(8, 6).reshape(2, 3).tolist()
    deltas, answers = dice.integers(8, 6).tolist(), dice.bits(6).tolist()
    made = Pattern(tuple(map(tuple, angles)))

    def computing(keys: Keys) -> Computing:
        return Computing(made, keys)

    def testing(keys: Keys) -> Trapping:
        return Trapping(made.graph, keys, seed % 2)

    states = (view(computing, deltas, answers), view(testing, deltas, answers))
    return max(float(np.abs(state - np.eye(64) / 64).max()) for state in states)


def _chi(angles: tuple[int, ...]) -> float:
    mean = sum(angles) / 8
    return sum((count - mean) ** 2 / mean for count in angles)
