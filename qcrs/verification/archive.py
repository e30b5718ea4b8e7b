"""Which past results a new one is held against, and where they lie: a pure function of chain and store.

A provider that is asked for a circuit again can answer with what it, or somebody else, measured before. Each
report's evidence names its circuits by the hash of the frame-free circuit document, so anyone can list which
executions were of the same circuits. Of them count, for an execution committed in block c,

  * executions of other jobs that were committed in a block before c,
  * accepted by a report, with their job closed, in or before the beacon's block (so that the oracles have
    opened their documents to everyone by the time of the verdict),
  * with at least one circuit in common: the latest `OWN` of the same provider, the latest `OTHERS` of others.

What runs at the same time does not count: neither could be opened to a third party yet. Two executions of one
job are each other's references instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from qcrs.circuits.document import CircuitDocument
from qcrs.types import canonical_json

__all__ = ["OTHERS", "OWN", "Judged", "PastExecution", "circuit_key", "counted"]

OWN = 4
"""Most past results of the same provider that one result is held against."""
OTHERS = 4
"""Most past results of other providers."""


@dataclass(frozen=True, slots=True)
class PastExecution:
    """An execution as chain and evidence tell it; blocks by number, `keys` of its circuits by unit."""

    job: int
    execution: int
    provider: str
    committed_block: int
    accepted_block: int
    closed_block: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """The execution that is judged, and the block of its beacon."""

    job: int
    provider: str
    committed_block: int
    beacon_block: int
    keys: tuple[str, ...]


def circuit_key(circuit: CircuitDocument) -> str:
    """Identity of a frame-free circuit: sha2-256 of its canonical bytes, in hex.

    Names of classical registers count only where control flow reads them.
    """
    value = circuit.as_json()
    if not circuit.read_clbits():
        del value["registers"]
    return hashlib.sha256(canonical_json(value)).hexdigest()


def counted(past: Iterable[PastExecution], tested: Judged) -> tuple[PastExecution, ...]:
    """The past executions that count, the latest first, those of the same provider before others'."""
    keys = set(tested.keys)
    fitting = [
        one
        for one in past
        if one.job != tested.job
        and one.committed_block < tested.committed_block
        and max(one.accepted_block, one.closed_block) <= tested.beacon_block
        and not keys.isdisjoint(one.keys)
    ]
    fitting.sort(key=lambda one: (-one.committed_block, -one.job, -one.execution))
    own = [one for one in fitting if one.provider == tested.provider]
    others = [one for one in fitting if one.provider != tested.provider]
    return (*own[:OWN], *others[:OTHERS])
