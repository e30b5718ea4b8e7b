"""Notes of comparisons: what a missing blob explains is unseen, and nothing after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcrs.client.checks import Notes, Subject, VerifyReport, WatchedStore
from qcrs.errors import StoreError
from qcrs.store import ContentStore
from qcrs.types import cid_of

SUBJECT = Subject("verdict 0 on execution 1", 1)
LOST = cid_of(b"lost")


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(VerifyReport(1, "SETTLED"), WatchedStore(ContentStore(tmp_path)))


def miss(notes: Notes) -> None:
    with pytest.raises(StoreError):
        notes.store.get(LOST)


def test_a_missed_blob_is_why_the_next_comparison_does_not_agree(notes: Notes) -> None:
    miss(notes)
    assert not notes.add(SUBJECT, "inputs", False, "no root")
    notes.equal(SUBJECT, "beacon", [("block", 3, 4), ("hash", "a", "a"), ("rate", 1, 2)])
    first, second = notes.report.differences
    assert (first.unseen, first.execution) == ("document", 1)
    assert first.detail == f"no root (without blob {LOST}, which is not in the store)"
    assert (second.unseen, second.detail) == ("", "block is 3, expected 4; rate is 1, expected 2")


def test_a_blob_that_is_named_already_is_named_once(notes: Notes) -> None:
    miss(notes)
    notes.add(SUBJECT, f"evidence {LOST}", False, "gone")
    assert notes.report.differences[0].detail == "gone"


@pytest.mark.parametrize("ok", [True, False])
def test_what_was_missed_before_counts_for_nothing_later(notes: Notes, ok: bool) -> None:
    miss(notes)
    if ok:
        assert notes.add(SUBJECT, "evidence", True)
    else:
        notes.forget()
    notes.add(SUBJECT, "inputs", False, "no root")
    assert [(one.unseen, one.detail) for one in notes.report.differences] == [("", "no root")]


def test_what_else_was_unseen_stays_so(notes: Notes) -> None:
    miss(notes)
    notes.equal(SUBJECT, "judged again", [("a", 1, 2)], unseen="machine")
    assert notes.report.differences[0].unseen == "machine"
