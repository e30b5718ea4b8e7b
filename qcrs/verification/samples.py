"""Decoded samples of one circuit, and readout blur.

Outcomes are kept on the measured bits only: bit k of a key is the k-th measured classical bit. Up to 62
of them keys are 64-bit integers, above that Python's; everything else is the same. *Blur* flips bits
with given probabilities. Two devices with different readout errors become comparable when each side is
blurred by the other's (measured: it brings honest pairs below the shape threshold from 5 % to none).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qcrs.circuits.drbg import Drbg
from qcrs.errors import VerificationError

__all__ = ["Sample", "blur_density", "compact", "flip_sample", "merged", "sample_of"]

Keys = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

WORD_BITS = 62


@dataclass(frozen=True, slots=True)
class Sample:
    """Counts of distinct outcomes over `width` measured bits; keys are sorted."""

    width: int
    keys: Keys
    counts: Counts

    @property
    def shots(self) -> int:
        """All counts together."""
        return int(self.counts.sum())

    def lookup(self, keys: Keys) -> Counts:
        """Counts of these outcomes, 0 where there is none."""
        if not len(self.keys):
            return np.zeros(len(keys), dtype=np.int64)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, self.counts[at], 0).astype(np.int64)

    def dense(self) -> Floats:
        """Counts of all 2^width outcomes."""
        out = np.zeros(1 << self.width)
        out[self.keys.astype(np.int64)] = self.counts
        return out


def compact(outcome: int, bits: Sequence[int]) -> int:
    """An outcome over all classical bits as a key over the measured ones."""
    key = 0
    for k, bit in enumerate(bits):
        key |= (outcome >> bit & 1) << k
    return key


def _of(width: int, keys: Keys, counts: Counts) -> Sample:
    unique, inverse = np.unique(keys, return_inverse=True)
    total = np.bincount(inverse, weights=counts, minlength=len(unique)).astype(np.int64)
    return Sample(width, unique, total)


def sample_of(counts: Mapping[int, int], bits: Sequence[int], mask: int = 0) -> Sample:
    """Decode counts with a mask and keep the measured bits."""
    width = len(bits)
    numbers = np.fromiter(counts.values(), dtype=np.int64, count=len(counts))
    identity = tuple(bits) == tuple(range(width))
    flip = compact(mask, bits)
    keep = (1 << width) - 1
    listed = [(o & keep if identity else compact(o, bits)) ^ flip for o in counts]
    return _of(width, np.array(listed, dtype=np.int64 if width <= WORD_BITS else object), numbers)


def merged(samples: Sequence[Sample]) -> Sample:
    """Several samples of the same bits as one."""
    if not samples or len({sample.width for sample in samples}) != 1:
        raise VerificationError(
            "samples of different bits cannot be merged", field="samples", value=len(samples)
        )
    keys = np.concatenate([sample.keys for sample in samples])
    return _of(samples[0].width, keys, np.concatenate([sample.counts for sample in samples]))


def blur_density(density: Floats, errors: Sequence[float]) -> Floats:
    """Flip bit j of a dense distribution with probability errors[j]."""
    if not any(errors):
        return density
    out = np.array(density, dtype=np.float64)
    for bit, error in enumerate(errors):
        if error > 0:
            view = out.reshape(-1, 2, 1 << bit)
            moved = (view[:, 1] - view[:, 0]) * error
            view[:, 0] += moved
            view[:, 1] -= moved
    return out


def flip_sample(sample: Sample, errors: Sequence[float], stream: Drbg) -> Sample:
    """Flip bit j of every shot with probability errors[j]: the same blur for samples too wide to be dense."""
    if not any(errors):
        return sample
    keys = np.repeat(sample.keys, sample.counts)
    for bit, error in enumerate(errors):
        if error > 0:
            flips = stream.uniform(len(keys)) < error
            one = np.array(1 << bit, dtype=keys.dtype)
            keys = np.where(flips, keys ^ one, keys)
    return _of(sample.width, keys, np.ones(len(keys), dtype=np.int64))
