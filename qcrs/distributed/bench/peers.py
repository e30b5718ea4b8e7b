"""Peer planners in environments of their own: the pairs that they need for a circuit.

memq-dqc 0.1.3 is on PyPI. pytket-dqc and DISQCO are source only (neither has a release there), so they are
not run. The peer gets each circuit in two bases and all of its algorithms; its best result counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit, qasm3, transpile

from qcrs.errors import ConfigError

__all__ = ["PEER", "PeerResult", "peer_pairs", "peer_python"]

PEER = "memq-dqc==0.1.3"
LIMIT_S = 240
FORMS = {
    "phases": ["h", "rz", "rx", "ry", "u", "cx", "cz", "cp"],
    "cx": ["rz", "sx", "x", "cx"],
}
SCRIPT = Path(__file__).parent / "peer_scripts" / "memq.py"


@dataclass(frozen=True, slots=True)
class PeerResult:
    """Fewest pairs of a peer, and how; None and why where it found no plan."""

    pairs: int | None
    how: str


def peer_python(say: Callable[[str], None]) -> Path:
    """The interpreter of the peer's environment below the cache folder, made if it is missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    home = cache / "qcrs" / "bench" / PEER.replace("==", "-")
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        say(f"installing {PEER} into {home} (minutes)")
        venv.create(home, with_pip=True, clear=True)
        words = [str(python), "-m", "pip", "install", "-q", PEER, "qiskit==2.6.2"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise ConfigError(
                "a peer cannot be installed",
                field="peer",
                value=PEER,
                solution="check the connection to PyPI, or run with --no-peer: "
                + (done.stderr.strip().splitlines() or ["no reason given"])[-1],
            )
        (home / "ready").touch()
    return python


def peer_network(sizes: list[int], links: int) -> dict[str, Any]:
    """Processors in the peer's format, all joined."""
    processors, qubits = {}, {}
    for p, size in enumerate(sizes):
        data = [f"q_{p}_{i}" for i in range(size)]
        comm = [f"c_{p}_{i}" for i in range(links)]
        processors[str(p)] = {"id": p, "qubits": {"computation": data, "communication": comm}}
        for kind, names in (("computation", data), ("communication", comm)):
            for index, name in enumerate(names):
                far = [f"c_{o}_{i}" for o in range(len(sizes)) if o != p for i in range(links)]
                qubits[name] = {
                    "id": name,
                    "kind": kind,
                    "type": kind,
                    "processorId": p,
                    "localIndex": index,
                    "label": name,
                    "localConnections": [other for other in (*data, *comm) if other != name],
                    "remoteConnections": far if kind == "communication" else [],
                }
    return {"processors": processors, "qubits": qubits}


def peer_pairs(python: Path, circuit: QuantumCircuit, sizes: list[int], links: int) -> PeerResult:
    """The peer's best result for a circuit."""
    found: list[tuple[int, str]] = []
    problems = []
    for form, gates in FORMS.items():
        plain = transpile(circuit, basis_gates=gates, optimization_level=0)
        plain.measure_all()
        for algorithm, result in _run(python, plain, sizes, links).items():
            if result.get("pairs") is None:
                problems.append(str(result.get("error", "no result")))
            else:
                found.append((int(result["pairs"]), f"{algorithm}, {form}"))
    return PeerResult(*min(found)) if found else PeerResult(None, problems[0])


def _run(python: Path, circuit: QuantumCircuit, sizes: list[int], links: int) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        network, program = Path(folder, "network.json"), Path(folder, "circuit.qasm")
        network.write_text(json.dumps(peer_network(sizes, links)), encoding="utf-8")
        program.write_text(qasm3.dumps(circuit), encoding="utf-8")
        words = [str(python), str(SCRIPT), str(network), str(program)]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            return {"all": {"error": f"more than {LIMIT_S} s"}}
    if done.returncode:
        return {"all": {"error": (done.stderr.strip().splitlines() or ["it failed"])[-1][:200]}}
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
