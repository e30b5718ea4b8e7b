"""One small network of real processes for all tests here: started and certified once, always taken down."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qcrs.config.home import Home
from qcrs.network.local import LocalNetwork
from qcrs.network.plan import NodePlan, Plan

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 500.0
"""Longest that any single condition is waited for; far more than a busy machine needs."""

PLAN = Plan(
    nodes=(
        NodePlan("ada", "aer:noisy-a?qubits=5", 2400),
        NodePlan("ben", "aer:noisy-a?qubits=5", 2400),
        NodePlan("cyd", "aer:noisy-b?qubits=5", 1500),
    ),
    clients=("client", "second", "third"),
    grace_s=5,
    verdict_s=120,
)


@dataclass(frozen=True, slots=True)
class Output:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """The one JSON value on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Running:
    """A running network with its plan, and its command line."""

    network: LocalNetwork
    plan: Plan

    @property
    def home(self) -> Home:
        return self.network.home

    @property
    def log_folder(self) -> Path:
        return self.network.processes.log("x").parent

    def qcrs(self, *words: str) -> Output:
        """Run `qcrs WORDS --home …` as a user would, in a process of its own."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("QCRS_")}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-m", "qcrs", *words, "--home", str(self.home.root)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd=self.home.root,
            timeout=PATIENCE_S,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Output(done.returncode, done.stdout, done.stderr)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
        """Wait for a condition while every process lives; says what was not reached."""
        end = time.monotonic() + seconds
        while not condition():
            self.network.check_alive()
            assert time.monotonic() < end, f"after {seconds:.0f} s: {what}\n{self.tails()}"
            time.sleep(0.25)

    def tails(self) -> str:
        """The last lines of every journal."""
        parts = []
        for path in sorted(self.log_folder.glob("*.jsonl")):
            parts.append(f"--- {path.name}\n" + "\n".join(path.read_text().splitlines()[-8:]))
        return "\n".join(parts)


Living = set[tuple[int, str]]
"""Processes by pid and start time, so that a pid that is given again is not mistaken."""


def family(pids: Sequence[int]) -> Living:
    """The living processes among these pids and all their descendants, whatever session they are in."""
    parent: dict[int, int] = {}
    started: dict[int, str] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            if fields[0] not in "ZX":
                parent[int(stat.parent.name)], started[int(stat.parent.name)] = int(fields[1]), fields[19]
    found = {pid for pid in pids if pid in started}
    while more := {pid for pid, above in parent.items() if above in found} - found:
        found |= more
    return {(pid, started[pid]) for pid in found}


def await_gone(living: Living, seconds: float = 60.0) -> None:
    """Wait until none of these processes lives; `AssertionError` naming those that stay."""
    end = time.monotonic() + seconds
    while left := living & family([pid for pid, _ in living]):
        assert time.monotonic() < end, f"still running: {sorted(left)}"
        time.sleep(0.1)


UP: list[LocalNetwork] = []
"""The network while it runs."""


def _take_down() -> None:
    while UP:
        network = UP.pop()
        living = family([p.pid for p in network.processes.all().values() if p.alive])
        network.down()
        await_gone(living)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Take the network down after the last of these tests: others would share the machine with it."""
    if nextitem is None or nextitem.path.parent != Path(__file__).parent:
        _take_down()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The network. Whoever stops a part of it starts it again."""
    network = LocalNetwork(Home.find(tmp_path_factory.mktemp("network")))
    UP.append(network)
    try:
        with network.processes.exclusive():
            network.up(PLAN)
        network.await_certified({node.name for node in PLAN.nodes}, seconds=PATIENCE_S)
        yield Running(network, PLAN)
    finally:
        _take_down()


@pytest.fixture(scope="session")
def kill(running: Running) -> Callable[[str], None]:
    """`kill -9` of one process of the network by its name; its children end with it."""

    def strike(name: str) -> None:
        living = family([running.network.processes.all()[name].pid])
        assert living, f"{name} does not run"
        running.network.processes.kill(name)
        await_gone(living)

    return strike
