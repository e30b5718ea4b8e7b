"""The exchange's contracts on a fresh chain, and the least that is needed to drive them.

Oracles are keys of this file; everyone else is an account of the chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contract_stage import Contract, ContractStage, Done
from eth_abi.abi import encode
from eth_keys.datatypes import PrivateKey
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from rlp import encode as rlp_encode  # type: ignore[import-untyped]  # rlp ships no types

from qcrs.chain.compile import Artifact

ALLOCATION, CERTIFICATION, SECURITY, STANDARDS, DISPUTE = 1, 2, 3, 4, 5
CREDIT = 10**6

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


class Stage(ContractStage):
    """The chain and the exchange on it."""

    def __init__(self, artifacts: Mapping[str, Artifact], oracles: int = 7, unit: int = 1) -> None:
        super().__init__(artifacts, accounts=24)
        self.unit = unit
        accounts = self.accounts
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
        self.starts: dict[int, int] = {}
        """With which start tag each job was handed out last."""
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
        done = self.allocator.send("allocate", processor.id, by=processor.operator)
        given = done.one("JobAllocated")
        self.starts[given["job"]] = given["tag"]
        return done

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
