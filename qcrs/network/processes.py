"""The processes of a local network: started, found again after a restart, and ended by number.

`processes.json` in the network's folder is the only record. A process is known by its pid and its
start time, so a pid that the system has given to something else is never signalled.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from qcrs.errors import ConfigError, NetworkError

__all__ = ["Process", "Processes"]

_FULL = ("no space left", "disk is full", "file too large", "disk quota exceeded")
_LEAST_FREE_BYTES = 4 * 2**20
"""With less than this nothing of a network can start."""


def _started(pid: int) -> str | None:
    """The start time of a living process (clock ticks since boot), None where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] in "ZX" else fields[19]


@dataclass(frozen=True, slots=True)
class Process:
    """One process: its role's name, pid, start time and the words that start it again."""

    name: str
    pid: int
    started: str
    command: tuple[str, ...]

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return _started(self.pid) == self.started

    def signal(self, number: int) -> None:
        """Send a signal to it, and only to it."""
        if self.alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


class Processes:
    """The processes of one folder.

    Logs are in `logs/<name>.log`. Children are sessions of their own: they outlive the command that
    started them and are not hit by its Ctrl-C.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._file = root / "processes.json"
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def all(self) -> dict[str, Process]:
        """Every process on record, alive or not; `ConfigError` where the record cannot be read."""
        try:
            rows = json.loads(self._file.read_text())
            return {r["name"]: Process(r["name"], r["pid"], r["started"], tuple(r["command"])) for r in rows}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(
                f"the record of the network's processes cannot be read: {error}",
                field="file",
                value=str(self._file),
                solution="undo its last change, or delete it and end the processes that it named yourself",
            ) from error

    def _save(self, processes: dict[str, Process]) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps([asdict(p) for p in processes.values()], indent=1) + "\n")
        part.replace(self._file)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """One `up` or `down` at a time in a folder."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as handle:
            try:
                flock(handle, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    "another command is starting or stopping this network",
                    field="home",
                    value=str(self.root),
                    solution="wait for it to end, or use another --home",
                ) from None
            yield

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.root / "logs" / f"{name}.log"

    def start(self, name: str, words: Sequence[str]) -> Process:
        """Start `python -m <words>` unless it runs already."""
        known = self.all()
        if name in known and known[name].alive:
            return known[name]
        log = self.log(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        command = (sys.executable, "-m", *words)
        environment = os.environ | {
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        with log.open("ab") as out:
            child = subprocess.Popen(  # noqa: S603  (our own interpreter, our own modules)
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=environment,
            )
        self._children[child.pid] = child
        process = Process(name, child.pid, _started(child.pid) or "", command)
        self._save(self.all() | {name: process})
        return process

    def tail(self, name: str, lines: int = 3) -> str:
        """The last lines of a process's log, for error messages."""
        try:
            return "\n".join(self.log(name).read_text(errors="replace").strip().splitlines()[-lines:])
        except OSError:
            return ""

    def _remedy(self, name: str) -> str:
        """What to do about a process that did not start; a full disk is told apart by what it leaves."""
        last = self.tail(name, 20).lower()
        if any(words in last for words in _FULL) or shutil.disk_usage(self.root).free < _LEAST_FREE_BYTES:
            return f"free space on the disk of {self.root}, then run the same command again: it goes on"
        return f"read {self.log(name)}"

    def await_ready(self, name: str, ready: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until `ready()`; `NetworkError` with the log's end where the process dies or is too slow."""
        end = time.monotonic() + seconds
        process = self.all()[name]
        while not ready():
            if not self._living(process):
                raise NetworkError(
                    f"{name} ended while starting: {self.tail(name)}", solution=self._remedy(name)
                )
            if time.monotonic() > end:
                raise NetworkError(
                    f"{name} is not ready after {seconds:.0f} s: {self.tail(name)}",
                    solution=self._remedy(name),
                )
            time.sleep(0.05)

    def _living(self, process: Process) -> bool:
        self._reap()
        return process.alive

    def _await_end(self, processes: Sequence[Process]) -> None:
        """Wait until none of them lives and those that are children of this command are reaped."""
        while any(self._living(p) or p.pid in self._children for p in processes):
            time.sleep(0.02)

    def _reap(self) -> None:
        """Take note of children that have ended, so that none stays a zombie of this command."""
        for pid, child in list(self._children.items()):
            if child.poll() is not None:
                del self._children[pid]

    def kill(self, name: str) -> None:
        """End a process at once, as a crash would; it stays on record for `status`."""
        process = self.all()[name]
        process.signal(signal.SIGKILL)
        self._await_end([process])

    def stop(self, names: Sequence[str] | None = None, patience_s: float = 10.0) -> list[str]:
        """Ask processes to end, then end them; returns the names of those that ran."""
        known = self.all()
        chosen = [known[n] for n in (names if names is not None else known) if n in known]
        running = [p for p in chosen if self._living(p)]
        for process in running:
            process.signal(signal.SIGTERM)
        end = time.monotonic() + patience_s
        waiting = list(running)
        while waiting and time.monotonic() < end:
            time.sleep(0.05)
            waiting = [p for p in waiting if self._living(p)]
        for process in waiting:
            process.signal(signal.SIGKILL)
        self._await_end(running)
        self._save({n: p for n, p in known.items() if p not in chosen})
        return [p.name for p in running]
