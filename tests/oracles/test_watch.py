"""A provider that turns slack after its certification is flagged by its own verdicts, and audited for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from qcrs.client.audit import audit_exchange
from qcrs.client.program import Unit
from qcrs.client.standing import measure_from, standing_of
from qcrs.client.verify import verify_job
from qcrs.client.views import JobOptions
from qcrs.oracles.ledger import Ledger
from qcrs.verification.eprocess import Measured

HONEST = "aer:noisy-a?qubits=4"
SLACK = "qcrs.attackers:attack?kind=diluted&share=0.06&base=aer:noisy-a&qubits=4"
Stage = Any


def test_a_slack_rider_is_flagged_by_its_verdicts_and_audited_on_every_job(
    stage: Stage, program: Unit
) -> None:
    stage.certify(rider=HONEST)
    stage.drop("rider")
    stage.node("rider", SLACK)
    provider = stage.keys["rider"].address
    oracle = stage.oracles["oracle-0"]

    def run() -> int:
        options = JobOptions(target=stage.number_of("rider"), declared_seconds=100, deadline_seconds=3000)
        number = stage.exchange.submit([replace(program, shots=40_000)], options)
        # The judge may leave such a job open: for its standing the verdict counts.
        stage.until(lambda: [run for run in stage.job(number).executions if run.verdicts], "a verdict")
        return int(number)

    def rate(number: int) -> int:
        evidence = stage.exchange.document(stage.job(number).executions[0].verdicts[0].evidence)
        return int(evidence["draw"]["rate_ppm"])

    first = run()
    assert rate(first) < 1_000_000
    jobs = [first]
    while not standing_of(stage.exchange.history(), provider, measure_from(stage.exchange.store)).flagged:
        assert len(jobs) < 9
        jobs.append(run())
    assert len(jobs) > 1
    assert all(rate(number) < 1_000_000 for number in jobs)
    stage.chain.request("evm_increaseTime", 2)  # verdicts count from the second after theirs
    stage.embedded.mine()
    after = run()
    assert rate(after) == 1_000_000
    assert stage.said("oracle-0", "provider flagged") == 1
    # The oracle's database, and whoever reads chain and store alone, come to the same number.
    anyone = standing_of(stage.exchange.history(), provider, measure_from(stage.exchange.store))
    assert anyone.process.jobs == len(jobs) + 1
    rider = stage.number_of("rider")
    stage.until(lambda: oracle._desk.watch.standing(rider, 2**62) == anyone, "the oracle has read it all")
    ended = [number for number in (*jobs, after) if stage.job(number).final]
    stage.until(lambda: oracle.ledger.is_done(f"opening/{ended[-1]}"), "the last job is opened")
    report = verify_job(stage.exchange, ended[-1], sandbox=stage.bench)
    assert report.ok, report.text()
    audited = audit_exchange(stage.exchange)
    assert audited.ok, audited.text()
    assert [one.provider for one in audited.standings if one.flagged] == [provider]
    assert "audited on every job" in audited.text()


def test_magnitudes_survive_a_restart(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "oracle.db")
    assert ledger.magnitude(b"a" * 32) == (False, None)
    ledger.keep_magnitude(b"a" * 32, Measured(1, 2, 3))
    ledger.keep_magnitude(b"b" * 32, None)
    ledger.close()
    again = Ledger(tmp_path / "oracle.db")
    assert again.magnitude(b"a" * 32) == (True, Measured(1, 2, 3))
    assert again.magnitude(b"b" * 32) == (True, None)
    again.close()
