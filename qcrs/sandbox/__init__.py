"""Limited child processes: everything a stranger wrote is parsed, transpiled and run in one of these."""

from qcrs.sandbox.limits import GIB, Isolation, Limits, Outcome
from qcrs.sandbox.process import Sandbox

__all__ = ["GIB", "Isolation", "Limits", "Outcome", "Sandbox"]
