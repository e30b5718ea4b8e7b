"""Where contracts keep what, and how large their code is, exactly as recorded.

Record a wanted change with QCRS_UPDATE_LAYOUTS=1. A part that runs by delegatecall has its owner's layout.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from qcrs.chain.compile import LIBRARY_CONTRACTS, artifacts
from qcrs.chain.solidity import compile_json
from qcrs.config import load_config

ROOT = Path(__file__).parents[2]
RECORD = Path(__file__).with_name("layouts.json")
MOST_CODE = 24_576
"""EIP-170, bytes."""

PARTS = {"AllocatorDesk": "ComputationAllocator", "EntanglementChannels": "EntanglementCoordinator"}


def sizes() -> dict[str, int]:
    """Bytes of runtime code of what can be deployed."""
    found = artifacts(ROOT / "contracts" / "build")
    return {name: len(one.deployed_bytecode) // 2 - 1 for name, one in found.items() if len(one.bytecode) > 2}


def layouts() -> dict[str, list[str]]:
    """Slots by contract: `slot+offset label: type (bytes)`, members of structs below."""
    config = load_config(ROOT / "brownie-config.yaml")
    wanted = sizes()
    names = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "contracts").rglob("*.sol"))
    sources = {name: (ROOT / name).read_text(encoding="utf-8") for name in names if Path(name).stem in wanted}
    settings = config.compiler.settings() | {"outputSelection": {"*": {"*": ["storageLayout"]}}}
    output = compile_json(sources, settings, config.compiler.version, ROOT)
    library = {name for found in LIBRARY_CONTRACTS.values() for name in found}
    found = {}
    for units in output["contracts"].values():
        for name, unit in units.items():
            if name in wanted and name not in library:
                found[name] = _lines(unit["storageLayout"])
    return found


def _lines(layout: dict[str, Any]) -> list[str]:
    types = layout["types"] or {}
    lines = [_line(one, types) for one in layout["storage"]]
    for _, kind in sorted(types.items(), key=lambda pair: str(pair[1]["label"])):
        if "members" in kind:
            lines += [f"{kind['label']}: {_line(one, types)}" for one in kind["members"]]
    return lines


def _line(one: dict[str, Any], types: dict[str, Any]) -> str:
    kind = types[one["type"]]
    return f"{one['slot']}+{one['offset']} {one['label']}: {kind['label']} ({kind['numberOfBytes']})"


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    if os.environ.get("QCRS_UPDATE_LAYOUTS"):
        fresh = {"sizes": sizes(), "layouts": layouts()}
        RECORD.write_text(json.dumps(fresh, indent=1, sort_keys=True) + "\n")
    known: dict[str, Any] = json.loads(RECORD.read_text())
    return known


def test_code_is_as_large_as_recorded_and_fits(record: dict[str, Any]) -> None:
    found = sizes()
    assert found == record["sizes"]
    assert max(found.values()) <= MOST_CODE


def test_storage_lies_where_it_was_recorded(record: dict[str, Any]) -> None:
    found = layouts()
    assert found == record["layouts"]
    for part, owner in PARTS.items():
        assert found[part] == found[owner], part
