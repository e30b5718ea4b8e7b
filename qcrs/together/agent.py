"""A member of channels and sessions: what its processor's owner runs, in a node or in a process of its own.

Every look at the chain does what is due and no more, so an agent that was killed goes on from the chain:

    on chain                                  what the agent does
    channel proposed, terms within policy     lock the bond, accept
    epoch's record handed over                say which rounds it counted; attest once the other end has
    test round disputed                       open its own leaf
    epoch that the other end left pending     lapse it
    session at PLAN, plan within policy       check the plan, lock the deposit, arrive with the digest
    at READY, pairs there                     arrive with their identities, or decline what is too weak
    at GO, transcript there                   arrive with its root
    any barrier past its deadline             abort: it names whoever is missing
    at READY, half the time gone, no pairs    decline: nobody pays
    at GO, most of the time gone, no bits     arrive with zero: it was given nothing

Records of QNP runs and transcripts reach it as blobs that mail of the channel's opener names. In a laboratory
they would be the agent's own; here the simulated physics lies with the opener (see `joint`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from qcrs.chain.bindings import AbortCode, ChannelState, SessionState
from qcrs.circuits.drbg import keccak
from qcrs.client.book import FIRST_GO, PLAN, READY, Book, Channel, Session
from qcrs.client.coordinator import Coordinator
from qcrs.client.cosigned import Shelf, Witness, cosigner, witness_of_end
from qcrs.client.history import History
from qcrs.errors import InputError, QCRSError, StoreError
from qcrs.store import ContentStore
from qcrs.together.plan import PlanDocument
from qcrs.together.rounds import PPM, EndRecord, Round, agreed, attestation, opened, rates
from qcrs.together.transcript import Share
from qcrs.types import Json, canonical_json, digest_to_cid, parse_canonical, whole

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = [
    "NOTHING",
    "Agent",
    "Policy",
    "counted_topic",
    "epoch_topic",
    "pair_commitment",
    "pairs_topic",
    "shares_topic",
]


def epoch_topic(channel: int, epoch: int) -> str:
    """Mail of the opener: {"records": [content id for end 0, for end 1]}."""
    return f"epoch/{channel}/{epoch}"


def counted_topic(channel: int, epoch: int, end: int) -> str:
    """Mail of an end: {"rounds": content id of the identities that it counted}."""
    return f"counted/{channel}/{epoch}/{end}"


def pairs_topic(session: int) -> str:
    """Mail of the client: {"epochs": {channel: epoch}}: whose records hold the session's pairs."""
    return f"pairs/{session}"


def shares_topic(session: int, epoch: int) -> str:
    """Mail of the client: {"shares": {processor: content id}}."""
    return f"shares/{session}/{epoch}"


def pair_commitment(plan: bytes, attempt: int, pairs: list[tuple[int, list[tuple[int, int]]]]) -> bytes:
    """READY: keccak(plan hash ‖ attempt1 ‖ for each channel: channel4 ‖ keccak of its pairs' identities)."""
    out = plan + bytes((attempt,))
    for channel, ids in sorted(pairs):
        packed = b"".join(a.to_bytes(8, "big") + b.to_bytes(8, "big") for a, b in ids)
        out += channel.to_bytes(4, "big") + keccak(packed)
    return keccak(out)


def named(mail: Json, *keys: str | int) -> Json:
    """What a mail holds under these keys; `InputError` where its sender left it out."""
    found = mail
    for key in keys:
        try:
            found = found[key]
        except (IndexError, KeyError, TypeError) as error:
            raise InputError(
                "a mail does not hold what its topic asks for",
                field=".".join(map(str, keys)),
                value=mail,
                solution="its sender has to write it in the form of qcrs.together.agent",
            ) from error
    return found


def epoch_in(mail: Json, channel: int) -> int:
    """The epoch that a client's mail names for a channel."""
    found = named(mail, "epochs", str(channel))
    if type(found) is not int or not 0 <= found < 1 << 32:
        raise InputError("an epoch is a number", field=f"epochs.{channel}", value=found)
    return found


def ids_in(raw: Json) -> set[tuple[int, int]]:
    """Identities of test rounds, as the other end counted them."""
    try:
        return {(whole(a), whole(b)) for a, b in raw}
    except (TypeError, ValueError) as error:
        raise InputError("not a list of test rounds", field="rounds", value=str(error)) from error


@dataclass(frozen=True, slots=True)
class Policy:
    """What a member agrees to. Money in base units; a client that asks for more is not answered."""

    most_bond: int = 10_000_000
    most_deposit: int = 10_000_000
    least_pair_price: int = 0
    least_fee: int = 0


NOTHING = bytes(32)
"""A member's word for an epoch of which the client gave it nothing: the client's silence blames nobody."""


class Agent:
    """One processor's agent. `tick` is all there is to call."""

    def __init__(
        self,
        coordinator: Coordinator,
        store: ContentStore,
        account: LocalAccount,
        processor: int,
        policy: Policy | None = None,
        say: Callable[..., None] = lambda *_, **__: None,
    ) -> None:
        """`say(what, **fields)` is told of everything that it does."""
        self.coordinator = coordinator
        self.store = store
        self.library = Shelf(store, coordinator.place)
        self.mailbox = self.library.mailbox
        self.account = account
        self.processor = processor
        self.policy = policy or Policy()
        self._say = say
        self._refused: set[tuple[str, int]] = set()
        self._readers: dict[str, Any] = {}
        self._mails: dict[str, dict[str, Json]] = {}
        self._mailed: set[str] = set()
        self._registry = History()
        """Who the ends are, at the last look."""

    def tick(self) -> None:
        """Do what is due. What a contract or a peer refuses is told and left; the next look tries again."""
        book = self.coordinator.book()
        self._registry = book.registry
        for channel in list(book.channels.values()):
            if self.processor in channel.ends and channel.state is not ChannelState.CLOSED:
                self._guarded(f"channel {channel.id}", partial(self._channel, channel))
        for session in list(book.sessions.values()):
            if session.running and self.processor in session.request.parties:
                self._guarded(f"session {session.id}", partial(self._session, book, session))

    def attend(self, channel: Channel) -> None:
        """Do what is due in one channel; raises what stands in its way."""
        if self.processor not in channel.ends:
            raise InputError(
                f"channel {channel.id} joins processors {channel.ends[0]} and {channel.ends[1]}",
                field="processor",
                value=self.processor,
                solution="name one of them",
            )
        self._registry = self.coordinator.book().registry
        self._channel(channel)

    def _guarded(self, what: str, action: Callable[[], None]) -> None:
        try:
            action()
        except QCRSError as error:
            self._say(f"{what}: {error.reason}", solution=error.solution)

    def _once(self, what: str, number: int, words: str) -> None:
        """Say why something is not done, once."""
        if (what, number) not in self._refused:
            self._refused.add((what, number))
            self._say(f"{what} {number} is not accepted: {words}")

    def _mail(self, topic: str, *senders: str, witness: Witness | None = None) -> dict[str, Json] | None:
        """The first mail of a sender on a topic that its witness accepts, where it needs one."""
        if topic not in self._mails:
            if topic not in self._readers:
                self._readers[topic] = self.mailbox.reader(topic, list(senders))
            for mail in self._readers[topic].poll():
                if witness is None or witness.accepts(topic, mail):
                    self._mails.setdefault(topic, mail.body)
        return self._mails.get(topic)

    def _blob(self, cid: Json) -> Json:
        return parse_canonical(self.store.get(str(cid)))

    # ----------------------------------------------------------------- channels

    def _channel(self, channel: Channel) -> None:
        if channel.state is ChannelState.PROPOSED:
            if self.processor not in channel.accepted:
                self._accept(channel)
            return
        for dispute in channel.disputes.values():
            if dispute.upheld is None and self._end(channel) not in dispute.opened:
                self._answer(channel, dispute.epoch, dispute.index)
        if channel.state is ChannelState.LIVE:
            self._attest(channel)

    def _end(self, channel: Channel) -> int:
        return channel.ends.index(self.processor)

    def _accept(self, channel: Channel) -> None:
        terms = channel.terms
        if terms.end_bond > self.policy.most_bond:
            self._once("channel", channel.id, f"a bond of {terms.end_bond} is too much")
        elif terms.pair_price < self.policy.least_pair_price:
            self._once("channel", channel.id, f"{terms.pair_price} for a pair is too little")
        elif terms.deadline > self.coordinator.chain.now():
            self.coordinator.accept(channel.id, self.processor)
            self._say("accepted", channel=channel.id)

    def record(self, channel: Channel, epoch: int) -> EndRecord | None:
        """The end's own record of an epoch; None while it is not there."""
        mail = self._mail(epoch_topic(channel.id, epoch), channel.opener)
        if mail is None:
            return None
        found = EndRecord.from_json(self._blob(named(mail, "records", self._end(channel))))
        if found.end != self._end(channel):
            raise InputError("the record is the other end's", field="end", value=found.end)
        return found

    def _counted(self, channel: Channel, epoch: int, own: EndRecord) -> tuple[Round, ...] | None:
        """Rounds that both ends counted, once the other end has said which ones."""
        end = self._end(channel)
        topic = counted_topic(channel.id, epoch, end)
        if topic not in self._mailed:  # with a second signature each mail is another one
            cosign = cosigner(self._witness(channel, epoch, self.processor), self.coordinator.cosigns)
            cid = self.store.put(canonical_json([list(ids) for ids in sorted(own.round_ids)]))
            self.mailbox.post(topic, {"rounds": cid}, self.account, cosign)
            self._mailed.add(topic)
        peer = channel.ends[1 - end]
        registry = self.coordinator.registry
        mail = self._mail(
            counted_topic(channel.id, epoch, 1 - end),
            registry.owner_of(peer),
            registry.operator_of(peer),
            witness=self._witness(channel, epoch, peer),
        )
        if mail is None:
            return None
        return agreed(own, ids_in(self._blob(named(mail, "rounds"))))

    def _witness(self, channel: Channel, epoch: int, processor: int) -> Witness:
        """Who has to sign an end's mail in an epoch besides its account."""
        return witness_of_end(self.library, self._registry, channel, epoch, processor)

    def _attest(self, channel: Channel) -> None:
        epoch = channel.epoch
        mine = (epoch, self.processor) in channel.attested
        if mine:
            view = self.coordinator.channel(channel.id)
            if view.pending_end and self.coordinator.chain.now() > view.pending_until:
                self.coordinator.lapse(channel.id)
                self._say("lapsed", channel=channel.id, epoch=epoch)
            return
        own = self.record(channel, epoch)
        if own is None:
            return
        both = self._counted(channel, epoch, own)
        if both is None:
            return
        figures = attestation(channel.id, epoch, both, len(own.pairs))
        self.coordinator.attest(channel.id, self.processor, figures)
        self._say("attested", channel=channel.id, epoch=epoch, fidelity=figures.fidelity, pairs=figures.pairs)

    def _answer(self, channel: Channel, epoch: int, index: int) -> None:
        own = self.record(channel, epoch)
        both = None if own is None else self._counted(channel, epoch, own)
        if both is None:
            raise StoreError("the record of a disputed epoch is gone", field="epoch", value=epoch)
        round_, proof = opened(channel.id, epoch, both, index)
        record = channel.settled[epoch].record
        self.coordinator.open_leaf(channel.id, record, self._end(channel), round_, proof)
        self._say("opened", channel=channel.id, epoch=epoch, index=index)

    # ----------------------------------------------------------------- sessions

    def _session(self, book: Book, session: Session) -> None:
        if (session.barrier, self.processor) in session.arrivals:
            if self.coordinator.chain.now() > session.deadline:
                self.coordinator.abort(session.id)
                self._say("aborted", session=session.id, missing=session.missing)
        elif session.state is SessionState.PLAN:
            self._plan(book, session)
        elif session.state is SessionState.READY:
            self._ready(book, session)
        else:
            self._go(session)

    def plan(self, session: Session) -> PlanDocument:
        """The plan's document, held against the request."""
        request = session.request
        made = PlanDocument.from_json(self._blob(digest_to_cid(request.plan_hash)))
        stated = (made.job, made.parties, tuple(c for c, _, _ in made.channels), made.ebits, made.epochs)
        asked = (request.job, request.parties, request.channels, request.ebits, request.epochs)
        if stated != asked or made.most_shots != request.shots:
            raise InputError("the plan is not what the session asks for", field="plan", value=stated)
        problem = made.problem()
        if problem is not None:
            raise InputError(f"the plan does not add up: {problem}", field="ebits", value=made.ebits)
        return made

    def _plan(self, book: Book, session: Session) -> None:
        made, request = self.plan(session), session.request
        for channel, p, q in made.channels:
            if {made.parties[p], made.parties[q]} != set(book.channel(channel).ends):
                raise InputError("a channel of the plan joins others", field="channel", value=channel)
        if request.party_deposit > self.policy.most_deposit:
            self._once("session", session.id, f"a deposit of {request.party_deposit} is too much")
        elif request.fee_per_party < self.policy.least_fee:
            self._once("session", session.id, f"a fee of {request.fee_per_party} is too little")
        else:
            self.coordinator.fund(request.party_deposit)
            self.coordinator.arrive(session.id, PLAN, self.processor, session.digest)
            self._say("planned", session=session.id, pairs=sum(made.ebits))

    def held(self, book: Book, session: Session) -> list[tuple[int, list[tuple[int, int]]]] | None:
        """The pairs of the session that this member holds, by channel; None while they are not there."""
        mail = self._mail(pairs_topic(session.id), session.client)
        if mail is None:
            return None
        made, found = self.plan(session), []
        for number in session.request.channels:
            channel = book.channel(number)
            if self.processor not in channel.ends:
                continue
            own = self.record(channel, epoch_in(mail, number))
            if own is None:
                return None
            if len(own.pairs) < made.pairs(number):
                self.coordinator.decline(session.id, self.processor, AbortCode.LINK_LOST)
                raise InputError("pairs are missing", field="channel", value=number)
            if self._weak(channel, own):
                self.coordinator.decline(session.id, self.processor, AbortCode.FIDELITY_LOW)
                raise InputError("the pairs are too weak", field="channel", value=number)
            found.append((number, list(own.pairs[: made.pairs(number)])))
        return found

    def _weak(self, channel: Channel, own: EndRecord) -> bool:
        if not own.rounds:
            return False
        x, y, z = rates(own.rounds)
        bound = self.coordinator.parameters().max_qber / PPM
        return max(x, z) > bound or (1 - (x + y + z) / 2) * PPM < channel.terms.min_fidelity

    def _ready(self, book: Book, session: Session) -> None:
        pairs = self.held(book, session)
        if pairs is None and self._left(session) < session.barrier_seconds / 2:
            self.coordinator.decline(session.id, self.processor, AbortCode.LINK_LOST)
            self._say("declined: there are no pairs", session=session.id)
        if pairs is not None:
            request = session.request
            word = pair_commitment(request.plan_hash, request.attempt, pairs)
            self.coordinator.arrive(session.id, READY, self.processor, word)
            self._say("ready", session=session.id, pairs=sum(len(ids) for _, ids in pairs))

    def _left(self, session: Session) -> int:
        """Seconds to the barrier's deadline."""
        return session.deadline - self.coordinator.chain.now()

    def _go(self, session: Session) -> None:
        epoch = session.barrier - FIRST_GO
        mail = self._mail(shares_topic(session.id, epoch), session.client)
        if mail is None:
            if self._left(session) < session.barrier_seconds / 4:
                self.coordinator.arrive(session.id, session.barrier, self.processor, NOTHING)
                self._say("was given nothing", session=session.id, epoch=epoch)
            return
        own = Share.from_json(self._blob(named(mail, "shares", str(self.processor))))
        made = self.plan(session)
        shots = [part.rows.shape[0] for part in own.parts]
        if (own.processor, own.epoch, shots) != (
            self.processor, epoch, [one.shots[epoch] for one in made.circuits],
        ):  # fmt: skip
            raise InputError("the transcript is not of this epoch", field="transcript", value=own.epoch)
        self.coordinator.arrive(session.id, session.barrier, self.processor, own.root)
        self._say("went", session=session.id, epoch=epoch)
