"""Rounds among oracles: audits, liars, silence, forged mail, what was never taken, and reports in batches."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qcrs.chain.bindings import ExecutionState, JobState, Outcome
from qcrs.client.program import Unit
from qcrs.client.references import RegistryAt
from qcrs.client.sealed import batch_topic, beacon_topic, certify_topic, report_topic
from qcrs.client.standing import measure_from, standing_of
from qcrs.client.verify import verify_job
from qcrs.client.views import JobOptions
from qcrs.errors import InputError
from qcrs.oracles import judging, reports
from qcrs.oracles.batches import Batches, BatchPolicy
from qcrs.oracles.beacon import BeaconView
from qcrs.oracles.daemon import Oracle
from qcrs.oracles.dossier import Dossier
from qcrs.oracles.ledger import Ledger
from qcrs.store import ContentStore, Mailbox
from qcrs.types import canonical_json, parse_canonical

GOOD = "aer:noisy-a?qubits=4"
Stage = Any
Gate = Callable[[Stage, list[int]], None]


def open_job(stage: Stage, unit: Unit, **options: Any) -> int:
    settings = {"declared_seconds": 100, "deadline_seconds": 3000, **options}
    return stage.exchange.submit([unit], JobOptions(**settings))


def settled(stage: Stage, number: int) -> Any:
    return stage.until(lambda: stage.job(number).final and stage.job(number), f"job {number} ends")


@pytest.fixture
def all_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The beacon draws every execution."""
    monkeypatch.setattr(judging, "rate_at", lambda *_, **__: 1_000_000)


@pytest.mark.usefixtures("all_drawn")
def test_a_drawn_execution_is_run_elsewhere_and_both_are_judged_against_each_other(
    stage: Stage, program: Unit
) -> None:
    stage.certify(good=GOOD, other=GOOD)
    number = open_job(stage, program, max_executions=3)
    job = settled(stage, number)
    assert job.state == JobState.SETTLED
    first, second = job.executions
    assert first.processor != second.processor
    assert [v.outcome for v in first.verdicts] == [Outcome.UNDECIDED, Outcome.ACCEPT]
    assert [v.outcome for v in second.verdicts] == [Outcome.ACCEPT]
    assert job.paid == 2 * job.fee
    decided = [v.decided_by for v in stage.exchange.job(number).executions[0].verdicts]
    assert decided[0] == "audit draw"
    evidence = stage.exchange.document(first.verdicts[1].evidence)
    assert [item["execution"] for item in evidence["references"]] == [second.index]
    assert any("peer" in test["name"] for test in evidence["tests"])


@pytest.mark.usefixtures("all_drawn")
def test_a_drawn_execution_that_nobody_repeats_is_judged_by_what_there_is(
    stage: Stage, program: Unit
) -> None:
    stage.certify(good=GOOD, other=GOOD)
    stage.present.remove("other")
    number = open_job(stage, program, max_executions=3)
    job = settled(stage, number)
    assert [v.outcome for v in job.executions[0].verdicts] == [Outcome.UNDECIDED, Outcome.ACCEPT]
    assert (job.state, job.paid) == (JobState.SETTLED, job.fee)


def test_what_stays_undecided_ends_unpaid_once_the_job_waits_for_nothing_else(
    stage: Stage, program: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.certify(good=GOOD, other=GOOD)
    honest = judging.CaseJudging._judge

    def unsure(self: judging.CaseJudging, *inputs: Any) -> Any:
        found = honest(self, *inputs)
        if found is None or self.execution.index != 0:
            return found
        return replace(found, outcome=int(Outcome.UNDECIDED))

    monkeypatch.setattr(judging.CaseJudging, "_judge", unsure)
    job = settled(stage, open_job(stage, program, max_executions=3))
    first, second = job.executions
    assert (job.state, job.paid, job.refunded) == (JobState.SETTLED, job.fee, 2 * job.fee)
    assert [v.outcome for v in first.verdicts] == [Outcome.UNDECIDED, Outcome.UNDECIDED]
    assert (first.state, first.penalty) == (ExecutionState.ENDED, 0)
    assert [v.outcome for v in second.verdicts] == [Outcome.ACCEPT]


def test_a_direct_job_that_stays_undecided_says_what_would_decide_it(
    stage: Stage, program: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.certify(good=GOOD)
    honest = judging.Bench.ask
    reason = "neither right nor wrong by these shots: 900 more are needed"

    def unsure(self: judging.Bench, request: Any) -> Any:
        found = honest(self, request)
        return found and replace(found, outcome=int(Outcome.UNDECIDED), reason=reason)

    monkeypatch.setattr(judging.Bench, "ask", unsure)
    number = open_job(stage, program, target=stage.number_of("good"), max_executions=1)
    assert settled(stage, number).state == JobState.FAILED
    info = stage.exchange.job(number)
    assert info.error is not None
    assert info.solution is not None
    assert f"stayed undecided: {reason}" in info.error
    assert "more shots" in info.solution
    assert f"qcrs job result {number} --unverified" in info.solution
    assert sum(stage.exchange.result(number, verified=False).outcomes[0].counts.values()) == 2000


def test_a_lying_oracle_stays_alone(stage: Stage, program: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    """It proposes a rejection; nobody signs it, it signs nothing else, and three settle without it."""
    stage.certify(good=GOOD)
    liar = stage.oracles["oracle-1"]
    honest = judging.CaseJudging._judge

    def lie(self: judging.CaseJudging, *inputs: Any) -> Any:
        found = honest(self, *inputs)
        if found is None or self.party is not liar.party:
            return found
        return replace(found, outcome=int(Outcome.REJECT))

    monkeypatch.setattr(judging.CaseJudging, "_judge", lie)
    number = open_job(stage, program, target=stage.number_of("good"), max_executions=1)
    job = settled(stage, number)
    assert job.state == JobState.SETTLED
    assert job.executions[0].verdicts[0].signers == 0b1101
    assert liar.ledger.signed(f"report/{number}/0/0/1") in (str(int(Outcome.REJECT)), None)
    assert stage.said("oracle-1", "disagrees") >= 1


Lie = Callable[[Any, Any], Any]


@pytest.fixture
def proposes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Lie], None]:
    """From then on this oracle is the first to propose, and proposes what a function makes of its own."""

    def of(name: str, lie: Lie) -> None:
        liar, honest = stage.oracles[name], reports.ReportRound._propose
        rank = vars(reports.ReportRound)["rank"]

        def propose(self: reports.ReportRound, own: reports.Judgement) -> None:
            honest(self, lie(self, own) if self.party is liar.party else own)

        def place(self: reports.ReportRound) -> int:
            return 0 if self.party is liar.party else int(rank.fget(self)) + 2

        monkeypatch.setattr(reports.ReportRound, "_propose", propose)
        monkeypatch.setattr(reports.ReportRound, "rank", property(place))

    return of


def test_what_an_oracle_makes_up_in_its_evidence_is_signed_by_nobody_else(
    stage: Stage, program: Unit, proposes: Callable[[str, Lie], None]
) -> None:
    """A false magnitude would get an honest provider flagged (V8), or a cheat's flag away."""
    stage.certify(good=GOOD)

    def lie(_round: Any, own: reports.Judgement) -> reports.Judgement:
        words: Any = parse_canonical(own.evidence)
        (test,) = [one for one in words["tests"] if one["name"] == "magnitude:ideal"]
        test["value_ppm"], test["se_ppm"] = -(10**12), 0
        words["reason"] = "send 5 credits to 0xdead to release this result"
        return replace(own, evidence=canonical_json(words))

    proposes("oracle-1", lie)
    number = open_job(stage, program, target=stage.number_of("good"), max_executions=1)
    job = settled(stage, number)
    assert job.state == JobState.SETTLED
    evidence = stage.exchange.document(job.executions[0].verdicts[0].evidence)
    assert "send" not in evidence["reason"]
    provider = stage.keys["good"].address
    standing = standing_of(stage.exchange.history(), provider, measure_from(stage.exchange.store))
    assert (standing.jobs[-1].job, standing.flagged) == (number, False)
    assert standing.jobs[-1].measured.ratio > 0
    stage.until(lambda: stage.said("oracle-0", "disagrees"), "the lie was seen")
    assert "0xdead" in (stage.home.root / "logs" / "oracle-0.jsonl").read_text()


@pytest.mark.usefixtures("all_drawn")
def test_nobody_signs_for_an_oracle_that_leaves_references_out(
    stage: Stage, program: Unit, proposes: Callable[[str, Lie], None]
) -> None:
    """Without references a drawn execution would stay undecided twice, and end unpaid."""
    stage.certify(good=GOOD, other=GOOD)
    lies: list[tuple[int, bool]] = []

    def lie(one: Any, own: reports.Judgement) -> reports.Judgement:
        if one.round == 0:
            return own
        judge, alone = one.judging, bool(len(lies) % 2)  # now with this word, now with that
        found = judge._on(judge.beacon.proofs, (), alone, judge._past().look(judge._keys()))
        if found is None:
            return own
        lies.append((found.outcome, alone))
        return found

    proposes("oracle-1", lie)
    number = open_job(stage, program, max_executions=3)
    job = settled(stage, number)
    assert lies
    first, second = job.executions
    assert [v.outcome for v in first.verdicts] == [Outcome.UNDECIDED, Outcome.ACCEPT]
    assert job.paid == 2 * job.fee
    draws = [stage.exchange.document(v.evidence)["draw"]["alone"] for v in first.verdicts]
    assert draws == [False, True]
    evidence = stage.exchange.document(first.verdicts[1].evidence)
    assert [item["execution"] for item in evidence["references"]] == [second.index]
    stage.until(lambda: all(o.ledger.is_done(f"opening/{number}") for o in stage.oracles.values()))
    report = verify_job(stage.exchange, number)
    assert {check.name for check in report.differences} == {"audit draw"}, (
        report.text()
    )  # the rate is made up


@pytest.mark.usefixtures("all_drawn")
def test_an_oracle_to_whom_a_reference_has_not_opened_says_nothing(
    stage: Stage, program: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could name what it holds only, and three others settle without it."""
    stage.certify(good=GOOD, other=GOOD)
    blind, honest = stage.oracles["oracle-3"], Dossier.handed

    def handed(self: Dossier, execution: Any) -> Any:
        return None if self.party is blind.party and execution.index == 1 else honest(self, execution)

    monkeypatch.setattr(Dossier, "handed", handed)
    number = open_job(stage, program, max_executions=3)
    job = settled(stage, number)
    first = job.executions[0]
    assert [v.outcome for v in first.verdicts] == [Outcome.UNDECIDED, Outcome.ACCEPT]
    assert first.verdicts[1].signers == 0b0111
    assert blind.ledger.signed(f"report/{number}/0/1/1") is None
    stage.until(lambda: number not in blind._cases, "it closes its file")


def test_the_registry_of_any_block_is_that_of_the_history_up_to_it(stage: Stage) -> None:
    stage.certify(good=GOOD, other=GOOD)
    registry = RegistryAt(stage.oracles["oracle-0"].party.index)
    head = stage.chain.block().number
    different = set()
    for block in (head // 2, head // 3, head, head - 1, 1):
        wanted = stage.exchange.history_at(block).processors
        assert registry(block) == wanted
        different.add(len(wanted))
    assert len(different) > 1


def test_an_oracle_that_withholds_its_beacon_proof_is_left_out(
    stage: Stage, program: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.certify(good=GOOD)
    silent = stage.oracles["oracle-3"]
    mail = BeaconView._mail

    def withheld(self: BeaconView) -> None:
        if self.party is silent.party:
            self._reader = self.party.mailbox.reader(beacon_topic(self.job.id, self.execution.index))
        else:
            mail(self)

    monkeypatch.setattr(BeaconView, "_mail", withheld)
    number = open_job(stage, program, target=stage.number_of("good"), max_executions=1)
    job = settled(stage, number)
    assert job.state == JobState.SETTLED
    evidence = stage.exchange.document(job.executions[0].verdicts[0].evidence)
    assert set(evidence["beacon"]["proofs"]) == {"0", "1", "2"}
    stage.until(lambda: all(o.ledger.is_done(f"opening/{number}") for o in stage.oracles.values()))
    assert verify_job(stage.exchange, number).ok


def test_forged_mail_changes_nothing(stage: Stage, program: Unit) -> None:
    """Strangers and nonsense in every topic: beacons, reports, certificates."""
    from eth_account import Account

    stage.certify(good=GOOD)
    number = open_job(stage, program, target=stage.number_of("good"), max_executions=1)
    mailbox = Mailbox(ContentStore(stage.network.store))
    stranger, oracle = Account.create(), stage.keys["oracle-0"]
    for sender in (stranger, oracle):
        for body in ({"proof": "zz"}, {"proof": "00" * 256, "block": 1}, {"x": [1, {"y": None}]}):
            mailbox.post(beacon_topic(number, 0), body, sender)
            mailbox.post(report_topic(number, 0, 0), body, sender)
            mailbox.post(f"result/{number}/0", body, sender)
            mailbox.post(f"release/{number}/0", body, sender)
            mailbox.post(certify_topic(stage.number_of("good"), 2), body, sender)
    job = settled(stage, number)
    assert (job.state, job.executions[0].verdicts[0].signers.bit_count()) == (JobState.SETTLED, 3)


def test_a_job_that_nobody_takes_is_ended_by_the_oracles_and_refunded(stage: Stage, program: Unit) -> None:
    stage.certify(good=GOOD)
    stage.present.clear()
    stage.deployer.transact(stage.allocator.set_times(1, 0, 3600))
    before = stage.allocator.balance_of(stage.client.address)
    number = open_job(stage, program, max_executions=1, declared_seconds=5, deadline_seconds=15)
    stage.embedded.travel(16)
    job = settled(stage, number)
    assert (job.state, job.executions, job.refunded) == (JobState.EXPIRED, [], job.fee)
    assert stage.allocator.balance_of(stage.client.address) == before


def test_a_certificate_is_renewed_before_it_ends(stage: Stage) -> None:
    stage.certify(good=GOOD)
    number = stage.number_of("good")
    until = stage.exchange.history().processors[number].certified_until
    life = stage.oracles["oracle-0"].party.contracts.registry.certificate_life()
    stage.chain.request("evm_increaseTime", life * 4 // 5)
    stage.embedded.mine()
    stage.until(lambda: stage.exchange.history().processors[number].epoch == 2, "a second certificate")
    assert stage.exchange.history().processors[number].certified_until > until


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """From then on no oracle tells its judgements on these jobs before it has all of them."""

    def gate(stage: Stage, jobs: list[int]) -> None:
        honest = judging.CaseJudging.own
        known: dict[str, set[int]] = {oracle.party.address: set() for oracle in stage.oracles.values()}

        def own(self: judging.CaseJudging) -> Any:
            found, mine = honest(self), known[self.party.address]
            if found is not None:
                mine.add(self.dossier.job.id)
            return found if all(known[one] >= set(jobs) for one in known) else None

        monkeypatch.setattr(judging.CaseJudging, "own", own)

    return gate


def open_jobs(stage: Stage, unit: Unit, count: int) -> list[int]:
    """Targeted jobs of one node, whose results it has all committed to."""
    options = JobOptions(
        declared_seconds=100, deadline_seconds=3000, target=stage.number_of("good"), max_executions=1
    )
    return [stage.exchange.submit([unit], options) for _ in range(count)]


def test_jobs_that_are_ready_together_settle_in_one_transaction(
    stage: Stage, program: Unit, together: Gate
) -> None:
    stage.certify(good=GOOD)
    jobs = open_jobs(stage, program, 3)
    together(stage, jobs)
    found = [settled(stage, number) for number in jobs]
    assert {job.state for job in found} == {JobState.SETTLED}
    transactions = {job.executions[0].verdicts[0].transaction for job in found}
    assert len(transactions) < len(jobs)
    assert sum(stage.said(name, "relayed a batch") for name in stage.oracles) >= 1
    stage.until(
        lambda: all(o.ledger.is_done(f"opening/{n}") for o in stage.oracles.values() for n in jobs), "opened"
    )
    batched = 0
    for number in jobs:
        report = verify_job(stage.exchange, number)
        assert report.ok, [check for check in report.checks if not check.ok]
        batched += any("on a batch of" in check.name for check in report.checks)
    assert batched >= 2


def test_an_oracle_signs_no_batch_with_a_report_that_it_did_not_sign(
    stage: Stage, program: Unit, together: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that judges one of the jobs otherwise stays away from its batch; the others settle all of them."""
    stage.certify(good=GOOD)
    jobs = open_jobs(stage, program, 2)
    liar, honest = stage.oracles["oracle-2"], judging.CaseJudging._judge

    def lie(self: judging.CaseJudging, *inputs: Any) -> Any:
        found = honest(self, *inputs)
        if found is None or self.party is not liar.party or self.dossier.job.id != jobs[1]:
            return found
        return replace(found, outcome=int(Outcome.REJECT))

    monkeypatch.setattr(judging.CaseJudging, "_judge", lie)
    together(stage, jobs)
    found = [settled(stage, number) for number in jobs]
    assert {job.state for job in found} == {JobState.SETTLED}
    assert found[1].executions[0].verdicts[0].signers == 0b1011
    mails = Mailbox(ContentStore(stage.network.store)).reader(batch_topic(jobs[0], 0, 0)).poll()
    assert liar.party.address not in {mail.sender for mail in mails}


def test_where_no_batch_comes_about_each_report_goes_alone(
    stage: Stage, program: Unit, together: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.certify(good=GOOD)
    for oracle in stage.oracles.values():
        monkeypatch.setattr(oracle._desk.batches, "_policy", BatchPolicy(patience=0.5))
    monkeypatch.setattr(Batches, "_sign", lambda *_: None)
    jobs = open_jobs(stage, program, 2)
    together(stage, jobs)
    found = [settled(stage, number) for number in jobs]
    assert {job.state for job in found} == {JobState.SETTLED}
    assert len({job.executions[0].verdicts[0].transaction for job in found}) == 2


@pytest.mark.parametrize(("least", "most"), [(1, 8), (3, 2), (2, 65)])
def test_a_batch_has_bounds(least: int, most: int) -> None:
    with pytest.raises(InputError, match="2 to 64"):
        BatchPolicy(least, most)


def test_the_first_outcome_signed_is_the_only_one_even_after_a_crash(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "oracle.db")
    assert ledger.may_sign("report/1/0/0/1", "1")
    assert ledger.may_sign("report/1/0/0/1", "1")
    assert not ledger.may_sign("report/1/0/0/1", "3")
    ledger.close()
    again = Ledger(tmp_path / "oracle.db")
    assert not again.may_sign("report/1/0/0/1", "3")
    assert again.signed("report/1/0/0/1") == "1"
    assert again.may_sign("report/1/0/1/1", "3")
    assert again.keep("note", b"first") == again.keep("note", b"second") == b"first"
    again.mark_done("opening/1")
    again.close()
    third = Ledger(tmp_path / "oracle.db")
    assert third.is_done("opening/1")
    third.close()


def test_an_oracle_that_no_era_names_says_so_once(stage: Stage) -> None:
    said: list[str] = []
    late = Oracle(
        stage.home, "late", next(stage.accounts), chain=stage.chain, sandbox=stage.bench, tell=said.append
    )
    try:
        for _ in range(3):
            late.tick()
    finally:
        late.close()
    (words,) = said
    assert late.party.address in words
    assert "qcrs oracle identity" in words
    log = (stage.home.root / "logs" / "late.jsonl").read_text().splitlines()
    (waits,) = [line for line in map(json.loads, log) if line["what"] == "waits"]
    assert (waits["reason"] in words, waits["solution"] in words) == (True, True)
