"""Amounts of credit, read without rounding."""

import pytest

from qcrs.types import CREDIT, credits_text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (CREDIT, "1"), (1_500_000, "1.5"), (-1, "-0.000001"), (10 * CREDIT, "10"), (-CREDIT, "-1")],
)
def test_base_units_are_read_as_credits(amount: int, text: str) -> None:
    assert credits_text(amount) == text
