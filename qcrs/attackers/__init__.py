"""Dishonest processors: each a `BackendV2` around an honest one, so that it runs as a node and in the bench.

    qcrs node run --account eve --backend "qcrs.attackers:attack?kind=test_aware&base=aer:noisy-a&qubits=14"
    qcrs bench verify

Nothing here is part of an honest node. The kinds are those of the public table (docs/verification.md).
"""

from __future__ import annotations

from collections.abc import Mapping

from qiskit.providers import BackendV2

from qcrs.attackers.altering import Flipped, Forced, Swapped
from qcrs.attackers.base import Attacker, Call
from qcrs.attackers.cheapened import Approximated, MatrixProduct, Worse
from qcrs.attackers.colluding import Aborts, PoolsSamples, Replays, SharesSample
from qcrs.attackers.fabricating import Diluted, FabricatedFrames, FewShots, Stale, TestAware, Uniform
from qcrs.errors import BackendError
from qcrs.node.devices import NOISE, open_device

__all__ = [
    "KINDS",
    "Aborts",
    "Approximated",
    "Attacker",
    "Call",
    "Diluted",
    "FabricatedFrames",
    "FewShots",
    "Flipped",
    "Forced",
    "MatrixProduct",
    "PoolsSamples",
    "Replays",
    "SharesSample",
    "Stale",
    "Swapped",
    "TestAware",
    "Uniform",
    "Worse",
    "attack",
]

KINDS: Mapping[str, type[Attacker]] = {
    "uniform": Uniform,
    "stale": Stale,
    "few_shots": FewShots,
    "swapped": Swapped,
    "flipped": Flipped,
    "forced": Forced,
    "matrix_product": MatrixProduct,
    "worse": Worse,
    "test_aware": TestAware,
    "replays": Replays,
    "shares_sample": SharesSample,
    "pools_samples": PoolsSamples,
    "fabricated_frames": FabricatedFrames,
    "diluted": Diluted,
    "approximated": Approximated,
    "aborts": Aborts,
}


def attack(
    kind: str, base: str = "aer:noisy-a", qubits: int = 0, coupling: str = "line", **options: object
) -> BackendV2:
    """The attacker of this kind over the device `base`; `options` are the attacker's own.

    `qubits` and `coupling` complete an `aer:` device. Kind `worse` takes `factor`: how much larger the
    two-qubit error of an `aer:` device is than the registered one.
    """
    chosen = KINDS.get(kind)
    if chosen is None:
        raise BackendError(
            "no such attacker", field="kind", value=kind, solution=f"one of {', '.join(sorted(KINDS))}"
        )
    spec = f"{base}?qubits={qubits}&coupling={coupling}" if qubits else base
    if chosen is Worse:
        known = NOISE.get(base.removeprefix("aer:"))
        if known is None or not qubits:
            raise BackendError(
                "a worse device is an aer: one with its number of qubits", field="base", value=base
            )
        factor = float(str(options.pop("factor", 10)))
        options["actual"] = open_device(f"{spec}&p2={known.p2 * factor}").backend
    return chosen(open_device(spec).backend, **options)
