"""Reading untrusted JSON values field by field.

Every document of the protocol has one exact form: a missing, surplus or ill-typed field is an
`InputError` that names it. `Reader` takes fields out of a table and `close` refuses what is left.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from qcrs.errors import InputError
from qcrs.types import ContentId, Json, cid_to_digest

__all__ = ["Reader", "address_text", "hex_text", "read_items", "table_in"]

_HEX = re.compile(r"[0-9a-f]*")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_DECIMAL = re.compile(r"0|[1-9][0-9]*")
_OUTCOME = re.compile(r"0x(0|[1-9a-f][0-9a-f]*)")
_MISSING: Any = object()


def hex_text(value: str, length: int, name: str) -> str:
    """Lower-case hex of exactly `length` bytes without prefix, given back."""
    if len(value) != 2 * length or not _HEX.fullmatch(value):
        raise InputError(f"expected {length} bytes as lower-case hex", field=name, value=value[:80])
    return value


def address_text(value: str, name: str) -> str:
    """An account's address with its checksum."""
    from eth_utils.address import to_checksum_address

    if not _ADDRESS.fullmatch(value):
        raise InputError("expected an address", field=name, value=value[:80])
    if value != to_checksum_address(value):
        raise InputError("an address is written with its checksum", field=name, value=value)
    return value


def read_items(value: Json, name: str, most: int) -> list[Json]:
    """A list of at most `most` values."""
    if not isinstance(value, list) or len(value) > most:
        raise InputError(f"expected a list of at most {most}", field=name)
    return value


def table_in(value: object) -> Mapping[str, Any]:
    """A table as it is, to be compared word by word; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


class Reader:
    """One table; every method takes one field out of it and checks its form.

    `kind` is the expected value of the field `qcrs`, None for tables inside a document.
    """

    def __init__(self, raw: Json, kind: str | None, where: str = "$") -> None:
        if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
            raise InputError("expected a JSON table", field=where)
        self._raw: dict[str, Json] = dict(raw)
        self._where = where
        if kind is not None and self._raw.pop("qcrs", None) != kind:
            raise InputError(f"not a document of kind {kind}", field="qcrs", value=raw.get("qcrs"))

    def _name(self, name: str) -> str:
        return name if self._where == "$" else f"{self._where}.{name}"

    def has(self, name: str) -> bool:
        """Whether the field is still there."""
        return name in self._raw

    def names(self) -> list[str]:
        """Names of the fields not yet taken."""
        return list(self._raw)

    def take(self, name: str, default: Json = _MISSING) -> Json:
        """The field as it is; `InputError` when it is missing and has no default."""
        value = self._raw.pop(name, default)
        if value is _MISSING:
            raise InputError("a field is missing", field=self._name(name))
        return value

    def text(self, name: str) -> str:
        """A string."""
        value = self.take(name)
        if not isinstance(value, str):
            raise InputError("expected text", field=self._name(name))
        return value

    def choice(self, name: str, allowed: tuple[Any, ...]) -> Any:
        """One of a few words."""
        value = self.text(name)
        if value not in allowed:
            raise InputError(f"expected one of {', '.join(allowed)}", field=self._name(name), value=value)
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.take(name)
        if not isinstance(value, bool):
            raise InputError("expected true or false", field=self._name(name))
        return value

    def integer(self, name: str, least: int, most: int) -> int:
        """An integer inside the bounds, both included."""
        return self._integer(self.take(name), name, least, most)

    def _integer(self, value: Json, name: str, least: int, most: int) -> int:
        if type(value) is not int or not least <= value <= most:
            raise InputError(f"expected an integer from {least} to {most}", field=self._name(name))
        return value

    def optional_integer(self, name: str, least: int, most: int) -> int | None:
        """An integer inside the bounds, or null."""
        value = self.take(name)
        return None if value is None else self._integer(value, name, least, most)

    def items(self, name: str, most: int) -> list[Json]:
        """A list of at most `most` values."""
        return read_items(self.take(name), self._name(name), most)

    def integers(self, name: str, least: int, most: int, count: int = 4096) -> list[int]:
        """A list of integers inside the bounds."""
        return [
            self._integer(value, f"{name}[{index}]", least, most)
            for index, value in enumerate(self.items(name, count))
        ]

    def table(self, name: str) -> dict[str, Json]:
        """A table with text keys."""
        value = self.take(name)
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise InputError("expected a JSON table", field=self._name(name))
        return value

    def tables(self, name: str, most: int) -> list[dict[str, Json]]:
        """A list of tables."""
        values = self.items(name, most)
        for index, value in enumerate(values):
            if not isinstance(value, dict):
                raise InputError("expected a JSON table", field=self._name(f"{name}[{index}]"))
        return values

    def base64(self, name: str) -> bytes:
        """Bytes in standard base64, in its one spelling."""
        text = self.text(name)
        try:
            found = b64decode(text, validate=True)
        except ValueError as error:  # bad characters, padding or length
            raise InputError("expected base64", field=self._name(name)) from error
        if b64encode(found).decode() != text:
            raise InputError("base64 ends in bits that are not 0", field=self._name(name))
        return found

    def hex(self, name: str, most: int, least: int = 0) -> bytes:
        """Bytes as lower-case hex without prefix, `least` to `most` of them."""
        text = self.text(name)
        if len(text) % 2 or not 2 * least <= len(text) <= 2 * most or not _HEX.fullmatch(text):
            wanted = f"{least} to {most}" if least != most else f"{most}"
            raise InputError(f"expected {wanted} bytes as lower-case hex", field=self._name(name), value=text)
        return bytes.fromhex(text)

    def decimal(self, name: str, most: int) -> int:
        """A number from 0 to `most` as decimal text: for numbers that JavaScript would round."""
        text = self.text(name)
        if len(text) > len(str(most)) or not _DECIMAL.fullmatch(text) or int(text) > most:
            raise InputError(
                f"expected a number from 0 to {most} as text", field=self._name(name), value=text
            )
        return int(text)

    def cid(self, name: str) -> ContentId:
        """A content id of this store."""
        value = self.text(name)
        cid_to_digest(value)
        return ContentId(value)

    def counts(self, raw: dict[str, Json]) -> dict[int, int]:
        """{outcome as 0x…: count} with canonical outcomes and positive counts."""
        counts: dict[int, int] = {}
        for outcome, count in raw.items():
            if not _OUTCOME.fullmatch(outcome) or len(outcome) > 2 + 1024:
                raise InputError("outcomes are written 0x…", field=self._name("counts"), value=outcome[:80])
            counts[int(outcome, 16)] = self._integer(count, f"counts.{outcome[:80]}", 1, 10**9)
        return counts

    def close(self) -> None:
        """Refuse fields that nobody took."""
        if self._raw:
            raise InputError("an unknown field", field=self._name(sorted(self._raw)[0]))
