"""I9: whatever the bodies call, with whatever values, every balance, escrow and bond stays, but for slashes.

Each body's account calls every function of every contract, its own and others', with values at and beyond
the bounds, while jobs hold escrow and processors bonds. Only a ruling moves money: at most the challenge's
bond and half of the processor's.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from contract_stage import ZERO, Contract, _kind
from eth_abi.grammar import parse
from eth_utils.crypto import keccak
from exchange_stage import ACCEPT, CREDIT, DISPUTE, GUARDED, Stage

from qcrs.errors import ContractError

OVERTURNED = 3
CALLS, CHECKED = 320, 20
OPEN_TO_ALL = ("rule", "lapse", "expire", "expireExecution")
"""What ends a challenge or a job: a ruling has a test of its own, the others are anyone's in their time."""
NUMBERS = (0, 1, 2, 3, 60, 100, 900, 5000, 86_400, 2**36, 2**40 - 1)


def value(kind: str, draw: random.Random, accounts: list[str]) -> Any:
    """A value of an ABI type, small numbers and accounts of the exchange preferred."""
    if kind.endswith("]"):
        return [value(kind[: kind.rindex("[")], draw, accounts) for _ in range(draw.randrange(5))]
    if kind.startswith("("):
        return tuple(value(part.to_type_str(), draw, accounts) for part in parse(kind).components)
    if kind.startswith(("uint", "int")):
        bits = int(kind.removeprefix("u").removeprefix("int")) - kind.startswith("int")
        return draw.choice([n for n in NUMBERS if n < 2**bits] + [2**bits - 1])
    if kind == "address":
        return draw.choice([*accounts, ZERO])
    if kind == "bool":
        return draw.random() < 0.5
    return keccak(text="x")[: int(kind[5:])] if kind != "bytes" else b"\x01\x02\x03\x04"


def money(stage: Stage, jobs: list[int]) -> dict[str, int]:
    """Everything that somebody owns, by name."""
    who = {*stage.who.clients, *stage.who.providers, stage.who.treasury, stage.who.stranger}
    found = {one: stage.balance(one) for one in who}
    found |= {f"escrow of {job}": int(stage.job(job)["escrow"]) for job in jobs}
    found |= {f"bond of {p}": int(stage.registry.read("bondOf", p)) for p in (1, 2)}
    found |= {f"wallet of {one}": int(stage.credit.read("balanceOf", one)) for one in who}
    return found


def furnish(stage: Stage) -> list[int]:
    """A queued job, a running one, a settled one under challenge, and two bonded processors."""
    first, second = stage.register(0), stage.register(1)
    for one in (first, second):
        stage.certify(one.id)
    settled = stage.submit()
    stage.allocate(first)
    stage.commit(first, settled)
    stage.judge(settled, 0, ACCEPT)
    stage.verifier.send("challenge", settled, 0, keccak(text="why"), by=stage.who.clients[1])
    running = stage.submit()
    stage.allocate(second)
    return [settled, running, stage.submit(client=2)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_body_moves_money(stage: Stage, seed: int) -> None:
    draw, jobs = random.Random(seed), furnish(stage)
    contracts: list[Contract] = [stage.allocator, stage.registry, stage.verifier, stage.quorum, stage.credit]
    governed = {name for roles in GUARDED.values() for functions in roles.values() for name in functions}
    functions = [
        (contract, name)
        for contract in contracts
        for name, entry in contract.functions.items()
        if entry["stateMutability"] == "nonpayable" and name not in OPEN_TO_ALL
    ]
    # What a body may set is drawn more often than all the rest.
    weighted = functions + [one for one in functions if one[1] in governed and one[1] != "rule"] * 4
    accounts = [*stage.who.clients, *stage.who.providers, *stage.who.committee.values()]
    holders = {name: role for roles in GUARDED.values() for role, names in roles.items() for name in names}
    before, done = money(stage, jobs), set[str]()
    for number in range(1, CALLS + 1):
        contract, name = draw.choice(weighted)
        roles = [holders.get(name, 1), draw.randrange(1, 6)]
        by = stage.who.committee[draw.choice(roles)]
        kinds = [_kind(item) for item in contract.functions[name]["inputs"]]
        data = contract.data(name, [value(kind, draw, accounts) for kind in kinds])
        call = {"from": by, "to": contract.address, "data": data, "gas": 2_000_000}
        receipt = stage.tester.get_transaction_receipt(stage.tester.send_transaction(call))
        if receipt["status"] == 1:
            done.add(name)
        if number % CHECKED == 0:
            assert money(stage, jobs) == before, (name, data)
    assert len(done & governed) >= 8, "the bodies changed much, and no money"
    assert "setPaused" in done
    stage.check_ledger(jobs)


def test_only_a_ruling_moves_money_and_inside_its_bounds(stage: Stage) -> None:
    jobs = furnish(stage)
    before = money(stage, jobs)
    bond = stage.verifier.read("challengeOf", 1)["bond"]
    stage.verifier.send("rule", 1, OVERTURNED, by=stage.who.committee[DISPUTE])
    after = money(stage, jobs)
    moved = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    fee = bond // 2  # the challenge's bond is two fees, as is what an overturned acceptance costs
    assert moved == {
        stage.who.clients[1]: bond + (bond - fee) // 2,
        stage.who.clients[0]: fee,
        stage.who.treasury: (bond - fee) // 2,
        "bond of 1": -bond,
    }
    assert bond <= 25 * CREDIT, "at most half of the processor's"
    for body, account in stage.who.committee.items():
        with pytest.raises(ContractError):
            stage.verifier.send("rule", 1, OVERTURNED, by=account)
        assert money(stage, jobs) == after, body
