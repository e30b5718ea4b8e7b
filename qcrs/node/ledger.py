"""What a node must not forget: salt, result and key of every run, durable before the commitment is sent.

A commitment binds the provider to one result. If the process dies between committing and handing over,
the restarted node must find exactly that result again; running the job anew would give another one.
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from qcrs.types import ContentId

__all__ = ["Ledger", "RunRecord"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    job TEXT NOT NULL, execution INTEGER NOT NULL, salt BLOB NOT NULL, root BLOB NOT NULL, cid TEXT NOT NULL,
    key BLOB NOT NULL, handed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (job, execution)
);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One finished run: what opens the commitment, and where the sealed result lies."""

    job: int
    execution: int
    salt: bytes
    root: bytes
    cid: ContentId
    key: bytes
    handed: bool = False

    def __repr__(self) -> str:
        return f"RunRecord(job={self.job}, execution={self.execution}, handed={self.handed})"


class Ledger:
    """The runs of one node, in a file. Thread-safe."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, check_same_thread=False, timeout=10.0)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.executescript(_SCHEMA)
        path.chmod(0o600)

    def find(self, job: int, execution: int) -> RunRecord | None:
        """The record of an execution's run."""
        with self._lock:
            row = self._file.execute(
                "SELECT salt, root, cid, key, handed FROM runs WHERE job = ? AND execution = ?",
                (str(job), execution),
            ).fetchone()
        if row is None:
            return None
        return RunRecord(job, execution, row[0], row[1], ContentId(row[2]), row[3], bool(row[4]))

    def keep(self, record: RunRecord) -> RunRecord:
        """Remember a run for good. The first record of an execution stays; it is returned."""
        with self._lock, self._file:
            self._file.execute(
                "INSERT OR IGNORE INTO runs (job, execution, salt, root, cid, key) VALUES (?, ?, ?, ?, ?, ?)",
                (str(record.job), record.execution, record.salt, record.root, record.cid, record.key),
            )
        return self.find(record.job, record.execution) or record

    def mark_handed(self, job: int, execution: int) -> None:
        """The result is with the oracles."""
        with self._lock, self._file:
            self._file.execute(
                "UPDATE runs SET handed = 1 WHERE job = ? AND execution = ?", (str(job), execution)
            )

    def counter(self, name: str) -> int:
        """A number that only grows; 0 at first."""
        with self._lock:
            row = self._file.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def advance(self, name: str) -> int:
        """Raise a counter by one and return it."""
        with self._lock, self._file:
            self._file.execute(
                "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
                (name,),
            )
        return self.counter(name)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._file.close()
