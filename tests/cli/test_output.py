"""How commands speak: how far a long one is, where nobody looks and where somebody does."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pty
import re
import sys

import pytest

from qcrs.cli import output
from qcrs.errors import InputError


def test_far_from_a_terminal_each_two_seconds_are_a_line(capsys, monkeypatch) -> None:
    clock = itertools.count(step=1.5)
    monkeypatch.setattr(output.time, "monotonic", lambda: next(clock))
    with output.counting("cells", 9) as tick:
        for done in range(1, 5):
            tick(done, f"{done} trials/s")
    assert capsys.readouterr().err.splitlines() == [
        "• 2 of 9 cells  2 trials/s",
        "• 4 of 9 cells  4 trials/s",
    ]


def test_on_a_terminal_it_is_a_bar(monkeypatch) -> None:
    outer, inner = pty.openpty()
    with os.fdopen(inner, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with output.counting("cells", 9) as tick:
            tick(9, "3 trials/s")
    written = b""
    with contextlib.suppress(OSError):  # with which Linux tells that the other end is closed
        while part := os.read(outer, 1 << 16):
            written += part
    os.close(outer)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode())
    assert "9/9 3 trials/s" in shown


FORGED = "carol\x1b[2K\r\x1b]0;mine\x07\nalice  trusted\u202e\u2028\x9b31m"


def test_a_stranger_s_name_is_one_cell_of_one_line(capsys) -> None:
    """No escape, no line of its own, no turned direction: neither in a table nor in any text."""
    text = output.table([(1, FORGED), (2, "café ∆ 東京 ✓")], ("id", "name"))
    assert len(text.splitlines()) == 4
    output.emit(None, as_json=False, human=text)
    output.emit(None, as_json=False, human=f"of {FORGED}\n\tthe next line")
    output.say(FORGED)
    captured = capsys.readouterr()
    shown = captured.out + captured.err
    assert "café ∆ 東京 ✓" in shown
    assert "\n\tthe next line" in shown
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert "carol\\x1b[2K\\r\\x1b]0;mine\\x07" in shown


def test_json_holds_the_name_as_it_is(capsys) -> None:
    output.emit({"name": FORGED}, as_json=True)
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"name": FORGED}
    assert shown.replace("\n", "").isprintable()


def test_an_error_s_value_is_told_without_its_escapes(capsys) -> None:
    with pytest.raises(SystemExit), output.fail(as_json=False):
        raise InputError("no such name", field="name", value=FORGED, solution="write another")
    told = capsys.readouterr().err
    assert all(c.isprintable() or c == "\n" for c in told)
