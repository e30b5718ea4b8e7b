"""A union of processors as a node's device: `together:TOPOLOGY.yaml?members=a:4,b:4&p2=1e-3&readout=0.01`.

The members are nodes of the topology that are processors of the exchange, each with the data qubits (and,
after a second colon, the communication qubits) that it gives to the union. What runs here runs in the node's
limited child, without network and without chain: plans first, then, when all parties are ready, the joint run
with the states of the pairs that were delivered. The session around it is the node's (`qcrs.node.shared`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from qcrs.client.documents import FramesDocument, ResultDocument
from qcrs.distributed.noise import BellDiagonal
from qcrs.distributed.plan import Effort
from qcrs.distributed.sharing import Sharing
from qcrs.errors import BackendError, ConfigError
from qcrs.qnp.topology import Topology
from qcrs.qnp.topology.reader import load_topology
from qcrs.together.joint import MemberNoise, Sampled
from qcrs.together.plan import Planned, document_of
from qcrs.together.supply import supply
from qcrs.together.transcript import shares
from qcrs.together.virtual import Laboratory, Link, Member, Task, VirtualProcessor
from qcrs.types import Json, canonical_json, parse_canonical

__all__ = ["Union", "open_union", "read_union", "rehearse", "run", "state_words"]

CALIBRATION_PAIRS = 200
EFFORT = Effort(tries=20, kept=2, moves=8_000)
"""Per structure: a job has many, and its time is limited."""
Number = Callable[[dict[str, str], str, float], float]


@dataclass(frozen=True, slots=True)
class Union:
    """What a spec says: the network, and who gives what."""

    path: str
    topology: Topology
    members: tuple[Member, ...]

    @property
    def pairs(self) -> dict[tuple[int, int], str]:
        """Circuits of the network between members, by their places (p < q)."""
        place = {one.name: i for i, one in enumerate(self.members)}
        found: dict[tuple[int, int], str] = {}
        for spec in self.topology.circuits:
            if spec.head in place and spec.tail in place:
                p, q = sorted((place[spec.head], place[spec.tail]))
                found.setdefault((p, q), spec.name)
        return found


def read_union(path: str, options: dict[str, str], number: Number) -> Union:
    """From the parts of a spec; takes its words out of `options`."""
    words = options.pop("members", "")
    p2 = number(options, "p2", 1e-3)
    noise = MemberNoise(p2 / 10, p2, number(options, "readout", 0.01))
    if not words:
        raise BackendError(
            "a union names its members",
            field="members",
            solution="write together:TOPOLOGY.yaml?members=alice:4,bob:4",
        )
    topology = load_topology(Path(path))
    members = [Member.read(word, noise) for word in words.split(",")]
    for one in members:
        topology.index(one.name)
    found = Union(path, topology, tuple(members))
    if len(members) > 1 and not found.pairs:
        raise ConfigError(
            "no circuit of the topology joins two members",
            field="circuits",
            value=path,
            solution="add one to its `circuits`, with its ends and the fidelity that is wanted",
        )
    return found


def open_union(found: Union) -> VirtualProcessor:
    """The backend, over pairs as a short run of the network measures them."""
    names = found.pairs
    made = supply(found.topology, dict.fromkeys(names.values(), CALIBRATION_PAIRS), seed=0) if names else {}
    links = {pair: Link(made[name].state, made[name].rate) for pair, name in names.items()}
    return VirtualProcessor(found.members, links, name="together", effort=EFFORT)


@dataclass
class _Rehearsal:
    """Plans and runs nothing: what a job would take."""

    tasks: list[Task] = field(default_factory=list)

    def perform(self, task: Task, noise: Sequence[MemberNoise], seed: int | None) -> tuple[Sampled, ...]:
        del noise, seed
        self.tasks.append(task)
        empty = [(shots, made.form.clbits, 2 * made.pairs) for made, shots in task.plans]
        return tuple(
            Sampled(np.zeros((shots, bits), np.uint8), np.zeros((shots, outcomes), np.uint8))
            for shots, bits, outcomes in empty
        )


@dataclass
class _Recorder(_Rehearsal):
    """Runs in a laboratory and keeps what was seen."""

    laboratory: Laboratory = field(default_factory=lambda: Laboratory({}))
    samples: list[Sampled] = field(default_factory=list)

    def perform(self, task: Task, noise: Sequence[MemberNoise], seed: int | None) -> tuple[Sampled, ...]:
        self.tasks.append(task)
        found = self.laboratory.perform(task, noise, seed)
        self.samples += found
        return found


def _planned(tasks: Sequence[Task], processors: Sequence[int]) -> list[Planned]:
    return [
        Planned(made, shots, tuple(processors[i] for i in task.members))
        for task in tasks
        for made, shots in task.plans
    ]


def _channels(raw: Sequence[Sequence[int]]) -> dict[tuple[int, int], int]:
    return {(int(a), int(b)): int(channel) for a, b, channel in raw}


def rehearse(payload: bytes) -> bytes:
    """{"spec", "frames", "job", "processors", "channels"} → {"plan": null without pairs, "sharings"}."""
    from qcrs.node.runner import device_of, run_units

    asked = parse_canonical(payload)
    device = device_of(asked["spec"])
    stage = device.backend.stage = _Rehearsal()
    device.backend.absent = frozenset(asked["absent"])
    run_units(device, FramesDocument.from_json(asked["frames"]))
    planned = _planned(stage.tasks, asked["processors"])
    if not planned:
        return canonical_json({"plan": None, "sharings": []})
    document = document_of(asked["job"], planned, _channels(asked["channels"]))
    found = [one.as_json() for one in device.backend.sharings]
    return canonical_json({"plan": document.as_json(), "sharings": found})


def run(payload: bytes) -> bytes:
    """The same with "states" by channel, "sharings" and the runner's own words → {"result", "shares"}."""
    from qcrs.node import runner

    asked = parse_canonical(payload)
    device = runner.device_of(asked["spec"])
    channels = _channels(asked["channels"])
    states = {int(number): _state(raw) for number, raw in asked["states"].items()}
    processors: list[int] = asked["processors"]
    links = {}
    for (a, b), channel in channels.items():
        if channel in states:
            p, q = sorted((processors.index(a), processors.index(b)))
            links[p, q] = Link(states[channel], 1.0)
    stage = device.backend.stage = _Recorder(laboratory=Laboratory(links))
    device.backend.absent = frozenset(asked["absent"])
    device.backend.hints = [Sharing.from_json(one) for one in asked["sharings"]]
    words = {key: asked[key] for key in ("spec", "job", "execution", "processor", "qubits", "frames")}
    result = ResultDocument.from_json(parse_canonical(runner.run(canonical_json(words), device)))
    document = document_of(asked["job"], _planned(stage.tasks, processors), channels)
    runs = [
        (sample, circuit.messages, circuit.readers)
        for sample, circuit in zip(stage.samples, document.circuits, strict=True)
    ]
    found: list[Json] = [one.as_json() for one in shares(runs, document.parties, 0)]
    return canonical_json({"result": result.as_json(), "shares": found})


def state_words(state: BellDiagonal) -> list[int]:
    """A state in units of 1e-12, for a payload."""
    return [round(part * 10**12) for part in (state.i, state.x, state.y, state.z)]


def _state(raw: Sequence[int]) -> BellDiagonal:
    total = sum(raw)
    i, x, y, z = (part / total for part in raw)
    return BellDiagonal(i, x, y, z)
