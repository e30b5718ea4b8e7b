"""A chain in SeQUeNCe (≥ 1.3.1), in its fastest correct mode: Bell-diagonal states, single-heralded links.

Runs in SeQUeNCe's own environment: ``python sequence_chain.py NODES MILLISECONDS SEED``. Prints one JSON
object: pairs delivered, simulated seconds, processor and wall seconds of the simulation without set-up.
"""

import json
import sys
import time

from sequence.app.request_app import RequestApp  # type: ignore[import-not-found]  # a peer's package
from sequence.entanglement_management.generation import (  # type: ignore[import-not-found]
    EntanglementGenerationA,
    EntanglementGenerationB,
)
from sequence.entanglement_management.swapping import (  # type: ignore[import-not-found]
    EntanglementSwappingA,
    EntanglementSwappingB,
)
from sequence.kernel.quantum_manager import QuantumManager  # type: ignore[import-not-found]
from sequence.topology.router_net_topo import RouterNetTopo  # type: ignore[import-not-found]

KM_20, MEMORIES = 20_000, 2


def network(nodes: int, seed: int, end_ps: int) -> dict[str, object]:
    """The configuration: 20 km links at 0.2 dB/km, two memories a link end, ideal detectors and swaps."""
    memory = {"frequency": 1e9, "coherence_time": 10, "efficiency": 1, "fidelity": 0.99}
    detector = {"efficiency": 1, "dark_count": 0, "time_resolution": 6, "count_rate": 1e11}
    bsm = {"encoding_type": "single_heralded", "SingleHeraldedBSM": {"detectors": [detector, detector]}}
    names = [f"r{i}" for i in range(nodes)]
    delay = round(KM_20 / 2e8 * 1e12)
    return {
        "stop_time": end_ps,
        "formalism": "bell_diagonal",
        "templates": {"router": {"MemoryArray": memory}, "bsm": bsm},
        "nodes": [
            {
                "name": name,
                "type": "QuantumRouter",
                "seed": seed + i,
                "memo_size": MEMORIES * (1 if i in (0, nodes - 1) else 2),
                "template": "router",
            }
            for i, name in enumerate(names)
        ],
        "qconnections": [
            {
                "node1": a,
                "node2": b,
                "attenuation": 0.0002,
                "distance": KM_20,
                "type": "meet_in_the_middle",
                "seed": 1000 + seed + i,
                "template": "bsm",
            }
            for i, (a, b) in enumerate(zip(names, names[1:]))  # noqa: B905, RUF007  (a peer's Python)
        ],
        "cconnections": [
            {"node1": a, "node2": b, "distance": KM_20 * abs(i - j), "delay": delay * abs(i - j)}
            for i, a in enumerate(names)
            for j, b in enumerate(names)
            if i < j
        ],
    }


def main() -> None:
    """Run and print."""
    nodes, milliseconds, seed = map(int, sys.argv[1:4])
    QuantumManager.set_global_manager_formalism("bell_diagonal")
    EntanglementGenerationA.set_global_type("single_heralded")
    EntanglementGenerationB.set_global_type("single_heralded")
    EntanglementSwappingA.set_formalism("bell_diagonal")
    EntanglementSwappingB.set_formalism("bell_diagonal")
    start, end = 10**10, 10**10 + milliseconds * 10**9
    topology = RouterNetTopo(network(nodes, seed, end))
    routers = {r.name: r for r in topology.get_nodes_by_type(RouterNetTopo.QUANTUM_ROUTER)}
    timeline = topology.get_timeline()
    first, last = RequestApp(routers["r0"]), RequestApp(routers[f"r{nodes - 1}"])
    timeline.init()
    first.start(last.node.name, start, end, MEMORIES, 0.1)
    cpu, wall = time.process_time(), time.perf_counter()
    timeline.run()
    found = {
        "pairs": first.memory_counter,
        "simulated_s": (end - start) / 1e12,
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
    }
    print(json.dumps(found))  # noqa: T201  (its parent reads this line)


main()
