"""One account's live view of a network, and its means to act on it: the ground that daemons stand on.

Chain, contracts, store, mail, the history folded from the event index, and an outbox that posts every
transaction once however often the process dies. Everything kept on disk is below the home folder, under the
participant's name; a restart reads it and goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from qcrs.chain.abi import Call
from qcrs.chain.bindings import (
    ComputationAllocator,
    OracleQuorum,
    ProcessorRegistry,
    ResourceCredit,
    ResultVerifier,
)
from qcrs.chain.index import EventIndex, EventRow
from qcrs.chain.networks import Chain, connect
from qcrs.chain.outbox import Entry, Outbox
from qcrs.client.documents import JobDocument
from qcrs.client.history import History, Job, Logged
from qcrs.client.identities import OracleIdentity, read_identities
from qcrs.client.journal import Journal, tell
from qcrs.client.sealed import Place, parse_job_document
from qcrs.config.home import Home, NetworkFile
from qcrs.errors import ChainError, ConfigError, NetworkError, QCRSError
from qcrs.sealing import HpkeKey
from qcrs.store.content import ContentStore
from qcrs.store.mail import Mailbox
from qcrs.types import Json, digest_to_cid, parse_canonical

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from qcrs.client.quantum import QuantumIdentity

__all__ = ["Participant", "patiently"]

_PAUSE_S = 1.0
"""Between two attempts to reach a chain that is away."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Contracts:
    allocator: ComputationAllocator
    registry: ProcessorRegistry
    verifier: ResultVerifier
    quorum: OracleQuorum
    credit: ResourceCredit


def patiently(action: Callable[[], T], journal: Journal, stop: threading.Event) -> T:
    """Do what needs the chain as soon as it answers: a daemon may start before it or while it is away.

    Raises what is not mended by waiting, and the last failure once `stop` is set.
    """
    told = False
    while True:
        try:
            return action()
        except NetworkError as error:
            if type(error) is not NetworkError or stop.is_set():
                raise
            journal.error("waiting for the chain", error)
            if not told:
                tell(f"{error.reason}; waiting until it can")
                told = True
        stop.wait(_PAUSE_S)


def _logged(row: EventRow) -> Logged:
    return Logged(row.event, row.block, row.timestamp, row.log_index, "0x" + row.transaction.hex())


class Participant:
    """A daemon's connection. One process a name: the outbox refuses a second one.

    `chain` is given where it runs in this process; then it stays open when the participant closes.
    """

    def __init__(self, home: Home, account: LocalAccount, name: str, *, chain: Chain | None = None) -> None:
        self.home = home
        self.account = account
        self.address: str = account.address
        self.name = name
        self.network: NetworkFile = home.load()
        self._own_chain = chain is None
        self.chain: Chain = connect(self.network.rpc) if chain is None else chain
        if self.chain.chain_id != self.network.chain_id:
            raise ConfigError(
                "the chain is another one than this network's",
                field="chain_id",
                value=self.chain.chain_id,
                solution=f"network.json expects {self.network.chain_id}; correct rpc, or use another --home",
            )
        places = self.network.contracts
        try:
            self.contracts = _Contracts(
                ComputationAllocator(self.chain, places["ComputationAllocator"]),
                ProcessorRegistry(self.chain, places["ProcessorRegistry"]),
                ResultVerifier(self.chain, places["ResultVerifier"]),
                OracleQuorum(self.chain, places["OracleQuorum"]),
                ResourceCredit(self.chain, places["ResourceCredit"]),
            )
        except KeyError as error:
            raise ConfigError(
                "network.json lacks a contract's address",
                field="contracts",
                value=str(error),
                solution="copy network.json from the network's operator again",
            ) from error
        self.place = Place(self.chain.chain_id, places["ComputationAllocator"])
        self.hpke = HpkeKey.from_account(account)
        self.hpke_keys: tuple[HpkeKey, ...] = (self.hpke,)
        self.identity: QuantumIdentity | None = None
        """Of a node whose account has one, once it is opened (`qcrs.client.quantum.equip`); then `hpke` is
        its envelope key, and of `hpke_keys` the account's opens what was sealed before."""
        self.store = ContentStore(self.network.store)
        self.mailbox = Mailbox(self.store)
        watched = {
            key: places[key]
            for key in ("ComputationAllocator", "ProcessorRegistry", "ResultVerifier", "OracleQuorum")
        }
        self.index = EventIndex(
            home.path("state", f"{name}.index.db"),
            self.chain,
            watched,
            confirmations=self.network.confirmations,
        )
        self.outbox = Outbox(
            home.path("state", f"{name}.outbox.db"), self.chain, account, self.network.confirmations
        )
        self.history = History()
        self._seen = 0
        self._rewinds = self.index.rewinds
        self._era = 0
        self._eras: dict[int, tuple[OracleIdentity, ...]] = {}
        self._documents = lru_cache(maxsize=256)(self._read_document)
        self._metadata = lru_cache(maxsize=256)(self._read_metadata)

    # ----------------------------------------------------------------- reading

    def refresh(self) -> list[Logged]:
        """Read new blocks; returns the new events. After a reorganisation all events count as new."""
        self.index.advance()
        if self.index.rewinds != self._rewinds:
            self._rewinds, self._seen, self._era = self.index.rewinds, 0, 0
            self.history = History()
        rows = self.index.events(after=self._seen)
        events = [_logged(row) for row in rows]
        self.history.apply_all(events)
        for row in rows:
            self._seen = row.seq
            if row.name == "EraStarted":
                self._era = int(row.args["era"])
        return events

    def job_document(self, job: Job) -> JobDocument:
        """The public document of a job; `StoreError` or `InputError` where it is not to be had."""
        return self._documents(job.request.payload)

    def _read_document(self, payload: bytes) -> JobDocument:
        return parse_job_document(self.store.get(digest_to_cid(payload)))

    def metadata_of(self, processor: int) -> Json:
        """A processor's public document."""
        return self._metadata(self.history.processors[processor].metadata)

    def _read_metadata(self, digest: bytes) -> Json:
        return parse_canonical(self.store.get(digest_to_cid(digest)))

    def document(self, digest: bytes) -> Mapping[str, Any]:
        """A public JSON document by its content digest; empty where it is missing or not JSON."""
        try:
            found = self._metadata(digest)
        except QCRSError:
            return {}
        return found if isinstance(found, dict) else {}

    def oracles(self, era: int) -> tuple[OracleIdentity, ...]:
        """An era's oracles in the order of their indices; `VerificationError` if their document is wrong."""
        found = self._eras.get(era)
        if found is None:
            document = next(
                (
                    bytes.fromhex(row.args["identities"][2:])
                    for row in self.index.events(name="EraStarted", contract="OracleQuorum")
                    if row.args["era"] == era
                ),
                None,
            )
            if document is None:
                raise ChainError("no such oracle era", field="era", value=era)
            signers = self.contracts.quorum.signers_of(era)
            data = self.store.get(digest_to_cid(document))
            found = self._eras[era] = read_identities(data, list(signers), check_keys=True)
        return found

    @property
    def era(self) -> int:
        """The oracle era at the last refresh, 0 before the first."""
        return self._era

    # ----------------------------------------------------------------- acting

    def post(self, key: str, call: Call, gas: int) -> Entry:
        """Send a transaction once; what the contract would refuse raises and leaves no trace."""
        known = self.outbox.entry(key)
        if known is not None:
            return known
        self.chain.call(call, sender=self.address)
        return self.outbox.post(key, call, gas=gas)

    def close(self) -> None:
        """Release files and connection."""
        self.outbox.close()
        self.index.close()
        if self.identity is not None:
            self.identity.close()
        if self._own_chain:
            self.chain.close()
