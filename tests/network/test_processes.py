"""Real processes: started once, found again, ended by number, never a stranger's."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from qcrs.errors import ConfigError, NetworkError
from qcrs.network.processes import Process, Processes

SERVER = ["http.server", "0", "--bind", "127.0.0.1"]


def test_start_find_again_and_stop(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    first = processes.start("web", SERVER)
    processes.await_ready("web", lambda: "Serving" in processes.tail("web"))
    assert Processes(tmp_path).start("web", SERVER) == first
    assert Processes(tmp_path).all()["web"].alive
    assert processes.stop() == ["web"]
    assert not first.alive
    assert Processes(tmp_path).all() == {}


def test_killed_process_is_started_anew_under_its_name(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    first = processes.start("web", SERVER)
    processes.kill("web")
    assert not processes.all()["web"].alive
    second = processes.start("web", SERVER)
    assert second.pid != first.pid
    processes.stop()


def test_process_that_dies_while_starting_shows_its_log(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("broken", ["http.server", "not-a-port"])
    with pytest.raises(NetworkError, match="not-a-port"):
        processes.await_ready("broken", lambda: False)


def test_stubborn_process_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "stubborn.py"
    module.write_text(
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True)\nsignal.pause()\nsignal.pause()\n"
    )
    processes = Processes(tmp_path)
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    )
    process = processes.start("stubborn", ["stubborn"])
    processes.await_ready("stubborn", lambda: "up" in processes.tail("stubborn"))
    processes.stop(patience_s=0.2)
    assert not process.alive


def test_a_pid_that_now_belongs_to_another_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        stale = Process("node", stranger.pid, "1", ("node",))
        assert not stale.alive
        stale.signal(9)
        assert stranger.poll() is None
        assert replace(stale, pid=2**22 + 1).alive is False
    finally:
        assert stranger.stdin
        stranger.stdin.close()
        stranger.wait()


def test_one_command_at_a_time(tmp_path: Path) -> None:
    with (
        Processes(tmp_path).exclusive(),
        pytest.raises(ConfigError, match="another command"),
        Processes(tmp_path).exclusive(),
    ):
        raise AssertionError("two commands at once")


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "[3]", '[{"name": "chain"}]'])
def test_a_record_that_is_none_is_said_and_left_alone(tmp_path: Path, text: str) -> None:
    record = tmp_path / "processes.json"
    record.write_text(text)
    for act in (Processes(tmp_path).all, Processes(tmp_path).stop):
        with pytest.raises(ConfigError, match="cannot be read") as failure:
            act()
        assert failure.value.value == str(record)
    assert record.read_text() == text


def test_a_full_disk_is_told_from_other_ends(tmp_path: Path) -> None:
    """`/dev/full` gives the system's own error, as a full disk does."""
    processes = Processes(tmp_path)
    for line, remedy in (("open('/dev/full', 'wb', 0).write(b'x')", "free space"), ("1 / 0", "read ")):
        processes.start("chain", ["timeit", "-n1", "-r1", line])
        with pytest.raises(NetworkError, match="ended while starting") as failure:
            processes.await_ready("chain", lambda: False)
        assert str(failure.value.solution).startswith(remedy)
        processes.log("chain").unlink()
