"""Error correction across a session's link: the record that its parties attest, its blobs in the store."""

from __future__ import annotations

from qcrs.chain.bindings import CorrectionRecord
from qcrs.client.coordinator import Coordinator
from qcrs.distributed.correction import Correction, recorded
from qcrs.distributed.seam import Seam
from qcrs.store import ContentStore

__all__ = ["attest_memory", "on_chain"]


def on_chain(found: Correction) -> CorrectionRecord:
    """A record as the contract takes it."""
    return CorrectionRecord(*found.words())


def attest_memory(
    coordinator: Coordinator,
    store: ContentStore,
    session: int,
    processor: int,
    seam: Seam,
    shots: int,
    seed: int,
) -> CorrectionRecord:
    """Run a memory, keep code and syndromes in the store, attest the record for one party.

    The same seam, shots and seed give the same record, so every party attests what it has run itself. Raises
    `ContractError` where another party attested something else.
    """
    made = recorded(seam, shots, seed)
    store.put(made.code)
    store.put(made.syndromes)
    record = on_chain(made.record)
    coordinator.attest_correction(session, processor, record)
    return record
