"""A daemon's journal: one JSON line an event, in a file, never a secret."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from qcrs.errors import QCRSError

__all__ = ["SURVIVED", "Journal", "tell"]

SURVIVED = (QCRSError, OSError, sqlite3.Error)
"""What a daemon outlives and tries again: refusals, a chain that is away, a full disk."""

_LARGEST_BYTES = 32 * 2**20


def tell(text: str) -> None:
    """One line on standard error, which may be a file on a full disk."""
    with suppress(OSError):
        sys.stderr.write(f"· {text}\n")
        sys.stderr.flush()


class Journal:
    """Appends lines `{"at", "who", "what", …}`; past 32 MiB the file is moved to `<name>.1`. Thread-safe.

    A line that cannot be written is lost: a full disk does not stop the daemon.
    """

    def __init__(self, path: Path, who: str) -> None:
        self.path = path
        self._who = who
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("ab", buffering=0)
        self._lost = False

    def write(self, what: str, **fields: object) -> None:
        """One line. Values are numbers, texts, or turned into text; keys and results never belong here."""
        line = {"at": round(time.time(), 3), "who": self._who, "what": what, **fields}
        text = json.dumps(line, default=str, separators=(",", ":")) + "\n"
        with self._lock:
            if self._file.closed:
                return
            try:
                self._append(text)
            except OSError as error:
                if not self._lost:
                    tell(f"the journal cannot be written: {error.strerror}; work goes on")
                self._lost = True

    def _append(self, text: str) -> None:
        line, before = text.encode(), os.fstat(self._file.fileno()).st_size
        if self._file.write(line) != len(line):
            self._file.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._lost = False
        if before + len(line) > _LARGEST_BYTES:
            self._file.close()
            self.path.replace(self.path.with_name(self.path.name + ".1"))
            self._file = self.path.open("ab", buffering=0)

    def error(self, what: str, error: BaseException, **fields: object) -> None:
        """A failure that the daemon survives: its class, reason and remedy."""
        reason = error.reason if isinstance(error, QCRSError) else str(error)
        solution = error.solution if isinstance(error, QCRSError) else None
        self.write(what, error=type(error).__name__, reason=reason[:500], solution=solution, **fields)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._file.close()
