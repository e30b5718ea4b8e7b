"""One verdict made again: evidence, inputs, beacon, draw, statistics and signatures.

Statistics run in a limited child process, from documents that were opened and checked before. Oracles sign
equal evidence only; whoever checks may have other packages, so numbers that come from floating point may
differ a little here. Words may not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from qcrs.client.archive import asked_in, circuits_named, counted_past, keys_of, open_past, shots_of
from qcrs.client.auditing import rate_at, simulated
from qcrs.client.checks import Subject, Unseen, WatchedStore
from qcrs.client.history import Execution, Job, Processor, Verdict
from qcrs.client.identities import OracleIdentity
from qcrs.client.judgement import DeviceRecord, Found, JudgeRequest, Party
from qcrs.client.quorum import read_report_call, signature_problems
from qcrs.client.reader import Reader
from qcrs.client.references import expected, names_a_result, stands_alone
from qcrs.client.registered import registered_device
from qcrs.client.standing import Standing, audited_rate_ppm, measure_from, standing_of
from qcrs.client.unjudged import unjudged
from qcrs.errors import ChainError, InputError, QCRSError, SandboxError
from qcrs.sandbox import GIB, Limits, Sandbox
from qcrs.sealing import beacon_message, verify_proof
from qcrs.types import Json, digest_to_cid, parse_canonical
from qcrs.verification.audit import drawn

if TYPE_CHECKING:
    from qcrs.client.documents import FramesDocument, JobDocument, ResultDocument, SecretDocument

__all__ = ["Recheck", "judging_sandbox"]

SCORE_TOLERANCE_PPM = 1_000
"""Largest difference of a recomputed number, in 1e-6, that other packages or machines may make."""

_LIMITS = Limits(4 * GIB, cpu_seconds=600, wall_seconds=1200)


def judging_sandbox() -> Sandbox:
    """Limited children that judge; starting one takes a second or two, so callers may keep it."""
    return Sandbox(preload=["qcrs.client.judgement:preload"], limits=_LIMITS, name="the judge of qcrs verify")


class Noted(Protocol):
    """Where comparisons are noted."""

    verdicts: list[Json]

    def add(self, subject: Subject, name: str, ok: bool, detail: str = "", *, unseen: Unseen = "") -> bool:
        """Note one comparison; gives back whether it agreed."""


class Opened(Protocol):
    """The documents that were opened."""

    document: JobDocument | None
    frames_document: FramesDocument | None
    secret: SecretDocument | None
    results: dict[int, ResultDocument]
    roots: dict[int, bytes]
    result_cids: dict[int, str]
    unseen: set[int]


@dataclass(slots=True)
class Recheck:
    """Makes the verdicts of one job again; a context, since it may own child processes.

    `store` is the reader's: what it missed since the last comparison is why that one may not agree.
    """

    reader: Reader
    store: WatchedStore
    job: Job
    report: Noted
    case: Opened
    sandbox: Sandbox | None = None
    _owned: Sandbox | None = None
    _past: list[Json] = field(default_factory=list)

    def __enter__(self) -> Recheck:
        if self.sandbox is None:
            self.sandbox = self._owned = judging_sandbox()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._owned is not None:
            self._owned.close()

    def verdict(self, run: Execution, verdict: Verdict) -> None:
        """Every check of one verdict."""
        subject = Subject(f"verdict {verdict.round} on execution {run.index}", run.index)
        self.store.missed.clear()
        cid = digest_to_cid(verdict.evidence)
        self._signatures(subject, run, verdict)
        try:
            evidence = parse_canonical(self.reader.store.get(cid))
            if not isinstance(evidence, dict):
                raise InputError("evidence is a JSON table", field="evidence")
        except QCRSError as error:
            self._add(subject, f"evidence {cid}", False, error.reason)
            return
        self._add(subject, "evidence", True)
        self._words(subject, run, verdict, evidence)
        self._inputs(subject, run, evidence)
        self._held_against(subject, run, verdict, evidence)
        self._beacon(subject, run, verdict, evidence)
        self._devices(subject, run, verdict, evidence)
        self._archive(subject, run, evidence)
        self._judge(subject, run, verdict, evidence)

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
            self._add(
                subject,
                "signatures",
                False,
                f"transaction {verdict.transaction} does not show them: it is gone, or relayed by a contract",
                unseen="transaction",
            )
            return
        self._add(
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
        self._add(
            subject, f"{count} signatures of era {verdict.era}{what}", not problems, "; ".join(problems)
        )

    # ----------------------------------------------------------------- evidence

    def _add(self, subject: Subject, name: str, ok: bool, detail: str = "", *, unseen: Unseen = "") -> bool:
        """Note a comparison. One that does not agree is unseen where a blob was missed for it."""
        if self.store.missed and not ok and not unseen:
            unseen, lost = "document", self.store.missed[0]
            detail += "" if lost in name + detail else f" (without blob {lost}, which is not in the store)"
        self.store.missed.clear()
        return self.report.add(subject, name, ok, detail, unseen=unseen)

    def _equal(
        self,
        subject: Subject,
        name: str,
        pairs: list[tuple[str, object, object]],
        *,
        unseen: Unseen = "",
    ) -> None:
        """Compare words of the evidence with what they should be; one check, naming the first difference."""
        wrong = [
            f"{word} is {found!r}, expected {wanted!r}" for word, found, wanted in pairs if found != wanted
        ]
        self._add(subject, name, not wrong, "; ".join(wrong)[:1000], unseen=unseen)

    def _blind(self, run: Execution, evidence: Mapping[str, Any]) -> Unseen:
        """Whether the result that was judged, or one that it was held against, cannot be looked at here."""
        named = [_table(item).get("execution") for item in evidence.get("references") or []]
        return "document" if any(one in (run.index, *named) for one in self.case.unseen) else ""

    def _words(self, subject: Subject, run: Execution, verdict: Verdict, evidence: Mapping[str, Any]) -> None:
        reader = self.reader
        self._equal(
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
        inputs = _table(evidence.get("inputs"))
        pairs = [
            ("inputs.job", inputs.get("job"), digest_to_cid(self.job.request.payload)),
            ("inputs.frames", inputs.get("frames"), None if document is None else document.frames),
            ("inputs.secret", inputs.get("secret"), None if document is None else document.secret),
            *self._result_words("inputs", inputs, run),
        ]
        for item in evidence.get("references") or []:
            index = _table(item).get("execution")
            if type(index) is not int or not 0 <= index < len(self.job.executions) or index == run.index:
                pairs.append(("references.execution", index, "another execution of the job"))
                continue
            other = self.job.executions[index]
            pairs.append((f"references.{index}.processor", item.get("processor"), other.processor))
            pairs += self._result_words(f"references.{index}", item, other)
        if _table(evidence.get("beacon")) and evidence.get("capability"):
            purpose = self.case.secret.purpose if self.case.secret is not None else None
            pairs.append(("capability", purpose, "capability"))
        self._equal(subject, "inputs", pairs, unseen=self._blind(run, evidence))

    def _held_against(
        self, subject: Subject, run: Execution, verdict: Verdict, evidence: Mapping[str, Any]
    ) -> None:
        """Which executions it was held against, and whether it stood alone."""
        beacon = run.committed_block + self.reader.network.beacon_blocks
        found = [_table(item).get("execution") for item in evidence.get("references") or []]
        named = [index for index in found if type(index) is int]
        wanted = expected(self.job, run, verdict, named, beacon, self._counts)
        alone = stands_alone(self.job, run, verdict.round, beacon, self._processors)
        pairs: list[tuple[str, object, object]] = [
            ("references", found, list(wanted)),
            ("draw.alone", _table(evidence.get("draw")).get("alone"), alone),
        ]
        self._equal(subject, f"{len(wanted)} references that count", pairs)

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
        reader, words = self.reader, _table(evidence.get("beacon"))
        block = run.committed_block + reader.network.beacon_blocks
        hash_ = reader.chain.block_hash(block) or b""
        self._equal(
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
            for name, text in _table(words.get("proofs")).items():
                proofs[int(name)] = bytes.fromhex(text)
                if not verify_proof(identities[int(name)].beacon, message, proofs[int(name)]):
                    wrong.append(f"the proof of oracle {name} is not its own")
        except (QCRSError, ValueError, TypeError, IndexError) as error:
            wrong.append(str(error))
        self._add(subject, f"{len(proofs)} beacon proofs", not wrong, "; ".join(wrong))
        void = evidence.get("decided_by") == "client void"
        if len(hash_) == 32 and identities:
            took = partial(drawn, hash_, proofs, oracles=len(identities))
            self._draw(subject, run, _table(evidence.get("draw")), took, block, void=void)

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
        self._equal(subject, name, pairs)

    def _standing(self, run: Execution) -> Standing:
        """That of the execution's provider when it committed."""
        history = self.reader.history()
        provider = history.processors[run.processor].provider
        return standing_of(history, provider, measure_from(self.reader.store), before=run.committed_at)

    # ----------------------------------------------------------------- the past

    def _archive(self, subject: Subject, run: Execution, evidence: Mapping[str, Any]) -> None:
        """Circuits and past results that the evidence names, against chain and store."""
        self._past = []
        void = evidence.get("decided_by") == "client void"
        keys = () if self.case.secret is None else keys_of(self.case.secret)
        named = circuits_named(evidence)
        shots = [] if self.case.secret is None or (void and not named) else list(shots_of(self.case.secret))
        history = self.reader.history()
        beacon_block = run.committed_block + self.reader.network.beacon_blocks
        counting = counted_past(
            history, self.job, run, beacon_block, named, lambda one: asked_in(self.reader.document(one))
        )
        words = [_table(item) for item in evidence.get("archive") or []]
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
            self._past.append(counts)
        self._equal(subject, f"{len(counting)} past results of the same circuits", pairs, unseen=unseen)

    # ----------------------------------------------------------------- statistics

    def _devices(
        self, subject: Subject, run: Execution, verdict: Verdict, evidence: Mapping[str, Any]
    ) -> None:
        """Registered errors that were used, against those on chain between commitment and verdict."""
        used = [(run, _table(evidence.get("inputs")).get("device"))]
        for item in evidence.get("references") or []:
            index = _table(item).get("execution")
            if type(index) is int and 0 <= index < len(self.job.executions):
                used.append((self.job.executions[index], _table(item).get("device")))
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
        self._add(subject, "registered errors", not wrong, "; ".join(wrong)[:1000])

    def _party(self, run: Execution, tested: Execution, words: Mapping[str, Any]) -> Party:
        earlier = run.committed_block < tested.committed_block
        device = DeviceRecord.from_json(words.get("device"))
        return Party(self.case.results[run.index].as_json(), device, earlier)

    def _request(self, run: Execution, evidence: Mapping[str, Any]) -> JudgeRequest:
        assert self.case.secret is not None  # noqa: S101  (verify opens both before judging)
        assert self.case.frames_document is not None  # noqa: S101
        draw = _table(evidence.get("draw"))
        return JudgeRequest(
            secret=self.case.secret.as_json(),
            frames=self.case.frames_document.as_json(),
            qubits=self.job.request.qubits,
            seconds=self.job.request.declared_seconds,
            tested=self._party(run, run, _table(evidence.get("inputs"))),
            peers=tuple(
                self._party(self.job.executions[item["execution"]], run, item)
                for item in evidence.get("references") or []
            ),
            drawn=bool(draw.get("drawn")),
            alone=bool(draw.get("alone")),
            capability=bool(evidence.get("capability")),
            past=tuple(self._past),
        )

    def _judge(self, subject: Subject, run: Execution, verdict: Verdict, evidence: Mapping[str, Any]) -> None:
        if _table(evidence.get("inputs")).get("result") is None:
            self._without_result(subject, run, verdict, evidence)
            return
        if self._blind(run, evidence) or run.index not in self.case.results:
            unseen = self._blind(run, evidence)
            self._add(subject, "judged again", False, "a result could not be opened", unseen=unseen)
            return
        assert self.sandbox is not None  # noqa: S101  (used as a context)
        try:
            payload = self._request(run, evidence).as_bytes()
            found = Found.from_json(
                parse_canonical(self.sandbox.call("qcrs.client.judgement:run", payload, _LIMITS))
            )
        except (QCRSError, KeyError, TypeError) as error:
            unseen = "machine" if isinstance(error, SandboxError) else ""
            reason = f"it cannot be judged again: {error}"
            self._add(subject, "judged again", False, reason, unseen=unseen)
            return
        self._note(run, verdict, found, judged=True)
        self._equal(
            subject,
            "outcome recomputed",
            [
                ("outcome", evidence.get("outcome"), found.outcome),
                ("decided_by", evidence.get("decided_by"), found.decided_by),
                ("weak", evidence.get("weak"), found.weak),
            ],
        )
        self._statistics(subject, evidence, found)

    def _without_result(
        self, subject: Subject, run: Execution, verdict: Verdict, evidence: Mapping[str, Any]
    ) -> None:
        """What could not be judged has its outcome by rule, where the evidence says which rule it was."""
        decided = evidence.get("decided_by")
        plain = unjudged(decided, self.reader.network.handover_seconds)
        detail = f"decided by {decided}"
        if not self._add(subject, "judged without a result", plain is not None, detail) or plain is None:
            return
        wanted = plain.as_json()
        self._equal(subject, "words", [(word, evidence.get(word), wanted[word]) for word in wanted])
        self._note(run, verdict, plain, judged=False)

    def _note(self, run: Execution, verdict: Verdict, found: Found, *, judged: bool) -> None:
        """Keep the outcome that follows, and whether it was computed."""
        self.report.verdicts.append(
            {
                "execution": run.index,
                "round": verdict.round,
                "judged": judged,
                **_numbers(found),
                "evidence": verdict.evidence.hex(),
            }
        )

    def _statistics(self, subject: Subject, evidence: Mapping[str, Any], found: Found) -> None:
        mine = found.as_json()
        wrong = []
        for word in ("score_ppm", "threshold_ppm"):
            if not _near(evidence.get(word), mine[word]):
                wrong.append(f"{word} is {evidence.get(word)}, recomputed {mine[word]}")
        ends = evidence.get("interval_ppm")
        if not isinstance(ends, list) or len(ends) != 2 or not all(map(_near, ends, mine["interval_ppm"])):
            wrong.append(f"interval_ppm is {ends}, recomputed {mine['interval_ppm']}")
        for word in ("reason", "needed_shots"):
            if evidence.get(word) != mine[word]:
                wrong.append(f"{word} is {evidence.get(word)!r}, recomputed {mine[word]!r}")
        given = [_table(item) for item in evidence.get("tests") or []]
        if [item.get("name") for item in given] != [item["name"] for item in mine["tests"]]:
            wrong.append("other tests were made")
        for theirs, ours in zip(given, mine["tests"], strict=False):
            if theirs.get("passed") != ours["passed"]:
                wrong.append(f"test {ours['name']}: passed is {theirs.get('passed')}")
            for word in ("value_ppm", "se_ppm", "threshold_ppm"):
                if not _near(theirs.get(word), ours[word]):
                    wrong.append(
                        f"test {ours['name']}: {word} is {theirs.get(word)}, recomputed {ours[word]}"
                    )
        self._add(subject, f"{len(mine['tests'])} statistics recomputed", not wrong, "; ".join(wrong)[:1000])


def _numbers(found: Found) -> dict[str, Json]:
    words = {1: "ACCEPT", 2: "UNDECIDED", 3: "REJECT", 4: "FRAUD"}
    return {
        "outcome": words[found.outcome],
        "score_ppm": found.score_ppm,
        "threshold_ppm": found.threshold_ppm,
        "interval_ppm": list(found.interval_ppm),
        "decided_by": found.decided_by,
        "weak": found.weak,
    }


def _near(given: object, mine: int) -> bool:
    """Within the tolerance, or a thousandth of a large number."""
    return type(given) is int and abs(given - mine) <= max(SCORE_TOLERANCE_PPM, abs(mine) // 1000)


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
