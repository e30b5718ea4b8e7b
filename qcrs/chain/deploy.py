"""Putting the exchange on a chain: eight contracts that know each other, a verifier, and who may govern them.

Four of them name each other as immutables, so their addresses are computed before they exist (CREATE:
deployer and nonce) and checked after each step. One transaction then assigns every governed function to
the role of its body, and two set the least bonds; the deployer holds all roles until it hands them over
(`qcrs.chain.handover`). The manifest records what was put where, from which sources. `XmssVerifier` needs
none of the others and is needed by none of them, since the registry has its library built in: it stands
there for other contracts (ERC-7913).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import is_address
from eth_utils.crypto import keccak

from qcrs.chain.abi import Call, selector_of
from qcrs.chain.bindings import AccessManager, OracleQuorum, ProcessorRegistry
from qcrs.chain.compile import Artifact, artifacts
from qcrs.chain.networks import Chain, Receipt
from qcrs.chain.sender import Sender, deployment_call
from qcrs.config import Config
from qcrs.errors import ChainError, ConfigError
from qcrs.types import CREDIT, parse_json

__all__ = ["GOVERNED", "ROLES", "DeployParameters", "Deployment", "deploy", "manifest_path"]

ROLES = {
    "ADMIN": 0,
    "ALLOCATION": 1,
    "CERTIFICATION": 2,
    "SECURITY": 3,
    "STANDARDS": 4,
    "DISPUTE": 5,
    "SUSPENSION": 6,
}
"""Role numbers of contracts/libraries/Roles.sol, which no interface shows; a test compares them."""

ORDER = (
    "AccessManager",
    "ResourceCredit",
    "ProcessorRegistry",
    "ComputationAllocator",
    "OracleQuorum",
    "ResultVerifier",
    "EntanglementCoordinator",
    "EpochSettlement",
    "XmssVerifier",
)
"""The order of creation, which the computed addresses rest on."""

GOVERNED: dict[str, dict[str, tuple[str, ...]]] = {
    "ComputationAllocator": {
        "ALLOCATION": ("openFlow", "setClass", "setFlowOwner", "setFlowWeight", "setQueueing", "setQuota"),
        "SECURITY": ("setPaused",),
        "STANDARDS": ("setPenalties", "setRequestBounds", "setTimes"),
    },
    "EntanglementCoordinator": {"SECURITY": ("quarantine", "setPaused"), "STANDARDS": ("setParameters",)},
    "OracleQuorum": {"CERTIFICATION": ("rotate", "setLeastBond"), "ADMIN": ("setTreasury",)},
    "ProcessorRegistry": {
        "CERTIFICATION": ("setCertificateLife", "setClaimTolerance", "setLeastBond", "setUnbondDelay"),
        "SUSPENSION": ("setSuspended",),
        "STANDARDS": ("setHalfLife",),
        "ADMIN": ("setTreasury",),
    },
    "ResourceCredit": {"ADMIN": ("mint",)},
    "ResultVerifier": {"DISPUTE": ("rule",), "STANDARDS": ("setChallengeBond", "setWindows")},
}
"""Which body's role each governed function belongs to: contract → role → functions."""


@dataclass(frozen=True, slots=True)
class DeployParameters:
    """Credits minted to the deployer, their cap, base units per fee unit; and where least bonds start.

    Amounts in base units. docs/economics.md says why the bonds are what they are; bodies change them later.
    """

    supply: int = 0
    cap: int = 1_000_000_000 * CREDIT
    unit: int = 1
    least_processor_bond: int = 10 * CREDIT
    least_oracle_bond: int = 1_000 * CREDIT


@dataclass(frozen=True, slots=True)
class Deployment:
    """What stands where."""

    addresses: dict[str, str]
    manifest: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> Deployment:
        """From a manifest's file."""
        try:
            manifest = parse_json(path.read_text(encoding="utf-8"))
            addresses = {name: entry["address"] for name, entry in manifest["contracts"].items()}
            if not all(isinstance(one, str) and is_address(one) for one in addresses.values()):
                raise ValueError("an address is no address")
        except FileNotFoundError as error:
            raise ConfigError(
                "nothing is deployed there",
                field="manifest",
                value=str(path),
                solution="run `qcrs deploy` for this network",
            ) from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                "this is not a deployment's manifest",
                field="manifest",
                value=str(path),
                solution="restore it from a copy: `qcrs deploy` wrote it",
            ) from error
        return cls(addresses, manifest)

    def save(self, path: Path) -> None:
        """Write the manifest, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(self.manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(path)

    def check(self, chain: Chain) -> None:
        """That this chain holds the code that was recorded; `ChainError` names what does not."""
        genesis = chain.block_hash(0) or b""
        if (chain.chain_id, "0x" + genesis.hex()) != (self.manifest["chain_id"], self.manifest["genesis"]):
            raise ChainError(
                "the manifest is of another chain",
                field="chain_id",
                value=chain.chain_id,
                solution="deploy anew; a development chain that was reset has nothing on it",
            )
        for name, entry in self.manifest["contracts"].items():
            if "0x" + keccak(chain.code(entry["address"])).hex() != entry["code_hash"]:
                raise ChainError(
                    f"{name} is not at its address",
                    field="address",
                    value=entry["address"],
                    solution="deploy anew",
                )


def manifest_path(config: Config, chain: Chain) -> Path:
    """`deployments/<chain id>.json`; development chains go into `deployments/dev`, which is not committed."""
    folder = config.root / "deployments"
    return (folder / "dev" if chain.network.development else folder) / f"{chain.chain_id}.json"


def deploy(
    chain: Chain,
    account: LocalAccount,
    *,
    say: Callable[[str], None] | None = None,
    parameters: DeployParameters | None = None,
    found: Mapping[str, Artifact] | None = None,
) -> Deployment:
    """Deploy and wire everything; `say` gets one line per transaction. The first failure is raised."""
    return _Exchange(
        chain, account, say or (lambda _: None), parameters or DeployParameters(), found or artifacts()
    ).run()


class Deployer:
    """Creates contracts one after another at addresses that were computed before."""

    def __init__(
        self, chain: Chain, account: LocalAccount, say: Callable[[str], None], found: Mapping[str, Artifact]
    ) -> None:
        self.chain = chain
        self.sender = Sender(chain, account)
        self.say = say
        self.artifacts = found
        self.receipts: dict[str, Receipt] = {}

    def computed(self, names: Iterable[str]) -> dict[str, str]:
        """Where contracts will be when they are created next, in this order, after what waits for a block."""
        return computed_addresses(self.sender.address, self.chain.nonce(self.sender.address), names)

    def create(self, name: str, call: Call, expected: str) -> None:
        """Create one; `ChainError` where it came to another address."""
        receipt = self.transact(replace(call, name=f"{name}.constructor"))
        if receipt.contract != expected:
            raise ChainError(
                f"{name} came to another address than computed",
                field="address",
                value=receipt.contract,
                solution="use the deployer's key nowhere else while deploying, and start again",
            )
        self.receipts[name] = receipt

    def transact(self, call: Call) -> Receipt:
        """Send a call and say what it cost."""
        receipt = self.sender.transact(call)
        status = "ok" if receipt.ok else "failed"
        self.say(f"{call.name:<40} {status:<7} block {receipt.block:<8} gas {receipt.gas_used:>10,}")
        return receipt

    def entry(self, name: str, artifact: str, address: str) -> dict[str, Any]:
        """What the manifest says of a contract that was created."""
        one, receipt = self.artifacts[artifact], self.receipts[name]
        return {
            "address": address,
            "transaction": "0x" + receipt.hash.hex(),
            "block": receipt.block,
            "gas": receipt.gas_used,
            "compiler": one.compiler,
            "source_hash": one.source_hash,
            "bytecode_hash": "0x" + keccak(bytes.fromhex(one.bytecode[2:])).hex(),
            "code_hash": "0x" + keccak(self.chain.code(address)).hex(),
        }


class _Exchange(Deployer):
    """The exchange's own contracts, and what their creation gave."""

    def __init__(
        self,
        chain: Chain,
        account: LocalAccount,
        say: Callable[[str], None],
        parameters: DeployParameters,
        found: Mapping[str, Artifact],
    ) -> None:
        super().__init__(chain, account, say, found)
        self.parameters = parameters

    def run(self) -> Deployment:
        at = self.computed(ORDER)
        arguments = constructor_arguments(self.sender.address, at, self.parameters)
        for name in ORDER:
            self.create(name, deployment_call(self.artifacts[name], arguments[name]), at[name])
        self._govern(at)
        self._bond(at)
        return Deployment(at, self._manifest(at))

    def _govern(self, at: Mapping[str, str]) -> None:
        """One transaction: every governed function to its role, every role to the deployer."""
        manager = AccessManager(self.chain, at["AccessManager"])
        calls = [
            manager.set_target_function_role(
                at[name], tuple(function_selectors(self.artifacts[name], functions)), ROLES[role]
            )
            for name, roles in GOVERNED.items()
            for role, functions in roles.items()
        ]
        for role, number in ROLES.items():
            if number:
                calls.append(manager.label_role(number, role))
                calls.append(manager.grant_role(number, self.sender.address, 0))
        self.transact(manager.multicall(tuple(call.data for call in calls)))

    def _bond(self, at: Mapping[str, str]) -> None:
        """From the first processor and the first era on there is something at stake."""
        registry = ProcessorRegistry(self.chain, at["ProcessorRegistry"])
        quorum = OracleQuorum(self.chain, at["OracleQuorum"])
        self.transact(registry.set_least_bond(self.parameters.least_processor_bond))
        self.transact(quorum.set_least_bond(self.parameters.least_oracle_bond))

    def _manifest(self, at: Mapping[str, str]) -> dict[str, Any]:
        return {
            "chain_id": self.chain.chain_id,
            "genesis": "0x" + (self.chain.block_hash(0) or b"").hex(),
            "deployer": self.sender.address,
            "commit": _commit(),
            "settings": self.artifacts["AccessManager"].settings,
            "contracts": {name: self.entry(name, name, at[name]) for name in ORDER},
            "unit": self.parameters.unit,
            "roles": ROLES,
        }


def function_selectors(artifact: Artifact, functions: Iterable[str]) -> list[bytes]:
    """The selectors of a contract's functions by their names."""
    known = {entry["name"]: selector_of(entry) for entry in artifact.abi if entry["type"] == "function"}
    return [known[function] for function in functions]


def computed_addresses(deployer: str, nonce: int, names: Iterable[str] = ORDER) -> dict[str, str]:
    """Where contracts will be when the deployer's next transactions create them in this order."""
    from qcrs.chain.render import contract_address

    raw = bytes.fromhex(deployer[2:])
    return {name: contract_address(raw, nonce + index) for index, name in enumerate(names)}


def constructor_arguments(
    deployer: str, at: Mapping[str, str], parameters: DeployParameters
) -> dict[str, tuple[Any, ...]]:
    """What each contract is created with; the deployer is the first administrator and treasury."""
    manager, credit = at["AccessManager"], at["ResourceCredit"]
    registry, allocator = at["ProcessorRegistry"], at["ComputationAllocator"]
    quorum, verifier = at["OracleQuorum"], at["ResultVerifier"]
    return {
        "AccessManager": (deployer,),
        "ResourceCredit": (manager, deployer, parameters.supply, parameters.cap),
        "ProcessorRegistry": (manager, allocator, quorum, verifier, deployer, parameters.unit),
        "ComputationAllocator": (manager, credit, registry, verifier, parameters.unit),
        "OracleQuorum": (manager, credit, verifier, deployer),
        "ResultVerifier": (manager, allocator, registry, quorum),
        "EntanglementCoordinator": (manager, credit, registry),
        "EpochSettlement": (credit, quorum),
        "XmssVerifier": (),
    }


def _commit() -> str:
    """The sources' commit, with a plus sign where files are changed; empty outside of a checkout."""
    root = Path(__file__).parents[2]
    try:
        head = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],  # noqa: S607 - git of the PATH
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return head.stdout.strip() if head.returncode == 0 else ""
