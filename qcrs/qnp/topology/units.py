"""Quantities with their unit in the value: "10.12us", "25km", "0.2dB/km", "30/s"."""

from __future__ import annotations

import re
from decimal import Decimal

from qcrs.errors import ConfigError

__all__ = ["UNITS", "length_m", "loss_db_per_km", "quantity", "rate_hz", "time_ns"]

UNITS: dict[str, dict[str, Decimal]] = {
    "time": {
        "ns": Decimal(1),
        "us": Decimal(10) ** 3,
        "µs": Decimal(10) ** 3,
        "ms": Decimal(10) ** 6,
        "s": Decimal(10) ** 9,
        "min": Decimal(60) * 10**9,
        "h": Decimal(3600) * 10**9,
    },
    "length": {"mm": Decimal("0.001"), "m": Decimal(1), "km": Decimal(1000)},
    "loss": {"dB/km": Decimal(1), "dB/m": Decimal(1000)},
    "rate": {"/s": Decimal(1), "Hz": Decimal(1), "kHz": Decimal(1000), "/min": Decimal(1) / 60},
}
MOST = Decimal(10) ** 18
"""Above any quantity of a network, in base units."""
_NUMBER = re.compile(r"\s*(?P<number>[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]{1,3})?)\s*(?P<unit>[^\s0-9].*?)\s*")


def quantity(value: object, kind: str) -> Decimal:
    """A value of a kind ("time", "length", "loss", "rate") in its base unit: ns, m, dB/km, 1/s."""
    units = UNITS[kind]
    example = {"time": "10.12us", "length": "25km", "loss": "0.2dB/km", "rate": "30/s"}[kind]
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if match is None or match["unit"] not in units:
        raise ConfigError(
            f"a {kind} has a number and a unit",
            field=kind,
            value=value,
            solution=f"write it like {example}; units: {', '.join(units)}",
        )
    found = Decimal(match["number"]) * units[match["unit"]]
    if found >= MOST:
        raise ConfigError(
            f"a {kind} is too large", field=kind, value=value, solution=f"write it like {example}"
        )
    return found


def time_ns(value: object) -> int:
    """A time in whole nanoseconds."""
    exact = quantity(value, "time")
    if exact >= 1 << 53:
        raise ConfigError("a time is below 104 days", field="time", value=value)
    return round(exact)


def length_m(value: object) -> float:
    """A length in metres."""
    return float(quantity(value, "length"))


def loss_db_per_km(value: object) -> float:
    """A fibre's loss."""
    return float(quantity(value, "loss"))


def rate_hz(value: object) -> float:
    """A rate per second."""
    return float(quantity(value, "rate"))
