"""The zygote: a small, single-threaded process that has everything imported and forks a child per call.

Importing Qiskit and Aer takes over a second; a fork of a process that has them takes milliseconds. The zygote
never looks at a payload: it takes two descriptors from its parent (the call's channel and a pipe for its
status), forks, and waits. It ends children that outlive their time or whose caller is gone, sweeps up
what they leave behind, and ends itself and all of them when its parent is gone.

Fork is safe only without threads, so a preload that starts one is refused.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any, NoReturn

from qcrs.sandbox import linux
from qcrs.sandbox.child import EXIT_BROKEN, describe, live

__all__ = ["REQUEST", "main"]

REQUEST = struct.Struct("!d")
"""A call, with two descriptors beside it: its wall-clock limit in seconds."""

_TAIL_BYTES = 2_000
_IDLE_LOOK_S = 1.0


@dataclass(slots=True)
class _Child:
    """One running call."""

    status: int
    """Descriptor that takes the report."""
    output: int
    started: float
    deadline: float
    ended: str = ""
    """Why the zygote ended it: `wall` or `abandoned`."""


def _new_output() -> int:
    """A nameless file for what a call prints."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("output")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _kill(pid: int) -> None:
    """End a child and its process group, whether or not it has made the group yet."""
    for end in (os.killpg, os.kill):
        try:
            end(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


class _Zygote:
    """The loop; `control` leads to the parent."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._parent = os.getppid()
        self._pid = os.getpid()
        self._children: dict[int, _Child] = {}
        self._wake_read, self._wake_write = os.pipe()
        for descriptor in (self._wake_read, self._wake_write):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._poll.register(self._wake_read, select.POLLIN)

    def serve(self) -> NoReturn:
        """Until the parent hangs up or ends."""
        while True:
            now = time.monotonic()
            wait = min([_IDLE_LOOK_S, *(child.deadline - now for child in self._children.values())])
            events = dict(self._poll.poll(max(0.0, wait) * 1000 + 1))
            if os.getppid() != self._parent:
                self._end()
            if self._wake_read in events:
                os.read(self._wake_read, 4096)
            self._reap()
            now = time.monotonic()
            for pid, child in self._children.items():
                if child.ended:
                    continue
                if now >= child.deadline:
                    child.ended = "wall"
                elif events.get(child.status, 0) & (select.POLLERR | select.POLLHUP):
                    child.ended = "abandoned"
                if child.ended:
                    _kill(pid)
            if self._control.fileno() in events:
                self._accept()

    def _end(self) -> NoReturn:
        for pid in self._children:
            _kill(pid)
        self._sweep(set())
        os._exit(0)

    def _accept(self) -> None:
        """Take one call from the parent and fork its child."""
        try:
            message, descriptors, _flags, _address = socket.recv_fds(self._control, REQUEST.size, 2)
        except OSError:
            self._end()
        if len(message) != REQUEST.size or len(descriptors) != 2:
            self._end()
        (wall,) = REQUEST.unpack(message)
        channel, status = descriptors
        output = _new_output()
        started = time.monotonic()
        try:
            pid = os.fork()
        except OSError as error:
            self._report(status, {"fork_error": str(error)})
            for descriptor in (channel, output):
                os.close(descriptor)
            return
        if pid == 0:
            self._become_child(channel, status, output)
        os.close(channel)
        self._children[pid] = _Child(status, output, started, started + wall)
        self._poll.register(status, 0)

    def _become_child(self, channel: int, status: int, output: int) -> NoReturn:
        """In the child: let go of all that is the zygote's, then live."""
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            self._control.close()
            for descriptor in (self._wake_read, self._wake_write, status):
                os.close(descriptor)
            for other in self._children.values():
                os.close(other.status)
                os.close(other.output)
            live(socket.socket(fileno=channel), self._pid, output)
        finally:
            os._exit(EXIT_BROKEN)

    def _reap(self) -> None:
        """Report children that have ended; what they left running is ended too."""
        swept = True
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if ended is None:
                break
            pid = ended.si_pid
            if pid in self._children:
                _kill(pid)  # its group; the number is still taken, as nobody has waited for it
                swept = False
            _, status, usage = os.wait4(pid, 0)
            child = self._children.pop(pid, None)
            if child is None:
                continue
            self._poll.unregister(child.status)
            size = os.fstat(child.output).st_size
            tail = os.pread(child.output, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
            os.close(child.output)
            self._report(
                child.status,
                {
                    "code": os.waitstatus_to_exitcode(status),
                    "ended": child.ended,
                    "cpu_seconds": usage.ru_utime + usage.ru_stime,
                    "wall_seconds": time.monotonic() - child.started,
                    "max_rss_bytes": usage.ru_maxrss * (1024 if sys.platform == "linux" else 1),
                    "output": tail.decode(errors="replace"),
                },
            )
        if not swept:
            self._sweep(set(self._children))

    def _sweep(self, keep: set[int]) -> None:
        """End every child process that is no running call: what an ended call left comes to its subreaper."""
        try:
            with open(f"/proc/self/task/{self._pid}/children") as file:
                pids = {int(text) for text in file.read().split()}
        except OSError:
            return
        for pid in pids - keep:
            _kill(pid)

    def _report(self, status: int, report: dict[str, object]) -> None:
        try:
            os.write(status, json.dumps(report).encode() + b"\n")
        except OSError:
            pass  # the caller is gone and wants no report
        finally:
            os.close(status)


def _preload(names: list[str]) -> None:
    """Import modules; of `module:function` call the function too, of `module:function=text` with the text."""
    for entry in names:
        name, _, argument = entry.partition("=")
        module, _, function = name.partition(":")
        target: Any = importlib.import_module(module)
        if function:
            for part in function.split("."):
                target = getattr(target, part)
            target(argument) if "=" in entry else target()


def main(descriptor: int) -> NoReturn:
    """The zygote's whole life; `descriptor` is its end of the control socket."""
    control = socket.socket(fileno=descriptor)
    length = struct.unpack("!Q", control.recv(8, socket.MSG_WAITALL))[0]
    settings = json.loads(control.recv(length, socket.MSG_WAITALL))
    parent = settings["parent"]

    def look(_number: int, _frame: object) -> None:
        if os.getppid() != parent:
            os._exit(0)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _IDLE_LOOK_S, _IDLE_LOOK_S)
    look(0, None)
    try:
        network, reason = ("allowed", "") if settings["network"] else linux.leave_network()
        _preload(settings["preload"])
        threads = linux.thread_count()
        if threads is not None and threads > 1:
            raise RuntimeError(
                f"preloading started {threads - 1} more threads, and a process with threads cannot be forked"
                " safely: preload modules only and start the rest in the call"
            )
        answer: dict[str, object] = {
            "network": network,
            "reason": reason,
            "memory_limited": sys.platform == "linux",
            "dies_with_parent": linux.become_subreaper(),
        }
    except BaseException as error:
        answer = {"failed": json.loads(describe(error))}
    signal.setitimer(signal.ITIMER_REAL, 0)
    import gc

    gc.collect()
    gc.freeze()  # collections in children then leave the shared pages alone
    control.sendall(json.dumps(answer).encode() + b"\n")
    if "failed" in answer:
        os._exit(1)
    _Zygote(control).serve()
