"""How a node takes part in entanglement: as a member, and as a union whose jobs become sessions.

Every node has an agent for its processor. A node whose device is `together:…` also conducts: it opens
channels between its members, has each job rehearsed in its child, takes the plan through a session, and hands
the child the states of the pairs that QNP delivered once all members are ready. A session that breaks is done
again without whoever was missing, as often as the contract lets it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qcrs.client.coordinator import Coordinator, of_participant
from qcrs.client.journal import Journal
from qcrs.client.participant import Participant
from qcrs.client.quantum import identity_of, sign_with_identity
from qcrs.distributed.noise import BellDiagonal
from qcrs.errors import EntanglementError, QCRSError
from qcrs.node.devices import UNION_PREFIX
from qcrs.node.together import Union, state_words
from qcrs.sandbox import Limits, Sandbox
from qcrs.together.agent import Agent
from qcrs.together.conductor import Conductor, PartyLostError
from qcrs.together.plan import PlanDocument
from qcrs.together.transcript import Share
from qcrs.types import Json, canonical_json, parse_canonical

if TYPE_CHECKING:
    from qcrs.client.history import Processor

__all__ = ["Runner", "SharedRunner", "agent_of", "runner_of"]

Runner = Callable[[dict[str, Any], Limits], bytes]
"""Runs a job's words (see `qcrs.node.runner.as_payload`) and gives the result document's bytes."""
NAME = "qcrs.node.together"


def _coordinator(party: Participant) -> Coordinator:
    found = Coordinator(party.chain, party.network, party.home, of_participant(party), name=party.name)
    sign_with_identity(found, party.identity or identity_of(party), party.store)
    return found


def agent_of(party: Participant, processor: int, journal: Journal) -> Agent:
    """The agent of a node's own processor."""
    return Agent(_coordinator(party), party.store, party.account, processor, say=journal.write)


def runner_of(party: Participant, sandbox: Sandbox, spec: str, journal: Journal) -> Runner:
    """What runs a node's jobs: its child alone, or sessions around it."""

    def alone(words: dict[str, Any], limits: Limits) -> bytes:
        return bytes(sandbox.call("qcrs.node.runner:run", canonical_json(words), limits))

    if not spec.startswith(UNION_PREFIX):
        return alone
    return SharedRunner(party, sandbox, spec, journal, alone)


class SharedRunner:
    """Jobs of a union, one session at a time. Channels are opened with the first job, or by `prepare`."""

    def __init__(
        self, party: Participant, sandbox: Sandbox, spec: str, journal: Journal, alone: Runner
    ) -> None:
        from qcrs.node.devices import union_of

        self.party, self.sandbox, self.spec, self.journal = party, sandbox, spec, journal
        self.union: Union = union_of(spec)
        self.stop = threading.Event()
        self._alone = alone
        self._lock = threading.Lock()
        self._conductor: Conductor | None = None
        self._absent: set[int] = set()
        """Members, by place, that were missing from a session of the job at hand."""
        self._sharings: list[Json] = []
        """Of the last rehearsal, so that the run need not look for them again."""

    def prepare(self) -> Conductor:
        """Open what is not open; `EntanglementError` where a member is missing or does not accept."""
        with self._lock:
            if self._conductor is None:
                self._conductor = self._conducted()
            for circuit in self.union.pairs.values():
                self._conductor.open(circuit)
            return self._conductor

    def _conducted(self) -> Conductor:
        coordinator = _coordinator(self.party)
        return Conductor(
            coordinator,
            self.party.store,
            self.party.account,
            self.union.topology,
            self._members(),
            seed=coordinator.chain.chain_id,
            between=self._wait,
            say=lambda words: self.journal.write("together", words=words),
        )

    def _wait(self) -> None:
        if self.stop.wait(0.1):
            raise EntanglementError("the node stops", solution="start it again; the job goes on")

    def _members(self) -> dict[str, int]:
        """Processors of the exchange that have the members' names."""
        named: dict[str, int] = {}
        for one in self.party.history.processors.values():
            if not one.retired:
                named[self._name(one)] = one.id
        missing = [one.name for one in self.union.members if one.name not in named]
        if missing:
            raise EntanglementError(
                "a member of the union is no processor of the exchange",
                field="members",
                value=missing[0],
                solution="start its node, or name another member",
            )
        return {one.name: named[one.name] for one in self.union.members}

    def _name(self, processor: Processor) -> str:
        try:
            return str(self.party.metadata_of(processor.id)["name"])
        except (QCRSError, KeyError, TypeError):
            return ""

    def __call__(self, words: dict[str, Any], limits: Limits) -> bytes:
        """Run one job."""
        conductor = self._conductor
        if conductor is None:  # no channel is opened for what one member does alone
            if self._rehearsed(words, limits, {}) is None:
                return self._alone(words, limits)
            conductor = self.prepare()
        with self._lock:
            return self._attempts(conductor, words, limits)

    def _rehearsed(
        self, words: dict[str, Any], limits: Limits, channels: Mapping[tuple[int, int], int]
    ) -> PlanDocument | None:
        """The job's plan; None where one member does it alone. Without channels only whether that is so."""
        processors = self._processors(channels)
        asked = self._asked(words, channels or self._placeholders(processors), processors)
        answer = parse_canonical(self.sandbox.call(f"{NAME}:rehearse", canonical_json(asked), limits))
        self._sharings = answer["sharings"]
        return None if answer["plan"] is None else PlanDocument.from_json(answer["plan"])

    def _processors(self, channels: Mapping[tuple[int, int], int]) -> list[int]:
        if not channels:
            return list(range(1, len(self.union.members) + 1))
        members = self._members()
        return [members[one.name] for one in self.union.members]

    def _placeholders(self, processors: Sequence[int]) -> dict[tuple[int, int], int]:
        return {(processors[p], processors[q]): number for number, (p, q) in enumerate(self.union.pairs, 1)}

    def _asked(
        self,
        words: dict[str, Any],
        channels: Mapping[tuple[int, int], int],
        processors: Sequence[int],
    ) -> dict[str, Any]:
        listed = [[a, b, number] for (a, b), number in sorted(channels.items())]
        return words | {"processors": list(processors), "channels": listed, "absent": sorted(self._absent)}

    def _attempts(self, conductor: Conductor, words: dict[str, Any], limits: Limits) -> bytes:
        """One job, in as many sessions as the contract lets it have."""
        most = conductor.coordinator.parameters().max_attempts
        processors = self._processors(conductor.channels)
        self._absent.clear()
        for attempt in range(most):
            try:
                return self._session(conductor, words, limits)
            except PartyLostError as error:
                self.journal.error("session lost", error, job=words["job"], missing=error.processors)
                if attempt == most - 1:
                    raise
                self._absent |= {processors.index(one) for one in error.processors}
        raise AssertionError("every attempt returns or raises")

    def _session(self, conductor: Conductor, words: dict[str, Any], limits: Limits) -> bytes:
        result: list[Json] = []
        channels = conductor.channels
        document = self._rehearsed(words, limits, channels)
        if document is None:  # what is left of the members holds it alone
            return self._alone(words, limits)
        sharings = self._sharings

        def perform(epoch: int, states: Mapping[int, BellDiagonal]) -> list[Share]:
            del epoch  # a node's sessions have one
            asked = self._asked(words, channels, self._processors(channels))
            asked["sharings"] = sharings
            asked["states"] = {str(number): state_words(state) for number, state in states.items()}
            answer = parse_canonical(self.sandbox.call(f"{NAME}:run", canonical_json(asked), limits))
            result[:] = [answer["result"]]
            return [Share.from_json(raw) for raw in answer["shares"]]

        session, _ = conductor.session(document, perform)
        self.journal.write("session", job=words["job"], session=session)
        found = result[0]
        found["backend"] = found["backend"] | {"session": session}
        return canonical_json(found)
