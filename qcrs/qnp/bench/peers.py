"""Peers in the same run: delivered pairs per second of work, on chains with matched rates.

Each peer runs in an environment of its own under a cache folder, made on first use. SeQUeNCe and our full
engine (requests, policing, test rounds, TRACK) get the same link: 20 km at 0.2 dB/km, ideal detectors, two
qubits a link end, the success probability of SeQUeNCe's model, and an attempt time for which our end-to-end
rate in simulated time equals SeQUeNCe's. SimQN has no heralding; it is asked to send at that rate over
channels without loss. Runs alternate and the medians are compared; on a shared machine processor seconds
say more than wall seconds, so both are given.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcrs.errors import ConfigError, NetworkError
from qcrs.qnp.drivers.heap import Network
from qcrs.qnp.topology.model import CircuitSpec, ControlSpec, HardwareSpec, LinkSpec, Topology

__all__ = ["PeerTable", "chain", "compare", "ours"]

SCRIPTS = Path(__file__).parent / "peer_scripts"
PEERS = {"sequence": ("sequence==1.3.1", (3, 12)), "simqn": ("qns==0.2.3", (3, 11))}
REPEATS = 3
FIBRE = 10**-0.2
"""Chance that a photon survives 10 km at 0.2 dB/km."""

P_SUCCESS = 0.5 * FIBRE * FIBRE
"""SeQUeNCe's single-heralded link: half the Bell states, both photons."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PeerTable:
    """One row for each length: pairs per processor second (and wall second) of each, and ratios."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    runs: tuple[dict[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "rows": [dict(zip(self.headers, row, strict=True)) for row in self.rows],
            "runs": list(self.runs),
        }


def chain(nodes: int, attempt_ns: int) -> Topology:
    """The matched chain with a tenth of its pairs as test rounds."""
    link = LinkSpec("", "", 20_000.0, "heralded", 1.0, attempt_ns, P_SUCCESS, 0.99, 0.0, 100_000)
    circuit = CircuitSpec("c", "n0", f"n{nodes - 1}", fidelity=0.3, cutoff="none")
    return Topology.chain(
        nodes,
        link,
        HardwareSpec(t2_ns=10_000_000_000, qubits_per_link=2),
        circuits=(circuit,),
        control=ControlSpec(test_every=90, test_count=10),
    )


def ours(nodes: int, attempt_ns: int, pairs: int, seed: int) -> dict[str, float]:
    """Our engine on the matched chain: an endless request, so many deliveries."""
    network = Network(chain(nodes, attempt_ns), seed, record=False)
    network.request("c")
    network.run(max_deliveries=50)  # past the start
    begun, cpu, wall = network.now, time.process_time(), time.perf_counter()
    network.run(max_deliveries=pairs)
    return {
        "pairs": float(pairs),
        "wrong_bell": float(network.stats[1].wrong_bell),
        "simulated_s": (network.now - begun) / 1e9,
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
    }


def _python(version: tuple[int, int]) -> str:
    """An interpreter of at least this version."""
    if sys.version_info[:2] >= version:
        return sys.executable
    for minor in range(version[1], version[1] + 3):
        for name in (f"python3.{minor}", str(Path.home() / f".pyenv/versions/3.{minor}/bin/python")):
            for path in (
                name,
                *sorted(map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))),
            ):
                try:
                    done = subprocess.run([path, "-V"], capture_output=True, timeout=20)  # noqa: S603
                except OSError:
                    continue
                if done.returncode == 0:
                    return path
    raise ConfigError(
        f"this peer needs Python {version[0]}.{version[1]} or later",
        field="python",
        value=sys.version.split()[0],
        solution="install one, for example with pyenv, and run again",
    )


def _environment(name: str, cache: Path, progress: Progress) -> Path:
    """The peer's interpreter; its environment is made where there is none."""
    package, version = PEERS[name]
    folder = cache / name
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not (done.exists() and done.read_text(encoding="utf-8") == package):
        progress(f"installing {package} into {folder} (minutes)")
        folder.parent.mkdir(parents=True, exist_ok=True)
        for words in (
            [_python(version), "-m", "venv", "--clear", str(folder)],
            [str(python), "-m", "pip", "install", "-q", package],
        ):
            made = subprocess.run(words, capture_output=True, text=True, timeout=1800)  # noqa: S603
            if made.returncode:
                raise NetworkError(
                    f"{package} cannot be installed: {made.stderr.strip()[-300:]}",
                    solution="check the package index, or make the environment by hand at this place",
                    field="peer",
                    value=str(folder),
                )
        done.write_text(package, encoding="utf-8")
    return python


def _peer(python: Path, script: str, *words: object) -> dict[str, float]:
    """Run a peer's script and read its last line."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [str(python), str(SCRIPTS / script), *map(str, words)]
    done = subprocess.run(  # noqa: S603 - our script, numbers as words
        command, capture_output=True, text=True, timeout=1800, env=environment
    )
    if done.returncode:
        raise NetworkError(f"the peer failed: {done.stderr.strip()[-400:]}", field="script", value=script)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _speed(runs: Sequence[dict[str, float]], clock: str) -> float:
    """Median pairs per second."""
    return statistics.median(run["pairs"] / run[clock] for run in runs)


def _matched_attempt(nodes: int, rate: float) -> int:
    """The attempt time for which our end-to-end rate is the peer's: rates go as its inverse, by iteration."""
    attempt = 100_000
    for turn in range(4):
        found = ours(nodes, attempt, 1500, turn)
        attempt = max(1, round(attempt * found["pairs"] / found["simulated_s"] / rate))
    return attempt


def compare(
    lengths: Sequence[int] = (3, 5, 9, 17), cache: Path | None = None, progress: Progress = lambda _: None
) -> PeerTable:
    """All lengths: SeQUeNCe, SimQN and ours, alternating, three times."""
    cache = cache or Path.home() / ".cache" / "qcrs" / "peers"
    python = {name: _environment(name, cache, progress) for name in PEERS}
    rows, raw = [], []
    for nodes in lengths:
        milliseconds = max(100, 3000 // nodes)
        progress(f"{nodes} nodes: matching rates")
        probe = _peer(python["sequence"], "sequence_chain.py", nodes, milliseconds, 7)
        rate = probe["pairs"] / probe["simulated_s"]
        attempt = _matched_attempt(nodes, rate)
        runs: dict[str, list[dict[str, float]]] = {"sequence": [], "simqn": [], "ours": []}
        for turn in range(REPEATS):
            progress(f"{nodes} nodes: run {turn + 1} of {REPEATS}")
            runs["sequence"].append(_peer(python["sequence"], "sequence_chain.py", nodes, milliseconds, turn))
            runs["simqn"].append(_peer(python["simqn"], "simqn_chain.py", nodes, 20_000 // nodes, rate, turn))
            runs["ours"].append(ours(nodes, attempt, 60_000 // nodes, turn))
        speed = {name: _speed(found, "cpu_s") for name, found in runs.items()}
        wall = {name: _speed(found, "wall_s") for name, found in runs.items()}
        simulated = {
            name: statistics.median(r["pairs"] / r["simulated_s"] for r in found)
            for name, found in runs.items()
        }
        rows.append(
            (
                str(nodes),
                *(f"{simulated[n]:.0f}" for n in ("sequence", "simqn", "ours")),
                *(f"{speed[n]:.0f}" for n in ("sequence", "simqn", "ours")),
                f"{speed['ours'] / speed['sequence']:.0f}",
                f"{speed['ours'] / speed['simqn']:.1f}",
                f"{wall['ours'] / wall['sequence']:.0f}",
                f"{wall['ours'] / wall['simqn']:.1f}",
            )
        )
        progress(
            f"{nodes} nodes: {speed['ours']:.0f} pairs per processor second, "
            f"SeQUeNCe {speed['sequence']:.0f}, SimQN {speed['simqn']:.0f}"
        )
        raw.append({"nodes": nodes, "attempt_ns": attempt, **runs})
    headers = (
        "nodes",
        "SeQUeNCe /s simulated",
        "SimQN /s simulated",
        "ours /s simulated",
        "SeQUeNCe /cpu s",
        "SimQN /cpu s",
        "ours /cpu s",
        "x SeQUeNCe (cpu)",
        "x SimQN (cpu)",
        "x SeQUeNCe (wall)",
        "x SimQN (wall)",
    )
    return PeerTable(headers, tuple(rows), tuple(raw))
