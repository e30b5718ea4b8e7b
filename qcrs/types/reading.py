"""Reading canonical JSON that a stranger wrote.

`json.loads` recurses in C: where a library has raised the interpreter's recursion limit, some
100,000 opening brackets end the whole process. So the nesting is counted first, in one pass and
without recursion. Then the bytes must be exactly the canonical bytes of the value they hold: a
document has one spelling, hence one hash.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate

from qcrs.errors import InputError
from qcrs.types.canonical import Json, spelled

__all__ = ["MAX_DEPTH", "json_depth", "parse_canonical", "parse_json", "whole"]

MAX_DEPTH = 200
"""Deepest nesting of lists and objects in a document."""


def _no_float(text: str) -> None:
    raise InputError(
        "canonical documents hold no floats",
        field="document",
        value=text,
        solution="store an integer and put its unit into the key, as in error_nano",
    )


_DECODER = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float)
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)  # possessive and always matching: linear time
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = [1 if code in b"[{" else -1 for code in range(256)]


def json_depth(data: bytes) -> int:
    """The deepest nesting of brackets outside of texts, found in linear time."""
    brackets = _TEXT.sub(b"", data).translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)


def parse_json(text: str | bytes) -> Json:
    """The value of a JSON file, not canonical and with floats; `InputError` for anything else.

    Refused are nesting beyond `MAX_DEPTH` (where `json.loads` ends by a `RecursionError` or worse), a name
    that a table holds twice (of which one reader takes the first and another the last), NaN and Infinity.
    """
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    if json_depth(data) > MAX_DEPTH:
        raise InputError(f"a file is nested deeper than {MAX_DEPTH} levels", field="file")
    try:
        value: Json = json.loads(text, object_pairs_hook=_table, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = error.reason if isinstance(error, InputError) else str(error)
        raise InputError(f"a file is not JSON: {reason}", field="file") from error
    return value


def _table(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError("a name is given twice", field="name", value=twice)
    return found


def _no_constant(text: str) -> None:
    raise InputError("a number is not finite", field="number", value=text)


def whole(value: Json) -> int:
    """An integer as it stands: no text that could be read as one, no truth value; `TypeError` otherwise."""
    if type(value) is not int:
        raise TypeError(f"expected an integer, found {type(value).__name__}")
    return value


def parse_canonical(data: bytes, *, max_depth: int = MAX_DEPTH) -> Json:
    """The value whose canonical bytes are `data`; `InputError` for anything else."""
    if data.count(b"[") + data.count(b"{") > max_depth and json_depth(data) > max_depth:
        raise InputError(
            f"a document is nested deeper than {max_depth} levels",
            field="document",
            solution="it was not written by this software, or its control flow is nested too deeply",
        )
    try:
        value: Json = _DECODER.decode(data.decode())
        same = spelled(value) == data
    except (ValueError, RecursionError) as error:  # UnicodeError and InputError are ValueErrors
        raise InputError(f"a document is not canonical JSON: {error}", field="document") from error
    if not same:
        raise InputError(
            "a document is not in canonical form",
            field="document",
            solution="write it with qcrs.types.canonical_json: sorted keys, no white space, UTF-8",
        )
    return value
