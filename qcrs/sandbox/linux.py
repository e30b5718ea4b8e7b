"""The few kernel calls that Python does not offer, through ctypes. Elsewhere than on Linux they report False.

Constants are those of the kernel's uapi headers (prctl.h, sched.h, capability.h).
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

__all__ = [
    "become_subreaper",
    "current_address_space",
    "die_with_parent",
    "drop_privileges",
    "leave_network",
    "thread_count",
]

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_CAPABILITY_VERSION_3 = 0x20080522

_LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> bool:
    return _LINUX and _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) == 0


def die_with_parent(signal_number: int) -> bool:
    """Have the kernel send this signal to the calling process when the thread that made it ends."""
    return _prctl(_PR_SET_PDEATHSIG, signal_number)


def become_subreaper() -> bool:
    """Descendants that lose their parent become children of the calling process."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def drop_privileges() -> bool:
    """Give up every capability, for good and across exec; a root process keeps only root's files."""
    if not _prctl(_PR_SET_NO_NEW_PRIVS, 1):
        return False
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    return bool(_libc.capset(header, nothing) == 0)


def leave_network() -> tuple[str, str]:
    """Move the calling process into a network namespace without any network.

    Gives how it went (`namespace`, `user namespace` or `shared`) and, for `shared`, why.
    """
    if not _LINUX:
        return "shared", f"{sys.platform} has no network namespaces"
    if _libc.unshare(_CLONE_NEWNET) == 0:
        return "namespace", ""
    user, group = os.getuid(), os.getgid()
    if _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return "shared", f"unshare is not permitted here: {os.strerror(ctypes.get_errno())}"
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        try:
            Path("/proc/self", name).write_text(text)
        except OSError:
            break  # files are then still reached by the same kernel ids; only their display differs
    return "user namespace", ""


def current_address_space() -> int | None:
    """Bytes of address space the calling process holds now, None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def thread_count() -> int | None:
    """Threads of the calling process, None where the system does not say."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return None
