"""One verdict made again: signatures, evidence, inputs, beacon, draw and past results.

What follows from the result itself, its outcome and statistics, is judged anew in `qcrs.client.rejudge`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from qcrs.client.archive import asked_in, circuits_named, counted_past, keys_of, open_past, shots_of
from qcrs.client.auditing import rate_at, simulated
from qcrs.client.checks import Notes, Subject, Unseen
from qcrs.client.fields import table_in
from qcrs.client.history import Execution, Job, Processor, Verdict
from qcrs.client.identities import OracleIdentity
from qcrs.client.quorum import read_report_call, signature_problems
from qcrs.client.reader import Reader
from qcrs.client.references import expected, names_a_result, stands_alone
from qcrs.client.registered import registered_device
from qcrs.client.rejudge import Opened, Rejudge, unseen_result
from qcrs.client.standing import Standing, audited_rate_ppm, measure_from, standing_of
from qcrs.errors import ChainError, InputError, QCRSError
from qcrs.sealing import beacon_message, verify_proof
from qcrs.types import Json, digest_to_cid, parse_canonical
from qcrs.verification.audit import drawn

__all__ = ["Recheck"]


@dataclass(slots=True)
class Recheck:
    """Makes the verdicts of one job again; the store that the notes watch is the reader's."""

    reader: Reader
    job: Job
    notes: Notes
    case: Opened
    rejudge: Rejudge

    def verdict(self, run: Execution, verdict: Verdict) -> None:
        """Every check of one verdict."""
        subject = Subject(f"verdict {verdict.round} on execution {run.index}", run.index)
        self.notes.forget()
        cid = digest_to_cid(verdict.evidence)
        self._signatures(subject, run, verdict)
        try:
            evidence = parse_canonical(self.reader.store.get(cid))
            if not isinstance(evidence, dict):
                raise InputError("evidence is a JSON table", field="evidence")
        except QCRSError as error:
            self.notes.add(subject, f"evidence {cid}", False, error.reason)
            return
        self.notes.add(subject, "evidence", True)
        self._words(subject, run, verdict, evidence)
        self._inputs(subject, run, evidence)
        self._held_against(subject, run, verdict, evidence)
        self._beacon(subject, run, verdict, evidence)
        self._devices(subject, run, verdict, evidence)
        past = self._archive(subject, run, evidence)
        self.rejudge.judge(subject, run, verdict, evidence, past)

    # ----------------------------------------------------------------- signatures

    def _signatures(self, subject: Subject, run: Execution, verdict: Verdict) -> None:
        chain, verifier = self.reader.chain, self.reader.contracts.verifier.address
        sent = chain.request("eth_getTransactionByHash", verdict.transaction)
        found = None
        if sent is not None and str(sent.get("to", "")).lower() == verifier.lower():
            data = str(sent.get("input") or sent.get("data") or "0x")
            found = read_report_call(bytes.fromhex(data[2:]))
        fields = (
            self.job.id, run.index, verdict.round, int(verdict.outcome), int(verdict.weak),
            verdict.score, verdict.threshold, verdict.evidence, verdict.era,
        )  # fmt: skip
        if found is None:
            self.notes.add(
                subject,
                "signatures",
                False,
                f"transaction {verdict.transaction} does not show them: it is gone, or relayed by a contract",
                unseen="transaction",
            )
            return
        self.notes.add(
            subject,
            "report as signed",
            fields in found.reports and found.bitmap == verdict.signers,
            f"the transaction brought {found.reports}, the event says {fields}"[:1000],
        )
        signers = list(self.reader.contracts.quorum.signers_of(verdict.era))
        digest = found.digest(chain_id=chain.chain_id, verifier=verifier)
        problems = signature_problems(found, digest, signers)
        count = found.bitmap.bit_count()
        what = f" on a batch of {len(found.reports)}" if found.batch else ""
        self.notes.add(
            subject, f"{count} signatures of era {verdict.era}{what}", not problems, "; ".join(problems)
        )

    # ----------------------------------------------------------------- evidence

    def _words(self, subject: Subject, run: Execution, verdict: Verdict, evidence: Mapping[str, Any]) -> None:
        reader = self.reader
        self.notes.equal(
            subject,
            "evidence is of this verdict",
            [
                ("qcrs", evidence.get("qcrs"), "evidence/1"),
                ("chain_id", evidence.get("chain_id"), reader.chain.chain_id),
                ("verifier", evidence.get("verifier"), reader.contracts.verifier.address),
                ("job", evidence.get("job"), str(self.job.id)),
                ("execution", evidence.get("execution"), run.index),
                ("processor", evidence.get("processor"), run.processor),
                ("round", evidence.get("round"), verdict.round),
                ("era", evidence.get("era"), verdict.era),
                ("outcome", evidence.get("outcome"), int(verdict.outcome)),
                ("score_ppm", evidence.get("score_ppm"), verdict.score),
                ("threshold_ppm", evidence.get("threshold_ppm"), verdict.threshold),
                ("weak", evidence.get("weak"), verdict.weak),
            ],
        )

    def _inputs(self, subject: Subject, run: Execution, evidence: Mapping[str, Any]) -> None:
        document = self.case.document
        inputs = table_in(evidence.get("inputs"))
        pairs = [
            ("inputs.job", inputs.get("job"), digest_to_cid(self.job.request.payload)),
            ("inputs.frames", inputs.get("frames"), None if document is None else document.frames),
            ("inputs.secret", inputs.get("secret"), None if document is None else document.secret),
            *self._result_words("inputs", inputs, run),
        ]
        for item in evidence.get("references") or []:
            index = table_in(item).get("execution")
            if type(index) is not int or not 0 <= index < len(self.job.executions) or index == run.index:
                pairs.append(("references.execution", index, "another execution of the job"))
                continue
            other = self.job.executions[index]
            pairs.append((f"references.{index}.processor", item.get("processor"), other.processor))
            pairs += self._result_words(f"references.{index}", item, other)
        if table_in(evidence.get("beacon")) and evidence.get("capability"):
            purpose = self.case.secret.purpose if self.case.secret is not None else None
            pairs.append(("capability", purpose, "capability"))
        self.notes.equal(subject, "inputs", pairs, unseen=unseen_result(self.case, run, evidence))

    def _held_against(
        self, subject: Subject, run: Execution, verdict: Verdict, evidence: Mapping[str, Any]
    ) -> None:
        """Which executions it was held against, and whether it stood alone."""
        beacon = run.committed_block + self.reader.network.beacon_blocks
        found = [table_in(item).get("execution") for item in evidence.get("references") or []]
        named = [index for index in found if type(index) is int]
        wanted = expected(self.job, run, verdict, named, beacon, self._counts)
        alone = stands_alone(self.job, run, verdict.round, beacon, self._processors)
        pairs: list[tuple[str, object, object]] = [
            ("references", found, list(wanted)),
            ("draw.alone", table_in(evidence.get("draw")).get("alone"), alone),
        ]
        self.notes.equal(subject, f"{len(wanted)} references that count", pairs)

    def _counts(self, digest: bytes) -> bool:
        return names_a_result(self.reader.document(digest))

    def _processors(self, block: int) -> Mapping[int, Processor]:
        return self.reader.history_at(block).processors

    def _result_words(
        self, where: str, words: Mapping[str, Any], run: Execution
    ) -> list[tuple[str, object, object]]:
        pairs: list[tuple[str, object, object]] = [
            (f"{where}.commitment", words.get("commitment"), run.commitment.hex())
        ]
        if words.get("result") is not None:
            root = self.case.roots.get(run.index)
            pairs += [
                (f"{where}.root", words.get("root"), None if root is None else root.hex()),
                (f"{where}.result", words.get("result"), self.case.result_cids.get(run.index)),
            ]
        return pairs

    # ----------------------------------------------------------------- beacon and draw

    def _beacon(
        self, subject: Subject, run: Execution, verdict: Verdict, evidence: Mapping[str, Any]
    ) -> None:
        reader, words = self.reader, table_in(evidence.get("beacon"))
        block = run.committed_block + reader.network.beacon_blocks
        hash_ = reader.chain.block_hash(block) or b""
        self.notes.equal(
            subject,
            "beacon block",
            [("beacon.block", words.get("block"), block), ("beacon.hash", words.get("hash"), hash_.hex())],
        )
        message = beacon_message(
            chain_id=reader.chain.chain_id,
            verifier=reader.contracts.verifier.address,
            job=self.job.id,
            execution=run.index,
            block_hash=hash_,
        )
        proofs: dict[int, bytes] = {}
        wrong = []
        identities: tuple[OracleIdentity, ...] = ()
        try:
            identities = reader.identities(verdict.era)
            for name, text in table_in(words.get("proofs")).items():
                proofs[int(name)] = bytes.fromhex(text)
                if not verify_proof(identities[int(name)].beacon, message, proofs[int(name)]):
                    wrong.append(f"the proof of oracle {name} is not its own")
        except (QCRSError, ValueError, TypeError, IndexError) as error:
            wrong.append(str(error))
        self.notes.add(subject, f"{len(proofs)} beacon proofs", not wrong, "; ".join(wrong))
        void = evidence.get("decided_by") == "client void"
        if len(hash_) == 32 and identities:
            took = partial(drawn, hash_, proofs, oracles=len(identities))
            self._draw(subject, run, table_in(evidence.get("draw")), took, block, void=void)

    def _draw(
        self,
        subject: Subject,
        run: Execution,
        words: Mapping[str, Any],
        took: Callable[[int], bool],
        block: int,
        *,
        void: bool,
    ) -> None:
        rate = words.get("rate_ppm")
        name = "audit draw"
        exact, value = bool(words.get("simulated")), words.get("value")
        value = value if type(value) is int and value >= 0 else 0
        try:
            plain = rate_at(
                self.reader.contracts, run.processor, self.job.fee, block, exact=exact, value=value
            )
        except ChainError:
            # A node that has dropped old state cannot say what bond and reputation were then.
            name = f"audit draw at the stated rate (the node keeps no state of block {block})"
            wanted: object = rate
        else:
            wanted = audited_rate_ppm(plain, self._standing(run))
        pairs: list[tuple[str, object, object]] = [("draw.rate_ppm", rate, wanted)]
        # Oracles that could not open the documents have nothing to simulate.
        secret = self.case.secret
        if secret is not None and (exact or not void):
            pairs.append(("draw.simulated", words.get("simulated"), simulated(secret)))
        if secret is not None and (value or not void):
            pairs.append(("draw.value", words.get("value"), secret.value))
        if type(rate) is int:
            pairs.append(("draw.drawn", words.get("drawn"), took(rate)))
        self.notes.equal(subject, name, pairs)

    def _standing(self, run: Execution) -> Standing:
        """That of the execution's provider when it committed."""
        history = self.reader.history()
        provider = history.processors[run.processor].provider
        return standing_of(history, provider, measure_from(self.reader.store), before=run.committed_at)

    # ----------------------------------------------------------------- the past

    def _archive(self, subject: Subject, run: Execution, evidence: Mapping[str, Any]) -> list[Json]:
        """Circuits and past results that the evidence names, against chain and store; their counts."""
        past = []
        void = evidence.get("decided_by") == "client void"
        keys = () if self.case.secret is None else keys_of(self.case.secret)
        named = circuits_named(evidence)
        shots = [] if self.case.secret is None or (void and not named) else list(shots_of(self.case.secret))
        history = self.reader.history()
        beacon_block = run.committed_block + self.reader.network.beacon_blocks
        counting = counted_past(
            history, self.job, run, beacon_block, named, lambda one: asked_in(self.reader.document(one))
        )
        words = [table_in(item) for item in evidence.get("archive") or []]
        pairs: list[tuple[str, object, object]] = [
            ("circuits", list(named), [] if void and not named else list(keys)),
            ("shots", evidence.get("shots", shots), shots),
            (
                "archive",
                [(item.get("job"), item.get("execution")) for item in words],
                [(str(one.job), one.execution) for one in counting],
            ),
        ]
        unseen: Unseen = ""
        for one, item in zip(counting, words, strict=False):
            if item.get("result") is None:
                continue  # 2f + 1 oracles say that they could not open it
            try:
                cid, counts = open_past(self.reader, history, one, named)
            except QCRSError as error:
                pairs.append((f"archive.{one.job}/{one.execution}", error.reason, "an opened result"))
                unseen = "document"
                continue
            pairs.append((f"archive.{one.job}/{one.execution}", item.get("result"), cid))
            past.append(counts)
        self.notes.equal(subject, f"{len(counting)} past results of the same circuits", pairs, unseen=unseen)
        return past

    # ----------------------------------------------------------------- devices

    def _devices(
        self, subject: Subject, run: Execution, verdict: Verdict, evidence: Mapping[str, Any]
    ) -> None:
        """Registered errors that were used, against those on chain between commitment and verdict."""
        used = [(run, table_in(evidence.get("inputs")).get("device"))]
        for item in evidence.get("references") or []:
            index = table_in(item).get("execution")
            if type(index) is int and 0 <= index < len(self.job.executions):
                used.append((self.job.executions[index], table_in(item).get("device")))
        blocks = {step.block for step in self.job.steps if step.transaction == verdict.transaction}
        wrong = []
        for one, device in used:
            if device is None:
                continue
            known = [
                registered_device(self.reader, self.reader.history_at(block), one.processor).as_json()
                for block in sorted({*blocks, run.committed_block + self.reader.network.beacon_blocks})
            ]
            if device not in known:
                wrong.append(f"processor {one.processor}: {device} is not {known[-1]}")
        self.notes.add(subject, "registered errors", not wrong, "; ".join(wrong)[:1000])
