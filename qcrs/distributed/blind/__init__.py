"""Blind computing as a small demonstration: at most four wires on a server that learns only their number."""

from qcrs.distributed.blind.client import Client, Computing, Keys, Trapping
from qcrs.distributed.blind.pattern import EIGHTH, GATES, MOST_WIRES, Brickwork, Pattern, pattern
from qcrs.distributed.blind.rounds import Outcome, play, run, view
from qcrs.distributed.blind.server import Lab, Server

__all__ = [
    "EIGHTH",
    "GATES",
    "MOST_WIRES",
    "Brickwork",
    "Client",
    "Computing",
    "Keys",
    "Lab",
    "Outcome",
    "Pattern",
    "Server",
    "Trapping",
    "pattern",
    "play",
    "run",
    "view",
]
