"""Between Python values and the words of contracts: what the generated bindings stand on.

A `Call` is a prepared call, a value that can be simulated, sent, or kept in an outbox. A `Parameter` knows
one place of a signature: its ABI type, and the dataclass of its struct if it has one. Encoding goes straight
to `eth_abi`; web3's contract objects cost one to three milliseconds a call, more than the chain itself.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar, Protocol

from eth_abi.abi import encode
from eth_abi.codec import ABIDecoder
from eth_abi.decoding import StringDecoder
from eth_abi.registry import registry
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from qcrs.errors import InputError

__all__ = [
    "Binding",
    "Call",
    "Caller",
    "Event",
    "Parameter",
    "Struct",
    "canonical_type",
    "parameters_of",
    "selector_of",
]

_DYNAMIC = ("string", "bytes")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One place of a signature: name, ABI type (structs as tuples), and the class of a struct or enum."""

    name: str
    kind: str
    python: type[Struct] | type[IntEnum] | None = None
    indexed: bool = False

    def to_abi(self, value: Any) -> Any:
        """What `eth_abi` encodes for a Python value."""
        return _to_abi(value, self.kind, self.python)

    def from_abi(self, value: Any) -> Any:
        """The Python value of what `eth_abi` decoded."""
        return _from_abi(value, self.kind, self.python)


class Struct:
    """Base of the dataclasses generated for Solidity structs; `FIELDS` follow their declaration."""

    __slots__ = ()
    FIELDS: ClassVar[tuple[Parameter, ...]] = ()

    @classmethod
    def from_abi(cls, values: Sequence[Any]) -> Any:
        """From the tuple that `eth_abi` decodes."""
        make: Any = cls
        return make(*(item.from_abi(value) for item, value in zip(cls.FIELDS, values, strict=True)))

    def to_abi(self) -> tuple[Any, ...]:
        """The tuple that `eth_abi` encodes."""
        return tuple(item.to_abi(getattr(self, item.name)) for item in self.FIELDS)


class Event(Struct):
    """Base of the dataclasses generated for events."""

    __slots__ = ()
    CONTRACT: ClassVar[str] = ""
    NAME: ClassVar[str] = ""
    TOPIC: ClassVar[bytes] = b""

    @classmethod
    def from_log(cls, topics: Sequence[bytes], data: bytes) -> Any:
        """From a log whose first topic is `TOPIC`."""
        make: Any = cls
        return make(*decode_log(cls.FIELDS, topics, data).values())


@dataclass(frozen=True, slots=True)
class Call:
    """A prepared call of a contract: where, which bytes, how many wei, and what comes back."""

    to: str
    data: bytes
    value: int = 0
    name: str = ""
    outputs: tuple[Parameter, ...] = field(default=(), repr=False)

    def decode(self, returned: bytes) -> Any:
        """What the call returns: nothing, one value, or a tuple."""
        values = decode_values(self.outputs, returned)
        if not values:
            return None
        return values[0] if len(values) == 1 else tuple(values)


class Caller(Protocol):
    """Whoever executes a call without sending a transaction."""

    def call(self, call: Call, *, sender: str | None = None, block: int | str = "latest") -> Any:
        """The decoded result."""
        ...


class Binding:
    """Base of the generated contract classes: an address on a chain."""

    NAME: ClassVar[str] = ""

    def __init__(self, chain: Caller, address: str) -> None:
        self.chain = chain
        self.address = to_checksum_address(address)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address})"

    def _prepare(
        self,
        function: str,
        selector: str,
        inputs: tuple[Parameter, ...],
        outputs: tuple[Parameter, ...],
        values: tuple[Any, ...],
        value: int = 0,
    ) -> Call:
        data = bytes.fromhex(selector) + encode_values(inputs, values, f"{self.NAME}.{function}")
        return Call(self.address, data, value, f"{self.NAME}.{function}", outputs)


def encode_values(parameters: Sequence[Parameter], values: Sequence[Any], what: str = "arguments") -> bytes:
    """ABI-encoded values; `InputError` names the place that does not fit."""
    plain = [item.to_abi(value) for item, value in zip(parameters, values, strict=True)]
    try:
        return bytes(encode([item.kind for item in parameters], plain))
    except Exception as error:  # eth_abi raises a family of its own that has no common base
        for item, value in zip(parameters, plain, strict=True):
            try:
                encode([item.kind], [value])
            except Exception as reason:
                raise InputError(
                    f"{what} does not take this value: {reason}",
                    field=item.name,
                    value=value,
                    solution=f"give a value of type {item.kind}, as the contract declares it",
                ) from error
        raise InputError(f"{what}: {error}", solution="give the values that the contract declares") from error


def _decoder() -> ABIDecoder:
    """As eth_abi's, but of a text that is not UTF-8 the wrong bytes are kept (`surrogateescape`).

    Contracts take any bytes for a text, and one such text must not end whoever reads a log.
    """
    kinds = registry.copy()  # type: ignore[no-untyped-call]  # eth_abi leaves these two open
    kinds.unregister_decoder("string")
    texts = StringDecoder(handle_string_errors="surrogateescape")  # type: ignore[no-untyped-call]
    kinds.register_decoder("string", texts, label="string")
    return ABIDecoder(kinds)


_DECODER = _decoder()


def decode_values(parameters: Sequence[Parameter], data: bytes) -> list[Any]:
    """Python values of ABI-encoded bytes."""
    if not parameters:
        return []
    found = _DECODER.decode([item.kind for item in parameters], bytes(data), strict=False)
    return [item.from_abi(value) for item, value in zip(parameters, found, strict=True)]


def decode_log(parameters: Sequence[Parameter], topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
    """The arguments of an event by name. Indexed texts, bytes and structs are known by their hash only."""
    rest = iter(topics[1:])
    plain = iter(decode_values([item for item in parameters if not item.indexed], data))
    out: dict[str, Any] = {}
    for item in parameters:
        if not item.indexed:
            out[item.name] = next(plain)
        elif item.kind in _DYNAMIC or item.kind.endswith("]") or item.kind.startswith("("):
            out[item.name] = bytes(next(rest))
        else:
            out[item.name] = decode_values([item], bytes(next(rest)))[0]
    return out


def snake(name: str) -> str:
    """`declaredSeconds` as `declared_seconds`; words of Python get an underscore at the end."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip("_")).lower()
    return text + "_" if keyword.iskeyword(text) else text


def python_name(item: dict[str, Any], index: int) -> str:
    """The name of a parameter in Python."""
    return snake(item.get("name") or "") or f"value{index}"


def canonical_type(item: dict[str, Any]) -> str:
    """The type of an ABI entry as signatures spell it: `(uint16,address)[]` for an array of structs."""
    kind: str = item["type"]
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(canonical_type(part) for part in item["components"]) + ")" + kind[len("tuple") :]


def parameters_of(items: Sequence[dict[str, Any]]) -> tuple[Parameter, ...]:
    """Parameters of an ABI entry without Python classes: structs stay tuples."""
    return tuple(
        Parameter(python_name(item, index), canonical_type(item), indexed=item.get("indexed", False))
        for index, item in enumerate(items)
    )


def signature_of(entry: dict[str, Any]) -> str:
    """`name(type,type)` of a function, event or error."""
    return f"{entry['name']}({','.join(canonical_type(item) for item in entry['inputs'])})"


def selector_of(entry: dict[str, Any]) -> bytes:
    """The first four bytes of a function's or error's hash."""
    return keccak(text=signature_of(entry))[:4]


def topic_of(entry: dict[str, Any]) -> bytes:
    """The first topic of an event."""
    return keccak(text=signature_of(entry))


def _to_abi(value: Any, kind: str, python: type | None) -> Any:
    if kind.endswith("]"):
        inner = kind[: kind.rindex("[")]
        return [_to_abi(item, inner, python) for item in value]
    if isinstance(value, Struct):
        return value.to_abi()
    if isinstance(value, IntEnum):
        return int(value)
    return value


def _from_abi(value: Any, kind: str, python: Any) -> Any:
    if kind.endswith("]"):
        inner = kind[: kind.rindex("[")]
        return tuple(_from_abi(item, inner, python) for item in value)
    if python is not None and issubclass(python, Struct):
        return python.from_abi(value)
    if python is not None:
        return python(value)
    return to_checksum_address(value) if kind == "address" else value
