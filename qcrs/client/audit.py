"""`qcrs audit`: every trail chained again from events, and every sum of the ledger, against the state.

The history is folded from logs alone. Each word of it that the contracts also hold is read and compared:
trails, states, escrows, executions, balances, bonds. The chain goes on meanwhile, so what differs is
looked at again with fresh events before it counts. Beside it stands how each provider stands by its verdicts
so far (`qcrs.client.standing`), made again from their evidence; a flag there is no difference.

Source: invariants I1, I4 and I6 of the contracts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from qcrs.client.history import History
from qcrs.client.reader import Reader
from qcrs.client.standing import Standing, measure_from, standing_of
from qcrs.types import Json

__all__ = ["AuditReport", "Difference", "audit_exchange"]

_LOOKS = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """One word that is not what the events say."""

    subject: str
    word: str
    by_events: str
    by_state: str

    def text(self) -> str:
        """One line."""
        return f"{self.subject}: {self.word} is {self.by_state}, the events say {self.by_events}"


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was compared and what differed; money in base units."""

    jobs: int
    steps: int
    processors: int
    accounts: int
    height: int
    deposited: int
    withdrawn: int
    balances: int
    escrows: int
    bonds: int
    differences: tuple[Difference, ...]
    standings: tuple[Standing, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return not self.differences

    def as_json(self) -> Json:
        """For scripts."""
        return {
            "ok": self.ok,
            "jobs": self.jobs,
            "steps": self.steps,
            "processors": self.processors,
            "accounts": self.accounts,
            "height": self.height,
            "deposited": self.deposited,
            "withdrawn": self.withdrawn,
            "balances": self.balances,
            "escrows": self.escrows,
            "bonds": self.bonds,
            "differences": [
                {"subject": d.subject, "word": d.word, "by_events": d.by_events, "by_state": d.by_state}
                for d in self.differences
            ],
            "standings": [
                {key: value for key, value in standing.as_json().items() if key != "executions"}
                for standing in self.standings
            ],
        }

    def text(self) -> str:
        """For people."""
        from qcrs.types import credits_text

        held = f"{credits_text(self.balances)} in balances + {credits_text(self.escrows)} in escrow"
        lines = [
            f"{self.jobs} trails of {self.steps} steps, {self.processors} processors and {self.accounts} "
            f"balances replayed to block {self.height}",
            f"{credits_text(self.deposited)} credits came in = {held} "
            f"+ {credits_text(self.bonds)} in bonds + {credits_text(self.withdrawn)} paid out",
        ]
        lines += [standing.text() for standing in self.standings if standing.process.jobs or standing.missing]
        if self.ok:
            return "\n".join([*lines, "✓ everything agrees"])
        return "\n".join([*lines, *(f"✗ {difference.text()}" for difference in self.differences)])


Check = Callable[[History], Iterable[Difference]]


def _differ(subject: str, pairs: Iterable[tuple[str, object, object]]) -> Iterable[Difference]:
    for word, by_events, by_state in pairs:
        if by_events != by_state:
            yield Difference(subject, word, _shown(by_events), _shown(by_state))


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(getattr(value, "name", value))


def _job_check(reader: Reader, number: int) -> Check:
    def check(history: History) -> Iterable[Difference]:
        job = history.jobs[number]
        allocator = reader.contracts.allocator
        view = allocator.job(number)
        yield from _differ(
            f"job {number}",
            [
                ("trail", job.trail, view.trail),
                ("state", job.state, view.state),
                ("client", job.client, view.client),
                ("escrow", job.escrow, view.escrow),
                ("fee", job.fee, view.fee_per_execution),
                ("tag", 0 if job.executions else job.tag, view.tag),
                ("executions", len(job.executions), view.executions),
                ("deadline", job.request.deadline, view.deadline),
            ],
        )
        for run in job.executions:
            state = allocator.execution(number, run.index)
            yield from _differ(
                f"job {number}, execution {run.index}",
                [
                    ("processor", run.processor, state.processor),
                    ("state", run.state, state.state),
                    ("reports", len(run.verdicts), state.reports),
                ],
            )
        if job.final:
            yield from _differ(
                f"job {number}",
                [("escrow paid out", job.paid + job.refunded, job.fee * job.request.max_executions)],
            )

    return check


def _processor_check(reader: Reader, number: int) -> Check:
    def check(history: History) -> Iterable[Difference]:
        known = history.processors[number]
        view = reader.contracts.registry.processor(number)
        releasing, _available_at = reader.contracts.registry.unbonding_of(number)
        yield from _differ(
            f"processor {number}",
            [
                ("provider", known.provider, view.provider),
                ("bond", known.bond, view.bond),
                ("bond on its way out", known.releasing, releasing),
                ("epoch", known.epoch, view.epoch),
                ("certified until", known.certified_until, view.certified_until),
                ("suspended", known.suspended, view.suspended),
                ("retired", known.retired, view.retired),
            ],
        )

    return check


def _balance_check(reader: Reader, account: str) -> Check:
    def check(history: History) -> Iterable[Difference]:
        found = reader.contracts.allocator.balance_of(account)
        yield from _differ(f"account {account}", [("balance", history.balances[account], found)])

    return check


def _sums_check(reader: Reader) -> Check:
    def check(history: History) -> Iterable[Difference]:
        contracts = reader.contracts
        balances = sum(history.balances.values())
        escrows = sum(job.escrow for job in history.jobs.values())
        bonds = history.bonds
        held = contracts.credit.balance_of(contracts.allocator.address)
        inside = balances + escrows + bonds
        processors = sum(processor.bond for processor in history.processors.values())
        yield from _differ(
            "ledger",
            [
                ("deposits less withdrawals", inside, history.deposited - history.withdrawn),
                ("tokens held, at least", True, held >= inside),
                ("bonds of challenges", bonds - processors, contracts.verifier.open_bonds()),
            ],
        )

    return check


def audit_exchange(reader: Reader, *, progress: Callable[[str], None] | None = None) -> AuditReport:
    """Replay everything and compare; differences are what no fresh look could explain."""
    history = reader.history()
    jobs, processors, accounts = list(history.jobs), list(history.processors), list(history.balances)
    checks = [
        *(_job_check(reader, number) for number in jobs),
        *(_processor_check(reader, number) for number in processors),
        *(_balance_check(reader, account) for account in accounts),
        _sums_check(reader),
    ]
    differences: list[Difference] = []
    for done, check in enumerate(checks):
        if progress is not None and done % 200 == 0 and done:
            progress(f"· {done} of {len(checks)} compared")
        found = list(check(history))
        for _ in range(_LOOKS):
            if not found:
                break
            history = reader.history()
            found = list(check(history))
        differences += found
    history = reader.history()
    measure = measure_from(reader.store)
    providers = sorted({processor.provider for processor in history.processors.values()})
    return AuditReport(
        jobs=len(jobs),
        steps=sum(len(history.jobs[number].steps) for number in jobs if number in history.jobs),
        processors=len(processors),
        accounts=len(accounts),
        height=reader.chain.height,
        deposited=history.deposited,
        withdrawn=history.withdrawn,
        balances=sum(history.balances.values()),
        escrows=sum(job.escrow for job in history.jobs.values()),
        bonds=history.bonds,
        differences=tuple(differences),
        standings=tuple(standing_of(history, provider, measure) for provider in providers),
    )
