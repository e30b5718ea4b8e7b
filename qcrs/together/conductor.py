"""The client's side of channels and sessions: open, measure, run, retry, close.

The conductor opens channels between processors that the topology joins, has their epochs supplied by QNP,
and takes one job through a session: PLAN, READY, GO epochs, DONE. A session that breaks is aborted at its
deadline with the name of whoever was missing, everybody else's money is back, and the caller plans the next
attempt without the missing. Chain and mail hold all state, so a conductor that died finds its session again
by job and attempt.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from qcrs.chain.bindings import ChannelState, ChannelTerms, SessionRequest, SessionState
from qcrs.client.book import FIRST_GO, READY, Channel, Session
from qcrs.client.coordinator import Coordinator
from qcrs.distributed.noise import BellDiagonal
from qcrs.errors import ContractError, EntanglementError, InputError
from qcrs.qnp.topology import Topology
from qcrs.store import ContentStore, Mailbox
from qcrs.together.agent import epoch_topic, pairs_topic, shares_topic
from qcrs.together.joint import NOISELESS, PERFECT, MemberNoise, Sampled, joint_run
from qcrs.together.plan import PlanDocument, Planned, document_of
from qcrs.together.rounds import PPM, agreed, rates
from qcrs.together.supply import Supplied, circuit_rate, path_hash, supply
from qcrs.together.transcript import Share, shares
from qcrs.types import canonical_json

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = ["Conductor", "Finished", "Offer", "PartyLostError", "estimated"]

MILLI = 1000


class PartyLostError(EntanglementError):
    """A session was aborted; `processors` were missing, as `members` of a union where it was one's."""

    def __init__(
        self, session: int, processors: Sequence[int], reason: str, members: Sequence[int] = ()
    ) -> None:
        names = ", ".join(map(str, processors))
        super().__init__(
            f"session {session} was aborted: {reason}" + (f"; missing: processor {names}" if names else ""),
            field="session",
            value=session,
            solution="plan the next attempt without the missing, or wait until they are back",
        )
        self.session = session
        self.processors = tuple(processors)
        self.members = tuple(members)
        self.words = reason


@dataclass(frozen=True, slots=True)
class Offer:
    """What a conductor offers. Money in base units, times in seconds."""

    pair_price: int = 10
    deposit: int = 1_000_000
    end_bond: int = 100_000
    fee_per_party: int = 50_000
    party_deposit: int = 100_000
    plan_seconds: int = 60
    channel_seconds: int = 86_400


@dataclass(frozen=True, slots=True)
class Finished:
    """A session that is done."""

    session: int
    document: PlanDocument
    samples: tuple[Sampled, ...]
    """Of each circuit, all epochs."""
    pairs: dict[int, int]
    """Pairs delivered for it and used by it, by channel."""


@dataclass(slots=True)
class _Link:
    """A channel that this conductor opened, with the circuit of the network behind it."""

    channel: int
    circuit: str
    state: BellDiagonal
    """As the last test rounds tell."""
    rate: float
    epoch: int = 0
    """The last one that was handed to its ends."""


@dataclass
class Conductor:
    """Channels and sessions of one client over one network.

    `processors` maps nodes of the topology to processors on chain. `between` is called whenever there is
    nothing to do but to wait for others.
    """

    coordinator: Coordinator
    store: ContentStore
    account: LocalAccount
    topology: Topology
    processors: Mapping[str, int]
    seed: int = 0
    driver: str = "heap"
    offer: Offer = field(default_factory=Offer)
    between: Callable[[], None] = lambda: time.sleep(0.05)
    say: Callable[[str], None] = lambda _words: None
    links: dict[tuple[int, int], _Link] = field(default_factory=dict)
    """By processors, in the order of the channel's ends."""

    def __post_init__(self) -> None:
        self.mailbox = Mailbox(self.store)

    # ----------------------------------------------------------------- channels

    def open(self, circuit: str) -> int:
        """A channel over a circuit of the network: offered, accepted by both ends, its first epoch settled.

        A live channel of the same path is taken up again. Raises `EntanglementError` where an end does not
        accept in time or quality is past the bounds.
        """
        spec = next((one for one in self.topology.circuits if one.name == circuit), None)
        if spec is None:
            names = ", ".join(one.name for one in self.topology.circuits) or "none"
            raise InputError(
                "no such circuit in the network",
                field="circuit",
                value=circuit,
                solution=f"its circuits: {names}",
            )
        ends = self._processor(spec.head), self._processor(spec.tail)
        path = path_hash(self.topology, circuit)
        known = self._known(ends, path)
        number = known.id if known is not None else self._propose(circuit, ends, path, spec.fidelity)
        self._wait(
            lambda: self.coordinator.book().channel(number).state is not ChannelState.PROPOSED,
            self.offer.plan_seconds,
            f"channel {number} is not accepted by both ends",
        )
        link = self.links[ends] = _Link(number, circuit, PERFECT, circuit_rate(self.topology, circuit))
        channel = self.coordinator.book().channel(number)
        if channel.settled:
            link.state = _attested(channel)
        else:
            self.measure([number])
        return number

    def _processor(self, node: str) -> int:
        if node not in self.processors:
            raise InputError(
                "a node of the network is no processor of the exchange",
                field="node",
                value=node,
                solution="register a processor of this name, or name it in the topology as one that is",
            )
        return self.processors[node]

    def _known(self, ends: tuple[int, int], path: bytes) -> Channel | None:
        now = self.coordinator.chain.now()
        for channel in self.coordinator.book().channels.values():
            alive = channel.state in (ChannelState.PROPOSED, ChannelState.LIVE)
            mine = channel.opener == self.account.address and channel.ends == ends
            if mine and alive and channel.terms.path_hash == path and channel.terms.deadline > now + 3600:
                return channel
        return None

    def _propose(self, circuit: str, ends: tuple[int, int], path: bytes, fidelity: float) -> int:
        terms = ChannelTerms(
            processor_a=ends[0],
            processor_b=ends[1],
            path_hash=path,
            min_fidelity=max(500_001, round(fidelity * PPM)),
            pair_rate=max(1, int(circuit_rate(self.topology, circuit) * MILLI)),
            deadline=self.coordinator.chain.now() + self.offer.channel_seconds,
            pair_price=self.offer.pair_price,
            deposit=self.offer.deposit,
            end_bond=self.offer.end_bond,
        )
        number = self.coordinator.open_channel(terms)
        self.say(f"channel {number} over {circuit} is offered to processors {ends[0]} and {ends[1]}")
        return number

    @property
    def channels(self) -> dict[tuple[int, int], int]:
        """Open channels by their ends."""
        return {ends: link.channel for ends, link in self.links.items()}

    def measure(self, channels: Sequence[int]) -> dict[int, Supplied]:
        """One epoch for learning what the channels are worth: as many pairs as the test rounds need."""
        least = self.coordinator.parameters().min_test_rounds
        found = self.supplied(dict.fromkeys(channels, least))
        self._settled(channels)
        return found

    def supplied(self, pairs: Mapping[int, int]) -> dict[int, Supplied]:
        """Run QNP for the current epoch of these channels and hand both ends their records."""
        links = {link.channel: link for link in self.links.values()}
        least = self.coordinator.parameters().min_test_rounds
        self._settled(pairs)
        book = self.coordinator.book()
        epochs = {number: book.channel(number).epoch for number in pairs}
        seed = self._seed(*sorted(epochs.items()))
        wanted = {links[number].circuit: count for number, count in pairs.items()}
        made = supply(self.topology, wanted, seed=seed, rounds=least, driver=self.driver)
        out = {}
        for number in pairs:
            one = out[number] = made[links[number].circuit]
            records = [self.store.put(canonical_json(end.as_json())) for end in one.ends]
            self.mailbox.post(epoch_topic(number, epochs[number]), {"records": records}, self.account)
            rounds = agreed(one.head, one.tail.round_ids)
            links[number].state, links[number].rate = estimated(rates(rounds)), one.rate
            links[number].epoch = epochs[number]
            self.say(f"channel {number}: {len(one.head.pairs)} pairs, {len(rounds)} test rounds")
        return out

    def _seed(self, *parts: object) -> int:
        """Seeds of runs differ, and follow from the conductor's own."""
        text = f"qcrs/supply/{self.seed}/{parts}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1

    def _settled(self, channels: Iterable[int]) -> None:
        """Wait until the ends have settled what was handed to them; raise where a channel ended instead."""
        handed = {link.channel: link.epoch for link in self.links.values()}

        def settled() -> bool:
            book = self.coordinator.book()
            for number in channels:
                channel = book.channel(number)
                if channel.state is not ChannelState.LIVE:
                    why = "" if channel.quarantined is None else f": {channel.quarantined.name.lower()}"
                    raise EntanglementError(
                        f"channel {number} is {channel.state.name.lower()}{why}",
                        field="channel",
                        value=number,
                        solution="look at its last epoch with `qcrs channel show`; open another one",
                    )
            return all(book.channel(number).epoch > handed[number] for number in channels)

        window = self.coordinator.parameters().attest_window
        self._wait(settled, window, "an epoch is not attested by both ends")

    def close(self, channel: int) -> int:
        """Close a channel whose time is over; what came back to its parties."""
        self.coordinator.close(channel)
        return self.coordinator.book().channel(channel).returned

    # ----------------------------------------------------------------- sessions

    def run(
        self,
        job: int,
        planned: Sequence[Planned],
        noise: Mapping[int, MemberNoise] | None = None,
        *,
        epochs: int = 1,
        seed: int | None = None,
    ) -> Finished:
        """One attempt at a job: a session from PLAN to DONE, its joint run in this process.

        `noise` by processor. Raises `PartyLostError` where it was aborted, and `EntanglementError` where QNP
        gave too few pairs.
        """
        document = document_of(job, planned, self.channels, epochs)
        taken: list[list[Sampled]] = [[] for _ in planned]

        def perform(epoch: int, states: Mapping[int, BellDiagonal]) -> list[Share]:
            parts = []
            for number, (one, circuit) in enumerate(zip(planned, document.circuits, strict=True)):
                by_pair = {
                    (p, q): states[channel]
                    for p, q, channel in self._joining(one.members)
                    if channel in states
                }
                run = joint_run(one.plan, [(noise or {}).get(m, NOISELESS) for m in one.members], by_pair)
                draw = None if seed is None else self._seed("aer", seed, number, epoch)
                taken[number].append(run.sample(circuit.shots[epoch], draw))
                parts.append((taken[number][-1], circuit.messages, circuit.readers))
            return shares(parts, document.parties, epoch)

        session, pairs = self.session(document, perform)
        samples = tuple(
            Sampled(np.vstack([s.program for s in parts]), np.vstack([s.outcomes for s in parts]))
            for parts in taken
        )
        return Finished(session, document, samples, pairs)

    def _joining(self, members: Sequence[int]) -> list[tuple[int, int, int]]:
        """Channels by the planner's numbers: (p, q, channel), p < q."""
        found = []
        for (head, tail), link in self.links.items():
            if head in members and tail in members:
                p, q = sorted((members.index(head), members.index(tail)))
                found.append((p, q, link.channel))
        return found

    def session(
        self,
        document: PlanDocument,
        perform: Callable[[int, Mapping[int, BellDiagonal]], Sequence[Share]],
    ) -> tuple[int, dict[int, int]]:
        """Take a plan from PLAN to DONE; the session's number, and the pairs delivered for it by channel.

        `perform(epoch, states)` is called once all are ready: it runs an epoch in the shared physics, with
        the states of each channel's pairs, and gives each party's transcript.
        """
        number = self._open(document)
        self._until(number, READY)
        wanted = {channel: document.pairs(channel) for channel, _, _ in document.channels}
        made = self.supplied(wanted)
        handed = {str(link.channel): link.epoch for link in self.links.values() if link.channel in wanted}
        self.mailbox.post(pairs_topic(number), {"epochs": handed}, self.account)
        states = {channel: one.state for channel, one in made.items()}
        for epoch in range(document.epochs):
            self._until(number, FIRST_GO + epoch)
            found = perform(epoch, states)
            cids = {str(one.processor): self.store.put(canonical_json(one.as_json())) for one in found}
            self.mailbox.post(shares_topic(number, epoch), {"shares": cids}, self.account)
        self._until(number, FIRST_GO + document.epochs)
        self._settled(wanted)
        self.say(f"session {number} is done")
        return number, wanted

    def _open(self, document: PlanDocument) -> int:
        if not document.channels:
            raise InputError(
                "a plan without pairs needs no session",
                field="plan",
                value=0,
                solution="run it on one processor",
            )
        self.store.put(document.data)
        me = self.account.address
        attempt = self.coordinator.next_attempt(me, document.job)
        running = self._running(document)
        if running is not None and running.state is SessionState.PLAN:
            return running.id
        if running is not None:  # what it had computed died with its conductor; quantum states are not kept
            self._until(running.id, FIRST_GO + document.epochs)
            attempt = self.coordinator.next_attempt(me, document.job)
        request = SessionRequest(
            job=document.job,
            attempt=attempt,
            plan_hash=document.digest,
            parties=document.parties,
            channels=tuple(number for number, _, _ in document.channels),
            ebits=document.ebits,
            shots=document.most_shots,
            epochs=document.epochs,
            plan_seconds=self.offer.plan_seconds,
            fee_per_party=self.offer.fee_per_party,
            party_deposit=self.offer.party_deposit,
        )
        number = self.coordinator.open_session(request)
        pairs = sum(document.ebits)
        self.say(
            f"session {number}: attempt {attempt}, {len(document.parties)} parties, {pairs} pairs a shot"
        )
        return number

    def _running(self, document: PlanDocument) -> Session | None:
        """The session of this very plan that an earlier conductor left."""
        for session in self.coordinator.book().sessions.values():
            same = session.client == self.account.address and session.request.job == document.job
            if same and session.running and session.request.plan_hash == document.digest:
                return session
        return None

    def _until(self, number: int, barrier: int) -> None:
        """Wait until a session has come so far; abort it where its deadline passes first."""
        while True:
            session = self.coordinator.book().session(number)
            if session.state is SessionState.ABORTED:
                words = f"{session.code.name.lower().replace('_', ' ')} at barrier {session.barrier}"
                raise PartyLostError(number, session.blamed, words)
            if session.state is SessionState.DONE or session.barrier >= barrier:
                return
            if self.coordinator.chain.now() > session.deadline:
                try:
                    self.coordinator.abort(number)
                except ContractError:  # a member was faster, or the last one just arrived
                    self.between()
                continue
            self.between()

    def _wait(self, true: Callable[[], bool], seconds: float, words: str) -> None:
        until = self.coordinator.chain.now() + seconds
        while not true():
            if self.coordinator.chain.now() > until:
                raise EntanglementError(
                    words,
                    field="seconds",
                    value=seconds,
                    solution="see that the members' nodes run and accept",
                )
            self.between()


def _attested(channel: Channel) -> BellDiagonal:
    """The state that the first end attested last: the rate on Y follows from the fidelity."""
    figures = channel.attested[max(channel.settled), channel.ends[0]]
    x, z, fidelity = figures.qber_x / PPM, figures.qber_z / PPM, figures.fidelity / PPM
    return estimated((x, 2 * (1 - fidelity) - x - z, z))


def estimated(found: tuple[float, float, float]) -> BellDiagonal:
    """The state that test rounds' error rates speak of, brought back to the nearest that exists."""
    xx, yy, zz = (1 - 2 * rate for rate in found)
    weights = np.array([1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz]) / 4
    weights = np.clip(weights, 0, None)
    weights /= weights.sum()
    return BellDiagonal(*(float(w) for w in weights))
