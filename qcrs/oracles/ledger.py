"""What an oracle must not forget: the outcome that it signed, what it has mailed, what it knows of providers.

An oracle that signs two outcomes for one round loses its bond, so the outcome is durable before a signature
exists; a restarted oracle signs the same or nothing.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from qcrs.verification.eprocess import Measured

__all__ = ["Ledger"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS signed (scope TEXT PRIMARY KEY, outcome TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS done (key TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS magnitudes (
    evidence BLOB PRIMARY KEY, value_ppm INTEGER, se_ppm INTEGER, expected_ppm INTEGER
);
"""


class Ledger:
    """One oracle's memory, in a file. Thread-safe."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, check_same_thread=False, timeout=10.0)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = FULL")
        self._file.executescript(_SCHEMA)
        path.chmod(0o600)
        self._done = {row[0] for row in self._file.execute("SELECT key FROM done")}

    def may_sign(self, scope: str, outcome: str) -> bool:
        """Whether `outcome` may be signed in `scope`: it is the first one there, durable from now on."""
        with self._lock, self._file:
            self._file.execute("INSERT OR IGNORE INTO signed VALUES (?, ?)", (scope, outcome))
            row = self._file.execute("SELECT outcome FROM signed WHERE scope = ?", (scope,)).fetchone()
        return bool(row[0] == outcome)

    def signed(self, scope: str) -> str | None:
        """What was signed in a scope."""
        with self._lock:
            row = self._file.execute("SELECT outcome FROM signed WHERE scope = ?", (scope,)).fetchone()
        return None if row is None else str(row[0])

    def is_done(self, key: str) -> bool:
        """Whether this was done before."""
        return key in self._done

    def mark_done(self, key: str) -> None:
        """Remember that it is done."""
        with self._lock, self._file:
            self._file.execute("INSERT OR IGNORE INTO done VALUES (?)", (key,))
        self._done.add(key)

    def note(self, key: str) -> bytes | None:
        """Bytes kept under a key."""
        with self._lock:
            row = self._file.execute("SELECT value FROM notes WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def keep(self, key: str, value: bytes) -> bytes:
        """Keep bytes under a key; the first ones stay and are returned."""
        with self._lock, self._file:
            self._file.execute("INSERT OR IGNORE INTO notes VALUES (?, ?)", (key, value))
            row = self._file.execute("SELECT value FROM notes WHERE key = ?", (key,)).fetchone()
        return bytes(row[0])

    def replace(self, key: str, value: bytes) -> None:
        """Keep other bytes under a key."""
        with self._lock, self._file:
            self._file.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, value))

    def magnitude(self, evidence: bytes) -> tuple[bool, Measured | None]:
        """Whether this evidence was read before, and the magnitude that it states."""
        with self._lock:
            row = self._file.execute(
                "SELECT value_ppm, se_ppm, expected_ppm FROM magnitudes WHERE evidence = ?", (evidence,)
            ).fetchone()
        return row is not None, None if row is None or row[0] is None else Measured(*row)

    def keep_magnitude(self, evidence: bytes, measured: Measured | None) -> None:
        """Keep the magnitude that an evidence states, or that it states none."""
        words = (
            (None, None, None)
            if measured is None
            else (measured.value_ppm, measured.se_ppm, measured.expected_ppm)
        )
        with self._lock, self._file:
            self._file.execute("INSERT OR IGNORE INTO magnitudes VALUES (?, ?, ?, ?)", (evidence, *words))

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._file.close()
