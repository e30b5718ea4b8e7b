"""The command line against a real chain with deployed contracts, but nobody at work: errors need no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qcrs.config.home import Home
from qcrs.network.local import LocalNetwork
from qcrs.network.plan import NodePlan, Plan

ROOT = Path(__file__).resolve().parents[2]
PLAN = Plan(nodes=(NodePlan("ada", "aer:noisy-a?qubits=5", 2400),))


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


Command = Callable[..., Output]


def environment() -> dict[str, str]:
    """Nothing of the caller's own exchange, and this checkout importable from any folder."""
    values = {k: v for k, v in os.environ.items() if not k.startswith("QCRS_")}
    values["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), values.get("PYTHONPATH")]))
    return values


def run(*words: str, cwd: Path, home: Path | None = None, data: bytes = b"") -> Output:
    """`qcrs WORDS` in a process of its own, `--home` added where one is given."""
    where = [] if home is None else ["--home", str(home)]
    done = subprocess.run(
        [sys.executable, "-m", "qcrs", *words, *where],
        capture_output=True,
        input=data,
        env=environment(),
        cwd=cwd,
        timeout=120,
        check=False,
    )
    return Output(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="session")
def qcrs(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command, run in an empty folder unless `cwd` names another."""
    empty = tmp_path_factory.mktemp("empty")

    def command(*words: str, cwd: Path = empty, home: Path | None = None, data: bytes = b"") -> Output:
        return run(*words, cwd=cwd, home=home, data=data)

    return command


@pytest.fixture(scope="session")
def caller() -> dict[str, str]:
    """Environment of a command that a test starts by itself."""
    return environment()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, qcrs: Command) -> Iterator[Path]:
    """A network whose chain runs and on which one processor is registered, uncertified."""
    network = LocalNetwork(Home.find(tmp_path_factory.mktemp("desk") / "home"))
    try:
        with network.processes.exclusive():
            network.start_chain()
            network.create(PLAN)
        words = ("--backend", PLAN.nodes[0].backend, "--account", "ada", "--json")
        entered = qcrs("processor", "register", *words, home=network.home.root)
        assert entered.code == 0, entered.err
        yield network.home.root
    finally:
        network.down()
