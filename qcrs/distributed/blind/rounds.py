"""Rounds of blind computing between a client and a server, computing and testing in secret order.

What the server sees of a round is the same for every program of a size: qubits and angles that are uniform
to it whatever it answers (`view` gives its state exactly). So it cannot tell test rounds from others, and
one that deviates in more than a few rounds is found. Not hidden: wires, columns, rounds, times. Not claimed:
that single results are right; what tests bound is the share of rounds that deviate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product

import numpy as np
from numpy.typing import NDArray

from qcrs.circuits.drbg import Drbg
from qcrs.distributed.blind.client import Client, Computing, Keys, Trapping
from qcrs.distributed.blind.pattern import EIGHTH, Brickwork, Pattern, Place
from qcrs.distributed.blind.server import Lab, Server
from qcrs.distributed.noise import BellDiagonal
from qcrs.errors import InputError

__all__ = ["MOST_SEEN", "Outcome", "Step", "play", "run", "view"]

PERFECT = BellDiagonal(1.0, 0.0, 0.0, 0.0)
MOST_SEEN = 8
"""Qubits up to which the server's state is built."""

Step = tuple[Place, int, int]
"""Qubit, angle named, answer: all that is said of it."""


def play(client: Client, server: Server) -> list[Step]:
    """One round; the classical transcript."""
    said: list[Step] = []
    wires, columns = client.graph.wires, client.graph.columns
    for column in range(columns + 1):
        if column < columns:
            for wire in range(wires):
                place = (wire, column)
                client.prepared(place, server.lab.half(place, client.basis(place)))
                server.received(place)
        if column:
            for wire in range(wires):
                place = (wire, column - 1)
                delta = client.delta(place)
                bit = server.measure(place, delta)
                client.answered(place, bit)
                said.append((place, delta, bit))
    return said


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of some rounds."""

    counts: Mapping[int, int]
    """Computing rounds by result; bit i is wire i."""
    tests: int
    failed: int
    angles: tuple[int, ...]
    """How often each of the eight angles was named."""

    def accepted(self, allowed: float) -> bool:
        """Whether at most this share of the test rounds failed."""
        return bool(self.tests) and self.failed <= allowed * self.tests


def run(
    pattern: Pattern,
    shots: int,
    tests: int,
    secret: bytes,
    *,
    pair: BellDiagonal = PERFECT,
    server: Callable[[Lab, Brickwork], Server] = Server,
    nature: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Outcome:
    """`shots` computing and `tests` test rounds in secret order; `nature` seeds what measurements give."""
    if shots < 1 or tests < 0:
        raise InputError("one computing round at least", field="shots", value=shots)
    graph, keys, dice = pattern.graph, Drbg(secret, b"blind"), np.random.default_rng(nature)
    order = Drbg(secret, b"order").permutation(shots + tests)
    counts: Counter[int] = Counter()
    angles, failed = [0] * 8, 0
    for number, drawn in enumerate(order):
        lab = Lab(pair, dice)
        mine = Keys.drawn(graph, keys)
        if drawn < shots:
            computing = Computing(pattern, mine)
            said = play(computing, server(lab, graph))
            counts[computing.result()] += 1
        else:
            testing = Trapping(graph, mine, int(keys.bits(1)[0]))
            said = play(testing, server(lab, graph))
            failed += not testing.passed()
        for _, delta, _ in said:
            angles[delta] += 1
        if progress is not None and not number % 50:
            progress(number / len(order))
    return Outcome(dict(counts), tests, failed, tuple(angles))


def view(
    make: Callable[[Keys], Client], deltas: Sequence[int], answers: Sequence[int]
) -> NDArray[np.complex128]:
    """The server's state, given the angles it was told and what it answered, over all secrets of the client.

    `deltas` and `answers` go by column, then wire. Exact: for each choice of secret bits there is one θ for
    each qubit that leads to these angles, so the mean over secret bits is the state. Every sequence of angles
    is equally likely. Blindness is that the state is 1/2ⁿ, whatever the program.
    """
    places = make(Keys({}, {})).graph.places
    if len(places) > MOST_SEEN:
        raise InputError(f"states of {MOST_SEEN} qubits at most", field="qubits", value=len(places))
    size = 1 << len(places)
    total = np.zeros((size, size), dtype=np.complex128)
    for secret in product((0, 1), repeat=len(places)):
        client = make(Keys(dict.fromkeys(places, 0), dict(zip(places, secret, strict=True))))
        for place, bit in zip(places, secret, strict=True):
            if client.basis(place) is None:
                client.prepared(place, bit)  # a dummy's secret is its value
        qubits = []
        for place, delta, bit, answer in zip(places, deltas, secret, answers, strict=True):
            turned = [1, np.exp(1j * EIGHTH * (delta - client.delta(place)))]
            qubits.append(
                np.array([1 - bit, bit]) if client.basis(place) is None else np.array(turned) / np.sqrt(2)
            )
            client.answered(place, answer)
        state = reduce(np.kron, qubits)
        total += np.outer(state, state.conj())
    mean: NDArray[np.complex128] = total / 2 ** len(places)
    return mean
