"""Verdicts where there is nothing to judge: the same words from every oracle, and from whoever checks them.

What keeps an oracle from opening a document may differ from one oracle to the next, since a client or a
provider can give each of them another broken envelope, and an evidence is signed to the byte. So it says
which kind of thing is missing; the particulars stand in each oracle's journal.
"""

from __future__ import annotations

from qcrs.client.judgement import Found

__all__ = ["client_void", "unjudged", "unopened", "withheld"]

_ACCEPT, _REJECT = 1, 3


def client_void() -> Found:
    """The client's documents cannot be had: its check is void, and the provider is paid."""
    reason = "the client's documents are missing, do not open or cannot be read"
    return Found.plain(_ACCEPT, "client void", reason, passed=True, weak=True)


def withheld(seconds: float) -> Found:
    """Nothing was handed over within the network's wait."""
    return Found.plain(
        _REJECT, "withheld", f"the result was not handed over within {seconds} s", passed=False
    )


def unopened() -> Found:
    """What was handed over is of no use."""
    reason = "what was handed over does not open, or is not what was committed to"
    return Found.plain(_REJECT, "V0 form", reason, passed=False)


def unjudged(decided_by: object, seconds: float) -> Found | None:
    """The only verdict without a result that may be decided by this; None if there is none."""
    found = (client_void(), withheld(seconds), unopened())
    return next((one for one in found if one.decided_by == decided_by), None)
