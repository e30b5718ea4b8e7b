"""The runner of scripts/mutate.py as a module."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def mutate() -> ModuleType:
    place = ROOT / "scripts" / "mutate.py"
    spec = importlib.util.spec_from_file_location("mutate", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutate"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def pinned(mutate: ModuleType) -> dict[str, Any]:
    """The catalogue by id."""
    return {one.id: one for one in mutate.catalogue()}
