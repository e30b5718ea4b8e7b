"""Simulated hardware by name: the one place that knows which there are."""

from __future__ import annotations

from collections.abc import Sequence

from qcrs.errors import ConfigError
from qcrs.qnp.physical.belldiag import BellDiagonalHardware
from qcrs.qnp.physical.hardware import Hardware, NodeNoise

__all__ = ["BACKENDS", "hardware_named"]

BACKENDS = ("belldiag", "dm", "qiskit")
"""Three correlators a pair; 4×4 density matrices; the same with swaps by Qiskit's circuits."""


def hardware_named(name: str, noises: Sequence[NodeNoise], seed: int) -> Hardware:
    """Fresh hardware for nodes with these errors. `ConfigError` for a name that is none of `BACKENDS`."""
    if name == "belldiag":
        return BellDiagonalHardware(noises, seed)
    if name == "dm":
        from qcrs.qnp.physical.dm import DensityMatrixHardware

        return DensityMatrixHardware(noises, seed)
    if name == "qiskit":
        from qcrs.qnp.physical.qiskit_backend import QiskitHardware

        return QiskitHardware(noises, seed)
    raise ConfigError(
        "no such backend", field="backend", value=name, solution=f"one of {', '.join(BACKENDS)}"
    )
