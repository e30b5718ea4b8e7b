"""The archive as an oracle keeps it: circuits of past verdicts in its database, past results opened once.

Which past results count is fixed by the chain and the evidence on it; what can differ between oracles is
only whether a blob has reached them. An evidence therefore says of each whether it was opened, and nobody
signs one that leaves out what he holds.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from qcrs.client.archive import Asked, asked_in, counted_past, open_past
from qcrs.client.fields import Reader
from qcrs.client.history import Execution, Job
from qcrs.client.participant import Participant
from qcrs.errors import InputError, QCRSError, VerificationError
from qcrs.oracles.ledger import Ledger
from qcrs.types import Json, canonical_json, digest_to_cid, parse_canonical
from qcrs.verification.archive import PastExecution

__all__ = ["Archive", "PastResult"]


@dataclass(frozen=True, slots=True)
class PastResult:
    """A past execution that counts; content id and counts of its result, None where it was not opened."""

    job: int
    execution: int
    cid: str | None = None
    counts: Json = field(default=None, compare=False)

    def as_json(self) -> Json:
        """The words of evidence."""
        return {"job": str(self.job), "execution": self.execution, "result": self.cid}


@dataclass(slots=True)
class Archive:
    """The past of one execution. `patience`: seconds that a blob or an opening is waited for."""

    party: Participant
    ledger: Ledger
    job: Job
    execution: Execution
    beacon_block: int
    patience: float
    _since: float = field(default_factory=time.monotonic)
    _opened: dict[tuple[int, int], PastResult] = field(default_factory=dict)
    _counted: tuple[PastExecution, ...] | None = None

    def look(self, keys: Sequence[str]) -> tuple[PastResult, ...] | None:
        """All that count; None while one that is missing may still come."""
        if self._counted is None:
            self._counted = counted_past(
                self.party.history, self.job, self.execution, self.beacon_block, keys, self._circuits
            )
        found = tuple(self._open(one, keys) for one in self._counted)
        waited = time.monotonic() - self._since > self.patience
        return found if waited or all(one.cid for one in found) else None

    def named(self, words: Json, keys: Sequence[str]) -> tuple[PastResult, ...]:
        """Those that a foreign evidence names; `VerificationError` where it should name others."""
        found = self.look(keys)
        if found is None:
            raise VerificationError("a past result is still awaited", field="archive")
        read = [Reader(item, None, "archive") for item in words] if isinstance(words, list) else []
        theirs = [(item.text("job"), item.integer("execution", 0, 255), item) for item in read]
        if [(job, execution) for job, execution, _ in theirs] != [(str(o.job), o.execution) for o in found]:
            raise VerificationError("other past results count", field="archive")
        out = []
        for mine, (_, _, item) in zip(found, theirs, strict=True):
            opened = item.take("result")
            if opened is None and mine.cid is not None:
                raise VerificationError("a past result that we hold is left out", field="archive")
            if opened != mine.cid:
                raise VerificationError("a past result is not there", field="archive", value=mine.job)
            out.append(mine)
        return tuple(out)

    def _open(self, one: PastExecution, keys: Sequence[str]) -> PastResult:
        place = (one.job, one.execution)
        if place not in self._opened:
            try:
                cid, counts = open_past(self.party, self.party.history, one, keys)
            except QCRSError:
                return PastResult(*place)
            self._opened[place] = PastResult(*place, cid, counts)
        return self._opened[place]

    def _circuits(self, evidence: bytes) -> Asked:
        """What an evidence names; kept, since evidence never changes. Nothing where its blob is missing."""
        key = f"asked/{evidence.hex()}"
        kept = self.ledger.note(key)
        if kept is None:
            try:
                asked = asked_in(parse_canonical(self.party.store.get(digest_to_cid(evidence))))
            except (InputError, QCRSError):
                return {}
            kept = self.ledger.keep(key, canonical_json(asked))
        return dict(parse_canonical(kept))
