"""What a processor can do: the capability suite that oracles run before they certify it.

Each protocol is a module with two pure functions, `circuits` and `score`; `suite` plans all of them for
one processor and turns the counts into a certificate and a report.
"""

from qcrs.benchmarks.speed import Timing
from qcrs.benchmarks.suite import (
    PROTOCOLS,
    Capability,
    CapabilityResult,
    Level,
    ProcessorModel,
    SuitePlan,
    evaluate,
    plan,
    quality_word,
)
from qcrs.benchmarks.topology import Coupling
from qcrs.benchmarks.units import BenchmarkUnit

__all__ = [
    "PROTOCOLS",
    "BenchmarkUnit",
    "Capability",
    "CapabilityResult",
    "Coupling",
    "Level",
    "ProcessorModel",
    "SuitePlan",
    "Timing",
    "evaluate",
    "plan",
    "quality_word",
]
