"""From what a chain answers to what a user can act on.

A contract refuses with four bytes and arguments. Which error they are is not in the caller's own interface
when a library or another contract raised it, so all interfaces are merged; what to do about it is in one
table, by the error's name. The embedded chain, anvil and every other node give the same exception.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from eth_abi.exceptions import DecodingError

from qcrs.chain.abi import Parameter, decode_values, parameters_of, selector_of
from qcrs.chain.transport import RpcFailure
from qcrs.errors import AccountError, ChainError, ContractError, QCRSError

__all__ = ["SOLUTIONS", "ErrorDecoder", "translate"]

_ERROR = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")

REVERTED = 3
"""The code of JSON-RPC errors that carry the bytes of a revert."""

_BYTES = re.compile(r"b'(?:[^'\\]|\\.)*'|b\"(?:[^\"\\]|\\.)*\"")
"""How Python shows bytes: some nodes name an address so."""

_POOR = ("insufficient funds", "sender does not have enough balance", "cannot cover", "cannot afford")

_PANICS = {
    0x00: "a compiler-inserted check failed",
    0x01: "an assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division by zero",
    0x21: "a number outside its enumeration",
    0x22: "a wrongly encoded byte array in storage",
    0x31: "pop on an empty array",
    0x32: "an index outside its array",
    0x41: "too much memory",
    0x51: "a call of an uninitialised function",
}

SOLUTIONS: dict[str, str] = {
    "AccessManagedUnauthorized": "only the body that holds the role may do this, and not while the "
    "contract is closed to the bodies: `qcrs gov bodies` tells which are",
    "AccessManagerUnauthorizedAccount": "only a holder of the role may do this",
    "ERC20InsufficientBalance": "transfer credit to the account first",
    "ERC20InsufficientAllowance": "approve the amount for the contract first",
    "ERC2612ExpiredSignature": "sign the permit again with a later deadline",
    "ERC2612InvalidSigner": "sign the permit with the owner's key, for this chain and token",
}
"""What to do about an error, by its name; the exchange's own are in `qcrs.chain.solutions`."""


def _solution(name: str) -> str | None:
    from qcrs.chain.solutions import EXCHANGE

    return EXCHANGE.get(name) or SOLUTIONS.get(name)


@cache
def _of_bindings() -> dict[bytes, tuple[str, tuple[Parameter, ...]]]:
    from qcrs.chain import bindings

    return dict(bindings.ERRORS)


class ErrorDecoder:
    """Decodes the bytes of a revert; knows all of the exchange's errors and those of the ABIs it is given."""

    def __init__(self, abis: Iterable[Iterable[Mapping[str, Any]]] = ()) -> None:
        self._known: dict[bytes, tuple[str, tuple[Parameter, ...]]] = dict(_of_bindings())
        for abi in abis:
            self.learn(abi)

    def learn(self, abi: Iterable[Mapping[str, Any]]) -> None:
        """Add the errors of an interface."""
        for entry in abi:
            if entry.get("type") == "error":
                self._known[selector_of(dict(entry))] = (entry["name"], parameters_of(entry["inputs"]))

    def decode(self, data: bytes) -> ContractError:
        """The exception for the bytes of a revert."""
        selector, rest = bytes(data[:4]), bytes(data[4:])
        try:
            if selector == _ERROR:
                text = decode_values([Parameter("text", "string")], rest)[0]
                return ContractError(f"the contract refused: {text}", name="Error", arguments={"text": text})
            if selector == _PANIC:
                code = decode_values([Parameter("code", "uint256")], rest)[0]
                return ContractError(
                    f"the contract failed: {_PANICS.get(code, 'panic')} (0x{code:02x})",
                    name="Panic",
                    arguments={"code": code},
                    solution="this is a defect of the contract; report the call",
                )
            if selector in self._known:
                name, inputs = self._known[selector]
                return self._named(name, inputs, rest)
        except (DecodingError, OverflowError, UnicodeDecodeError):
            pass
        if not data:
            return ContractError(
                "the contract refused without a reason",
                name="",
                solution="the address may hold another contract, or the gas ran out",
            )
        return ContractError(
            f"the contract refused with an unknown error 0x{bytes(data).hex()[:72]}",
            name="0x" + selector.hex(),
        )

    def _named(self, name: str, inputs: tuple[Parameter, ...], rest: bytes) -> ContractError:
        values = decode_values(inputs, rest)
        arguments = {item.name: value for item, value in zip(inputs, values, strict=True)}
        shown = ", ".join(
            f"{key}={'for ever' if (key, value) == ('until', FOR_EVER) else _shown(value)}"
            for key, value in arguments.items()
        )
        return ContractError(f"{name}({shown})", name=name, arguments=arguments, solution=_solution(name))


FOR_EVER = 2**40 - 1
"""The last second that contracts can name, for what has no end."""


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        text = value.rstrip(b"\x00")
        return (
            text.decode() if text and text.isascii() and text.decode().isprintable() else "0x" + value.hex()
        )
    return getattr(value, "name", str(value))


def _as_hex(shown: re.Match[str]) -> str:
    value: bytes = ast.literal_eval(shown[0])
    return "0x" + value.hex()


def translate(failure: RpcFailure, decoder: ErrorDecoder) -> QCRSError:
    """The error of this tree for one that a node sent."""
    data, message = failure.data, failure.message
    if isinstance(data, Mapping):  # some nodes wrap the bytes
        data = data.get("data") or data.get("result")
    if isinstance(data, str) and data.removeprefix("Reverted ").startswith("0x"):
        raw = bytes.fromhex(data.removeprefix("Reverted ")[2:])
        if raw or failure.code == REVERTED:
            return decoder.decode(raw)
    if failure.code == REVERTED or "execution reverted" in message:
        reason = message.partition("execution reverted")[2].removeprefix(": ")
        if reason:
            return ContractError(f"the contract refused: {reason}", name="Error", arguments={"text": reason})
        return decoder.decode(b"")
    if any(words in message.lower() for words in _POOR):
        return AccountError(
            f"the account cannot pay for the transaction: {_BYTES.sub(_as_hex, message)}",
            solution="send it some of the chain's currency; on a local network: `qcrs account fund NAME`",
        )
    return ChainError(message)
