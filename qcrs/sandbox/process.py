"""The caller's side: start the zygote, hand it calls, believe only bytes.

    with Sandbox(preload=["qiskit.qasm2"], limits=Limits()) as sandbox:
        answer = sandbox.call("package.module:function", payload)

The function takes bytes and gives bytes. An error of the project's tree that it raises comes back as
that error; anything else (a crash, a limit, a foreign exception) as `SandboxError`, whose `field` names
the limit: `address_space_bytes`, `cpu_seconds`, `wall_seconds`, `result_bytes`, or `signal`, `exception`,
`zygote`. A zygote that dies is replaced and its calls are made once more. Calls may come from many threads.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from qcrs import errors
from qcrs.errors import InputError, QCRSError, SandboxError
from qcrs.sandbox.child import ANSWER, ERROR, EXIT_MEMORY, HEAD, RESULT
from qcrs.sandbox.limits import Isolation, Limits, Outcome
from qcrs.sandbox.zygote import REQUEST
from qcrs.types import parse_canonical

__all__ = ["Sandbox"]

_START_SECONDS = 120.0
_GRACE_SECONDS = 10.0  # beyond a call's wall limit: then the zygote itself must be stuck
_CHUNK = 1 << 18
_STATUS_LIMIT = 1 << 16
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
_ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1"),
    "QISKIT_PARALLEL": "FALSE",
    "QISKIT_IN_PARALLEL": "TRUE",  # Qiskit then leaves its thread pool alone, which does not survive a fork
    "MALLOC_ARENA_MAX": "2",  # arenas reserve address space, which is limited
}
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]);"
    "from qcrs.sandbox.zygote import main; main(int(sys.argv[1]))"
)


class _ZygoteGoneError(Exception):
    """The zygote ended before it could report on a call."""


class _Zygote:
    """One zygote process and the socket to it."""

    def __init__(self, preload: Sequence[str], network: bool, environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        paths = [str(Path(entry).absolute()) if entry else str(Path.cwd()) for entry in sys.path]
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603  # our own interpreter and our own program
                [sys.executable, "-I", "-c", _BOOT, str(theirs.fileno()), json.dumps(paths)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**kept, **_ONE_THREAD, **environment},
                cwd="/",
                start_new_session=True,
            )
        settings = json.dumps({"preload": list(preload), "network": network, "parent": os.getpid()}).encode()
        self._control.sendall(struct.pack("!Q", len(settings)) + settings)
        self._lock = threading.Lock()
        self._isolation: Isolation | None = None

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ready(self) -> Isolation:
        """Wait until everything is preloaded; `SandboxError` where that fails."""
        with self._lock:
            if self._isolation is not None:
                return self._isolation
            self._control.settimeout(_START_SECONDS)
            line = b""
            try:
                while not line.endswith(b"\n"):
                    part = self._control.recv(4096)
                    if not part:
                        break
                    line += part
            except TimeoutError:
                line = b""
            self._control.settimeout(None)
            answer = json.loads(line or b'{"failed": {"reason": "the process ended or did not answer"}}')
            if "failed" in answer:
                self.close()
                raise _rebuilt(answer["failed"]) or SandboxError(
                    f"a limited process cannot start: {answer['failed'].get('reason')}",
                    field="zygote",
                    solution="check that the modules it preloads are installed and import without threads",
                )
            self._isolation = Isolation(**answer)
            return self._isolation

    def request(self, channel: socket.socket, status: int, wall_seconds: float) -> None:
        """Hand a call's two descriptors over."""
        with self._lock:
            try:
                socket.send_fds(self._control, [REQUEST.pack(wall_seconds)], [channel.fileno(), status])
            except OSError as error:
                raise _ZygoteGoneError from error

    def close(self) -> None:
        """End the process; its children end with it."""
        if self._isolation is None:
            self.process.kill()  # it preloads still, has no children yet, and would look only afterwards
        self._control.close()  # it ends its children and itself when it sees this
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class _Holder:
    """The current zygote, apart from `Sandbox`, so that a forgotten sandbox can be closed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.zygote: _Zygote | None = None
        self.closed = False

    def close(self) -> None:
        with self.lock:
            self.closed = True
            zygote, self.zygote = self.zygote, None
        if zygote is not None:
            zygote.close()


class Sandbox:
    """Limited child processes for calls of `module:function` on bytes."""

    def __init__(
        self,
        preload: Sequence[str] = (),
        limits: Limits | None = None,
        name: str = "sandbox",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing starts before the first call or `start`.

        `preload` entries are `module`, `module:function` (called once without arguments) or
        `module:function=text` (called with the text). Of the environment only the locale, home, path and
        temporary folder reach the child, and what `environment` adds.
        """
        self.preload = tuple(preload)
        self.limits = limits or Limits()
        self.name = name
        self._environment = dict(environment or {})
        self._holder = _Holder()
        self._finalizer = weakref.finalize(self, self._holder.close)

    def __repr__(self) -> str:
        return f"Sandbox({self.name!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Begin to preload without waiting for the end of it."""
        self._current()

    def close(self) -> None:
        """End all calls and processes. Further calls are errors."""
        self._finalizer()

    def isolation(self) -> Isolation:
        """What holds on this machine; starts the zygote where there is none."""
        return self._current().ready()

    def zygote_pid(self) -> int:
        """Process id of the zygote, for supervision."""
        return self._current().process.pid

    def call(self, function: str, payload: bytes, limits: Limits | None = None) -> bytes:
        """The answer of `function` (`module:name`) to `payload`; see the module's text for errors."""
        return self.run(function, payload, limits).data

    def run(self, function: str, payload: bytes, limits: Limits | None = None) -> Outcome:
        """As `call`, with what the call used."""
        limits = limits or self.limits
        if limits.network != self.limits.network:
            raise InputError(
                "a sandbox has one network setting for all its calls",
                field="network",
                value=limits.network,
                solution="make a second sandbox with the other setting",
            )
        for _attempt in range(2):
            zygote = self._current()
            zygote.ready()
            try:
                return _Call(self.name, function, limits).make(zygote, payload)
            except _ZygoteGoneError:
                self._discard(zygote)
        raise SandboxError(
            f"{self.name}: the process that makes limited children ended twice during one call",
            field="zygote",
            solution="the call itself may end it: see what it was given; or memory ran out on this machine",
        )

    def _current(self) -> _Zygote:
        with self._holder.lock:
            if self._holder.closed:
                raise SandboxError(
                    f"{self.name} is closed", field="zygote", solution="make a new Sandbox for further calls"
                )
            zygote = self._holder.zygote
            if zygote is not None and not zygote.alive:
                zygote.close()
                zygote = None
            if zygote is None:
                zygote = _Zygote(self.preload, self.limits.network, self._environment)
                self._holder.zygote = zygote
            return zygote

    def _discard(self, zygote: _Zygote) -> None:
        with self._holder.lock:
            if self._holder.zygote is zygote:
                self._holder.zygote = None
        zygote.close()


class _Call:
    """One call, from request to report."""

    def __init__(self, name: str, function: str, limits: Limits) -> None:
        self._name = name
        self._function = function
        self._limits = limits

    def make(self, zygote: _Zygote, payload: bytes) -> Outcome:
        """Hand over, exchange bytes until the zygote reports the child's end, then judge."""
        ours, theirs = socket.socketpair()
        status_read, status_write = os.pipe()
        try:
            try:
                zygote.request(theirs, status_write, self._limits.wall_seconds)
            finally:
                theirs.close()
                os.close(status_write)
            header = json.dumps({"function": self._function, "limits": self._limits.as_json()}).encode()
            head = HEAD.pack(len(header), len(payload)) + header
            answer, status = self._exchange(zygote, ours, status_read, [head, payload])
        finally:
            ours.close()
            os.close(status_read)
        return self._judge(answer, status)

    def _exchange(
        self, zygote: _Zygote, channel: socket.socket, status_read: int, parts: list[bytes]
    ) -> tuple[bytearray, dict[str, Any]]:
        """Send the call while taking the answer and the report, whichever comes; never waits for good."""
        deadline = time.monotonic() + self._limits.wall_seconds + _GRACE_SECONDS
        longest = ANSWER.size + self._limits.result_bytes
        outgoing = [memoryview(part) for part in parts if part]
        answer, status = bytearray(), bytearray()
        channel.setblocking(False)
        poll = select.poll()
        poll.register(channel, select.POLLIN | select.POLLOUT)
        poll.register(status_read, select.POLLIN)
        while not status.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0:
                zygote.process.kill()
                raise self._error("did not end by its limit and was ended by force", "wall_seconds")
            for descriptor, event in poll.poll(left * 1000 + 1):
                if descriptor == status_read:
                    part = os.read(status_read, 4096)
                    if not part or len(status) > _STATUS_LIMIT:
                        raise _ZygoteGoneError
                    status += part
                    continue
                if event & select.POLLOUT and outgoing:
                    outgoing = _send(channel, outgoing)
                open_still = _take(channel, answer, longest)
                if not open_still or len(answer) > longest:
                    poll.unregister(channel)
                    channel.shutdown(socket.SHUT_RDWR) if open_still else None
                elif not outgoing:
                    poll.modify(channel, select.POLLIN)
        _take(channel, answer, longest)
        return answer, json.loads(status)

    def _judge(self, answer: bytearray, status: dict[str, Any]) -> Outcome:
        """The outcome, or the error that the answer or the manner of death means."""
        if "fork_error" in status:
            raise self._error(f"could not start: {status['fork_error']}", "zygote")
        if len(answer) > ANSWER.size + self._limits.result_bytes:
            raise self._error("gave too large an answer", "result_bytes")
        if status["code"] == 0 and len(answer) >= ANSWER.size:
            kind, length = ANSWER.unpack_from(answer)
            data = bytes(memoryview(answer)[ANSWER.size :])
            if length == len(data) and kind == RESULT:
                return Outcome(
                    data, status["cpu_seconds"], status["wall_seconds"], int(status["max_rss_bytes"])
                )
            if length == len(data) and kind == ERROR:
                self._raise_described(data)
        raise self._death(status)

    def _death(self, status: dict[str, Any]) -> SandboxError:
        code, output = int(status["code"]), str(status["output"])
        if status["ended"] == "wall":
            return self._error("took too long", "wall_seconds")
        if code == -signal.SIGXCPU or (
            code == -signal.SIGKILL and status["cpu_seconds"] >= self._limits.cpu_seconds
        ):
            return self._error("used too much processor time", "cpu_seconds")
        words = ("memory allocation of", "bad_alloc", "MemoryError", "annot allocate memory", "out of memory")
        if code == EXIT_MEMORY or any(word in output for word in words):
            return self._error("needs too much memory", "address_space_bytes")
        cause = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        last = output.strip().rpartition("\n")[2][:300]
        return self._error(f"crashed ({cause}){': ' if last else ''}{last}", "signal", cause)

    def _error(self, what: str, field: str, value: object = None) -> SandboxError:
        remedies = {
            "signal": "its input made it crash: check where the input comes from",
            "exception": "its input made it fail: check where the input comes from",
            "zygote": "see whether this machine is out of processes or memory",
        }
        return SandboxError(
            f"{self._name}: {self._function} {what}",
            field=field,
            value=getattr(self._limits, field, value),
            solution=remedies.get(field, "give it a smaller input, or raise this limit"),
        )

    def _raise_described(self, data: bytes) -> NoReturn:
        """Rebuild an error from the child's description; only classes of the project's own tree are made."""
        try:
            described = parse_canonical(data)
            name, reason = str(described["error"])[:100], str(described["reason"])[:4000]
        except (InputError, KeyError, TypeError, AttributeError) as error:
            raise self._error("answered with something unreadable", "signal") from error
        raise _rebuilt(described) or self._error(f"failed: {reason}", "exception", name)


def _rebuilt(described: Mapping[str, Any]) -> QCRSError | None:
    """An error of the project's own tree from a child's description; None where it was a foreign one."""
    name = str(described.get("error"))
    kind = getattr(errors, name, None) if name in errors.__all__ else None
    if described.get("foreign") or kind is None or kind is errors.ContractError:
        return None
    details = {key: described.get(key) for key in ("field", "value", "solution")}
    texts = {key: item if type(item) is int else item and str(item)[:4000] for key, item in details.items()}
    built: QCRSError = kind(str(described.get("reason"))[:4000], **texts)
    return built


def _send(channel: socket.socket, parts: list[memoryview]) -> list[memoryview]:
    """Send what goes without waiting; gives what is left, nothing once the other side is gone."""
    try:
        while parts:
            count = channel.send(parts[0][:_CHUNK])
            parts = [parts[0][count:], *parts[1:]] if count < len(parts[0]) else parts[1:]
    except BlockingIOError:
        return parts
    except OSError:
        return []
    return parts


def _take(channel: socket.socket, answer: bytearray, longest: int) -> bool:
    """Take what has come, a little over `longest` bytes at most; False once the other side is done."""
    try:
        while len(answer) <= longest:
            part = channel.recv(_CHUNK)
            if not part:
                return False
            answer += part
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True
