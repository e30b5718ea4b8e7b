"""What is registered of a processor, as judges use it: certified errors, else what it claims.

The same words for the oracles that judge and for whoever judges them again.
"""

from __future__ import annotations

from contextlib import suppress
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


class HasStore(Protocol):
    """Whoever can read blobs."""

    store: ContentStore


def registered_device(party: HasStore, history: History, processor: int) -> DeviceRecord:
    """The record of a processor in a history.

    Its certificate's errors and times, with readout of each qubit from the certificate's report; without a
    certificate the claimed quality, a readout error of 2 %, and no times.
    """
    entry = history.processors[processor]
    try:
        metadata = parse_canonical(party.store.get(digest_to_cid(entry.metadata)))
        coupling = tuple((int(a), int(b)) for a, b in metadata["coupling"])
        simulator = bool(metadata["simulator"])
    except (QCRSError, KeyError, TypeError, ValueError):
        coupling, simulator = (), False
    record = DeviceRecord(entry.qubits, coupling, simulator=simulator)
    if entry.capability is None:
        claimed = UNCERTIFIED_ERROR_NANO
        if entry.claimed_quality:
            claimed = round(2 ** (-entry.claimed_quality / 256) * NANO)
        return replace(record, eplg_nano=claimed, mean_readout_nano=UNCERTIFIED_READOUT_NANO)
    report: Json = None
    with suppress(QCRSError):
        report = parse_canonical(party.store.get(digest_to_cid(entry.report)))
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


def _relied_on(report: Json, kind: str) -> int:
    """The shortest time in ns that a report relies on where it measured no decay; 0 where it says nothing."""
    try:
        times = [int(row[kind]["at_least_ns"]) for row in report["relaxation"]]
    except (KeyError, TypeError, ValueError):
        return 0
    return min(2**32 - 1, max(0, min(times, default=0)))
