"""Teleportation on a network: states at the head of a circuit, what arrives at its tail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from qcrs.errors import ConfigError, InputError
from qcrs.qnp.apps import teleport
from qcrs.qnp.apps.teleport import Receiver, Vector
from qcrs.qnp.drivers.apps.post import Post
from qcrs.qnp.drivers.heap import Network
from qcrs.qnp.drivers.records import Delivery
from qcrs.qnp.network.actions import Status
from qcrs.qnp.physical.hardware import Teleporting

__all__ = ["TeleportRun", "Teleported"]


@dataclass(frozen=True, slots=True)
class Teleported:
    """One state: when it was there, how good the pair was, the fidelity it has and the closed form's."""

    time_ns: int
    vector: Vector
    arrived: Vector
    pair_fidelity: float
    fidelity: float
    predicted: float


class TeleportRun:
    """Teleports `vectors` (pure states) one by one over the pairs of a KEEP request; `purify` as there."""

    def __init__(
        self,
        network: Network,
        circuit: str,
        vectors: Sequence[Vector],
        *,
        purify: int = 0,
        post: Post | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        if not vectors or any(abs(sum(v * v for v in vector) - 1) > 1e-9 for vector in vectors):
            raise InputError(
                "pure states are needed: Bloch vectors of length 1", field="vectors", value=vectors
            )
        if not hasattr(network.hardware, "teleport"):
            raise ConfigError(
                "this backend cannot teleport", field="backend", solution="belldiag, dm, qiskit"
            )
        self.network = network
        self.done: list[Teleported] = []
        self._hardware = cast("Teleporting", network.hardware)
        self._circuit = circuit
        self._vectors = list(vectors)
        self._next = 0
        self._post = post or Post(network)
        self._receiver = Receiver({})
        self._sent: dict[tuple[int, int], tuple[Vector, float, Vector, int]] = {}
        self._progress = progress
        network.on_delivery = self._delivered
        self.request = network.request(circuit, number=len(vectors), purify=purify)

    def run(self) -> list[Teleported]:
        """Serve the network until all have arrived or the request ended otherwise."""
        network, log = self.network, self.network.requests[self.request]
        while network.run(max_events=20_000):
            if len(self.done) == len(self._vectors) or log.status in (Status.REFUSED, Status.ABORTED):
                break
            if self._progress is not None:
                self._progress(len(self.done))
        network.on_delivery = None
        for handle in self._receiver.waiting.values():  # states whose correction never came
            network.release(handle)
        return self.done

    def _delivered(self, pair: Delivery) -> None:
        """Both ends have the pair."""
        if pair.request == self.request:
            self.network.hold(pair.head, pair.tail)
            head = self.network.plans[pair.circuit].path[0]
            later = self.network.now + self.network.topology.nodes[head].hardware.swap_ns
            self.network.call_at(later, lambda t: self._measured(t, pair))

    def _measured(self, now: int, pair: Delivery) -> None:
        """The Bell measurement at the head is done: tell the tail."""
        network = self.network
        if not (network.holds(pair.head) and network.holds(pair.tail)):
            network.release(pair.head, pair.tail)  # a node crashed meanwhile
            return
        path = network.plans[pair.circuit].path
        vector = self._vectors[self._next]
        self._next += 1
        value = self._hardware.pair(now, pair.head)
        outcome = self._hardware.teleport(now, path[0], pair.head, vector)
        network.used(pair.head)
        noise = network.topology.nodes[path[0]].hardware.noise
        expected = teleport.teleported(value, vector, noise)
        self._receiver.waiting[pair.sequence] = pair.tail
        self._sent[pair.sequence] = (vector, value.fidelity, expected, now)
        data = teleport.correction(pair.sequence, pair.bell, outcome)
        self._post.send(now, path[0], path[-1], lambda t: self._corrected(t, path[-1], pair.sequence, data))

    def _corrected(self, now: int, node: int, sequence: tuple[int, int], data: bytes) -> None:
        found = self._receiver.receive(data)
        if found is None:
            return
        handle, pauli = found
        if not self.network.holds(handle):
            return  # its node crashed meanwhile
        self._hardware.correct(handle, pauli)
        vector, pair_fidelity, expected, since = self._sent.pop(sequence)
        arrived = self._hardware.vector(now, handle)
        noise = self.network.topology.nodes[node].hardware.noise
        predicted = teleport.waited(expected, now - since, noise)
        self.network.release(handle)
        self.done.append(
            Teleported(
                now,
                vector,
                arrived,
                pair_fidelity,
                teleport.overlap(arrived, vector),
                teleport.overlap(predicted, vector),
            )
        )
