"""The pinned mutants: each still changes what it says, and two are tried from end to end.

All of them are tried by `scripts/assure.py mutants`, which takes an hour.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

LEAST = 150
LEAST_ATTACKS = 10
TRIED = ("oracle-bond-withdrawn-twice", "epoch-again")


def test_every_mutant_is_pinned(mutate: ModuleType) -> None:
    pinned = mutate.catalogue()
    assert mutate.faults(pinned) == []
    assert len(pinned) >= LEAST
    assert set(Counter(one.kind for one in pinned)) == set(mutate.CLASSES)
    assert len({one.attack for one in pinned if one.attack}) >= LEAST_ATTACKS


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
def test_what_is_not_pinned_is_named(mutate: ModuleType, changes: dict[str, object], word: str) -> None:
    (one,) = (one for one in mutate.catalogue() if one.id == "ledger-debit-kept")
    (fault,) = mutate.faults([replace(one, **changes)])  # type: ignore[type-var]
    assert word in fault


def test_two_mutants_are_killed(mutate: ModuleType, tmp_path: Path) -> None:
    command = [sys.executable, str(mutate.ROOT / "scripts" / "assure.py"), "mutants", "--json", "--unchecked"]
    chosen = [word for name in TRIED for word in ("--only", name)]
    results = tmp_path / "results.jsonl"
    done = subprocess.run(
        [*command, *chosen, "--results", str(results)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    fates = json.loads(done.stdout)
    assert [(fate["id"], fate["state"]) for fate in fates] == [(name, "killed") for name in TRIED]
    assert set(mutate.known(results)) == set(TRIED)


def test_unchanged_contracts_survive(mutate: ModuleType) -> None:
    """A mutant that changes nothing is not taken for a killed one; too few killed are not enough."""
    (one,) = (one for one in mutate.catalogue() if one.id == "ledger-debit-kept")
    found = mutate.fate(one, "", Path(), {})
    assert found.state == "survived"
    assert not mutate.enough([one], {one.id: found})
    assert "ledger-debit-kept (survived)" in mutate.table([one], {one.id: found})
