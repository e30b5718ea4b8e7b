"""The providers' ledger (V8) as an oracle keeps it: magnitudes in its database, flags in its journal.

Magnitudes are kept by the digest of the evidence that states them, so nothing that is kept can become
wrong: which verdicts count, and in which order, is the chain's to say, after a reorganisation too. Where
evidence is missing from the store it does not count, until it is there; an oracle to whom other evidence is
missing than to the rest finds another audit rate and does not sign their report.
"""

from __future__ import annotations

from collections.abc import Callable

from qcrs.client.participant import Participant
from qcrs.client.standing import Standing, measure_from, standing_of
from qcrs.oracles.ledger import Ledger
from qcrs.types import canonical_json, parse_canonical
from qcrs.verification.eprocess import Measured

__all__ = ["Watch"]


class Watch:
    """Every provider's standing, as far as this oracle knows it."""

    def __init__(self, party: Participant, ledger: Ledger, note: Callable[..., None]) -> None:
        self._party = party
        self._ledger = ledger
        self._note = note
        self._read = measure_from(party.store)

    def standing(self, processor: int, before: int) -> Standing:
        """The standing of a processor's provider by the verdicts on chain before a time."""
        history = self._party.history
        provider = history.processors[processor].provider
        return standing_of(history, provider, self._measure, before=before)

    def keep(self, found: Standing) -> None:
        """Keep a provider's standing; a flag that comes or goes is noted in the journal."""
        key = f"standing/{found.provider}"
        kept = self._ledger.note(key)
        was = bool(parse_canonical(kept)["flagged"]) if kept is not None else False
        words = {"jobs": found.process.jobs, "flagged": found.flagged, "value": f"{found.process.value:.6g}"}
        self._ledger.replace(key, canonical_json(words))
        if found.flagged != was:
            what = "provider flagged" if found.flagged else "provider no longer flagged"
            self._note(what, provider=found.provider, jobs=found.process.jobs, value=words["value"])

    def _measure(self, digest: bytes) -> Measured | None:
        known, measured = self._ledger.magnitude(digest)
        if known:
            return measured
        measured = self._read(digest)
        self._ledger.keep_magnitude(digest, measured)
        return measured
