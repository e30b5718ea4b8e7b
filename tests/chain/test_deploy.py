"""Deployment: wired, governed as the interfaces say, recorded, and checkable afterwards."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from qcrs.chain import bindings
from qcrs.chain.abi import Call, selector_of
from qcrs.chain.accounts import create_keystore
from qcrs.chain.anvil import Anvil
from qcrs.chain.bindings_gen import DEPLOYED
from qcrs.chain.compile import artifacts
from qcrs.chain.deploy import GOVERNED, ORDER, ROLES, Deployer, Deployment, DeployParameters, deploy
from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.handover import BODY_CONTRACTS, BODY_GOVERNED
from qcrs.chain.networks import Chain, of_embedded
from qcrs.chain.sender import Sender, deployment_call
from qcrs.errors import ChainError, ConfigError, ContractError
from qcrs.types import CREDIT

ROOT = Path(__file__).parents[2]
ZERO = "0x" + "0" * 40


def test_everything_is_wired_and_the_deployer_governs(chain: Chain, accounts: list[LocalAccount]) -> None:
    lines: list[str] = []
    deployment = deploy(chain, accounts[7], say=lines.append, parameters=DeployParameters(supply=5 * CREDIT))
    assert len(lines) == 12
    assert all(re.fullmatch(r"\w+\.\w+ +ok +block \d+ +gas +[\d,]+", line) for line in lines)
    deployment.check(chain)
    at = deployment.addresses
    credit = bindings.ResourceCredit(chain, at["ResourceCredit"])
    allocator = bindings.ComputationAllocator(chain, at["ComputationAllocator"])
    assert credit.balance_of(accounts[7].address) == 5 * CREDIT
    deployer, stranger = Sender(chain, accounts[7]), Sender(chain, accounts[8])
    deployer.transact(credit.approve(allocator.address, 2 * CREDIT))
    deployer.transact(allocator.deposit(stranger.address, 2 * CREDIT))
    assert allocator.balance_of(stranger.address) == 2 * CREDIT
    deployer.transact(allocator.set_paused(True))
    deployer.transact(allocator.set_paused(False))
    deployer.transact(credit.mint(stranger.address, 7))
    with pytest.raises(ContractError) as caught:
        stranger.transact(credit.mint(stranger.address, 7))
    assert caught.value.name == "AccessManagedUnauthorized"
    with pytest.raises(ContractError) as caught:
        stranger.transact(allocator.withdraw(stranger.address, 3 * CREDIT))
    assert caught.value.name == "ComputationAllocatorInsufficientBalance"
    assert caught.value.arguments["available"] == 2 * CREDIT


def test_what_an_interrupted_deployment_has_sent_counts_for_the_next(
    anvil_chain: Chain, accounts: list[LocalAccount]
) -> None:
    """Its last transaction may still wait for a block: the next contract comes after it."""
    anvil_chain.request("evm_setAutomine", False)
    try:
        Sender(anvil_chain, accounts[5]).send(Call(accounts[5].address, b"", 1, "transfer"), gas=21_000)
        deployer = Deployer(anvil_chain, accounts[5], lambda _: None, artifacts())
        at = deployer.computed(["AccessManager"])
    finally:
        anvil_chain.request("evm_setAutomine", True)
    call = deployment_call(artifacts()["AccessManager"], (accounts[5].address,))
    deployer.create("AccessManager", call, at["AccessManager"])
    assert anvil_chain.code(at["AccessManager"])


def test_from_the_start_processors_and_oracles_have_something_at_stake(
    embedded_chain: Chain, accounts: list[LocalAccount]
) -> None:
    """Whoever is slashed once had at least this, and no era begins with a signer who has nothing."""
    parameters = DeployParameters(supply=5_000 * CREDIT)
    at = deploy(embedded_chain, accounts[0], parameters=parameters).addresses
    deployer = Sender(embedded_chain, accounts[0])
    registry = bindings.ProcessorRegistry(embedded_chain, at["ProcessorRegistry"])
    quorum = bindings.OracleQuorum(embedded_chain, at["OracleQuorum"])
    credit = bindings.ResourceCredit(embedded_chain, at["ResourceCredit"])
    allocator = bindings.ComputationAllocator(embedded_chain, at["ComputationAllocator"])
    assert (registry.least_bond(), quorum.least_bond()) == (10 * CREDIT, 1_000 * CREDIT)
    request = (0, 0, 1, 0, 0, 1, 1, 2, 1_000, embedded_chain.now() + 86_400, bytes(32))
    fee, _escrow = allocator.quote(bindings.JobRequest(*request))
    assert registry.least_bond() == allocator.penalties()[1] * fee, "a fraud in 1,000 qubit-seconds"
    deployer.transact(credit.approve(allocator.address, 100 * CREDIT))
    deployer.transact(allocator.deposit(accounts[0].address, 100 * CREDIT))
    for bond in (1, 10 * CREDIT - 1):
        with pytest.raises(ContractError) as caught:
            deployer.transact(
                registry.register(bindings.ProcessorSpec(5, bytes(32), bytes(32), ZERO, bytes(32), 0, bond))
            )
        assert caught.value.name == "ProcessorRegistryBadBond"
    signers = tuple(account.address for account in accounts[1:5])
    for place, account in enumerate(accounts[1:5]):
        with pytest.raises(ContractError) as caught:
            deployer.transact(quorum.rotate(signers, bytes(32)))
        assert caught.value.name == "OracleQuorumBondTooSmall"
        assert caught.value.arguments["oracle"] == signers[place]
        oracle = Sender(embedded_chain, account)
        deployer.transact(credit.transfer(account.address, 1_000 * CREDIT))
        oracle.transact(credit.approve(quorum.address, 1_000 * CREDIT))
        oracle.transact(quorum.bond(1_000 * CREDIT))
    deployer.transact(quorum.rotate(signers, bytes(32)))
    assert quorum.is_signer(signers[0])


def test_other_contracts_find_a_verifier_of_post_quantum_signers(
    embedded_chain: Chain, accounts: list[LocalAccount]
) -> None:
    """ERC-7913: a signer is the verifier's address and a key; the answer to its signature is 0x024ad318."""
    deployment = deploy(embedded_chain, accounts[0])
    assert "XmssVerifier" in deployment.manifest["contracts"]
    verifier = bindings.XmssVerifier(embedded_chain, deployment.addresses["XmssVerifier"])
    vectors = json.loads((ROOT / "tests" / "identity" / "xmss_vectors.json").read_text())
    key, known = bytes.fromhex(vectors["key"]), vectors["signatures"][0]
    message, signature = bytes.fromhex(known["message"]), bytes.fromhex(known["signature"])
    assert verifier.verify(key, message, signature).hex() == "024ad318"
    assert verifier.verify(key, bytes(32), signature).hex() == "ffffffff"


def test_each_governed_function_has_the_role_that_its_interface_states() -> None:
    """'Restricted to STANDARDS.' in the NatSpec, the table of deployment, and nothing besides."""
    found = artifacts()
    for name, roles in {**GOVERNED, **BODY_GOVERNED}.items():
        stated: dict[str, str] = {}
        for signature, entry in found[name].docs["user"]["methods"].items():
            match = re.search(
                r"Restricted (?:to |\()(?:the )?(?:AccessManager(?:'s)? )?([A-Z]+)", entry.get("notice", "")
            )
            if match:
                stated[signature.split("(")[0]] = match[1]
        table = {function: role for role, functions in roles.items() for function in functions}
        if name != "EntanglementCoordinator":  # its interface names the bodies in prose
            assert stated == table
    assert set(GOVERNED) == set(found) & set(GOVERNED)


def test_every_restricted_function_in_the_sources_is_governed() -> None:
    sources = list((ROOT / "contracts").rglob("*.sol"))
    restricted = {
        match
        for source in sources
        for match in re.findall(
            r"function (\w+)\([^)]*\)[^{;]*\brestricted\b", source.read_text(encoding="utf-8")
        )
    }
    governed = {
        function
        for roles in (*GOVERNED.values(), *BODY_GOVERNED.values())
        for functions in roles.values()
        for function in functions
    }
    assert restricted == governed


def test_what_is_deployed_has_bindings() -> None:
    assert sorted({*ORDER, *BODY_CONTRACTS.values()}) == sorted(DEPLOYED) == sorted(bindings.CONTRACTS)


def test_roles_are_those_of_the_contracts() -> None:
    text = (ROOT / "contracts" / "libraries" / "Roles.sol").read_text(encoding="utf-8")
    stated = {name: int(value) for name, value in re.findall(r"constant (\w+) = (\d+);", text)}
    assert {name: number for name, number in ROLES.items() if name != "ADMIN"} == stated


def test_the_manager_knows_every_role(embedded_chain: Chain, accounts: list[LocalAccount]) -> None:
    deployment = deploy(embedded_chain, accounts[0])
    manager = bindings.AccessManager(embedded_chain, deployment.addresses["AccessManager"])
    found = artifacts()
    for name, roles in GOVERNED.items():
        for role, functions in roles.items():
            for function in functions:
                entry = next(e for e in found[name].abi if e.get("name") == function)
                assert (
                    manager.get_target_function_role(deployment.addresses[name], selector_of(entry))
                    == ROLES[role]
                ), (name, function)
    for number in ROLES.values():
        assert manager.has_role(number, accounts[0].address) == (True, 0)


def test_the_manifest_is_read_and_checked(
    embedded_chain: Chain, accounts: list[LocalAccount], tmp_path: Path
) -> None:
    deployment = deploy(embedded_chain, accounts[0])
    deployment.save(tmp_path / "d" / "1337.json")
    again = Deployment.load(tmp_path / "d" / "1337.json")
    assert again == deployment
    again.check(embedded_chain)
    entry = again.manifest["contracts"]["OracleQuorum"]
    assert embedded_chain.receipt(bytes.fromhex(entry["transaction"][2:])).contract == entry["address"]  # type: ignore[union-attr]  # it is mined
    with of_embedded(EmbeddedChain(chain_id=1338)) as other, pytest.raises(ChainError, match="another chain"):
        again.check(other)
    lost = json.loads(json.dumps(deployment.manifest))
    lost["contracts"]["OracleQuorum"]["address"] = "0x" + "12" * 20
    with pytest.raises(ChainError, match="OracleQuorum is not at its address"):
        Deployment(deployment.addresses, lost).check(embedded_chain)
    with pytest.raises(ConfigError, match="nothing is deployed"):
        Deployment.load(tmp_path / "nothing.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ConfigError, match="not a deployment"):
        Deployment.load(tmp_path / "bad.json")


@pytest.mark.network
def test_the_script_deploys_with_a_key_file_and_records_it(
    anvil_server: Anvil, accounts: list[LocalAccount], tmp_path: Path
) -> None:
    config = tmp_path / "brownie-config.yaml"
    config.write_text(
        f"networks: {{default: test, test: {{host: '{anvil_server.url}', chainid: 31337, confirmations: 0}}}}"
    )
    create_keystore(tmp_path / "key.json", "secret", accounts[6], n=16)
    (tmp_path / "password").write_text("secret\n")
    command = [
        sys.executable,
        str(ROOT / "scripts" / "deploy.py"),
        "--config",
        str(config),
        "--network",
        "test",
    ]
    command += ["--account", str(tmp_path / "key.json"), "--password-file", str(tmp_path / "password")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    manifest = Deployment.load(tmp_path / "deployments" / "dev" / "31337.json").manifest
    assert manifest["deployer"] == accounts[6].address
    (tmp_path / "password").write_text("wrong\n")
    refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert refused.returncode == 2
    assert "check the password" in refused.stderr
    assert "Traceback" not in refused.stderr
    unknown = subprocess.run(
        [*command[:-6], "--network", "lost"], capture_output=True, text=True, check=False, timeout=60
    )
    assert unknown.returncode == 2
    assert "no such network" in unknown.stderr
