"""Pairs that planners need for the same circuits on the same processors, peers in the same run.

    python benchmarks/together/bench.py [--seed N] [--parts 2 4] [--out FILE.json] [--page docs/together.md]

memq-dqc 0.1.3 is installed into an environment of its own below the cache folder. Every processor has n/k
data qubits and a channel to every other one; the peer gets four communication qubits for each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

from circuits import suite
from qiskit import QuantumCircuit, qasm3, transpile

from qcrs.distributed import Effort, Network, plan
from qcrs.distributed.normal_form import normal_form
from qcrs.distributed.seed import seeds

PEER = "memq-dqc==0.1.3"
LIMIT_S = 240
MARKS = ("<!-- planners -->", "<!-- /planners -->")


def peer_python() -> Path:
    """The interpreter of the peer's environment, made if it is missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    home = cache / "qcrs" / "bench" / PEER.replace("==", "-")
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        print(f"installing {PEER} ...", file=sys.stderr)
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", PEER, "qiskit==2.6.2"], check=True)
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


FORMS = {
    "phases": ["h", "rz", "rx", "ry", "u", "cx", "cz", "cp"],
    "cx": ["rz", "sx", "x", "cx"],
}
"""Gates that the peer may be given a circuit in; its better result counts."""


def peer_result(python: Path, circuit: QuantumCircuit, sizes: list[int], links: int) -> dict[str, Any]:
    """Pairs by algorithm and form of the circuit."""
    found = {}
    for form, gates in FORMS.items():
        plain = transpile(circuit, basis_gates=gates, optimization_level=0)
        plain.measure_all()
        for algorithm, result in peer_run(python, plain, sizes, links).items():
            found[f"{algorithm}, {form}"] = result
    return found


def peer_run(python: Path, circuit: QuantumCircuit, sizes: list[int], links: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        network, program = Path(folder, "network.json"), Path(folder, "circuit.qasm")
        network.write_text(json.dumps(peer_network(sizes, links)))
        program.write_text(qasm3.dumps(circuit))
        try:
            done = subprocess.run(
                [python, Path(__file__).parent / "peer_memq.py", network, program],
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"all": {"error": f"more than {LIMIT_S} s"}}
    if done.returncode:
        return {"all": {"error": done.stderr.strip().splitlines()[-1][:200]}}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def naive(circuit: QuantumCircuit, parts: int) -> int:
    """Qubits in their order, one pair for every gate between processors."""
    size = -(-circuit.num_qubits // parts)
    home = [qubit // size for qubit in range(circuit.num_qubits)]
    return sum(home[gate.qubits[0]] != home[gate.qubits[1]] for gate in normal_form(circuit).gates)


def row(circuit: QuantumCircuit, parts: int, python: Path, links: int) -> dict[str, Any]:
    sizes = [-(-circuit.num_qubits // parts)] * parts
    found: dict[str, Any] = {"circuit": circuit.name, "processors": parts, "naive": naive(circuit, parts)}
    begun = time.perf_counter()
    first = seeds(normal_form(circuit), Network.of(sizes), 1)
    found["seed_ms"] = 1e3 * (time.perf_counter() - begun)
    for name, network in (
        ("ours", Network.of(sizes)),
        ("ours, same links", Network.of(sizes, [links] * parts)),
        ("ours, one guest", Network.of(sizes, guests=1)),
    ):
        begun = time.perf_counter()
        made = plan(circuit, network, Effort())
        found[name] = {
            "pairs": made.pairs,
            "seconds": time.perf_counter() - begun,
            "links": max(made.schedule.links),
        }
    found["seeds"] = len(first)
    found["peer"] = peer_result(python, circuit, sizes, links)
    return found


def best(peer: dict[str, Any]) -> tuple[int | None, str]:
    found = [
        (int(v["pairs"]), name)
        for name, v in peer.items()
        if isinstance(v, dict) and v.get("pairs") is not None
    ]
    return min(found) if found else (None, "")


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| circuit | parts | naive | memq-dqc, best of 3 | ours | ours, 4 links | ours, 1 guest | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for found in rows:
        peer, algorithm = best(found["peer"])
        lines.append(
            f"| {found['circuit']} | {found['processors']} | {found['naive']} | "
            f"{'fails' if peer is None else f'{peer} ({algorithm})'} | {found['ours']['pairs']} | "
            f"{found['ours, same links']['pairs']} | {found['ours, one guest']['pairs']} | "
            f"{found['ours']['seconds']:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="of the random circuits")
    parser.add_argument("--parts", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--links", type=int, default=4, help="communication qubits of each processor")
    parser.add_argument("--only", help="circuits whose name begins so")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--page", type=Path, help="page whose marked table is written anew")
    chosen = parser.parse_args()
    python = peer_python()
    rows = []
    for circuit in suite(chosen.seed):
        if chosen.only and not circuit.name.startswith(chosen.only):
            continue
        for parts in chosen.parts:
            rows.append(row(circuit, parts, python, chosen.links))
            print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
            if chosen.out:
                chosen.out.write_text(json.dumps(rows, indent=1))
    print(table(rows))
    if chosen.page:
        text = chosen.page.read_text()
        head, rest = text.split(MARKS[0])
        tail = rest.split(MARKS[1])[1]
        chosen.page.write_text(f"{head}{MARKS[0]}\n{table(rows)}\n{MARKS[1]}{tail}")


if __name__ == "__main__":
    main()
