"""Physical layer: pairs, noise, heralding, and the simulated hardware that holds states."""

from qcrs.qnp.physical.bell import AXES, BELL_NAMES, BellPair
from qcrs.qnp.physical.belldiag import BellDiagonalHardware
from qcrs.qnp.physical.hardware import BASIS_SETS, KEEP, Hardware, NodeNoise, Source
from qcrs.qnp.physical.streams import Stream

__all__ = [
    "AXES",
    "BASIS_SETS",
    "BELL_NAMES",
    "KEEP",
    "BellDiagonalHardware",
    "BellPair",
    "Hardware",
    "NodeNoise",
    "Source",
    "Stream",
]
