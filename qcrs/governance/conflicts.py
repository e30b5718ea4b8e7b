"""Decisions that meet: a call sets more values than its sentence names, as they were when it was proposed."""

from __future__ import annotations

from qcrs.chain.abi import Call
from qcrs.errors import ChainError, ContractError, InputError
from qcrs.governance.actions import Change, changes_of
from qcrs.governance.ballots import ballots
from qcrs.governance.commons import Commons
from qcrs.governance.matters import Matter
from qcrs.governance.parameters import SETTERS
from qcrs.governance.proposals import proposals
from qcrs.governance.sentences import Draft

__all__ = ["rivals", "set_back"]

_KEYED = {
    ("ComputationAllocator", "setClass"): 1,
    ("ComputationAllocator", "setQuota"): 2,
    ("Council", "reseat"): 0,
    ("OracleQuorum", "rotate"): 0,
} | {(setter.contract.NAME, setter.function): 0 for setter in SETTERS}
"""Functions that set values, and how many of their first arguments say which."""


def set_back(commons: Commons, one: Matter) -> tuple[Change, ...]:
    """What a ballot or proposal would change now that it did not change when it was proposed.

    That is what others decided since. Where the node has forgotten the state of that time, whatever a call
    changes beside one value counts, since a sentence names one.
    """
    found: list[Change] = []
    for call in one.calls:
        now = _changes(commons, call)
        if not now:
            continue
        try:
            then = {change.what for change in changes_of(commons.at(one.block - 1), call)}
        except ContractError:
            continue  # what it is about was not there yet, so nobody decided on it before
        except ChainError:
            then = set() if len(now) > 1 else {now[0].what}
        found += [change for change in now if change.what not in then]
    return tuple(found)


def _changes(commons: Commons, call: Call) -> tuple[Change, ...]:
    try:
        return changes_of(commons, call)
    except (InputError, ContractError):
        return ()  # none of the exchange's functions, or about what there is not


def rivals(commons: Commons, draft: Draft) -> tuple[Matter, ...]:
    """Open ballots and proposals whose calls set the same values otherwise: what is executed last stands."""
    ours = {_sets(commons, call) for call in draft.calls} - {None}
    known: list[Matter] = [*ballots(commons), *proposals(commons)]
    return tuple(
        one
        for one in known
        if ours & {_sets(commons, call) for call in one.calls}
        and [call.data for call in one.calls] != [call.data for call in draft.calls]
    )


def _sets(commons: Commons, call: Call) -> tuple[object, ...] | None:
    try:
        kind, function, arguments = commons.read_call(call.to, call.data)
    except InputError:
        return None
    which = _KEYED.get((kind, function))
    return None if which is None else (call.to, function, *arguments[:which])
