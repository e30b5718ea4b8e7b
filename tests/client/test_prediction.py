"""What is expected of circuits beyond their two-qubit gates: by rules, each with a circuit of its own."""

from __future__ import annotations

import pytest

from qcrs.attackers.bench.families import FAMILIES, circuit
from qcrs.circuits import CircuitDocument, Instruction, lower
from qcrs.circuits.document import Control
from qcrs.client.prediction import ALLOWED_NANO, Prediction, Rates, predicted

E = 10_000_000
RATES = Rates(E, 20_000_000, 100_000, 50_000)
U = (1, 2, 3)


def u(qubit: int = 0) -> Instruction:
    return Instruction("u", (qubit,), (), U)


def cz(a: int = 0, b: int = 1) -> Instruction:
    return Instruction("cz", (a, b))


def barrier(*qubits: int) -> Instruction:
    return Instruction("barrier", qubits)


def delay(qubit: int, us: float, unit: str = "ps") -> Instruction:
    return Instruction("delay", (qubit,), (), (round(us * 10**6),), Control(unit=unit))


def loop(times: int, *body: Instruction) -> Instruction:
    qubits = tuple(sorted({qubit for item in body for qubit in item.qubits}))
    clbits = tuple(sorted({bit for item in body for bit in item.clbits}))
    return Instruction("for_loop", qubits, clbits, (), Control(blocks=(body,), values=tuple(range(times))))


def made(*instructions: Instruction, qubits: int = 2) -> CircuitDocument:
    return CircuitDocument(qubits, qubits, (), instructions)


def of(*instructions: Instruction, routed: int | None = None, rates: Rates = RATES) -> Prediction:
    document = made(*instructions)
    return predicted(document, document.count("cz") if routed is None else routed, rates)


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("n", [4, 8, 16])
def test_circuits_of_the_bench_are_predicted_by_their_gates_alone(family: str, n: int) -> None:
    document = lower(circuit(family, n, 3)).document
    for rates in (Rates(1), RATES, Rates(10**8, 10**8)):
        assert predicted(document, 123, rates) == Prediction(123)


def test_gates_of_layers_and_runs_of_neighbours_are_free() -> None:
    layers = [item for _ in range(50) for item in (u(0), u(0), u(1), cz())]
    assert of(*layers, u(0), barrier(0), u(0), rates=Rates(10**8)) == Prediction(50)


def test_ten_one_qubit_gates_err_as_a_two_qubit_one() -> None:
    chain = [item for _ in range(102) for item in (u(0), barrier(0))]
    assert of(*chain) == Prediction(10, ("one-qubit gates",))


def test_what_judges_allow_everybody_is_not_counted() -> None:
    chain = [item for _ in range(2 + 10 * ALLOWED_NANO // E) for item in (u(0), barrier(0))]
    assert of(*chain) == Prediction(0)
    assert of(*chain, barrier(0), u(0), barrier(0), *chain).unpredicted == ("one-qubit gates",)


def test_a_share_that_the_slack_holds_is_not_counted() -> None:
    chain = [item for _ in range(52) for item in (u(0), barrier(0))]
    assert of(*chain, routed=50) == Prediction(50)  # 5 gates' worth of 55
    assert of(*chain, routed=40) == Prediction(45, ("one-qubit gates",))


def test_waiting_costs_by_both_times() -> None:
    # 10 µs of T1 = 100 µs and T2 = 50 µs: a tenth for decay, a tenth for phase flips.
    assert of(u(0), delay(0, 10)) == Prediction(20, ("delays",))


def test_nothing_is_lost_before_a_first_gate_or_after_a_reset() -> None:
    assert of(delay(0, 90), u(0)) == Prediction(0)
    assert of(u(0), Instruction("reset", (0,)), delay(0, 90)) == Prediction(0)


def test_others_wait_for_a_delay_at_barriers_gates_and_loops() -> None:
    for meeting in (barrier(0, 1), cz(), loop(1, cz())):
        alone = of(u(0), u(1), delay(0, 10), routed=0)
        both = of(u(0), u(1), delay(0, 10), meeting, routed=0)
        assert both.gates == 2 * alone.gates == 40
    assert of(u(0), u(1), delay(0, 10), delay(1, 10), barrier(0, 1)).gates == 40


def test_loops_count_by_their_iterations() -> None:
    assert of(loop(30, u(0), cz(), u(1))) == Prediction(30, ("loops",))
    assert of(loop(30, u(0), cz(), u(1)), routed=3) == Prediction(90, ("loops",))
    assert of(loop(5, loop(6, cz()))) == Prediction(30, ("loops",))
    assert of(loop(0, u(0), delay(0, 50))) == Prediction(0)


def test_delays_and_readings_in_loops_count_by_their_iterations() -> None:
    assert of(u(0), loop(4, delay(0, 2))) == Prediction(16, ("delays",))
    measured = loop(21, Instruction("measure", (0,), (0,)))
    assert of(measured) == Prediction(40, ("loops",))


def test_of_branches_the_longest_counts() -> None:
    control = Control(condition=("bit", 0, 1), blocks=((delay(0, 10),), (delay(0, 5),)))
    found = of(u(0), Instruction("if_else", (0,), (0,), (), control))
    assert found == Prediction(20, ("delays",))


def test_nobody_knows_how_long_a_while_loop_or_a_tick_is() -> None:
    assert of(u(0), delay(0, 0.0001, "dt"), routed=50) == Prediction(51, ("delays in units of dt",))
    length = ("loops of unknown length",)
    assert of(loop(2, u(0), Instruction("break_loop", (), ())), routed=50) == Prediction(50, length)
    control = Control(condition=("bit", 0, 1), blocks=((u(0),),))
    assert of(Instruction("while_loop", (0,), (0,), (), control), routed=50) == Prediction(50, length)


def test_at_most_one_fault_is_taken_off_what_is_asked() -> None:
    assert of(u(0), delay(0, 9000)) == Prediction(100, ("delays",))
    assert of(u(0), delay(0, 9000), routed=60) == Prediction(100, ("delays",))
    assert of(u(0), delay(0, 9000), routed=200) == Prediction(200, ("delays",))


def test_without_a_registered_error_faults_still_are_gates() -> None:
    found = of(u(0), delay(0, 10), rates=Rates(0))
    # 20 µs where no times are certified: a half for decay, a quarter for phase flips.
    assert found == Prediction(750_000_000, ("delays",))
