"""Jobs through nodes and oracles: honest ones are paid, cheats found out, crashes cost time only."""

from __future__ import annotations

from typing import Any

import pytest

from qcrs.chain.bindings import ExecutionState, JobState, Outcome
from qcrs.client.audit import audit_exchange
from qcrs.client.documents import ResultUnit
from qcrs.client.history import Execution, Job
from qcrs.client.program import Unit
from qcrs.client.sealed import beacon_topic, opened_topic, result_topic
from qcrs.client.verify import verify_job
from qcrs.client.views import JobOptions
from qcrs.governance.evidence import gather
from qcrs.node.daemon import Node
from qcrs.node.ledger import RunRecord
from qcrs.types import canonical_json, cid_of

GOOD = "aer:noisy-a?qubits=4"
CHEAT = "qcrs.attackers:attack?kind=test_aware&qubits=4"
LONG = 3000

Stage = Any


def open_job(stage: Stage, unit: Unit, **options: Any) -> int:
    settings = {"declared_seconds": 100, "deadline_seconds": LONG, **options}
    return stage.exchange.submit([unit], JobOptions(**settings))


def settled(stage: Stage, number: int) -> Job:
    return stage.until(lambda: stage.job(number).final and stage.job(number), f"job {number} ends")


def checked(stage: Stage, number: int) -> None:
    """Anyone can check the job, and the books hold."""
    opened = [name for name in stage.oracles if stage.oracles[name].ledger.is_done(f"opening/{number}")]
    stage.until(
        lambda: opened or all(oracle.ledger.is_done(f"opening/{number}") for oracle in stage.oracles.values())
    )
    report = verify_job(stage.exchange, number)
    assert report.ok, report.differences
    assert audit_exchange(stage.exchange).ok


def test_an_honest_processor_is_certified_and_its_job_paid_to_the_unit(stage: Stage, program: Unit) -> None:
    stage.certify(good=GOOD)
    processor = stage.exchange.history().processors[stage.number_of("good")]
    assert 5e-4 < processor.capability.error_per_layered_gate * 1e-9 < 5e-3
    provider = stage.keys["good"].address
    before = stage.allocator.balance_of(provider), stage.allocator.balance_of(stage.client.address)
    number = open_job(stage, program, max_executions=2)
    job = settled(stage, number)
    assert job.state == JobState.SETTLED
    assert [run.state for run in job.executions] == [ExecutionState.ACCEPTED]
    verdict = job.executions[0].verdicts[0]
    assert (verdict.outcome, verdict.weak) == (Outcome.ACCEPT, False)
    assert abs(verdict.score - 10**6) < 30_000
    after = stage.allocator.balance_of(provider), stage.allocator.balance_of(stage.client.address)
    assert after == (before[0] + job.fee, before[1] - job.fee)
    result = stage.exchange.result(number)
    assert sum(result.outcomes[0].counts.values()) == 2000
    checked(stage, number)


def test_a_cheat_passes_certification_and_loses_its_bond_on_the_job(stage: Stage, program: Unit) -> None:
    stage.certify(cheat=CHEAT, good=GOOD)
    bond = stage.exchange.history().processors[stage.number_of("cheat")].bond
    stage.present.remove("good")  # looks away while the cheat takes the job
    number = open_job(stage, program, max_executions=3)
    stage.until(lambda: stage.job(number).executions, "the cheat takes the job")
    stage.present.add("good")
    job = settled(stage, number)
    stage.until(lambda: stage.job(number).executions[0].state == ExecutionState.FRAUDULENT, "fraud")
    job = stage.job(number)
    assert job.state == JobState.SETTLED
    assert [run.processor for run in job.executions] == [stage.number_of("cheat"), stage.number_of("good")]
    assert [v.outcome for v in job.executions[0].verdicts] == [Outcome.REJECT, Outcome.FRAUD]
    assert job.executions[1].state == ExecutionState.ACCEPTED
    assert (job.executions[0].paid, job.executions[1].paid) == (0, job.fee)
    assert stage.exchange.history().processors[stage.number_of("cheat")].bond < bond
    checked(stage, number)


class Withholding(Node):
    """Commits and never hands over."""

    def prepare(self) -> Any:
        worker = super().prepare()

        def keep(_job: Job, _execution: Execution, _record: RunRecord) -> None:
            """Nothing."""

        worker._hand_over = keep  # type: ignore[method-assign]
        return worker


class Altering(Node):
    """Hands over another result than the one it committed to."""

    def prepare(self) -> Any:
        worker = super().prepare()
        honest = worker._hand_over

        def alter(job: Job, execution: Execution, record: RunRecord) -> None:
            root = bytes(32)
            honest(
                job, execution, RunRecord(job.id, execution.index, record.salt, root, record.cid, record.key)
            )

        worker._hand_over = alter  # type: ignore[method-assign]
        return worker


@pytest.mark.parametrize(("kind", "by"), [(Withholding, "withheld"), (Altering, "V0 form")])
def test_a_result_that_is_not_handed_over_as_committed_is_rejected(
    stage: Stage, program: Unit, kind: type[Node], by: str
) -> None:
    name = kind.__name__.lower()
    stage.node(name, GOOD, kind)
    number = open_job(stage, program, target=stage.number_of(name), max_executions=1)
    job = settled(stage, number)
    assert job.state == JobState.FAILED
    assert job.executions[0].state == ExecutionState.REJECTED
    assert (job.paid, job.refunded) == (0, job.fee)
    info = stage.exchange.job(number)
    assert info.executions[0].verdicts[0].decided_by == by
    # Nobody has told it whether it was drawn: else it would hand over what is not.
    assert stage.exchange.mailbox.read(beacon_topic(number, 0)) == []
    evidence = stage.exchange.document(job.executions[0].verdicts[0].evidence)
    assert evidence["beacon"]["proofs"] == {}
    checked(stage, number)
    found = gather(stage.exchange, number, sandbox=stage.bench)
    assert (found.recorded, found.recomputed, found.ruling) == ("reject", "reject", "upheld")


class Peeking(Node):
    """Opens its result to some oracles alone, and waits for what it can learn of the draw."""

    shown = 1

    def prepare(self) -> Any:
        worker = super().prepare()
        oracles = worker.party.oracles
        honest = worker._hand_over

        def peek(job: Job, execution: Execution, record: RunRecord) -> None:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(worker.party, "oracles", lambda era: oracles(era)[: self.shown])
                honest(job, execution, record)

        pytest.MonkeyPatch().setattr(worker, "_hand_over", peek)  # for as long as this node lives
        return worker


def test_who_opens_to_a_few_oracles_learns_no_share(stage: Stage, program: Unit) -> None:
    """Opened to one of four it is rejected by the others; opened to two it has no quorum, nor any share."""
    stage.node("peeking", GOOD, Peeking)
    target = stage.number_of("peeking")
    number = open_job(stage, program, target=target, max_executions=1)
    job = settled(stage, number)
    assert job.executions[0].state == ExecutionState.REJECTED
    assert job.executions[0].verdicts[0].signers == 0b1110
    assert stage.exchange.job(number).executions[0].verdicts[0].decided_by == "V0 form"
    assert stage.exchange.mailbox.read(beacon_topic(number, 0)) == []
    checked(stage, number)

    stage.nodes["peeking"].shown = 2
    number = open_job(stage, program, target=target, max_executions=1)
    scope = f"report/{number}/0/0/1"
    late = [stage.oracles[f"oracle-{i}"].ledger for i in (2, 3)]
    stage.until(lambda: all(ledger.signed(scope) for ledger in late), "two find nothing that opens")
    senders = {mail.sender for mail in stage.exchange.mailbox.read(opened_topic(number, 0))}
    assert senders == {stage.keys[f"oracle-{i}"].address for i in (0, 1)}
    assert stage.exchange.mailbox.read(beacon_topic(number, 0)) == []
    assert stage.job(number).executions[0].state == ExecutionState.COMMITTED


def test_a_flood_of_mail_makes_no_result_a_withheld_one(
    stage: Stage, program: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forged mail in the provider's name, before and after its own, that takes longer to read than it has."""
    stage.certify(good=GOOD)
    monkeypatch.setattr("qcrs.store.mail.MAILS_PER_LOOK", 3)
    number = open_job(stage, program, target=stage.number_of("good"), max_executions=1)
    topic, sender = result_topic(number, 0), stage.keys["good"].address
    files = stage.exchange.store.files
    for index in range(120):
        forged = {
            "body": {"i": index},
            "sender": sender,
            "signature": "0x" + "11" * 64 + "1b",
            "topic": topic,
        }
        files.write(f"mail/{topic}/{cid_of(canonical_json(forged))}", canonical_json(forged))
    job = settled(stage, number)
    assert job.state == JobState.SETTLED
    assert job.executions[0].state == ExecutionState.ACCEPTED
    checked(stage, number)


def test_a_dead_node_s_job_goes_elsewhere(stage: Stage, program: Unit) -> None:
    stage.deployer.transact(stage.allocator.set_times(1, 0, 3600))
    stage.certify(dead=GOOD, good=GOOD)
    stage.present.remove("good")
    number = open_job(stage, program, max_executions=2, declared_seconds=40)
    stage.until(lambda: stage.job(number).executions, "the node takes the job")
    tag = stage.job(number).tag
    stage.drop("dead")
    stage.embedded.travel(41)
    stage.present.add("good")
    job = settled(stage, number)
    assert [run.state for run in job.executions] == [ExecutionState.ENDED, ExecutionState.ACCEPTED]
    assert job.state == JobState.SETTLED
    assert tag <= job.tag <= tag + 1  # the flow got its time back, rounded down
    assert job.executions[0].penalty > 0


def test_a_node_killed_at_any_stage_finishes_the_same_execution(stage: Stage, program: Unit) -> None:
    """Dropped after allocating, after its run is on record, and after committing: one result each time."""
    stage.certify(good=GOOD)

    def allocated(number: int) -> bool:
        return bool(stage.job(number).executions)

    def recorded(number: int) -> bool:
        return "good" in stage.nodes and stage.nodes["good"].ledger.find(number, 0) is not None

    def committed(number: int) -> bool:
        runs = stage.job(number).executions
        # A turn may take it from committed to judged at once.
        return bool(runs) and runs[0].state in (ExecutionState.COMMITTED, ExecutionState.ACCEPTED)

    for reached in (allocated, recorded, committed):
        number = open_job(stage, program, target=stage.number_of("good"), max_executions=1)
        stage.until(lambda reached=reached, number=number: reached(number), reached.__name__)
        before = stage.nodes["good"].ledger.find(number, 0)
        stage.drop("good")
        stage.node("good")
        job = settled(stage, number)
        assert [run.state for run in job.executions] == [ExecutionState.ACCEPTED], reached.__name__
        after = stage.nodes["good"].ledger.find(number, 0)
        assert after is not None
        assert before is None or (before.salt, before.root) == (after.salt, after.root)


def test_three_oracles_suffice_and_a_restarted_one_joins_again(stage: Stage, program: Unit) -> None:
    stage.certify(good=GOOD)
    stage.drop("oracle-2")
    number = open_job(stage, program, target=stage.number_of("good"), max_executions=1)
    job = settled(stage, number)
    assert job.state == JobState.SETTLED
    assert not job.executions[0].verdicts[0].signers >> 2 & 1
    stage.oracle("oracle-2")
    stage.drop("oracle-0")
    number = open_job(stage, program, target=stage.number_of("good"), max_executions=1)
    job = settled(stage, number)
    assert job.executions[0].verdicts[0].signers == 0b1110
    checked(stage, number)


def test_oracles_killed_in_turn_sign_one_outcome_and_finish(stage: Stage, program: Unit) -> None:
    """Each oracle is dropped and made again at another point of the same round."""
    stage.certify(good=GOOD)
    number = open_job(stage, program, target=stage.number_of("good"), max_executions=1)
    stage.until(lambda: stage.job(number).executions and stage.job(number).executions[0].commitment)
    for name in list(stage.oracles):
        stage.turn()
        stage.drop(name)
        stage.oracle(name)
    job = settled(stage, number)
    assert job.state == JobState.SETTLED
    assert len(job.executions[0].verdicts) == 1
    scope = f"report/{number}/0/0/1"
    assert {oracle.ledger.signed(scope) for oracle in stage.oracles.values()} <= {"1", None}


def test_a_client_that_frames_differently_than_its_seed_voids_its_own_check(
    stage: Stage, program: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frames are of another circuit; the provider runs what it was given and is paid."""
    import qcrs.client.program as programs

    stage.certify(good=GOOD)
    honest = programs.frame

    def other(document: Any, seed: bytes, unit: int, index: int) -> Any:
        return honest(document, bytes(32), unit, index)

    monkeypatch.setattr(programs, "frame", other)
    number = open_job(stage, program, target=stage.number_of("good"), max_executions=1)
    monkeypatch.undo()
    job = settled(stage, number)
    assert job.state == JobState.SETTLED
    verdict = stage.exchange.job(number).executions[0].verdicts[0]
    assert (verdict.outcome, verdict.weak, verdict.decided_by) == ("ACCEPT", True, "client void")


def test_a_document_that_asks_for_more_than_was_paid_for_is_refused_and_the_node_paid(
    stage: Stage, program: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    import qcrs.client.exchange as exchange

    stage.certify(good=GOOD)
    before = stage.said("node-good", "refused")
    monkeypatch.setattr(exchange, "width_of", lambda _units: 2)
    number = open_job(stage, program, target=stage.number_of("good"), max_executions=1)
    job = settled(stage, number)
    assert job.state == JobState.SETTLED
    assert stage.said("node-good", "refused") == before + 1
    assert stage.exchange.job(number).executions[0].verdicts[0].decided_by == "client void"


def test_exact_values_are_checked_by_recomputing_them(stage: Stage, program: Unit) -> None:
    from dataclasses import replace

    from qcrs.circuits import CircuitDocument

    stage.certify(good=GOOD)
    gates = tuple(item for item in program.circuit.instructions if item.name in ("u", "cz"))
    unit = Unit(CircuitDocument(4, 0, (), gates), paulis=("ZZII", "IXIX", "IIIZ"))
    number = open_job(stage, unit, target=stage.number_of("good"), max_executions=1)
    assert settled(stage, number).state == JobState.SETTLED
    values = stage.exchange.result(number).outcomes[0].values
    assert len(values) == 3

    # A processor that answers something else is rejected.
    worker = stage.nodes["good"].worker
    assert worker is not None
    honest = worker._record

    def wrong(job: Job, execution: Execution, result: Any) -> None:
        units = tuple(ResultUnit(values_pico=tuple(v + 10**10 for v in u.values_pico)) for u in result.units)
        honest(job, execution, replace(result, units=units))

    worker._record = wrong
    number = open_job(stage, unit, target=stage.number_of("good"), max_executions=1)
    assert settled(stage, number).executions[0].state == ExecutionState.REJECTED


def test_a_physical_circuit_that_does_not_fit_is_the_client_s_fault(stage: Stage) -> None:
    """The processor publishes a line; a gate between its ends is refused, and the provider paid."""
    from qiskit import QuantumCircuit

    from qcrs.circuits import lower

    stage.certify(good=GOOD)
    circuit = QuantumCircuit(4, 2)
    circuit.ry(0.4, 0)
    circuit.cz(0, 3)
    circuit.measure([0, 3], [0, 1])
    unit = Unit(lower(circuit).document, 100)
    number = open_job(stage, unit, target=stage.number_of("good"), max_executions=1, physical=True)
    assert settled(stage, number).state == JobState.SETTLED
    assert stage.exchange.job(number).executions[0].verdicts[0].decided_by == "client void"
