"""A network of real processes whose nodes have post-quantum identities: a job goes through and is verified.

Its own network, beside the one of the other tests: identities are drawn when a network is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qcrs.chain.bindings import ExecutionState, JobState
from qcrs.client.cosigned import witness_of
from qcrs.client.reader import Reader
from qcrs.client.sealed import result_topic
from qcrs.config.home import Home
from qcrs.network.local import LocalNetwork
from qcrs.network.plan import NodePlan, Plan

from .conftest import PATIENCE_S, Running, await_gone, family

pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.timeout(1800)]

PLAN = Plan(
    nodes=(
        NodePlan("ada", "aer:noisy-a?qubits=5", 2400),
        NodePlan("ben", "aer:noisy-a?qubits=5", 2400),
    ),
    grace_s=30,
    post_quantum=True,
)


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    network = LocalNetwork(Home.find(tmp_path_factory.mktemp("keyed")))
    try:
        network.up(PLAN)
        network.await_certified({node.name for node in PLAN.nodes}, seconds=PATIENCE_S)
        yield Running(network, PLAN)
    finally:
        living = family([p.pid for p in network.processes.all().values() if p.alive])
        network.down()
        await_gone(living)


def test_certified_with_keys_settled_and_verified(keyed: Running, tmp_path: Path) -> None:
    """Certificates are jobs too, so every result so far carried both signatures."""
    program = tmp_path / "ghz.qasm"
    program.write_text(
        'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[3];\ncreg c[3];\n'
        "h q[0];\ncx q[0], q[1];\ncx q[1], q[2];\nmeasure q -> c;\n"
    )
    done = keyed.qcrs("submit", str(program), "--shots", "400", "--json")
    assert done.code == 0, done.err
    assert done.value["status"]["state"] == "SETTLED"
    number = str(done.value["job"])
    last = []

    def published() -> bool:
        last.append(keyed.qcrs("verify", number, "--json"))
        return not any(one["subject"] == "opening" for one in last[-1].value["differences"])

    keyed.until(published, "the keys of the job are published")
    assert last[-1].code == 0, last[-1].out
    assert any("every key" in one["name"] for one in last[-1].value["checks"])

    with closing(Reader.open(keyed.home)) as reader:
        history = reader.history()
        assert all(processor.keyed for processor in history.processors.values())
        handed = 0
        for job in history.jobs.values():
            for run in job.executions:
                if run.state is not ExecutionState.ACCEPTED:
                    continue
                witness, topic = witness_of(reader, history, run), result_topic(job.id, run.index)
                assert witness.ml_dsa
                assert any(witness.accepts(topic, mail) for mail in reader.mailbox.read(topic))
                handed += 1
        assert handed >= len(PLAN.nodes) + 1
        assert history.jobs[int(number)].state == JobState.SETTLED


def test_a_node_started_again_goes_on_signing(keyed: Running) -> None:
    keyed.network.processes.kill("ada")
    with closing(Reader.open(keyed.home)) as reader:
        before = len(reader.history().processors)
        keyed.network.up(PLAN)
        target = next(p.id for p in reader.processors() if p.name == "ada")
        program = keyed.home.path("programs", "one.qasm")
        program.write_text(
            'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\n'
            "h q[0];\ncx q[0], q[1];\nmeasure q -> c;\n"
        )
        done = keyed.qcrs("submit", str(program), "--shots", "200", "--processor", str(target), "--json")
        assert done.code == 0, done.err
        assert done.value["certificate"]["verdict"] == "ACCEPT"
        assert len(reader.history().processors) == before
