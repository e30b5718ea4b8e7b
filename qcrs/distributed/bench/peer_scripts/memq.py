"""memq-dqc on one circuit, in its own environment: prints the pairs that its best algorithm uses.

python peer_memq.py NETWORK.json CIRCUIT.qasm
"""

from __future__ import annotations

import json
import sys
import time

from memq_dqc.partition import Partitioner  # type: ignore[import-not-found]  # a peer's package

ALGORITHMS = ("interaction", "interaction_static", "hypergraph")


def main() -> None:
    """Prints one JSON object: pairs or an error by algorithm."""
    network, circuit = sys.argv[1:3]
    found: dict[str, dict[str, object]] = {}
    for algorithm in ALGORITHMS:
        begun = time.perf_counter()
        try:
            partitioner = Partitioner(network, circuit, algo=algorithm)
            partitioner.run(ebit_assignment=True)
            pairs = partitioner.cost
        except Exception as error:  # a peer's failure is a result
            found[algorithm] = {"error": f"{type(error).__name__}: {error}"[:200]}
            continue
        found[algorithm] = {"pairs": pairs, "seconds": time.perf_counter() - begun}
    sys.stdout.write(json.dumps(found) + "\n")


main()
