"""A bound that a measured figure has to keep."""

from __future__ import annotations

from dataclasses import dataclass

from qcrs.types import Json

__all__ = ["Goal"]


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure within [least, most]; None: no bound on that side."""

    name: str
    value: float
    least: float | None
    most: float | None

    @property
    def met(self) -> bool:
        """Whether the figure is within."""
        return (self.least is None or self.value >= self.least) and (
            self.most is None or self.value <= self.most
        )

    def text(self) -> str:
        """One line for people."""
        sides = [f"≥ {self.least:g}"] if self.least is not None else []
        sides += [f"≤ {self.most:g}"] if self.most is not None else []
        return f"{'✓' if self.met else '✗'} {self.name}: {self.value:.4g} ({', '.join(sides)})"

    def as_json(self) -> dict[str, Json]:
        """For scripts."""
        return {
            "name": self.name,
            "value": self.value,
            "least": self.least,
            "most": self.most,
            "met": self.met,
        }
