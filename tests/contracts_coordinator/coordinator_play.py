"""Common moves on the coordinator, for tests that need a channel or a session in a certain state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from coordinator_words import EpochRecord, Request, Seen, Terms, Tree, rounds_of

DAY_S = 86_400


class Play:
    """Moves by the right accounts with good arguments; whatever a test wants different it names."""

    def __init__(self, stage: Any) -> None:
        self.stage, self.c = stage, stage.coordinator
        self.client: str = stage.client
        for user in (stage.client, *stage.providers):
            self.c.send("deposit", 10_000_000, by=user)

    def terms(self, **changes: Any) -> Terms:
        return replace(Terms(self.stage.now + 40 * DAY_S), **changes)

    def provider(self, processor: int) -> str:
        return str(self.stage.providers[processor - 1])

    def balance(self, account: str) -> int:
        return int(self.c.read("balanceOf", account))

    def channel_state(self, channel: int) -> dict[str, Any]:
        return self._named("channelOf", channel)

    def session_state(self, session: int) -> dict[str, Any]:
        return self._named("sessionOf", session)

    def _named(self, view: str, number: int) -> dict[str, Any]:
        values = self.c.read(view, number)
        return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}

    # -- channels -----------------------------------------------------------------------------

    def propose(self, **changes: Any) -> tuple[int, Terms]:
        terms = self.terms(**changes)
        opened = self.c.send("openChannel", terms.word, by=self.client).one("ChannelOpened")
        return opened["channel"], terms

    def accept(self, channel: int, processor: int, terms: Terms) -> Any:
        digest = terms.hash(self.client)
        return self.c.send("acceptChannel", channel, processor, digest, by=self.provider(processor))

    def live(self, **changes: Any) -> int:
        channel, terms = self.propose(**changes)
        for processor in (terms.processor_a, terms.processor_b):
            self.accept(channel, processor, terms)
        return channel

    def attest(self, channel: int, processor: int, seen: Seen) -> Any:
        return self.c.send("attest", channel, processor, seen.word, by=self.provider(processor))

    def epoch(self, channel: int, a: Seen | None = None, b: Seen | None = None) -> Any:
        """Both ends attest the current epoch, end A first; gives what the second attestation did."""
        state = self.channel_state(channel)
        first, second = (replace(seen or Seen(), epoch=state["epoch"]) for seen in (a, b))
        self.attest(channel, state["processorA"], first)
        return self.attest(channel, state["processorB"], second)

    def measured(self, **changes: Any) -> int:
        channel = self.live(**changes)
        self.epoch(channel)
        return channel

    def paid_with_trees(self, channel: int, flips: tuple[int, ...] = ()) -> tuple[EpochRecord, Tree, Tree]:
        """An epoch whose ends attest real trees; B's differ from A's at `flips`."""
        epoch = self.channel_state(channel)["epoch"]
        trees = [Tree(channel, epoch, rounds_of(150, wrong)) for wrong in ((), flips)]
        seen = [Seen(root=tree.root, rounds=150) for tree in trees]
        event = self.epoch(channel, *seen).one("EpochSettled")
        return EpochRecord.of(event), trees[0], trees[1]

    def open_leaf(self, channel: int, record: EpochRecord, end: int, tree: Tree, index: int) -> Any:
        proof, leaf = tree.proof(index), tree.round(index)
        return self.c.send("openLeaf", channel, record.word, end, leaf, proof, by=self.stage.stranger)

    # -- sessions -----------------------------------------------------------------------------

    def session(self, **changes: Any) -> tuple[int, Request]:
        request = replace(Request(), **changes)
        opened = self.c.send("openSession", request.word, by=self.client).one("SessionOpened")
        return opened["session"], request

    def arrive(self, session: int, request: Request, processor: int, barrier: int) -> Any:
        commitment = request.digest(self.client) if barrier == 0 else bytes([barrier, processor]) * 16
        return self.c.send("arrive", session, barrier, processor, commitment, by=self.provider(processor))

    def pass_barriers(self, session: int, request: Request, *barriers: int) -> Any:
        """All parties arrive at each of the barriers; gives what the last arrival did."""
        done = None
        for barrier in barriers:
            for processor in request.parties:
                done = self.arrive(session, request, processor, barrier)
        return done
