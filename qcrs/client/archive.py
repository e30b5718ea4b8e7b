"""Past results of the same circuits, found on chain and opened from the store: oracles and checkers alike.

Which executions count is `qcrs.verification.archive.counted` over the folded history and the circuits that
each verdict's evidence names. They are opened with the keys that oracles published when their jobs ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from qcrs.circuits.document import CircuitDocument
from qcrs.client.cosigned import Library, handed_over
from qcrs.client.documents import HandOver, Opening, ResultDocument, SecretDocument
from qcrs.client.history import Execution, History, Job
from qcrs.client.registered import registered_device
from qcrs.client.sealed import (
    open_frames,
    open_result,
    open_secret,
    opening_topic,
    parse_job_document,
)
from qcrs.client.trail import StepKind
from qcrs.errors import InputError, QCRSError, StoreError
from qcrs.types import Json, digest_to_cid
from qcrs.verification.archive import Judged, PastExecution, circuit_key, counted

if TYPE_CHECKING:
    from qcrs.chain.bindings import OracleQuorum
    from qcrs.store import ContentStore

__all__ = ["KeysOf", "circuits_named", "counted_past", "keys_of", "open_past"]

KeysOf = Callable[[bytes], tuple[str, ...]]
"""The circuits that an evidence, named by its digest, says its job has; empty where it says none."""


class HasQuorum(Protocol):
    """Where the oracles of an era are read."""

    @property
    def quorum(self) -> OracleQuorum:
        """The contract."""


class Place(Library, Protocol):
    """Chain and store, as participants and readers both hold them."""

    store: ContentStore

    @property
    def contracts(self) -> HasQuorum:
        """The contracts."""


def keys_of(secret: SecretDocument) -> tuple[str, ...]:
    """Keys of a sampled job's circuits by unit.

    None for exact values, for certification jobs (their circuits are drawn once), and for what is no circuit.
    """
    if secret.purpose == "capability" or secret.mode == "exact":
        return ()
    try:
        return tuple(circuit_key(CircuitDocument.from_json(unit.circuit)) for unit in secret.units)
    except InputError:
        return ()


def circuits_named(evidence: Json) -> tuple[str, ...]:
    """The keys that an evidence names; empty where it is of another form."""
    named = evidence.get("circuits") if isinstance(evidence, dict) else None
    return tuple(named) if isinstance(named, list) and all(isinstance(key, str) for key in named) else ()


def _past(history: History, before: int, until: int, circuits: KeysOf) -> Iterator[PastExecution]:
    """Executions that were committed before one block and over in another."""
    for job in history.jobs.values():
        closed = [step.block for step in job.steps if step.kind is StepKind.CLOSED]
        if not closed or closed[-1] > until:
            continue
        judged = {step.transaction: step.block for step in job.steps if step.kind is StepKind.JUDGED}
        for run in job.executions:
            blocks = [(judged[one.transaction], one) for one in run.verdicts if one.transaction in judged]
            seen = [(block, one) for block, one in blocks if block <= until]
            if not run.commitment or run.committed_block >= before or not seen or seen[-1][1].outcome != 1:
                continue
            block, verdict = seen[-1]
            provider = history.processors[run.processor].provider
            yield PastExecution(
                job.id,
                run.index,
                provider,
                run.committed_block,
                block,
                closed[-1],
                circuits(verdict.evidence),
            )


def counted_past(
    history: History, job: Job, run: Execution, beacon_block: int, keys: Sequence[str], circuits: KeysOf
) -> tuple[PastExecution, ...]:
    """The past executions that this one is held against."""
    if not keys:
        return ()
    provider = history.processors[run.processor].provider
    judged = Judged(job.id, provider, run.committed_block, beacon_block, tuple(keys))
    return counted(_past(history, run.committed_block, beacon_block, circuits), judged)


def open_past(place: Place, history: History, one: PastExecution, keys: Sequence[str]) -> tuple[str, Json]:
    """Content id of a past result, and its counts of the circuits with these keys as the judge reads them.

    `StoreError` where a blob or the opening is not there (yet), another `QCRSError` where it does not open.
    """
    job = history.jobs[one.job]
    run = job.executions[one.execution]
    document = parse_job_document(place.store.get(digest_to_cid(job.request.payload)))
    mails = handed_over(place, history, job, run)
    if not mails:
        raise StoreError("a past result's hand-over is not in the store", field="job", value=job.id)
    refusal: QCRSError | None = None
    for opening in _openings(place, job, document.era):
        key = opening.results.get(run.index)
        if key is None:
            continue
        try:
            secret = open_secret(place.store.get(document.secret), opening.secret)
            cid, result = _opened(place, mails, key)
            seeded = False
            if registered_device(place, history, run.processor).simulator:
                frames = open_frames(place.store.get(document.frames), opening.frames)
                seeded = frames.simulator_seed is not None
            return cid, {
                "name": f"execution {run.index} of job {job.id}",
                "units": _units(secret, result, keys),
                "deterministic": seeded,
            }
        except QCRSError as error:
            refusal = error
    raise refusal or StoreError("no opening of a past job is in the store yet", field="job", value=job.id)


def _opened(place: Place, mails: Sequence[HandOver], key: bytes) -> tuple[str, ResultDocument]:
    """The first result that the key opens to its root, and its content id; else why the first does not."""
    refusal: QCRSError | None = None
    for mail in mails:
        try:
            return mail.result, open_result(place.store.get(mail.result), key, root=mail.root)
        except QCRSError as error:
            refusal = refusal or error
    assert refusal is not None  # noqa: S101  (there is at least one mail)
    raise refusal


def _units(secret: SecretDocument, result: ResultDocument, keys: Sequence[str]) -> list[Json]:
    """For every circuit of the new job the past counts of the same one; repeated circuits in their order."""
    places: dict[str, list[int]] = defaultdict(list)
    for number, key in enumerate(keys_of(secret)):
        if number < len(result.units) and result.units[number].frames:
            places[key].append(number)
    used: dict[str, int] = defaultdict(int)
    out: list[Json] = []
    for unit, key in enumerate(keys):
        if places[key]:
            number = places[key][used[key] % len(places[key])]
            used[key] += 1
            counts = [{hex(o): n for o, n in frame.items()} for frame in result.units[number].frames]
            out.append({"unit": unit, "seed": secret.seed.hex(), "number": number, "frames": counts})
    return out


def _openings(place: Place, job: Job, era: int) -> Iterator[Opening]:
    eras = {era} | {verdict.era for run in job.executions for verdict in run.verdicts}
    senders = {signer for one in eras for signer in place.contracts.quorum.signers_of(one)}
    for mail in place.mailbox.read(opening_topic(job.id), senders=senders):
        try:
            yield Opening.from_json(mail.body)
        except InputError:
            continue
