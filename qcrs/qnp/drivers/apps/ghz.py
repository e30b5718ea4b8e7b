"""GHZ states on a network: pairs of a hub with each member, fused as they come; simulation by stim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from qcrs.errors import ConfigError
from qcrs.qnp.apps.ghz import Fuse, Hub, Joined, Tell, ghz_fidelity
from qcrs.qnp.drivers.apps.post import Post
from qcrs.qnp.drivers.heap import Network
from qcrs.qnp.drivers.records import Delivery
from qcrs.qnp.physical.belldiag import BellDiagonalHardware
from qcrs.qnp.physical.hardware import NodeNoise
from qcrs.qnp.physical.streams import Stream

__all__ = ["GhzRun", "GhzState", "sampled_fidelity"]


@dataclass(frozen=True, slots=True)
class GhzState:
    """What came of it: the nodes (hub first, then in the order of joining), or who was missing."""

    nodes: tuple[str, ...]
    missing: tuple[str, ...]
    started_ns: int
    finished_ns: int
    fidelity: float | None
    members: tuple[Joined, ...]
    noise: NodeNoise

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "nodes": list(self.nodes),
            "missing": list(self.missing),
            "size": len(self.nodes),
            "seconds": (self.finished_ns - self.started_ns) / 1e9,
            "fidelity": self.fidelity,
        }


class GhzRun:
    """One GHZ state of `hub` and `members`: within `deadline_ns`, or given up with the missing named."""

    def __init__(
        self,
        network: Network,
        hub: str,
        members: Sequence[str],
        *,
        fidelity: float = 0.5,
        deadline_ns: int = 10_000_000_000,
        purify: int = 0,
        post: Post | None = None,
    ) -> None:
        if not members or hub in members or len(set(members)) != len(members):
            raise ConfigError(
                "a GHZ state has a hub and other nodes, each once", field="members", value=list(members)
            )
        if not isinstance(network.hardware, BellDiagonalHardware):
            raise ConfigError("GHZ states need the belldiag backend", field="backend", solution="belldiag")
        self.network = network
        self._hardware = network.hardware
        self._post = post or Post(network)
        self._node = network.topology.index(hub)
        self._hub = Hub(frozenset(network.topology.index(m) for m in members))
        self._started = network.now
        self._deadline = network.now + deadline_ns
        self._draws = Stream(network.seed, f"ghz/{hub}/{network.now}")
        self._handles: dict[int, int] = {}
        self._joined_at: dict[int, int] = {}
        self._ready: set[int] = set()
        self._requests: dict[int, int] = {}
        self._before = network.on_delivery
        network.on_delivery = self._delivered
        for member in members:
            circuit = network.connect(hub, member, fidelity)
            request = network.request(circuit, number=1, final=0, purify=purify)
            self._requests[request] = network.topology.index(member)
        self.state: GhzState | None = None
        network.call_at(self._deadline, self._give_up)

    def run(self) -> GhzState:
        """Serve the network until the state is there or given up."""
        while self.state is None and self.network.run(max_events=50_000):
            pass
        if self.state is None:
            self._give_up(self.network.now)
        assert self.state is not None  # noqa: S101 - `_give_up` sets it
        return self.state

    # ------------------------------------------------------------------ pairs and fusions

    def _delivered(self, pair: Delivery) -> None:
        if self._before is not None:
            self._before(pair)
        member = self._requests.get(pair.request)
        if member is None or self.state is not None:
            return
        self.network.hold(pair.head, pair.tail)
        self._handles[member] = pair.tail
        self._act(self.network.now, self._hub.on_pair(member, pair.head))

    def _act(self, now: int, action: Fuse | Tell | None) -> None:
        if isinstance(action, Fuse):
            later = now + self.network.topology.nodes[self._node].hardware.swap_ns
            self.network.call_at(later, lambda t: self._fused(t, action))
        elif isinstance(action, Tell):
            if not self._joined_at:
                self._hardware.let_go(now, self._hub.root)
            self._joined_at[action.member] = now
            self._post.send(now, self._node, action.member, lambda t: self._told(t, action))

    def _fused(self, now: int, action: Fuse) -> None:
        """CNOT and readout are done; the bit is random."""
        if self.state is None:
            self._hardware.let_go(now, action.handle)
            self.network.release(action.handle)
            self._act(now, self._hub.on_fused(action.member, self._draws.below(2)))
        else:
            self.network.release(action.handle)

    def _told(self, now: int, action: Tell) -> None:
        """A member has its correction."""
        if self.state is not None:
            return
        self._ready.add(action.member)
        if self._ready == self._hub.members:
            self._finish(now, ())

    # ------------------------------------------------------------------ ends

    def _give_up(self, now: int) -> None:
        if self.state is None:
            self._finish(now, tuple(sorted(self._hub.members - self._ready)))

    def _finish(self, now: int, missing: tuple[int, ...]) -> None:
        gone = {m for m, handle in self._handles.items() if not self.network.holds(handle)}
        if self._hub.root >= 0 and not self.network.holds(self._hub.root):
            gone = set(self._hub.members)
        missing = tuple(sorted({*missing, *gone}))
        network, topology = self.network, self.network.topology
        order = self._hub.joined
        times = [self._joined_at[m] for m in order] + [now]
        noise = topology.nodes[self._node].hardware.noise
        members = (
            ()
            if missing
            else tuple(
                Joined(self._hardware.pair(now, self._handles[m]), after - before)
                for m, (before, after) in zip(order, pairwise(times), strict=True)
            )
        )
        self.state = GhzState(
            tuple(topology.nodes[n].name for n in (self._node, *order)),
            tuple(topology.nodes[n].name for n in missing),
            self._started,
            now,
            None if missing else ghz_fidelity(members, noise),
            members,
            noise,
        )
        network.on_delivery = self._before
        for handle in (*self._handles.values(), *([self._hub.root] if self._hub.root >= 0 else [])):
            network.release(handle)
        for request in self._requests:
            if network.requests[request].finished_ns < 0:
                network.cancel(request)


def sampled_fidelity(
    members: Sequence[Joined], noise: NodeNoise, shots: int, seed: int
) -> tuple[float, float]:
    """The same state by stim: the share of shots in which all stabilizers hold, and its standard error.

    Pairs, errors, CNOTs, readouts and corrections are simulated one by one, without the closed form.
    """
    try:
        import stim
    except ModuleNotFoundError as error:
        raise ConfigError(
            "stim is not installed", field="stim", solution="pip install 'qcrs[together]'"
        ) from error
    circuit = stim.Circuit()
    root = 0
    for i, member in enumerate(members):
        half, far = (root, 1) if i == 0 else (2 * i, 2 * i + 1)
        circuit.append("H", [half])
        circuit.append("CX", [half, far])
        _, z, x, y = member.pair.weights()
        circuit.append("PAULI_CHANNEL_1", [far], [max(0.0, w) for w in (x, y, z)])
        if i:
            circuit.append("CX", [root, half])
            circuit.append("DEPOLARIZE2", [root, half], noise.gate_error * 15 / 16)
            circuit.append("M", [half], noise.readout_error)
            circuit.append("CX", [stim.target_rec(-1), far])
        circuit.append("PAULI_CHANNEL_1", [root], _waiting(noise, member.root_waited_ns))
    far_ends = [2 * i + 1 for i in range(len(members))]
    circuit.append("MPP", _product(stim.target_x, [root, *far_ends], stim))
    circuit.append("DETECTOR", [stim.target_rec(-1)])
    for far in far_ends:
        circuit.append("MPP", _product(stim.target_z, [root, far], stim))
        circuit.append("DETECTOR", [stim.target_rec(-1)])
    hits = circuit.compile_detector_sampler(seed=seed).sample(shots)
    share = float((~hits.any(axis=1)).mean())
    return share, (share * (1 - share) / shots) ** 0.5


def _waiting(noise: NodeNoise, time_ns: int) -> list[float]:
    """Chances of X, Y, Z errors of a qubit that waited."""
    import math

    z = math.exp(-noise.depolarising_per_ns * time_ns)
    x = z * math.exp(-noise.dephasing_per_ns * time_ns)
    return [(1 - z) / 4, (1 - z) / 4, (1 + z - 2 * x) / 4]


def _product(target: Any, qubits: Sequence[int], stim: Any) -> list[Any]:
    """A Pauli product as stim wants it."""
    found: list[Any] = []
    for qubit in qubits:
        found += [target(qubit), stim.target_combiner()]
    return found[:-1]
