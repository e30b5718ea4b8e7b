"""What a call changes: the values before it, read from the chain, and after it, read from its arguments.

A voter sees this for every call, whoever wrote it and however it was described. A call that is not in the
table is shown by its function and arguments alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qcrs.chain.abi import Call
from qcrs.chain.bindings import (
    ComputationAllocator,
    ConsortiumSeats,
    Council,
    DisputeCourt,
    EntanglementCoordinator,
    OracleQuorum,
    ProcessorRegistry,
    ResourceCredit,
)
from qcrs.errors import QCRSError
from qcrs.governance.commons import Commons
from qcrs.governance.parameters import SETTERS
from qcrs.governance.quantities import shown

__all__ = ["Change", "all_changes", "changes_of"]

NOBODY = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Change:
    """One value: what it is, and how it reads before and after."""

    what: str
    before: str
    after: str

    @property
    def moves(self) -> bool:
        """Whether it changes at all."""
        return self.before != self.after


Reader = Callable[[Commons, str, Sequence[Any]], list[Change]]
"""From the exchange, the target's address and the arguments to what they change."""


def changes_of(commons: Commons, call: Call) -> tuple[Change, ...]:
    """What a call would change, were it made now; without the credit that it moves (`_moved`)."""
    kind, function, arguments = commons.read_call(call.to, call.data)
    for setter in SETTERS:
        if (setter.contract.NAME, setter.function) == (kind, function):
            before = setter.read(setter.contract(commons.chain, call.to))
            after = setter.decode(arguments)
            return tuple(
                Change(field.name, shown(int(old), field.unit), shown(int(new), field.unit))
                for field, old, new in zip(setter.fields, before, after, strict=True)
                if old != new
            )
    reader = _READERS.get((kind, function))
    if reader is None:
        return (Change(commons.words_of(call), "–", "called"),)
    return tuple(change for change in reader(commons, call.to, arguments) if change.moves)


def all_changes(commons: Commons, calls: Sequence[Call]) -> tuple[Change, ...]:
    """What calls of anybody would change: a call that cannot be read is told, and hides none beside it.

    Credit that several calls move is added up for each account.
    """
    found: list[Change] = []
    moved: dict[str, int] = {}
    for call in calls:
        try:
            rows, credit = changes_of(commons, call), _moved(commons, call)
            found += rows
            for who, amount in credit:
                moved[who] = moved.get(who, 0) + amount
        except QCRSError:
            found.append(Change(commons.call_shown(call), "–", "cannot be read: do not vote for it"))
        if call.value:
            found.append(Change("ether of the treasury", f"{call.value} wei", commons.name(call.to)))
    held = commons.bind(ResourceCredit).balance_of
    found += [
        _credits(f"credit of {commons.name(who)}", held(who), held(who) + amount)
        for who, amount in moved.items()
        if amount
    ]
    return tuple(found)


def _moved(commons: Commons, call: Call) -> Sequence[tuple[str, int]]:
    """Credit that a call of the treasury moves: accounts, and what each gains."""
    kind, function, arguments = commons.read_call(call.to, call.data)
    reader = _MOVES.get((kind, function))
    return reader(commons, call.to, arguments) if reader else ()


def _credits(what: str, before: int, after: int) -> Change:
    return Change(what, shown(before, "credits"), shown(after, "credits"))


def _flag(what: str, read: Callable[[Commons, str], bool], words: tuple[str, str]) -> Reader:
    def reader(commons: Commons, target: str, arguments: Sequence[Any]) -> list[Change]:
        return [Change(what, words[read(commons, target)], words[bool(arguments[-1])])]

    return reader


def _class(commons: Commons, target: str, arguments: Sequence[Any]) -> list[Change]:
    number, rate, boost = arguments
    old_rate, old_boost = ComputationAllocator(commons.chain, target).class_of(number)
    unit = "units per qubit-second"
    return [
        Change(f"rate of class {number}", shown(old_rate, unit), shown(rate, unit)),
        Change(f"boost of class {number}", shown(old_boost, "qubit-seconds"), shown(boost, "qubit-seconds")),
    ]


def _open_flow(commons: Commons, target: str, arguments: Sequence[Any]) -> list[Change]:
    owner, weight, is_open = arguments
    number = ComputationAllocator(commons.chain, target).flow_count()
    return [Change("a new flow", "–", f"flow {number} {_flow_words(commons, owner, weight, is_open)}")]


def _flow_words(commons: Commons, owner: str, weight: int, is_open: bool) -> str:
    return f"of {commons.name(owner)}, weight {weight}, {'open to all' if is_open else 'for members'}"


def _flow_weight(commons: Commons, target: str, arguments: Sequence[Any]) -> list[Change]:
    old = ComputationAllocator(commons.chain, target).flow(arguments[0])[1]
    return [Change(f"weight of flow {arguments[0]}", str(old), str(arguments[1]))]


def _flow_owner(commons: Commons, target: str, arguments: Sequence[Any]) -> list[Change]:
    number, owner, is_open = arguments
    old = ComputationAllocator(commons.chain, target).flow(number)
    return [
        Change(
            f"flow {number}",
            _flow_words(commons, old[0], old[1], old[2]),
            _flow_words(commons, owner, old[1], is_open),
        )
    ]


def _quota(commons: Commons, target: str, arguments: Sequence[Any]) -> list[Change]:
    flow, number, capacity, per_day = arguments
    old = ComputationAllocator(commons.chain, target).quota(flow, number)
    what = f"quota of flow {flow} in class {number}"
    return [
        Change(what, shown(old[0], "qubit-seconds"), shown(capacity, "qubit-seconds")),
        Change(what + " a day", shown(old[1], "qubit-seconds"), shown(per_day, "qubit-seconds")),
    ]


def _suspended(commons: Commons, target: str, arguments: Sequence[Any]) -> list[Change]:
    number, barred = arguments
    kind = ProcessorRegistry.SuspensionSet
    rows = commons.events(commons.name(target), kind.NAME)
    told = [row.args for row in rows if row.args["processor"] == number]
    before, short = (told[-1]["barred"], told[-1]["short"]) if told else (False, False)

    def words(stopped: bool) -> str:
        why = ["suspended"] * stopped + ["short of the least bond"] * short
        return " and ".join(why) or "takes jobs"

    return [Change(f"processor {number}", words(before), words(barred))]


def _channel(commons: Commons, target: str, arguments: Sequence[Any]) -> list[Change]:
    state = EntanglementCoordinator(commons.chain, target).channel_of(arguments[0]).state
    return [Change(f"channel {arguments[0]}", state.name.lower(), "quarantined")]


def _rotation(commons: Commons, target: str, arguments: Sequence[Any]) -> list[Change]:
    quorum = OracleQuorum(commons.chain, target)
    old, new = quorum.signers(), arguments[0]
    found = [Change("oracle era", str(quorum.era()), str(quorum.era() + 1))]
    found += [Change(f"oracle {commons.name(one)}", "signs", "leaves") for one in old if one not in new]
    return found + [Change(f"oracle {commons.name(one)}", "–", "signs") for one in new if one not in old]


def _treasury(commons: Commons, target: str, arguments: Sequence[Any]) -> list[Change]:
    registry = commons.code_name(target) == ProcessorRegistry.NAME
    kind = ProcessorRegistry if registry else OracleQuorum
    return [
        Change("treasury", commons.name(kind(commons.chain, target).treasury()), commons.name(arguments[0]))
    ]


def _mint(commons: Commons, target: str, arguments: Sequence[Any]) -> list[Change]:
    credit = ResourceCredit(commons.chain, target)
    supply = credit.total_supply()
    return [_credits("supply", supply, supply + arguments[1])]


def _from_ledger(commons: Commons, target: str, arguments: Sequence[Any]) -> list[Change]:
    held = ComputationAllocator(commons.chain, target).balance_of(commons.treasury)
    return [_credits("the treasury's in the allocator's ledger", held, held - arguments[1])]


def _from_court(commons: Commons, target: str, _arguments: Sequence[Any]) -> list[Change]:
    held = DisputeCourt(commons.chain, target).credits_of(commons.treasury)
    return [_credits("the treasury's at the court", held, 0)]


def _from_oracles(commons: Commons, target: str, _arguments: Sequence[Any]) -> list[Change]:
    held = OracleQuorum(commons.chain, target).credits_of(commons.treasury)
    return [_credits("the treasury's at the oracles", held, 0)]


def _nothing_else(_commons: Commons, _target: str, _arguments: Sequence[Any]) -> list[Change]:
    """Of a call that moves credit and does nothing more."""
    return []


def _reseat(commons: Commons, target: str, arguments: Sequence[Any]) -> list[Change]:
    """By person, so that a voter sees who loses a seat, also one that has been taken since."""
    council, (places, holders, threshold) = Council(commons.chain, target), arguments
    where, new = commons.name(target), dict(zip(places, holders, strict=False))
    old = {place: council.holder_of(place) for place in new}
    held, decided, _ = council.seats()
    after = held
    for place, holder in new.items():
        after = after & ~(1 << place) | (0 if holder == NOBODY else 1 << place)
    found = []
    for who in dict.fromkeys((*new.values(), *old.values())):
        if who == NOBODY:
            continue
        seat = council.seat_of(who)[0]
        sits = next((f"seat {place}" for place, holder in new.items() if holder == who), "no seat")
        before = f"seat {seat.bit_length() - 1}" if seat else "no seat"
        found.append(Change(f"{commons.name(who)} in {where}", before, sits))
    votes = (f"{decided} of {held.bit_count()}", f"{threshold} of {after.bit_count()}")
    return [*found, Change(f"votes that decide in {where}", *votes)]


def _consortium(after: str) -> Reader:
    def reader(commons: Commons, target: str, arguments: Sequence[Any]) -> list[Change]:
        seated = ConsortiumSeats(commons.chain, target).is_seated(arguments[0])
        return [Change(commons.name(arguments[0]), "seated" if seated else "no seat", after)]

    return reader


def _closed(commons: Commons, _target: str, arguments: Sequence[Any]) -> list[Change]:
    words = ("open to the bodies", "closed to the bodies")
    before = commons.manager.is_target_closed(arguments[0])
    return [Change(commons.name(arguments[0]), words[before], words[arguments[1]])]


def _cancel(commons: Commons, _target: str, arguments: Sequence[Any]) -> list[Change]:
    call = Call(arguments[1], arguments[2])
    return [Change(f"{commons.name(arguments[0])}: {commons.call_shown(call)}", "waits", "cancelled")]


def _cancel_proposal(commons: Commons, _target: str, arguments: Sequence[Any]) -> list[Change]:
    number = commons.governor.hash_proposal(*arguments)
    return [Change(f"proposal {number:064x}"[:17], "stands", "cancelled")]


def _ruling(_commons: Commons, _target: str, arguments: Sequence[Any]) -> list[Change]:
    words = dict(enumerate(("none", "open", "upheld", "overturned", "lapsed")))
    return [Change(f"challenge {arguments[0]}", "under appeal", words.get(int(arguments[1]), "no ruling"))]


_RUN = ("open", "paused")
_READERS: dict[tuple[str, str], Reader] = {
    ("ComputationAllocator", "setPaused"): _flag(
        "new jobs", lambda commons, at: ComputationAllocator(commons.chain, at).paused(), _RUN
    ),
    ("EntanglementCoordinator", "setPaused"): _flag(
        "new channels and sessions",
        lambda commons, at: EntanglementCoordinator(commons.chain, at).current_parameters().paused,
        _RUN,
    ),
    ("ComputationAllocator", "setClass"): _class,
    ("ComputationAllocator", "openFlow"): _open_flow,
    ("ComputationAllocator", "setFlowWeight"): _flow_weight,
    ("ComputationAllocator", "setFlowOwner"): _flow_owner,
    ("ComputationAllocator", "setQuota"): _quota,
    ("ProcessorRegistry", "setSuspended"): _suspended,
    ("ProcessorRegistry", "setTreasury"): _treasury,
    ("OracleQuorum", "setTreasury"): _treasury,
    ("OracleQuorum", "rotate"): _rotation,
    ("EntanglementCoordinator", "quarantine"): _channel,
    ("ResourceCredit", "mint"): _mint,
    ("ResourceCredit", "transfer"): _nothing_else,
    ("ComputationAllocator", "withdraw"): _from_ledger,
    ("DisputeCourt", "withdraw"): _from_court,
    ("OracleQuorum", "withdrawCredits"): _from_oracles,
    ("Council", "reseat"): _reseat,
    ("ConsortiumSeats", "admit"): _consortium("seated"),
    ("ConsortiumSeats", "expel"): _consortium("no seat"),
    ("Brake", "setClosed"): _closed,
    ("AccessManager", "setTargetClosed"): _closed,
    ("AccessManager", "cancel"): _cancel,
    ("ExchangeGovernor", "cancel"): _cancel_proposal,
    ("DisputeCourt", "decide"): _ruling,
}
_MOVES: dict[tuple[str, str], Callable[[Commons, str, Sequence[Any]], Sequence[tuple[str, int]]]] = {
    ("ResourceCredit", "mint"): lambda _commons, _at, arguments: [(arguments[0], arguments[1])],
    ("ResourceCredit", "transfer"): lambda commons, _at, arguments: [
        (commons.treasury, -arguments[1]),
        (arguments[0], arguments[1]),
    ],
    ("ComputationAllocator", "withdraw"): lambda _commons, _at, arguments: [(arguments[0], arguments[1])],
    ("DisputeCourt", "withdraw"): lambda commons, at, _: [
        (commons.treasury, DisputeCourt(commons.chain, at).credits_of(commons.treasury))
    ],
    ("OracleQuorum", "withdrawCredits"): lambda commons, at, _: [
        (commons.treasury, OracleQuorum(commons.chain, at).credits_of(commons.treasury))
    ],
}
