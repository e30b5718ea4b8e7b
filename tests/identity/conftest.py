"""One key for all tests of the package: that of the known-answer vectors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from qcrs.identity.xmss import XmssKey

sys.path.append(str(Path(__file__).parent))  # the tests import the reference beside them


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / "xmss_vectors.json").read_text())
    return found


@pytest.fixture(scope="session")
def key(vectors: dict[str, Any]) -> XmssKey:
    return XmssKey.generate(bytes.fromhex(vectors["secret"]))
