"""Blobs: immutable bytes under the hash of themselves (CIDv1, raw, sha2-256).

Nobody has to trust the machine that keeps them: whoever reads a blob hashes it again. Names are made
here from content ids alone, so no text from outside ever becomes a path.
"""

from __future__ import annotations

import os

from qcrs.errors import InputError, IntegrityError, StoreError
from qcrs.store.files import Files, open_files
from qcrs.types import ContentId, cid_of, cid_to_digest

__all__ = ["MAX_BLOB_BYTES", "ContentStore"]

MAX_BLOB_BYTES = 64 * 2**20
"""The largest blob, in bytes: written and read."""


def _blob_name(cid: str) -> str:
    """`blobs/<last two letters>/<content id>`; `InputError` where `cid` is not a content id."""
    cid_to_digest(cid)
    return f"blobs/{cid[-2:]}/{cid}"


class ContentStore:
    """A content-addressed store over a folder or any fsspec URL.

    Instances hold no state but the place; threads and processes may share one place.
    """

    def __init__(self, where: str | os.PathLike[str], *, max_bytes: int = MAX_BLOB_BYTES) -> None:
        self.where = os.fspath(where)
        self.files: Files = open_files(where)
        self.max_bytes = max_bytes

    def __repr__(self) -> str:
        return f"ContentStore({self.where!r})"

    def put(self, data: bytes) -> ContentId:
        """Keep `data` and give its content id; the same bytes twice are one blob.

        A blob whose stored copy was damaged is written anew. Raises `InputError` above `max_bytes` and
        `StoreError` where the place cannot be written.
        """
        if len(data) > self.max_bytes:
            raise InputError(
                f"a blob may have {self.max_bytes} bytes at most",
                field="bytes",
                value=len(data),
                solution="split the job: fewer shots, circuits or parameter bindings in one submission",
            )
        cid = cid_of(data)
        name = _blob_name(cid)
        try:
            whole = self.files.read(name, self.max_bytes) == data
        except StoreError:  # an unreadable or overgrown copy is replaced
            whole = False
        if not whole:
            self.files.write(name, data)
        return cid

    def get(self, cid: str) -> bytes:
        """The bytes under `cid`, hashed again.

        Raises `StoreError` where the blob is missing, `IntegrityError` where its bytes do not have
        this hash, `InputError` where `cid` is not a content id.
        """
        data = self.files.read(_blob_name(cid), self.max_bytes)
        if data is None:
            raise StoreError(
                "a blob is not in the store",
                field="cid",
                value=cid,
                solution=f"check that {self.where} is this network's store, or ask its owner for the blob",
            )
        found = cid_of(data)
        if found != cid:
            raise IntegrityError(
                f"stored bytes do not have their hash: expected {cid}, found {found}",
                field="cid",
                value=cid,
                solution="the copy was changed or damaged: fetch the blob from another copy of the store",
            )
        return data

    def has(self, cid: str) -> bool:
        """True where a blob of this id lies in the store (its bytes are not hashed)."""
        return self.files.exists(_blob_name(cid))
