"""At which rate an execution is drawn for an audit: the words on chain at its beacon's block.

The same for the oracles that draw and for whoever draws again. What a provider's verdicts say of it
(`qcrs.client.standing`) comes on top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from qcrs.circuits.document import CircuitDocument
from qcrs.client.documents import SecretDocument
from qcrs.client.history import stake_of
from qcrs.errors import InputError
from qcrs.verification.audit import (
    SIMULATED_PPM,
    audit_rate_ppm,
    reputation_at_risk_ppm,
    slashable,
)

if TYPE_CHECKING:
    from qcrs.chain.bindings import ComputationAllocator, ProcessorRegistry

__all__ = ["REPUTATION_FEES", "rate_at", "simulated"]

REPUTATION_FEES = 5
"""What a full reputation is worth to its owner, in fees of the job: V of the audit rate."""


class Contracts(Protocol):
    """The contracts that are read."""

    @property
    def allocator(self) -> ComputationAllocator:
        """Penalties."""

    @property
    def registry(self) -> ProcessorRegistry:
        """Bond, what of it is on its way out, and reputation."""


def simulated(secret: SecretDocument) -> bool:
    """Whether every circuit of a job is held against the exact distribution, audited or not.

    Circuits with loops do not count: whether they end is known only once they were simulated.
    """
    from qcrs.verification.simulate import active_qubits
    from qcrs.verification.verdict import Policy

    limit = Policy().simulate_qubits
    try:
        circuits = [CircuitDocument.from_json(unit.circuit) for unit in secret.units]
    except InputError:
        return False
    return all(
        max(len(active_qubits(circuit)), len(circuit.measured_clbits())) <= limit
        and all(item.control is None or item.name == "delay" for item in circuit.walk())
        for circuit in circuits
    )


def rate_at(
    contracts: Contracts, processor: int, fee: int, block: int, *, exact: bool, value: int = 0
) -> int:
    """q in parts per million, by stake, reputation and penalties at a block.

    `exact`: `simulated` holds; `value`: what the client says that a wrong answer is worth.
    """
    view = contracts.registry.processor(processor, block=block)
    releasing, _available_at = contracts.registry.unbonding_of(processor, block=block)
    _deadline, multiple = contracts.allocator.penalties(block=block)
    return audit_rate_ppm(
        fee,
        slashable(stake_of(view.bond, releasing), fee, multiple),
        REPUTATION_FEES * fee,
        reputation_at_risk_ppm(view.alpha, view.beta),
        SIMULATED_PPM if exact else 0,
        value,
    )
