"""The life of one limited child: take limits, read the call, run it, answer, end.

Runs after a fork of the zygote (`qcrs.sandbox.zygote`) and never returns from `live`. What it reads and
writes is bytes and JSON; its parent believes nothing else of it.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import math
import os
import resource
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any, NoReturn

from qcrs.errors import QCRSError
from qcrs.sandbox import linux
from qcrs.types import canonical_json

__all__ = ["ANSWER", "ERROR", "EXIT_BROKEN", "EXIT_MEMORY", "HEAD", "RESULT", "describe", "live"]

HEAD = struct.Struct("!QQ")
"""Before a call: lengths of the JSON header and of the payload."""
ANSWER = struct.Struct("!cQ")
"""Before an answer: `RESULT` or `ERROR`, and its length."""
RESULT, ERROR = b"R", b"E"

EXIT_MEMORY, EXIT_BROKEN = 77, 70
_TEXT_LIMIT = 2_000


def _receive(channel: socket.socket, length: int) -> bytearray:
    data = bytearray(length)
    view = memoryview(data)
    while view:
        count = channel.recv_into(view)
        if count == 0:
            raise EOFError("the caller hung up")
        view = view[count:]
    return data


def _take_limits(limits: dict[str, Any]) -> None:
    """Lower every limit of this process; none can be raised again without privileges, which go too."""
    held = linux.current_address_space()
    if held is not None:
        space = held + int(limits["address_space_bytes"])
        resource.setrlimit(resource.RLIMIT_AS, (space, space))
    seconds = math.ceil(limits["cpu_seconds"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(limits["open_files"]),) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limits["file_bytes"]),) * 2)
    linux.drop_privileges()


def _use_threads(threads: int) -> None:
    """Let OpenMP libraries, loaded by a zygote that allows them one thread, use `threads` here."""
    if threads == 1:
        return
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return
    libraries = {
        line.split(maxsplit=5)[5] for line in maps.splitlines() if "libgomp" in line or "libomp" in line
    }
    for library in libraries:
        ctypes.CDLL(library).omp_set_num_threads(threads)


def _reseed() -> None:
    """Children of one zygote must not share random numbers (Python's own generator reseeds itself)."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def describe(error: BaseException) -> bytes:
    """An error as the JSON the parent rebuilds it from; texts are cut, nothing is pickled."""
    described: dict[str, object]
    if isinstance(error, QCRSError):
        described = {
            name: text if text is None else str(text)[:_TEXT_LIMIT] for name, text in error.as_json().items()
        }
        if type(error.value) is int and error.value.bit_length() <= 256:
            described["value"] = error.value
    else:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        described = {"error": type(error).__name__, "foreign": True, "reason": text[:_TEXT_LIMIT]}
    return canonical_json(described)


def _run(function: str, payload: bytes) -> bytes:
    module, _, name = function.partition(":")
    target: Any = importlib.import_module(module)
    for part in name.split("."):
        target = getattr(target, part)
    answer = target(payload)
    if not isinstance(answer, (bytes, bytearray)):
        raise TypeError(f"{function} must give bytes, not {type(answer).__name__}")
    return bytes(answer)


def live(channel: socket.socket, zygote: int, output: int) -> NoReturn:
    """Serve the one call that comes through `channel`, then end; `output` takes what the call prints."""
    code = EXIT_BROKEN
    try:
        os.setsid()
        linux.die_with_parent(signal.SIGKILL)
        if os.getppid() != zygote:  # it ended between fork and the line above
            os._exit(EXIT_BROKEN)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        header_length, payload_length = HEAD.unpack(_receive(channel, HEAD.size))
        header = json.loads(_receive(channel, header_length))
        _take_limits(header["limits"])
        sys.setrecursionlimit(1000)
        _use_threads(int(header["limits"]["threads"]))
        _reseed()
        kind, answer = RESULT, b""
        try:
            answer = _run(header["function"], bytes(_receive(channel, payload_length)))
        except MemoryError:
            os._exit(EXIT_MEMORY)
        except BaseException as error:  # PanicException of Rust libraries is no Exception
            kind, answer = ERROR, describe(error)
        channel.sendall(ANSWER.pack(kind, len(answer)))
        channel.sendall(answer)
        code = 0
    except MemoryError:
        code = EXIT_MEMORY
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode()[:_TEXT_LIMIT])
    finally:
        os._exit(code)
