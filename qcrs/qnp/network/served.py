"""What an end keeps of a request while it serves it, and of a purification at work."""

from __future__ import annotations

from qcrs.qnp.network.actions import Action
from qcrs.qnp.physical.purification import joined

__all__ = ["ENDLESS", "Purification", "Served"]

ENDLESS = 1 << 60


class Served:
    """A request while an end serves it. `room` is how many pairs may still be bound to it."""

    __slots__ = (
        "armed",
        "delivered",
        "final",
        "form",
        "held",
        "id",
        "mode",
        "number",
        "paused",
        "purify",
        "rate",
        "room",
        "window_ns",
    )

    def __init__(
        self, request: int, form: int, mode: int, number: int, rate: int, final: int, purify: int = 0
    ) -> None:
        self.id = request
        self.form = form
        self.mode = mode
        self.number = number
        self.rate = rate
        self.final = final
        self.purify = purify
        self.room = (2 * number if purify else number) or ENDLESS
        self.delivered = 0
        self.window_ns = 0
        self.armed = self.paused = False
        self.held: dict[int, tuple[int, Action]] = {}
        """Pairs that wait for others, by own sequence: when confirmed, how to deliver them."""


class Purification:
    """One at work at an end: both pairs as they would be delivered, their turns, and the bits known."""

    __slots__ = ("bit", "kept", "other_bit", "request", "sacrificed", "turns")

    def __init__(self, request: Served, kept: Action, sacrificed: Action, turns: tuple[int, int]) -> None:
        self.request = request
        self.kept = kept
        self.sacrificed = sacrificed
        self.turns = turns
        self.bit = self.other_bit = -1

    def outcome(self) -> tuple[bool, int]:
        """Whether it succeeded, and the Bell index of what is kept."""
        bell, expected = joined(self.kept[3], self.sacrificed[3], self.turns)
        return self.bit ^ self.other_bit == expected, bell
