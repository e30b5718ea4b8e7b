"""The key-value store under the embedded chain: a cache in memory, a journal, and SQLite.

py-evm writes tries, headers and bodies as opaque keys and values. Nothing is written to disk until
`flush`, which stores everything since the last one in a single transaction; the chain calls it once
per block, before anybody hears of that block. A process that is killed therefore finds after its
restart exactly the blocks that were answered, never half of one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from eth.db.backends.base import BaseDB

from qcrs.errors import ChainError

__all__ = ["JournaledStore"]

_CACHE_ENTRIES = 200_000
"""Values kept in memory beside the database file, at about 300 bytes each."""

_FORMAT = 1


class JournaledStore(BaseDB):
    """Bytes to bytes with one atomic `flush`; without a path it lives in memory only."""

    def __init__(self, path: Path | None = None) -> None:
        self._cache: dict[bytes, bytes] = {}
        self._dirty: dict[bytes, bytes | None] = {}
        self._meta_dirty: dict[str, bytes] = {}
        self._meta: dict[str, bytes] = {}
        self._file: sqlite3.Connection | None = None
        if path is not None:
            self._file = _open(path)
            self._meta = dict(self._file.execute("SELECT key, value FROM meta"))
            if int(self._meta.get("format", b"%d" % _FORMAT)) != _FORMAT:
                raise ChainError(
                    "the chain's data were written by another version",
                    field="path",
                    value=str(path),
                    solution="start the network in a new folder",
                )
            self._meta_dirty["format"] = b"%d" % _FORMAT

    def __getitem__(self, key: bytes) -> bytes:
        if key in self._dirty:
            value = self._dirty[key]
            if value is None:
                raise KeyError(key)
            return value
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        if self._file is None:
            raise KeyError(key)
        row = self._file.execute("SELECT value FROM kv WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        self._remember(key, row[0])
        found: bytes = row[0]
        return found

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._dirty[bytes(key)] = bytes(value)

    def __delitem__(self, key: bytes) -> None:
        if key not in self:
            raise KeyError(key)
        self._dirty[bytes(key)] = None

    def _exists(self, key: bytes) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[bytes]:
        keys = set(self._cache)
        if self._file is not None:
            keys.update(row[0] for row in self._file.execute("SELECT key FROM kv"))
        keys.update(key for key, value in self._dirty.items() if value is not None)
        keys.difference_update(key for key, value in self._dirty.items() if value is None)
        return iter(keys)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def get_meta(self, key: str) -> bytes | None:
        """A fact about the chain as a whole, such as its chain id."""
        return self._meta_dirty.get(key, self._meta.get(key))

    def set_meta(self, key: str, value: bytes) -> None:
        """Record a fact; durable after the next `flush`."""
        self._meta_dirty[key] = value

    def flush(self) -> None:
        """Make everything written so far durable, all of it or nothing."""
        if self._file is not None:
            try:
                with self._file:
                    self._file.execute("BEGIN IMMEDIATE")
                    self._file.executemany(
                        "INSERT OR REPLACE INTO kv VALUES (?, ?)",
                        [(k, v) for k, v in self._dirty.items() if v is not None],
                    )
                    self._file.executemany(
                        "DELETE FROM kv WHERE key = ?", [(k,) for k, v in self._dirty.items() if v is None]
                    )
                    self._file.executemany(
                        "INSERT OR REPLACE INTO meta VALUES (?, ?)", list(self._meta_dirty.items())
                    )
            except sqlite3.Error as error:
                raise ChainError(
                    f"the chain's data could not be written: {error}",
                    solution="free disk space in the network's folder and restart; no answered block is lost",
                ) from error
        for key, value in self._dirty.items():
            if value is None:
                self._cache.pop(key, None)
            else:
                self._remember(key, value)
        self._meta.update(self._meta_dirty)
        self._dirty.clear()
        self._meta_dirty.clear()

    def discard(self) -> None:
        """Forget everything written since the last `flush`."""
        self._dirty.clear()
        self._meta_dirty.clear()

    def close(self) -> None:
        """Release the file; the store cannot be used afterwards."""
        if self._file is not None:
            self._file.close()

    def _remember(self, key: bytes, value: bytes) -> None:
        if self._file is not None and len(self._cache) >= _CACHE_ENTRIES:
            for oldest in list(self._cache)[: _CACHE_ENTRIES // 10]:
                del self._cache[oldest]
        self._cache[key] = value


def _open(path: Path) -> sqlite3.Connection:
    """The database file, owned by this process alone until it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2.0)
    try:
        file.execute("PRAGMA locking_mode = EXCLUSIVE")
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        file.execute("CREATE TABLE IF NOT EXISTS kv (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
        file.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB)")
    except sqlite3.OperationalError as error:
        file.close()
        if "locked" in str(error):
            raise ChainError(
                "another process runs this chain",
                field="path",
                value=str(path),
                solution="connect to that process by its URL, or stop it first",
            ) from error
        raise ChainError(
            f"the chain's data cannot be opened: {error}", field="path", value=str(path)
        ) from error
    except sqlite3.DatabaseError as error:
        file.close()
        raise ChainError(
            f"the file does not hold a chain: {error}",
            field="path",
            value=str(path),
            solution="restore it from a copy, or start in a new folder",
        ) from error
    return file
