from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from qcrs.circuits import CircuitDocument, lower
from qcrs.circuits.conditions import evaluate
from qcrs.errors import CircuitError

PLAIN: dict[str, Any] = {
    "qubits": 2,
    "clbits": 2,
    "registers": [["c", 0, 2]],
    "instructions": [
        ["u", [0], [], [1, 2, 3]],
        ["cz", [0, 1], [], []],
        ["measure", [0], [0], []],
        ["if_else", [1], [0], [], {"condition": ["bit", 0, 1], "blocks": [[["u", [1], [], [0, 0, 0]]]]}],
        ["measure", [1], [1], []],
    ],
}


def test_json_round_trip_and_identity() -> None:
    doc = CircuitDocument.from_json(PLAIN)
    assert doc.as_json() == PLAIN
    assert CircuitDocument.from_json(json.loads(doc.canonical())) == doc
    assert doc.measured_clbits() == (0, 1)
    assert doc.read_clbits() == {0}
    assert doc.count("u") == 2
    assert hash(doc) == hash(CircuitDocument.from_json(PLAIN))


def _set(path: list[Any], value: object) -> dict[str, Any]:
    doc = copy.deepcopy(PLAIN)
    at: Any = doc
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return doc


@pytest.mark.parametrize(
    "bad",
    [
        _set(["qubits"], 0),
        _set(["qubits"], 10**6),
        _set(["qubits"], True),
        _set(["qubits"], "2"),
        _set(["clbits"], -1),
        _set(["registers"], [["c", 0, 3]]),
        _set(["registers"], [["c", 0, 1], ["c", 1, 1]]),
        _set(["registers"], [["c", 0]]),
        _set(["registers"], [["", 0, 1]]),
        _set(["registers"], [[7, 0, 1]]),
        _set(["instructions"], {}),
        _set(["instructions", 0], ["rx", [0], [], [1]]),
        _set(["instructions", 0], ["u", [0], [], [1, 2]]),
        _set(["instructions", 0], ["u", [0], [], [1, 2, 1 << 32]]),
        _set(["instructions", 0], ["u", [0], [], [1, 2, -1]]),
        _set(["instructions", 0], ["u", [0], [], [1, 2, 0.5]]),
        _set(["instructions", 0], ["u", [2], [], [1, 2, 3]]),
        _set(["instructions", 0], ["u", [0], [], [1, 2, 3], {}]),
        _set(["instructions", 0], "u"),
        _set(["instructions", 1], ["cz", [1, 1], [], []]),
        _set(["instructions", 2], ["measure", [0], [2], []]),
        _set(["instructions", 0], ["break_loop", [], [], []]),
        _set(["instructions", 0], ["delay", [0], [], [5], {"unit": "s"}]),
        _set(["instructions", 0], ["delay", [0], [], [5]]),
        _set(["instructions", 3, 4, "condition"], ["bit", 5, 1]),
        _set(["instructions", 3, 4, "condition"], ["bit", 0, 2]),
        _set(["instructions", 3, 4, "condition"], ["register", "d", 1]),
        _set(["instructions", 3, 4, "condition"], ["register", "c", 4]),
        _set(["instructions", 3, 4, "condition"], ["expr", ["eval", "1"]]),
        _set(["instructions", 3, 4, "condition"], "true"),
        _set(["instructions", 3, 4, "blocks"], []),
        _set(["instructions", 3, 4, "blocks"], [[], [], []]),
        _set(["instructions", 3, 1], [0, 1]),
        _set(["instructions", 3, 2], []),
        {"qubits": 1},
        [],
    ],
)
def test_bad_documents_are_refused_with_a_remedy(bad: object) -> None:
    with pytest.raises(CircuitError) as caught:
        CircuitDocument.from_json(bad)
    assert caught.value.solution


def test_deep_nesting_is_refused() -> None:
    block: list[Any] = [["u", [0], [], [0, 0, 0]]]
    for _ in range(40):
        block = [["if_else", [0], [0], [], {"condition": ["bit", 0, 1], "blocks": [block]}]]
    with pytest.raises(CircuitError, match="nested"):
        CircuitDocument.from_json({**PLAIN, "instructions": block})
    node: list[Any] = ["bit", 0]
    for _ in range(200):
        node = ["unary", "logic_not", node, "bool"]
    with pytest.raises(CircuitError, match="nested"):
        CircuitDocument.from_json(_set(["instructions", 3, 4, "condition"], ["expr", node]))


def test_switch_cases_are_checked() -> None:
    def switch(cases: list[list[object]]) -> dict[str, Any]:
        control = {"target": ["register", "c"], "cases": cases, "blocks": [[] for _ in cases]}
        return {**PLAIN, "instructions": [["switch", [], [0, 1], [], control]]}

    CircuitDocument.from_json(switch([[0, 1], [2, "default"]]))
    for cases in ([[0], [0]], [["default"], [1]], [[-1]], [[]], [["else"]]):
        with pytest.raises(CircuitError):
            CircuitDocument.from_json(switch(cases))


@pytest.mark.parametrize(
    ("condition", "bits", "value"),
    [
        (("bit", 1, 1), 0b10, 1),
        (("register", "r", 2), 0b100, 1),
        (("register", "r"), 0b110, 3),
        (("expr", ("binary", "add", ("register", "r"), ("value", 2, 3), 2)), 0b100, 1),
        (("expr", ("binary", "sub", ("value", 3, 1), ("value", 3, 2), 3)), 0, 7),
        (("expr", ("unary", "bit_not", ("register", "r"), 2)), 0b010, 2),
        (("expr", ("unary", "logic_not", ("bit", 0), "bool")), 0b1, 0),
        (("expr", ("index", ("register", "r"), ("value", 1, 1))), 0b100, 1),
        (("expr", ("cast", ("register", "r"), "bool")), 0b100, 1),
        (("expr", ("cast", ("value", 4, 13), 2)), 0, 1),
        (("expr", ("binary", "shift_left", ("value", 4, 9), ("value", 4, 1), 4)), 0, 2),
        (("expr", ("binary", "div", ("value", 4, 9), ("value", 4, 2), 4)), 0, 4),
        (("expr", ("binary", "less_equal", ("register", "r"), ("value", 2, 1), "bool")), 0b010, 1),
    ],
)
def test_conditions_are_evaluated_as_unsigned_arithmetic(condition, bits: int, value: int) -> None:
    assert evaluate(condition, {"r": (1, 2)}, bits) == value


def test_lowered_expressions_evaluate_as_qiskit_means_them(dynamic_circuit) -> None:
    doc = lower(dynamic_circuit).document
    conditions = [
        ins.control.condition
        for ins in doc.instructions
        if ins.control and ins.control.condition and ins.control.condition[0] == "expr"
    ]
    (condition,) = conditions
    for bits in range(8):
        want = bits < 3 or not bits >> 1 & 1
        assert evaluate(condition, doc.spans, bits) == int(want)
