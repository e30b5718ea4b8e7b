"""Several processors as one Qiskit backend: a user's program does not change.

    backend = VirtualProcessor(members, links, stage=…)
    BackendSamplerV2(backend=backend).run([circuit])

Its target has the qubits of all members and their gates; qubit numbers are names, not places, since the plan
decides who holds what when. `run` takes the first way that is open, as `quote` says beforehand:

1. a member that holds the whole program runs it alone;
2. entangled pairs: teleported gates and qubits in one joint run, on a `Stage`;
3. no entanglement: nothing is run; `quote` names the sampling overhead γ² of cutting, and `expectations` cuts
   for whoever accepts it.

A stage is the physics: `Laboratory` here, or a `Conductor` that takes every job through a session on chain.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Delay, Measure, Parameter, Reset
from qiskit.circuit.library import CPhaseGate, CZGate, UGate
from qiskit.primitives import BackendSamplerV2
from qiskit.providers import JobV1
from qiskit.quantum_info import SparsePauliOp
from qiskit.result import Result
from qiskit.transpiler import InstructionProperties, Target

from qcrs.circuits.immediate import FinishedJob, ImmediateBackend
from qcrs.distributed.cutting import MOST_OVERHEAD, CutOffer, expectations, offer
from qcrs.distributed.network import Network
from qcrs.distributed.noise import MOST_EXACT, BellDiagonal, predicted, sampled
from qcrs.distributed.normal_form import NormalForm, normal_form
from qcrs.distributed.plan import Effort, Plan, plan
from qcrs.distributed.schedule import schedule
from qcrs.distributed.sharing import Sharing
from qcrs.errors import BackendError, InputError
from qcrs.together.conductor import PartyLostError
from qcrs.together.joint import NOISELESS, PERFECT, MemberNoise, Sampled, device, joint_run

__all__ = ["Laboratory", "Link", "Member", "Quote", "Stage", "Task", "VirtualProcessor"]

ATTEMPTS = 3
DRAWS = 200
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Member:
    """What a processor gives to the union: data qubits, communication qubits, its errors."""

    name: str
    qubits: int
    links: int = 0
    """0: as many as are asked for."""
    noise: MemberNoise = NOISELESS

    def __post_init__(self) -> None:
        if self.qubits < 1 or self.links < 0:
            raise InputError(
                "a member gives at least one qubit",
                field="qubits",
                value=self.qubits,
                solution="give a number of data qubits, and of communication qubits or none",
            )

    @classmethod
    def read(cls, words: str, noise: MemberNoise = NOISELESS) -> Member:
        """From NAME:QUBITS or NAME:QUBITS:LINKS."""
        name, *sizes = words.split(":")
        if not 1 <= len(sizes) <= 2 or not all(size.isdigit() for size in sizes):
            raise InputError(
                "a member is written NAME:QUBITS or NAME:QUBITS:LINKS",
                field="members",
                value=words,
                solution="as in alice:4,bob:4:2",
            )
        return cls(name, int(sizes[0]), int(sizes[1]) if len(sizes) > 1 else 0, noise)


@dataclass(frozen=True, slots=True)
class Link:
    """What is known of a channel between two members: the state of its pairs and how many come a second."""

    state: BellDiagonal
    rate: float


@dataclass(frozen=True, slots=True)
class Task:
    """Planned circuits with their shots. Planner's number i is member `members[i]`.

    No plans: the one member runs the circuits as they are.
    """

    plans: tuple[tuple[Plan, int], ...]
    members: tuple[int, ...]

    @property
    def pairs(self) -> dict[Pair, int]:
        """Pairs of all shots by members (p < q)."""
        found: Counter[Pair] = Counter()
        for made, shots in self.plans:
            for (p, q), count in made.schedule.pairs.items():
                a, b = self.members[p], self.members[q]
                found[min(a, b), max(a, b)] += count * shots
        return dict(sorted(found.items()))


class Stage(Protocol):
    """Where a task with pairs is run."""

    def perform(self, task: Task, noise: Sequence[MemberNoise], seed: int | None) -> tuple[Sampled, ...]:
        """Shots of each circuit. Raises `PartyLostError` with processors `members` of the union."""


@dataclass(frozen=True, slots=True)
class Laboratory:
    """Pairs of known states, no chain: for tests and for the limited child of a node."""

    links: Mapping[Pair, Link]

    def perform(self, task: Task, noise: Sequence[MemberNoise], seed: int | None) -> tuple[Sampled, ...]:
        """Run everything at once."""
        states = {}
        for i, a in enumerate(task.members):
            for j, b in enumerate(task.members[i + 1 :], i + 1):
                known = self.links.get((min(a, b), max(a, b)))
                if known is not None:
                    states[i, j] = known.state
        found = []
        for number, (made, shots) in enumerate(task.plans):
            draw = None if seed is None else _seed(seed, number)
            found.append(joint_run(made, noise, states).sample(shots, draw))
        return tuple(found)


def _seed(seed: int, number: int) -> int:
    """31 bits for one circuit; neighbouring seeds of Aer share most shots."""
    text = f"qcrs/together/{seed}/{number}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big") >> 1


@dataclass(frozen=True, slots=True)
class Quote:
    """What running a circuit would take, before anybody pays for it."""

    way: str
    """"alone", "pairs" or "cut"."""
    members: tuple[str, ...]
    pairs: dict[str, int] = field(default_factory=dict)
    """Per shot, by channel "a-b"."""
    seconds: float = 0.0
    """Time for the pairs of all shots on the slowest channel."""
    loss: float = 0.0
    """Predicted total variation distance that the pairs cause."""
    gates: int = 0
    """Two-qubit gates and telegates, for an estimate of the members' own errors."""
    overhead: float = 1.0
    """γ² of cutting: times the shots; 1 without cuts."""
    cut: CutOffer | None = None


class VirtualProcessor(ImmediateBackend):
    """Members and their links as one backend; see the module."""

    simulator = True

    def __init__(
        self,
        members: Sequence[Member],
        links: Mapping[Pair, Link],
        *,
        stage: Stage | None = None,
        name: str = "together",
        effort: Effort | None = None,
    ) -> None:
        """`links` by members' places (p < q); `stage` is a `Laboratory` over them by default."""
        super().__init__(name=name, description="Several processors as one", backend_version="1")
        if not members:
            raise InputError("a union has members", field="members", value=0)
        for p, q in links:
            if not 0 <= p < q < len(members):
                raise InputError("a link joins two members, the lower first", field="links", value=(p, q))
        self.members = tuple(members)
        self.links = dict(links)
        self.stage = stage or Laboratory(self.links)
        self.effort = effort or Effort(tries=20, kept=2, moves=20_000)
        self.absent: frozenset[int] = frozenset()
        """Members that are not to be counted on."""
        self.last: Task | None = None
        """What the last `run` had planned."""
        self.hints: list[Sharing] = []
        """Sharings that were found before for the structures that come next, in their order."""
        self._sharings: dict[Any, Sharing] = {}
        self._target = _union(self.members, self.links)

    @property
    def target(self) -> Target:
        """All members' qubits and their gates."""
        return self._target

    # ----------------------------------------------------------------- planning

    def plan(
        self, circuits: Sequence[QuantumCircuit], shots: int, without: frozenset[int] = frozenset()
    ) -> Task:
        """Plans for all circuits over one set of members; `BackendError` where none of them suffices."""
        width = max(circuit.num_qubits for circuit in circuits)
        there = [i for i in range(len(self.members)) if i not in without]
        alone = [i for i in there if self.members[i].qubits >= width]
        if alone:
            return Task((), (min(alone, key=lambda i: (self.members[i].noise.p2, i)),))
        chosen = self._group(there, width)
        network = self._network(chosen)
        plans = [self._planned(circuit, network) for circuit in circuits]
        return Task(tuple((made, shots) for made in plans), chosen)

    def _group(self, there: Sequence[int], width: int) -> tuple[int, ...]:
        """The fewest joined members that hold so many qubits."""
        best: tuple[int, ...] | None = None
        for start in there:
            found = [start]
            while sum(self.members[i].qubits for i in found) < width:
                near = [j for j in there if j not in found and any(self._joined(i, j) for i in found)]
                if not near:
                    break
                found.append(max(near, key=lambda j: (self.members[j].qubits, -j)))
            else:
                if best is None or len(found) < len(best):
                    best = tuple(sorted(found))
        if best is None:
            raise BackendError(
                f"no members that share entanglement hold {width} qubits together",
                field="qubits",
                value=width,
                solution="open channels between them, or see what cutting would cost with `quote`",
            )
        return best

    def _joined(self, p: int, q: int) -> bool:
        return (min(p, q), max(p, q)) in self.links

    def _network(self, chosen: Sequence[int]) -> Network:
        members = [self.members[i] for i in chosen]
        channels = [
            (a, b)
            for a in range(len(chosen))
            for b in range(a + 1, len(chosen))
            if self._joined(chosen[a], chosen[b])
        ]
        limits = [one.links for one in members]
        some = [one or 2 * sum(m.qubits for m in members) for one in limits] if any(limits) else []
        return Network.of([one.qubits for one in members], some, channels)

    def _planned(self, circuit: QuantumCircuit, network: Network) -> Plan:
        """A plan; circuits of one structure, as the frames of a unit are, share one."""
        circuit = _still(circuit)
        form = normal_form(circuit)
        key = (network, _structure(form))
        known = self._sharings.get(key)
        if known is None and self.hints:
            known = self._sharings[key] = self.hints.pop(0)
        if known is not None:
            return Plan(form, network, known, schedule(form, network, known))
        made = plan(circuit, network, self.effort)
        self._sharings[key] = made.sharing
        return made

    @property
    def sharings(self) -> list[Sharing]:
        """What was found, one for each structure, in the order of their coming."""
        return list(self._sharings.values())

    def quote(self, circuit: QuantumCircuit, shots: int = 1024) -> Quote:
        """Which way is open and what it takes. Raises as `plan`, and as `cutting.offer` where it is dear."""
        try:
            task = self.plan([circuit], shots)
        except BackendError:
            return self._cut_quote(circuit)
        names = tuple(self.members[i].name for i in task.members)
        if not task.plans:
            return Quote("alone", names, gates=circuit.num_nonlocal_gates())
        made = task.plans[0][0]
        gates = len(made.form.gates) + made.pairs
        pairs, seconds = {}, 0.0
        for (p, q), count in task.pairs.items():
            pairs[f"{self.members[p].name}-{self.members[q].name}"] = count // shots
            seconds = max(seconds, count / self.links[p, q].rate)
        return Quote("pairs", names, pairs, seconds, self._loss(made, task.members), gates)

    def _loss(self, made: Plan, members: Sequence[int]) -> float:
        states = {
            (a, b): self.links[min(p, q), max(p, q)].state
            for a, p in enumerate(members)
            for b, q in enumerate(members)
            if a < b and self._joined(p, q)
        }
        perfect = dict.fromkeys(states, PERFECT)
        ideal, _ = sampled(made, perfect, 1)
        if made.form.qubits <= MOST_EXACT:
            noisy = predicted(made, states)
        else:
            noisy, _ = sampled(made, states, DRAWS)
        return float(np.abs(noisy - ideal).sum() / 2)

    def _cut_quote(self, circuit: QuantumCircuit) -> Quote:
        found = self.cut(circuit)
        return Quote("cut", tuple(one.name for one in self.members), overhead=found.overhead, cut=found)

    def cut(self, circuit: QuantumCircuit, most: float = MOST_OVERHEAD) -> CutOffer:
        """Pieces that fit the widest member, with their price γ²; nothing is run."""
        bare = circuit.remove_final_measurements(inplace=False)
        return offer(bare, max(one.qubits for one in self.members), most=most)

    def expectations(
        self,
        accepted: CutOffer,
        observables: Sequence[SparsePauliOp],
        shots: int,
        seed: int | None = None,
    ) -> list[float]:
        """Expectation values from pieces on the widest member, for whoever accepts an offer's price."""
        widest = max(self.members, key=lambda one: one.qubits)
        sampler = BackendSamplerV2(backend=device(widest.noise), options={"seed_simulator": seed})
        return expectations(accepted, observables, _Translating(sampler), shots)

    # ----------------------------------------------------------------- running

    def run(self, run_input: QuantumCircuit | Sequence[QuantumCircuit], **options: Any) -> JobV1:
        """Plan, run, join. A member that is lost on the way is left out of the next attempt."""
        circuits = [run_input] if isinstance(run_input, QuantumCircuit) else list(run_input)
        shots = int(options.get("shots") or self.options.shots)
        seed = options.get("seed_simulator", self.options.seed_simulator)
        lost = self.absent
        for attempt in range(ATTEMPTS):
            task = self.last = self.plan(circuits, shots, lost)
            if not task.plans:
                return self._alone(circuits, shots, seed, self.members[task.members[0]])
            noise = [self.members[i].noise for i in task.members]
            stage = self.stage if task.pairs else Laboratory({})
            try:
                samples = stage.perform(task, noise, seed)
                return FinishedJob(self, self._result(circuits, task, samples))
            except PartyLostError as error:
                lost |= frozenset(error.members)
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("every attempt returns or raises")

    def _alone(
        self, circuits: Sequence[QuantumCircuit], shots: int, seed: int | None, member: Member
    ) -> JobV1:
        """On one member, as it is."""
        ready = [_in_own_gates(circuit) for circuit in circuits]
        draw = None if seed is None else _seed(seed, 0)
        result = device(member.noise).run(ready, shots=shots, seed_simulator=draw, memory=True).result()
        if not result.success:
            raise BackendError(f"Aer failed: {result.status}", field="backend", value=member.name)
        return FinishedJob(self, result)

    def _result(self, circuits: Sequence[QuantumCircuit], task: Task, samples: Sequence[Sampled]) -> Result:
        rows = []
        for circuit, (_, shots), sample in zip(circuits, task.plans, samples, strict=True):
            packed = np.packbits(sample.program, axis=1, bitorder="little")
            memory = [hex(int.from_bytes(row.tobytes(), "little")) for row in packed]
            rows.append(
                {
                    "shots": shots,
                    "success": True,
                    "data": {"counts": dict(Counter(memory)), "memory": memory},
                    "header": {
                        "name": circuit.name,
                        "creg_sizes": [[register.name, register.size] for register in circuit.cregs],
                        "memory_slots": circuit.num_clbits,
                    },
                }
            )
        return Result.from_dict(
            {
                "backend_name": self.name,
                "backend_version": self.backend_version,
                "job_id": "together",
                "success": True,
                "results": rows,
            }
        )


def _structure(form: NormalForm) -> Any:
    """What a sharing rests on: which gates join which segments, in which order. Angles play no part."""
    order = sorted(range(len(form.segments)), key=lambda i: form.segments[i].start)
    segments = tuple((one.qubit, one.gates, one.next) for one in form.segments)
    gates = tuple((one.segments, one.qubits) for one in form.gates)
    return form.qubits, segments, tuple(order), gates


def _union(members: Sequence[Member], links: Mapping[Pair, Link]) -> Target:
    """All qubits; within a member its own errors, between two the pair's and theirs."""
    home = [i for i, one in enumerate(members) for _ in range(one.qubits)]
    target = Target(num_qubits=len(home))
    angles = [Parameter(name) for name in ("theta", "phi", "lam")]
    noise = [members[i].noise for i in home]
    target.add_instruction(
        UGate(*angles), {(q,): InstructionProperties(error=one.p1) for q, one in enumerate(noise)}
    )
    far = [1 - link.state.i for link in links.values()]
    edges = {}
    for a in range(len(home)):
        for b in range(len(home)):
            p, q = home[a], home[b]
            if a == b or not (links or p == q):
                continue
            own = max(members[p].noise.p2, members[q].noise.p2)
            link = links.get((min(p, q), max(p, q)))
            pair = 0.0 if p == q else max(far) if link is None else 1 - link.state.i
            edges[a, b] = InstructionProperties(error=min(1.0, own + pair))
    if edges:
        target.add_instruction(CZGate(), edges)
        target.add_instruction(CPhaseGate(Parameter("angle")), dict(edges))
    target.add_instruction(
        Measure(), {(q,): InstructionProperties(error=one.readout) for q, one in enumerate(noise)}
    )
    singles = [(q,) for q in range(len(home))]
    target.add_instruction(Reset(), dict.fromkeys(singles))
    target.add_instruction(Delay(Parameter("t")), dict.fromkeys(singles))
    return target


def _still(circuit: QuantumCircuit) -> QuantumCircuit:
    """Without its delays: waiting costs nothing in this simulated physics but the pairs' own time."""
    found = circuit.copy_empty_like()
    for item in circuit.data:
        if item.operation.name != "delay":
            found.append(item)
    return found


def _in_own_gates(circuit: QuantumCircuit) -> QuantumCircuit:
    """In the gates that members have, nothing moved."""
    found: QuantumCircuit = transpile(circuit, basis_gates=["u", "cz", "cp"], optimization_level=1)
    return found


class _Translating:
    """A sampler that first brings circuits into the members' gates."""

    def __init__(self, sampler: BackendSamplerV2) -> None:
        self._sampler = sampler

    def run(self, circuits: Sequence[QuantumCircuit], *, shots: int) -> Any:
        return self._sampler.run([_in_own_gates(one) for one in circuits], shots=shots)
