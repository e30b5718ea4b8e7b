"""Registering a processor: publish its documents, bond, enter the registry.

Idempotent: a provider that has a live processor of the same name and qubits gets that one back.
"""

from __future__ import annotations

from dataclasses import dataclass

from qcrs.chain.bindings import ProcessorSpec
from qcrs.client.history import Processor
from qcrs.client.participant import Participant
from qcrs.client.quantum import equip
from qcrs.errors import AccountError, BackendError
from qcrs.sandbox import GIB, Limits, Sandbox
from qcrs.sealing import keccak256, public_text
from qcrs.types import Json, canonical_json, cid_to_digest, parse_canonical

__all__ = ["Registration", "describe_device", "find_own", "node_sandbox", "register"]

REGISTER_GAS = 500_000
ZERO_ADDRESS = "0x" + "0" * 40
_DESCRIBE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Registration:
    """What a provider says of its processor. `bond` in base units of the credit; quality as on chain.

    `account` names the key file; where it has a post-quantum identity, the processor gets its key.
    """

    name: str
    spec: str
    bond: int
    claimed_quality: int
    operator: str = ZERO_ADDRESS
    account: str = ""


def node_sandbox(spec: str) -> Sandbox:
    """Limited children with Qiskit and the device of `spec` already open."""
    return Sandbox(preload=[f"qcrs.node.runner:preload={spec}"], limits=Limits(2 * GIB), name="node")


def describe_device(party: Participant, sandbox: Sandbox, name: str, spec: str) -> tuple[Json, Json]:
    """Metadata and calibration documents of a device."""
    asked = {"spec": spec, "name": name, "hpke": public_text(party.hpke.public)}
    limits = Limits(4 * GIB, cpu_seconds=_DESCRIBE_SECONDS, wall_seconds=_DESCRIBE_SECONDS)
    answer = parse_canonical(sandbox.call("qcrs.node.runner:describe", canonical_json(asked), limits))
    return answer["metadata"], answer["calibration"]


def find_own(party: Participant, name: str | None = None) -> Processor | None:
    """The account's newest live processor, of this name where one is given."""
    for processor in reversed(party.history.processors.values()):
        mine = party.address in (processor.provider, processor.operator) and not processor.retired
        if mine and (name is None or _name_of(party, processor) == name):
            return processor
    return None


def _name_of(party: Participant, processor: Processor) -> str:
    """What a processor is called; of one with a key, what the key follows from."""
    if processor.keyed and party.identity is not None:
        return party.identity.name_of(party, processor)
    return str(party.metadata_of(processor.id).get("name"))


def register(party: Participant, sandbox: Sandbox, wanted: Registration) -> int:
    """The number of the processor on the exchange. Bonds from the account's balance and credit.

    Opens the account's post-quantum identity, where it has one, for all that the participant does later.
    `BackendError` where the device cannot be opened or is not the size of the registered one.
    """
    party.refresh()
    equip(party, wanted.account)
    metadata, calibration = describe_device(party, sandbox, wanted.name, wanted.spec)
    known = find_own(party, wanted.name)
    if known is not None:
        if known.qubits != metadata["qubits"]:
            raise BackendError(
                f"processor {known.id} was registered as {wanted.name} with {known.qubits} qubits, "
                f"and this device has {metadata['qubits']}",
                field="backend",
                value=wanted.spec,
                solution="start it with the device that it was registered with, or give another --name",
            )
        return known.id
    _enter(party, wanted, metadata, calibration)
    party.refresh()
    found = find_own(party, wanted.name)
    if found is None:
        raise BackendError(
            "the registration is on the chain but not in the event index yet",
            solution="run the command again; it continues where it stopped",
        )
    return found.id


def _enter(party: Participant, wanted: Registration, metadata: Json, calibration: Json) -> None:
    """Publish the documents, bond, and register; with the account's post-quantum key where it has one."""
    party.store.put(canonical_json(calibration))
    own = party.identity
    if own is not None:
        metadata = own.described(metadata, wanted.name)
    document = canonical_json(metadata)
    digest = cid_to_digest(party.store.put(document))
    fund(party, wanted.bond)
    registry = party.contracts.registry
    spec = ProcessorSpec(
        qubits=metadata["qubits"],
        profile=keccak256(canonical_json({"basis": metadata["basis"], "coupling": metadata["coupling"]})),
        metadata=digest,
        operator=wanted.operator,
        identity=keccak256(party.hpke.public) if own is None else own.off_chain.identity,
        claimed_quality=wanted.claimed_quality,
        bond=wanted.bond,
    )
    key = f"register/{digest.hex()}/{len(party.history.processors)}"
    if party.outbox.entry(key) is None:
        call = registry.register(spec) if own is None else own.register(party.address, wanted.name, spec)
        party.post(key, call, REGISTER_GAS)
    party.outbox.wait(key)


def fund(party: Participant, amount: int) -> None:
    """Make the account's balance on the exchange reach `amount`, from its credit."""
    allocator, credit = party.contracts.allocator, party.contracts.credit
    missing = amount - allocator.balance_of(party.address)
    if missing <= 0:
        return
    owned = credit.balance_of(party.address)
    if owned < missing:
        raise AccountError(
            "the account has too little credit for the bond",
            field="bond",
            value=amount,
            solution=f"it needs {missing} more base units and owns {owned}",
        )
    stage = f"{party.address}/{allocator.balance_of(party.address)}/{owned}"
    if credit.allowance(party.address, allocator.address) < missing:
        party.post(f"approve/{stage}", credit.approve(allocator.address, missing), 150_000)
        party.outbox.wait(f"approve/{stage}")
    party.post(f"deposit/{stage}", allocator.deposit(party.address, missing), 250_000)
    party.outbox.wait(f"deposit/{stage}")
