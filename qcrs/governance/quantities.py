"""Values as people write them and as contracts keep them: times, credits, shares, qubit-seconds.

Every parameter has one of these units; `parse` refuses what has none or another, `shown` writes it back.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from qcrs.errors import InputError

__all__ = ["UNITS", "parse", "shown", "span"]

_SECONDS = {"s": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86_400, "day": 86_400}
UNITS: dict[str, dict[str, Decimal]] = {
    "seconds": {name: Decimal(size) for name, size in _SECONDS.items()},
    "qubit-seconds": {"": Decimal(1), "qubit-second": Decimal(1), "qs": Decimal(1)},
    "qubit-seconds a day": {"": Decimal(1), "qubit-second": Decimal(1), "qs": Decimal(1)},
    "credits": {"credit": Decimal(10**6), "unit": Decimal(1)},
    "permille": {"permille": Decimal(1), "‰": Decimal(1), "%": Decimal(10), "percent": Decimal(10)},
    "hundredths": {"": Decimal(1), "%": Decimal(1), "percent": Decimal(1)},
    "ten-thousandths": {"": Decimal(1), "%": Decimal(100), "percent": Decimal(100)},
    "ppm": {"ppm": Decimal(1), "%": Decimal(10_000), "percent": Decimal(10_000)},
    "units per qubit-second": {"": Decimal(1), "unit": Decimal(1)},
    "": {"": Decimal(1)},
}
"""Units of values: the words that may stand behind a number, and how much of the contract's unit each is."""

_WHOLE = r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9][0-9_]*"
"""A comma stands before each three digits and nowhere else: `2,5` is no 25."""
_NUMBER = re.compile(rf"\s*((?:{_WHOLE})(?:\.[0-9]+)?)\s*(.*?)\s*", re.DOTALL)


def parse(text: str, unit: str, field: str = "value") -> int:
    """A whole number of the contract's units; `InputError` says which words the value may have."""
    known = UNITS[unit]
    match = _NUMBER.fullmatch(text)
    words = "" if match is None else match[2].lower().removesuffix(" a day").removesuffix(" per day")
    if match is not None:
        size = known.get(words) or known.get(words.removesuffix("s"))
        if size is None and words in (unit, unit.removesuffix(" a day")):
            size = Decimal(1)
        try:
            value = None if size is None else Decimal(re.sub("[_,]", "", match[1])) * size
        except InvalidOperation:
            value = None
        if value is not None and value == value.to_integral_value():
            return int(value)
    named = sorted(name for name in known if name)
    raise InputError(
        f"this is not a value of the {field}",
        field=field,
        value=text.strip(),
        solution=f"write a number{' of ' + ' or '.join(named) if named else ''}"
        + (", or without a unit" if "" in known and named else "")
        + ("; a decimal point is a dot, as in 2.5" if "," in text else ""),
    )


def shown(value: int, unit: str) -> str:
    """The value in words: `900 qubit-seconds`, `3,600 s (1 h)`, `2.5 credits`, `100 ‰`."""
    match unit:
        case "seconds":
            for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
                if value >= size and value % size == 0:
                    return f"{value:,} s ({value // size} {name})"
            return f"{value:,} s"
        case "credits":
            return f"{Decimal(value) / 10**6:f} credits"
        case "permille":
            return f"{value} ‰"
        case "hundredths":
            return f"{value} %"
        case "":
            return f"{value:,}"
        case _:
            return f"{value:,} {unit}"


def span(seconds: int) -> str:
    """How long still, in the two largest units: `6 d 23 h`, `4 min 10 s`, `–` where it is over."""
    parts: list[str] = []
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= size or parts:
            parts.append(f"{seconds // size} {name}" if seconds >= size else "")
            seconds %= size
    return " ".join(part for part in parts[:2] if part) or "–"
