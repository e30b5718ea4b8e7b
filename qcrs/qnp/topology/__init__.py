"""Networks as values and as files."""

from qcrs.qnp.topology.model import (
    NO_LIMIT_NS,
    CircuitSpec,
    ControlSpec,
    FaultSpec,
    HardwareSpec,
    LinkSpec,
    NodeSpec,
    Topology,
    WorkloadSpec,
)

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
