"""A network as values: hardware, nodes, links, control, circuits, workloads, faults.

This is what a topology file says (see `topology.reader`), in nanoseconds, metres and plain numbers.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from qcrs.errors import ConfigError
from qcrs.qnp.physical.hardware import NodeNoise

__all__ = [
    "NO_LIMIT_NS",
    "CircuitSpec",
    "ControlSpec",
    "FaultSpec",
    "HardwareSpec",
    "LinkSpec",
    "NodeSpec",
    "Topology",
    "WorkloadSpec",
]

NO_LIMIT_NS = 1 << 53
"""In place of a cutoff: longer than any run."""

LIGHT_M_PER_S = 2.0e8
"""Light in fibre."""


@dataclass(frozen=True, slots=True)
class HardwareSpec:
    """A kind of node. Times in ns; 0 for a coherence time means perfect memory.

    `qubits_per_link` communication qubits belong to each link end; with `qubits` > 0 the node's links
    share that many instead. `swap_ns` is how long a Bell measurement takes (two-qubit gate and readout).
    """

    t2_ns: int = 0
    t_depolarising_ns: int = 0
    gate_error: float = 0.0
    readout_error: float = 0.0
    swap_ns: int = 0
    qubits_per_link: int = 2
    qubits: int = 0

    def __post_init__(self) -> None:
        if min(self.t2_ns, self.t_depolarising_ns, self.swap_ns, self.qubits) < 0 or self.qubits_per_link < 1:
            raise ConfigError("times and counts of hardware are not negative", field="hardware", value=self)
        if not (0 <= self.gate_error <= 1 and 0 <= self.readout_error <= 0.5):
            raise ConfigError(
                "a gate error lies in 0…1 and a readout error in 0…0.5", field="hardware", value=self
            )

    @property
    def noise(self) -> NodeNoise:
        """The same as rates."""
        return NodeNoise(
            1 / self.t2_ns if self.t2_ns else 0.0,
            1 / self.t_depolarising_ns if self.t_depolarising_ns else 0.0,
            self.gate_error,
            self.readout_error,
        )


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node: its name and kind."""

    name: str
    hardware: HardwareSpec = HardwareSpec()


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """A link. `single_click`: the rate follows from the wanted fidelity; `heralded`: both are given.

    `eta` is the chance that an emitted photon is detected, fibre losses included; `frame_delay_ns` is what
    a frame needs from end to end. `dephasing` tells how the infidelity of heralded pairs is spread: 0 over
    all Paulis (Werner), 1 over Z alone.
    """

    a: str
    b: str
    length_m: float = 2.0
    kind: str = "single_click"
    eta: float = 1.0
    attempt_ns: int = 10_120
    p: float = 0.0
    fidelity: float = 0.0
    dephasing: float = 0.0
    frame_delay_ns: int = 10

    def __post_init__(self) -> None:
        if self.kind not in ("single_click", "heralded"):
            raise ConfigError("a link is single_click or heralded", field="kind", value=self.kind)
        if self.kind == "heralded" and not (0 < self.p <= 1 and 0.25 < self.fidelity <= 1):
            raise ConfigError(
                "a heralded link needs p in (0, 1] and a fidelity above 0.25", field="link", value=self.name
            )
        sensible = 0 < self.eta <= 1 and 0 <= self.dephasing <= 1 and 0 <= self.length_m < math.inf
        if not sensible or self.attempt_ns < 1 or self.frame_delay_ns < 0:
            raise ConfigError("a link's eta, times or length make no sense", field="link", value=self.name)

    @property
    def name(self) -> str:
        """Both ends."""
        return f"{self.a}-{self.b}"


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """How the network is run: labels, keep-alive, turns and test rounds."""

    labels: str = "coordinated"
    keepalive_ns: int = 100_000_000
    slice_pairs: int = 64
    test_every: int = 0
    test_count: int = 12
    max_error: float = 1.0

    def __post_init__(self) -> None:
        if self.labels not in ("coordinated", "independent"):
            raise ConfigError("labels are coordinated or independent", field="labels", value=self.labels)
        if self.test_every and self.test_count < 1:
            raise ConfigError("a block of test rounds has at least one", field="test_count", value=0)


@dataclass(frozen=True, slots=True)
class CircuitSpec:
    """A virtual circuit: ends, wanted end-to-end fidelity, cutoff ("auto", "short", "long", "none" or ns).

    `path` and `link_fidelity` override what routing would choose. `weight` is its share of links.
    """

    name: str
    head: str
    tail: str
    fidelity: float = 0.5
    cutoff: str | int = "auto"
    path: tuple[str, ...] = ()
    link_fidelity: float = 0.0
    weight: int = 1

    def __post_init__(self) -> None:
        if self.head == self.tail:
            raise ConfigError("a circuit has two ends", field="circuit", value=self.name)
        if isinstance(self.cutoff, str) and self.cutoff not in ("auto", "short", "long", "none"):
            raise ConfigError(
                "a cutoff is auto, short, long, none or a time", field="cutoff", value=self.cutoff
            )


@dataclass(frozen=True, slots=True)
class WorkloadSpec:
    """A request: what, on which circuit (or between which ends at which fidelity), when.

    `number` pairs "by" a time, a `rate` in pairs per second, `within_ns` for all alive together; `every_ns`
    with `repeat` issues it again and again. Bases are codes of `physical.BASIS_SETS`, `purify` is a number of
    `purification.METHODS`.
    """

    circuit: str
    type: str = "keep"
    number: int = 0
    rate: float = 0.0
    start_ns: int = 0
    by_ns: int = 0
    within_ns: int = 0
    head_basis: int = 2
    tail_basis: int = 2
    final: int = 4
    repeat: int = 1
    every_ns: int = 0
    purify: int = 0

    def __post_init__(self) -> None:
        if self.type not in ("keep", "early", "measure"):
            raise ConfigError("a request is keep, early or measure", field="type", value=self.type)
        if self.purify and (self.type != "keep" or self.within_ns):
            raise ConfigError(
                "only keep requests without `within` are purified", field="purify", value=self.purify
            )


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """Something that goes wrong at a time: `kind` with the node, link or circuit it happens to.

    Kinds: crash, flap, partition, reply_loss, duplicate, late, lost_frame, skew, full_memory, lying_tests.
    """

    kind: str
    at_ns: int
    node: str = ""
    link: str = ""
    circuit: str = ""
    for_ns: int = 0
    count: int = 1
    skew_ns: int = 0


def _known(names: Collection[str]) -> str:
    """The names to choose from, for an error's remedy; of many the first twenty."""
    shown = ", ".join(sorted(names)[:20]) or "none"
    return f"known: {shown}" + (f" and {len(names) - 20} more" if len(names) > 20 else "")


@dataclass(frozen=True, slots=True)
class Topology:
    """The whole. Names are unique; links name existing nodes."""

    nodes: tuple[NodeSpec, ...]
    links: tuple[LinkSpec, ...]
    control: ControlSpec = ControlSpec()
    circuits: tuple[CircuitSpec, ...] = ()
    workloads: tuple[WorkloadSpec, ...] = ()
    faults: tuple[FaultSpec, ...] = ()
    name: str = "network"
    _index: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    _joined: dict[frozenset[str], int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._index.update({node.name: i for i, node in enumerate(self.nodes)})
        self._joined.update({frozenset((link.a, link.b)): i for i, link in enumerate(self.links)})
        if len(self._index) != len(self.nodes):
            raise ConfigError("two nodes have one name", field="nodes")
        if len(self.nodes) > 65535:
            raise ConfigError("at most 65535 nodes have end-point numbers", field="nodes")
        seen: set[frozenset[str]] = set()
        for link in self.links:
            ends = frozenset((link.a, link.b))
            if len(ends) != 2 or not ends <= self._index.keys() or ends in seen:
                raise ConfigError(
                    "a link joins two nodes of the network, once", field="link", value=link.name
                )
            seen.add(ends)
        names = [circuit.name for circuit in self.circuits]
        if len(set(names)) != len(names):
            raise ConfigError("two circuits have one name", field="circuits")
        for circuit in self.circuits:
            for end in (circuit.head, circuit.tail, *circuit.path):
                self.index(end)
        for workload in self.workloads:
            if workload.circuit not in names:
                raise ConfigError(
                    "no such circuit",
                    field="workloads.circuit",
                    value=workload.circuit,
                    solution=_known(names),
                )

    def index(self, node: str) -> int:
        """A node's number."""
        if node not in self._index:
            raise ConfigError("no such node", field="node", value=node, solution=_known(self._index))
        return self._index[node]

    def link_between(self, a: str, b: str) -> int:
        """The number of the link between two neighbours."""
        found = self._joined.get(frozenset((a, b)))
        if found is None:
            raise ConfigError(
                "these nodes are not neighbours",
                field="link",
                value=f"{a}-{b}",
                solution=_known([f"{one}-{two}" for one, two in map(sorted, self._joined)]),
            )
        return found

    def with_(self, **changes: object) -> Topology:
        """A copy with other fields."""
        return replace(self, **changes)  # type: ignore[arg-type]  # the caller names fields of this class

    @classmethod
    def chain(cls, count: int, link: LinkSpec, hardware: HardwareSpec, **fields: object) -> Topology:
        """`count` nodes n0 … in a row, all alike, joined by copies of `link`."""
        nodes = tuple(NodeSpec(f"n{i}", hardware) for i in range(count))
        links = tuple(replace(link, a=f"n{i}", b=f"n{i + 1}") for i in range(count - 1))
        return cls(nodes, links).with_(**fields)

    @classmethod
    def dumbbell(cls, link: LinkSpec, hardware: HardwareSpec, **fields: object) -> Topology:
        """A0, A1 – MA – MB – B0, B1, the network of the paper's evaluation."""
        nodes = tuple(NodeSpec(name, hardware) for name in ("A0", "A1", "MA", "MB", "B0", "B1"))
        ends = (("A0", "MA"), ("A1", "MA"), ("MA", "MB"), ("MB", "B0"), ("MB", "B1"))
        return cls(nodes, tuple(replace(link, a=a, b=b) for a, b in ends)).with_(**fields)
