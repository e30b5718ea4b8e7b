"""A daemon's journal: whole lines, a bounded file, and no harm from a full disk."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from qcrs.client import journal
from qcrs.client.journal import Journal


@contextmanager
def no_file_grows_past(size: int) -> Iterator[None]:
    """The kernel refuses this process's writes past `size` bytes of a file, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_that_does_not_fit_is_lost_whole_and_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "logs" / "node.jsonl"
    book = Journal(path, "node")
    book.write("started")
    with no_file_grows_past(path.stat().st_size + 20):
        book.write("lost", job=1)
        book.error("lost too", OSError("no space"))
    assert capsys.readouterr().err.count("cannot be written") == 1
    book.write("went on", job=2)
    book.close()
    assert [line["what"] for line in lines(path)] == ["started", "went on"]


def test_a_large_file_is_moved_away_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_LARGEST_BYTES", 300)
    path = tmp_path / "node.jsonl"
    book = Journal(path, "node")
    for number in range(8):
        book.write("line", number=number, text="é" * 20)
    book.close()
    old = lines(path.with_name("node.jsonl.1"))
    assert [line["number"] for line in (*old, *lines(path))][-1] == 7
    assert path.stat().st_size <= 300
    assert {line["who"] for line in old} == {"node"}


def test_a_closed_journal_takes_no_line(tmp_path: Path) -> None:
    book = Journal(tmp_path / "node.jsonl", "node")
    book.close()
    book.write("late")
    assert lines(tmp_path / "node.jsonl") == []


def test_reason_and_remedy_of_an_error_are_kept(tmp_path: Path) -> None:
    from qcrs.errors import StoreError

    book = Journal(tmp_path / "node.jsonl", "node")
    book.error("failed", StoreError("it is gone", field="cid", value="x", solution="fetch it"), job=3)
    book.close()
    (line,) = lines(tmp_path / "node.jsonl")
    assert (line["error"], line["reason"], line["solution"]) == ("StoreError", "it is gone", "fetch it")
    assert line["job"] == 3
