"""The providers' ledger from chain and store: which verdicts count, in which order, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from qcrs.chain.bindings import Outcome
from qcrs.client.history import Execution, History, Job, Processor, Verdict
from qcrs.client.standing import audited_rate_ppm, measure_from, standing_of
from qcrs.errors import StoreError
from qcrs.store import ContentStore
from qcrs.types import canonical_json, cid_to_digest
from qcrs.verification.eprocess import EProcess, Measured, replay

OWN, OTHER = "0x" + "11" * 20, "0x" + "22" * 20
SLACK = Measured(900_000, 10_000, 1_000_000)
FINE = Measured(1_010_000, 10_000, 1_000_000)
Book = dict[bytes, Measured | None]


def history_of(runs: Iterable[tuple[int, int, list[tuple[int, bytes]]]]) -> History:
    """(job, processor, [(time, evidence) of each verdict]); processor 3 is another provider's."""
    history = History()
    for number, provider in ((1, OWN), (2, OWN), (3, OTHER)):
        history.processors[number] = Processor(number, provider, provider, 5, 0, bytes(32), 0)
    for job, processor, verdicts in runs:
        known: Any = history.jobs.get(job)
        if known is None:
            request: Any = None
            known = Job(job, OTHER, request, 1, 0, False, 0, 0, bytes(32))
            history.jobs[job] = known
        run = Execution(len(known.executions), processor, 0, 0)
        run.verdicts = [
            Verdict(i, Outcome.ACCEPT, False, 0, 0, evidence, 1, 15, "0x", time)
            for i, (time, evidence) in enumerate(verdicts)
        ]
        known.executions.append(run)
    return history


def reading(book: Book) -> Any:
    def measure(digest: bytes) -> Measured | None:
        if digest not in book:
            raise StoreError("the blob is missing", field="cid", value=digest.hex())
        return book[digest]

    return measure


def test_each_execution_counts_once_in_the_order_of_verdicts_over_all_processors() -> None:
    history = history_of(
        [
            (7, 1, [(50, b"late")]),
            (8, 3, [(10, b"not ours")]),
            (8, 2, [(20, b"nothing"), (30, b"second"), (40, b"third")]),
            (9, 1, []),
        ]
    )
    book: Book = {b"late": SLACK, b"not ours": SLACK, b"nothing": None, b"second": FINE, b"third": SLACK}
    found = standing_of(history, OWN, reading(book))
    assert [(one.job, one.execution, one.processor) for one in found.jobs] == [(8, 1, 2), (7, 0, 1)]
    assert found.process == replay([FINE, SLACK])
    assert [one.value for one in found.jobs] == [replay([FINE]).value, found.process.value]
    assert standing_of(history, OTHER, reading(book)).process.jobs == 1
    # What came at the given time or later is not there yet.
    assert standing_of(history, OWN, reading(book), before=50).process == replay([FINE])
    assert standing_of(history, OWN, reading(book), before=30).process == EProcess()
    assert standing_of(history, OWN, reading(book), before=20).missing == 0


def test_missing_evidence_is_told_and_counts_nothing() -> None:
    history = history_of([(1, 1, [(10, b"gone")]), (2, 1, [(20, b"here")])])
    found = standing_of(history, OWN, reading({b"here": FINE}))
    assert (found.missing, found.process.jobs) == (1, 1)
    assert "1 without evidence" in found.text()


def test_a_flag_makes_the_audit_certain_and_nothing_else_does() -> None:
    history = history_of([(i, 1, [(i, b"slack")]) for i in range(1, 13)])
    flagged = standing_of(history, OWN, reading({b"slack": SLACK}))
    assert flagged.flagged
    assert audited_rate_ppm(30_000, flagged) == 1_000_000
    assert flagged.text().startswith("⚑")
    honest = standing_of(history, OWN, reading({b"slack": FINE}))
    assert not honest.flagged
    assert audited_rate_ppm(30_000, honest) == 30_000
    told = flagged.as_json()
    assert (told["jobs"], told["flagged"], len(told["executions"])) == (12, True, 12)
    assert told["executions"][0]["ratio"] == pytest.approx(0.9)


def test_evidence_is_read_from_the_store(tmp_path: Any) -> None:
    store = ContentStore(str(tmp_path))
    test = {"name": "magnitude:ideal", "value_ppm": 7, "se_ppm": 1, "threshold_ppm": 8, "passed": True}
    digests = [
        cid_to_digest(store.put(canonical_json(value)))
        for value in ({"tests": [test], "capability": False}, {"tests": []}, [1])
    ]
    assert [measure_from(store)(digest) for digest in digests] == [Measured(7, 1, 10), None, None]
