"""Comparisons and what they say: of which execution each is, and whether what it needs could be looked at.

A document that is not here proves nothing against anybody. So a comparison that did not agree carries what
was `unseen`: whoever rules on the strength of a report must not take it for a difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from qcrs.errors import StoreError
from qcrs.store import ContentStore
from qcrs.types import Json

__all__ = ["Check", "Notes", "Subject", "Unseen", "VerifyReport", "WatchedStore"]

Unseen = Literal["", "document", "key", "events", "transaction", "machine"]
"""What could not be looked at: a document, published keys, all events of the job, a verdict's transaction, or
a computation that this machine could not make. Empty where the comparison was made."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at, in words, and the execution that it is of; None for the job itself."""

    text: str
    execution: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison: what was looked at, whether it agrees, and if not, why."""

    subject: str
    name: str
    ok: bool
    detail: str = ""
    execution: int | None = None
    unseen: Unseen = ""

    def as_json(self) -> Json:
        """For scripts."""
        return {
            "subject": self.subject,
            "name": self.name,
            "ok": self.ok,
            "detail": self.detail,
            "execution": self.execution,
            "unseen": self.unseen,
        }


@dataclass(slots=True)
class VerifyReport:
    """Every comparison that was made for a job; `opened` are the executions whose results opened."""

    job: int
    state: str
    checks: list[Check] = field(default_factory=list)
    verdicts: list[Json] = field(default_factory=list)
    opened: set[int] = field(default_factory=set)

    @property
    def differences(self) -> list[Check]:
        """What does not agree."""
        return [check for check in self.checks if not check.ok]

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return bool(self.checks) and not self.differences

    def add(self, subject: Subject, name: str, ok: bool, detail: str = "", *, unseen: Unseen = "") -> bool:
        """Note one comparison; gives back whether it agreed. `unseen` counts only where it did not."""
        told = Check(subject.text, name, ok, execution=subject.execution)
        self.checks.append(told if ok else replace(told, detail=detail, unseen=unseen))
        return ok

    def as_json(self) -> Json:
        """For scripts."""
        return {
            "job": self.job,
            "state": self.state,
            "ok": self.ok,
            "verdicts": self.verdicts,
            "differences": [check.as_json() for check in self.differences],
            "checks": [check.as_json() for check in self.checks],
        }

    def text(self) -> str:
        """For people: one line a subject, then every difference."""
        subjects: dict[str, list[Check]] = {}
        for check in self.checks:
            subjects.setdefault(check.subject, []).append(check)
        lines = [f"job {self.job} ({self.state.lower()})"]
        for subject, checks in subjects.items():
            mark = "✓" if all(check.ok for check in checks) else "✗"
            lines.append(f"  {mark} {subject}: {', '.join(check.name for check in checks)}")
        lines += map(_recomputed, self.verdicts)
        if self.ok:
            lines.append(f"✓ all {len(self.checks)} checks agree with the chain")
        lines += [f"✗ {c.subject}: {c.name}: {c.detail}" for c in self.differences]
        return "\n".join(lines)


def _recomputed(verdict: Json) -> str:
    where = f"  execution {verdict['execution']}, round {verdict['round']}:"
    if not verdict["judged"]:
        return f"{where} {verdict['outcome']} without a result by {verdict['decided_by']}"
    return (
        f"{where} recomputed {verdict['outcome']}, score {verdict['score_ppm'] / 1e6:.3f} "
        f"against {verdict['threshold_ppm'] / 1e6:.3f} by {verdict['decided_by']}"
    )


class WatchedStore(ContentStore):
    """Another store, with a note of every blob that was asked for and was not there whole."""

    def __init__(self, store: ContentStore) -> None:
        super().__init__(store.where, max_bytes=store.max_bytes)
        self.missed: list[str] = []

    def get(self, cid: str) -> bytes:
        """The bytes under `cid`; notes it where that fails."""
        try:
            return super().get(cid)
        except StoreError:
            self.missed.append(cid)
            raise


@dataclass(frozen=True, slots=True)
class Notes:
    """Where comparisons are noted. What the store missed since the last one is why this one may not agree."""

    report: VerifyReport
    store: WatchedStore

    def forget(self) -> None:
        """Begin anew: what was missed so far is of nothing that is compared next."""
        self.store.missed.clear()

    def add(self, subject: Subject, name: str, ok: bool, detail: str = "", *, unseen: Unseen = "") -> bool:
        """Note a comparison. One that does not agree is unseen where a blob was missed for it."""
        if self.store.missed and not ok and not unseen:
            unseen, lost = "document", self.store.missed[0]
            detail += "" if lost in name + detail else f" (without blob {lost}, which is not in the store)"
        self.forget()
        return self.report.add(subject, name, ok, detail, unseen=unseen)

    def equal(
        self,
        subject: Subject,
        name: str,
        pairs: Sequence[tuple[str, object, object]],
        *,
        unseen: Unseen = "",
    ) -> None:
        """Compare words of the evidence with what they should be; one check, naming what differs."""
        wrong = [
            f"{word} is {found!r}, expected {wanted!r}" for word, found, wanted in pairs if found != wanted
        ]
        self.add(subject, name, not wrong, "; ".join(wrong)[:1000], unseen=unseen)
