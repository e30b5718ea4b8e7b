"""The command of scripts/assure.py as a module."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def assure() -> ModuleType:
    place = ROOT / "scripts" / "assure.py"
    spec = importlib.util.spec_from_file_location("assure", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["assure"] = module
    spec.loader.exec_module(module)
    return module
