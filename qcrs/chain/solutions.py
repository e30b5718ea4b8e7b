"""What a user can do about each refusal of the exchange's contracts, by the error's name."""

from __future__ import annotations

__all__ = ["EXCHANGE"]

EXCHANGE: dict[str, str] = {}
