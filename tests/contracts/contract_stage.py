"""A fresh chain, contracts on it, and calls whose answers, events and refusals are decoded.

The genesis lies in the future, so block times, and with them the gas of calldata, do not depend on the wall
clock.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from eth.vm.gas_meter import GasMeter
from eth_abi.abi import decode, encode
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import TransactionFailed
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from qcrs.chain.abi import selector_of
from qcrs.chain.compile import Artifact
from qcrs.chain.errors import ErrorDecoder
from qcrs.errors import ContractError

GENESIS_S = 2_000_000_000
GAS = 6_000_000
ZERO = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Done:
    """What a transaction did: gas, decoded events in order, and what the call returned."""

    gas: int
    events: tuple[tuple[str, dict[str, Any]], ...]
    time: int

    def of(self, name: str) -> list[dict[str, Any]]:
        return [values for event, values in self.events if event == name]

    def one(self, name: str) -> dict[str, Any]:
        found = self.of(name)
        assert len(found) == 1, (name, [event for event, _ in self.events])
        return found[0]

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]


def _kind(item: Mapping[str, Any]) -> str:
    base = str(item["type"])
    if not base.startswith("tuple"):
        return base
    return "(" + ",".join(_kind(part) for part in item["components"]) + ")" + base[5:]


def _named(item: Mapping[str, Any], value: Any) -> Any:
    """Structs by their members' names."""
    if item["type"] == "tuple":
        return {part["name"]: _named(part, one) for part, one in zip(item["components"], value, strict=True)}
    if item["type"] == "address":
        return to_checksum_address(value)
    if item["type"] == "address[]":
        return [to_checksum_address(one) for one in value]
    return value


class Contract:
    """One deployed contract: reads, transactions and decoded refusals."""

    def __init__(self, stage: ContractStage, address: str, abi: list[dict[str, Any]]) -> None:
        self.stage, self.address = stage, address
        self.functions = {entry["name"]: entry for entry in abi if entry["type"] == "function"}
        self.events = {
            keccak(text=f"{e['name']}({','.join(_kind(i) for i in e['inputs'])})"): e
            for e in abi
            if e["type"] == "event"
        }
        self.selectors = {name: selector_of(entry) for name, entry in self.functions.items()}
        self.kinds = {name: [_kind(item) for item in e["inputs"]] for name, e in self.functions.items()}
        stage.decoder.learn(abi)
        stage.contracts[address] = self

    def data(self, name: str, args: Sequence[Any]) -> str:
        return "0x" + (self.selectors[name] + encode(self.kinds[name], list(args))).hex()

    def read(self, name: str, *args: Any, by: str | None = None) -> Any:
        call = {"from": by or self.stage.admin, "to": self.address, "data": self.data(name, args), "gas": GAS}
        try:
            raw = self.stage.tester.call(call, block_number="pending")
        except TransactionFailed as failure:
            raise self.stage.decode(failure) from None
        outputs = self.functions[name]["outputs"]
        values = decode([_kind(item) for item in outputs], bytes.fromhex(raw[2:]))
        found = [_named(item, value) for item, value in zip(outputs, values, strict=True)]
        return found[0] if len(found) == 1 else tuple(found)

    def send(self, name: str, *args: Any, by: str) -> Done:
        """Sends the call in a block of its own; a refusal raises its decoded error and makes no block."""
        call = {"from": by, "to": self.address, "data": self.data(name, args), "gas": GAS}
        if self.stage.doubtful:
            self.stage.probe(call)
        receipt = self.stage.tester.get_transaction_receipt(self.stage.tester.send_transaction(call))
        if receipt["status"] != 1:
            self.stage.probe(call)
            raise AssertionError(f"{name} failed, yet would succeed now")
        done = Done(receipt["gas_used"], self.stage.decode_logs(receipt["logs"]), self.stage.time)
        self.stage.history.extend((event, values, done.time) for event, values in done.events)
        return done


_doubtful: list[bool] = []


@contextmanager
def refuses(name: str, **expected: Any) -> Iterator[None]:
    """The block must be refused with that error, and those arguments."""
    _doubtful.append(True)
    refusal: ContractError | None = None
    try:
        yield
    except ContractError as error:
        refusal = error
    finally:
        _doubtful.pop()
    assert refusal is not None, f"not refused; expected {name}"
    assert refusal.name == name, (refusal.name, refusal.arguments)
    plain = {key.replace("_", "").lower(): value for key, value in refusal.arguments.items()}
    found = {key: plain[key.lower()] for key in expected}
    assert found == expected, found


class ContractStage:
    """A chain for contracts: `admin` deploys, `history` has all events with the times of their blocks.

    What `deploy` returns is of class `kind`.
    """

    kind: type[Contract] = Contract

    def __init__(self, artifacts: Mapping[str, Artifact], accounts: int = 10) -> None:
        genesis = PyEVMBackend.generate_genesis_params(overrides={"timestamp": GENESIS_S})
        state = PyEVMBackend.generate_genesis_state(num_accounts=accounts)
        self.tester = EthereumTester(PyEVMBackend(genesis_parameters=genesis, genesis_state=state))
        self.decoder = ErrorDecoder()
        self.contracts: dict[str, Contract] = {}
        self.history: list[tuple[str, dict[str, Any], int]] = []
        self.artifacts = artifacts
        self.accounts = [str(to_checksum_address(a)) for a in self.tester.get_accounts()]
        self.admin = self.accounts[0]

    def deploy(self, name: str, *args: Any) -> Any:
        artifact = self.artifacts[name]
        inputs: list[Any] = next((e["inputs"] for e in artifact.abi if e["type"] == "constructor"), [])
        data = artifact.bytecode + encode([_kind(item) for item in inputs], args).hex()
        digest = self.tester.send_transaction({"from": self.admin, "data": data, "gas": 25_000_000})
        receipt = self.tester.get_transaction_receipt(digest)
        assert receipt["status"] == 1, name
        contract = self.kind(self, to_checksum_address(receipt["contract_address"]), artifact.abi)
        events = self.decode_logs(receipt["logs"])
        self.history.extend((event, values, self.time) for event, values in events)
        return contract

    @property
    def doubtful(self) -> bool:
        """Whether calls are expected to be refused, so that they are tried before they are sent."""
        return bool(_doubtful)

    def probe(self, call: Mapping[str, Any]) -> None:
        """Raises the error with which a call would be refused in the next block."""
        try:
            self.tester.call(dict(call), block_number="pending")
        except TransactionFailed as failure:
            raise self.decode(failure) from None

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Whatever the block does to the chain is taken back at its end."""
        snapshot, known = self.tester.take_snapshot(), len(self.history)
        try:
            yield
        finally:
            self.tester.revert_to_snapshot(snapshot)
            del self.history[known:]

    # -- time and answers -------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Time of the block that the next transaction is in."""
        return int(self.tester.get_block_by_number("pending")["timestamp"])

    @property
    def time(self) -> int:
        """Time of the last block."""
        return int(self.tester.get_block_by_number("latest")["timestamp"])

    def wait(self, seconds: int) -> None:
        """Let the next block be that much later than it would be."""
        self.tester.time_travel(self.now + seconds)

    def wait_until(self, when: int) -> None:
        """Let the next block be at `when`."""
        if when > self.now:
            self.tester.time_travel(when)
        assert self.now == when, (self.now, when)

    def decode(self, failure: TransactionFailed) -> ContractError:
        """A refusal's bytes arrive as the text of a bytes literal; a panic's in words."""
        try:
            raw = ast.literal_eval(str(failure.args[0]))
        except (SyntaxError, ValueError):
            raise failure from None
        assert isinstance(raw, bytes)
        return self.decoder.decode(raw)

    def decode_logs(self, logs: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, dict[str, Any]], ...]:
        found = []
        for log in logs:
            contract = self.contracts.get(to_checksum_address(log["address"]))
            if contract is None:
                continue  # a constructor's own events, before its address is known
            topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
            entry = contract.events[topics[0]]
            indexed = [item for item in entry["inputs"] if item["indexed"]]
            plain = [item for item in entry["inputs"] if not item["indexed"]]
            values = decode([_kind(item) for item in plain], bytes.fromhex(log["data"][2:]))
            args = {item["name"]: _named(item, v) for item, v in zip(plain, values, strict=True)}
            for item, topic in zip(indexed, topics[1:], strict=True):
                args[item["name"]] = _named(item, decode([_kind(item)], topic)[0])
            found.append((str(entry["name"]), args))
        return tuple(found)


def spent(contract: Contract, name: str, *args: Any) -> int:
    """Gas of a call's execution alone: what the machine counts, without the base fee and the calldata's."""
    counted: list[int] = []
    consume = GasMeter.consume_gas

    def count(self: GasMeter, amount: int, reason: str) -> None:
        counted.append(amount)
        consume(self, amount, reason)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GasMeter, "consume_gas", count)
        contract.read(name, *args)
    return sum(counted)
