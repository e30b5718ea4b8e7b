"""The exchange's contracts on a fresh chain, and the least that is needed to drive them.

The genesis lies in the future, so block times, and with them the gas of calldata, do not depend on the wall
clock. Oracles are keys of this file; everyone else is an account of the chain.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from eth.vm.gas_meter import GasMeter
from eth_abi.abi import decode, encode
from eth_keys.datatypes import PrivateKey
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import TransactionFailed
from eth_utils.abi import function_abi_to_4byte_selector
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from rlp import encode as rlp_encode  # type: ignore[import-untyped]  # rlp ships no types

from qcrs.chain.compile import Artifact
from qcrs.chain.errors import ErrorDecoder
from qcrs.errors import ContractError

GENESIS_S = 2_000_000_000
GAS = 6_000_000
ALLOCATION, CERTIFICATION, SECURITY, STANDARDS, DISPUTE = 1, 2, 3, 4, 5
CREDIT = 10**6
ZERO = "0x" + "00" * 20
ACCEPT, UNDECIDED, REJECT, FRAUD = 1, 2, 3, 4

GUARDED: dict[str, dict[int, tuple[str, ...]]] = {
    "ComputationAllocator": {
        ALLOCATION: ("openFlow", "setFlowWeight", "setFlowOwner", "setClass", "setQuota", "setQueueing"),
        STANDARDS: ("setTimes", "setPenalties", "setRequestBounds"),
        SECURITY: ("setPaused",),
    },
    "ProcessorRegistry": {
        CERTIFICATION: (
            "setSuspended",
            "setCertificateLife",
            "setLeastBond",
            "setUnbondDelay",
            "setClaimTolerance",
        ),
        STANDARDS: ("setHalfLife",),
    },
    "ResultVerifier": {STANDARDS: ("setWindows", "setChallengeBond"), DISPUTE: ("rule",)},
    "OracleQuorum": {CERTIFICATION: ("rotate", "setLeastBond")},
}
"""Which body calls which function."""

REPORT = (
    "Report(uint64 job,uint8 execution,uint8 round,uint8 outcome,uint8 flags,int64 score,int64 threshold,"
    "bytes32 evidence,uint32 era)"
)
BATCH = "Batch(Report[] reports)" + REPORT
CAPABILITY = (
    "Capability(uint16 widthTested,uint16 log2QuantumVolume,uint32 errorPerLayeredGate,"
    "uint32 layersPerSecond,uint32 readoutError,"
    "uint32 t1Nanoseconds,uint32 t2Nanoseconds,uint16 ghzWidth,uint16 quality)"
)
CERTIFICATION_TYPE = (
    "Certification(uint32 processor,uint32 era,uint32 epoch,uint40 validUntil,Capability capability,"
    "bytes32 report)" + CAPABILITY
)


@dataclass(frozen=True, slots=True)
class Oracle:
    """A key that signs for the quorum."""

    key: Any
    address: str

    @classmethod
    def number(cls, n: int) -> Oracle:
        key = PrivateKey(keccak(text=f"oracle {n}"))
        return cls(key, key.public_key.to_checksum_address())

    def sign(self, digest: bytes) -> bytes:
        """The compact signature (r, vs) of ERC-2098."""
        signature = self.key.sign_msg_hash(digest)
        vs = signature.s | signature.v << 255
        return bytes(signature.r.to_bytes(32, "big") + vs.to_bytes(32, "big"))


@dataclass(frozen=True, slots=True)
class Done:
    """What a transaction did: gas, decoded events in order, and what the call returned."""

    gas: int
    events: tuple[tuple[str, dict[str, Any]], ...]
    time: int

    def of(self, name: str) -> list[dict[str, Any]]:
        return [values for event, values in self.events if event == name]

    def one(self, name: str) -> dict[str, Any]:
        found = self.of(name)
        assert len(found) == 1, (name, [event for event, _ in self.events])
        return found[0]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]


def _kind(item: Mapping[str, Any]) -> str:
    base = str(item["type"])
    if not base.startswith("tuple"):
        return base
    return "(" + ",".join(_kind(part) for part in item["components"]) + ")" + base[5:]


def _named(item: Mapping[str, Any], value: Any) -> Any:
    """Structs by their members' names."""
    if item["type"] == "tuple":
        return {part["name"]: _named(part, one) for part, one in zip(item["components"], value, strict=True)}
    if item["type"] == "address":
        return to_checksum_address(value)
    if item["type"] == "address[]":
        return [to_checksum_address(one) for one in value]
    return value


class Contract:
    """One deployed contract: reads, transactions and decoded refusals."""

    def __init__(self, stage: Stage, address: str, abi: list[dict[str, Any]]) -> None:
        self.stage, self.address = stage, address
        self.functions = {entry["name"]: entry for entry in abi if entry["type"] == "function"}
        self.events = {
            keccak(text=f"{e['name']}({','.join(_kind(i) for i in e['inputs'])})"): e
            for e in abi
            if e["type"] == "event"
        }
        self.selectors = {name: function_abi_to_4byte_selector(e) for name, e in self.functions.items()}  # type: ignore[arg-type]
        stage.decoder.learn(abi)
        stage.contracts[address] = self

    def data(self, name: str, args: Sequence[Any]) -> str:
        kinds = [_kind(item) for item in self.functions[name]["inputs"]]
        return "0x" + (self.selectors[name] + encode(kinds, list(args))).hex()

    def read(self, name: str, *args: Any, by: str | None = None) -> Any:
        call = {"from": by or self.stage.admin, "to": self.address, "data": self.data(name, args), "gas": GAS}
        try:
            raw = self.stage.tester.call(call, block_number="pending")
        except TransactionFailed as failure:
            raise self.stage.decode(failure) from None
        outputs = self.functions[name]["outputs"]
        values = decode([_kind(item) for item in outputs], bytes.fromhex(raw[2:]))
        found = [_named(item, value) for item, value in zip(outputs, values, strict=True)]
        return found[0] if len(found) == 1 else tuple(found)

    def send(self, name: str, *args: Any, by: str) -> Done:
        """Sends the call in a block of its own; a refusal raises its decoded error and makes no block."""
        call = {"from": by, "to": self.address, "data": self.data(name, args), "gas": GAS}
        if self.stage.doubtful:
            self.stage.probe(call)
        receipt = self.stage.tester.get_transaction_receipt(self.stage.tester.send_transaction(call))
        if receipt["status"] != 1:
            self.stage.probe(call)
            raise AssertionError(f"{name} failed, yet would succeed now")
        done = Done(receipt["gas_used"], self.stage.decode_logs(receipt["logs"]), self.stage.time)
        self.stage.history.extend((event, values, done.time) for event, values in done.events)
        return done


_doubtful: list[bool] = []


@contextmanager
def refuses(name: str, **expected: Any) -> Iterator[None]:
    """The block must be refused with that error, and those arguments."""
    _doubtful.append(True)
    refusal: ContractError | None = None
    try:
        yield
    except ContractError as error:
        refusal = error
    finally:
        _doubtful.pop()
    assert refusal is not None, f"not refused; expected {name}"
    assert refusal.name == name, (refusal.name, refusal.arguments)
    plain = {key.replace("_", "").lower(): value for key, value in refusal.arguments.items()}
    found = {key: plain[key.lower()] for key in expected}
    assert found == expected, found


@dataclass(slots=True)
class Processor:
    """A registered processor."""

    id: int
    provider: str
    operator: str


@dataclass(slots=True)
class Addresses:
    """Where the contracts will be: they know each other from their construction on."""

    quorum: str
    registry: str
    allocator: str
    verifier: str


@dataclass(slots=True)
class Named:
    """Accounts by what they do."""

    admin: str
    clients: list[str]
    providers: list[str]
    operators: list[str]
    stranger: str
    treasury: str
    committee: dict[int, str] = field(default_factory=dict)


class Stage:
    """The chain and the contracts on it."""

    def __init__(self, artifacts: Mapping[str, Artifact], oracles: int = 7, unit: int = 1) -> None:
        genesis = PyEVMBackend.generate_genesis_params(overrides={"timestamp": GENESIS_S})
        state = PyEVMBackend.generate_genesis_state(num_accounts=24)
        self.tester = EthereumTester(PyEVMBackend(genesis_parameters=genesis, genesis_state=state))
        self.decoder = ErrorDecoder()
        self.contracts: dict[str, Contract] = {}
        self.history: list[tuple[str, dict[str, Any], int]] = []
        self.artifacts = artifacts
        self.unit = unit
        accounts = [str(to_checksum_address(a)) for a in self.tester.get_accounts()]
        self.admin = accounts[0]
        self.who = Named(
            accounts[0],
            accounts[1:5],
            accounts[5:10],
            accounts[10:15],
            accounts[15],
            accounts[16],
            {role: accounts[16 + role] for role in (1, 2, 3, 4, 5)},
        )
        self.oracles = [Oracle.number(n) for n in range(oracles)]
        self.f = (oracles - 1) // 3
        self._deploy_all()

    def _deploy_all(self) -> None:
        self.manager = self.deploy("AccessManager", self.admin)
        self.credit = self.deploy("ResourceCredit", self.manager.address, self.admin, 10**15, 10**18)
        nonce = self.tester.get_nonce(self.admin)
        places = [
            to_checksum_address(keccak(rlp_encode([bytes.fromhex(self.admin[2:]), nonce + i]))[12:])
            for i in range(4)
        ]
        at = Addresses(*places)
        authority, treasury = self.manager.address, self.who.treasury
        self.quorum = self.deploy("OracleQuorum", authority, self.credit.address, at.verifier, treasury)
        self.registry = self.deploy(
            "ProcessorRegistry", authority, at.allocator, at.quorum, at.verifier, treasury, self.unit
        )
        self.allocator = self.deploy(
            "ComputationAllocator", authority, self.credit.address, at.registry, at.verifier, self.unit
        )
        self.verifier = self.deploy("ResultVerifier", authority, at.allocator, at.registry, at.quorum)
        assert [
            self.quorum.address,
            self.registry.address,
            self.allocator.address,
            self.verifier.address,
        ] == places
        named = {
            "ComputationAllocator": self.allocator,
            "ProcessorRegistry": self.registry,
            "ResultVerifier": self.verifier,
            "OracleQuorum": self.quorum,
        }
        for name, roles in GUARDED.items():
            for role, functions in roles.items():
                selectors = [named[name].selectors[function] for function in functions]
                self.manager.send(
                    "setTargetFunctionRole", named[name].address, selectors, role, by=self.admin
                )
        for role, account in self.who.committee.items():
            self.manager.send("grantRole", role, account, 0, by=self.admin)
        self.rotate(self.oracles)
        for account in (*self.who.clients, *self.who.providers):
            self.credit.send("transfer", account, 10**12, by=self.admin)
            self.credit.send("approve", self.allocator.address, 2**256 - 1, by=account)
            self.allocator.send("deposit", account, 10**11, by=account)

    def deploy(self, name: str, *args: Any) -> Contract:
        artifact = self.artifacts[name]
        inputs: list[Any] = next((e["inputs"] for e in artifact.abi if e["type"] == "constructor"), [])
        data = artifact.bytecode + encode([_kind(item) for item in inputs], args).hex()
        digest = self.tester.send_transaction({"from": self.admin, "data": data, "gas": 25_000_000})
        receipt = self.tester.get_transaction_receipt(digest)
        assert receipt["status"] == 1, name
        contract = Contract(self, to_checksum_address(receipt["contract_address"]), artifact.abi)
        events = self.decode_logs(receipt["logs"])
        self.history.extend((event, values, self.time) for event, values in events)
        return contract

    @property
    def doubtful(self) -> bool:
        """Whether calls are expected to be refused, so that they are tried before they are sent."""
        return bool(_doubtful)

    def probe(self, call: Mapping[str, Any]) -> None:
        """Raises the error with which a call would be refused in the next block."""
        try:
            self.tester.call(dict(call), block_number="pending")
        except TransactionFailed as failure:
            raise self.decode(failure) from None

    # -- time and answers -------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Time of the block that the next transaction is in."""
        return int(self.tester.get_block_by_number("pending")["timestamp"])

    @property
    def time(self) -> int:
        """Time of the last block."""
        return int(self.tester.get_block_by_number("latest")["timestamp"])

    def wait(self, seconds: int) -> None:
        """Let the next block be that much later than it would be."""
        self.tester.time_travel(self.now + seconds)

    def wait_until(self, when: int) -> None:
        """Let the next block be at `when`."""
        if when > self.now:
            self.tester.time_travel(when)
        assert self.now == when, (self.now, when)

    def decode(self, failure: TransactionFailed) -> ContractError:
        """A refusal's bytes arrive as the text of a bytes literal; a panic's in words."""
        try:
            raw = ast.literal_eval(str(failure.args[0]))
        except (SyntaxError, ValueError):
            raise failure from None
        assert isinstance(raw, bytes)
        return self.decoder.decode(raw)

    def decode_logs(self, logs: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, dict[str, Any]], ...]:
        found = []
        for log in logs:
            contract = self.contracts.get(to_checksum_address(log["address"]))
            if contract is None:
                continue  # a constructor's own events, before its address is known
            topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
            entry = contract.events[topics[0]]
            indexed = [item for item in entry["inputs"] if item["indexed"]]
            plain = [item for item in entry["inputs"] if not item["indexed"]]
            values = decode([_kind(item) for item in plain], bytes.fromhex(log["data"][2:]))
            args = {item["name"]: _named(item, v) for item, v in zip(plain, values, strict=True)}
            for item, topic in zip(indexed, topics[1:], strict=True):
                args[item["name"]] = _named(item, decode([_kind(item)], topic)[0])
            found.append((str(entry["name"]), args))
        return tuple(found)

    # -- oracles ----------------------------------------------------------------------------------

    def domain(self, contract: Contract, name: str) -> bytes:
        kind = keccak(
            text="EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        )
        chain_id = self.tester.backend.chain.chain_id
        parts = [kind, keccak(text=name), keccak(text="1"), chain_id, contract.address]
        return keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], parts))

    def report_hash(self, report: tuple[Any, ...]) -> bytes:
        kinds = [
            "bytes32",
            "uint64",
            "uint8",
            "uint8",
            "uint8",
            "uint8",
            "int64",
            "int64",
            "bytes32",
            "uint32",
        ]
        return keccak(encode(kinds, [keccak(text=REPORT), *report]))

    def report_digest(self, report: tuple[Any, ...]) -> bytes:
        domain = self.domain(self.verifier, "QCRS ResultVerifier")
        return keccak(b"\x19\x01" + domain + self.report_hash(report))

    def batch_digest(self, reports: Sequence[tuple[Any, ...]]) -> bytes:
        hashes = keccak(b"".join(self.report_hash(report) for report in reports))
        struct = keccak(keccak(text=BATCH) + hashes)
        return keccak(b"\x19\x01" + self.domain(self.verifier, "QCRS ResultVerifier") + struct)

    def certification_digest(self, c: tuple[Any, ...]) -> bytes:
        capability = keccak(encode(["bytes32"] + ["uint256"] * 9, [keccak(text=CAPABILITY), *c[4]]))
        kinds = ["bytes32", "uint32", "uint32", "uint32", "uint40", "bytes32", "bytes32"]
        body = keccak(encode(kinds, [keccak(text=CERTIFICATION_TYPE), *c[:4], capability, c[5]]))
        return keccak(b"\x19\x01" + self.domain(self.registry, "QCRS ProcessorRegistry") + body)

    def sign(self, digest: bytes, who: Sequence[int] | None = None) -> tuple[int, bytes]:
        """Bitmap and signatures of some oracles, by default the first 2f + 1."""
        chosen = sorted(who if who is not None else range(2 * self.f + 1))
        return sum(1 << i for i in chosen), b"".join(self.oracles[i].sign(digest) for i in chosen)

    def rotate(self, oracles: Sequence[Oracle]) -> Done:
        body = self.who.committee[CERTIFICATION]
        return self.quorum.send("rotate", [o.address for o in oracles], keccak(text="keys"), by=body)

    @property
    def era(self) -> int:
        return int(self.quorum.read("era"))

    # -- acts -------------------------------------------------------------------------------------

    def register(
        self, index: int = 0, qubits: int = 27, claim: int = 0, bond: int = 50 * CREDIT
    ) -> Processor:
        provider, operator = self.who.providers[index], self.who.operators[index]
        spec = (qubits, keccak(text="profile"), keccak(text="meta"), operator, keccak(text="id"), claim, bond)
        done = self.registry.send("register", spec, by=provider)
        return Processor(done.one("ProcessorRegistered")["processor"], provider, operator)

    def certification(
        self, processor: int, epoch: int = 1, quality: int = 2000, life: int = 20 * 86_400, width: int = 5
    ) -> tuple[Any, ...]:
        capability = (width, 6, 4_000_000, 3000, 20_000_000, 80_000, 60_000, 5, quality)
        return (processor, self.era, epoch, self.now + life, capability, keccak(text=f"report {epoch}"))

    def certify(self, processor: int, **kwargs: Any) -> Done:
        c = self.certification(processor, **kwargs)
        bitmap, signatures = self.sign(self.certification_digest(c))
        return self.registry.send("certify", c, bitmap, signatures, by=self.who.stranger)

    def request(self, **changes: Any) -> tuple[Any, ...]:
        fields: dict[str, Any] = {
            "flow": 0,
            "target": 0,
            "qubits": 5,
            "quality": 0,
            "class": 0,
            "redundancy": 1,
            "most": 3,
            "trust": 2,
            "seconds": 60,
            "deadline": self.now + 86_400,
            "payload": keccak(text="job"),
        }
        unknown = changes.keys() - fields.keys()
        assert not unknown, unknown
        return tuple((fields | changes).values())

    def submit(self, client: int = 0, **changes: Any) -> int:
        done = self.allocator.send("submit", self.request(**changes), by=self.who.clients[client])
        return int(done.one("JobSubmitted")["job"])

    def allocate(self, processor: Processor) -> Done:
        return self.allocator.send("allocate", processor.id, by=processor.operator)

    def commit(self, processor: Processor, job: int, execution: int = 0) -> Done:
        return self.allocator.send(
            "commitResult", job, execution, keccak(text=f"result {job} {execution}"), by=processor.operator
        )

    def report(self, job: int, execution: int, outcome: int, **changes: Any) -> tuple[Any, ...]:
        fields: dict[str, Any] = {
            "job": job,
            "execution": execution,
            "round": 0,
            "outcome": outcome,
            "flags": 0,
            "score": 968_000,
            "threshold": 800_000,
            "evidence": keccak(text=f"evidence {job} {execution}"),
            "era": self.era,
        }
        assert changes.keys() <= fields.keys()
        return tuple((fields | changes).values())

    def judge(self, job: int, execution: int, outcome: int, **changes: Any) -> Done:
        report = self.report(job, execution, outcome, **changes)
        bitmap, signatures = self.sign(self.report_digest(report))
        return self.verifier.send("reportVerdict", report, bitmap, signatures, by=self.who.stranger)

    def settle(self, reports: Sequence[tuple[Any, ...]]) -> Done:
        """A batch, signed by a quorum and relayed by a stranger."""
        bitmap, signatures = self.sign(self.batch_digest(reports))
        return self.verifier.send("settleBatch", list(reports), bitmap, signatures, by=self.who.stranger)

    # -- sums -------------------------------------------------------------------------------------

    def job(self, job: int) -> dict[str, Any]:
        found = self.allocator.read("job", job)
        assert isinstance(found, dict)
        return found

    def balance(self, account: str) -> int:
        return int(self.allocator.read("balanceOf", account))

    def check_ledger(self, jobs: Sequence[int]) -> None:
        """I1: what the contracts owe is what they hold, to the unit, since nothing else comes in."""
        accounts = {*self.who.clients, *self.who.providers, self.who.treasury, self.who.stranger}
        owed = sum(self.balance(account) for account in accounts)
        owed += sum(self.job(job)["escrow"] for job in jobs)
        count = self.registry.read("processorCount")
        owed += sum(self.registry.read("bondOf", p) for p in range(1, count + 1))
        owed += self.verifier.read("openBonds")
        held = self.credit.read("balanceOf", self.allocator.address)
        assert held == owed, (held, owed)
        moved = sum(v["amount"] for name, v, _ in self.history if name == "Deposited")
        moved -= sum(v["amount"] for name, v, _ in self.history if name == "Withdrawn")
        assert moved == owed, (moved, owed)


def spent(contract: Contract, name: str, *args: Any) -> int:
    """Gas of a call's execution alone: what the machine counts, without the base fee and the calldata's."""
    counted: list[int] = []
    consume = GasMeter.consume_gas

    def count(self: GasMeter, amount: int, reason: str) -> None:
        counted.append(amount)
        consume(self, amount, reason)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GasMeter, "consume_gas", count)
        contract.read(name, *args)
    return sum(counted)
