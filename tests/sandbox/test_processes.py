"""Who outlives whom: nothing outlives its parent, and the caller outlives everything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from qcrs.errors import BackendError, SandboxError
from qcrs.sandbox import Isolation, Limits, Sandbox, linux

PROBE = "sandbox_probes:"
Gone = Callable[[int], bool]
Until = Callable[[Callable[[], object]], None]


def number_in(file: Path) -> int:
    text = file.read_text() if file.exists() else ""
    return int(text) if text.endswith("\n") else 0


def hanging(sandbox: Sandbox, file: Path, until: Until) -> tuple[threading.Thread, int, list[BaseException]]:
    """A call that never ends, in a thread: the thread, the child's process id, and where its error goes."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            sandbox.call(PROBE + "hang", str(file).encode())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: number_in(file))
    return thread, number_in(file), errors


def test_preload_happens_once(make_sandbox: Callable[..., Sandbox]) -> None:
    sandbox = make_sandbox(preload=["json", "sandbox_probes:remember=a device=noisy"])
    for _ in range(2):
        assert json.loads(sandbox.call(PROBE + "preloaded", b"")) == ["a device=noisy"]
    first, second = (json.loads(sandbox.call(PROBE + "pids", b"")) for _ in range(2))
    assert first[0] != second[0]
    assert first[1] == second[1] == sandbox.zygote_pid()


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("no_such_module", "No module named"),
        ("sandbox_probes:fail_to_preload", "no such device"),
        ("sandbox_probes:start_a_thread", "threads"),
    ],
)
def test_a_preload_that_fails_says_why(make_sandbox: Callable[..., Sandbox], entry: str, reason: str) -> None:
    with pytest.raises(SandboxError, match=reason) as caught:
        make_sandbox(preload=[entry]).call(PROBE + "echo", b"")
    assert caught.value.field == "zygote"


def test_a_preload_that_refuses_is_told_in_its_own_words(make_sandbox: Callable[..., Sandbox]) -> None:
    with pytest.raises(BackendError, match="no such device") as caught:
        make_sandbox(preload=["sandbox_probes:refuse_to_preload=abacus"]).call(PROBE + "echo", b"")
    assert (caught.value.field, caught.value.value) == ("backend", "abacus")
    assert caught.value.solution == "name another"


def test_a_sandbox_closes_while_it_still_preloads(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, gone: Gone, until: Until
) -> None:
    begun = tmp_path / "begun"
    sandbox = make_sandbox(preload=[f"sandbox_probes:preload_for_a_minute={begun}"])
    sandbox.start()
    zygote = sandbox.zygote_pid()
    until(begun.exists)
    sandbox.close()
    assert gone(zygote)


def test_kill_9_of_the_zygote_recovers_and_takes_its_children(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, until: Until, gone: Gone
) -> None:
    sandbox = make_sandbox(limits=Limits(wall_seconds=60))
    thread, child, errors = hanging(sandbox, tmp_path / "pid", until)
    zygote = sandbox.zygote_pid()
    (tmp_path / "pid").unlink()
    os.kill(zygote, signal.SIGKILL)
    until(lambda: gone(zygote) and gone(child))
    assert sandbox.call(PROBE + "echo", b"again") == b"again"
    assert sandbox.zygote_pid() != zygote
    until(lambda: number_in(tmp_path / "pid"))  # the interrupted call was made once more
    assert errors == []
    sandbox.close()
    thread.join(20)
    assert not thread.is_alive()
    assert isinstance(errors[0], SandboxError)


def test_a_call_that_kills_the_zygote_ends_in_an_error(make_sandbox: Callable[..., Sandbox]) -> None:
    sandbox = make_sandbox()
    with pytest.raises(SandboxError, match="ended twice"):
        sandbox.call(PROBE + "kill_zygote", b"")
    assert sandbox.call(PROBE + "echo", b"x") == b"x"


def test_a_stopped_zygote_does_not_hang_the_caller(
    make_sandbox: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qcrs.sandbox.process._GRACE_SECONDS", 0.5)
    sandbox = make_sandbox(limits=Limits(wall_seconds=0.5))
    assert sandbox.call(PROBE + "echo", b"x") == b"x"
    os.kill(sandbox.zygote_pid(), signal.SIGSTOP)
    with pytest.raises(SandboxError, match="by force"):
        sandbox.call(PROBE + "echo", b"x")
    assert sandbox.call(PROBE + "echo", b"x") == b"x"


def test_closing_ends_everything(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, until: Until, gone: Gone
) -> None:
    sandbox = make_sandbox(limits=Limits(wall_seconds=60))
    thread, child, errors = hanging(sandbox, tmp_path / "pid", until)
    zygote = sandbox.zygote_pid()
    sandbox.close()
    until(lambda: gone(zygote) and gone(child))
    thread.join(20)
    assert isinstance(errors[0], SandboxError)
    with pytest.raises(SandboxError, match="closed"):
        sandbox.call(PROBE + "echo", b"")
    sandbox.close()


def test_a_forgotten_sandbox_is_closed(
    make_sandbox: Callable[..., Sandbox], until: Until, gone: Gone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "probes"))
    sandbox = Sandbox()
    assert sandbox.call(PROBE + "echo", b"x") == b"x"
    zygote = sandbox.zygote_pid()
    del sandbox
    until(lambda: gone(zygote))


def test_no_orphans_after_kill_9_of_the_caller(tmp_path: Path, until: Until, gone: Gone) -> None:
    file = tmp_path / "pid"
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent / "probes")!r})
from qcrs.sandbox import Isolation, Limits, Sandbox, linux
sandbox = Sandbox(limits=Limits(wall_seconds=300))
print(sandbox.zygote_pid(), flush=True)
sandbox.call("sandbox_probes:hang", {str(file).encode()!r})
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        zygote = int(caller.stdout.readline())
        until(lambda: number_in(file))
        child = number_in(file)
        assert not gone(zygote)
        assert not gone(child)
        caller.kill()
    until(lambda: gone(zygote) and gone(child))


def test_no_orphans_when_the_caller_dies_during_preload(tmp_path: Path, until: Until, gone: Gone) -> None:
    started = tmp_path / "started"
    (tmp_path / "slow_module.py").write_text(
        f"import pathlib, time\npathlib.Path({str(started)!r}).touch()\ntime.sleep(120)\n"
    )
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from qcrs.sandbox import Sandbox
sandbox = Sandbox(preload=["slow_module"])
print(sandbox.zygote_pid(), flush=True)
sandbox.isolation()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        zygote = int(caller.stdout.readline())
        until(started.exists)
        assert not gone(zygote)
        caller.kill()
    until(lambda: gone(zygote))


def test_what_a_call_leaves_behind_is_ended(
    make_sandbox: Callable[..., Sandbox], tmp_path: Path, until: Until, gone: Gone
) -> None:
    file = tmp_path / "pid"
    sandbox = make_sandbox()
    assert sandbox.call(PROBE + "leave_a_grandchild", str(file).encode()) == b"left"
    grandchild = number_in(file)
    assert grandchild
    until(lambda: gone(grandchild))
    assert sandbox.call(PROBE + "echo", b"x") == b"x"


UNPRIVILEGED = """
import socket, sys
sys.path.insert(0, sys.argv[1])
from qcrs.sandbox import Sandbox, linux
assert linux.drop_privileges()
with socket.create_server(("127.0.0.1", 0)) as server, Sandbox() as sandbox:
    port = str(server.getsockname()[1]).encode()
    isolation = sandbox.isolation()
    assert isolation.network != "namespace", isolation
    assert isolation.complete or isolation.reason, isolation
    reached = sandbox.call("sandbox_probes:connect", port) == b"connected"
    assert reached == (isolation.network == "shared"), isolation
    assert sandbox.call("sandbox_probes:echo", b"x") == b"x"
    print(isolation.network)
"""


def test_without_privileges_the_sandbox_works_and_says_what_holds() -> None:
    probes = str(Path(__file__).parent / "probes")
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, probes], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("user namespace", "shared")


def test_a_kernel_that_refuses_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        """A libc whose kernel permits no namespaces, as in many containers."""

        @staticmethod
        def unshare(_flags: int) -> int:
            return -1

    monkeypatch.setattr(linux, "_libc", Refusing())
    network, reason = linux.leave_network()
    assert network == "shared"
    assert "not permitted" in reason
    assert not Isolation(network, memory_limited=True, dies_with_parent=True, reason=reason).complete
