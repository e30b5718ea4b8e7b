"""The error tree: drawn whole, every class says reason, field, value and remedy."""

from __future__ import annotations

import inspect
import re

from qcrs import errors
from qcrs.errors import ContractError, InputError, JobTimeoutError, QCRSError


def test_drawing_and_exports_name_every_class() -> None:
    classes = {n for n, c in vars(errors).items() if inspect.isclass(c) and issubclass(c, QCRSError)}
    assert set(errors.__all__) == classes
    assert set(re.findall(r"[─ ]([A-Z]\w+Error)\b", errors.__doc__ or "")) | {"QCRSError"} == classes


def test_drawing_shows_the_inheritance() -> None:
    lines = [line for line in (errors.__doc__ or "").splitlines() if "Error" in line and "──" in line]
    parents: list[tuple[int, str]] = [(-1, "QCRSError")]
    for line in lines:
        depth = line.index("──")
        name = re.search(r"(\w+Error)", line)
        assert name
        while parents[-1][0] >= depth:
            parents.pop()
        assert issubclass(getattr(errors, name[1]), getattr(errors, parents[-1][1]))
        parents.append((depth, name[1]))


def test_message_names_field_value_and_remedy() -> None:
    error = InputError("too many shots", field="shots", value=10**7, solution="ask for at most 1,000,000")
    assert "too many shots" in str(error)
    assert "[shots=10000000]" in str(error)
    assert "→ ask for at most" in str(error)
    assert error.as_json()["field"] == "shots"
    assert isinstance(error, ValueError)


def test_contract_error_carries_the_decoded_arguments() -> None:
    error = ContractError(
        "balance too small", name="InsufficientBalance", arguments={"required": 5}, solution="deposit"
    )
    assert error.name == "InsufficientBalance"
    assert error.arguments == {"required": 5}
    assert error.exit_code == 4


def test_timeouts_are_timeouts() -> None:
    assert issubclass(JobTimeoutError, TimeoutError)
