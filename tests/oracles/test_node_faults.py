"""What a node lives through: a device that fails once, a disk that is full for a while."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qcrs.chain.bindings import ExecutionState, JobState
from qcrs.circuits import lower
from qcrs.client import exchange, participant
from qcrs.client.program import Unit
from qcrs.client.verify import verify_job
from qcrs.client.views import JobOptions
from qcrs.errors import InputError, NetworkError

Stage = Any

MOODY = '''
"""A simulator that fails while a flag lies beside this file, and takes the flag away."""
from pathlib import Path

from qcrs.node.devices import open_device

FLAG = Path(__file__).with_name("flag")

def make():
    backend = open_device("aer:noisy-a?qubits=4").backend
    kind = type(backend)

    class Moody(kind):
        def run(self, *words, **options):
            if FLAG.exists():
                FLAG.unlink()
                raise RuntimeError("the cryostat hiccups")
            return super().run(*words, **options)

    backend.__class__ = Moody
    return backend
'''


@pytest.fixture
def flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes the device importable; while this file exists its next run fails."""
    (tmp_path / "moody_device.py").write_text(MOODY)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path / "flag"


def committed(stage: Stage, number: int) -> bool:
    runs = stage.job(number).executions
    return bool(runs) and runs[0].state != ExecutionState.ALLOCATED


def test_a_run_that_failed_once_is_made_again(stage: Stage, program: Unit, flag: Path) -> None:
    stage.node("moody", "moody_device:make")
    flag.touch()
    options = JobOptions(target=stage.number_of("moody"), declared_seconds=100, deadline_seconds=3000)
    number = stage.exchange.submit([program], options)
    stage.until(lambda: committed(stage, number), "the second attempt is committed")
    assert stage.said("node-moody", "run failed") == 1
    assert stage.said("node-moody", "ran") == 1
    assert len(stage.job(number).executions) == 1


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process takes another byte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def heavy() -> Unit:
    """A program that keeps a simulator busy for longer than a second or two."""
    circuit = QuantumCircuit(12)
    for layer in range(40):
        circuit.ry(0.1 + layer, range(12))
        for qubit in range(layer % 2, 11, 2):
            circuit.cz(qubit, qubit + 1)
    circuit.measure_all()
    return Unit(lower(circuit).document, 20_000)


def test_who_is_allowed_too_little_time_says_so_and_is_paid(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can have a provider fined by asking for more than the declared time holds."""
    stage.node("slow", "aer:noisy-a?qubits=12")
    target = stage.number_of("slow")
    options = JobOptions(target=target, declared_seconds=1, deadline_seconds=3000)
    with pytest.raises(InputError, match="too little for one execution"):
        stage.exchange.submit([heavy()], options)
    monkeypatch.setattr(exchange, "least_seconds", lambda *_, **__: 0)
    stage.deployer.transact(stage.allocator.set_times(6, 0, 3600))
    number = stage.exchange.submit([heavy()], options)
    job = stage.until(lambda: stage.job(number).final and stage.job(number), "the job ends")
    assert (job.state, job.paid) == (JobState.SETTLED, job.fee)
    (run,) = job.executions
    evidence = stage.exchange.document(run.verdicts[0].evidence)
    assert evidence["decided_by"] == "client void"
    assert "allows 1 s" in evidence["reason"]
    stage.until(lambda: all(o.ledger.is_done(f"opening/{number}") for o in stage.oracles.values()))
    assert verify_job(stage.exchange, number).ok


def test_a_full_disk_stops_neither_node_nor_oracle(
    stage: Stage, program: Unit, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.node("steady", "aer:noisy-a?qubits=4")
    options = JobOptions(target=stage.number_of("steady"), declared_seconds=100, deadline_seconds=3000)
    number = stage.exchange.submit([program], options)
    worker, oracle = stage.nodes["steady"].worker, stage.oracles["oracle-0"]
    threads = [threading.Thread(target=worker.run), threading.Thread(target=oracle.serve)]
    said = ""
    with full_disk():
        for thread in threads:
            thread.start()
        while said.count("the journal cannot be written") < 2:
            assert all(thread.is_alive() for thread in threads)
            stage.deployer.transact(stage.allocator.set_times(60, 0, 3600))  # both have an event to keep
            said += capsys.readouterr().err
    worker.stop.set()
    oracle.stop()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    stage.until(lambda: stage.job(number).final, "the job ends once there is room again")
    assert [run.state for run in stage.job(number).executions] == [ExecutionState.ACCEPTED]


@pytest.mark.parametrize("kind", ["node", "oracle"])
def test_whenever_the_chain_goes_away_during_a_start_the_daemon_waits_for_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(participant, "_PAUSE_S", 0.0)
    name = "ned" if kind == "node" else "oracle-0"
    if kind == "node":
        stage.node(name, "aer:noisy-a?qubits=4")
    ask, start = stage.chain.request, getattr(stage, kind)
    asked, away_at = 0, -1

    def request(method: str, *params: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked - 1 == away_at:
            raise NetworkError("the chain's node cannot be reached", solution="start it")
        return ask(method, *params)

    def again(at: int) -> int:
        """Start it anew, its chain away at one question; how many questions a start needs."""
        nonlocal asked, away_at
        stage.drop(name)
        asked, away_at = 0, at
        with monkeypatch.context() as patch:
            patch.setattr(stage.chain, "request", request)
            start(name)
        return asked

    questions = again(-1)
    assert questions > 3
    for at in range(questions):
        assert again(at) > questions
