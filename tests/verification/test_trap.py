"""V6: traps are certain without noise, damped as predicted with it, and what answers wrongly is found."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from qiskit.quantum_info import Clifford, Pauli

from qcrs.circuits import CircuitDocument, Drbg, Instruction, Register, frame, to_qiskit
from qcrs.errors import VerificationError
from qcrs.node.clifford import is_clifford, sample_clifford
from qcrs.node.devices import Noise
from qcrs.verification.peer import DeviceErrors
from qcrs.verification.propagate import CLIFFORDS, TO_Z, Strings, clifford_of
from qcrs.verification.trap import (
    GateErrors,
    Trap,
    TrapReport,
    make_traps,
    parities,
    predicted_parities,
    score_traps,
)
from qcrs.verification.verdict import Outcome

NOISE_A = Noise(1e-3, 0.01)
ERRORS_A = GateErrors(1e-4, 1e-3, 0.01)
SEED = b"s" * 32
Counts = Mapping[int, int]


def brickwork(qubits: int, depth: int, *, barriers: bool = False) -> CircuitDocument:
    """Random rotations and `cz` on neighbours, alternating."""
    draws = Drbg(bytes(32), b"target")
    out = []
    for layer in range(depth):
        for q in range(qubits):
            out.append(Instruction("u", (q,), (), tuple(draws.integers(2**32, 3).tolist())))
        out += [Instruction("cz", (q, q + 1)) for q in range(layer % 2, qubits - 1, 2)]
        if barriers:
            out.append(Instruction("barrier", tuple(range(qubits))))
    out += [Instruction("measure", (q,), (q,)) for q in range(qubits)]
    return CircuitDocument(qubits, qubits, (Register("c", 0, qubits),), tuple(out))


def sampled(traps: tuple[Trap, ...], shots: int, noise: Noise, seed: int) -> list[Counts]:
    """Each trap on the simulator that nodes use."""
    stream = np.random.default_rng(seed)
    return [sample_clifford(to_qiskit(trap.circuit), shots, noise, stream) for trap in traps]


def mapped(counts: list[Counts], change: Callable[[int], int]) -> list[Counts]:
    out = []
    for found in counts:
        changed: Counter[int] = Counter()
        for outcome, count in found.items():
            changed[change(outcome)] += count
        out.append(changed)
    return out


def judged(traps: tuple[Trap, ...], counts: list[Counts], errors: GateErrors = ERRORS_A) -> TrapReport:
    return score_traps(traps, counts, errors)


def test_the_24_cliffords_move_paulis_as_qiskit_says() -> None:
    assert len(CLIFFORDS) == 24
    assert [len(found) for found in TO_Z] == [24, 8, 8, 8]
    for number, params in enumerate(CLIFFORDS):
        assert clifford_of(params) == number
        gate = Clifford(to_qiskit(CircuitDocument(1, 0, (), (Instruction("u", (0,), (), params),))))
        for code, label in enumerate("IXZY"):
            strings = Strings.stabilizers(1)
            strings.codes[0, 0] = code
            strings.u(0, number)
            moved = Pauli(label).evolve(gate, frame="s")
            found = ("-" if strings.sign[0] else "") + "IXZY"[strings.codes[0, 0]]
            assert Pauli(found) == moved
    assert clifford_of((1, 0, 0)) is None


def test_strings_are_those_of_qiskit_s_tableau() -> None:
    trap = make_traps(brickwork(6, 5), SEED)[0]
    gates = [item for item in trap.circuit.instructions if item.name in ("u", "cz")]
    strings = Strings.stabilizers(6)
    for item in gates:
        if item.name == "cz":
            strings.cz(*item.qubits)
        else:
            number = clifford_of(item.params)
            assert number is not None
            strings.u(item.qubits[0], number)
    whole = Clifford(to_qiskit(CircuitDocument(6, 0, (), tuple(gates))))
    for i, label in enumerate(whole.to_labels(mode="S")):
        mine = "".join("IXZY"[code] for code in strings.codes[::-1, i])
        assert label == ("-" if strings.sign[i] else "+") + mine


def test_a_trap_keeps_two_qubit_gates_and_barriers_and_checks_every_qubit() -> None:
    target = brickwork(9, 4, barriers=True)
    traps = make_traps(target, SEED)
    kept = [item for item in target.instructions if item.name in ("cz", "barrier")]
    for trap in traps:
        found = [item for item in trap.circuit.instructions if item.name in ("cz", "barrier")]
        assert found[:-1] == kept
        assert is_clifford(to_qiskit(trap.circuit))
    assert {bit for trap in traps for check in trap.checks for bit in check.bits} == set(range(9))
    assert make_traps(target, SEED) == traps
    assert len({trap.circuit.canonical() for trap in traps}) == len(traps)
    signs = [check.sign for trap in traps for check in trap.checks]
    assert abs(sum(signs)) < 4 * math.sqrt(len(signs))


def test_without_noise_every_check_holds_in_every_shot_and_frames_change_nothing() -> None:
    traps = make_traps(brickwork(12, 6), SEED, 8)
    for trap, counts in zip(traps, sampled(traps, 50, Noise(0, 0), 3), strict=True):
        assert (parities(trap, counts)[0] == 1).all()
    twirled = frame(traps[0].circuit, SEED, 0, 1)
    counts = sample_clifford(to_qiskit(twirled.circuit), 50, Noise(0, 0), np.random.default_rng(1))
    decoded = {outcome ^ twirled.mask: count for outcome, count in counts.items()}
    assert (parities(traps[0], decoded)[0] == 1).all()


def test_damping_is_exact_for_every_single_error() -> None:
    """λ of one gate's error alone, counted Pauli by Pauli on the noiseless simulator's frames."""
    trap = make_traps(brickwork(5, 3), SEED)[0]
    gates = [i for i, item in enumerate(trap.circuit.instructions) if item.name in ("u", "cz")]
    flips = np.zeros((2, len(trap.checks)))
    for at in gates:
        item = trap.circuit.instructions[at]
        size = len(item.qubits)
        for error in range(1, 4**size):
            angles = {1: (2**31, 0, 2**31), 2: (0, 2**31, 0), 3: (2**31, 2**31, 2**31)}
            paulis = [
                Instruction("u", (q,), (), angles[error >> 2 * k & 3])
                for k, q in enumerate(item.qubits)
                if error >> 2 * k & 3
            ]
            body = trap.circuit.instructions
            broken = CircuitDocument(
                5, 5, trap.circuit.registers, (*body[: at + 1], *paulis, *body[at + 1 :])
            )
            counts = sample_clifford(to_qiskit(broken), 1, Noise(0, 0), np.random.default_rng(at))
            signs = parities(Trap(broken, trap.checks), counts)[0][0]
            flips[size - 1] += (signs < 0) / (4**size - 1)
    counted = [(8 / 15 * check.two_qubit, 2 / 3 * check.one_qubit) for check in trap.checks]
    np.testing.assert_allclose(flips[1], [two for two, _ in counted])
    np.testing.assert_allclose(flips[0], [one for _, one in counted])
    wanted = [
        (1 - 0.016) ** c.two_qubit * (1 - 0.004) ** c.one_qubit * 0.9 ** len(c.bits) for c in trap.checks
    ]
    np.testing.assert_allclose(predicted_parities(trap, GateErrors(0.003, 0.015, 0.05)), wanted)
    by_bit = GateErrors(0, 0, (0.05, 0.0, 0.1, 0.0, 0.0))
    for check, value in zip(trap.checks, predicted_parities(trap, by_bit), strict=True):
        assert value == pytest.approx(math.prod({0: 0.9, 2: 0.8}.get(bit, 1.0) for bit in check.bits))


@pytest.mark.parametrize(("qubits", "count", "shots"), [(20, 35, 1500), (100, 20, 400), (1000, 4, 300)])
def test_honest_parities_are_predicted_within_one_percent(qubits: int, count: int, shots: int) -> None:
    traps = make_traps(brickwork(qubits, 10), SEED, count)
    report = judged(traps, sampled(traps, shots, NOISE_A, qubits))
    assert report.observed == pytest.approx(report.predicted, rel=0.01)
    assert 0.8 < report.predicted < 0.9
    assert report.outcome is Outcome.ACCEPT


@pytest.mark.parametrize(("qubits", "count", "trials"), [(20, 35, 4), (100, 25, 2), (1000, 5, 1)])
def test_noise_reversal_and_a_dead_bit_are_found_in_every_trial(qubits: int, count: int, trials: int) -> None:
    for trial in range(trials):
        traps = make_traps(brickwork(qubits, 10), bytes([trial]) * 32, count)
        honest = sampled(traps, 100, NOISE_A, trial)
        draws = np.random.default_rng(100 + trial)
        dead = int(draws.integers(qubits))
        assert judged(traps, honest).outcome is Outcome.ACCEPT
        noise = [
            Counter(int.from_bytes(draws.bytes(qubits // 8 + 1)) % 2**qubits for _ in range(100))
            for _ in traps
        ]
        cheats = {
            "noise": noise,
            "reversed": mapped(honest, lambda o: int(f"{o:0{qubits}b}"[::-1], 2)),
            "dead": mapped(honest, lambda o: o & ~(1 << dead)),  # noqa: B023  (used at once)
            "dead at one": mapped(honest, lambda o: o | 1 << dead),  # noqa: B023
            "half fabricated": [*honest[: count // 2], *noise[count // 2 :]],
        }
        for name, counts in cheats.items():
            assert judged(traps, counts).outcome is Outcome.REJECT, (name, trial)
        assert judged(traps, cheats["dead"]).worst_qubit[0] == dead


def test_a_quarter_more_error_than_registered_is_no_fraud_and_ten_times_is() -> None:
    traps = make_traps(brickwork(100, 10), SEED)
    assert judged(traps, sampled(traps, 100, Noise(1.25e-3, 0.0125), 1)).outcome is Outcome.ACCEPT
    assert judged(traps, sampled(traps, 100, Noise(1e-2, 0.02), 1)).outcome is Outcome.REJECT


def test_a_provider_that_is_honest_on_clifford_circuits_alone_passes() -> None:
    """What traps cannot do: their circuits can be told from others, so a cheat answers these rightly."""
    target = brickwork(10, 6)
    assert not is_clifford(to_qiskit(target))
    traps = make_traps(target, SEED)
    assert all(is_clifford(to_qiskit(trap.circuit)) for trap in traps)  # the cheat's test: it runs them all
    assert judged(traps, sampled(traps, 100, NOISE_A, 7)).outcome is Outcome.ACCEPT


def test_parities_that_noise_has_erased_decide_nothing() -> None:
    traps = make_traps(brickwork(20, 60), SEED, 10)
    errors = GateErrors(1e-3, 1e-2, 0.02)
    report = judged(traps, sampled(traps, 100, Noise(1e-2, 0.02), 1), errors)
    assert report.predicted < 0.02
    assert report.outcome is Outcome.UNDECIDED


def test_registered_errors_become_gate_errors() -> None:
    errors = GateErrors.registered(DeviceErrors(eplg_nano=1_200_000, mean_readout_nano=10_000_000))
    assert (errors.one_qubit, errors.two_qubit, errors.readout) == pytest.approx((1e-4, 1e-3, 0.01))
    routed = GateErrors.registered(DeviceErrors(1_200_000, (30_000_000, 10_000_000)), routing=2.5)
    assert (routed.two_qubit, routed.readout) == pytest.approx((2.5e-3, 0.02))


@pytest.mark.parametrize(
    "extra",
    [
        [Instruction("reset", (0,))],
        [Instruction("measure", (0,), (0,)), Instruction("u", (0,), (), (1, 2, 3))],
    ],
)
def test_what_has_no_traps_is_refused(extra: list[Instruction]) -> None:
    with pytest.raises(VerificationError):
        make_traps(CircuitDocument(2, 1, (), tuple(extra)), SEED)


def test_wrong_counts_are_refused() -> None:
    traps = make_traps(brickwork(4, 2), SEED)
    counts: list[Counts] = [{0: 1}] * len(traps)
    for bad in (counts[1:], [{16: 1}, *counts[1:]], [{}, *counts[1:]]):
        with pytest.raises(VerificationError):
            judged(traps, bad)
    with pytest.raises(VerificationError):
        make_traps(CircuitDocument(2, 0, (), (Instruction("barrier", (0, 1)),)), SEED)
    with pytest.raises(VerificationError, match="do not check every qubit"):
        make_traps(brickwork(60, 10), SEED, 1)
