"""Every limit holds, says which one it was, and leaves the caller and the next call unharmed."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from qcrs.errors import CircuitError, InputError, SandboxError
from qcrs.sandbox import Limits, Sandbox

PROBE = "sandbox_probes:"


@pytest.mark.parametrize("size", [0, 1, 1000, 5_000_000])
def test_bytes_go_through(sandbox: Sandbox, size: int) -> None:
    payload = os.urandom(size)
    outcome = sandbox.run(PROBE + "echo", payload)
    assert outcome.data == payload
    assert outcome.cpu_seconds < 5
    assert 0 < outcome.wall_seconds < 10
    assert outcome.max_rss_bytes > 2**20


@pytest.mark.parametrize(
    ("probe", "payload", "changes", "field"),
    [
        ("spin", b"", {"cpu_seconds": 1}, "cpu_seconds"),
        ("spin", b"", {"wall_seconds": 0.3}, "wall_seconds"),
        ("allocate", b"1000000000", {}, "address_space_bytes"),
        ("allocate_natively", b"1000000000", {}, "address_space_bytes"),
        ("echo", b"x" * 2000, {"result_bytes": 1999}, "result_bytes"),
        ("abort", b"", {}, "signal"),
        ("segfault", b"", {}, "signal"),
        ("kill_self", b"", {}, "signal"),
        ("leave", b"9", {}, "signal"),
        ("raise_value_error", b"", {}, "exception"),
        ("raise_unlisted", b"", {}, "exception"),
        ("raise_panic", b"", {}, "exception"),
        ("exit_politely", b"", {}, "exception"),
        ("answer_text", b"", {}, "exception"),
        ("recursion", b"", {}, "exception"),
        ("no_such_function", b"", {}, "exception"),
    ],
)
def test_each_failure_is_a_clear_error(
    sandbox: Sandbox, probe: str, payload: bytes, changes: dict[str, float], field: str
) -> None:
    with pytest.raises(SandboxError) as caught:
        sandbox.call(PROBE + probe, payload, replace(sandbox.limits, **changes))
    assert caught.value.field == field
    assert caught.value.solution
    assert len(str(caught.value)) < 5_000
    assert sandbox.call(PROBE + "echo", b"still here") == b"still here"


def test_what_fits_is_not_refused(sandbox: Sandbox) -> None:
    assert sandbox.call(PROBE + "allocate", b"150000000") == b"150000000"
    assert (
        sandbox.call(PROBE + "echo", b"x" * 2000, replace(sandbox.limits, result_bytes=2000)) == b"x" * 2000
    )


def test_the_last_words_of_a_crash_are_told(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match=r"exit code 9.*some words on the way out"):
        sandbox.call(PROBE + "leave", b"9")
    with pytest.raises(SandboxError, match="SIGSEGV"):
        sandbox.call(PROBE + "segfault", b"")


def test_errors_of_the_tree_come_back_whole(sandbox: Sandbox) -> None:
    with pytest.raises(CircuitError) as caught:
        sandbox.call(PROBE + "raise_circuit_error", b"")
    error = caught.value
    assert (error.reason, error.field, error.value, error.solution) == (
        "too wide",
        "qubits",
        99,
        "use fewer",
    )


@pytest.mark.parametrize(
    "lie",
    [
        b"",
        b"R",
        b"R" + b"\xff" * 8 + b"x",
        b"R" + (5).to_bytes(8, "big") + b"four",
        b"X" + (1).to_bytes(8, "big") + b"x",
        b"E" + (2).to_bytes(8, "big") + b"{}",
        b"E" + (200_000).to_bytes(8, "big") + b"[" * 200_000,
        b"E" + (47).to_bytes(8, "big") + b'{"error":"__builtins__","reason":"x","field":1}',
        b"\0" * 100_000,
    ],
)
def test_a_lying_child_is_not_believed(sandbox: Sandbox, lie: bytes) -> None:
    with pytest.raises(SandboxError):
        sandbox.call(PROBE + "lie", lie)


def test_a_child_holds_only_its_own_descriptors(sandbox: Sandbox) -> None:
    kinds = json.loads(sandbox.call(PROBE + "descriptors", b""))
    sockets = [name for name, target in kinds.items() if target.startswith("socket:")]
    assert len(sockets) == 1
    assert not [target for target in kinds.values() if target.startswith("pipe:")]


def test_no_network_reaches_a_call(sandbox: Sandbox, make_sandbox: Callable[..., Sandbox]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1]).encode()
        isolation = sandbox.isolation()
        answer = sandbox.call(PROBE + "connect", port)
        assert (answer == b"connected") == (isolation.network == "shared")
        assert isolation.complete or isolation.reason
        allowed = make_sandbox(limits=Limits(network=True))
        assert allowed.isolation().network == "allowed"
        assert allowed.call(PROBE + "connect", port) == b"connected"
    with pytest.raises(InputError, match="network"):
        sandbox.call(PROBE + "connect", port, Limits(network=True))


def test_no_secret_of_the_environment_reaches_a_call(
    make_sandbox: Callable[..., Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QCRS_PASSWORD", "hunter2")
    seen = json.loads(make_sandbox(environment={"WANTED": "1"}).call(PROBE + "environment", b""))
    assert "QCRS_PASSWORD" not in seen
    assert seen["WANTED"] == "1"
    assert seen["OMP_NUM_THREADS"] == "1"


def test_privileges_are_dropped(sandbox: Sandbox) -> None:
    seen = json.loads(sandbox.call(PROBE + "capabilities", b""))
    assert int(seen["CapEff"], 16) == int(seen["CapPrm"], 16) == 0
    assert seen["NoNewPrivs"] == "1"


def test_files_are_limited(sandbox: Sandbox, tmp_path: Path) -> None:
    target = tmp_path / "big"
    with pytest.raises(SandboxError):
        sandbox.call(PROBE + "write_file", json.dumps([str(target), 20 * 2**20]).encode())
    assert target.stat().st_size <= sandbox.limits.file_bytes
    assert int(sandbox.call(PROBE + "open_many", b"")) < sandbox.limits.open_files


def test_children_share_no_random_numbers(sandbox: Sandbox) -> None:
    draws = [json.loads(sandbox.call(PROBE + "random_numbers", b"")) for _ in range(3)]
    assert len({first for first, _ in draws}) == len({second for _, second in draws}) == 3


def test_threads_are_given_to_openmp(make_sandbox: Callable[..., Sandbox]) -> None:
    aer = make_sandbox(preload=["qiskit_aer"], limits=Limits(threads=1))
    assert aer.call(PROBE + "omp_threads", b"") == b"1"
    assert aer.call(PROBE + "omp_threads", b"", Limits(threads=2)) == b"2"


def test_many_threads_call_at_once(sandbox: Sandbox) -> None:
    failures: list[str] = []

    def work(index: int) -> None:
        for step in range(6):
            payload = b"%d-%d " % (index, step) * 5_000
            if step == 3:
                try:
                    sandbox.call(PROBE + "abort", payload)
                    failures.append("an abort went unseen")
                except SandboxError:
                    continue
            elif sandbox.call(PROBE + "echo", payload) != payload:
                failures.append(f"{index}-{step}")

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_call_is_quick(sandbox: Sandbox) -> None:
    walls = sorted(sandbox.run(PROBE + "echo", b"x").wall_seconds for _ in range(15))
    assert walls[len(walls) // 2] < 0.1  # measured: 5 ms


@pytest.mark.parametrize("name", ["address_space_bytes", "cpu_seconds", "wall_seconds", "threads"])
def test_limits_are_positive(name: str) -> None:
    with pytest.raises(InputError):
        Limits(**{name: 0})
