"""Values as people write them."""

from __future__ import annotations

import pytest

from qcrs.errors import InputError
from qcrs.governance.parameters import SETTERS, find
from qcrs.governance.quantities import UNITS, parse, shown, span


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("900 qubit-seconds", "qubit-seconds", 900),
        ("1,000", "qubit-seconds", 1000),
        ("1,234,567.5 credits", "credits", 1_234_567_500_000),
        ("1_000", "", 1000),
        ("2 h", "seconds", 7200),
        ("1.5 days", "seconds", 129_600),
        ("90 s", "seconds", 90),
        ("2.5 credits", "credits", 2_500_000),
        ("7 units", "credits", 7),
        ("10 %", "permille", 100),
        ("125 ‰", "permille", 125),
        ("11 %", "ppm", 110_000),
        ("3", "", 3),
        ("67 %", "hundredths", 67),
    ],
)
def test_values_are_read(text: str, unit: str, value: int) -> None:
    assert parse(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("", ""),
        ("-1", ""),
        ("1.5", ""),
        ("90", "seconds"),
        ("3 m", "seconds"),
        ("1e9", ""),
        ("0.1 units", "credits"),
        ("2,5 credits", "credits"),
        ("1,0000", ""),
        ("1234,567", ""),
    ],
)
def test_what_is_no_value_is_refused(text: str, unit: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, unit, "grace")
    assert caught.value.field == "grace"
    assert caught.value.solution
    assert "is not a value of the grace" in caught.value.reason


def test_a_decimal_comma_is_told() -> None:
    with pytest.raises(InputError) as caught:
        parse("2,5 credits", "credits", "least challenge bond")
    assert "a decimal point is a dot" in str(caught.value.solution)


def test_values_are_shown() -> None:
    assert shown(7200, "seconds") == "7,200 s (2 h)"
    assert shown(2_500_000, "credits") == "2.5 credits"
    assert shown(900, "qubit-seconds") == "900 qubit-seconds"


def test_every_parameter_has_a_unit_and_names_of_its_own() -> None:
    names = [n.lower() for s in SETTERS for f in s.fields for n in (f.name, *f.aliases)]
    assert len(names) == len(set(names))
    for setter in SETTERS:
        for place, field in enumerate(setter.fields):
            assert field.unit in UNITS
            assert find(f"the {field.name.upper()}") == (setter, place)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "–"), (0, "–"), (9, "9 s"), (250, "4 min 10 s"), (7200, "2 h"),
        (604_797, "6 d 23 h"), (86_401, "1 d"),
    ],
)  # fmt: skip
def test_time_left_in_two_units(seconds: int, words: str) -> None:
    assert span(seconds) == words
