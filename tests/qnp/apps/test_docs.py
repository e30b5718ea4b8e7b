"""The program in the documentation runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qcrs.qnp import Network

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "qnp.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_programs_of_the_page_run(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    exec(compile(BLOCKS[number], f"docs/qnp.md[{number}]", "exec"), names)
    network = names["network"]
    assert isinstance(network, Network)
    assert network.delivered > 0
