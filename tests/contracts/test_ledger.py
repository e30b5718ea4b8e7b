"""Money in, out and held."""

from __future__ import annotations

from contract_stage import refuses
from eth_abi.abi import encode
from eth_keys.datatypes import PrivateKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from exchange_stage import CREDIT, Stage

from qcrs.chain.compile import artifacts


def test_deposit_for_another_and_withdraw_to_another(stage: Stage) -> None:
    a, (giver, taker) = stage.allocator, stage.who.clients[:2]
    before = stage.balance(taker)
    done = a.send("deposit", taker, 500, by=giver)
    assert done.one("Deposited") == {"account": taker, "from": giver, "amount": 500}
    assert stage.balance(taker) == before + 500
    done = a.send("withdraw", stage.who.stranger, before + 500, by=taker)
    assert done.one("Withdrawn") == {"account": taker, "to": stage.who.stranger, "amount": before + 500}
    assert stage.credit.read("balanceOf", stage.who.stranger) == before + 500
    stage.check_ledger([])


def test_nothing_and_too_much_are_refused(stage: Stage) -> None:
    a, client = stage.allocator, stage.who.clients[0]
    with refuses("ComputationAllocatorZeroAmount"):
        a.send("deposit", client, 0, by=client)
    with refuses("ComputationAllocatorZeroAmount"):
        a.send("withdraw", client, 0, by=client)
    balance = stage.balance(client)
    with refuses("ComputationAllocatorInsufficientBalance", required=balance + 1, available=balance):
        a.send("withdraw", client, balance + 1, by=client)
    with refuses("ERC20InsufficientAllowance"):
        a.send("deposit", stage.who.stranger, 1, by=stage.who.stranger)


def permit(stage: Stage, key: PrivateKey, owner: str, amount: int, deadline: int) -> tuple[int, bytes, bytes]:
    kind = keccak(text="Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
    kinds = ["bytes32", "address", "address", "uint256", "uint256", "uint256"]
    nonce = stage.credit.read("nonces", owner)
    body = keccak(encode(kinds, [kind, owner, stage.allocator.address, amount, nonce, deadline]))
    domain = stage.domain(stage.credit, "Quantum Resource Credit")
    signature = key.sign_msg_hash(keccak(b"\x19\x01" + domain + body))
    return signature.v + 27, signature.r.to_bytes(32, "big"), signature.s.to_bytes(32, "big")


def test_deposit_with_permit_needs_no_approval_and_survives_a_front_run(stage: Stage) -> None:
    key = PrivateKey(keccak(text="holder"))
    owner = to_checksum_address(key.public_key.to_checksum_address())
    stage.tester.add_account(key.to_hex())
    stage.tester.send_transaction({"from": stage.admin, "to": owner, "value": 10**18, "gas": 21_000})
    stage.credit.send("transfer", owner, 10 * CREDIT, by=stage.admin)
    deadline = stage.now + 1000
    v, r, s = permit(stage, key, owner, 4 * CREDIT, deadline)
    stage.allocator.send("depositWithPermit", 4 * CREDIT, deadline, v, r, s, by=owner)
    assert stage.balance(owner) == 4 * CREDIT
    v, r, s = permit(stage, key, owner, CREDIT, deadline)
    stage.credit.send(
        "permit", owner, stage.allocator.address, CREDIT, deadline, v, r, s, by=stage.who.stranger
    )
    stage.allocator.send("depositWithPermit", CREDIT, deadline, v, r, s, by=owner)
    assert stage.balance(owner) == 5 * CREDIT
    with refuses("ERC20InsufficientAllowance"):
        stage.allocator.send("depositWithPermit", CREDIT, deadline, v, r, s, by=owner)


def test_bonds_and_words_are_for_the_exchanges_own_contracts(stage: Stage) -> None:
    a, stranger = stage.allocator, stage.who.stranger
    zero = bytes(32)
    calls = {
        "takeBond": (stage.who.clients[0], 1),
        "giveBond": (stranger, 1),
        "addBond": (1, 1),
        "releaseBond": (1, 1),
        "slashBond": (1, 1, stranger),
        "setHalfLife": (86_400,),
        "enroll": (9, 5 << 160, int(stage.who.clients[0], 16), 1),
        "setCertificate": (1, 4095, 2**39),
        "setOperator": (1, stranger),
        "setBlocked": (1, False, False),
        "settle": (1, 0, 0, 1, False, zero),
        "recordChallenge": (1, 0, 8, zero, False),
    }
    for name, args in calls.items():
        for by in (stranger, stage.admin):
            with refuses("ComputationAllocatorUnauthorized", caller=by):
                a.send(name, *args, by=by)
    for contract, name, args in (
        (stage.registry, "slash", (1, 1, stranger, zero)),
        (stage.registry, "eraStarted", (9, stranger, 4, 3)),
        (stage.verifier, "eraStarted", (9, stranger, 4, 3)),
        (stage.quorum, "slash", (stranger, stranger, zero)),
    ):
        prefix = {id(stage.registry): "ProcessorRegistry", id(stage.verifier): "ResultVerifier"}
        with refuses(prefix.get(id(contract), "OracleQuorum") + "Unauthorized", caller=stranger):
            contract.send(name, *args, by=stranger)


def test_credit_has_a_cap_six_decimals_and_burns(stage: Stage) -> None:
    c = stage.credit
    assert c.read("decimals") == 6
    supply, cap = c.read("totalSupply"), c.read("cap")
    with refuses("ResourceCreditCapExceeded", supply=cap + 1, cap=cap):
        c.send("mint", stage.admin, cap - supply + 1, by=stage.admin)
    c.send("mint", stage.admin, cap - supply, by=stage.admin)
    c.send("burn", cap - supply, by=stage.admin)
    assert c.read("totalSupply") == supply
    with refuses("AccessManagedUnauthorized"):
        c.send("mint", stage.who.stranger, 1, by=stage.who.stranger)


def test_no_call_names_a_token() -> None:
    """One token, given to the constructors: what a call can name are people, and who may govern."""
    people = {
        "account", "beneficiary", "client", "from", "member", "operator", "oracle", "owner", "provider",
        "prover", "to",
    }  # fmt: skip
    governing = {"pointer", "newAuthority"}  # an era's list of signers; AccessManaged's own
    holders = (
        "IComputationAllocator", "IDisputeCourt", "IEntanglementCoordinator", "IEpochSettlement",
        "IOracleQuorum", "IProcessorRegistry", "IResultVerifier", "DisputeCourt", "EntanglementCoordinator",
        "EpochSettlement", "OracleQuorum", "ProcessorRegistry", "ResultVerifier",
    )  # fmt: skip
    found = artifacts()
    calls = [
        (entry["name"], item["name"])
        for name in holders
        for entry in found[name].abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
        for item in entry["inputs"]
        if item["type"] == "address"
    ]
    assert ("withdraw", "to") in calls
    assert {name for _, name in calls} <= people | governing
