"""What is registered of a processor, as judges use it: certified errors, else what it claims.

The same words for the oracles that judge and for whoever judges them again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from qcrs.client.history import History
from qcrs.client.judgement import DeviceRecord
from qcrs.errors import QCRSError
from qcrs.store import ContentStore
from qcrs.types import Json, digest_to_cid, parse_canonical

__all__ = ["registered_device"]

NANO = 10**9
UNCERTIFIED_READOUT_NANO = 2 * 10**7
UNCERTIFIED_ERROR_NANO = 10**7
MOST_PAIRS = 100_000
"""More pairs are not listed: where all qubits are coupled an empty list says so too."""
MOST_DESCRIPTIONS = 256
"""Of so many changes of a description since the certificate the last ones count."""


class HasStore(Protocol):
    """Whoever can read blobs."""

    store: ContentStore


def registered_device(party: HasStore, history: History, processor: int) -> DeviceRecord:
    """The record of a processor in a history.

    Its certificate's errors and times, with readout of each qubit from the certificate's report; without a
    certificate the claimed quality, a readout error of 2 %, and no times.

    Nobody takes back what clients have built on: coupled is what the certificate's report says and what any
    description since then has said, and a simulator is what was registered as one.
    """
    entry = history.processors[processor]
    report: Json = None if entry.capability is None else _read(party, entry.report)
    pairs = _certified(report, entry.qubits)
    for digest in dict.fromkeys(entry.offered[-MOST_DESCRIPTIONS:]):
        pairs |= _pairs(_read(party, digest), entry.qubits)
    registered = _read(party, entry.descriptions[0]) if entry.descriptions else None
    simulator = isinstance(registered, dict) and registered.get("simulator") is True
    record = DeviceRecord(entry.qubits, tuple(sorted(pairs)), simulator=simulator)
    if entry.capability is None:
        claimed = UNCERTIFIED_ERROR_NANO
        if entry.claimed_quality:
            claimed = round(2 ** (-entry.claimed_quality / 256) * NANO)
        return replace(record, eplg_nano=claimed, mean_readout_nano=UNCERTIFIED_READOUT_NANO)
    try:
        readout = tuple(min(NANO, max(0, int(value))) for value in report["readout"]["error_nano"])
    except (KeyError, TypeError, ValueError):
        readout = ()
    certified = entry.capability
    return replace(
        record,
        eplg_nano=min(NANO, certified.error_per_layered_gate),
        mean_readout_nano=min(NANO, certified.readout_error),
        readout_nano=readout,
        t1_ns=certified.t1_nanoseconds or _relied_on(report, "t1"),
        t2_ns=certified.t2_nanoseconds or _relied_on(report, "t2"),
    )


def _read(party: HasStore, digest: bytes) -> Json:
    """A public document by its digest; None where the store has none that can be read."""
    try:
        return parse_canonical(party.store.get(digest_to_cid(digest)))
    except QCRSError:
        return None


def _pairs(document: Json, qubits: int) -> set[tuple[int, int]]:
    """The couplings of a description or a report, each with its smaller qubit first."""
    found = set()
    raw = document.get("coupling") if isinstance(document, dict) else None
    for pair in raw if isinstance(raw, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and all(type(qubit) is int for qubit in pair):
            a, b = sorted(pair)
            if 0 <= a < b < qubits:
                found.add((a, b))
    return found


def _certified(report: Json, qubits: int) -> set[tuple[int, int]]:
    """The couplings that a certificate was measured with; null in its report stands for all pairs."""
    if isinstance(report, dict) and "coupling" in report and report["coupling"] is None:
        every = qubits * (qubits - 1) // 2
        return {(a, b) for b in range(qubits) for a in range(b)} if every <= MOST_PAIRS else set()
    return _pairs(report, qubits)


def _relied_on(report: Json, kind: str) -> int:
    """The shortest time in ns that a report relies on where it measured no decay; 0 where it says nothing."""
    try:
        times = [int(row[kind]["at_least_ns"]) for row in report["relaxation"]]
    except (KeyError, TypeError, ValueError):
        return 0
    return min(2**32 - 1, max(0, min(times, default=0)))
