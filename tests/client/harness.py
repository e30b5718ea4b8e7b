"""A small exchange in this process: the real contracts, store, sealing and statistics, one desk for the rest.

`Desk` does what nodes and oracles do, in one thread and in order: it allocates, runs frames on an ideal
simulator, commits, hands over, draws the beacon, judges with the real statistics, signs as 2f + 1 oracles
and publishes the keys. Tests of clients then run against everything a client can see.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from eth_account import Account
from qiskit.quantum_info import Pauli, Statevector
from qiskit_aer import AerSimulator

from qcrs.chain.bindings import (
    Capability,
    Certification,
    ExecutionState,
    JobState,
    Outcome,
    ProcessorSpec,
    Report,
)
from qcrs.chain.deploy import deploy
from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.networks import Chain, of_embedded
from qcrs.chain.sender import Sender
from qcrs.circuits import CircuitDocument, to_qiskit
from qcrs.client.archive import circuits_named, counted_past, keys_of, open_past
from qcrs.client.auditing import rate_at, simulated
from qcrs.client.documents import (
    ExactUnit,
    FramesDocument,
    HandOver,
    Opening,
    ResultDocument,
    ResultUnit,
)
from qcrs.client.exchange import Exchange
from qcrs.client.history import Execution, Job
from qcrs.client.identities import OracleIdentity, write_identities
from qcrs.client.judgement import Found, JudgeRequest, Party
from qcrs.client.judgement import run as judge_run
from qcrs.client.reader import Reader
from qcrs.client.registered import registered_device
from qcrs.client.sealed import (
    Place,
    commitment_of,
    open_frames,
    open_job_key,
    open_secret,
    opening_topic,
    parse_job_document,
    result_topic,
    seal_result,
)
from qcrs.client.wallet import Wallet
from qcrs.config.home import Home, NetworkFile
from qcrs.sealing import BeaconKey, HpkeKey, beacon_message
from qcrs.store import ContentStore, Mailbox
from qcrs.types import canonical_json, cid_to_digest, digest_to_cid, parse_canonical
from qcrs.verification.audit import drawn

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


@dataclass(slots=True)
class Desk:
    """Nodes and oracles of the small exchange, one step after the other."""

    network: Network
    seed: int = 1
    hand_over: bool = True
    publish: bool = True
    audits: bool = False
    """Whether the beacons draw audits. Blocks are made anew until they do, so that tests know."""
    _opened: set[int] = field(default_factory=set)
    _results: dict[tuple[int, int], tuple[bytes, ResultDocument, HandOver]] = field(default_factory=dict)

    def step(self) -> bool:
        """Do one thing that is to be done; False when there is none."""
        history = self.network.reader.history()
        for job in list(history.jobs.values()):
            for run in job.executions:
                if run.state == ExecutionState.COMMITTED and not run.verdicts:
                    self._judge(job, run)
                    return True
                peers = [other for other in job.executions if other is not run and other.verdicts]
                last = len(job.executions) >= job.request.max_executions
                if run.state == ExecutionState.UNDECIDED and len(run.verdicts) == 1 and (peers or last):
                    self._judge(job, run)
                    return True
            if job.final and job.id not in self._opened and self.publish:
                self._open(job)
                return True
        for processor in self.network.processors:
            if processor.working and self.network.contracts.allocator.next_for(processor.id)[0]:
                self._run(processor)
                return True
        return False

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work in the background until the block ends; failures are raised at its end."""
        stop, failures = threading.Event(), []

        def loop() -> None:
            while not stop.is_set():
                try:
                    if not self.step():
                        stop.wait(0.05)
                except Exception as error:
                    failures.append(error)
                    return

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            if failures:
                raise failures[0]

    # ----------------------------------------------------------------- node

    def _run(self, processor: SmallProcessor) -> None:
        network = self.network
        allocator = network.contracts.allocator
        processor.sender.transact(allocator.allocate(processor.id))
        history = network.reader.history()
        job, run = next(
            (job, run)
            for job in history.jobs.values()
            for run in job.executions
            if run.processor == processor.id and run.state == ExecutionState.ALLOCATED
        )
        frames = open_frames(*self._sealed(job, "frames"))
        self.seed += 1000
        units = processor.runner(frames, self.seed)
        document = ResultDocument(
            job.id, run.index, processor.id, units, {"name": "ideal", "version": "1"}, 5
        )
        sealed, salt = seal_result(document), secrets.token_bytes(32)
        commitment = commitment_of(salt, processor.sender.address, job.id, sealed.root)
        processor.sender.transact(allocator.commit_result(job.id, run.index, commitment))
        self._mine(job.id, run.index)
        if not self.hand_over:
            return
        network.store.put(sealed.blob)
        recipients = {s.address: HpkeKey.from_account(s.account).public for s in network.oracles}
        recipients[job.client] = self._document(job).client_key
        mail = sealed.hand_over(salt, recipients, place=network.place, job=job.id, execution=run.index, era=1)
        self._results[job.id, run.index] = (sealed.key, document, mail)
        network.mailbox.post(result_topic(job.id, run.index), mail.as_json(), processor.sender.account)

    def _document(self, job: Job) -> Any:
        return parse_job_document(self.network.store.get(digest_to_cid(job.request.payload)))

    def _sealed(self, job: Job, name: str) -> tuple[bytes, bytes]:
        """A sealed document's blob and its key, as the first oracle opens it."""
        network, document = self.network, self._document(job)
        oracle = network.oracles[0].account
        key = open_job_key(
            document,
            name,
            place=network.place,
            client=job.client,
            recipient=oracle.address,
            key=HpkeKey.from_account(oracle),
        )
        return network.store.get(document.frames if name == "frames" else document.secret), key

    def _mine(self, job: int, execution: int) -> None:
        """The block after a commitment, whose hash makes the beacon; made anew until it draws as wanted."""
        network = self.network
        for amount in range(1, 1000):
            before = network.embedded.snapshot()
            network.deployer.transact(network.contracts.credit.approve(network.deployer.address, amount))
            entry = network.reader.history().jobs[job]
            run = entry.executions[execution]
            if self._draw(entry, run)[1] is self.audits:
                return
            network.embedded.revert(before)
        raise AssertionError("no block draws as wanted")

    def _draw(self, job: Job, run: Execution) -> tuple[int, bool]:
        """The audit rate in 1e-6, and whether the beacon draws the execution."""
        block, hash_, proofs = self._beacon(job, run)
        secret = open_secret(*self._sealed(job, "secret"))
        exact = simulated(secret)
        rate = rate_at(self.network.contracts, run.processor, job.fee, block, exact=exact, value=secret.value)
        return rate, drawn(hash_, proofs, rate, len(self.network.oracles))

    # ----------------------------------------------------------------- oracles

    def _beacon(self, job: Job, run: Execution) -> tuple[int, bytes, dict[int, bytes]]:
        network = self.network
        block = run.committed_block + network.settings.beacon_blocks
        hash_ = network.chain.block_hash(block)
        assert hash_ is not None
        message = beacon_message(
            chain_id=network.chain.chain_id,
            verifier=network.contracts.verifier.address,
            job=job.id,
            execution=run.index,
            block_hash=hash_,
        )
        return block, hash_, {index: key.prove(message) for index, key in enumerate(network.beacons)}

    def _judge(self, job: Job, run: Execution) -> None:
        network = self.network
        secret, frames = open_secret(*self._sealed(job, "secret")), open_frames(*self._sealed(job, "frames"))
        block, hash_, proofs = self._beacon(job, run)
        rate, took = self._draw(job, run)
        history = network.reader.history()
        others = [
            other
            for other in job.executions
            if other.index != run.index and (job.id, other.index) in self._results and other.verdicts
        ]
        alone = bool(job.request.target) or len(job.executions) == job.request.max_executions
        keys = keys_of(secret)
        counting = counted_past(history, job, run, block, keys, self._circuits)
        past = [(one, *open_past(network.reader, history, one, keys)) for one in counting]
        handed = self._results.get((job.id, run.index))
        if handed is None:
            found = Found.plain(
                int(Outcome.REJECT), "withheld", "the result was not handed over", passed=False
            )
        else:
            parties = [
                Party(
                    self._results[job.id, one.index][1].as_json(),
                    registered_device(network.reader, history, one.processor),
                    one.committed_block < run.committed_block,
                )
                for one in (run, *others)
            ]
            request = JudgeRequest(
                secret.as_json(),
                frames.as_json(),
                job.request.qubits,
                job.request.declared_seconds,
                parties[0],
                tuple(parties[1:]),
                took,
                alone,
                past=tuple(counts for _one, _cid, counts in past),
            )
            found = Found.from_json(parse_canonical(judge_run(request.as_bytes())))
        document = self._document(job)
        evidence = {
            "qcrs": "evidence/1",
            "chain_id": network.chain.chain_id,
            "verifier": network.contracts.verifier.address,
            "job": str(job.id),
            "execution": run.index,
            "processor": run.processor,
            "round": len(run.verdicts),
            "era": 1,
            "inputs": {
                "job": digest_to_cid(job.request.payload),
                "frames": document.frames,
                "secret": document.secret,
                "commitment": run.commitment.hex(),
                **self._words(job, run),
            },
            "references": [
                {
                    "execution": other.index,
                    "processor": other.processor,
                    "commitment": other.commitment.hex(),
                    **self._words(job, other),
                }
                for other in others
            ],
            "beacon": {
                "block": block,
                "hash": hash_.hex(),
                "proofs": {str(index): proof.hex() for index, proof in proofs.items()},
            },
            "draw": {
                "rate_ppm": rate,
                "drawn": took,
                "alone": alone,
                "simulated": simulated(secret),
                "value": secret.value,
            },
            "capability": False,
            "circuits": list(keys),
            "archive": [
                {"job": str(one.job), "execution": one.execution, "result": cid} for one, cid, _counts in past
            ],
            **found.as_json(),
        }
        digest = cid_to_digest(network.store.put(canonical_json(evidence)))
        self.report(job, run, found, digest)

    def _circuits(self, evidence: bytes) -> tuple[str, ...]:
        return circuits_named(self.network.reader.document(evidence))

    def report(self, job: Job, run: Execution, found: Found, evidence: bytes) -> None:
        """Sign a verdict as the quorum and bring it to the chain."""
        report = Report(
            job=job.id,
            execution=run.index,
            round=len(run.verdicts),
            outcome=found.outcome,
            flags=int(found.weak),
            score=found.score_ppm,
            threshold=found.threshold_ppm,
            evidence=evidence,
            era=1,
        )
        verifier = self.network.contracts.verifier
        bitmap, signatures = self.network.signatures(verifier.report_digest(report))
        self.network.deployer.transact(verifier.report_verdict(report, bitmap, signatures))

    def _words(self, job: Job, run: Execution) -> dict[str, Any]:
        handed = self._results.get((job.id, run.index))
        if handed is None:
            return {"root": None, "result": None, "device": None}
        _key, _document, mail = handed
        device = registered_device(self.network.reader, self.network.reader.history(), run.processor)
        return {"root": mail.root.hex(), "result": mail.result, "device": device.as_json()}

    def _open(self, job: Job) -> None:
        """Publish the keys of a closed job, as every oracle does."""
        self._opened.add(job.id)
        if job.state in (JobState.CANCELLED,):
            return
        keys = {
            run.index: self._results[job.id, run.index][0]
            for run in job.executions
            if (job.id, run.index) in self._results
        }
        opening = Opening(self._sealed(job, "frames")[1], self._sealed(job, "secret")[1], keys)
        for oracle in self.network.oracles:
            self.network.mailbox.post(opening_topic(job.id), opening.as_json(), oracle.account)


def stranger() -> Any:
    """An account that nobody knows."""
    return Account.create()
