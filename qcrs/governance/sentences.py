"""From plain words to the call that does it: "set Δ to 900 qubit-seconds".

Each form is one pattern with an example and a function from what the pattern found to calls. The body that
decides follows from the calls. Sentences are read without regard to case; names of people are those of the
home folder's keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eth_abi.exceptions import ValueOutOfBounds

from qcrs.chain.abi import Call
from qcrs.chain.bindings import (
    AccessManager,
    Brake,
    ChallengeState,
    ComputationAllocator,
    ConsortiumSeats,
    Council,
    DisputeCourt,
    EntanglementCoordinator,
    OracleQuorum,
    ProcessorRegistry,
    ResourceCredit,
)
from qcrs.errors import InputError, QCRSError
from qcrs.governance.actions import NOBODY, Change, all_changes
from qcrs.governance.bodies import CONSORTIA, Body, body_named, body_of
from qcrs.governance.commons import Commons
from qcrs.governance.matters import ballot_named, proposal_named
from qcrs.governance.parameters import find
from qcrs.governance.quantities import parse, shown

__all__ = ["EXAMPLES", "Draft", "draft", "gives"]

LONGEST = 400
"""Characters of a sentence; what is longer is none of ours, and is not tried against their forms."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A sentence as calls, the body that decides on them, and what they would change now."""

    words: str
    body: Body
    calls: tuple[Call, ...]
    changes: tuple[Change, ...]


def draft(commons: Commons, words: str) -> Draft:
    """Read a sentence; `InputError` gives an example of each form."""
    text = " ".join(words.split()).rstrip(".")
    if text.lower() in ("collect the treasury", "collect treasury"):
        text = _all_that_waits(commons)
    for form in _FORMS:
        match = re.fullmatch(form.pattern, text, re.IGNORECASE)
        if match is not None:
            calls = _built(commons, form, match.groupdict())
            kind, function, _ = commons.read_call(calls[0].to, calls[0].data)
            return Draft(text, body_of(kind, function), calls, all_changes(commons, calls))
    raise InputError(
        "the sentence is none that is understood",
        field="words",
        value=words,
        solution="write one like:\n    " + "\n    ".join(EXAMPLES),
    )


def gives(commons: Commons, words: str, calls: Sequence[Call]) -> bool:
    """Whether the words are the sentence that gives these very calls now.

    Anybody who proposes by contract calls writes what words he likes. A sentence whose meaning follows from
    what is on chain (the first empty seat) may have given the calls once and give others now.
    """
    if len(words) > LONGEST:
        return False
    try:
        meant = draft(commons, re.sub(r" \(\d+\)$", "", words)).calls
    except QCRSError:
        return False
    return [(c.to, c.data, c.value) for c in meant] == [(c.to, c.data, c.value) for c in calls]


@dataclass(frozen=True, slots=True)
class _Form:
    example: str
    pattern: str
    build: Callable[[Commons, dict[str, str]], Sequence[Call]]


def _built(commons: Commons, form: _Form, found: dict[str, str]) -> tuple[Call, ...]:
    try:
        return tuple(form.build(commons, found))
    except InputError as error:
        if not isinstance(error.__cause__, ValueOutOfBounds):
            raise
        raise InputError(
            "this number is larger than the contract can hold",
            field=error.field,
            value=error.value,
            solution="write a smaller one",
        ) from error


def _number(text: str, field: str) -> int:
    return parse(text, "", field)


def _set(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    setter, place = find(m["name"])
    contract = commons.bind(setter.contract)
    values = list(setter.read(contract))
    values[place] = parse(m["value"], setter.fields[place].unit, setter.fields[place].name)
    return [setter.write(contract, values)]


def _set_class(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    allocator, number = commons.bind(ComputationAllocator), _number(m["number"], "class")
    rate, boost = allocator.class_of(number)
    if m["what"].lower() == "rate":
        rate = parse(m["value"], "units per qubit-second", "rate")
    else:
        boost = parse(m["value"], "qubit-seconds", "boost")
    return [allocator.set_class(number, rate, boost)]


def _set_weight(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    flow, weight = _number(m["flow"], "flow"), _number(m["value"], "weight")
    return [commons.bind(ComputationAllocator).set_flow_weight(flow, weight)]


def _set_quota(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    return [
        commons.bind(ComputationAllocator).set_quota(
            _number(m["flow"], "flow"),
            _number(m["number"], "class"),
            parse(m["capacity"], "qubit-seconds", "quota"),
            parse(m["day"], "qubit-seconds", "quota a day"),
        )
    ]


def _open_flow(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    owner, weight = commons.address(m["who"]), _number(m["weight"], "weight")
    return [commons.bind(ComputationAllocator).open_flow(owner, weight, bool(m["all"]))]


def _give_flow(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    flow, owner = _number(m["flow"], "flow"), commons.address(m["who"])
    return [commons.bind(ComputationAllocator).set_flow_owner(flow, owner, bool(m["all"]))]


def _pause(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    stop = m["verb"].lower() == "pause"
    if m["what"].lower() in ("exchange", "allocator"):
        return [commons.bind(ComputationAllocator).set_paused(stop)]
    return [commons.bind(EntanglementCoordinator).set_paused(stop)]


def _suspend(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    suspended = m["verb"].lower() == "suspend"
    return [commons.bind(ProcessorRegistry).set_suspended(_number(m["number"], "processor"), suspended)]


def _quarantine(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    return [commons.bind(EntanglementCoordinator).quarantine(_number(m["number"], "channel"))]


def _close(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    target = commons.contract(m["contract"])
    return [commons.bind(Brake).set_closed(target, m["verb"].lower() == "close")]


def _overrule(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    """Past the brake, which the security group may have closed itself."""
    target = commons.contract(m["contract"])
    return [commons.bind(AccessManager).set_target_closed(target, m["verb"].lower() == "close")]


def _rotate(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    from qcrs.types import cid_to_digest

    signers = tuple(
        commons.address(one, "oracle") for one in re.split(r"[\s,]+", m["signers"]) if one != "and"
    )
    return [commons.bind(OracleQuorum).rotate(signers, cid_to_digest(m["cid"]))]


def _council(commons: Commons, name: str) -> Council:
    body = body_named(name)
    if body.key == CONSORTIA:
        raise InputError(
            "the consortia have no council",
            field="body",
            value=name,
            solution="write `admit NAME` or `expel NAME`",
        )
    return commons.council(body.key)


def _elect(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    """On the place that is named, else on the first that is empty."""
    council, who = _council(commons, m["body"]), commons.address(m["who"])
    if who == NOBODY:
        raise InputError(
            "nobody has the zero address",
            field="account",
            value=m["who"],
            solution="write `remove NAME from …` to empty a seat, `let N decide in …` for the votes alone",
        )
    held, threshold, _ = council.seats()
    place = _number(m["place"], "seat") if m["place"] else next(i for i in range(33) if not held >> i & 1)
    count = (held | 1 << place).bit_count()
    decide = _number(m["decide"], "votes") if m["decide"] else max(threshold, count // 2 + 1)
    return [council.reseat((place,), (who,), decide)]


def _unseat(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    council, who = _council(commons, m["body"]), commons.address(m["who"])
    seat = council.seat_of(who)[0]
    if not seat:
        raise InputError(
            "nobody of that name sits there", field="account", value=m["who"], solution="`qcrs gov seats`"
        )
    count = council.seats()[0].bit_count() - 1
    decide = _number(m["decide"], "votes") if m["decide"] else count // 2 + 1
    return [council.reseat((seat.bit_length() - 1,), (NOBODY,), decide)]


def _threshold(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    return [_council(commons, m["body"]).reseat((), (), _number(m["decide"], "votes"))]


def _admit(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    seats, who = commons.bind(ConsortiumSeats), commons.address(m["who"])
    return [seats.admit(who, bytes(32)) if m["verb"].lower() == "admit" else seats.expel(who)]


def _mint(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    credit, who = commons.bind(ResourceCredit), commons.address(m["who"])
    amount = parse(m["amount"], "credits", "amount")
    return [credit.mint(who, amount) if m["verb"].lower() == "mint" else credit.transfer(who, amount)]


def _all_that_waits(commons: Commons) -> str:
    """The sentence that collects what the treasury holds elsewhere now.

    It names what it collects, since more may come in while the consortia vote on it.
    """
    who = commons.treasury
    ledger = commons.bind(ComputationAllocator).balance_of(who)
    parts = [f"{shown(ledger, 'credits')} of the ledger"] if ledger else []
    parts += ["the court's"] if commons.bind(DisputeCourt).credits_of(who) else []
    parts += ["the oracles'"] if commons.bind(OracleQuorum).credits_of(who) else []
    if not parts:
        raise InputError(
            "nothing waits to be collected",
            field="treasury",
            value=commons.name(who),
            solution="spend what it has with `pay AMOUNT credits to NAME`",
        )
    return "collect the treasury: " + ", ".join(parts)


def _collect(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    calls = []
    if m["amount"]:
        amount = parse(m["amount"], "credits", "amount")
        calls.append(commons.bind(ComputationAllocator).withdraw(commons.treasury, amount))
    if m["court"]:
        calls.append(commons.bind(DisputeCourt).withdraw())
    if m["oracles"]:
        calls.append(commons.bind(OracleQuorum).withdraw_credits())
    return calls


def _treasury(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    who = commons.address(m["who"])
    return [commons.bind(ProcessorRegistry).set_treasury(who), commons.bind(OracleQuorum).set_treasury(who)]


def _ruling(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    states = {"uphold": ChallengeState.UPHELD, "overturn": ChallengeState.OVERTURNED}
    challenge = _number(m["number"], "challenge")
    return [commons.bind(DisputeCourt).decide(challenge, states[m["verb"].lower()])]


def _cancel(commons: Commons, m: dict[str, str]) -> Sequence[Call]:
    """Of the security group: a call of a council that waits, or a proposal of the consortia."""
    if m["what"].lower() == "proposal":
        found = proposal_named(commons, m["id"])
        return [commons.governor.cancel(*found.arguments)]
    ballot = ballot_named(commons, m["id"])
    caller = commons.contracts[ballot.body.contract]
    return [commons.bind(AccessManager).cancel(caller, ballot.call.to, ballot.call.data)]


_ALL = r"(?P<all>,? open to all)?"
_DECIDE = r"(?:,? (?:so that )?(?P<decide>\d+) decide)?"
_FORMS = (
    _Form(
        "set rate of class 1 to 2500",
        r"set (?:the )?(?P<what>rate|boost) of class (?P<number>\d+) to (?P<value>.+)",
        _set_class,
    ),
    _Form(
        "set weight of flow 3 to 250",
        r"set (?:the )?weight of flow (?P<flow>\d+) to (?P<value>.+)",
        _set_weight,
    ),
    _Form(
        "set quota of flow 2 in class 1 to 1000 qubit-seconds and 500 a day",
        r"set (?:the )?quota of flow (?P<flow>\d+) in class (?P<number>\d+) "
        r"to (?P<capacity>.+?) and (?P<day>.+?) a day",
        _set_quota,
    ),
    _Form("set treasury to NAME", r"set (?:the )?treasury to (?P<who>\S+)", _treasury),
    _Form("set Δ to 900 qubit-seconds", r"set (?P<name>.+?) to (?P<value>.+)", _set),
    _Form(
        "open a flow for NAME with weight 100, open to all",
        r"open (?:a )?flow for (?P<who>\S+) with weight (?P<weight>\d+)" + _ALL,
        _open_flow,
    ),
    _Form("give flow 3 to NAME", r"give flow (?P<flow>\d+) to (?P<who>[^\s,]+)" + _ALL, _give_flow),
    _Form(
        "pause the exchange",
        r"(?P<verb>pause|resume) (?:the )?(?P<what>exchange|allocator|coordinator|channels)",
        _pause,
    ),
    _Form("suspend processor 2", r"(?P<verb>suspend|readmit) processor (?P<number>\d+)", _suspend),
    _Form("quarantine channel 5", r"quarantine channel (?P<number>\d+)", _quarantine),
    _Form("close ResultVerifier", r"(?P<verb>close|reopen) (?P<contract>\S+)", _close),
    _Form(
        "reopen ResultVerifier by the consortia",
        r"(?P<verb>close|reopen) (?P<contract>\S+) by (?:the )?consortia",
        _overrule,
    ),
    _Form(
        "rotate oracles to A, B, C, D with identities CID",
        r"rotate oracles to (?P<signers>.+) with identities (?P<cid>\S+)",
        _rotate,
    ),
    _Form(
        "elect NAME to the security council",
        r"elect (?P<who>\S+) to (?:the )?(?P<body>\w+)(?: council)?(?: (?:at )?seat (?P<place>\d+))?"
        + _DECIDE,
        _elect,
    ),
    _Form(
        "remove NAME from the security council",
        r"remove (?P<who>\S+) from (?:the )?(?P<body>\w+)(?: council)?" + _DECIDE,
        _unseat,
    ),
    _Form(
        "let 3 decide in the security council",
        r"let (?P<decide>\d+) decide in (?:the )?(?P<body>\w+)(?: council)?",
        _threshold,
    ),
    _Form("admit NAME", r"(?P<verb>admit|expel) (?P<who>\S+)", _admit),
    _Form("mint 5 credits to NAME", r"(?P<verb>mint|pay) (?P<amount>.+?) to (?P<who>\S+)", _mint),
    _Form(
        "collect the treasury",
        r"collect (?:the )?treasury: (?=.)(?:(?P<amount>[^ ]+ \w+) of the ledger(?:, |$))?"
        r"(?P<court>the court's(?:, |$))?(?P<oracles>the oracles')?",
        _collect,
    ),
    _Form("overturn challenge 7", r"(?P<verb>uphold|overturn) challenge (?P<number>\d+)", _ruling),
    _Form("cancel ballot 1a2b3c4d", r"cancel (?P<what>ballot|proposal) (?P<id>\S+)", _cancel),
)
EXAMPLES = tuple(form.example for form in _FORMS)
"""One sentence of each form."""
