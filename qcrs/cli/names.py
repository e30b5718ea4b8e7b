"""Names and numbers that people write on the command line, as what they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcrs.errors import BackendError

if TYPE_CHECKING:
    from qcrs.client.exchange import Exchange

__all__ = ["processor_named"]


def processor_named(exchange: Exchange, name: str) -> int:
    """The number of the processor with this name or number; `BackendError` names those that exist."""
    known = exchange.processors()
    found = [one for one in known if name in (one.name, str(one.id))]
    if len(found) == 1:
        return found[0].id
    raise BackendError(
        "several processors have this name" if found else "no such processor",
        field="processor",
        value=name,
        solution="use a number: " + ", ".join(str(one.id) for one in found)
        if found
        else "known are: " + (", ".join(one.name for one in known) or "none yet"),
    )
