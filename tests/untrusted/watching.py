"""Whether anybody opened or made a file in a folder: the kernel tells (inotify), whoever it was."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

__all__ = ["Watch"]

_TOUCHED = 0x20 | 0x100 | 0x80  # opened, made in it, moved into it
_LIBC = ctypes.CDLL(None, use_errno=True)


class Watch:
    """Counts openings of a folder and of the files in it, from its making on."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = _LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0 or _LIBC.inotify_add_watch(self._descriptor, bytes(folder), _TOUCHED) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def opened(self) -> bool:
        """Whether anything was opened since the last question."""
        try:
            return bool(os.read(self._descriptor, 65_536))
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Stop."""
        os.close(self._descriptor)
