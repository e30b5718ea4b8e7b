"""The client gets its circuit's outcomes; the server's view is the same for every program."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator, Statevector
from scipy.stats import chi2

from qcrs.distributed.blind import (
    GATES,
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
from qcrs.distributed.noise import BellDiagonal
from qcrs.errors import InputError

SECRET = b"\x05" * 32
BELL = pattern(2, [{1: "h"}, {0: "t", 1: "s"}, {0: "cx"}, {}, {0: "h", 1: "t"}])
FOUR = pattern(4, [{1: "h", 2: "t", 3: "h"}, {0: "h", 1: "cx"}, {0: "cx", 2: "cx"}])


def operator(made: Pattern) -> Operator:
    """What a pattern does to its wires, up to the last measurement."""
    whole = made.circuit()
    out = QuantumCircuit(made.graph.wires)
    for item in whole.data[made.graph.wires :]:
        if item.operation.name != "measure":
            out.append(item.operation, [whole.find_bit(qubit).index for qubit in item.qubits])
    out.h(range(made.graph.wires))
    return Operator(out)


@pytest.mark.parametrize(("wires", "wire", "layer"), [(1, 0, 0), (2, 0, 0), (2, 1, 1), (4, 1, 1), (4, 3, 2)])
@pytest.mark.parametrize("name", GATES)
def test_bricks_are_the_gates(name: str, wires: int, wire: int, layer: int) -> None:
    wanted = QuantumCircuit(wires)
    getattr(wanted, {"i": "id"}.get(name, name))(wire)
    assert operator(pattern(wires, [{}] * layer + [{wire: name}])).equiv(Operator(wanted))


def test_bricks_of_two_wires_are_cx() -> None:
    wanted = QuantumCircuit(4)
    wanted.cx(0, 1)
    wanted.cx(2, 3)
    wanted.cx(1, 2)
    assert operator(pattern(4, [{0: "cx", 2: "cx"}, {1: "cx"}])).equiv(Operator(wanted))


def probabilities(made: Pattern) -> np.ndarray:
    circuit = made.circuit()
    circuit.remove_final_measurements()
    return Statevector(circuit).probabilities()


@pytest.mark.parametrize(("made", "shots"), [(BELL, 500), (FOUR, 600)])
def test_blind_rounds_sample_the_circuit(made: Pattern, shots: int) -> None:
    found = run(made, shots, 0, SECRET, nature=1)
    wanted = probabilities(made)
    counts = np.array([found.counts.get(i, 0) for i in range(1 << made.graph.wires)])
    likely = wanted > 1e-9
    assert not counts[~likely].any()
    chi = ((counts - shots * wanted)[likely] ** 2 / (shots * wanted[likely])).sum()
    assert chi < chi2.ppf(1 - 1e-4, max(1, likely.sum() - 1))


PROGRAMS = [
    Pattern(((0, 0, 0), (0, 0, 0))),
    Pattern(((1, 6, 3), (7, 2, 5))),
    Pattern(((4, 4, 1), (0, 3, 3))),
]


@pytest.mark.parametrize("answers", [(0,) * 6, (1,) * 6, (1, 0, 0, 1, 1, 0)])
@pytest.mark.parametrize("deltas", [(0,) * 6, (3, 1, 4, 1, 5, 2)])
def test_the_servers_state_is_maximally_mixed(deltas: tuple[int, ...], answers: tuple[int, ...]) -> None:
    """Exactly, whatever the program, the angles named and the answers, honest or not; test rounds too."""
    for made in PROGRAMS:
        seen = view(lambda keys, made=made: Computing(made, keys), deltas, answers)  # type: ignore[misc]
        assert np.abs(seen - np.eye(64) / 64).max() < 1e-14
    for odd in (0, 1):
        seen = view(lambda keys, odd=odd: Trapping(PROGRAMS[0].graph, keys, odd), deltas, answers)  # type: ignore[misc]
        assert np.abs(seen - np.eye(64) / 64).max() < 1e-14


class Leaky(Computing):
    """Forgets to flip answers."""

    def __init__(self, made: Pattern, keys: Keys) -> None:
        super().__init__(made, Keys(keys.thetas, dict.fromkeys(keys.flips, 0)))


def test_a_client_without_its_secret_bits_is_seen_through() -> None:
    states = [
        view(lambda keys, made=made: Leaky(made, keys), (0,) * 6, (0,) * 6)  # type: ignore[misc]
        for made in PROGRAMS
    ]
    assert np.abs(states[0] - states[1]).max() > 0.01


def test_transcripts_do_not_depend_on_the_program() -> None:
    """The angles named are uniform for two programs of a size and for test rounds."""
    spread = []
    for made, shots, tests in ((BELL, 150, 0), (pattern(2, [{}] * 5), 150, 0), (BELL, 1, 150)):
        angles = np.array(run(made, shots, tests, SECRET, nature=3).angles)
        mean = angles.sum() / 8
        spread.append(((angles - mean) ** 2 / mean).sum())
    assert max(spread) < chi2.ppf(1 - 1e-4, 7)


def test_honest_servers_pass_all_tests() -> None:
    found = run(FOUR, 1, 60, SECRET, nature=2)
    assert (found.tests, found.failed) == (60, 0)
    assert found.accepted(0.0)


class Flipping(Server):
    """Answers the other way at one qubit of the last column, to change the result."""

    def measure(self, place: tuple[int, int], delta: int) -> int:
        return super().measure(place, delta) ^ (place == (0, 20))


class Turning(Server):
    """Measures everything a little off."""

    def measure(self, place: tuple[int, int], delta: int) -> int:
        return self.lab.measure(place, (delta + 1) % 8)


@pytest.mark.parametrize(("cheat", "least"), [(Flipping, 0.4), (Turning, 0.8)])
def test_cheats_fail_tests(cheat: type[Server], least: float) -> None:
    found = run(BELL, 1, 80, SECRET, server=cheat, nature=4)
    assert found.failed >= (least - 0.2) * 80
    assert not found.accepted(0.1)


def test_noisy_pairs_cost_tests_and_accuracy() -> None:
    small = pattern(1, [{}])  # five qubits of which two or three are traps
    found = run(small, 1, 400, SECRET, pair=BellDiagonal(0.97, 0.01, 0.01, 0.01), nature=5)
    assert 0.01 < found.failed / found.tests < 0.2
    assert found.accepted(0.2)


def test_bad_input_is_said() -> None:
    with pytest.raises(InputError, match="1 to 4 wires"):
        pattern(5, [{}])
    with pytest.raises(InputError, match="same columns"):
        Pattern(((0, 0), (0,)))
    with pytest.raises(InputError, match="0 to 7"):
        Pattern(((8,),))
    with pytest.raises(InputError, match="one of"):
        pattern(2, [{0: "y"}])
    with pytest.raises(InputError, match="brick of its own"):
        pattern(2, [{1: "cx"}])
    with pytest.raises(InputError, match="one computing round"):
        run(BELL, 0, 0, SECRET)
    with pytest.raises(InputError, match="states of"):
        view(lambda keys: Computing(BELL, keys), (), ())


def test_keys_are_uniform_and_new_each_round() -> None:
    from qcrs.circuits.drbg import Drbg

    dice = Drbg(SECRET)
    first, second = Keys.drawn(BELL.graph, dice), Keys.drawn(BELL.graph, dice)
    assert first != second
    assert set(first.thetas) == set(product(range(2), range(BELL.graph.columns)))


def test_qubits_leave_the_lab() -> None:
    lab = Lab(BellDiagonal(1, 0, 0, 0), np.random.default_rng(1))
    lab.half((0, 0), 3)
    assert lab.measure((0, 0), 3) in (0, 1)
    with pytest.raises(ValueError, match="is not in list"):
        lab.measure((0, 0), 3)
