"""Attackers that take from others, and one that walks away.

A09 replays of raw outcomes · A10 colluders: one sample for two, or a pool · A12 selective aborts.

Within one job all executions get the same frames, so colluders may hand raw outcomes to each other as they
are; a revealed result of another job has other frames. Colluders agree on a secret, and each derives the
same shots from it on its own: the same as if one had sent them to the other.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np
from qiskit.providers import BackendV2

from qcrs.attackers.base import Attacker, Call, Shots
from qcrs.attackers.untwirl import Undone
from qcrs.errors import BackendError
from qcrs.node.clifford import is_clifford

__all__ = ["Aborts", "PoolsSamples", "Replays", "SharesSample"]


class Replays(Attacker):
    """A09: sells the raw outcomes of an earlier job of the same target, frame by frame, as they were."""

    def __init__(self, honest: BackendV2) -> None:
        super().__init__(honest)
        self._archive: dict[str, list[Shots]] = {}

    def answer(self, call: Call) -> list[Shots]:
        """Honest for a target that it has not seen, else a copy."""
        out: dict[int, Shots] = {}
        for target in call.targets():
            old = self._archive.get(target.key)
            if old is None or any(len(shots) < call.shots for shots in old):
                chosen = [call.circuits[index] for index in target.indices]
                self._archive[target.key] = old = self.honest(chosen, call.shots, call.seed)
            for place, index in enumerate(target.indices):
                out[index] = old[place % len(old)][: call.shots]
        return [out[index] for index in range(len(call.circuits))]


def _common_seed(secret: str, target: Undone) -> int:
    return int.from_bytes(sha256(f"{secret}/{target.key}".encode()).digest()[:4], "big") >> 1


class SharesSample(Attacker):
    """A10: every colluder returns the same sample; `jitter` of the shots are fresh ones of its own."""

    def __init__(self, honest: BackendV2, secret: str, jitter: float = 0.0) -> None:
        super().__init__(honest)
        self._secret = secret
        self._jitter = jitter

    def answer(self, call: Call) -> list[Shots]:
        """The common sample, a part of it replaced."""
        out: dict[int, Shots] = {}
        for target in call.targets():
            chosen = [call.circuits[index] for index in target.indices]
            common = self.honest(chosen, call.shots, _common_seed(self._secret, target))
            fresh = self.honest(chosen, call.shots, call.seed) if self._jitter else common
            for index, old, new in zip(target.indices, common, fresh, strict=True):
                own = call.stream.random(len(old)) < self._jitter
                out[index] = np.where(own, call.stream.permutation(new), old)
        return [out[index] for index in range(len(call.circuits))]


class PoolsSamples(Attacker):
    """A10: colluders share a pool of `share` of the ordered shots; each draws its own sample from it."""

    def __init__(self, honest: BackendV2, secret: str, share: float = 0.5) -> None:
        super().__init__(honest)
        self._secret = secret
        self._share = share

    def answer(self, call: Call) -> list[Shots]:
        """Outcomes drawn from the pool with repetition, put into the frames."""
        out: dict[int, Shots] = {}
        for target in call.targets():
            chosen = [call.circuits[index] for index in target.indices]
            each = max(1, round(self._share * call.shots))
            found = self.honest(chosen, each, _common_seed(self._secret, target))
            pool = np.concatenate([shots ^ mask for shots, mask in zip(found, target.masks, strict=True)])
            for index, mask in zip(target.indices, target.masks, strict=True):
                out[index] = call.stream.choice(pool, call.shots) ^ mask
        return [out[index] for index in range(len(call.circuits))]


class Aborts(Attacker):
    """A12: runs what may be a certification and gives up on the rest, so that no commitment follows."""

    def answer(self, call: Call) -> list[Shots]:
        """Honest on Clifford circuits; `BackendError` for a call with any other."""
        if not all(is_clifford(circuit) for circuit in call.circuits):
            raise BackendError("the device is not available", field="backend", value=self.name)
        return self.honest(call.circuits, call.shots, call.seed)
