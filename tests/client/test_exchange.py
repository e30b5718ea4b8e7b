"""Operations of an account against the real contracts, store and statistics."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qcrs.chain.bindings import ProcessorRegistry
from qcrs.circuits import lower
from qcrs.client.program import Unit
from qcrs.client.verify import verify_job
from qcrs.client.views import JobOptions, Status
from qcrs.config.home import Home
from qcrs.errors import (
    AccountError,
    CircuitError,
    ContractError,
    InputError,
    JobError,
    JobNotFoundError,
    JobTimeoutError,
    VerificationError,
)
from qcrs.types import DECIMALS, cid_to_digest
from qcrs.verification.audit import slashable, value_cap


def ghz(qubits: int = 3, shots: int = 600) -> list[Unit]:
    circuit = QuantumCircuit(qubits)
    circuit.h(0)
    for qubit in range(1, qubits):
        circuit.cx(qubit - 1, qubit)
    circuit.measure_all()
    return [Unit(lower(circuit).document, shots)]


@pytest.fixture
def exchange(network: Any) -> Any:
    found = network.exchange("client")
    yield found
    found.close()


def test_a_job_is_quoted_submitted_run_accepted_and_paid_to_the_unit(
    network: Any, desk: Any, exchange: Any
) -> None:
    quote = exchange.quote(ghz())
    before = exchange.balance()
    number = exchange.submit(ghz(), note="hello")
    assert exchange.balance() == before - quote.escrow
    waiting = exchange.job(number)
    assert (waiting.status, waiting.queue_position) == (Status.QUEUED, 1)
    with desk.working():
        steps = [step.kind for step in exchange.follow(number, timeout=60)]
        result = exchange.result(number)
    assert [kind for kind in steps if kind != "QUEUE"] == [
        "SUBMITTED", "ALLOCATED", "COMMITTED", "JUDGED", "CLOSED",
    ]  # fmt: skip
    assert result.verified
    assert result.note == "hello"
    assert sum(result.outcomes[0].counts.values()) == 600
    assert set(result.outcomes[0].counts) == {0, 7}
    info = result.job
    assert info.status is Status.DONE
    assert (info.paid, info.refunded, info.escrow) == (quote.fee, quote.escrow - quote.fee, 0)
    assert exchange.balance() == before - quote.fee
    verdict = info.verdict
    assert verdict.outcome == "ACCEPT"
    assert verdict.interval[0] <= verdict.score <= verdict.interval[1]
    assert verdict.score >= verdict.threshold
    assert set(info.gas) == {"submitted", "allocated", "committed", "judged"}
    assert "0x" + network.contracts.allocator.trail(number).hex() == info.trail


def test_everything_is_found_again_with_the_key_alone(
    network: Any, desk: Any, exchange: Any, tmp_path: Path
) -> None:
    number = exchange.submit(ghz(), note="again")
    while desk.step():
        pass
    other = network.exchange(exchange.account, home=tmp_path)
    assert other.jobs(client=other.address)[0].id == number
    assert other.result(number).outcomes == exchange.result(number).outcomes
    assert other.result(number).note == "again"
    stranger = network.exchange(network.account(f"stranger{number}"), home=tmp_path)
    with pytest.raises(VerificationError, match=r"no secret envelope|does not open"):
        stranger.result(number)


def test_the_same_simulator_seed_gives_the_same_numbers(desk: Any, exchange: Any) -> None:
    options = JobOptions(target=1, simulator_seed=7)
    jobs = [exchange.submit(ghz(), options) for _ in range(2)]
    secrets = [exchange.results.secret(exchange.entry(job)) for job in jobs]
    assert secrets[0].seed == secrets[1].seed
    assert secrets[0].job_nonce != secrets[1].job_nonce
    fresh = exchange.results.secret(exchange.entry(exchange.submit(ghz(), JobOptions(target=1))))
    assert fresh.seed != secrets[0].seed
    while desk.step():
        pass


def test_a_set_of_jobs_is_one_transaction(desk: Any, exchange: Any) -> None:
    numbers = exchange.submit_many([(ghz(2), JobOptions(), "a"), (ghz(4), JobOptions(target=2), "b")])
    infos = [exchange.job(number) for number in numbers]
    assert [info.qubits for info in infos] == [2, 4]
    assert infos[0].gas == infos[1].gas
    while desk.step():
        pass
    assert [exchange.result(number).note for number in numbers] == ["a", "b"]


def test_cancel_gives_the_escrow_back_once(exchange: Any) -> None:
    before = exchange.balance()
    number = exchange.submit(ghz())
    info = exchange.cancel(number)
    assert info.status is Status.CANCELLED
    assert exchange.balance() == before
    assert exchange.cancel(number).status is Status.CANCELLED
    assert exchange.balance() == before
    with pytest.raises(JobError, match="cancelled"):
        exchange.result(number)


@pytest.mark.parametrize(
    ("name", "value"),
    [("flow", -1), ("trust", 300), ("class_", -1), ("quality", 70_000), ("deadline_seconds", 10**21)],
)
def test_options_that_no_request_can_say_are_named(name: str, value: int) -> None:
    label = name.rstrip("_").removesuffix("_seconds")
    with pytest.raises(InputError, match=label) as failure:
        JobOptions(**{name: value})  # type: ignore[arg-type]  # any of them
    assert (failure.value.field, failure.value.value) == (label, value)
    assert "from 0 to" in str(failure.value.solution)


def test_a_quality_that_nobody_has_is_the_reason_named(exchange: Any) -> None:
    best = max(one.quality for one in exchange.processors())
    with pytest.raises(InputError, match=f"best certified one is {best}") as failure:
        exchange.quote(ghz(), JobOptions(quality=best + 1))
    assert failure.value.field == "quality"


def test_a_named_processor_s_certificate_is_compared_before_anything_is_sent(exchange: Any) -> None:
    """On chain a job for one processor asks for no quality, so that none stands in its queue for ever."""
    named = max((one for one in exchange.processors() if one.certified), key=lambda one: one.quality)
    options = JobOptions(target=named.id, quality=named.quality)
    assert exchange.request(ghz(), options).quality == 0
    with pytest.raises(InputError, match=f"a certificate of quality {named.quality}, less") as failure:
        exchange.submit(ghz(), replace(options, quality=named.quality + 1))
    assert (failure.value.field, failure.value.value) == ("quality", named.quality + 1)


def test_a_quote_for_a_flow_that_does_not_exist_is_refused(exchange: Any) -> None:
    with pytest.raises(ContractError, match="flow") as failure:
        exchange.quote(ghz(), JobOptions(flow=99))
    assert failure.value.name == "ComputationAllocatorUnknownFlow"
    assert "flow 0" in str(failure.value.solution)


def test_a_quote_names_an_account_that_is_not_there(network: Any) -> None:
    with pytest.raises(AccountError, match="no such account"):
        network.exchange("nobody").quote(ghz())


def test_a_finished_job_cannot_be_cancelled(desk: Any, exchange: Any) -> None:
    number = exchange.submit(ghz())
    while desk.step():
        pass
    with pytest.raises(ContractError) as failure:
        exchange.cancel(number)
    assert failure.value.name == "ComputationAllocatorBadJobState"
    assert exchange.result(number).verified


def test_with_its_node_stopped_a_job_fails_by_its_deadline_and_runs_nowhere_else(
    network: Any, desk: Any, exchange: Any
) -> None:
    before = exchange.balance()
    processor = network.processors[2]
    processor.working = False
    try:
        number = exchange.submit(ghz(), JobOptions(target=processor.id, deadline_seconds=60))
        with pytest.raises(JobTimeoutError, match="still queued"):
            exchange.result(number, timeout=0)
        while desk.step():
            pass
        network.embedded.travel(61)
        network.embedded.mine()
        with pytest.raises(JobTimeoutError, match="nobody took the job") as failure:
            exchange.result(number, timeout=30)
    finally:
        processor.working = True
    assert failure.value.solution
    info = exchange.job(number)
    assert (info.state, info.executions) == ("EXPIRED", ())
    assert exchange.balance() == before


def test_a_withheld_result_is_rejected_and_the_job_runs_elsewhere(
    network: Any, desk: Any, exchange: Any
) -> None:
    while desk.step():
        pass
    number = exchange.submit(ghz())
    desk.hand_over = False
    desk.step()
    desk.step()
    desk.hand_over = True
    later = exchange.submit(ghz())
    assert [exchange.job(one).queue_position for one in (number, later)] == [1, 2]
    while desk.step():
        pass
    info = exchange.job(number)
    assert [run.state for run in info.executions] == ["REJECTED", "ACCEPTED"]
    assert info.executions[0].processor != info.executions[1].processor
    assert exchange.result(number).execution == 1


def test_an_audited_job_waits_for_a_second_provider_and_pays_both(desk: Any, exchange: Any) -> None:
    number = exchange.submit(ghz())
    desk.audits = True
    while not exchange.entry(number).executions or not exchange.entry(number).executions[0].verdicts:
        assert desk.step()
    desk.audits = False
    while desk.step():
        pass
    first, second = exchange.job(number).executions
    assert [verdict.outcome for verdict in first.verdicts] == ["UNDECIDED", "ACCEPT"]
    assert first.verdicts[0].decided_by == "audit draw"
    assert (first.state, second.state) == ("ACCEPTED", "ACCEPTED")
    assert first.processor != second.processor
    info = exchange.job(number)
    assert (info.state, info.paid) == ("SETTLED", 2 * info.fee)
    report = exchange.verify(number)
    assert report.ok, report.text()


def test_a_stated_value_asks_for_executions_and_audits_up_to_what_bonds_hold(
    network: Any, desk: Any, exchange: Any
) -> None:
    fee = exchange.quote(ghz()).fee
    bonds = [one.bond for one in exchange.processors()]
    cap = value_cap(fee, min(slashable(bond, fee, 10) for bond in bonds))
    assert exchange.request(ghz(), JobOptions(value=cap)).redundancy == 1
    assert exchange.request(ghz(), JobOptions(value=cap + 1)).redundancy == 2
    with pytest.raises(InputError, match=f"{3 * cap} base units with 5 executions"):
        exchange.quote(ghz(), JobOptions(value=3 * cap + 1))
    one = exchange.processors()[0].id
    with pytest.raises(InputError, match="capped by the bonds"):
        exchange.quote(ghz(), JobOptions(value=2 * cap, target=one))
    number = exchange.submit(ghz(), JobOptions(value=9 * cap // 10))
    with desk.working():
        exchange.wait(number, timeout=90)
        exchange.result(number)
    run = exchange.job(number).executions[0]
    draw = exchange.document(cid_to_digest(run.verdicts[0].evidence))["draw"]
    assert draw["value"] == 9 * cap // 10
    assert verify_job(exchange, number).ok


def test_results_without_a_verdict_are_read_only_on_request(desk: Any, exchange: Any) -> None:
    while desk.step():
        pass
    number = exchange.submit(ghz())
    with pytest.raises(JobError, match="no handed-over result"):
        exchange.result(number, verified=False)
    desk.step()
    opened = exchange.result(number, verified=False)
    assert not opened.verified
    with pytest.raises(JobTimeoutError):
        exchange.result(number, timeout=0)
    while desk.step():
        pass
    assert exchange.result(number).outcomes == opened.outcomes


def test_money_goes_in_with_one_permit_and_out_again(exchange: Any, harness: Any) -> None:
    held, free = exchange.credit(), exchange.balance()
    exchange.deposit(5 * harness.CREDIT)
    assert (exchange.credit(), exchange.balance()) == (held - 5 * harness.CREDIT, free + 5 * harness.CREDIT)
    exchange.withdraw(5 * harness.CREDIT)
    assert (exchange.credit(), exchange.balance()) == (held, free)
    for amount in (0, -1, held + 1):
        with pytest.raises(AccountError, match="at most"):
            exchange.deposit(amount)
    with pytest.raises(AccountError, match="at most"):
        exchange.withdraw(free + 1)


def test_an_unfunded_account_is_told_before_anything_is_written(network: Any, tmp_path: Path) -> None:
    poor = network.exchange(network.account(f"poor-{tmp_path.name}"), home=tmp_path)
    blobs = sum(1 for _ in Path(network.settings.store).rglob("bafk*"))
    with pytest.raises(AccountError, match="escrow is") as failure:
        poor.submit(ghz())
    assert "deposit" in failure.value.solution
    assert sum(1 for _ in Path(network.settings.store).rglob("bafk*")) == blobs
    assert poor.jobs(client=poor.address) == []


@pytest.mark.parametrize(
    ("units", "options", "words"),
    [
        (ghz(9), JobOptions(), "needs 9 qubits; the widest processor has 8"),
        (ghz(), JobOptions(target=77), "does not take jobs"),
        (ghz(), JobOptions(quality=4000), "no processor has the quality"),
        (ghz(), JobOptions(redundancy=6), "cannot hold 6"),
        (ghz(), JobOptions(target=1, redundancy=2, max_executions=2), "one execution"),
        ([], JobOptions(), "1 to 1000 circuits"),
        ([Unit(ghz()[0].circuit, 0)], JobOptions(), "0 shots"),
        ([Unit(ghz()[0].circuit, 10**7)], JobOptions(), "10000000 shots"),
    ],
)
def test_what_cannot_run_is_refused_with_a_remedy(
    exchange: Any, units: list[Unit], options: JobOptions, words: str
) -> None:
    for action in (exchange.quote, exchange.submit):
        with pytest.raises(InputError, match=words) as failure:
            action(units, options)
        assert failure.value.solution


def test_a_circuit_that_measures_nothing_is_refused(exchange: Any) -> None:
    silent = lower(QuantumCircuit(1), measure=False).document
    with pytest.raises(CircuitError, match="measures nothing"):
        exchange.submit([Unit(silent, 10)])


def test_exact_values_that_no_oracle_could_check_are_refused(exchange: Any) -> None:
    circuit = QuantumCircuit(25)
    circuit.h(range(25))
    with pytest.raises(InputError, match="acts on 25 qubits"):
        exchange.quote([Unit(lower(circuit, measure=False).document, paulis=("Z" * 25,))])


@pytest.mark.parametrize("number", ["x", 0, -1, 2**64, 123456789])
def test_unknown_jobs(exchange: Any, number: Any) -> None:
    with pytest.raises(JobNotFoundError) as failure:
        exchange.job(number)
    assert failure.value.solution


def test_credits_have_the_tokens_decimals(network: Any) -> None:
    assert network.contracts.credit.decimals() == DECIMALS


def test_processors_show_certificate_reputation_and_description(network: Any, exchange: Any) -> None:
    alice = exchange.processor(1)
    assert (alice.name, alice.certified, alice.qubits) == ("alice", True, 8)
    assert alice.capability.quality == alice.quality
    assert 0 < alice.reputation < 1
    assert alice.metadata["exact"] is True
    registered = network.contracts.registry
    assert isinstance(registered, ProcessorRegistry)
    assert alice.bond == registered.bond_of(1)


def test_reading_needs_no_key(network: Any, tmp_path: Path) -> None:
    bare = network.exchange(None, home=Home(tmp_path).root)
    assert len(bare.processors()) == 3
    assert bare.quote(ghz()).balance == 0
    with pytest.raises(AccountError):
        bare.submit(ghz())
