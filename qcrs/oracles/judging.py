"""From what an oracle holds to a judgement with its evidence.

The statistics run in a limited child (`qcrs.client.judgement`); here the inputs are gathered, the beacon
draws, and everything that a verdict depends on is written into the evidence, so that other oracles sign the
same and anyone recomputes it. Evidence holds ids and integers, never keys.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256

from qcrs.client.archive import keys_of, shots_of
from qcrs.client.auditing import rate_at, simulated
from qcrs.client.fields import Reader
from qcrs.client.history import Execution
from qcrs.client.judgement import Found, JudgeRequest, Party
from qcrs.client.participant import Participant
from qcrs.client.registered import registered_device
from qcrs.client.standing import audited_rate_ppm
from qcrs.client.unjudged import client_void, unopened, withheld
from qcrs.errors import InputError, QCRSError, VerificationError
from qcrs.oracles.archive import Archive, PastResult
from qcrs.oracles.beacon import BeaconView
from qcrs.oracles.dossier import Dossier, Missing
from qcrs.oracles.reports import Judgement
from qcrs.oracles.watch import Watch
from qcrs.sandbox import GIB, Limits, Sandbox
from qcrs.types import Json, canonical_json, digest_to_cid, parse_canonical
from qcrs.verification.audit import drawn

__all__ = ["Bench", "CaseJudging", "bench_sandbox"]

_LIMITS = Limits(4 * GIB, cpu_seconds=300, wall_seconds=600)

Inputs = tuple[tuple[tuple[int, bytes], ...], tuple[int, ...], bool, tuple[PastResult, ...]]
"""Beacon proofs, references, whether it stands alone, past results."""

Draw = tuple[int, bool, bool]
"""Rate in ppm, whether the beacon drew the execution, whether it stands alone."""


class Bench:
    """Where judging runs: limited children, one at a time, each request once."""

    def __init__(self, sandbox: Sandbox, note: Callable[..., None]) -> None:
        self._sandbox = sandbox
        self.note = note
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="judge")
        self._done: dict[bytes, Future[Found]] = {}

    def ask(self, request: JudgeRequest) -> Found | None:
        """The verdict, None while it is being made; a child that failed is tried again at the next call."""
        payload = request.as_bytes()
        key = sha256(payload).digest()  # payloads have megabytes
        future = self._done.get(key)
        if future is None:
            self._done[key] = self._pool.submit(self._run, payload)
            return None
        if not future.done():
            return None
        error = future.exception()
        if error is None:
            return future.result()
        del self._done[key]
        if isinstance(error, QCRSError):
            self.note("judging failed", reason=error.reason)
            return None
        raise error

    def _run(self, payload: bytes) -> Found:
        started = time.monotonic()
        answer = self._sandbox.call("qcrs.client.judgement:run", payload, _LIMITS)
        found = Found.from_json(parse_canonical(answer))
        self.note("judged", outcome=found.outcome, seconds=round(time.monotonic() - started, 3))
        return found

    def forget(self, keep: int = 64) -> None:
        """Drop the oldest finished verdicts."""
        finished = [key for key, future in self._done.items() if future.done()]
        for key in finished[:-keep]:
            del self._done[key]

    def close(self) -> None:
        """Start nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass(slots=True)
class CaseJudging:
    """Judgements on one round of one execution; what `ReportRound` asks."""

    party: Participant
    bench: Bench
    dossier: Dossier
    beacon: BeaconView
    execution: Execution
    round: int
    era: int
    references: tuple[int, ...]
    alone: bool
    capability: bool
    watch: Watch
    _rate_ppm: int | None = None
    _archive: Archive | None = None
    _made: dict[Inputs, Judgement] = field(default_factory=dict)

    def own(self) -> Judgement | None:
        """Ours, on the inputs that we hold.

        What was not opened to us in time is judged without a draw, so that we tell nobody our share of it.
        While a reference has not opened to us we say nothing.
        """
        if not self.dossier.answered(self.execution):
            return None
        if not (self.beacon.ready() if self.dossier.opened(self.execution) else self.beacon.begun()):
            return None
        if not all(self.dossier.opened(self.dossier.job.executions[index]) for index in self.references):
            return None
        try:
            past = self._past().look(self._keys())
        except Missing:
            return None
        return None if past is None else self._on(self.beacon.proofs, self.references, self.alone, past)

    def under(self, evidence: Json) -> Judgement | None:
        """Ours, on the beacon proofs and references that a foreign evidence names."""
        proofs, references, alone = _inputs_of(evidence)
        for index, proof in proofs.items():
            if not self.beacon.holds(index, proof):
                raise VerificationError("a beacon proof is not its oracle's", field="beacon", value=index)
        if set(self.beacon.proofs) - set(proofs):
            raise VerificationError("a proof that we have seen is left out", field="beacon")
        if references != self.references:
            raise VerificationError("other references count", field="references", value=references)
        if alone != self.alone:
            raise VerificationError("another execution can, or cannot, be had", field="draw")
        try:
            past = self._past().named(evidence.get("archive"), self._keys())
        except Missing:
            return None
        return self._on(proofs, references, alone, past)

    def _keys(self) -> tuple[str, ...]:
        """Keys of the job's circuits; `Missing` while its documents are awaited."""
        documents = self.dossier.open_documents()
        return () if documents is None else keys_of(documents[1])

    def _shots(self) -> tuple[int, ...]:
        """Shots of the same circuits."""
        documents = self.dossier.open_documents()
        return () if documents is None else shots_of(documents[1])

    def _simulated(self) -> bool:
        """Whether the exact distribution is known, audited or not."""
        documents = self.dossier.open_documents()
        return documents is not None and simulated(documents[1])

    def _value(self) -> int:
        """What the client says that a wrong answer is worth."""
        documents = self.dossier.open_documents()
        return 0 if documents is None else documents[1].value

    def _past(self) -> Archive:
        if self._archive is None:
            self._archive = Archive(
                self.party,
                self.beacon.ledger,
                self.dossier.job,
                self.execution,
                self.beacon.block,
                self.dossier.patience,
            )
        return self._archive

    # ----------------------------------------------------------------- judging

    def _on(
        self,
        proofs: Mapping[int, bytes],
        references: tuple[int, ...],
        alone: bool,
        past: tuple[PastResult, ...],
    ) -> Judgement | None:
        key = (tuple(sorted(proofs.items())), references, alone, past)
        if key not in self._made:
            judgement = self._judge(dict(proofs), references, alone, past)
            if judgement is None:
                return None
            self._made[key] = judgement
        return self._made[key]

    def _judge(
        self,
        proofs: Mapping[int, bytes],
        references: tuple[int, ...],
        alone: bool,
        past: tuple[PastResult, ...],
    ) -> Judgement | None:
        try:
            documents = self.dossier.open_documents()
        except Missing:
            return None
        draw = self._draw(proofs, alone)
        if documents is None:
            found: Found | None = self._unjudged(client_void(), self.dossier.void)
        else:
            frames, secret = documents
            found = self._without_statistics()
            handed = self.dossier.handed(self.execution)
            if found is None and handed is not None and handed.document is not None:
                found = self.bench.ask(
                    JudgeRequest(
                        secret=secret.as_json(),
                        frames=frames.as_json(),
                        qubits=self.dossier.job.request.qubits,
                        seconds=self.dossier.job.request.declared_seconds,
                        tested=self._party(self.execution),
                        peers=tuple(self._party(self.dossier.job.executions[i]) for i in references),
                        drawn=draw[1],
                        alone=draw[2],
                        capability=self.capability,
                        past=tuple(one.counts for one in past if one.cid is not None),
                    )
                )
        if found is None:
            return None
        evidence = self._evidence(proofs, references, past, draw, found)
        return Judgement(
            found.outcome, found.weak, found.score_ppm, found.threshold_ppm, canonical_json(evidence)
        )

    def _without_statistics(self) -> Found | None:
        """A rejection where nothing usable was handed over in time."""
        handed = self.dossier.handed(self.execution)
        if handed is not None and not handed.fault:
            return None
        if not self.dossier.answered(self.execution):
            return None
        if handed is None:
            return withheld(self.party.network.handover_seconds)
        return self._unjudged(unopened(), handed.fault)

    def _unjudged(self, found: Found, particulars: str) -> Found:
        """For the journal: what this oracle could not open, and why."""
        job, execution = self.dossier.job.id, self.execution.index
        self.bench.note(found.decided_by, job=job, execution=execution, reason=particulars)
        return found

    def _party(self, execution: Execution) -> Party:
        handed = self.dossier.handed(execution)
        if handed is None or handed.document is None:
            raise InputError("an execution was not handed over", field="execution", value=execution.index)
        earlier = execution.committed_block < self.execution.committed_block
        return Party(
            handed.document.as_json(),
            registered_device(self.party, self.party.history, execution.processor),
            earlier,
        )

    def _draw(self, proofs: Mapping[int, bytes], alone: bool) -> Draw:
        """The audit draw, from the beacon and what registry and job said at the beacon's block.

        A provider whose verdicts before the commitment flag it is drawn for certain.
        """
        if self._rate_ppm is None:
            job, processor = self.dossier.job, self.execution.processor
            block, exact = self.beacon.block, self._simulated()
            rate = rate_at(self.party.contracts, processor, job.fee, block, exact=exact, value=self._value())
            standing = self.watch.standing(self.execution.processor, self.execution.committed_at)
            self.watch.keep(standing)
            self._rate_ppm = audited_rate_ppm(rate, standing)
        oracles = len(self.party.oracles(self.era))
        return self._rate_ppm, drawn(self.beacon.block_hash, proofs, self._rate_ppm, oracles), alone

    # ----------------------------------------------------------------- evidence

    def _evidence(
        self,
        proofs: Mapping[int, bytes],
        references: tuple[int, ...],
        past: tuple[PastResult, ...],
        draw: Draw,
        found: Found,
    ) -> Json:
        job, document = self.dossier.job, self.dossier.document
        return {
            "qcrs": "evidence/1",
            "chain_id": self.party.chain.chain_id,
            "verifier": self.party.contracts.verifier.address,
            "job": str(job.id),
            "execution": self.execution.index,
            "processor": self.execution.processor,
            "round": self.round,
            "era": self.era,
            "inputs": {
                "job": digest_to_cid(job.request.payload),
                "frames": None if document is None else document.frames,
                "secret": None if document is None else document.secret,
                "commitment": self.execution.commitment.hex(),
                **self._result_of(self.execution),
            },
            "references": [
                {
                    "execution": index,
                    "processor": job.executions[index].processor,
                    "commitment": job.executions[index].commitment.hex(),
                    **self._result_of(job.executions[index]),
                }
                for index in references
            ],
            "beacon": {
                "block": self.beacon.block,
                "hash": self.beacon.block_hash.hex(),
                "proofs": {str(index): proof.hex() for index, proof in sorted(proofs.items())},
            },
            "draw": {
                "rate_ppm": draw[0],
                "drawn": draw[1],
                "alone": draw[2],
                "simulated": self._simulated(),
                "value": self._value(),
            },
            "capability": self.capability,
            "circuits": list(self._keys()),
            "shots": list(self._shots()),
            "archive": [one.as_json() for one in past],
            **found.as_json(),
        }

    def _result_of(self, execution: Execution) -> Json:
        handed = self.dossier.handed(execution)
        if handed is None or handed.document is None:
            return {"root": None, "result": None, "device": None}
        return {
            "root": handed.root.hex(),
            "result": handed.cid,
            "device": registered_device(self.party, self.party.history, execution.processor).as_json(),
        }


def _inputs_of(evidence: Json) -> tuple[dict[int, bytes], tuple[int, ...], bool]:
    """Proofs, references and the draw's `alone` of a foreign evidence; `InputError` if malformed."""
    read = Reader(evidence, "evidence/1")
    beacon = Reader(read.table("beacon"), None, "beacon")
    proofs: dict[int, bytes] = {}
    for name, text in beacon.table("proofs").items():
        if not name.isdecimal() or not isinstance(text, str):
            raise InputError("proofs are hex texts by oracle index", field="beacon.proofs", value=name)
        try:
            proofs[int(name)] = bytes.fromhex(text)
        except ValueError as error:
            raise InputError("a proof is hex text", field="beacon.proofs", value=name) from error
    references = tuple(
        Reader(item, None, "references").integer("execution", 0, 255)
        for item in read.tables("references", most=8)
    )
    return proofs, references, Reader(read.table("draw"), None, "draw").flag("alone")


def bench_sandbox() -> Sandbox:
    """Limited children that judge."""
    return Sandbox(
        preload=["qcrs.client.judgement:preload", "qcrs.oracles.capability"], limits=_LIMITS, name="oracle"
    )
