"""Documents keep their content through canonical bytes and refuse every other form."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcrs.client.documents import (
    ExactUnit,
    FramesDocument,
    HandOver,
    JobDocument,
    Opening,
    Release,
    ResultDocument,
    ResultUnit,
    SampleUnit,
    SecretDocument,
    SecretUnit,
)
from qcrs.errors import InputError
from qcrs.types import canonical_json, cid_of

NONCE = "ab" * 32
CIRCUIT = {"qubits": 1, "clbits": 1, "registers": [["c", 0, 1]], "instructions": [["measure", [0], [0], []]]}
ADDRESS = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
CID = cid_of(b"x")

DOCUMENTS: list[Any] = [
    FramesDocument(NONCE, (SampleUnit((CIRCUIT, CIRCUIT), (3, 2)),), simulator_seed=7),
    FramesDocument(NONCE, (ExactUnit(CIRCUIT, (("ZI", 10**9, 0), ("IX", -5, 2))),), physical=True),
    SecretDocument(NONCE, bytes(32), (SecretUnit(CIRCUIT, 5, 2),), note='{"pi": 3.14}'),
    SecretDocument(NONCE, b"\1" * 32, (SecretUnit(CIRCUIT, 0, 0, observables=(("Z", 10**9, 0),)),)),
    JobDocument(CID, CID, 3, ADDRESS, b"key", {ADDRESS: {"frames": b"a", "secret": b"b"}}),
    ResultDocument(9, 1, 4, (ResultUnit(({0: 3, 5: 1}, {2: 4}), (), (0, -1, 7)),), {"name": "aer"}, 12),
    ResultDocument(9, 0, 4, (ResultUnit((), (10**12, -5), ()),)),
    HandOver(bytes(32), b"\2" * 32, CID, {ADDRESS: b"envelope"}),
    Release(3, b"envelope"),
    Opening(bytes(32), b"\3" * 32, {0: b"\4" * 32, 2: b"\5" * 32}),
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: type(d).__name__)
def test_documents_survive_canonical_bytes(document: Any) -> None:
    data = canonical_json(document.as_json())
    again = type(document).from_json(json.loads(data))
    assert again == document
    assert canonical_json(again.as_json()) == data


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: type(d).__name__)
def test_missing_surplus_and_ill_typed_fields_are_refused(document: Any) -> None:
    raw = document.as_json()
    with pytest.raises(InputError):
        type(document).from_json([raw])
    with pytest.raises(InputError):
        type(document).from_json({**raw, "surplus": 1})
    for name in raw:
        with pytest.raises(InputError):
            type(document).from_json({key: value for key, value in raw.items() if key != name})
        if name != "backend":
            with pytest.raises(InputError):
                type(document).from_json({**raw, name: {"wrong": [1]}})


@pytest.mark.parametrize(
    "counts", [{"0x01": 1}, {"1": 1}, {"0x1": 0}, {"0x1": True}, {"0xA": 1}, {"0x1": 1.5}, {"0x": 1}]
)
def test_an_outcome_has_one_spelling_and_a_positive_count(counts: dict[str, Any]) -> None:
    raw = DOCUMENTS[5].as_json()
    raw["units"][0]["frames"][0] = counts
    with pytest.raises(InputError):
        ResultDocument.from_json(raw)


@pytest.mark.parametrize("shots", [(0, 1), (10**7, 1), (600_000, 600_000), (1,)])
def test_shots_of_a_unit_are_bounded(shots: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        SampleUnit((CIRCUIT, CIRCUIT), shots)


def test_units_of_one_job_have_one_mode() -> None:
    with pytest.raises(InputError):
        FramesDocument(NONCE, (SampleUnit((CIRCUIT,), (1,)), ExactUnit(CIRCUIT, ())))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(st.sampled_from(DOCUMENTS), st.data())
def test_no_value_in_place_of_a_field_raises_anything_but_an_input_error(document: Any, data: Any) -> None:
    raw = document.as_json()
    raw[data.draw(st.sampled_from(sorted(raw)))] = data.draw(json_values)
    try:
        again = type(document).from_json(raw)
    except InputError:
        return
    assert type(document).from_json(json.loads(canonical_json(again.as_json()))) == again
