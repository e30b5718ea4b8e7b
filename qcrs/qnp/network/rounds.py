"""Test rounds: pairs that the protocol measures itself, both ends along one axis, to see how good they are.

A turn of test rounds measures Z, X or Y by its epoch; the TRACK of each end carries its bit to the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["TEST_AXES", "TestRounds"]

TEST_AXES = (2, 0, 1)
"""Z, X, Y: what a turn of test rounds measures, by epoch."""


@dataclass(slots=True)
class TestRounds:
    """Test rounds by axis: how many, and how many bits were wrong for the Bell state found."""

    __test__ = False  # not a test of this project, whatever its name looks like

    count: list[int] = field(default_factory=lambda: [0, 0, 0])
    wrong: list[int] = field(default_factory=lambda: [0, 0, 0])
    kept: list[tuple[int, int, int, int, int, int]] | None = None
    """Own and other sequence, axis, Bell index, own and other bit of each; None where nobody asks."""

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.count)

    def add(self, axis: int, bell: int, own: int, other: int) -> None:
        """One round: equal bits are expected where the Bell state correlates them."""
        x, z = bell >> 1 & 1, bell & 1
        expected = (z, x ^ z ^ 1, x)[axis]
        self.count[axis] += 1
        self.wrong[axis] += own ^ other ^ expected

    def error(self, axis: int) -> float | None:
        """Share of wrong bits on an axis, None without rounds."""
        return self.wrong[axis] / self.count[axis] if self.count[axis] else None
