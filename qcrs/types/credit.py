"""The credit that pays: its base units, and how people read an amount."""

from __future__ import annotations

__all__ = ["CREDIT", "DECIMALS", "credits_text"]

DECIMALS = 6
"""Decimals of the credit token, as `ResourceCredit.decimals` says; a test compares them."""

CREDIT = 10**DECIMALS
"""Base units of one credit."""


def credits_text(amount: int) -> str:
    """Base units as credits, without rounding: 1500000 is `1.5`."""
    whole, rest = divmod(abs(amount), CREDIT)
    text = f"{whole}.{rest:0{DECIMALS}d}".rstrip("0").rstrip(".")
    return f"-{text}" if amount < 0 else text
