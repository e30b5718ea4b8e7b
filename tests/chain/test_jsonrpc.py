"""Whatever is sent, an answer of the protocol comes back and the chain stays as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, RpcMethods, handle

ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
WORD = "0x" + "11" * 32
READS = sorted(
    name
    for name in dir(RpcMethods)
    if name.startswith(("eth_get", "eth_call", "eth_est", "eth_fee", "web3_", "net_"))
)


@pytest.fixture(scope="module")
def methods() -> Iterator[RpcMethods]:
    chain = EmbeddedChain(accounts=2)
    chain.mine(3)
    yield RpcMethods(chain)
    chain.close()


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**300),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(
        ["0x", "0x0", "0x3", "latest", "pending", "earliest", "-0x5", "0xzz", ADDRESS, WORD, WORD + "22"]
    ),
)
objects = st.dictionaries(
    st.sampled_from(
        [
            "to",
            "from",
            "data",
            "input",
            "value",
            "gas",
            "accessList",
            "fromBlock",
            "toBlock",
            "blockHash",
            "address",
            "topics",
        ]
    ),
    st.one_of(
        scalars,
        st.lists(scalars, max_size=2),
        st.lists(
            st.fixed_dictionaries({"address": scalars, "storageKeys": st.lists(scalars, max_size=2)}),
            max_size=2,
        ),
    ),
    max_size=5,
)
parameters = st.lists(st.one_of(scalars, objects, st.lists(scalars, max_size=3)), max_size=4)


@pytest.mark.parametrize(
    "query",
    [
        {"address": 0.0},
        {"address": 10**12},
        {"address": [None]},
        {"address": {}},
        {"topics": 5},
        {"topics": [[7]]},
    ],
    ids=str,
)
def test_what_is_no_log_query_is_refused(methods: RpcMethods, query: dict[str, Any]) -> None:
    """A number is no address: of a large one a string of as many bytes was made."""
    answer = handle(methods, {"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [query]})
    assert answer["error"]["code"] == INVALID_PARAMS


@settings(deadline=None, max_examples=300)
@given(method=st.sampled_from(READS), params=parameters)
def test_any_parameters_of_any_reading_method(methods: RpcMethods, method: str, params: list[Any]) -> None:
    answer = handle(methods, {"jsonrpc": "2.0", "id": 5, "method": method, "params": params})
    assert answer["id"] == 5
    assert ("result" in answer) != ("error" in answer)
    if "error" in answer:
        assert answer["error"]["code"] != INTERNAL_ERROR, answer
    json.dumps(answer)
    assert methods.chain.height == 3


@settings(deadline=None, max_examples=200)
@given(raw=st.binary(max_size=200))
def test_any_bytes_as_a_transaction(methods: RpcMethods, raw: bytes) -> None:
    for prefix in (b"", b"\x01", b"\x02", b"\x03", b"\x04"):
        request = {"id": 1, "method": "eth_sendRawTransaction", "params": ["0x" + (prefix + raw).hex()]}
        assert handle(methods, request)["error"]["code"] == -32602
    assert methods.chain.height == 3


def test_a_failure_of_the_chain_itself_is_an_answer_too(
    methods: RpcMethods, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> str:
        raise ZeroDivisionError("planted")

    monkeypatch.setitem(methods._methods, "eth_blockNumber", fail)
    answer = handle(methods, {"id": 1, "method": "eth_blockNumber"})
    assert answer["error"] == {
        "code": INTERNAL_ERROR,
        "message": "the embedded chain failed: ZeroDivisionError",
    }
    assert "planted" in caplog.text


def test_a_call_may_be_rehearsed_with_other_code_at_an_address(methods: RpcMethods) -> None:
    place, answers_seven = "0x" + "77" * 20, "0x600760005260206000f3"

    def call(*overrides: Any) -> Any:
        params = [{"to": place, "data": "0x"}, "latest", *overrides]
        return handle(methods, {"id": 1, "method": "eth_call", "params": params})

    assert int(call({place: {"code": answers_seven}})["result"], 16) == 7
    assert call()["result"] == "0x", "the code was there for one call alone"
    assert handle(methods, {"id": 2, "method": "eth_getCode", "params": [place]})["result"] == "0x"
    reads_slot_five = "0x60055460005260206000f3"
    word = {"code": reads_slot_five, "stateDiff": {"0x" + "5".rjust(64, "0"): "0x" + "9".rjust(64, "0")}}
    assert int(call({place: word})["result"], 16) == 9
    assert int(call({place: {"code": reads_slot_five}})["result"], 16) == 0
    for other in (
        {place: {"stateDiff": []}},
        {place: {"stateDiff": {"0x" + "00" * 33: "0x01"}, "state": {}}},
        {place: {"stateDiff": {"0x01" + "00" * 32: "0x01"}}},
        {place: {"stateDiff": {"5": "0x01"}}},
        {place: {"balance": "0x1"}},
        {place: {"code": "7"}},
        {place: []},
        {"0x12": {"code": "0x"}},
        [1],
    ):
        assert call(other)["error"]["code"] == -32602
