"""V0 FORM: is the result what was committed to, and is it a sample at all?

Exact shots in every frame, outcomes within the measured bits, the hash and the commitment as given, and no
common factor in the counts: a hundred shots sold as four thousand are all multiples of forty.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from qcrs.errors import VerificationError
from qcrs.types import Json

__all__ = ["FREE_COUNTS", "form_problem", "parse_counts", "scaled_counts"]

FREE_COUNTS = 25
"""Counts that vary freely below which a common factor proves nothing (it occurs by chance in 2⁻²⁵)."""

Counts = Mapping[int, int]
_OUTCOME = re.compile(r"0x(0|[1-9a-f][0-9a-f]*)")


def parse_counts(value: Json) -> dict[int, int]:
    """Counts of a result document, `{"0x1f": n}`; `VerificationError` unless every key has its one form."""
    if not isinstance(value, dict):
        raise VerificationError(
            "counts are an object of outcomes", field="counts", value=type(value).__name__
        )
    for key, count in value.items():
        if not isinstance(key, str) or not _OUTCOME.fullmatch(key):
            raise VerificationError(
                "an outcome is lower-case hex without leading zeros", field="counts", value=key
            )
        if type(count) is not int or count < 1:
            raise VerificationError("a count is a positive integer", field="counts", value=count)
    return {int(key, 16): count for key, count in value.items()}


def scaled_counts(frames: Sequence[Counts]) -> int:
    """The common factor of all counts of a unit, or 1 where too few of them are free to tell."""
    free = sum(len(frame) - 1 for frame in frames if frame)
    if free < FREE_COUNTS:
        return 1
    return math.gcd(*(count for frame in frames for count in frame.values()))


def _unit_problem(frames: Sequence[Counts], shots: Sequence[int], bits: int) -> str | None:
    if len(frames) != len(shots):
        return f"has {len(frames)} frames instead of {len(shots)}"
    for number, (counts, wanted) in enumerate(zip(frames, shots, strict=True)):
        for outcome, count in counts.items():
            if type(outcome) is not int or type(count) is not int or count < 1:
                return f"frame {number} has a count that is not a positive integer"
            if outcome < 0 or outcome & ~bits:
                return f"frame {number} has an outcome outside the measured bits"
        if sum(counts.values()) != wanted:
            return f"frame {number} has {sum(counts.values())} shots instead of {wanted}"
    factor = scaled_counts(frames)
    return f"has counts that are all multiples of {factor}" if factor > 1 else None


def form_problem(
    units: Sequence[Sequence[Counts]],
    shots: Sequence[Sequence[int]],
    measured: Sequence[Sequence[int]],
    hashes: Sequence[tuple[str, bytes, bytes]] = (),
) -> str | None:
    """What is wrong with the raw counts of a result, in words; None if nothing is.

    `shots` and `measured` give the shots of each frame and the measured classical bits of each unit;
    `hashes` are (name, wanted, found) of documents, roots and commitments.
    """
    for name, wanted, found in hashes:
        if wanted != found:
            return f"the {name} does not match: {found.hex()} instead of {wanted.hex()}"
    if len(units) != len(shots):
        return f"the result has {len(units)} units instead of {len(shots)}"
    for number, (frames, wanted_shots, bits) in enumerate(zip(units, shots, measured, strict=True)):
        problem = _unit_problem(frames, wanted_shots, sum(1 << bit for bit in bits))
        if problem is not None:
            return f"unit {number} {problem}"
    return None
