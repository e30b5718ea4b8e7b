"""A sandbox that can import the probes, and process helpers."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qcrs.sandbox import Limits, Sandbox

PROBES = Path(__file__).parent / "probes"
sys.path.append(str(Path(__file__).parents[1] / "untrusted"))  # for what watches a folder
SMALL = Limits(address_space_bytes=256 * 2**20, cpu_seconds=5, wall_seconds=10)


@pytest.fixture
def make_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sandbox]]:
    """Make sandboxes that know the probes; all are closed afterwards."""
    monkeypatch.syspath_prepend(str(PROBES))
    made: list[Sandbox] = []

    def make(**options: object) -> Sandbox:
        sandbox = Sandbox(**({"limits": SMALL} | options))  # type: ignore[arg-type]  # mixed options
        made.append(sandbox)
        return sandbox

    yield make
    for sandbox in made:
        sandbox.close()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox with the probes and numpy, shared by a module's tests."""
    sys.path.insert(0, str(PROBES))
    try:
        with Sandbox(preload=["numpy", "sandbox_probes"], limits=SMALL, name="probe") as shared:
            shared.isolation()
            yield shared
    finally:
        sys.path.remove(str(PROBES))


def _gone(pid: int) -> bool:
    """True once no process has this number (a zombie nobody has waited for counts as gone)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.fixture(scope="session")
def until() -> Callable[[Callable[[], object]], None]:
    """Wait for a condition that another process brings about; fails after 20 seconds."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in 20 seconds"
            os.sched_yield()

    return wait


@pytest.fixture(scope="session")
def gone() -> Callable[[int], bool]:
    return _gone
