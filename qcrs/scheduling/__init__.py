"""The fair queue in Python: a reference model equal to the contract, and a simulation that compares rules."""

from qcrs.scheduling.bench import Table, run
from qcrs.scheduling.model import FairQueue
from qcrs.scheduling.words import Outcome, Parameters, QueueRefusal, Reason, Request

__all__ = ["FairQueue", "Outcome", "Parameters", "QueueRefusal", "Reason", "Request", "Table", "run"]
