"""How commands speak: how far a long one is, where nobody looks and where somebody does."""

from __future__ import annotations

import itertools
import os
import pty
import re
import sys

from qcrs.cli import output


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
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(outer, 1 << 16).decode())
    os.close(outer)
    assert "9/9 3 trials/s" in shown
