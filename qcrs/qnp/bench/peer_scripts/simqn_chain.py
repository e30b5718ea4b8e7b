"""A chain in SimQN (`qns`): its own entanglement distribution, no losses, unlimited channels and memories.

Runs in SimQN's own environment: ``python simqn_chain.py NODES PAIRS RATE SEED``, RATE in pairs per second.
Prints one JSON object: pairs delivered, simulated seconds, processor and wall seconds of the simulation.
"""

import json
import sys
import time

from qns.network import QuantumNetwork  # type: ignore[import-not-found]  # a peer's package
from qns.network.protocol.entanglement_distribution import (  # type: ignore[import-not-found]
    EntanglementDistributionApp,
)
from qns.network.route.dijkstra import DijkstraRouteAlgorithm  # type: ignore[import-not-found]
from qns.network.topology import LineTopology  # type: ignore[import-not-found]
from qns.network.topology.topo import ClassicTopology  # type: ignore[import-not-found]
from qns.simulator.simulator import Simulator  # type: ignore[import-not-found]
from qns.utils.rnd import set_seed  # type: ignore[import-not-found]

DELAY_S = 1e-4
"""20 km of fibre."""


def main() -> None:
    """Run and print."""
    nodes, pairs, seed = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[4])
    rate = float(sys.argv[3])
    set_seed(seed)
    seconds = pairs / rate
    simulator = Simulator(0, seconds, accuracy=1_000_000_000)
    topology = LineTopology(
        nodes_number=nodes,
        nodes_apps=[EntanglementDistributionApp(init_fidelity=0.99)],
        qchannel_args={"delay": DELAY_S, "bandwidth": 0},
        cchannel_args={"delay": DELAY_S, "bandwidth": 0},
        memory_args=[{"capacity": 0}],
    )
    network = QuantumNetwork(topo=topology, classic_topo=ClassicTopology.All, route=DijkstraRouteAlgorithm())
    network.build_route()
    first, last = network.get_node("n1"), network.get_node(f"n{nodes}")
    network.add_request(first, last, {"send_rate": rate})
    network.install(simulator)
    cpu, wall = time.process_time(), time.perf_counter()
    simulator.run()
    found = {
        "pairs": last.get_apps(EntanglementDistributionApp)[0].success_count,
        "simulated_s": seconds,
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
    }
    print(json.dumps(found))  # noqa: T201  (its parent reads this line)


main()
