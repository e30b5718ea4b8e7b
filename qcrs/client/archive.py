"""Past results of the same circuits, found on chain and opened from the store: oracles and checkers alike.

Which executions count is a function of the folded history and of the circuits that each verdict's evidence
names: those of `qcrs.verification.archive.counted`, and of the same provider many more. Who measures a
circuit a few times could otherwise sell the oldest of the results for ever, or push a good one out with jobs
of one shot. So those with most shots come first, as far as judging them again can be afforded. They are
opened with the keys that oracles published when their jobs ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
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

__all__ = [
    "MOST_CIRCUITS",
    "MOST_SHOTS",
    "Asked",
    "KeysOf",
    "asked_in",
    "circuits_named",
    "counted_past",
    "keys_of",
    "open_past",
    "shots_of",
]

Asked = Mapping[str, int]
"""The circuits of a job by their keys, and the shots of each."""

KeysOf = Callable[[bytes], Asked]
"""The circuits that an evidence, named by its digest, says its job has; empty where it says none."""

MOST_CIRCUITS = 64
"""Results of one circuit that are compared beyond the latest; each costs up to 0.8 s of the judge's time."""
MOST_SHOTS = 4_000_000
"""Their shots; each takes up to 2 kB of the judge's memory."""


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


def shots_of(secret: SecretDocument) -> tuple[int, ...]:
    """Shots of the circuits of `keys_of`."""
    return tuple(unit.shots for unit in secret.units) if keys_of(secret) else ()


def asked_in(evidence: Json) -> dict[str, int]:
    """The circuits that an evidence names, and their shots: 0 where it does not say."""
    keys = circuits_named(evidence)
    shots = evidence.get("shots") if keys else None
    given = shots if isinstance(shots, list) and len(shots) == len(keys) else [0] * len(keys)
    asked: dict[str, int] = defaultdict(int)
    for key, count in zip(keys, given, strict=True):
        asked[key] += count if type(count) is int and count > 0 else 0
    return dict(asked)


def _past(
    history: History, before: int, until: int, circuits: KeysOf
) -> Iterator[tuple[PastExecution, Asked]]:
    """Executions that were committed before one block and over in another, and what was asked of them."""
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
            asked = circuits(verdict.evidence)
            yield (
                PastExecution(
                    job.id, run.index, provider, run.committed_block, block, closed[-1], tuple(asked)
                ),
                asked,
            )


def counted_past(
    history: History, job: Job, run: Execution, beacon_block: int, keys: Sequence[str], circuits: KeysOf
) -> tuple[PastExecution, ...]:
    """The past executions that this one is held against."""
    if not keys:
        return ()
    provider = history.processors[run.processor].provider
    judged = Judged(job.id, provider, run.committed_block, beacon_block, tuple(keys))
    past = list(_past(history, run.committed_block, beacon_block, circuits))
    latest = counted((one for one, _ in past), judged)
    return (*latest, *_older(past, judged, latest))


def _older(
    past: Sequence[tuple[PastExecution, Asked]], judged: Judged, latest: Sequence[PastExecution]
) -> Iterator[PastExecution]:
    """The provider's own that count besides the latest: most shots first, then the later ones."""
    found = []
    for one, asked in past:
        if one.provider == judged.provider and one not in latest and counted([one], judged):
            shared = [key for key in judged.keys if key in asked]
            found.append((sum(asked[key] for key in set(shared)), len(shared), one))
    found.sort(key=lambda item: (-item[0], -item[2].committed_block, -item[2].job, -item[2].execution))
    circuits = shots = 0
    for some, number, one in found:
        if circuits >= MOST_CIRCUITS or shots >= MOST_SHOTS:
            return
        yield one
        circuits, shots = circuits + number, shots + some


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
    raise refusal or StoreError(
        "no mail hands this result over",
        field="mail",
        value=len(mails),
        solution="check that the store is the one of this network",
    )


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
