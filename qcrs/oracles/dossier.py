"""A job's documents as an oracle holds them: keys from its own envelopes, blobs opened once.

What a client got wrong voids its own check (`void` says why): the provider, who could not know, is then
paid unjudged. Blobs that are merely missing may still arrive, so they void only after a wait.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from qcrs.client.cosigned import witness_of
from qcrs.client.documents import FramesDocument, HandOver, JobDocument, ResultDocument, SecretDocument
from qcrs.client.history import Execution, Job
from qcrs.client.participant import Participant
from qcrs.client.sealed import (
    commitment_of,
    open_frames,
    open_handed_over,
    open_job_key,
    open_result,
    open_secret,
    result_topic,
)
from qcrs.errors import InputError, IntegrityError, StoreError, VerificationError
from qcrs.store.mail import MailReader

__all__ = ["NO_KEY", "Dossier", "Handed", "Missing"]

NO_KEY = bytes(32)
"""Released in the place of a frames key that the client did not give: it opens nothing, as both sides see."""


class Missing(Exception):  # noqa: N818  (a state of affairs, not a failure)
    """Something is not there yet; look again later."""


@dataclass(frozen=True, slots=True)
class Handed:
    """A handed-over result. `fault` says why it is not the one committed to; then there is no document."""

    root: bytes = b""
    key: bytes = b""
    cid: str = ""
    document: ResultDocument | None = None
    fault: str = ""


@dataclass(slots=True)
class Dossier:
    """One job's documents. `patience` is how many seconds a missing blob is waited for."""

    party: Participant
    job: Job
    patience: float
    document: JobDocument | None = None
    void: str = ""
    frames_key: bytes = b""
    secret_key: bytes = b""
    _frames: FramesDocument | None = None
    _secret: SecretDocument | None = None
    _opened: bool = False
    _born: float = field(default_factory=time.monotonic)
    _handed: dict[int, Handed] = field(default_factory=dict)
    _readers: dict[int, MailReader] = field(default_factory=dict)
    _awaited: dict[int, float] = field(default_factory=dict)
    _places: dict[int, int] = field(default_factory=dict)

    # ----------------------------------------------------------------- keys

    def open_keys(self) -> None:
        """Read the job document and our envelopes; `Missing` while its blob is not there."""
        if self._opened:
            return
        try:
            self.document = document = self.party.job_document(self.job)
            for name in ("frames", "secret"):
                key = open_job_key(
                    document,
                    name,
                    place=self.party.place,
                    client=self.job.client,
                    recipient=self.party.address,
                    key=self.party.hpke,
                )
                if name == "frames":
                    self.frames_key = key
                else:
                    self.secret_key = key
        except (InputError, IntegrityError, VerificationError) as error:
            self._voided(error.reason)
        except StoreError as error:
            self._wait(error.reason)
        self._opened = True

    def _wait(self, reason: str) -> None:
        """Void after the patience, else `Missing`."""
        if time.monotonic() - self._born < self.patience:
            raise Missing(reason)
        self._voided(reason)

    def _voided(self, reason: str) -> None:
        self.void = self.void or reason

    @property
    def release_key(self) -> bytes:
        """What the provider gets."""
        return self.frames_key or NO_KEY

    @property
    def era(self) -> int:
        """The era whose oracles hold this job's keys."""
        return self.document.era if self.document is not None else self.party.era

    # ----------------------------------------------------------------- documents

    def open_documents(self) -> tuple[FramesDocument, SecretDocument] | None:
        """Both documents, or None where the client voided its check; `Missing` while blobs are awaited."""
        self.open_keys()
        if self.document is None or self.void:
            return None
        if self._frames is None or self._secret is None:
            try:
                self._frames = open_frames(self.party.store.get(self.document.frames), self.frames_key)
                self._secret = open_secret(self.party.store.get(self.document.secret), self.secret_key)
            except (InputError, IntegrityError, VerificationError) as error:
                self._voided(error.reason)
                return None
            except StoreError as error:
                self._wait(error.reason)
                return None
        return self._frames, self._secret

    # ----------------------------------------------------------------- results

    def handed(self, execution: Execution) -> Handed | None:
        """What the provider handed over; None while nothing has come.

        A result that does not open, or is not the one committed to, comes back with its `fault`. The first
        mail of provider or operator that fits the commitment counts. A processor that has a post-quantum key
        signs it too; mail without that signature is as good as none.
        """
        known = self._handed.get(execution.index)
        if known is not None and not known.fault:
            return known
        try:
            self.open_keys()  # they tell the era that envelopes are made for
        except Missing:
            return known
        reader = self._readers.get(execution.index)
        if reader is None:
            processor = self.party.history.processors[execution.processor]
            reader = self.party.mailbox.reader(result_topic(self.job.id, execution.index), processor.senders)
            self._readers[execution.index] = reader
        try:
            witness = witness_of(self.party, self.party.history, execution)
        except StoreError:
            return known  # the mail stays unread until it can be told whose it is
        for mail in reader.poll():
            if not witness.accepts(reader.topic, mail):
                continue
            found = self._read(execution, mail.body)
            if not found.fault or known is None:
                self._handed[execution.index] = known = found
            if not found.fault:
                break
        return known

    def opened(self, execution: Execution) -> bool:
        """Whether the result that was committed to has been opened to us."""
        handed = self.handed(execution)
        return handed is not None and not handed.fault

    def answered(self, execution: Execution) -> bool:
        """Whether there is nothing more to wait for: the result has opened, or its provider's time is over.

        The time, from the first question, is over only once everything has been looked at that lay in the
        topic when it ended: a flood of mail makes no result a withheld one, and what comes later delays
        nothing.
        """
        now = time.monotonic()
        since = self._awaited.setdefault(execution.index, now)
        if self.opened(execution):
            return True
        reader = self._readers.get(execution.index)
        if reader is None or now - since < self.party.network.handover_seconds:
            return False
        return reader.past(self._places.setdefault(execution.index, reader.listed))

    def _read(self, execution: Execution, body: dict[str, object]) -> Handed:
        provider = self.party.history.processors[execution.processor].provider
        try:
            mail = HandOver.from_json(body)
            if commitment_of(mail.salt, provider, self.job.id, mail.root) != execution.commitment:
                return Handed(fault="salt and root do not open the commitment")
            key = open_handed_over(
                mail,
                place=self.party.place,
                job=self.job.id,
                execution=execution.index,
                recipient=self.party.address,
                key=self.party.hpke,
                era=self.era,
            )
            result = open_result(self.party.store.get(mail.result), key, root=mail.root)
        except (InputError, StoreError, VerificationError) as error:
            return Handed(fault=error.reason)
        if (result.job, result.execution, result.processor) != (
            self.job.id,
            execution.index,
            execution.processor,
        ):
            return Handed(fault="the result is of another execution")
        return Handed(mail.root, key, mail.result, result)
