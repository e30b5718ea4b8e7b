"""V1 PREDICATE: the client's own check of single outcomes, for answers that are easy to check.

A peaked output has no power against copying and little against guessing; but whoever asks for a factor
can say what a factor is. A predicate is `{"condition": …, "least_ppm": n}`: a condition over the circuit's
classical bits (see `qcrs.circuits.conditions`), and the share of shots that must fulfil it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from qcrs.circuits.conditions import check_condition, evaluate, frozen
from qcrs.circuits.document import CircuitDocument
from qcrs.errors import CircuitError
from qcrs.types import Json
from qcrs.verification.statistics import Estimate

__all__ = ["check_predicate", "predicate_share"]

PPM = 1_000_000


def check_predicate(predicate: Json, doc: CircuitDocument) -> float:
    """The least share of shots that a predicate asks for; `CircuitError` where it cannot be read."""
    if not isinstance(predicate, dict) or set(predicate) != {"condition", "least_ppm"}:
        raise CircuitError(
            "a predicate has a condition and least_ppm",
            field="predicate",
            value=predicate,
            solution='for example {"condition": ["register", "c", 5], "least_ppm": 500000}',
        )
    least = predicate["least_ppm"]
    if type(least) is not int or not 0 <= least <= PPM:
        raise CircuitError("least_ppm lies between 0 and 1000000", field="least_ppm", value=least)
    check_condition(frozen(predicate["condition"]), doc.clbits, doc.spans)
    return least / PPM


def predicate_share(predicate: Json, doc: CircuitDocument, decoded: Mapping[int, int]) -> Estimate:
    """Share of the decoded shots that fulfil the predicate."""
    condition = frozen(predicate["condition"])
    shots = sum(decoded.values())
    good = sum(count for outcome, count in decoded.items() if evaluate(condition, doc.spans, outcome))
    share = good / shots
    return Estimate(share, math.sqrt(max(share * (1 - share), 1 / shots) / shots))
