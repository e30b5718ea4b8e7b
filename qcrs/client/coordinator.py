"""Channels and sessions as their parties use them: typed operations on the EntanglementCoordinator.

One object serves an opener, a member's agent and a reader; what differs is the `Poster` that signs. Every
transaction has a name that says what it does once (`arrive/SESSION/BARRIER/PROCESSOR`), so whoever died in
the middle posts the rest and nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from qcrs.chain.abi import Call, Event
from qcrs.chain.bindings import (
    AbortCode,
    Attestation,
    ChannelTerms,
    ChannelView,
    ComputationAllocator,
    CorrectionRecord,
    EntanglementCoordinator,
    EpochRecord,
    Parameters,
    ProcessorRegistry,
    ResourceCredit,
    SessionRequest,
    SessionView,
    TestRound,
)
from qcrs.chain.index import EventIndex
from qcrs.client.book import Book
from qcrs.client.cosigned import Cosigns
from qcrs.client.history import Logged
from qcrs.client.sealed import Place
from qcrs.client.source import catch_up
from qcrs.config.home import Home, NetworkFile
from qcrs.errors import AccountError, ChainError, ConfigError

if TYPE_CHECKING:
    from qcrs.chain.networks import Chain, Receipt
    from qcrs.chain.sender import Sender
    from qcrs.client.exchange import Exchange
    from qcrs.client.participant import Participant

__all__ = ["Coordinator", "Poster", "of_exchange", "of_participant", "of_sender"]

NAME = "EntanglementCoordinator"
GAS = 1_500_000
"""Enough for the dearest call, the end of a session of eight parties by quarantine aside."""
Found = TypeVar("Found", bound=Event)
Signs = Callable[[EntanglementCoordinator, int, int, Attestation], Call | None]
"""Makes an attestation with the processor's post-quantum key; None for a processor without one."""


class Poster(Protocol):
    """Who signs: sends a call once under its key and waits for its block."""

    @property
    def address(self) -> str:
        """The account."""

    def post(self, key: str, call: Call) -> Receipt:
        """Raises `ContractError` where the contract refuses; then nothing was sent."""


class _Posts:
    """A `Poster` from a function."""

    def __init__(self, address: Callable[[], str], post: Callable[[str, Call], Receipt]) -> None:
        self._address, self._post = address, post

    @property
    def address(self) -> str:
        return self._address()

    def post(self, key: str, call: Call) -> Receipt:
        return self._post(key, call)


def of_exchange(exchange: Exchange) -> Poster:
    """A client's account."""
    return _Posts(lambda: exchange.address, exchange.post)


def of_participant(party: Participant) -> Poster:
    """A daemon's account, through its outbox."""

    def post(key: str, call: Call) -> Receipt:
        party.post(f"together/{key}", call, GAS)
        return party.outbox.wait(f"together/{key}")

    return _Posts(lambda: party.address, post)


def of_sender(sender: Sender) -> Poster:
    """A plain key; what was sent before a crash is not remembered."""
    return _Posts(lambda: sender.address, lambda _key, call: sender.transact(call))


class Coordinator:
    """The contract, its book and one account. Thread-safe."""

    def __init__(
        self,
        chain: Chain,
        network: NetworkFile,
        home: Home,
        poster: Poster | None = None,
        *,
        name: str = "client",
    ) -> None:
        """`name` tells index files of participants apart that share a home."""
        if NAME not in network.contracts:
            raise ConfigError(
                "the network names no address of a contract",
                field="contracts",
                value=NAME,
                solution="deploy with `qcrs deploy`, or copy the network's network.json",
            )
        self.chain = chain
        self.address = network.contracts[NAME]
        self.contract = EntanglementCoordinator(chain, self.address)
        self.registry = ProcessorRegistry(chain, network.contracts["ProcessorRegistry"])
        self._credit = ResourceCredit(chain, network.contracts["ResourceCredit"])
        self._allocator = ComputationAllocator(chain, network.contracts["ComputationAllocator"])
        self._poster = poster
        self.signs: Signs | None = None
        self.cosigns: Cosigns | None = None
        """Makes the second signature of mail of a processor with a post-quantum key."""
        self.place = Place(chain.chain_id, self._allocator.address)
        self._lock = threading.RLock()
        genesis = (chain.block_hash(0) or b"").hex()[:8]
        file = f"{name}-{chain.chain_id}-{genesis}-{self.address[2:10].lower()}.keys.sqlite"
        watched = {NAME: self.address, "ProcessorRegistry": self.registry.address}
        self._index = EventIndex(home.path("client", "together", file), chain, watched)
        self._book = Book(self.place)
        self._seen = 0
        self._rewinds = self._index.rewinds

    @property
    def poster(self) -> Poster:
        """The account that signs; `AccountError` for a reader."""
        if self._poster is None:
            raise AccountError(
                "this needs an account", field="account", solution="name one with --account or $QCRS_ACCOUNT"
            )
        return self._poster

    # ----------------------------------------------------------------- reading

    def book(self) -> Book:
        """Channels and sessions up to the head of the chain."""
        with self._lock:
            catch_up(self._index)
            if self._index.rewinds != self._rewinds:
                self._rewinds, self._seen, self._book = self._index.rewinds, 0, Book(self.place)
            for row in self._index.events(after=self._seen):
                place = Logged(row.event, row.block, row.timestamp, row.log_index, row.transaction.hex())
                self._book.apply(place)
                self._seen = row.seq
            return self._book

    def channel(self, number: int) -> ChannelView:
        """A channel as the contract holds it."""
        return self.contract.channel_of(number)

    def session(self, number: int) -> SessionView:
        """A session as the contract holds it."""
        return self.contract.session_of(number)

    def parameters(self) -> Parameters:
        """What STANDARDS has set."""
        return self.contract.current_parameters()

    def balance(self, address: str | None = None) -> int:
        """Free balance in the coordinator, in base units."""
        return self.contract.balance_of(address or self.poster.address)

    def barrier_seconds(self, request: SessionRequest) -> int:
        """How long a barrier of this session may take."""
        return self.contract.barrier_seconds(request)

    # ----------------------------------------------------------------- money

    def fund(self, amount: int) -> None:
        """Make the balance reach `amount`, from the account's credit and from its balance in the exchange."""
        me = self.poster.address
        missing = amount - self.balance()
        if missing <= 0:
            return
        held, free = self._credit.balance_of(me), self._allocator.balance_of(me)
        if held + free < missing:
            raise AccountError(
                f"{missing} base units more are needed and the account owns {held + free}",
                field="account",
                value=me,
                solution="get credit, or ask for less",
            )
        # What was done before is another stage, so the names of a second round differ.
        stage = f"{me}/{self.balance()}/{held}/{free}/{self.chain.height}"
        if held < missing:
            self.poster.post(f"collect/{stage}", self._allocator.withdraw(me, missing - held))
        if self._credit.allowance(me, self.address) < missing:
            self.poster.post(f"approve/{stage}", self._credit.approve(self.address, missing))
        self.poster.post(f"deposit/{stage}", self.contract.deposit(missing))

    def withdraw(self, amount: int | None = None) -> int:
        """Take free balance (all of it without `amount`) back as credit; gives what was taken."""
        me, free = self.poster.address, self.balance()
        wanted = free if amount is None else amount
        if wanted:
            key = f"withdraw/{me}/{wanted}/{self.chain.height}"
            self.poster.post(key, self.contract.withdraw(me, wanted))
        return wanted

    # ----------------------------------------------------------------- channels

    def open_channel(self, terms: ChannelTerms) -> int:
        """Offer a channel to its two ends; its number."""
        self.fund(terms.deposit)
        key = f"open/{terms.processor_a}/{terms.processor_b}/{terms.deadline}/{len(self.book().channels)}"
        receipt = self.poster.post(key, self.contract.open_channel(terms))
        return self._event(receipt, EntanglementCoordinator.ChannelOpened).channel

    def accept(self, channel: int, processor: int) -> None:
        """Accept the terms that the book shows, and lock the bond."""
        found = self.book().channel(channel)
        self.fund(found.terms.end_bond)
        hash_ = self.contract.terms_hash(found.terms, found.opener)
        self._do(f"accept/{channel}/{processor}", self.contract.accept_channel(channel, processor, hash_))

    def top_up(self, channel: int, amount: int) -> None:
        """More deposit."""
        self.fund(amount)
        left = self.channel(channel).deposit
        self._do(f"topup/{channel}/{left}/{self.chain.height}", self.contract.top_up(channel, amount))

    def attest(self, channel: int, processor: int, attestation: Attestation) -> None:
        """One end's view of the current epoch."""
        key = f"attest/{channel}/{attestation.epoch}/{processor}"
        signed = None if self.signs is None else self.signs(self.contract, channel, processor, attestation)
        self._do(key, signed or self.contract.attest(channel, processor, attestation))

    def lapse(self, channel: int) -> None:
        """End an epoch whose other end stayed silent."""
        epoch = self.channel(channel).epoch
        self._do(f"lapse/{channel}/{epoch}", self.contract.lapse(channel))

    def dispute(self, channel: int, record: EpochRecord, index: int) -> None:
        """Demand that both ends open a test round; stakes the channel's penalty."""
        self.fund(self.channel(channel).penalty)
        key = f"dispute/{channel}/{record.epoch}/{index}"
        self._do(key, self.contract.dispute(channel, record, index))

    def open_leaf(
        self, channel: int, record: EpochRecord, end: int, round_: TestRound, proof: tuple[bytes, ...]
    ) -> None:
        """Open a disputed test round for one end."""
        key = f"leaf/{channel}/{record.epoch}/{round_.index}/{end}"
        self._do(key, self.contract.open_leaf(channel, record, end, round_, proof))

    def resolve(self, channel: int, record: EpochRecord, index: int) -> None:
        """End a dispute that was not answered in time."""
        key = f"resolve/{channel}/{record.epoch}/{index}"
        self._do(key, self.contract.resolve_dispute(channel, record, index))

    def retire(self, channel: int) -> None:
        """End a channel early."""
        self._do(f"retire/{channel}", self.contract.retire_channel(channel))

    def close(self, channel: int) -> None:
        """Pay deposit and bonds back to their owners."""
        self._do(f"close/{channel}", self.contract.close_channel(channel))

    # ----------------------------------------------------------------- sessions

    def open_session(self, request: SessionRequest) -> int:
        """Open a session and lock the parties' fees; its number. The same (job, attempt) opens once."""
        self.fund(request.fee_per_party * len(request.parties))
        key = f"session/{self.poster.address}/{request.job}/{request.attempt}"
        receipt = self.poster.post(key, self.contract.open_session(request))
        return self._event(receipt, EntanglementCoordinator.SessionOpened).session

    def next_attempt(self, client: str, job: int) -> int:
        """The attempt that a client's job has next."""
        return self.contract.attempts_of(client, job)[1]

    def arrive(self, session: int, barrier: int, processor: int, commitment: bytes) -> None:
        """Reach a barrier."""
        key = f"arrive/{session}/{barrier}/{processor}"
        self._do(key, self.contract.arrive(session, barrier, processor, commitment))

    def decline(self, session: int, processor: int, code: AbortCode) -> None:
        """Step back before GO."""
        self._do(f"decline/{session}/{processor}", self.contract.decline(session, processor, code))

    def cancel(self, session: int) -> None:
        """Take a plan back that not all have accepted."""
        self._do(f"cancel/{session}", self.contract.cancel_session(session))

    def abort(self, session: int) -> None:
        """End a session whose barrier is late."""
        self._do(f"abort/{session}", self.contract.abort(session))

    def attest_correction(self, session: int, processor: int, record: CorrectionRecord) -> None:
        """A party's word on the session's error correction."""
        key = f"correction/{session}/{processor}"
        self._do(key, self.contract.attest_correction(session, processor, record))

    # ----------------------------------------------------------------- helpers

    def _do(self, key: str, call: Call) -> None:
        self.poster.post(key, call)

    def _event(self, receipt: Receipt, kind: type[Found]) -> Found:
        """The one event of a kind in a receipt."""
        for log in receipt.logs:
            here = log.address.lower() == self.address.lower()
            if here and log.topics and log.topics[0] == kind.TOPIC:
                found: Found = kind.from_log(log.topics, log.data)
                return found
        raise ChainError("a receipt lacks its event", field="event", value=kind.NAME)

    def close_index(self) -> None:
        """Release the file."""
        self._index.close()
