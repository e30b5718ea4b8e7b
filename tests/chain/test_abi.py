"""Values to words and back, calls, events, errors: against web3's own encoder and the generated classes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3

from qcrs.chain import bindings
from qcrs.chain.abi import Call, Parameter, decode_values, encode_values, snake
from qcrs.chain.compile import artifacts
from qcrs.chain.errors import ErrorDecoder, translate
from qcrs.chain.solutions import EXCHANGE
from qcrs.chain.transport import RpcFailure
from qcrs.errors import AccountError, ChainError, ContractError, InputError

ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
REQUEST = bindings.JobRequest(
    flow=1,
    target=0,
    qubits=5,
    quality=900,
    class_=0,
    redundancy=1,
    max_executions=3,
    trust=4,
    declared_seconds=30,
    deadline=2_000_000_000,
    payload=b"\x07" * 32,
)


class Recorder:
    """A chain that remembers the call and answers with prepared bytes."""

    def __init__(self, answer: bytes = b"") -> None:
        self.answer = answer
        self.calls: list[Call] = []

    def call(self, call: Call, *, sender: str | None = None, block: int | str = "latest") -> Any:
        self.calls.append(call)
        return call.decode(self.answer)


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("declaredSeconds", "declared_seconds"),
        ("class", "class_"),
        ("log2Odds", "log2_odds"),
        ("now_", "now"),
        ("qberX", "qber_x"),
        ("from", "from_"),
        ("", ""),
    ],
)
def test_names_become_pythons(given_name: str, expected: str) -> None:
    assert snake(given_name) == expected


def test_a_prepared_call_is_what_web3_would_send() -> None:
    allocator = bindings.ComputationAllocator(Recorder(), ADDRESS)
    abi = next(one.abi for name, one in artifacts().items() if name == "IComputationAllocator")
    reference = Web3().eth.contract(ADDRESS, abi=abi)  # type: ignore[call-overload]  # the address is checksummed
    plain = tuple(getattr(REQUEST, item.name) for item in REQUEST.FIELDS)
    for call, name, arguments in (
        (allocator.submit(REQUEST), "submit", [plain]),
        (allocator.submit_many((REQUEST, REQUEST)), "submitMany", [[plain, plain]]),
        (allocator.deposit(ADDRESS, 5), "deposit", [ADDRESS, 5]),
    ):
        assert call.data == bytes.fromhex(reference.encode_abi(name, args=arguments)[2:])
        assert (call.to, call.value) == (ADDRESS, 0)


def test_answers_become_dataclasses_and_enumerations() -> None:
    view = bindings.JobView(
        client=ADDRESS,
        state=bindings.JobState.QUEUED,
        flow=1,
        qubits=5,
        quality=2,
        class_=0,
        boosted=False,
        redundancy=1,
        max_executions=3,
        trust=4,
        executions=0,
        declared_seconds=30,
        deadline=9,
        tag=7,
        fee_per_execution=10,
        escrow=30,
        trail=b"\x01" * 32,
    )
    parameter = bindings.ComputationAllocator(Recorder(), ADDRESS)
    kind = "(" + ",".join(item.kind for item in view.FIELDS) + ")"
    answer = encode_values([Parameter("job", kind, bindings.JobView)], [view])
    parameter.chain = Recorder(answer)
    found = parameter.job(5)
    assert found == view
    assert found.state is bindings.JobState.QUEUED


def test_a_value_that_does_not_fit_names_its_place() -> None:
    allocator = bindings.ComputationAllocator(Recorder(), ADDRESS)
    with pytest.raises(InputError) as caught:
        allocator.deposit(ADDRESS, -1)
    assert caught.value.field == "amount"
    with pytest.raises(InputError):
        allocator.deposit("0x12", 1)


@given(st.binary(max_size=300))
def test_any_bytes_of_a_revert_become_an_error(data: bytes) -> None:
    decoder = ErrorDecoder()
    for selector in [b"", *bindings.ERRORS, bytes.fromhex("08c379a0"), bytes.fromhex("4e487b71")]:
        error = decoder.decode(selector + data)
        assert error.reason
        assert isinstance(error.arguments, dict)


@given(st.integers(0, 2**256 - 1), st.integers(0, 2**256 - 1))
def test_an_error_of_the_exchange_carries_its_arguments(required: int, available: int) -> None:
    selector = next(
        key for key, (name, _) in bindings.ERRORS.items() if name == "ComputationAllocatorInsufficientBalance"
    )
    _, inputs = bindings.ERRORS[selector]
    error = ErrorDecoder().decode(selector + encode_values(inputs, [ADDRESS, required, available]))
    assert error.name == "ComputationAllocatorInsufficientBalance"
    assert error.arguments == {"account": ADDRESS, "required": required, "available": available}
    assert error.solution
    assert decode_values(inputs, encode_values(inputs, [ADDRESS, required, available])) == [
        ADDRESS,
        required,
        available,
    ]


def test_every_refusal_of_the_exchange_has_a_remedy() -> None:
    prefixes = (
        "ComputationAllocator",
        "ProcessorRegistry",
        "ResultVerifier",
        "OracleQuorum",
        "Coordinator",
        "EpochSettlement",
        "ResourceCredit",
    )
    names = {name for name, _ in bindings.ERRORS.values() if name.startswith(prefixes)}
    assert sorted(names - EXCHANGE.keys()) == []


def test_remedies_are_for_errors_that_exist() -> None:
    assert sorted(EXCHANGE.keys() - {name for name, _ in bindings.ERRORS.values()}) == []


@pytest.mark.parametrize(
    ("failure", "kind", "reason"),
    [
        (RpcFailure(3, "execution reverted", "0x"), ContractError, "without a reason"),
        (RpcFailure(3, "execution reverted: too late", None), ContractError, "refused: too late"),
        (RpcFailure(-32000, "execution reverted", None), ContractError, "without a reason"),
        (RpcFailure(-32015, "VM execution error.", "Reverted 0x" + "ab" * 4), ContractError, "0xabababab"),
        (RpcFailure(-32000, "x", {"data": "0x" + "cd" * 4}), ContractError, "0xcdcdcdcd"),
        (RpcFailure(-32003, "Insufficient funds for gas * price + value"), AccountError, "cannot pay"),
        (RpcFailure(-32000, "nonce too low"), ChainError, "nonce too low"),
        (RpcFailure(-32601, "no such method", "more words"), ChainError, "no such method"),
    ],
)
def test_a_nodes_error_is_of_the_tree(failure: RpcFailure, kind: type[Exception], reason: str) -> None:
    found = translate(failure, ErrorDecoder())
    assert type(found) is kind
    assert reason in found.reason
