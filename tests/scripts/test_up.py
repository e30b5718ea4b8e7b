"""The first command of a newcomer: the environment holds this checkout, and Ctrl-C ends what it started."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]

PATIENT = """
import signal, sys, time
from pathlib import Path

def end(_number, _frame):
    time.sleep(1)  # longer than an impatient parent waits
    Path(sys.argv[1]).write_text("cleaned up")
    sys.exit(130)

signal.signal(signal.SIGINT, end)
print("ready", flush=True)
signal.pause()
"""


def without_paths() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout of the script alone, with an environment that sees this one's packages."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copy(ROOT / "requirements.lock", tmp_path)
    venv.create(tmp_path / ".venv", with_pip=False)
    places = {"base": str(tmp_path / ".venv"), "platbase": str(tmp_path / ".venv")}
    packages = Path(sysconfig.get_path("purelib", scheme="venv", vars=places))
    (packages / "here.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return tmp_path


@pytest.fixture
def up(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("up", folder / "scripts" / "up.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (folder / ".venv" / ".lock-stamp").write_text(f"{module.digest(module.LOCK)} {folder}")
    return module


def stand_in(folder: Path, program: str) -> None:
    """What `python -m qcrs` runs in this folder."""
    (folder / "qcrs").mkdir()
    (folder / "qcrs" / "__init__.py").touch()
    (folder / "qcrs" / "__main__.py").write_text(program)


def ran(words: list[str], cwd: Path) -> str:
    done = subprocess.run(words, cwd=cwd, env=without_paths(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_environment_holds_checkout_and_command(folder: Path, up: ModuleType) -> None:
    (folder / "qcrs").symlink_to(ROOT / "qcrs")
    up.enter_checkout()
    program = "import qcrs; print(qcrs.QCRSProvider.__name__, qcrs.__path__[0])"
    found = ran([str(up.PYTHON), "-c", program], cwd=Path("/"))
    assert found == f"QCRSProvider {folder / 'qcrs'}"
    assert ran([str(folder / ".venv/bin/qcrs"), "--version"], cwd=Path("/")) == "0.1.0"


def test_a_ready_environment_is_taken_as_it_is_and_a_moved_one_is_not(
    up: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    up.ensure_environment()
    assert capsys.readouterr().err == ""
    stamp = up.VENV / ".lock-stamp"
    stamp.write_text(stamp.read_text().rpartition(" ")[0] + " /elsewhere")

    def nothing_more(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(up.venv, "create", lambda *_, **__: nothing_more())
    with pytest.raises(KeyboardInterrupt):
        up.ensure_environment()
    assert "moved environment is removed" in capsys.readouterr().err
    assert not up.VENV.exists()


@pytest.mark.usefixtures("up")
def test_what_ctrl_c_ends_has_the_time_to_clean_up(folder: Path) -> None:
    stand_in(folder, PATIENT)
    words = [sys.executable, str(folder / "scripts" / "up.py"), str(folder / "trace")]
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=without_paths(),
        cwd=folder,
        start_new_session=True,
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
        os.killpg(child.pid, signal.SIGINT)
        _out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in err
    assert (folder / "trace").read_text() == "cleaned up"


@pytest.mark.usefixtures("up")
def test_a_night_begins_with_the_toolchain(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In a fresh clone nobody has installed it; `npm` is a stand-in that tells what it was asked for."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, folder)
    programs = tmp_path_factory.mktemp("bin")
    (programs / "node").symlink_to(sys.executable)
    (programs / "npm").write_text('#!/bin/sh\nmkdir node_modules && echo "$@" > node_modules/asked\n')
    (programs / "npm").chmod(0o755)
    paths = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        ["bash", "scripts/nightly.sh"],
        cwd=folder, env=without_paths() | {"PATH": paths}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (folder / "node_modules" / "asked").read_text() == "install --ignore-scripts --no-save\n"
    assert (folder / "node_modules" / ".lock-stamp").exists()
    first, *steps = done.stderr.splitlines()[:1] + done.stdout.splitlines()
    assert "toolchain" in first
    assert steps[0] == "• nightly"


@pytest.mark.usefixtures("up")
def test_exit_codes_are_the_command_s_own(folder: Path) -> None:
    stand_in(folder, "import sys; print(*sys.argv[1:]); sys.exit(6)")
    words = [sys.executable, str(folder / "scripts" / "up.py"), "verify", "1"]
    done = subprocess.run(words, capture_output=True, text=True, env=without_paths(), cwd=folder, check=False)
    assert (done.returncode, done.stdout) == (6, "verify 1\n")
