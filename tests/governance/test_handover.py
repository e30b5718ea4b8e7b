"""After the hand-over the deployer holds nothing: no role, no seat, no credit, no function of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from eth_abi.grammar import parse
from eth_account import Account
from republic import TERMS, Republic, person

from qcrs.chain.abi import Call, canonical_type, encode_values, parameters_of, selector_of
from qcrs.chain.bindings import (
    AccessManager,
    Brake,
    EntanglementCoordinator,
    ExchangeTimelock,
    OracleQuorum,
    ProcessorRegistry,
    ResultVerifier,
)
from qcrs.chain.compile import artifacts
from qcrs.chain.deploy import GOVERNED, ROLES, Deployment
from qcrs.chain.handover import BODY_CONTRACTS, BODY_GOVERNED, COUNCILS, Bodies
from qcrs.chain.networks import Chain
from qcrs.errors import ConfigError, ContractError
from qcrs.types import CREDIT

PUBLIC_ROLE = 2**64 - 1
NUMBERS = (1, 0, 4)


def artifact_of(name: str) -> str:
    return BODY_CONTRACTS.get(name, name)


def sample(kind: str, account: str, number: int) -> Any:
    """A value of an ABI type: the account for addresses, the number for numbers."""
    if kind.endswith("]"):
        return [sample(kind[: kind.rindex("[")], account, number)]
    if kind.startswith("("):
        return tuple(sample(part.to_type_str(), account, number) for part in parse(kind).components)
    if kind.startswith(("uint", "int")):
        return number
    if kind == "bytes":
        return b"\x01\x02\x03\x04" * number
    if kind.startswith("bytes"):
        return bytes([number]) * int(kind[5:])
    return {"address": account, "bool": bool(number), "string": "x" * number}[kind]


def called(entry: dict[str, Any], account: str, number: int) -> bytes:
    """The data of a call with such values."""
    values = [sample(canonical_type(item), account, number) for item in entry["inputs"]]
    return selector_of(entry) + encode_values(parameters_of(entry["inputs"]), values)


def outcome(chain: Chain, call: Call, sender: str, *, whole: bool) -> str:
    """What a call by that account comes to, its own address masked; the whole of it or its kind."""
    try:
        answer = chain.call_raw(call, sender=sender)
    except ContractError as error:
        arguments = sorted((k, str(v)) for k, v in error.arguments.items())
        found = f"{error.name} {arguments if whole else len(arguments)}"
    else:
        found = f"answer {answer.hex() if whole else len(answer)}"
    return found.lower().replace(sender[2:].lower(), "me")


@pytest.fixture
def strange(republic: Republic) -> Any:
    account = Account.create()
    republic.fund(account)
    return account


def test_no_function_does_for_the_deployer_what_it_would_not_for_a_stranger(
    republic: Republic, strange: Any
) -> None:
    """Every function of every contract, views included, with several arguments, called by both."""
    found, tried = artifacts(), 0
    deployer, stranger, third = republic.deployer.address, strange.address, person("third").address
    for name, address in republic.deployment.addresses.items():
        for entry in found[artifact_of(name)].abi:
            if entry["type"] != "function":
                continue
            for number in NUMBERS if republic.chain.embedded is None else NUMBERS[:1]:
                calls = {
                    who: Call(address, called(entry, who, number)) for who in (deployer, stranger, third)
                }
                about_itself = [
                    outcome(republic.chain, calls[who], who, whole=False) for who in (deployer, stranger)
                ]
                about_another = [
                    outcome(republic.chain, calls[third], who, whole=True) for who in (deployer, stranger)
                ]
                assert about_itself[0] == about_itself[1], (name, entry["name"], number)
                assert about_another[0] == about_another[1], (name, entry["name"], number)
                tried += 1
    assert tried > 350


def test_before_the_hand_over_the_same_walk_finds_the_deployer(embedded_republic: Republic) -> None:
    """The walk is worth something: it tells a deployer that still holds a role from a stranger."""
    from qcrs.chain.deploy import deploy

    republic = embedded_republic
    holder = person("holder")
    republic.fund(holder)
    kept = deploy(republic.chain, holder)
    entry = next(e for e in artifacts()["ResourceCredit"].abi if e.get("name") == "mint")
    call = Call(kept.addresses["ResourceCredit"], called(entry, person("third").address, 1))
    assert outcome(republic.chain, call, holder.address, whole=True) == "answer "
    refused = outcome(republic.chain, call, republic.deployer.address, whole=True)
    assert refused.startswith("accessmanagedunauthorized")


def test_no_role_is_the_deployer_s(republic: Republic) -> None:
    manager, deployer = republic.manager, republic.deployer.address
    for number in ROLES.values():
        assert manager.has_role(number, deployer) == (False, 0)
        assert manager.get_role_admin(number) == ROLES["ADMIN"]
    found = artifacts()
    for name, address in republic.deployment.addresses.items():
        assert manager.get_target_admin_delay(address) == 0
        for entry in found[artifact_of(name)].abi:
            if entry["type"] == "function":
                selector = selector_of(entry)
                assert manager.can_call(deployer, address, selector) == (False, 0), (name, entry["name"])
                assert manager.get_target_function_role(address, selector) != PUBLIC_ROLE
    timelock = republic.bind(ExchangeTimelock)
    for role in (
        timelock.default_admin_role(),
        timelock.proposer_role(),
        timelock.canceller_role(),
        timelock.executor_role(),
    ):
        assert not timelock.has_role(role, deployer)


def test_no_credit_and_no_seat_is_the_deployer_s(republic: Republic) -> None:
    deployer = republic.deployer.address
    timelock = republic.deployment.addresses["ExchangeTimelock"]
    assert republic.credit.balance_of(deployer) == 0
    assert republic.credit.balance_of(timelock) == 5 * CREDIT
    assert republic.allocator.balance_of(deployer) == 0
    assert republic.bind(EntanglementCoordinator).balance_of(deployer) == 0
    quorum = republic.bind(OracleQuorum)
    assert (quorum.bond_of(deployer), quorum.credits_of(deployer), quorum.treasury()) == (0, 0, timelock)
    assert republic.bind(ProcessorRegistry).treasury() == timelock
    assert not republic.seats.is_seated(deployer)
    assert republic.seats.get_votes(deployer) == 0
    for body in COUNCILS:
        assert republic.council(body).seat_of(deployer)[0] == 0
    assert republic.allocator.flow(0)[0] == "0x" + "00" * 20


def test_every_body_has_its_roles_and_no_others(republic: Republic) -> None:
    at = republic.deployment.addresses
    expected = {
        "ADMIN": {"ExchangeTimelock": 0, "Brake": 0},
        "ALLOCATION": {"AllocationCouncil": TERMS["council_delay_s"]},
        "CERTIFICATION": {"CertificationCouncil": TERMS["council_delay_s"]},
        "STANDARDS": {"StandardsCouncil": TERMS["council_delay_s"]},
        "SECURITY": {"SecurityCouncil": 0},
        "SUSPENSION": {"CertificationCouncil": 0},
        "DISPUTE": {"DisputeCourt": 0},
    }
    for role, number in ROLES.items():
        held = {name: republic.manager.has_role(number, address) for name, address in at.items()}
        assert {name: delay for name, (holds, delay) in held.items() if holds} == expected[role], role
    for role in ("ALLOCATION", "CERTIFICATION", "STANDARDS"):
        assert republic.manager.get_role_guardian(ROLES[role]) == ROLES["SECURITY"]
    timelock = republic.bind(ExchangeTimelock)
    for role_id in (timelock.proposer_role(), timelock.canceller_role()):
        assert timelock.has_role(role_id, at["ExchangeGovernor"])
        for name, address in at.items():
            assert timelock.has_role(role_id, address) == (name == "ExchangeGovernor")
    assert timelock.has_role(timelock.executor_role(), "0x" + "00" * 20)


def test_every_granted_role_is_in_the_log(embedded_republic: Republic) -> None:
    """Nobody got a role unseen: what was granted and not revoked is exactly the table above."""
    republic = embedded_republic
    at = {address: name for name, address in republic.deployment.addresses.items()}
    kinds = (AccessManager.RoleGranted, AccessManager.RoleRevoked)
    held: set[tuple[int, str]] = set()
    for log in republic.chain.logs(0, republic.chain.height, [republic.manager.address]):
        if log.topics[0] == kinds[0].TOPIC:
            granted = kinds[0].from_log(log.topics, log.data)
            held.add((granted.role_id, granted.account))
        elif log.topics[0] == kinds[1].TOPIC:
            revoked = kinds[1].from_log(log.topics, log.data)
            held.remove((revoked.role_id, revoked.account))
    assert len(held) == 8
    assert all(account in at for _, account in held)


def test_governed_functions_belong_to_their_bodies(republic: Republic) -> None:
    found = artifacts()
    for name, roles in {**GOVERNED, **BODY_GOVERNED}.items():
        for role, functions in roles.items():
            for function in functions:
                entry = next(e for e in found[name].abi if e.get("name") == function)
                address = republic.deployment.addresses[name]
                assert republic.manager.get_target_function_role(address, selector_of(entry)) == ROLES[role]


def test_the_manifest_holds_the_bodies(embedded_republic: Republic, tmp_path: Path) -> None:
    deployment = embedded_republic.deployment
    deployment.save(tmp_path / "1337.json")
    again = Deployment.load(tmp_path / "1337.json")
    assert set(again.addresses) == {*embedded_republic.before.addresses, *BODY_CONTRACTS}
    again.check(embedded_republic.chain)
    assert again.manifest["bodies"]["council_delay_s"] == TERMS["council_delay_s"]
    for name in (ResultVerifier.NAME, Brake.NAME):
        assert again.addresses[name] == deployment.addresses[name]


# --------------------------------------------------------------------------- who sits where


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bodies.yaml"
    path.write_text(text)
    return path


def lines(**changes: list[str] | int | None) -> str:
    bodies: dict[str, Any] = {
        body: [person(f"{body} {i}").address for i in range(3)] for body in (*COUNCILS, "consortia")
    }
    bodies |= changes
    return "\n".join(
        f"{key}: {value}".replace("'", '"') for key, value in bodies.items() if value is not None
    )


def test_bodies_are_read_from_a_file(tmp_path: Path) -> None:
    found = Bodies.load(written(tmp_path, lines(quorum=50)))
    assert (found.quorum, found.super_quorum, found.council_delay_s) == (50, 66, 172_800)
    assert found.threshold("dispute") == 2
    assert found.consortia[2] == person("consortia 2").address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        (lines(quorums=3), "unknown key quorums"),
        (lines(security=None), "bodies.yaml names no seats of security"),
        (lines(consortia=None), "bodies.yaml names no seats of consortia"),
        (lines(consortia=3), "the seats of consortia are no list"),
        (lines(security=[person("x").address] * 3), "security has 1 seats"),
        (lines(consortia=[person("x").address]), "consortia has 1 seats"),
        (lines(dispute=["0x1", "0x2", "0x3"]), "is no address"),
        (lines(quorum="many"), None),
        (lines(quorum=5), "quorum is no whole number from 20 to 100"),
        (lines(super_quorum=1000), "super_quorum is no whole number from 60 to 100"),
        (lines(timelock_delay_s=0), "timelock_delay_s is no whole number from 1 to"),
        (
            lines(voting_period_s=100, late_extension_s=101),
            "late_extension_s is no whole number from 0 to 100",
        ),
        (lines(thresholds="x"), "thresholds are votes by council"),
        (lines(thresholds={"dispute": 1}), "thresholds.dispute is no whole number from 2 to 3"),
        (lines(thresholds={"disputes": 2}), "thresholds are votes by council"),
    ],
)
def test_what_are_no_bodies_is_refused(tmp_path: Path, text: str, reason: str | None) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=reason or "quorum") as caught:
        Bodies.load(path)
    assert caught.value.solution
