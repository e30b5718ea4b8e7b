"""`kill -9` of any process at any moment: nothing is lost, nothing happens twice, no money sticks.

Moments are drawn in steps of the jobs' own progress, not in seconds, so a busy machine is hit in the same
places as an idle one. Afterwards the chain's events are read anew and counted.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qcrs.chain.bindings import JobState
from qcrs.chain.index import EventIndex, EventRow
from qcrs.circuits import lower
from qcrs.client.audit import audit_exchange
from qcrs.client.exchange import Exchange
from qcrs.client.history import History
from qcrs.client.program import Unit
from qcrs.client.trail import StepKind
from qcrs.client.verify import VerifyReport, verify_job
from qcrs.client.views import JobOptions
from qcrs.network.local import CHAIN

Kill = Callable[[str], None]

OPTIONS = JobOptions(declared_seconds=90, deadline_seconds=1500, max_executions=3)
"""Time enough on a busy machine for three executions one after the other."""

STEPS_OF_A_JOB = 4
"""Allocated, committed, judged, closed: what follows a submission when nothing goes wrong."""

RECHECKED = 3

CHECKED = ("ComputationAllocator", "ProcessorRegistry", "ResultVerifier")


def program(width: int, draw: random.Random) -> Unit:
    """A circuit nobody has optimised for: random rotations between entangling layers."""
    circuit = QuantumCircuit(width, width)
    for layer in range(2):
        for qubit in range(width):
            circuit.ry(draw.uniform(0.1, 3.0), qubit)
        for qubit in range(layer % 2, width - 1, 2):
            circuit.cx(qubit, qubit + 1)
    circuit.measure(range(width), range(width))
    return Unit(lower(circuit).document, draw.choice((200, 300, 400)))


@dataclass(slots=True)
class Campaign:
    """One run: batches of jobs from several clients, and kills at moments drawn from a seed."""

    running: Any
    kill: Kill
    clients: list[Exchange]
    draw: random.Random
    names: dict[int, str] = field(default_factory=dict)
    """Jobs by their number, with the account that submitted each."""
    struck: list[tuple[int, str]] = field(default_factory=list)
    """Progress at each kill, and who was killed."""

    def submit(self, count: int) -> None:
        """A batch: all clients in turn, each a set of jobs in one transaction."""
        shares = [count // len(self.clients)] * len(self.clients)
        for extra in range(count % len(self.clients)):
            shares[extra] += 1
        for client, share in zip(self.clients, shares, strict=True):
            if share:
                units = [[program(self.draw.randint(2, 4), self.draw)] for _ in range(share)]
                numbers = client.submit_many([(unit, OPTIONS, "") for unit in units])
                self.names |= dict.fromkeys(numbers, client.address)

    def history(self) -> History:
        return self.clients[0].history()

    def progress(self) -> int:
        """Steps that the jobs have made since their submission."""
        jobs = self.history().jobs
        return sum(len(jobs[number].steps) - 1 for number in self.names)

    def done(self) -> bool:
        jobs = self.history().jobs
        return all(jobs[number].final for number in self.names)

    def victims(self, kills: int) -> list[str]:
        """Whom to kill: chain, a node and an oracle first, then anybody; in random order."""
        nodes = [node.name for node in self.running.plan.nodes]
        oracles = list(self.running.plan.oracle_names)
        chosen = [CHAIN, self.draw.choice(nodes), self.draw.choice(oracles)][:kills]
        chosen += self.draw.choices([CHAIN, *nodes, *oracles], k=kills - len(chosen))
        self.draw.shuffle(chosen)
        return chosen

    def strike(self, name: str) -> None:
        """Kill one process within a second of now, and start it again within three."""
        time.sleep(self.draw.uniform(0, 1))
        self.struck.append((self.progress(), name))
        self.kill(name)
        time.sleep(self.draw.uniform(0, 3))
        self.running.network.restart(name, self.running.plan)

    def run(self, jobs: int, kills: int, batch: int) -> None:
        """Submit in batches while processes are killed, then wait until every job is closed."""
        moments = sorted(self.draw.randrange(jobs * STEPS_OF_A_JOB * 9 // 10) for _ in range(kills))
        for moment, victim in zip(moments, self.victims(kills), strict=True):
            self._until_progress(moment, jobs, batch)
            self.strike(victim)
        self._until_progress(jobs * STEPS_OF_A_JOB, jobs, batch)
        self.running.until(self.done, f"open jobs: {self._open()}", seconds=OPTIONS.deadline_seconds)

    def _until_progress(self, moment: int, jobs: int, batch: int) -> None:
        """Until the jobs have made so many steps; the next batch comes when half of the last has run."""

        def reached() -> bool:
            made = self.progress()
            while len(self.names) < jobs and made >= STEPS_OF_A_JOB * (len(self.names) - batch // 2):
                self.submit(min(batch, jobs - len(self.names)))
            return made >= moment or (len(self.names) == jobs and self.done())

        self.running.until(reached, f"{moment} steps", seconds=OPTIONS.deadline_seconds)

    def _open(self) -> list[int]:
        found = self.history().jobs
        return [number for number in self.names if not found[number].final]


@pytest.fixture
def clients(running: Any) -> Iterator[list[Exchange]]:
    found = [running.network.exchange(name) for name in running.plan.clients]
    yield found
    for one in found:
        one.close()


def events(client: Exchange, folder: Path) -> dict[str, list[EventRow]]:
    """Every event of the chain by name, read from genesis into an index of its own."""
    places = {name: client.network.contracts[name] for name in CHECKED}
    index = EventIndex(folder / "fresh.sqlite", client.chain, places)
    index.advance()
    found: dict[str, list[EventRow]] = {}
    for row in index.events():
        found.setdefault(row.name, []).append(row)
    index.close()
    return found


def check(campaign: Campaign, folder: Path) -> Counter[str]:
    """Everything that has to hold afterwards; gives how the executions ended."""
    client = campaign.clients[0]
    jobs = {number: campaign.history().jobs[number] for number in campaign.names}
    assert {number: job.state for number, job in jobs.items() if job.state != JobState.SETTLED} == {}
    seen = events(client, folder)
    mine = campaign.names

    closed = Counter(row.args["job"] for row in seen["JobClosed"] if row.args["job"] in mine)
    assert closed == dict.fromkeys(mine, 1), "every job is closed exactly once"
    submitted = Counter(row.args["client"] for row in seen["JobSubmitted"] if row.args["job"] in mine)
    assert submitted == Counter(mine.values()), "every submission arrived exactly once"
    verdicts = Counter(
        (row.args["job"], row.args["execution"], row.args["round"]) for row in seen["VerdictReported"]
    )
    assert {key: n for key, n in verdicts.items() if n != 1} == {}, "judged at most once a round"
    commitments = Counter((row.args["job"], row.args["execution"]) for row in seen["ResultCommitted"])
    assert {key: n for key, n in commitments.items() if n != 1} == {}, "committed at most once"

    for number, job in jobs.items():
        accepted = [run for run in job.executions if run.state.name == "ACCEPTED"]
        assert accepted
        assert [run.paid for run in job.executions] == [
            job.fee if run in accepted else 0 for run in job.executions
        ], f"job {number} pays each accepted execution one fee, once"
        assert job.paid + job.refunded == job.fee * job.request.max_executions
        assert client.contracts.allocator.job(number).escrow == 0
        assert sum(step.kind == StepKind.CLOSED for step in job.steps) == 1

    report = audit_exchange(client)
    assert report.ok, report.text()
    for log in campaign.running.log_folder.glob("*.log"):
        assert "Traceback" not in log.read_text(errors="replace"), log.read_text(errors="replace")[-3000:]
    return Counter(run.state.name for job in jobs.values() for run in job.executions)


def verified(campaign: Campaign, number: int) -> VerifyReport:
    """A job's verdicts made again; the keys are published a moment after it is closed."""
    found: list[VerifyReport] = []

    def opened() -> bool:
        found.append(verify_job(campaign.clients[0], number))
        return not any(one.subject == "opening" for one in found[-1].differences)

    campaign.running.until(opened, f"keys of job {number} are published")
    return found[-1]


def run(
    running: Any,
    kill: Kill,
    clients: list[Exchange],
    folder: Path,
    *,
    seed: int,
    jobs: int,
    batch: int,
    kills: int,
) -> None:
    """One campaign with all its checks; what it came to is printed."""
    started = time.monotonic()
    campaign = Campaign(running, kill, clients, random.Random(seed))
    campaign.run(jobs, kills, batch)
    outcomes = check(campaign, folder)
    for number in campaign.draw.sample(sorted(campaign.names), RECHECKED):
        report = verified(campaign, number)
        assert report.ok, report.text()
    for info in map(clients[0].job, campaign.names):
        for one in info.executions:
            if one.state != "ACCEPTED":
                said = [f"{v.outcome} by {v.decided_by}, {v.score} of {v.threshold}" for v in one.verdicts]
                print(f"job {info.id} on {one.processor_name}: {one.state} {said}")  # noqa: T201
    words = ", ".join(f"{name} at {made}" for made, name in campaign.struck)
    print(f"{jobs} jobs, {kills} kills ({words}): {dict(outcomes)}, {time.monotonic() - started:.0f} s")  # noqa: T201


@pytest.mark.network
@pytest.mark.timeout(1800)
def test_killed_processes_lose_and_double_nothing(
    running: Any, kill: Kill, clients: list[Exchange], tmp_path: Path
) -> None:
    run(running, kill, clients, tmp_path, seed=1, jobs=8, batch=4, kills=3)


@pytest.mark.network
@pytest.mark.timeout(1800)
def test_daemons_that_start_while_the_chain_is_away_wait_for_it(
    running: Any, kill: Kill, clients: list[Exchange]
) -> None:
    node, oracle = running.plan.nodes[0].name, running.plan.oracle_names[0]
    network = running.network

    def waits(name: str) -> bool:
        return "waiting until it can" in network.processes.tail(name, 1)

    for name in (CHAIN, node, oracle):
        kill(name)
    for name in (node, oracle):
        network.restart(name, running.plan)
    for name in (node, oracle):
        network.processes.await_ready(name, partial(waits, name), seconds=300)
    network.restart(CHAIN, running.plan)
    target = next(one.id for one in clients[0].processors() if one.name == node)
    options = replace(OPTIONS, target=target, max_executions=1)
    number = clients[0].submit([program(3, random.Random(3))], options)
    running.until(lambda: clients[0].entry(number).final, "the job is done")
    assert clients[0].entry(number).state == JobState.SETTLED
    network.check_alive()


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_twenty_kills_among_a_hundred_jobs(
    running: Any, kill: Kill, clients: list[Exchange], tmp_path: Path
) -> None:
    run(running, kill, clients, tmp_path, seed=20, jobs=100, batch=12, kills=20)
