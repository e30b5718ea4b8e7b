"""A session held against chain and store alone: by anyone, with no key and no trust in any member.

The chain has the digest, the commitments of every barrier and the correction record; the store has the plan,
the records of both ends and the transcripts. What is held against what:

    plan          its hash; that the pairs it names are those that its acts take
    ready         every party's commitment, made again from its own record of the pairs it held
    transcripts   every root; every frame that a party obeyed was measured by another
    trail         made again from the arrivals
    channels      every attested root and figure, made again from the record of the end that attested
    correction    circuit, decoder, syndromes, root and failures, decoded again
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from eth_abi.abi import encode

from qcrs.chain.bindings import CorrectionRecord, SessionState
from qcrs.circuits.drbg import keccak
from qcrs.client.book import FIRST_GO, PLAN, READY, Book, Channel, Session
from qcrs.client.cosigned import Shelf, witness_of_end
from qcrs.client.history import History
from qcrs.errors import InputError, QCRSError
from qcrs.store import ContentStore
from qcrs.together.agent import (
    NOTHING,
    counted_topic,
    epoch_topic,
    pair_commitment,
    pairs_topic,
    shares_topic,
)
from qcrs.together.plan import PlanDocument
from qcrs.together.rounds import EndRecord, agreed, attestation
from qcrs.together.transcript import Share, counted, disagreements
from qcrs.types import Json, digest_to_cid, parse_canonical

__all__ = ["Checked", "check_channel", "check_session"]


@dataclass(slots=True)
class Checked:
    """What was found: claims that hold, and what does not, in words."""

    holds: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    counts: tuple[dict[int, int], ...] = ()
    """Outcomes of each circuit, joined from the members' transcripts."""
    pairs: dict[int, int] = field(default_factory=dict)
    """Pairs that the session used, by channel."""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def note(self, claim: str, *, true: bool, otherwise: str = "") -> None:
        """One claim."""
        if true:
            self.holds.append(claim)
        else:
            self.problems.append(otherwise or f"not so: {claim}")

    def attempt(self, what: str, action: Callable[[], None]) -> None:
        """A part of the check whose documents may be missing or malformed."""
        try:
            action()
        except (QCRSError, KeyError, TypeError, ValueError) as error:
            words = error.reason if isinstance(error, QCRSError) else f"{type(error).__name__}: {error}"
            self.problems.append(f"{what}: {words}")


class _Library(Shelf):
    """Blobs and mail."""

    def blob(self, cid: Json) -> Json:
        return parse_canonical(self.store.get(str(cid)))

    def mail(self, topic: str, sender: str | None = None) -> Json:
        found = self.mailbox.read(topic, None if sender is None else [sender])
        if not found:
            raise InputError("a mail is missing", field="topic", value=topic)
        return found[0].body

    def counted(self, registry: History, channel: Channel, epoch: int, end: int) -> Json:
        """What an end says it counted, with every signature that it needs."""
        topic = counted_topic(channel.id, epoch, end)
        witness = witness_of_end(self, registry, channel, epoch, channel.ends[end])
        found = [mail for mail in self.mailbox.read(topic) if witness.accepts(topic, mail)]
        if not found:
            raise InputError("a mail is missing, or its second signature", field="topic", value=topic)
        return self.blob(found[0].body["rounds"])

    def record(self, channel: Channel, epoch: int, end: int) -> EndRecord:
        mail = self.mail(epoch_topic(channel.id, epoch), channel.opener)
        return EndRecord.from_json(self.blob(mail["records"][end]))


def check_channel(book: Book, number: int, store: ContentStore) -> Checked:
    """Every epoch that an end attested, made again from that end's record and what the other end counted."""
    library, channel, found = _Library(store, book.place), book.channel(number), Checked()

    def epoch_of(epoch: int, processor: int) -> None:
        end = channel.ends.index(processor)
        own = library.record(channel, epoch, end)
        ids = library.counted(book.registry, channel, epoch, 1 - end)
        again = attestation(number, epoch, agreed(own, {(int(a), int(b)) for a, b in ids}), len(own.pairs))
        found.note(
            f"epoch {epoch}: processor {processor} attested its record",
            true=again == channel.attested[epoch, processor],
            otherwise=f"epoch {epoch}: processor {processor} attested other figures than its record gives",
        )

    for epoch, processor in sorted(channel.attested):
        found.attempt(f"epoch {epoch} of processor {processor}", lambda e=epoch, p=processor: epoch_of(e, p))  # type: ignore[misc]
    for epoch, settled in channel.settled.items():
        counts = [channel.attested[epoch, p].pairs for p in channel.ends]
        paid = min(counts) if settled.record.disputable_until else 0
        found.note(
            f"epoch {epoch}: the lower count is paid",
            true=settled.pairs == paid,
            otherwise=f"epoch {epoch}: {settled.pairs} pairs are paid, the ends attested {counts}",
        )
    return found


def check_session(book: Book, number: int, store: ContentStore) -> Checked:
    """Everything that chain and store say of a session."""
    session, found = book.session(number), Checked()
    checker = _Checker(book, session, _Library(store, book.place), found)
    found.attempt("plan", checker.plan)
    if checker.made is not None:
        found.attempt("ready", checker.ready)
        found.attempt("transcripts", checker.transcripts)
    found.attempt("trail", checker.trail)
    for record in dict.fromkeys(session.corrections.values()):
        found.attempt("correction", lambda one=record: checker.correction(one))  # type: ignore[misc]
    return found


class _Checker:
    def __init__(self, book: Book, session: Session, library: _Library, found: Checked) -> None:
        self.book, self.session, self.library, self.found = book, session, library, found
        self.made: PlanDocument | None = None

    def plan(self) -> None:
        request = self.session.request
        made = PlanDocument.from_json(self.library.blob(digest_to_cid(request.plan_hash)))
        stated = (made.job, made.parties, tuple(c for c, _, _ in made.channels), made.ebits, made.most_shots)
        asked = (request.job, request.parties, request.channels, request.ebits, request.shots)
        self.found.note("the plan is what was asked for", true=stated == asked)
        problem = made.problem()
        self.found.note(
            "its acts take the pairs that it names", true=problem is None, otherwise=f"plan: {problem}"
        )
        agreed_all = all(
            self.session.arrivals.get((PLAN, p)) == self.session.digest
            for p in request.parties
            if (PLAN, p) in self.session.arrivals
        )
        self.found.note("every party agreed to this digest", true=agreed_all)
        self.made = made

    def _plan(self) -> PlanDocument:
        if self.made is None:
            raise InputError("the plan cannot be read", field="plan")
        return self.made

    def ready(self) -> None:
        made, session = self._plan(), self.session
        if not any(barrier == READY for barrier, _ in session.arrivals):
            return
        epochs = self.library.mail(pairs_topic(session.id), session.client)["epochs"]
        for processor in made.parties:
            word = session.arrivals.get((READY, processor))
            if word is None:
                continue
            held = []
            for number, _, _ in made.channels:
                channel = self.book.channel(number)
                if processor in channel.ends:
                    end = channel.ends.index(processor)
                    own = self.library.record(channel, int(epochs[str(number)]), end)
                    held.append((number, list(own.pairs[: made.pairs(number)])))
            again = pair_commitment(session.request.plan_hash, session.request.attempt, held)
            self.found.note(
                f"processor {processor} held the pairs that it committed to",
                true=again == word and all(len(ids) == made.pairs(n) for n, ids in held),
            )
        self.found.pairs = {number: made.pairs(number) for number, _, _ in made.channels}

    def transcripts(self) -> None:
        made, session = self._plan(), self.session
        joined: list[dict[int, int]] = [{} for _ in made.circuits]
        complete = True
        for epoch in range(made.epochs):
            words = {p: session.arrivals.get((FIRST_GO + epoch, p)) for p in made.parties}
            if not any(words.values()):
                complete = False
                break
            mail = self.library.mail(shares_topic(session.id, epoch), session.client)["shares"]
            found = [Share.from_json(self.library.blob(mail[str(p)])) for p in made.parties]
            for share in found:
                if words[share.processor] is not None:
                    self._root(share, words[share.processor] or b"")
            for number, circuit in enumerate(made.circuits):
                parts = [share.parts[number] for share in found]
                wrong = disagreements(parts, circuit.messages, circuit.readers)
                self.found.note(
                    f"epoch {epoch}, circuit {number}: every frame was measured",
                    true=wrong == 0 and {part.rows.shape[0] for part in parts} == {circuit.shots[epoch]},
                    otherwise=f"epoch {epoch}, circuit {number}: {wrong} frames that nobody measured",
                )
                for outcome, count in counted(parts, circuit.messages, circuit.readers).items():
                    joined[number][outcome] = joined[number].get(outcome, 0) + count
        if complete:
            self.found.counts = tuple(joined)

    def _root(self, share: Share, word: bytes) -> None:
        self.found.note(
            f"epoch {share.epoch}: processor {share.processor} committed to its transcript",
            true=share.root == word,
            otherwise=f"epoch {share.epoch}: processor {share.processor} "
            + ("was given nothing" if word == NOTHING else "committed to another transcript"),
        )

    def trail(self) -> None:
        session = self.session
        if session.state is not SessionState.DONE:
            return
        trail, kinds = session.digest, ["bytes32", "uint8", "uint32", "bytes32"]
        for (barrier, processor), word in session.arrivals.items():  # in the order of their events
            if barrier != PLAN:
                trail = keccak(encode(kinds, [trail, barrier, processor, word]))
        self.found.note("the trail follows from the arrivals", true=trail == session.trail)

    def correction(self, record: CorrectionRecord) -> None:
        from qcrs.distributed.correction import Correction, problems, read_code

        code = self.library.store.get(digest_to_cid(record.code_hash))
        _, cid = read_code(code)
        syndromes = self.library.store.get(cid)
        words = Correction(
            record.family.rstrip(b"\0").decode("ascii"),
            record.distance,
            record.rounds,
            record.code_hash,
            record.syndrome_root,
            record.shots,
            record.failures,
            record.logical_error_per_round,
        )
        wrong = problems(words, code, syndromes)
        self.found.note(
            f"{record.shots} shots of distance {record.distance} decode to {record.failures} failures",
            true=not wrong,
            otherwise="correction: " + "; ".join(wrong),
        )
