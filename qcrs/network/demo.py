"""`qcrs demo`: the whole exchange on real circuits, and what it has to show.

Five processors are certified by four oracles; a dozen programs are submitted; one processor invents its
results and is found out; one node is killed while it runs a job; two processors that share entanglement
compute one circuit together. Everything is a process of its own.
The run ends with checks of its own claims, read from the chain, and a report.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from qcrs.config.home import Home
from qcrs.errors import JobTimeoutError
from qcrs.network.demo_vote import DemoVote
from qcrs.network.local import CHAIN, LocalNetwork
from qcrs.network.plan import MEMBERS, UNION, Plan, demo_plan
from qcrs.network.summing import summarise
from qcrs.report import Summary, write

if TYPE_CHECKING:
    from qcrs.client.exchange import Exchange
    from qcrs.client.program import Unit
    from qcrs.client.views import JobInfo

__all__ = ["PROGRAMS", "run_demo"]

CHEAT = "mallory"
VICTIM = "dave"
DECLARED_S = 12
DEADLINE_S = 150
EXECUTIONS = 4
"""Paid for at most: a job may meet the node that is killed, the cheat and a second opinion on the way."""
LAST_WORD_S = 20
"""Seconds for the fraud questions that are open when all jobs are closed; three times that for the first."""
STRIKE_S = 0.05
SHOTS = 2000
ENTANGLED = "qft_6"
"""What two processors of three qubits each compute together."""
ENTANGLED_SHOTS = 1000
ENTANGLED_S = 200
ENTANGLED_DEADLINE_S = 300
"""It runs while processors are still measured: time enough where the machine is busy with that."""

PROGRAMS = (
    "qft_6",
    "h2_4",
    "w_state_5",
    "qaoa_petersen_10",
    "phase_estimation_6",
    "adder_10",
    "ising_12",
    "quantum_volume_6",
    "grover_8",
    "teleportation_3",
    "bell_2",
    "ghz_8",
    "bernstein_vazirani_20",
)
"""Programs of `examples/circuits` in the order of submission.

Clifford circuits, which the cheat runs honestly, come last: it meets others while every node asks for its
first job.
"""

QUICK = ("qft_6", "h2_4", "w_state_5", "qaoa_petersen_10", "phase_estimation_6", "bell_2", "ghz_8")


def examples() -> Path:
    """The folder of the example programs."""
    return Path(__file__).resolve().parents[2] / "examples" / "circuits"


def read_examples(names: tuple[str, ...]) -> dict[str, Unit]:
    """Programs of the folder, read in the limited child."""
    from qcrs.client.program import Unit
    from qcrs.sandbox import program_sandbox, read_program

    with program_sandbox() as sandbox:
        texts = {name: (examples() / f"{name}.qasm").read_bytes() for name in names}
        return {
            name: Unit(read_program(data, sandbox=sandbox, name=name)[0], SHOTS)
            for name, data in texts.items()
        }


@dataclass(slots=True)
class _Run:
    """One demonstration in progress."""

    network: LocalNetwork
    exchange: Exchange
    plan: Plan
    keep: bool
    say: Callable[[str], None]
    shared: Unit
    united: bool = False
    entangled_job: int = 0
    names: dict[int, str] = field(default_factory=dict)
    killed_job: int = 0
    told: set[tuple[int, str]] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)

    def submit(self, programs: dict[str, Unit]) -> None:
        """Submit each program as a job of its own."""
        from qcrs.client.views import JobOptions

        options = JobOptions(
            declared_seconds=DECLARED_S, deadline_seconds=DEADLINE_S, max_executions=EXECUTIONS
        )
        ids = self.exchange.submit_many([([unit], options, name) for name, unit in programs.items()])
        self.names |= zip(ids, programs, strict=True)
        self.say(f"• {len(ids)} jobs submitted, {SHOTS} shots each, fees in escrow")

    def share(self) -> None:
        """Start the union's node once its members are registered, and give it its job once it is itself.

        The oracles' questions to it come after that.
        """
        if not self.united:
            self.united = all(self.exchange.number_of(name) for name in MEMBERS)
            if self.united:
                self.network.start_node(next(one for one in self.plan.nodes if one.name == UNION))
        union = self.exchange.number_of(UNION)
        if union is None or self.entangled_job:
            return
        from qcrs.client.views import JobOptions

        options = JobOptions(
            declared_seconds=ENTANGLED_S, deadline_seconds=ENTANGLED_DEADLINE_S, target=union
        )
        self.entangled_job = self.exchange.submit([self.shared], options, note=ENTANGLED)
        self.names[self.entangled_job] = f"{ENTANGLED} shared"
        self.say(f"• {ENTANGLED} submitted to {' and '.join(MEMBERS)} together, {ENTANGLED_SHOTS} shots")

    def strike(self) -> None:
        """Kill the victim as soon as it runs a job; in a thread of its own, since a run takes a second."""
        from qcrs.chain.bindings import ExecutionState

        victim = self.exchange.number_of(VICTIM)
        while not self.over.wait(STRIKE_S):
            jobs = self.exchange.history().jobs
            for number, name in list(self.names.items()):
                for run in jobs[number].executions:
                    if run.processor == victim and run.state == ExecutionState.ALLOCATED:
                        self.network.processes.kill(VICTIM)
                        self.killed_job = number
                        self.say(f"✗ {VICTIM}'s node is killed while it runs {name}")
                        return

    def look(self) -> list[JobInfo]:
        """All jobs; says what is new of them."""
        self.share()
        ours = {info.id: info for info in self.exchange.jobs(client=self.exchange.address)}
        infos = [ours[job] for job in self.names]
        for info in infos:
            if info.id == self.entangled_job and info.status.final and not self.keep:
                self.network.processes.stop([UNION])  # its part is done; the rest has the machine
            for run in info.executions:
                if run.state not in ("ALLOCATED", "COMMITTED"):
                    score = f" (score {run.verdict.score:.3f})" if run.verdict else ""
                    words = f"{self.names[info.id]} on {run.processor_name}: {run.state.lower()}{score}"
                    self._tell(info.id, f"  {words}")
        return infos

    def _tell(self, job: int, words: str) -> None:
        if (job, words) not in self.told:
            self.told.add((job, words))
            self.say(words)

    def follow(self, seconds: float) -> None:
        """Until every job is closed and the cheat is convicted.

        A result that the ideal alone condemns stays unpaid without a slash: the second reference may be too
        noisy to say anything. So open questions get some seconds more when all jobs are closed, not for ever.
        """
        end = time.monotonic() + seconds
        closed: float | None = None
        while True:
            infos = self.look()
            open_jobs = [self.names[i.id] for i in infos if not i.status.final]
            unproven = [
                self.names[i.id]
                for i in infos
                for run in i.executions
                if run.processor_name == CHEAT and run.state == "REJECTED" and i.state == "SETTLED"
            ]
            if not open_jobs and self.entangled_job:
                closed = closed or time.monotonic()
                convicted = any(run.state == "FRAUDULENT" for i in infos for run in i.executions)
                last_word = LAST_WORD_S if convicted else 3 * LAST_WORD_S
                if not unproven or time.monotonic() > closed + last_word:
                    return
            self.network.check_alive(frozenset({VICTIM}))
            if time.monotonic() > end:
                raise JobTimeoutError(
                    f"after {seconds:.0f} s these are not done: {', '.join(open_jobs + unproven)}",
                    solution=f"read the logs in {self.network.home.root / 'logs'}",
                )
            time.sleep(0.1)


def _map(plan: Plan, summary: Summary) -> str:
    """The network under the union, with the pairs that its channel delivered."""
    from qcrs.node.devices import union_of
    from qcrs.qnp.control import plan_all
    from qcrs.report.qnp import network_map

    topology = union_of(next(one.backend for one in plan.nodes if one.name == UNION)).topology
    plans = plan_all(topology)
    pairs = summary.entangled.pairs if summary.entangled else 0
    return network_map(topology, plans, {one.spec.name: pairs for one in plans})


def run_demo(
    home: Path | None, out: Path, *, quick: bool, keep: bool, say: Callable[[str], None]
) -> tuple[Summary, Path]:
    """Run it in `home` (a temporary folder by default) and write the report into `out`."""
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)  # what cannot be written is said before minutes of work
    root = Path(tempfile.mkdtemp(prefix="qcrs-demo-")) if home is None else home
    network = LocalNetwork(Home.find(root), say=say)
    plan = demo_plan()
    done = False
    try:
        with network.processes.exclusive():
            network.up(plan)
            say(f"• {plan.oracles} oracles and {len(plan.nodes)} nodes start; processors are measured")
            programs = read_examples(QUICK if quick else PROGRAMS)
            shared = replace(programs[ENTANGLED], shots=ENTANGLED_SHOTS)
            run = _Run(network, network.exchange("client"), plan, keep, say, shared)
            network.await_certified({node.name for node in plan.nodes if not node.later}, meanwhile=run.share)
            striker = threading.Thread(target=run.strike, name="striker", daemon=True)
            striker.start()
            run.submit(programs)
            vote = DemoVote(network, say)
            vote.propose()
            run.follow(DEADLINE_S + 30)
            run.over.set()
            striker.join()
            voted, voted_picture = vote.finish()
            if not keep:  # what follows needs the chain and the store alone
                network.processes.stop([name for name in network.processes.all() if name != CHAIN])
            summary = summarise(
                run.exchange, run.names, cheat=CHEAT, killed=(VICTIM, run.killed_job),
                entangled=run.entangled_job, seconds=time.monotonic() - started, shots=SHOTS, say=say,
            )  # fmt: skip
            run.exchange.close()
        summary = replace(summary, checks=(*summary.checks, voted))
        report = write(summary, out, governance=voted_picture, network=_map(plan, summary))
        done = True
    except KeyboardInterrupt:
        done = True  # nobody wants to read the logs
        raise
    finally:
        if not keep:
            network.down()
        if home is None and not keep and done:
            shutil.rmtree(root, ignore_errors=True)
    if keep:
        say(f"• the network goes on: QCRS_HOME={root}")
    return summary, report
