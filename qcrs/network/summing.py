"""What a run came to: figures from the chain's events, and checks of what the run claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from qcrs.report import Entangled, Execution, Flow, Job, Processor, Summary
from qcrs.types import credits_text

if TYPE_CHECKING:
    from qcrs.client.exchange import Exchange
    from qcrs.client.views import ExecutionInfo, JobInfo, ProcessorInfo

__all__ = ["summarise"]

PPM = 1_000_000
RECHECKED = 3
"""Jobs that the demonstration checks again from chain and store alone."""


def _execution(run: ExecutionInfo) -> Execution:
    verdict = run.verdict
    return Execution(
        index=run.index,
        processor=run.processor,
        processor_name=run.processor_name,
        outcome={"FRAUDULENT": "fraud", "ENDED": "expired"}.get(run.state, run.state.lower()),
        score_ppm=None if verdict is None else round(verdict.score * PPM),
        interval_ppm=None
        if verdict is None or verdict.interval is None
        else (round(verdict.interval[0] * PPM), round(verdict.interval[1] * PPM)),
        threshold_ppm=None if verdict is None else round(verdict.threshold * PPM),
        decided_by="missed its deadline" if verdict is None else verdict.decided_by or "",
        allocated_at=run.allocated_at,
        committed_at=run.committed_at or 0,
        judged_at=run.deadline if verdict is None else verdict.time,
        fee_paid=run.paid,
        slashed=run.penalty,
    )


def _job(info: JobInfo, name: str, shots: int) -> Job:
    verdict = info.verdict
    return Job(
        id=info.id,
        name=name,
        qubits=info.qubits,
        shots=shots,
        status=info.state.lower(),
        verdict="accepted" if info.accepted else "failed",
        score_ppm=None if verdict is None else round(verdict.score * PPM),
        escrow=info.fee * info.max_executions,
        fee_paid=info.paid,
        fee_refunded=info.refunded,
        gas=sum(info.gas.values()),
        submitted_at=info.submitted_at,
        ended_at=info.closed_at or info.deadline,
        executions=tuple(map(_execution, info.executions)),
        trail=info.trail,
        payload=info.payload,
        evidence=tuple(v.evidence for run in info.executions for v in run.verdicts),
    )


def _processor(info: ProcessorInfo, slashed: int, earned: int) -> Processor:
    measured = info.capability
    return Processor(
        id=info.id,
        name=info.name,
        qubits=info.qubits,
        quality=info.quality,
        error_per_layered_gate_nano=measured.error_per_layered_gate if measured else 0,
        readout_error_nano=measured.readout_error if measured else 0,
        log2_quantum_volume=measured.log2_quantum_volume if measured else 0,
        ghz_width=measured.ghz_width if measured else 0,
        layers_per_second=measured.layers_per_second if measured else 0,
        reputation_ppm=round(info.reputation * PPM),
        bond=info.bond,
        slashed=slashed,
        earned=earned,
    )


def _flows(
    jobs: tuple[Job, ...], slashes: Mapping[int, int], processors: Mapping[int, str]
) -> tuple[Flow, ...]:
    fees: Counter[str] = Counter()
    for job in jobs:
        for run in job.executions:
            fees[run.processor_name] += run.fee_paid
    flows = [Flow("client's escrow", name, "fee", amount) for name, amount in sorted(fees.items()) if amount]
    flows.append(Flow("client's escrow", "client", "refund", sum(job.fee_refunded for job in jobs)))
    flows += [
        Flow(f"{processors[number]}'s bond", "client and treasury", "slash", amount)
        for number, amount in slashes.items()
    ]
    return tuple(flows)


def _checks(
    exchange: Exchange,
    jobs: tuple[Job, ...],
    slashes: Mapping[str, int],
    cheat: str,
    killed: tuple[str, int],
    together: Entangled | None,
    say: Callable[[str], None],
) -> list[tuple[str, bool, str]]:
    """Each claim of the demonstration against what the chain says."""
    from qcrs.client.audit import audit_exchange
    from qcrs.client.verify import verify_job

    victim, killed_job = killed
    settled = [job for job in jobs if job.status == "settled"]
    history = exchange.history()
    fees = {job.id: job.escrow // history.jobs[job.id].request.max_executions for job in jobs}
    exact = [j for j in jobs if j.fee_paid + j.fee_refunded == j.escrow and j.fee_paid % fees[j.id] == 0]
    fakes = [run for job in jobs for run in job.executions if run.processor_name == cheat]
    frauds = [run for run in fakes if run.outcome == "fraud"]
    moved = next((job for job in jobs if job.id == killed_job), None)
    elsewhere = [r.processor_name for r in moved.executions if r.outcome == "accepted"] if moved else []
    say("• checking results again from chain and store alone")
    reports = [verify_job(exchange, job.id) for job in settled[:RECHECKED]]
    audited = audit_exchange(exchange)
    return [
        ("every job settled", len(settled) == len(jobs), f"{len(settled)} of {len(jobs)}"),
        (
            "paid and refunded to the unit",
            len(exact) == len(jobs),
            f"{credits_text(sum(j.fee_paid for j in jobs))} credits paid",
        ),
        (
            f"what {cheat} invented was rejected unpaid, and its bond slashed",
            bool(frauds)
            and all(run.fee_paid == 0 for run in fakes if run.outcome != "accepted")
            and slashes.get(cheat, 0) > 0,
            f"{len(frauds)} executions, {credits_text(slashes.get(cheat, 0))} credits; "
            f"{sum(run.outcome == 'accepted' for run in fakes)} Clifford circuits run honestly",
        ),
        (
            f"{victim}'s job went back to its line and finished elsewhere",
            bool(elsewhere) and victim not in elsewhere,
            f"{moved.name if moved else 'none'} on {', '.join(elsewhere)}",
        ),
        *_together_check(jobs, together),
        ("recomputed verdicts agree with the chain", all(r.ok for r in reports), f"{len(reports)} jobs"),
        ("every trail and the ledger's sums hold", audited.ok, f"{audited.jobs} trails"),
    ]


def _together_check(jobs: tuple[Job, ...], one: Entangled | None) -> list[tuple[str, bool, str]]:
    """What two processors computed over entanglement was accepted, and their records hold."""
    if one is None:
        return [("two processors computed one circuit over entangled pairs", False, "no session ended")]
    accepted = any(j.id == one.job and any(run.outcome == "accepted" for run in j.executions) for j in jobs)
    figures = (
        f"{one.pairs:,} pairs of fidelity {one.fidelity_ppm / 1e6:.3f} in session {one.session}, "
        f"{len(one.holds)} claims held against chain and store"
    )
    wrong = f"; {one.problems[0]}" if one.problems else ""
    return [
        (
            f"{' and '.join(one.members)} computed one circuit over entangled pairs",
            accepted and not one.problems,
            figures + wrong,
        )
    ]


def _entangled(exchange: Exchange, job: int) -> Entangled | None:
    """The session of a job on a union, held against chain and store."""
    from qcrs.chain.bindings import SessionState
    from qcrs.client.coordinator import Coordinator
    from qcrs.together.check import check_channel, check_session

    book = Coordinator(exchange.chain, exchange.network, exchange.home).book()
    done = [s for s in book.sessions.values() if s.request.job == job and s.state is SessionState.DONE]
    if not done:
        return None
    session = done[-1]
    found = check_session(book, session.id, exchange.store)
    number = session.request.channels[0]
    channel, checked = book.channel(number), check_channel(book, number, exchange.store)
    last = channel.attested[max(channel.settled), channel.ends[0]]
    names = {one.id: one.name for one in exchange.processors()}
    return Entangled(
        job=job,
        session=session.id,
        members=tuple(names[p] for p in session.request.parties),
        channel=number,
        pairs_per_shot=sum(session.request.ebits),
        pairs=sum(found.pairs.values()),
        test_rounds=last.test_rounds,
        qber_x_ppm=last.qber_x,
        qber_z_ppm=last.qber_z,
        fidelity_ppm=channel.fidelity,
        paid=sum(one.record.paid_a + one.record.paid_b for one in channel.settled.values()),
        holds=(*found.holds, *checked.holds),
        problems=(*found.problems, *checked.problems),
    )


def summarise(
    exchange: Exchange,
    names: Mapping[int, str],
    *,
    cheat: str,
    killed: tuple[str, int],
    entangled: int,
    seconds: float,
    shots: int,
    say: Callable[[str], None],
) -> Summary:
    """The summary of the jobs in `names` and of every processor."""
    history = exchange.history()
    processors = exchange.processors()
    labels = {p.id: p.name for p in processors}
    slashes = {number: entry.slashed for number, entry in history.processors.items() if entry.slashed}
    jobs = tuple(_job(exchange.job(number), name, shots) for number, name in names.items())
    earned: Counter[int] = Counter()
    for job in history.jobs.values():
        for run in job.executions:
            earned[run.processor] += run.paid
    together = _entangled(exchange, entangled)
    by_name = {labels[number]: amount for number, amount in slashes.items()}
    return Summary(
        title="QCRS: a run of the exchange",
        chain_id=exchange.network.chain_id,
        seconds=seconds,
        gas=sum(job.gas for job in jobs),
        processors=tuple(_processor(p, slashes.get(p.id, 0), earned[p.id]) for p in processors),
        jobs=jobs,
        flows=_flows(jobs, slashes, labels),
        entangled=together,
        checks=tuple(_checks(exchange, jobs, by_name, cheat, killed, together, say)),
    )
