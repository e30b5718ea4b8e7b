"""Reports that are ready at the same time go to the chain in one transaction, signed once more, together.

A report of which an oracle holds a quorum's signatures is *ready*. Where two or more are, the oracle whose
rank it is mails a batch of them; every oracle that has signed each of its reports by itself signs the batch
too, so a batch says nothing that its signers had not said before. Whoever sees 2f + 1 signatures under a
batch may relay it, by rank. A report waits for a batch no longer than `BatchPolicy.patience`; after that, and
where it is alone, it goes alone. The contract skips what somebody else brought first.

Source: NatSpec of `IResultVerifier.settleBatch`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from qcrs.chain.bindings import Report
from qcrs.client.fields import Reader
from qcrs.client.participant import Participant
from qcrs.client.quorum import batch_digest, recover
from qcrs.client.sealed import batch_topic
from qcrs.errors import ContractError, InputError
from qcrs.oracles.reports import ReportRound, Waits, report_body, report_from
from qcrs.oracles.signing import quorum_of, sign_digest
from qcrs.store.mail import MailReader
from qcrs.types import Json

__all__ = ["BatchPolicy", "Batches"]

_BASE_GAS, _ENTRY_GAS = 300_000, 400_000
_PASSED_OVER = ("ResultVerifierNothingSettled", "ResultVerifierStaleEra")


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """When reports go together: from `least` ready ones on, `most` in a batch; seconds that one waits."""

    least: int = 2
    most: int = 32
    patience: float = 4.0

    def __post_init__(self) -> None:
        if not 2 <= self.least <= self.most <= 64:
            raise InputError(
                "a batch has 2 to 64 reports",
                field="least, most",
                value=(self.least, self.most),
                solution="choose 2 <= least <= most <= 64",
            )


@dataclass(slots=True)
class _Batch:
    reports: tuple[Report, ...]
    first_seen: float
    signatures: dict[int, bytes] = field(default_factory=dict)
    complete_since: float | None = None


class Batches:
    """One oracle's side of all batches. `tick` once per turn, before the rounds go on."""

    def __init__(
        self, party: Participant, policy: BatchPolicy, waits: Waits, note: Callable[..., None]
    ) -> None:
        self._party, self._policy, self._waits, self._note = party, policy, waits, note
        self._signed: dict[bytes, Report] = {}
        self._ready_since: dict[bytes, float] = {}
        self._batches: dict[bytes, _Batch] = {}
        self._readers: dict[str, MailReader] = {}
        self._era = 0

    def tick(self, rounds: Iterable[ReportRound]) -> None:
        """Every step that can be taken, given the rounds that wait for their report on chain."""
        self._look(list(rounds))
        for batch in self._batches.values():
            if self._index not in batch.signatures and self._agrees(batch):
                self._sign(batch)
        self._propose()
        self._relay()

    def holds(self, digest: bytes) -> bool:
        """Whether a report is not to be relayed alone for now."""
        since = self._ready_since.get(digest)
        if since is None or time.monotonic() - since >= self._policy.patience:
            return False
        return len(self._waiting()) >= self._policy.least or any(
            digest in map(self._report_digest, batch.reports) for batch in self._open()
        )

    # ----------------------------------------------------------------- what there is

    @property
    def _signers(self) -> list[str]:
        return [oracle.address for oracle in self._party.oracles(self._era)]

    @property
    def _index(self) -> int:
        return self._signers.index(self._party.address)

    def _look(self, rounds: Sequence[ReportRound]) -> None:
        """Take in what the rounds hold, forget what is over, read the mail."""
        self._era, now = self._party.era, time.monotonic()
        self._signed = {
            digest: report for one in rounds for digest, report in one.signed().items()
            if report.era == self._era
        }  # fmt: skip
        ready = {digest for one in rounds if (digest := one.complete()) in self._signed and digest}
        self._ready_since = {digest: self._ready_since.get(digest, now) for digest in ready}
        self._batches = {
            digest: batch
            for digest, batch in self._batches.items()
            if any(self._report_digest(report) in self._signed for report in batch.reports)
        }
        topics = {batch_topic(r.job, r.execution, r.round) for r in self._signed.values()}
        self._readers = {topic: self._readers.get(topic) or self._reader(topic) for topic in topics}
        for topic, reader in self._readers.items():
            for mail in reader.poll():
                try:
                    reports, signature = _read(mail.body)
                except InputError:
                    continue
                if topic == _topic(reports) and all(report.era == self._era for report in reports):
                    self._add(reports, mail.sender, signature)

    def _reader(self, topic: str) -> MailReader:
        return self._party.mailbox.reader(topic, self._signers)

    def _add(self, reports: tuple[Report, ...], sender: str, signature: bytes) -> None:
        digest = self._digest(reports)
        if recover(digest, signature) != sender:
            return
        batch = self._batches.setdefault(digest, _Batch(reports, time.monotonic()))
        batch.signatures[self._signers.index(sender)] = signature

    def _digest(self, reports: Sequence[Report]) -> bytes:
        verifier = self._party.contracts.verifier.address
        fields = [report.to_abi() for report in reports]
        return batch_digest(fields, chain_id=self._party.chain.chain_id, verifier=verifier)

    def _report_digest(self, report: Report) -> bytes | None:
        return next((digest for digest, known in self._signed.items() if known == report), None)

    def _open(self) -> list[_Batch]:
        """Batches that we have signed and that may still come about."""
        now = time.monotonic()
        return [
            batch
            for batch in self._batches.values()
            if self._index in batch.signatures and now - batch.first_seen < self._policy.patience
        ]

    def _waiting(self) -> list[bytes]:
        """Ready reports of no open batch whose patience lasts, in order of job, execution and round."""
        now, taken = (
            time.monotonic(),
            {self._report_digest(r) for batch in self._open() for r in batch.reports},
        )
        found = [
            digest
            for digest, since in self._ready_since.items()
            if digest not in taken and now - since < self._policy.patience
        ]
        return sorted(found, key=lambda digest: _place(self._signed[digest]))

    def _rank(self, first: Report) -> int:
        return (first.job + first.execution + self._index) % len(self._signers)

    # ----------------------------------------------------------------- steps

    def _agrees(self, batch: _Batch) -> bool:
        """Whether we have signed every report of it by itself."""
        return all(self._report_digest(report) is not None for report in batch.reports)

    def _sign(self, batch: _Batch) -> None:
        signature = sign_digest(self._party.account, self._digest(batch.reports))
        body: dict[str, Json] = {
            "reports": [report_body(report) for report in batch.reports],
            "signature": signature.hex(),
        }
        self._party.mailbox.post(_topic(batch.reports), body, self._party.account)
        batch.signatures[self._index] = signature

    def _propose(self) -> None:
        waiting = self._waiting()
        if len(waiting) < self._policy.least:
            return
        chosen = tuple(self._signed[digest] for digest in waiting[: self._policy.most])
        waited = time.monotonic() - max(self._ready_since[digest] for digest in waiting[: self._policy.most])
        if waited < self._rank(chosen[0]) * self._waits.relay:
            return
        batch = self._batches.setdefault(self._digest(chosen), _Batch(chosen, time.monotonic()))
        if self._index not in batch.signatures:
            self._sign(batch)
            self._note("proposed a batch", jobs=[report.job for report in chosen])

    def _relay(self) -> None:
        now, count = time.monotonic(), len(self._signers)
        for digest, batch in self._batches.items():
            quorum = quorum_of(batch.signatures, count)
            if quorum is None:
                continue
            batch.complete_since = batch.complete_since or now
            if now - batch.complete_since < self._rank(batch.reports[0]) * self._waits.relay:
                continue
            call = self._party.contracts.verifier.settle_batch(batch.reports, *quorum)
            key, gas = f"batch/{digest.hex()}", _BASE_GAS + _ENTRY_GAS * len(batch.reports)
            if self._party.outbox.entry(key) is not None:
                continue
            try:
                self._party.post(key, call, gas)
            except ContractError as error:
                if error.name not in _PASSED_OVER:  # somebody else's relay was first, or the era is over
                    raise
                continue
            self._note("relayed a batch", jobs=[report.job for report in batch.reports])


def _place(report: Report) -> tuple[int, int, int]:
    return report.job, report.execution, report.round


def _topic(reports: Sequence[Report]) -> str:
    return batch_topic(*_place(reports[0]))


def _read(body: dict[str, Json]) -> tuple[tuple[Report, ...], bytes]:
    read = Reader(body, None)
    words = [Reader(item, None, "reports") for item in read.tables("reports", most=64)]
    reports = tuple(report_from(one) for one in words)
    signature = read.hex("signature", 64, 64)
    for one in (*words, read):
        one.close()
    places = [_place(report) for report in reports]
    if len(places) < 2 or places != sorted(set(places)):
        raise InputError("a batch has two reports or more, in order, and one signature", field="reports")
    return reports, signature
