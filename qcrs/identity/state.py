"""Which leaf has signed what: a leaf is reserved on disk, for good, before a byte of its signature exists.

Signing two messages with one leaf gives the key away, so this is the one thing that must survive
everything: a kill at any instruction, two processes at once, a full disk, a restored backup. The rules:

- A reservation (key, index, digest) is committed with `synchronous=EXTRA` (SQLite flushes the file and its
  folder to the disk before it answers) in an exclusive transaction, and only then signed. Reservations are
  never deleted.
- The same digest gets its own leaf again, as long as the contract would still take it: a signer that was
  killed after the reservation repeats itself, byte for byte.
- The contract's next index is the least that counts, and the state must know the leaf before it. A state that
  does not is older than the chain (a lost or restored file): it signs nothing more, except, with the
  reserved last leaf, the change to a new key.

A copy of the file on a second machine breaks all of this: keep one.
"""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from qcrs.errors import AccountError, VerificationError
from qcrs.identity.xmss import LAST_LEAF, XmssKey, verify

__all__ = ["SignerState", "XmssSigner"]

_PATIENCE_S = 30.0


class SignerState:
    """The reservations of one machine's keys. Processes may share the file, each with its own object."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it; readable by its owner only."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # that the file exists is part of the state
            finally:
                os.close(folder)
            self._db = sqlite3.connect(
                path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False
            )
            weakref.finalize(self, self._db.close)  # also where nobody closes it, or what follows fails
            # EXTRA and not FULL: it also flushes the folder after the journal is deleted. A journal that came
            # back after a power cut would roll the reservation back.
            self._db.execute("PRAGMA synchronous=EXTRA")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS leaves (key BLOB NOT NULL, leaf INTEGER NOT NULL, "
                "digest BLOB NOT NULL, PRIMARY KEY (key, leaf)) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            raise self._broken(error) from error

    def __enter__(self) -> SignerState:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def used(self, key: bytes) -> int:
        """The leaves of a key that are spent, without the one reserved for its successor."""
        rows = self._db.execute(
            "SELECT MAX(leaf) + 1 FROM leaves WHERE key = ? AND leaf < ?", (key, LAST_LEAF)
        )
        return int(rows.fetchone()[0] or 0)

    def is_spent(self, key: bytes) -> bool:
        """Whether the key has named its successor."""
        return self._digest(key, LAST_LEAF) is not None

    def reserve(self, key: bytes, digest: bytes, least: int) -> int:
        """The leaf with which `key` signs `digest`; `least` is the contract's next index for the key.

        `AccountError` where no leaf is left, or where this state is older than the chain.
        """
        return self._exclusive(lambda: self._reserve(key, digest, least))

    def reserve_last(self, key: bytes, digest: bytes) -> int:
        """The last leaf, for the one digest that names the next key; `AccountError` for a second one."""
        return self._exclusive(lambda: self._insert(key, LAST_LEAF, digest))

    def _reserve(self, key: bytes, digest: bytes, least: int) -> int:
        if least > 0 and self._digest(key, least - 1) is None:
            raise AccountError(
                "the record of used leaves is older than the chain: it was lost, or restored from a copy",
                field="file",
                value=str(self._path),
                solution="never sign with it again; change to a new key with `qcrs account rotate`, "
                "which uses the leaf that is reserved for that",
            )
        rows = self._db.execute(
            "SELECT leaf FROM leaves WHERE key = ? AND digest = ? AND leaf >= ? AND leaf < ? ORDER BY leaf",
            (key, digest, least, LAST_LEAF),
        )
        again = rows.fetchone()
        if again is not None:
            return int(again[0])
        leaf = max(self.used(key), least)
        if leaf >= LAST_LEAF:
            raise AccountError(
                "all leaves of this key are used",
                field="leaf",
                value=leaf,
                solution="change to a new key with `qcrs account rotate`",
            )
        return self._insert(key, leaf, digest)

    def _insert(self, key: bytes, leaf: int, digest: bytes) -> int:
        known = self._digest(key, leaf)
        if known is None:
            self._db.execute("INSERT INTO leaves VALUES (?, ?, ?)", (key, leaf, digest))
        elif known != digest:
            raise AccountError(
                "the last leaf has named another key already",
                field="leaf",
                value=leaf,
                solution="repeat the change that was begun; nothing else can be signed with this key",
            )
        return leaf

    def _digest(self, key: bytes, leaf: int) -> bytes | None:
        row = self._db.execute("SELECT digest FROM leaves WHERE key = ? AND leaf = ?", (key, leaf)).fetchone()
        return None if row is None else bytes(row[0])

    def _exclusive(self, act: Callable[[], int]) -> int:
        """Run inside a transaction that no other writer can enter; on disk when this returns."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                leaf = act()
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._broken(error) from error
        return leaf

    def _broken(self, error: Exception) -> AccountError:
        return AccountError(
            f"the record of used leaves cannot be read or written: {error}",
            field="file",
            value=str(self._path),
            solution="nothing was signed; free the disk or mend the file's rights, and restore no older copy",
        )


class XmssSigner:
    """A key with its state: signs each digest once, and never with a leaf that signed another."""

    def __init__(self, key: XmssKey, state: SignerState) -> None:
        self._key = key
        self._state = state

    @property
    def public(self) -> bytes:
        """The public key."""
        return self._key.public

    def sign(self, digest: bytes, least: int) -> bytes:
        """Sign a digest; `least` is the contract's next index for this key. See `SignerState.reserve`."""
        return self._release(digest, self._state.reserve(self.public, digest, least))

    def sign_successor(self, digest: bytes) -> bytes:
        """Sign the change to the next key, with the last leaf."""
        return self._release(digest, self._state.reserve_last(self.public, digest))

    def _release(self, digest: bytes, leaf: int) -> bytes:
        signature = self._key.sign(digest, leaf)
        if not verify(self.public, digest, signature):
            raise VerificationError(
                "the key's stored tree does not belong to its secret",
                field="key",
                value=self.public.hex(),
                solution="delete the key's .tree file: it is made again from the identity file",
            )
        return signature
