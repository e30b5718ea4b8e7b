"""The parameters that bodies set, by the names people use, and where each lives on chain.

One function often sets several values at once; what a sentence does not name keeps the value that it has
when the proposal is written. Units are those of the contracts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from qcrs.chain.abi import Binding, Call
from qcrs.chain.bindings import (
    ComputationAllocator,
    EntanglementCoordinator,
    ExchangeGovernor,
    ExchangeTimelock,
    OracleQuorum,
    Parameters,
    ProcessorRegistry,
    ResultVerifier,
)
from qcrs.errors import InputError

__all__ = ["SETTERS", "Field", "Setter", "find"]


@dataclass(frozen=True, slots=True)
class Field:
    """One value: its name, its unit (`qcrs.governance.quantities`), and other names for it."""

    name: str
    unit: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setter:
    """A function that sets values: how they are read, and the call that writes them."""

    contract: type[Binding]
    function: str
    fields: tuple[Field, ...]
    read: Callable[[Any], Sequence[int]]
    write: Callable[[Any, Sequence[int]], Call]
    decode: Callable[[Sequence[Any]], Sequence[int]] = tuple
    """From the call's arguments to the fields' values."""


def _one(read: Callable[[Any], int]) -> Callable[[Any], Sequence[int]]:
    return lambda contract: (int(read(contract)),)


def _channel_parameters(contract: Any, values: Sequence[int]) -> Call:
    return EntanglementCoordinator.set_parameters(contract, Parameters.from_abi((*values, False)))


SETTERS = (
    Setter(
        ComputationAllocator,
        "setQueueing",
        (
            Field("drain threshold", "qubit-seconds", ("Δ", "delta", "drain")),
            Field("banked credit", "qubit-seconds", ("credit", "C")),
        ),
        ComputationAllocator.queueing,
        lambda contract, v: ComputationAllocator.set_queueing(contract, *v),
    ),
    Setter(
        ComputationAllocator,
        "setTimes",
        (
            Field("grace", "seconds"),
            Field("deadline margin", "seconds", ("margin",)),
            Field("verdict window", "seconds"),
        ),
        ComputationAllocator.times,
        lambda contract, v: ComputationAllocator.set_times(contract, *v),
    ),
    Setter(
        ComputationAllocator,
        "setPenalties",
        (Field("deadline penalty", "permille"), Field("fraud multiple", "", ("fraud penalty",))),
        ComputationAllocator.penalties,
        lambda contract, v: ComputationAllocator.set_penalties(contract, *v),
    ),
    Setter(
        ComputationAllocator,
        "setRequestBounds",
        (
            Field("trust floor", "", ("least trust",)),
            Field("most redundancy", "", ("redundancy bound",)),
            Field("longest execution", "seconds", ("most seconds",)),
        ),
        ComputationAllocator.request_bounds,
        lambda contract, v: ComputationAllocator.set_request_bounds(contract, *v),
    ),
    Setter(
        ResultVerifier,
        "setWindows",
        (Field("challenge window", "seconds"), Field("ruling window", "seconds")),
        ResultVerifier.windows,
        lambda contract, v: ResultVerifier.set_windows(contract, *v),
    ),
    Setter(
        ResultVerifier,
        "setChallengeBond",
        (Field("least challenge bond", "credits"), Field("challenge bond multiple", "", ("bond multiple",))),
        ResultVerifier.bond_terms,
        lambda contract, v: ResultVerifier.set_challenge_bond(contract, *v),
    ),
    Setter(
        ProcessorRegistry,
        "setCertificateLife",
        (Field("certificate life", "seconds"),),
        _one(ProcessorRegistry.certificate_life),
        lambda contract, v: ProcessorRegistry.set_certificate_life(contract, *v),
    ),
    Setter(
        ProcessorRegistry,
        "setLeastBond",
        (Field("least processor bond", "credits", ("least bond",)),),
        _one(ProcessorRegistry.least_bond),
        lambda contract, v: ProcessorRegistry.set_least_bond(contract, *v),
    ),
    Setter(
        ProcessorRegistry,
        "setUnbondDelay",
        (Field("unbonding delay", "seconds", ("unbond delay",)),),
        _one(ProcessorRegistry.unbond_delay),
        lambda contract, v: ProcessorRegistry.set_unbond_delay(contract, *v),
    ),
    Setter(
        ProcessorRegistry,
        "setClaimTolerance",
        (Field("claim tolerance", ""), Field("claim penalty", "permille")),
        ProcessorRegistry.claim_tolerance,
        lambda contract, v: ProcessorRegistry.set_claim_tolerance(contract, *v),
    ),
    Setter(
        ProcessorRegistry,
        "setHalfLife",
        (Field("reputation half-life", "seconds", ("half-life", "half life")),),
        _one(ProcessorRegistry.half_life),
        lambda contract, v: ProcessorRegistry.set_half_life(contract, *v),
    ),
    Setter(
        OracleQuorum,
        "setLeastBond",
        (Field("least oracle bond", "credits"),),
        _one(OracleQuorum.least_bond),
        lambda contract, v: OracleQuorum.set_least_bond(contract, *v),
    ),
    Setter(
        EntanglementCoordinator,
        "setParameters",
        (
            Field("greatest error rate of pairs", "ppm", ("max qber", "qber bound")),
            Field("least test rounds", ""),
            Field("attestation window", "seconds", ("attest window",)),
            Field("channel dispute window", "seconds"),
            Field("answer window", "seconds"),
            Field("barrier grace", "seconds"),
            Field("channel penalty", "ten-thousandths"),
            Field("session attempts", ""),
        ),
        lambda contract: astuple(EntanglementCoordinator.current_parameters(contract))[:8],
        _channel_parameters,
        lambda arguments: (
            astuple(arguments[0])[:8] if isinstance(arguments[0], Parameters) else arguments[0][:8]
        ),
    ),
    Setter(
        ExchangeGovernor,
        "updateQuorumNumerator",
        (Field("quorum", "hundredths"),),
        _one(ExchangeGovernor.quorum_numerator_2),
        lambda contract, v: ExchangeGovernor.update_quorum_numerator(contract, *v),
    ),
    Setter(
        ExchangeGovernor,
        "updateSuperQuorumNumerator",
        (Field("super quorum", "hundredths"),),
        _one(ExchangeGovernor.super_quorum_numerator),
        lambda contract, v: ExchangeGovernor.update_super_quorum_numerator(contract, *v),
    ),
    Setter(
        ExchangeGovernor,
        "setLateQuorumVoteExtension",
        (Field("late extension", "seconds"),),
        _one(ExchangeGovernor.late_quorum_vote_extension),
        lambda contract, v: ExchangeGovernor.set_late_quorum_vote_extension(contract, *v),
    ),
    Setter(
        ExchangeTimelock,
        "updateDelay",
        (Field("timelock delay", "seconds"),),
        _one(ExchangeTimelock.get_min_delay),
        lambda contract, v: ExchangeTimelock.update_delay(contract, *v),
    ),
)
"""Every function that sets plain values."""


def find(name: str) -> tuple[Setter, int]:
    """The setter of a parameter by any of its names, and its place there; `InputError` lists them."""
    wanted = " ".join(name.lower().split()).removeprefix("the ")
    for setter in SETTERS:
        for place, field in enumerate(setter.fields):
            if wanted in (known.lower() for known in (field.name, *field.aliases)):
                return setter, place
    raise InputError(
        "no such parameter",
        field="parameter",
        value=name,
        solution="known are: " + ", ".join(field.name for setter in SETTERS for field in setter.fields),
    )
