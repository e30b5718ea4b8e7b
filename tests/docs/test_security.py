"""The security page names tests that exist: a promise without one is noticed here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("file", sorted({file for file, _name in NAMED.findall(PAGE)}))
def test_every_named_test_exists(file: str) -> None:
    wanted = {name for where, name in NAMED.findall(PAGE) if where == file}
    assert wanted - functions(ROOT / file) == set()


def test_every_attack_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| attack")]
    assert len(rows) > 40
    assert [row for row in rows if not NAMED.search(row)] == []
