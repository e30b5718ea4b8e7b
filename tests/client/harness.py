"""A small exchange in this process: the real contracts, store, sealing and statistics, one desk for the rest.

What stands is in `small_exchange`; here is who works on it.

`Desk` does what nodes and oracles do, in one thread and in order: it allocates, runs frames on an ideal
simulator, commits, hands over, draws the beacon, judges with the real statistics, signs as 2f + 1 oracles
and publishes the keys. Tests of clients then run against everything a client can see.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from small_exchange import CREDIT, Network, SmallProcessor, ideal_units, stranger

from qcrs.chain.bindings import (
    ExecutionState,
    JobState,
    Report,
)
from qcrs.client.archive import Asked, asked_in, counted_past, keys_of, open_past, shots_of
from qcrs.client.auditing import rate_at, simulated
from qcrs.client.documents import (
    HandOver,
    Opening,
    ResultDocument,
)
from qcrs.client.history import Execution, Job
from qcrs.client.judgement import Found, JudgeRequest, Party
from qcrs.client.judgement import run as judge_run
from qcrs.client.references import counting, names_a_result, stands_alone
from qcrs.client.registered import registered_device
from qcrs.client.sealed import (
    commitment_of,
    open_frames,
    open_job_key,
    open_secret,
    opening_topic,
    parse_job_document,
    result_topic,
    seal_result,
)
from qcrs.client.unjudged import withheld
from qcrs.sealing import HpkeKey, beacon_message
from qcrs.types import canonical_json, cid_to_digest, digest_to_cid, parse_canonical
from qcrs.verification.audit import drawn

__all__ = ["CREDIT", "Desk", "Found", "Network", "ideal_units", "stranger"]


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
        until = None if run.verdicts else block
        words = network.reader.document
        named = counting(job, run, lambda one: names_a_result(words(one)), until)
        others = [job.executions[index] for index in named]
        alone = stands_alone(
            job, run, len(run.verdicts), block, lambda at: network.reader.history_at(at).processors
        )
        keys = keys_of(secret)
        held = counted_past(history, job, run, block, keys, self._circuits)
        past = [(one, *open_past(network.reader, history, one, keys)) for one in held]
        handed = self._results.get((job.id, run.index))
        if handed is None:
            found = withheld(network.settings.handover_seconds)
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
            "shots": list(shots_of(secret)),
            "archive": [
                {"job": str(one.job), "execution": one.execution, "result": cid} for one, cid, _counts in past
            ],
            **found.as_json(),
        }
        digest = cid_to_digest(network.store.put(canonical_json(evidence)))
        self.report(job, run, found, digest)

    def _circuits(self, evidence: bytes) -> Asked:
        return asked_in(self.network.reader.document(evidence))

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
