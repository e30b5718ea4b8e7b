"""What a contract would say to a decision now, before anybody votes for it.

A contract lets a body's call in only once the AccessManager runs it. The rehearsal asks the node to execute
the call with a manager in that place that lets everybody in (a state override of `eth_call`): whatever is
refused then is refused for what it is, a value outside its bounds or a flow that does not exist. The governor
lets its timelock change it while it executes a proposal with this very call; so it has that call in its
queue.
"""

from __future__ import annotations

from eth_utils.crypto import keccak

from qcrs.chain.abi import Call
from qcrs.errors import ChainError, ContractError, InputError, QCRSError
from qcrs.governance.bodies import CONSORTIA, guarded
from qcrs.governance.commons import Commons
from qcrs.governance.sentences import Draft

__all__ = ["closure_of", "refusal_of"]

LETS_IN = "0x600160005260406000f3"
"""Runs as `return (true, 0)`: the answer of `canCall` for whom no delay holds back."""

QUEUE = 5
"""The governor's slot of `_governanceCall`, as `tests/assurance/layouts.json` has it: _begin and, 128 bits
higher, _end; in the slot after it the mapping _data."""


def refusal_of(commons: Commons, draft: Draft) -> QCRSError | None:
    """The error with which one of the calls would end were they made now; None where all would pass.

    Each is rehearsed by itself, as the others have not been made. Also None where nobody can tell: on nodes
    without state overrides. What is refused now may pass once the delay is over, and the reverse.
    """
    return next(
        (
            found
            for call in draft.calls
            if (found := closure_of(commons, call) or _refusal(commons, draft, call))
        ),
        None,
    )


def closure_of(commons: Commons, call: Call) -> InputError | None:
    """Says so where the call is one that bodies make, on a contract that is closed to them."""
    try:
        kind, function, _ = commons.read_call(call.to, call.data)
    except InputError:
        return None
    if not guarded(kind, function) or not commons.manager.is_target_closed(call.to):
        return None
    name = commons.name(call.to)
    return InputError(
        "the contract is closed to the bodies",
        field="contract",
        value=name,
        solution=f"open it first: `qcrs gov propose reopen {name}` by the security group, "
        f"or `qcrs gov propose reopen {name} by the consortia`",
    )


def _refusal(commons: Commons, draft: Draft, call: Call) -> ContractError | None:
    manager, governor = commons.contracts["AccessManager"], commons.governor.address
    caller = "ExchangeTimelock" if draft.body.key == CONSORTIA else draft.body.contract
    own = call.to == governor and draft.body.key == CONSORTIA
    try:
        commons.chain.call_raw(
            call,
            sender=commons.contracts[caller],
            codes={manager: LETS_IN},
            words={governor: _queued(call.data)} if own else None,
        )
    except ContractError as refusal:
        # A node that passes over the overrides without a word meets the manager itself, or an empty queue.
        passed_over = refusal.name.startswith("AccessManage") or (own and refusal.name == "Panic")
        return None if passed_over else _of_the_treasury(refusal)
    except ChainError:
        return None
    return None


def _of_the_treasury(refusal: ContractError) -> ContractError:
    """Where it has too little credit, what it holds elsewhere is the remedy."""
    if refusal.name != "ERC20InsufficientBalance":
        return refusal
    remedy = "let `collect the treasury` pass first: it brings what the treasury holds in the other contracts"
    return ContractError(refusal.reason, name=refusal.name, arguments=refusal.arguments, solution=remedy)


def _queued(data: bytes) -> dict[int, int]:
    """The words of a governor's storage whose queue (`Governor._governanceCall`) has this call alone."""
    first = keccak(bytes(32) + (QUEUE + 1).to_bytes(32))  # _data[0]
    return {QUEUE: 1 << 128, int.from_bytes(first): int.from_bytes(keccak(data))}  # _begin 0, _end 1
