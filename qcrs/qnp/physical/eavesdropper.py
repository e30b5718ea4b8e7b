"""Somebody on a link who measures some of its qubits along X or Z at random and sends on what he found.

Averaged over what he finds, a pair keeps the correlator of his axis and loses the others: a perfect pair's
error rate in a random one of two bases rises from 0 to 1/4, and a fraction q of such pairs adds q/4 (times
1 − 2Q where the pairs already had errors Q). The Bell index that TRACK tells stays what it was.
"""

from __future__ import annotations

from qcrs.errors import InputError
from qcrs.qnp.physical.belldiag import BellDiagonalHardware
from qcrs.qnp.physical.dm import DensityMatrixHardware
from qcrs.qnp.physical.hardware import Source
from qcrs.qnp.physical.streams import Stream

__all__ = ["InterceptResend"]


class InterceptResend:
    """A `Hardware` with an eavesdropper on the link between two nodes, who takes a fraction of the qubits."""

    def __init__(
        self,
        hardware: BellDiagonalHardware | DensityMatrixHardware,
        link: tuple[int, int],
        fraction: float,
        seed: int,
    ) -> None:
        if not 0.0 <= fraction <= 1.0:
            raise InputError("a fraction lies between 0 and 1", field="fraction", value=fraction)
        self.inner = hardware
        self.intercepted = 0
        self._link = {frozenset(link)}
        self._fraction = fraction
        self._draws = Stream(seed, f"eavesdropper/{min(link)}-{max(link)}")
        self.swap = hardware.swap
        self.measure = hardware.measure
        self.purify = hardware.purify
        self.correct = hardware.correct
        self.free = hardware.free
        self.held = hardware.held
        self.fidelity = hardware.fidelity
        self.frame = hardware.frame

    def create(self, now: int, source: Source, first: int, second: int, bell: int) -> tuple[int, int]:
        """A fresh pair, one of whose qubits may have been looked at on its way."""
        one, two = self.inner.create(now, source, first, second, bell)
        if frozenset((first, second)) in self._link and self._draws.uniform() <= self._fraction:
            self.inner.scramble(two, 2 * self._draws.below(2))
            self.intercepted += 1
        return one, two
