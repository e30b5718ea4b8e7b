"""What calls in a limited child may try. Every function takes bytes and gives bytes, as real ones do."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from qcrs.errors import BackendError, CircuitError, QCRSError

PRELOADED: list[str] = []


def remember(text: str) -> None:
    PRELOADED.append(text)


def fail_to_preload() -> None:
    raise RuntimeError("no such device")


def refuse_to_preload(device: str) -> None:
    raise BackendError("no such device", field="backend", value=device, solution="name another")


def preload_for_a_minute(begun: str) -> None:
    Path(begun).touch()
    time.sleep(60)


def start_a_thread() -> None:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()


def preloaded(_payload: bytes) -> bytes:
    return json.dumps(PRELOADED).encode()


def echo(payload: bytes) -> bytes:
    return payload


def pids(_payload: bytes) -> bytes:
    return json.dumps([os.getpid(), os.getppid()]).encode()


def hang(payload: bytes) -> bytes:
    """Tell our process id through a file, then never end."""
    with open(payload, "w") as file:
        file.write(f"{os.getpid()}\n")
    while True:
        time.sleep(1000)


def spin(_payload: bytes) -> bytes:
    while True:
        pass


def allocate(payload: bytes) -> bytes:
    return b"%d" % len(bytearray(int(payload)))


def allocate_natively(payload: bytes) -> bytes:
    import numpy

    return b"%d" % numpy.ones(int(payload), dtype=numpy.uint8).sum()


def abort(_payload: bytes) -> bytes:
    os.abort()


def segfault(_payload: bytes) -> bytes:
    ctypes.string_at(0)
    return b""


def kill_self(_payload: bytes) -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def kill_zygote(_payload: bytes) -> bytes:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
    return b""


def leave(payload: bytes) -> bytes:
    sys.stderr.write("some words on the way out\n")
    sys.stderr.flush()
    os._exit(int(payload))


def raise_circuit_error(_payload: bytes) -> bytes:
    raise CircuitError("too wide", field="qubits", value=99, solution="use fewer")


def raise_value_error(_payload: bytes) -> bytes:
    raise ValueError("x" * 10_000)


class UnlistedError(QCRSError):
    """Not a class of the tree."""


def raise_unlisted(_payload: bytes) -> bytes:
    raise UnlistedError("mine")


class Panic(BaseException):
    """As Rust libraries raise."""


def raise_panic(_payload: bytes) -> bytes:
    raise Panic("a Rust library gave up")


def exit_politely(_payload: bytes) -> bytes:
    sys.exit(3)


def answer_text(_payload: bytes) -> bytes:
    return "text"  # type: ignore[return-value]  # the fault that is tested


def lie(payload: bytes) -> bytes:
    """Write raw bytes into the call's channel, in the place of an answer."""
    for name in os.listdir("/proc/self/fd"):
        try:
            channel = socket.socket(fileno=os.dup(int(name)))
            if channel.family == socket.AF_UNIX:
                channel.sendall(payload)
        except OSError:
            continue
    os._exit(0)


def descriptors(_payload: bytes) -> bytes:
    kinds = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            kinds[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
    return json.dumps(kinds).encode()


def connect(payload: bytes) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", int(payload)), timeout=2):
            return b"connected"
    except OSError as error:
        return type(error).__name__.encode()


def environment(_payload: bytes) -> bytes:
    return json.dumps(dict(os.environ)).encode()


def capabilities(_payload: bytes) -> bytes:
    with open("/proc/self/status") as file:
        lines = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    return json.dumps({name: lines[name].strip() for name in ("CapEff", "CapPrm", "NoNewPrivs")}).encode()


def write_file(payload: bytes) -> bytes:
    path, size = json.loads(payload)
    with open(path, "wb") as file:
        file.write(b"x" * size)
        file.flush()
    return b"written"


def open_many(_payload: bytes) -> bytes:
    files = []
    try:
        for _ in range(10_000):
            files.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        return b"%d" % len(files)
    return b"no limit"


def recursion(_payload: bytes) -> bytes:
    def down(n: int) -> int:
        return down(n + 1)

    return b"%d" % down(0)


def leave_a_grandchild(payload: bytes) -> bytes:
    """Fork something that outlives us, in a session of its own, twice removed."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open(payload, "w") as file:
                file.write(f"{os.getpid()}\n")
            time.sleep(600)
        os._exit(0)
    while not os.path.exists(payload) or not os.path.getsize(payload):
        time.sleep(0.005)
    return b"left"


def omp_threads(_payload: bytes) -> bytes:
    """What OpenMP would use, asked of the library that Aer brings along."""
    import qiskit_aer  # noqa: F401  # loads the library

    with open("/proc/self/maps") as maps:
        library = next(line.split(maxsplit=5)[5].strip() for line in maps if "libgomp" in line)
    return b"%d" % ctypes.CDLL(library).omp_get_max_threads()


def random_numbers(_payload: bytes) -> bytes:
    import random

    import numpy

    return json.dumps([random.random(), float(numpy.random.rand())]).encode()
