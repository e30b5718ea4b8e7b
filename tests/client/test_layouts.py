"""Layouts that can be, and the readout errors that they excuse."""

from __future__ import annotations

import pytest

from qcrs.circuits import CircuitDocument, Instruction
from qcrs.circuits.document import Control
from qcrs.client.layouts import bottleneck, excused, layout_problem, measured_qubits, readable

LINE = tuple((qubit, qubit + 1) for qubit in range(4))


def measure(qubit: int, bit: int) -> Instruction:
    return Instruction("measure", (qubit,), (bit,))


def made(*instructions: Instruction) -> CircuitDocument:
    return CircuitDocument(3, 3, (), instructions)


ENDS = made(measure(0, 0), Instruction("barrier", (0, 1, 2)), measure(1, 2), measure(2, 1))


@pytest.mark.parametrize("places", [(), (4,), (4, 3, 0), (-1, -1, -1), (-1, 2, -1)])
def test_different_qubits_that_exist_are_a_layout(places: tuple[int, ...]) -> None:
    assert layout_problem(ENDS, places, 5) is None


@pytest.mark.parametrize(
    ("places", "words"),
    [
        ((1, 2, 1), "several bits were measured on the one qubit 1"),
        ((0, 5, 1), "bit 1 was measured on qubit 5, which the processor does not have"),
        ((0, 1, 2, 3), "a layout names 4 bits of a circuit with 3"),
    ],
)
def test_others_are_none(places: tuple[int, ...], words: str) -> None:
    assert layout_problem(ENDS, places, 5) == words


def test_a_qubit_may_be_measured_twice_where_the_circuit_goes_on() -> None:
    again = made(measure(0, 0), Instruction("reset", (0,)), measure(0, 1), measure(1, 2))
    assert layout_problem(again, (4, 4, 3), 5) is None
    assert layout_problem(again, (0, 4, 4), 5) == "several bits were measured on the one qubit 4"
    # A device may also move another qubit to where something was measured before.
    assert (
        layout_problem(made(measure(0, 0), Instruction("u", (0,), (), (1, 2, 3)), measure(1, 1)), (4, 4), 5)
        is None
    )
    inside = Instruction("if_else", (1,), (0, 1), (), Control(("bit", 0, 1), ((measure(1, 1),),)))
    assert layout_problem(made(measure(0, 0), inside), (4, 4), 5) is None


def test_the_last_measurement_of_a_bit_counts() -> None:
    assert measured_qubits(made(measure(0, 0), measure(1, 0), measure(2, 1))) == {0: 1, 1: 2}
    # Bit 0 is written over, so that qubit 0 has no bit in the end.
    assert layout_problem(made(measure(0, 0), measure(1, 0), measure(2, 1)), (4, 4), 5) is not None


def test_the_best_qubits_that_hang_together_are_needed() -> None:
    errors = (10, 90, 20, 30, 40)
    assert [bottleneck(errors, LINE, width) for width in range(1, 6)] == [10, 30, 40, 90, 90]
    assert [bottleneck(errors, (), width) for width in range(1, 6)] == [10, 20, 30, 40, 90]
    assert bottleneck(errors, ((0, 1),), 3) == 30  # no three hang together: any will do
    assert bottleneck(errors, LINE, 99) == 90


def test_an_error_is_excused_up_to_twice_the_mean() -> None:
    million = 10**6
    readout = tuple(n * million for n in (20, 500, 20, 30, 70))
    for width, most in ((2, 60), (3, 70), (4, 500)):
        limited = tuple(min(nano, most * million) for nano in readout)
        assert excused(readout, 30 * million, LINE, width) == limited
    assert excused((), 30 * million, LINE, 4) == ()
    assert excused((million, 9 * million, 11 * million), million, (), 1) == (
        million,
        9 * million,
        10 * million,
    )


def test_circuits_are_laid_out_where_qubits_can_be_read() -> None:
    errors = (20_000_000, 500_000_000, 20_000_000, 20_000_000, 20_000_000)
    assert readable(errors, LINE, 3) == (2, 3, 4)
    assert readable(errors, LINE, 4) is None  # nothing else is wide enough
    assert readable(errors, (), 4) == (0, 2, 3, 4)
    assert readable((20_000_000,) * 5, LINE, 3) is None
    assert readable((), LINE, 3) is None
