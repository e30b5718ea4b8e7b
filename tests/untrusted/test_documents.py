"""Canonical documents of strangers: a damaged one is refused by name, or means exactly what it says."""

from __future__ import annotations

import json
import resource
from functools import cache

import pytest
from mutations import bytes_mutants, campaign, json_mutants
from readers import Document, documents

from qcrs.circuits import CircuitDocument
from qcrs.errors import InputError, QCRSError
from qcrs.together.agent import epoch_in, ids_in, named
from qcrs.types import Json, canonical_json

GROWTH = 256 * 2**20
"""Memory that reading may leave taken, in bytes; documents of the corpus have a few KiB."""


@cache
def kinds() -> dict[str, Document]:
    return {one.name: one for one in documents()}


NAMES = (
    "CircuitDocument", "DeviceRecord", "EndRecord", "EpochDocument", "Found", "FramesDocument", "HandOver",
    "JobDocument", "Opening", "PlanDocument", "Release", "ResultDocument", "SecretDocument", "Share",
    "approval mail", "batch mail", "certificate mail", "code", "epoch mail", "identities", "report mail",
)  # fmt: skip


def test_the_list_is_whole() -> None:
    assert sorted(kinds()) == sorted(NAMES)


def spelled(value: Json) -> bytes:
    """Canonical bytes where the value has them; else what an attacker would send instead."""
    try:
        return canonical_json(value)
    except (QCRSError, ValueError, RecursionError):
        return b'{"surrogate":"\\ud7ff"}'


def attack(kind: Document, count: int, seed: int) -> tuple[int, int]:
    """Half damaged values, spelled well, and half damaged bytes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    write = kind.write
    same = None if write is None else lambda value, data: canonical_json(write(value)) == data
    values = map(spelled, json_mutants(kind.corpus, count - count // 4, seed))
    first = campaign(values, kind.read, same)
    second = campaign(
        bytes_mutants([canonical_json(one) for one in kind.corpus], count // 4, seed), kind.read, same
    )
    assert first.odd + second.odd == []
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < GROWTH
    return first.accepted + second.accepted, first.refused + second.refused


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_is_read(name: str) -> None:
    kind = kinds()[name]
    for value in kind.corpus:
        found = kind.read(canonical_json(value))
        assert kind.write is None or canonical_json(kind.write(found)) == canonical_json(value)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_documents_are_refused_or_mean_what_they_say(name: str) -> None:
    _accepted, refused = attack(kinds()[name], 80, seed=1)
    assert refused > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_10_000_damaged_documents_of_each_kind(name: str) -> None:
    _accepted, refused = attack(kinds()[name], 10_000, seed=2)
    assert refused > 2_500


MAILS: tuple[Json, ...] = (
    {}, {"records": None}, {"records": []}, {"records": "ab"}, {"records": {"0": "x"}}, {"epochs": 3},
    {"epochs": {"7": "1"}}, {"epochs": {"7": -1}}, {"epochs": {"7": True}}, {"epochs": {"7": None}},
    {"shares": ["x"]}, {"shares": {"7": 1}}, {"records": {"a": {}}},
)  # fmt: skip


@pytest.mark.parametrize("mail", MAILS, ids=str)
def test_a_member_s_mail_without_what_it_should_hold_is_an_error_of_its_sender(mail: Json) -> None:
    """A member's agent goes on: before, `KeyError` and `TypeError` ended its process."""
    with pytest.raises(InputError):
        named(mail, "records", 1, "deeper")
    with pytest.raises(InputError):
        epoch_in(mail, 7)
    with pytest.raises(InputError):
        ids_in(mail.get("records", 5) or None)


BAD: dict[str, tuple[str, Json]] = {
    "a coupling of one qubit": ("DeviceRecord", {"coupling": [[1]]}),
    "an interval with one end": ("Found", {"interval_ppm": [1]}),
    "an execution of 5,000 digits": ("Opening", {"results": {"9" * 5_000: "ab" * 32}}),
    "a part wider than any memory": ("Share", {"parts": [{"shots": 0, "width": 10**12, "bits": ""}]}),
    "a part of minus one shot": ("Share", {"parts": [{"shots": -1, "width": 8, "bits": "AAAA"}]}),
    "a code that takes days to build": ("code", {"distance": 10**9}),
    "a job number with a blank": ("report mail", {"job": " 1_0"}),
    "a signature with blanks": ("report mail", {"signature": "11 " * 64}),
    "a root with blanks": ("epoch mail", {"root": "11 " * 32}),
    "a signature of an epoch of any length": ("epoch mail", {"signature": "11" * 65}),
    "a sum in other digits": ("approval mail", {"cumulative": "٣"}),
    "a sum of 5,000 digits": ("approval mail", {"cumulative": "9" * 5_000}),
    "a sum of nothing": ("EpochDocument", {"debts": []}),
    "a plan that measures no bit of its": ("PlanDocument", {"measures": [[0, 10**9]]}),
    "an empty list that is left out": ("SecretDocument", {"observables": []}),
    "a zero for a list": ("SecretDocument", {"observables": 0}),
    "a plan without an epoch": ("PlanDocument", {"shots": []}),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_what_broke_readers_once_is_named(case: str) -> None:
    name, changes = BAD[case]
    value = json.loads(canonical_json(kinds()[name].corpus[0]))
    inner = {"PlanDocument": "circuits", "SecretDocument": "units"}.get(name)
    (value if inner is None else value[inner][0]).update(changes)
    with pytest.raises(QCRSError) as caught:
        kinds()[name].read(canonical_json(value))
    assert caught.value.field
    assert len(str(caught.value)) < 3_000


def test_a_label_of_a_switch_that_is_a_table_is_named() -> None:
    value = {"qubits": 1, "clbits": 1, "registers": [], "instructions": []}
    switch = {"blocks": [[]], "target": ["bit", 0], "cases": [[{}]]}
    value["instructions"] = [["switch", [0], [0], [], switch]]
    with pytest.raises(InputError, match="a label of a switch"):
        CircuitDocument.from_json(value)
