"""One exchange as its bodies see it: contracts by name, people by name, the log of what was decided."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from eth_abi.exceptions import DecodingError
from eth_utils.address import is_address, to_checksum_address

from qcrs.chain.abi import Binding, Call, decode_values, parameters_of, selector_of
from qcrs.chain.bindings import (
    CONTRACTS,
    AccessManager,
    ConsortiumSeats,
    Council,
    ExchangeGovernor,
    ProcessorRegistry,
)
from qcrs.chain.compile import artifacts
from qcrs.chain.handover import BODY_CONTRACTS
from qcrs.chain.index import EventIndex, EventRow
from qcrs.chain.networks import Chain
from qcrs.errors import ChainError, InputError
from qcrs.governance.bodies import BODIES

__all__ = ["Commons"]

Bound = TypeVar("Bound", bound=Binding)
MOST_BYTES = 32
"""What is longer is shown by its first four bytes and its length."""

_TOLD = (AccessManager.OperationCanceled, ConsortiumSeats.ConsortiumAdmitted, ProcessorRegistry.SuspensionSet)
"""What contracts that are no bodies say in events alone, and a decision needs to know."""


class _Past(Chain):
    """A chain whose contracts answer as they stood after one of its blocks."""

    def __init__(self, chain: Chain, block: int) -> None:
        vars(self).update(vars(chain))  # the same node; nothing is opened, so nothing is to be closed
        self._block = block

    def request(self, method: str, *params: Any) -> Any:
        if method == "eth_call" and params[1] == "latest":
            params = (params[0], hex(self._block), *params[2:])
        return super().request(method, *params)


class Commons:
    """A handed-over exchange. `people` maps names to addresses; `folder` keeps the events that were read."""

    def __init__(
        self,
        chain: Chain,
        contracts: Mapping[str, str],
        *,
        people: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        missing = sorted(set(BODY_CONTRACTS) - set(contracts))
        if missing:
            raise ChainError(
                f"this exchange has no bodies yet: {missing[0]} is missing",
                field="contracts",
                value=", ".join(missing),
                solution="hand it over with `qcrs deploy --bodies FILE`, or start a new local network",
            )
        self.chain = chain
        self.contracts = {name: to_checksum_address(address) for name, address in contracts.items()}
        self.people = {name: to_checksum_address(address) for name, address in (people or {}).items()}
        self._names = {address: name for name, address in (*self.people.items(), *self.contracts.items())}
        self._functions: dict[tuple[str, bytes], dict[str, Any]] = {}
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="qcrs-governance-")
        place = folder or Path(self._temporary.name if self._temporary else "")
        bodies = [body.contract for body in BODIES]
        events = {
            name: {kind.TOPIC: (kind.NAME, kind.FIELDS) for kind in _events(BODY_CONTRACTS[name])}
            for name in bodies
        }
        watched = [*bodies, *(kind.CONTRACT for kind in _TOLD)]
        manager = self.contracts["AccessManager"].lower()
        self._index = EventIndex(
            place / f"decisions-{chain.chain_id}-{manager}.sqlite",
            chain,
            {name: self.contracts[name] for name in watched},
            interfaces=events,
            topics=[*(topic for one in events.values() for topic in one), *(kind.TOPIC for kind in _TOLD)],
        )
        self._until: int | None = None

    def close(self) -> None:
        """Release the events' file."""
        self._index.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def at(self, block: int) -> Commons:
        """The same exchange as it stood after a block, to be read only.

        `ChainError` from what is read where the node has forgotten that block's state.
        """
        past = copy.copy(self)
        past.chain, past._until = _Past(self.chain, block), block
        return past

    def bind(self, kind: type[Bound], name: str | None = None) -> Bound:
        """A contract by the name of its deployment, its class's by default."""
        return kind(self.chain, self.contracts[name or kind.NAME])

    @property
    def manager(self) -> AccessManager:
        """Who may call what."""
        return self.bind(AccessManager)

    @property
    def governor(self) -> ExchangeGovernor:
        """The consortia's vote."""
        return self.bind(ExchangeGovernor)

    @property
    def treasury(self) -> str:
        """Who holds the exchange's own credit: the timelock, whose calls the consortia decide on."""
        return self.contracts["ExchangeTimelock"]

    def council(self, key: str) -> Council:
        """One of the five councils by its short name."""
        return self.bind(Council, next(body.contract for body in BODIES if body.key == key))

    def events(self, contract: str, name: str | None = None) -> list[EventRow]:
        """What a body's contract has logged, or another one of `_TOLD`: all of it, or one event."""
        self._index.advance()
        rows = self._index.events(contract=contract, name=name)
        return [row for row in rows if self._until is None or row.block <= self._until]

    # ----------------------------------------------------------------- names

    def address(self, text: str, field: str = "account") -> str:
        """The address that is written or named; `InputError` where nobody has that name."""
        if is_address(text):
            return str(to_checksum_address(text))
        found = self.people.get(text) or self.contracts.get(text)
        if found is None:
            raise InputError(
                "nobody has this name here",
                field=field,
                value=text,
                solution="give an address (0x and 40 hex digits) or the name of a key in the home folder",
            )
        return found

    def contract(self, text: str) -> str:
        """The address of one of the exchange's contracts; `InputError` for anybody else's."""
        found = self.address(text, "contract")
        if not self.code_name(found):
            raise InputError(
                "this is none of the exchange's contracts",
                field="contract",
                value=text,
                solution="name one of " + ", ".join(sorted(self.contracts)),
            )
        return found

    def name(self, address: str) -> str:
        """The name of a contract or person; the address of others."""
        return self._names.get(to_checksum_address(address), address)

    def code_name(self, address: str) -> str:
        """The class at an address: `Council` for each of the five; empty where no contract of ours is."""
        name = self._names.get(to_checksum_address(address), "")
        return BODY_CONTRACTS.get(name, name) if name in self.contracts else ""

    # ----------------------------------------------------------------- calls

    def read_call(self, target: str, data: bytes) -> tuple[str, str, tuple[Any, ...]]:
        """Contract, function and arguments of a call; `InputError` where it is none of the exchange's."""
        kind = self.code_name(target)
        if not self._functions:
            for name, one in artifacts().items():
                if name in CONTRACTS:
                    for entry in one.abi:
                        if entry["type"] == "function":
                            self._functions[name, selector_of(entry)] = entry
        known = self._functions.get((kind, bytes(data[:4])))
        if known is None:
            raise InputError(
                "the call is none of the exchange's functions",
                field="call",
                value=f"{target} 0x{data[:4].hex()}",
                solution="do not vote for what cannot be read",
            )
        try:
            arguments = tuple(decode_values(parameters_of(known["inputs"]), data[4:]))
        except (DecodingError, ValueError, OverflowError) as error:
            raise InputError(
                f"the arguments of {kind}.{known['name']} cannot be read: {error}",
                field="call",
                value=f"{target} 0x{data[:4].hex()}",
                solution="do not vote for what cannot be read",
            ) from error
        return kind, known["name"], arguments

    def words_of(self, call: Call) -> str:
        """`ComputationAllocator.setQueueing(900, 0)`."""
        _, function, arguments = self.read_call(call.to, call.data)
        return f"{self.name(call.to)}.{function}({', '.join(map(self._shown, arguments))})"

    def call_shown(self, call: Call) -> str:
        """The same, and for a call that cannot be read its first bytes; with the ether that it sends."""
        try:
            words = self.words_of(call)
        except InputError:
            words = f"{self.name(call.to)} {self._shown(call.data)}"
        return f"{words} with {call.value} wei" if call.value else words

    def _shown(self, value: Any) -> str:
        if isinstance(value, bytes):
            if len(value) > MOST_BYTES:
                return f"0x{value[:4].hex()}… ({len(value)} bytes)"
            return "0x" + value.hex()
        if isinstance(value, tuple):
            return f"[{', '.join(map(self._shown, value))}]"
        return self.name(value) if isinstance(value, str) and is_address(value) else str(value)


def _events(artifact: str) -> list[Any]:
    from qcrs.chain import bindings

    return [kind for (contract, _), kind in bindings.EVENTS.items() if contract == artifact]
