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
from qcrs.types import digest_to_cid, parse_canonical

__all__ = ["registered_device"]

NANO = 10**9
UNCERTIFIED_READOUT_NANO = 2 * 10**7
UNCERTIFIED_ERROR_NANO = 10**7


class HasStore(Protocol):
    """Whoever can read blobs."""

    store: ContentStore


def registered_device(party: HasStore, history: History, processor: int) -> DeviceRecord:
    """The record of a processor in a history.

    Its certificate's errors, with readout of each qubit from the certificate's report; without a certificate
    the claimed quality and a readout error of 2 %.
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
    try:
        report = parse_canonical(party.store.get(digest_to_cid(entry.report)))
        readout = tuple(min(NANO, max(0, int(value))) for value in report["readout"]["error_nano"])
    except (QCRSError, KeyError, TypeError, ValueError):
        readout = ()
    return replace(
        record,
        eplg_nano=min(NANO, entry.capability.error_per_layered_gate),
        mean_readout_nano=min(NANO, entry.capability.readout_error),
        readout_nano=readout,
    )
