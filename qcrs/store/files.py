"""Where bytes lie: a local folder, or anything fsspec names.

The folder is written by the rule "temporary file, fsync, rename, fsync of the directory", so that a
name either holds the whole of its bytes or does not exist, whatever is killed in between. It is read
without following links, not even one that stands for a folder on the way, and without opening what is not
a plain file. Other file systems (memory,
S3, IPFS gateways…) are reached through fsspec, whose `pipe_file` puts a whole object at once.

Names come from the layers above and are relative, slash-separated and checked there.
"""

from __future__ import annotations

import os
import secrets
import stat
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from qcrs.errors import StoreError

__all__ = ["Files", "FolderFiles", "RemoteFiles", "open_files"]

_READ_FLAGS = (
    os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
)  # a link is refused and a FIFO does not block
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


class Files(ABC):
    """Whole files under relative names."""

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Put all of `data` under `name`, or nothing; `StoreError`."""

    @abstractmethod
    def read(self, name: str, limit: int) -> bytes | None:
        """The bytes under `name`, None where there is no such file; `StoreError` above `limit` bytes."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """True where a file has this name."""

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """Base names below `folder`, in no order; empty where there is no such folder."""


def _too_large(name: str, size: int, limit: int) -> StoreError:
    return StoreError(
        f"a stored file has {size} bytes, more than the {limit} allowed",
        field="name",
        value=name,
        solution="it was not written by this store: remove it, or raise the limit where it is opened",
    )


def _failed(doing: str, name: str, error: BaseException) -> StoreError:
    return StoreError(
        f"{doing} failed: {type(error).__name__}: {error}",
        field="name",
        value=name,
        solution="check that the store's folder or URL can be reached and written, and has free space",
    )


class FolderFiles(Files):
    """A folder on this machine."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = Path(root).expanduser().absolute()
        self._temporary = self._root / "tmp"
        try:
            self._temporary.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _failed("opening the store", str(self._root), error) from error

    def __repr__(self) -> str:
        return f"FolderFiles({str(self._root)!r})"

    @contextmanager
    def _folder(self, way: list[str], *, make: bool = False) -> Iterator[int]:
        """A descriptor of a folder below the root, reached without a link; made where it is missing."""
        held = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in way:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=held)
                below = os.open(part, _FOLDER_FLAGS, dir_fd=held)
                os.close(held)
                held = below
            yield held
        finally:
            os.close(held)

    def _open(self, name: str, flags: int) -> int:
        *way, last = name.split("/")
        with self._folder(way) as folder:
            return os.open(last, flags, dir_fd=folder)

    def write(self, name: str, data: bytes) -> None:
        """See `Files.write`; durable when it returns."""
        part = self._temporary / secrets.token_hex(16)
        *way, last = name.split("/")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                with self._folder(way, make=True) as folder:
                    os.replace(part, last, dst_dir_fd=folder)
                    os.fsync(folder)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise _failed("writing to the store", name, error) from error

    def read(self, name: str, limit: int) -> bytes | None:
        """See `Files.read`; the size is known before the first byte is read."""
        try:
            descriptor = self._open(name, _READ_FLAGS)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failed("reading from the store", name, error) from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise StoreError(
                "what lies under a stored name is not a plain file",
                field="name",
                value=name,
                solution="remove it from the store's folder",
            )
        with os.fdopen(descriptor, "rb") as file:
            if status.st_size > limit:
                raise _too_large(name, status.st_size, limit)
            try:
                data = file.read(limit + 1)
            except OSError as error:
                raise _failed("reading from the store", name, error) from error
        if len(data) > limit:
            raise _too_large(name, len(data), limit)
        return data

    def exists(self, name: str) -> bool:
        """See `Files.exists`."""
        try:
            with self._folder(name.split("/")[:-1]) as folder:
                found = os.stat(name.rpartition("/")[2], dir_fd=folder, follow_symlinks=False)
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode)

    def names(self, folder: str) -> list[str]:
        """See `Files.names`; one system call for a small folder."""
        try:
            descriptor = self._open(folder, _FOLDER_FLAGS)
            try:
                return os.listdir(descriptor)
            finally:
                os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _failed("listing the store", folder, error) from error


class RemoteFiles(Files):
    """Any file system that fsspec can open, by its URL."""

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            self._fs: Any
            self._fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ValueError, ImportError, OSError) as error:
            raise _failed("opening the store", url, error) from error
        self._url = url
        self._root = str(root).rstrip("/")

    def __repr__(self) -> str:
        return f"RemoteFiles({self._url!r})"

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def write(self, name: str, data: bytes) -> None:
        """See `Files.write`; as durable as the file system behind the URL."""
        try:
            self._fs.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(self._path(name), data)
        except Exception as error:  # every fsspec backend raises its own library's errors
            raise _failed("writing to the store", name, error) from error

    def read(self, name: str, limit: int) -> bytes | None:
        """See `Files.read`; asks for the size first and then for no more than `limit` + 1 bytes."""
        path = self._path(name)
        try:
            size = self._fs.size(path)
            if size is not None and size > limit:
                raise _too_large(name, size, limit)
            data = bytes(self._fs.cat_file(path, start=0, end=limit + 1))
        except StoreError:
            raise
        except FileNotFoundError:
            return None
        except Exception as error:  # every fsspec backend raises its own library's errors
            raise _failed("reading from the store", name, error) from error
        if len(data) > limit:
            raise _too_large(name, len(data), limit)
        return data

    def exists(self, name: str) -> bool:
        """See `Files.exists`."""
        try:
            return bool(self._fs.isfile(self._path(name)))
        except Exception as error:  # every fsspec backend raises its own library's errors
            raise _failed("asking the store", name, error) from error

    def names(self, folder: str) -> list[str]:
        """See `Files.names`."""
        try:
            return [
                str(path).rstrip("/").rpartition("/")[2]
                for path in self._fs.ls(self._path(folder), detail=False)
            ]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except Exception as error:  # every fsspec backend raises its own library's errors
            raise _failed("listing the store", folder, error) from error


def open_files(where: str | os.PathLike[str]) -> Files:
    """A folder, `file://` URL or any other fsspec URL (`memory://…`, `s3://…`)."""
    text = os.fspath(where)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if "://" in text or "::" in text:
        return RemoteFiles(text)
    return FolderFiles(text)
