"""The pinned mutants: each still changes what it says, and two are tried from end to end.

All of them are tried by `scripts/assure.py mutants`, which takes an hour.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

LEAST = 150
LEAST_ATTACKS = 10
TRIED = ("collected-again", "epoch-again")


def test_every_mutant_is_pinned(mutate: ModuleType, pinned: dict[str, Any]) -> None:
    assert mutate.faults(list(pinned.values())) == []
    assert len(pinned) >= LEAST
    assert {one.kind for one in pinned.values()} == set(mutate.CLASSES)
    assert len({one.attack for one in pinned.values() if one.attack}) >= LEAST_ATTACKS


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"old": "no such line"}, "stands 0 times"),
        ({"old": "revert"}, "stands"),
        ({"new": "debtor.balance = available - amount;"}, "no change"),
        ({"kind": "weather"}, "unknown class"),
        ({"tests": ("tests/contracts/test_ledger.py::test_nothing",)}, "no such test"),
        ({"attack": "an oracle judges its own processor"}, "does not name"),
    ],
)
def test_what_is_not_pinned_is_named(
    mutate: ModuleType, pinned: dict[str, Any], changes: dict[str, object], word: str
) -> None:
    (fault,) = mutate.faults([replace(pinned["ledger-debit-kept"], **changes)])
    assert word in fault


def test_a_name_stands_once(mutate: ModuleType, pinned: dict[str, Any]) -> None:
    one = pinned["ledger-debit-kept"]
    assert mutate.faults([one, one]) == ["ledger-debit-kept: twice"]


def test_two_mutants_are_killed(mutate: ModuleType, tmp_path: Path) -> None:
    command = [sys.executable, str(mutate.ROOT / "scripts" / "assure.py"), "mutants", "--json", "--unchecked"]
    chosen = [word for name in TRIED for word in ("--only", name)]
    results = tmp_path / "results.jsonl"
    rows = [
        {"id": name, "key": "", "state": "survived", "killer": "", "cpu_s": 0.0} for name in (*TRIED, "other")
    ]
    results.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = subprocess.run(
        [*command, *chosen, "--results", str(results)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    fates = json.loads(done.stdout)
    assert {fate["id"]: fate["state"] for fate in fates} == dict.fromkeys(TRIED, "killed")
    # What was not chosen stays on the record as it was.
    states = {fate.id: fate.state for fate in mutate.known(results).values()}
    assert states == {**dict.fromkeys(TRIED, "killed"), "other": "survived"}
    assert len(results.read_text(encoding="utf-8").splitlines()) == len(TRIED) + 1


def test_unchanged_contracts_survive(mutate: ModuleType, pinned: dict[str, Any]) -> None:
    """A mutant that changes nothing is not taken for a killed one; too few killed are not enough."""
    one = pinned["ledger-debit-kept"]
    found = mutate.fate(one, "", Path(), {})
    assert found.state == "survived"
    assert not mutate.enough([one], {one.id: found})
    assert "ledger-debit-kept (survived)" in mutate.table([one], {one.id: found})
