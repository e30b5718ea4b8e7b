"""What stands of the small exchange: chain, contracts, store, accounts and certified processors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from eth_account import Account
from qiskit.quantum_info import Pauli, Statevector
from qiskit_aer import AerSimulator

from qcrs.chain.bindings import (
    Capability,
    Certification,
    ProcessorSpec,
)
from qcrs.chain.deploy import deploy
from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.networks import Chain, of_embedded
from qcrs.chain.sender import Sender
from qcrs.circuits import CircuitDocument, to_qiskit
from qcrs.client.documents import (
    ExactUnit,
    FramesDocument,
    ResultUnit,
)
from qcrs.client.exchange import Exchange
from qcrs.client.identities import OracleIdentity, write_identities
from qcrs.client.reader import Reader
from qcrs.client.sealed import (
    Place,
)
from qcrs.client.wallet import Wallet
from qcrs.config.home import Home, NetworkFile
from qcrs.sealing import BeaconKey, HpkeKey
from qcrs.store import ContentStore, Mailbox
from qcrs.types import canonical_json, cid_to_digest

CREDIT = 10**6
ORACLES = 4


def ideal_units(document: FramesDocument, seed: int) -> tuple[ResultUnit, ...]:
    """What an ideal device measures for a frames document."""
    simulator = AerSimulator(max_parallel_threads=1)
    units = []
    for unit in document.units:
        if isinstance(unit, ExactUnit):
            state = Statevector(to_qiskit(CircuitDocument.from_json(unit.circuit)))
            values = [
                round(10**12 * float(np.real(state.expectation_value(Pauli(label)))))
                for label, _re, _im in unit.observables
            ]
            units.append(ResultUnit(values_pico=tuple(values)))
            continue
        counts = []
        for raw, shots in zip(unit.frames, unit.shots, strict=True):
            seed = (seed + 1_000_003) % 2**31  # Aer seeds shot i with seed + i: neighbours would share shots
            circuit = to_qiskit(CircuitDocument.from_json(raw))
            found = simulator.run(circuit, shots=shots, seed_simulator=seed).result().data()["counts"]
            counts.append({int(key, 16): n for key, n in found.items()})
        clbits = CircuitDocument.from_json(unit.frames[0]).clbits
        units.append(ResultUnit(frames=tuple(counts), layout=(-1,) * clbits))
    return tuple(units)


Runner = Callable[[FramesDocument, int], tuple[ResultUnit, ...]]


@dataclass(slots=True)
class SmallProcessor:
    """A processor of the desk; `runner` may cheat."""

    id: int
    name: str
    sender: Sender
    runner: Runner = ideal_units
    working: bool = True


class Network:
    """Chain, contracts, store, accounts and processors of the small exchange."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.embedded = EmbeddedChain(idle_blocks=0)
        self.chain: Chain = of_embedded(self.embedded)
        self._accounts = iter(self.embedded.accounts)
        self.deployer = Sender(self.chain, next(self._accounts))
        deployment = self.deployment = deploy(self.chain, self.deployer.account)
        self.settings = NetworkFile(
            rpc="http://127.0.0.1:1",
            chain_id=self.chain.chain_id,
            store=str(root / "store"),
            contracts=deployment.addresses,
            beacon_blocks=1,
        )
        self.home.save(self.settings)
        self.store = ContentStore(self.settings.store)
        self.mailbox = Mailbox(self.store)
        self.reader = Reader.open(Home(root / "desk"), network=self.settings, chain=self.chain)
        self.contracts = self.reader.contracts
        self.place = Place(self.chain.chain_id, self.contracts.allocator.address)
        self.processors: list[SmallProcessor] = []
        allocator = self.contracts.allocator
        self.deployer.transact(allocator.set_times(5, 0, 600))
        self.deployer.transact(allocator.open_flow(self.deployer.address, 100, True))
        self.oracles = [Sender(self.chain, next(self._accounts)) for _ in range(ORACLES)]
        self.beacons = [BeaconKey.generate() for _ in self.oracles]
        self._first_era()

    def endow(self, address: str, *, deposit: int = 0, credit: int = 0) -> None:
        """Give an account credit inside and outside the ledger."""
        token, allocator = self.contracts.credit, self.contracts.allocator
        if credit:
            self.deployer.transact(token.mint(address, credit))
        if deposit:
            self.deployer.transact(token.mint(self.deployer.address, deposit))
            self.deployer.transact(token.approve(allocator.address, deposit))
            self.deployer.transact(allocator.deposit(address, deposit))

    def _first_era(self) -> None:
        quorum, token = self.contracts.quorum, self.contracts.credit
        identities = []
        for sender, beacon in zip(self.oracles, self.beacons, strict=True):
            self.endow(sender.address, credit=10_000 * CREDIT)
            sender.transact(token.approve(quorum.address, 1_000 * CREDIT))
            sender.transact(quorum.bond(1_000 * CREDIT))
            public = HpkeKey.from_account(sender.account).public
            identities.append(
                OracleIdentity(sender.address, public, beacon.public, tuple(beacon.permutation_proof()))
            )
        digest = cid_to_digest(self.store.put(write_identities(identities)))
        self.deployer.transact(quorum.rotate(tuple(s.address for s in self.oracles), digest))

    def account(self, name: str, *, deposit: int = 0, credit: int = 0) -> Any:
        """A named, funded account of the home."""
        account = next(self._accounts)
        Wallet(self.home).create(name, account=account)
        self.endow(account.address, deposit=deposit, credit=credit)
        return account

    def exchange(self, account: Any = None, home: Path | None = None) -> Exchange:
        """A client."""
        where = self.home if home is None else Home(home)
        return Exchange.connect(where, network=self.settings, account=account, chain=self.chain)

    def signatures(self, digest: bytes) -> tuple[int, bytes]:
        """Bitmap and compact signatures of the first 2f + 1 oracles."""
        out = b""
        for sender in self.oracles[:3]:
            signed = sender.account.unsafe_sign_hash(digest)
            out += signed.r.to_bytes(32, "big") + (signed.s | (signed.v - 27) << 255).to_bytes(32, "big")
        return 0b111, out

    def processor(self, name: str, *, qubits: int = 8, runner: Runner = ideal_units) -> SmallProcessor:
        """Register and certify a processor with a provider of its own."""
        account = self.account(name, deposit=10_000 * CREDIT)
        sender = Sender(self.chain, account)
        pairs = [[a, b] for b in range(qubits) for a in range(b)]
        calibration = canonical_json(
            {"qcrs": "calibration/1", "two_qubit_nano": [], "readout_nano": [0] * qubits, "t1_t2_ns": []}
        )
        from base64 import b64encode

        metadata = {
            "qcrs": "processor/1",
            "name": name,
            "hpke": b64encode(HpkeKey.from_account(account).public).decode(),
            "qubits": qubits,
            "basis": ["cz", "measure", "reset", "u", "if_else"],
            "coupling": pairs,
            "simulator": True,
            "exact": True,
            "backend": {"name": "ideal", "version": "1"},
            "calibration": self.store.put(calibration),
        }
        registry = self.contracts.registry
        spec = ProcessorSpec(
            qubits=qubits,
            profile=bytes(32),
            metadata=cid_to_digest(self.store.put(canonical_json(metadata))),
            operator="0x" + "00" * 20,
            identity=bytes(32),
            claimed_quality=2500,
            bond=500 * CREDIT,
        )
        sender.transact(registry.register(spec))
        number = registry.processor_count()
        self.certify(number, qubits)
        found = SmallProcessor(number, name, sender, runner)
        self.processors.append(found)
        return found

    def certify(self, number: int, qubits: int, epoch: int = 1) -> None:
        """A quorum-signed certificate."""
        report = canonical_json({"qcrs": "capability/1", "readout": {"error_nano": [10**5] * qubits}})
        capability = Capability(
            width_tested=qubits,
            log2_quantum_volume=qubits,
            error_per_layered_gate=10**5,
            layers_per_second=1000,
            readout_error=10**5,
            t1_nanoseconds=0,
            t2_nanoseconds=0,
            ghz_width=qubits,
            quality=3401,
        )
        certification = Certification(
            processor=number,
            era=1,
            epoch=epoch,
            valid_until=self.chain.now() + 86_400,
            capability=capability,
            report=cid_to_digest(self.store.put(report)),
        )
        registry = self.contracts.registry
        bitmap, signatures = self.signatures(registry.certification_digest(certification))
        self.deployer.transact(registry.certify(certification, bitmap, signatures))

    def close(self) -> None:
        """Release the chain."""
        self.reader.close()
        self.embedded.close()


def stranger() -> Any:
    """An account that nobody knows."""
    return Account.create()
