"""Opening results: the hand-over is found in the mail, checked against the commitment, and decoded.

Mail is untrusted. A hand-over counts only when salt and root reproduce the commitment on chain; then the
sealed document must open and hash to the root. The key comes from the client's own envelope, or, once
the job is closed, from the oracles' opening.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcrs.circuits.document import CircuitDocument
from qcrs.client.cosigned import handed_over
from qcrs.client.documents import HandOver, JobDocument, Opening, ResultDocument, SecretDocument
from qcrs.client.history import Execution, Job
from qcrs.client.program import decode_result
from qcrs.client.sealed import (
    open_handed_over,
    open_job_key,
    open_result,
    open_secret,
    opening_topic,
    parse_job_document,
)
from qcrs.client.views import ExecutionInfo, JobInfo, JobResult
from qcrs.errors import InputError, JobError, QCRSError, StoreError, VerificationError
from qcrs.sealing import HpkeKey
from qcrs.types import digest_to_cid

if TYPE_CHECKING:
    from qcrs.client.exchange import Exchange
    from qcrs.client.reader import Reader

__all__ = ["ResultReader", "by_standing", "find_hand_overs", "find_openings"]


def find_hand_overs(reader: Reader, job: Job, run: Execution) -> list[HandOver]:
    """The mails that open the execution's commitment, to be tried in this order; empty while there is none.

    `StoreError` where the keys that have to sign it cannot be found.
    """
    return handed_over(reader, reader.history(), job, run)


def find_openings(reader: Reader, job: Job, eras: Iterable[int]) -> list[Opening]:
    """Openings of a job that signers of any of the eras mailed."""
    senders = {signer for era in eras if era for signer in reader.contracts.quorum.signers_of(era)}
    found = []
    for mail in reader.mailbox.read(opening_topic(job.id), senders=senders):
        try:
            found.append(Opening.from_json(mail.body))
        except InputError:
            continue
    return found


def by_standing(run: ExecutionInfo) -> tuple[int, int]:
    """Accepted executions first, rejected ones last, later ones before earlier ones."""
    return {"ACCEPTED": 0, "REJECTED": 2, "FRAUDULENT": 3}.get(run.state, 1), -run.index


@dataclass(slots=True)
class ResultReader:
    """Opens the results of an account's own jobs."""

    exchange: Exchange

    def document(self, job: Job) -> JobDocument:
        """The job's public document."""
        return parse_job_document(self.exchange.store.get(digest_to_cid(job.request.payload)))

    def secret(self, job: Job) -> SecretDocument:
        """The job's secret document, through the client's envelope."""
        exchange = self.exchange
        document = self.document(job)
        key = open_job_key(
            document,
            "secret",
            place=exchange.place,
            client=job.client,
            recipient=exchange.account.address,
            key=HpkeKey.from_account(exchange.account),
        )
        return open_secret(exchange.store.get(document.secret), key)

    def accepted(self, info: JobInfo, execution: int | None = None) -> JobResult:
        """The best accepted execution's result, or that of the execution named."""
        runs = [run.index for run in info.accepted if execution in (None, run.index)]
        if not runs:
            raise JobError(
                f"job {info.id} has no such accepted execution",
                field="execution",
                value=execution,
                solution="accepted are: " + (", ".join(str(run.index) for run in info.accepted) or "none"),
            )
        return self._open(info, runs[0], verified=True)

    def unverified(self, job: int, execution: int | None = None) -> JobResult:
        """The best handed-over result (or that of one execution): accepted, undecided, then rejected ones."""
        info = self.exchange.job(job)
        runs = [
            run.index
            for run in sorted(info.executions, key=by_standing)
            if run.committed_at is not None and execution in (None, run.index)
        ]
        for index in runs:
            if find_hand_overs(self.exchange, self.exchange.entry(job), self._run(job, index)):
                return self._open(info, index, verified=info.executions[index].state == "ACCEPTED")
        raise JobError(
            f"job {job} has no handed-over result yet",
            field="job",
            value=job,
            solution=f"it is {info.status.value.lower()}; wait for it with `qcrs job watch {job}`",
        )

    def _run(self, job: int, index: int) -> Execution:
        return self.exchange.entry(job).executions[index]

    def _open(self, info: JobInfo, index: int, *, verified: bool) -> JobResult:
        job = self.exchange.entry(info.id)
        run = job.executions[index]
        result = self._result(job, run)
        if (result.job, result.execution, result.processor) != (job.id, index, run.processor):
            raise VerificationError("a result names another execution", field="job", value=result.job)
        return self._decoded(info, index, self.secret(job), result, verified=verified)

    def _result(self, job: Job, run: Execution) -> ResultDocument:
        """The document that was committed to, through the first hand-over that opens to it."""
        refusal: QCRSError = StoreError(
            "the result's hand-over is not in the store",
            field="job",
            value=job.id,
            solution=f"check that {self.exchange.store.where} is the store of this network",
        )
        mails = find_hand_overs(self.exchange, job, run)
        for place, mail in enumerate(mails):
            try:
                blob = self.exchange.store.get(mail.result)
                return open_result(blob, self._result_key(job, run, mail), root=mail.root)
            except QCRSError as error:
                refusal = refusal if place else error
        raise refusal

    def _result_key(self, job: Job, run: Execution, mail: HandOver) -> bytes:
        """From the client's envelope (of whichever era it was made in), else from an opening."""
        exchange = self.exchange
        eras = {verdict.era for verdict in run.verdicts}
        eras |= {exchange.contracts.quorum.era(), self.document(job).era}
        refusal: QCRSError | None = None
        for era in sorted(eras, reverse=True):
            try:
                return open_handed_over(
                    mail,
                    place=exchange.place,
                    job=job.id,
                    execution=run.index,
                    recipient=exchange.account.address,
                    key=HpkeKey.from_account(exchange.account),
                    era=era,
                )
            except VerificationError as error:
                refusal = error
        for opening in find_openings(exchange, job, eras):
            if run.index in opening.results:
                return opening.results[run.index]
        raise refusal or VerificationError("the result's key is not known", field="job", value=job.id)

    @staticmethod
    def _decoded(
        info: JobInfo, index: int, secret: SecretDocument, result: ResultDocument, *, verified: bool
    ) -> JobResult:
        circuits = [CircuitDocument.from_json(unit.circuit) for unit in secret.units]
        return JobResult(
            job=info,
            execution=index,
            outcomes=tuple(decode_result(secret, result)),
            verified=verified,
            note=secret.note,
            clbits=tuple(circuit.clbits for circuit in circuits),
            backend=dict(result.backend),
            seconds=result.seconds_ms / 1000,
            layouts=tuple(unit.layout for unit in result.units),
        )
