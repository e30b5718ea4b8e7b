"""A daemon's journal: one JSON line an event, in a file, never a secret."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import IO

from qcrs.errors import QCRSError

__all__ = ["Journal"]

_LARGEST_BYTES = 32 * 2**20


class Journal:
    """Appends lines `{"at", "who", "what", …}`; past 32 MiB the file is moved to `<name>.1`. Thread-safe."""

    def __init__(self, path: Path, who: str) -> None:
        self.path = path
        self._who = who
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = path.open("a", encoding="utf-8")

    def write(self, what: str, **fields: object) -> None:
        """One line. Values are numbers, texts, or turned into text; keys and results never belong here."""
        line = {"at": round(time.time(), 3), "who": self._who, "what": what, **fields}
        with self._lock:
            if self._file.closed:
                return
            self._file.write(json.dumps(line, default=str, separators=(",", ":")) + "\n")
            self._file.flush()
            if self._file.tell() > _LARGEST_BYTES:
                self._file.close()
                self.path.replace(self.path.with_name(self.path.name + ".1"))
                self._file = self.path.open("a", encoding="utf-8")

    def error(self, what: str, error: BaseException, **fields: object) -> None:
        """A failure that the daemon survives: its class, reason and remedy."""
        reason = error.reason if isinstance(error, QCRSError) else str(error)
        solution = error.solution if isinstance(error, QCRSError) else None
        self.write(what, error=type(error).__name__, reason=reason[:500], solution=solution, **fields)

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._file.close()
