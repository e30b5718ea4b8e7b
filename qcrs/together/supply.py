"""Pairs and test rounds for channels, from a run of QNP.

The network is the topology file's; only its workloads are replaced by what the epoch needs. `heap` runs all
nodes in this process, `tcp` each node in a process of its own: what an end remembers is then that process's
memory. Nothing is said on chain per pair; an epoch is one run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from qcrs.distributed.noise import BellDiagonal
from qcrs.errors import EntanglementError, InputError
from qcrs.qnp import Delivery, Network, Status, Topology
from qcrs.qnp.physical.belldiag import BellDiagonalHardware
from qcrs.together.rounds import EndRecord, Round

__all__ = ["DRIVERS", "Supplied", "circuit_rate", "path_hash", "supply"]

DRIVERS = ("heap", "tcp")
BLOCKS = 8
"""Blocks of test rounds that a run has at least, so that every axis is measured more than once."""
SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Supplied:
    """One circuit's part of a run: what each end remembers, and what only the hardware knows."""

    circuit: str
    head: EndRecord
    tail: EndRecord
    state: BellDiagonal
    """Mean state of the delivered pairs at their delivery; the joint simulation's noise."""
    rate: float
    """Pairs a second."""
    seconds: float
    """Simulated time of the run."""

    @property
    def ends(self) -> tuple[EndRecord, EndRecord]:
        """Records in the order of the channel's ends."""
        return self.head, self.tail


def supply(
    topology: Topology, wanted: Mapping[str, int], *, seed: int, rounds: int = 0, driver: str = "heap"
) -> dict[str, Supplied]:
    """Deliver so many pairs on each named circuit, with at least about `rounds` test rounds on each.

    Raises `InputError` for what cannot be asked, `EntanglementError` with QNP's own reason where a circuit
    delivered less.
    """
    if not wanted:
        return {}
    names = [spec.name for spec in topology.circuits]
    for name, number in wanted.items():
        if name not in names:
            raise InputError(
                "no such circuit", field="circuit", value=name, solution=f"known: {', '.join(names)}"
            )
        if number < 1:
            raise InputError("at least one pair is wanted", field="pairs", value=number)
    chosen = topology.with_(workloads=(), control=_tested(topology, min(wanted.values()), rounds).control)
    with _network(chosen, seed, driver) as network:
        return _Run(network, wanted).run()


def _tested(topology: Topology, pairs: int, rounds: int) -> Topology:
    """Test rounds as often as the file says, or more often where that would be too few."""
    control = topology.control
    every = control.test_every or pairs
    count = control.test_count
    if rounds and (not control.test_every or pairs // every * count < rounds * 1.1):
        every = max(1, min(every, pairs // BLOCKS))
        count = max(count, math.ceil(rounds * 1.2 / max(1, pairs // every)))
    return topology.with_(control=replace(control, test_every=every, test_count=count))


@contextmanager
def _network(topology: Topology, seed: int, driver: str) -> Iterator[Network]:
    if driver == "heap":
        yield Network(topology, seed, record=False)
    elif driver == "tcp":
        from qcrs.qnp.drivers.tcp.broker import RemoteNetwork

        with RemoteNetwork(topology, seed, record=False) as network:
            yield network
    else:
        raise InputError(
            "no such driver", field="driver", value=driver, solution=f"one of {', '.join(DRIVERS)}"
        )


class _Run:
    def __init__(self, network: Network, wanted: Mapping[str, int]) -> None:
        self.network, self.wanted = network, wanted
        self.numbers = {name: network.circuit(name) for name in wanted}
        self.sums = {number: [0.0, 0.0, 0.0, 0.0] for number in self.numbers.values()}
        network.on_delivery = self._delivered

    def _delivered(self, pair: Delivery) -> None:
        hardware = self.network.hardware
        if isinstance(hardware, BellDiagonalHardware):
            state = hardware.pair(self.network.now, pair.head)
            total = self.sums[pair.circuit]
            for i, value in enumerate((1.0, state.xx, state.yy, state.zz)):
                total[i] += value

    def run(self) -> dict[str, Supplied]:
        network = self.network
        requests = {}
        for name, number in self.wanted.items():
            network.keep(self.numbers[name])
            requests[name] = network.request(self.numbers[name], number=number)
        network.run()
        for name, request in requests.items():
            log = network.requests[request]
            if log.status is not Status.COMPLETED:
                raise EntanglementError(
                    f"{log.delivered} of {self.wanted[name]} pairs were delivered: {log.reason.words}",
                    field="circuit",
                    value=name,
                    solution="mend the network, or lower the circuit's fidelity, and run the epoch again",
                )
        return {name: self._found(name) for name in self.wanted}

    def _found(self, name: str) -> Supplied:
        network, number = self.network, self.numbers[name]
        path, stats = network.plans[number].path, network.stats[number]
        count, xx, yy, zz = self.sums[number]
        gaps, spent = stats.delivered - 1, stats.last_ns - stats.first_ns
        return Supplied(
            name,
            _record(network, number, path[0], 0),
            _record(network, number, path[-1], 1),
            BellDiagonal.from_correlators(xx / count, yy / count, zz / count),
            gaps * SECOND / spent if gaps > 0 and spent > 0 else network.plans[number].eer,
            network.now / SECOND,
        )


def _record(network: Network, circuit: int, node: int, end: int) -> EndRecord:
    """An end's memory in the channel's words."""
    raw, pairs = network.kept(circuit, node)
    rounds = []
    for own, other, axis, bell, bit, theirs in raw:
        ids = (own, other) if end == 0 else (other, own)
        bits = (bit, theirs) if end == 0 else (theirs, bit)
        rounds.append(Round.seen(ids, axis, bell, *bits))
    delivered = sorted((own, other) if end == 0 else (other, own) for own, other in pairs)
    return EndRecord(end, tuple(sorted(rounds)), tuple(delivered))


def circuit_rate(topology: Topology, circuit: str) -> float:
    """Pairs a second that the network promises on a circuit."""
    network = Network(topology.with_(workloads=()))
    return float(network.plans[network.circuit(circuit)].eer)


def path_hash(topology: Topology, circuit: str) -> bytes:
    """Hash of the routing entries along a circuit's path: what a channel's terms name."""
    from dataclasses import astuple

    from qcrs.circuits.drbg import keccak

    network = Network(topology.with_(workloads=()))
    plan = network.plans[network.circuit(circuit)]
    return keccak(repr([astuple(entry) for entry in plan.entries]).encode())
