"""Sending transactions with one key: a lock, a local nonce counter, everything explicit.

Asking the node for the next nonce before each transaction loses four of five when threads share a key;
here nobody else counts. Gas, fees and chain id are given, so the node has nothing to guess. When the
counter and the chain disagree (the key was used elsewhere, or a block was undone) it is read anew and the
transaction is signed again. For work that must happen exactly once across crashes, see
`qcrs.chain.outbox`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from eth_account.signers.local import LocalAccount

from qcrs.chain.abi import Call, encode_values, parameters_of
from qcrs.chain.compile import Artifact
from qcrs.chain.networks import Chain, Receipt
from qcrs.errors import ChainError

__all__ = ["Sender", "deployment_call", "is_known_already", "is_nonce_error", "sign"]

_ATTEMPTS = 5
GAS_MARGIN_PERCENT = 20
"""Added to an estimate, because others' transactions may come before ours."""

_NONCE_WORDS = ("nonce too low", "nonce too high", "invalid transaction nonce", "replacement transaction")
_KNOWN_WORDS = ("already known", "already imported", "known transaction")


def is_nonce_error(error: ChainError) -> bool:
    """Whether a node refused because of the transaction's number."""
    return any(words in error.reason.lower() for words in _NONCE_WORDS)


def is_known_already(error: ChainError) -> bool:
    """Whether a node refused because it has this very transaction."""
    return any(words in error.reason.lower() for words in _KNOWN_WORDS)


def sign(
    account: LocalAccount, call: Call, *, chain_id: int, nonce: int, gas: int, fees: tuple[int, int]
) -> tuple[bytes, bytes]:
    """A signed transaction and its hash. `fees` are the most to pay per gas and the tip in it, in wei."""
    fields: dict[str, Any] = {
        "type": 2,
        "chainId": chain_id,
        "nonce": nonce,
        "gas": gas,
        "maxFeePerGas": fees[0],
        "maxPriorityFeePerGas": fees[1],
        "value": call.value,
        "data": call.data,
    }
    if call.to:
        fields["to"] = call.to
    signed = account.sign_transaction(fields)
    return bytes(signed.raw_transaction), bytes(signed.hash)


def deployment_call(artifact: Artifact, arguments: Sequence[Any] = ()) -> Call:
    """The creation of a contract."""
    constructor: Mapping[str, Any] = next(
        (entry for entry in artifact.abi if entry["type"] == "constructor"), {"inputs": []}
    )
    inputs = parameters_of(constructor["inputs"])
    data = bytes.fromhex(artifact.bytecode[2:]) + encode_values(
        inputs, arguments, f"the constructor of {artifact.name}"
    )
    return Call("", data, 0, f"{artifact.name}.constructor")


class Sender:
    """One key on one chain. Thread-safe; there must be no second one for the same key."""

    def __init__(self, chain: Chain, account: LocalAccount) -> None:
        self.chain = chain
        self.account = account
        self.address: str = account.address
        self._lock = threading.Lock()
        self._nonce: int | None = None

    def send(self, call: Call, *, gas: int | None = None) -> bytes:
        """Sign and send; returns the hash. Without `gas` it is estimated, which refuses what would fail."""
        limit = gas or self.gas_for(call)
        with self._lock:
            for attempt in range(_ATTEMPTS):
                if self._nonce is None:
                    self._nonce = self.chain.nonce(self.address, "pending" if attempt == 0 else "latest")
                raw, hash_ = sign(
                    self.account,
                    call,
                    chain_id=self.chain.chain_id,
                    nonce=self._nonce,
                    gas=limit,
                    fees=self.chain.fees(),
                )
                try:
                    self.chain.send_raw(raw)
                except ChainError as error:
                    # A request that was repeated may find itself mined: then its own number is too low.
                    if is_known_already(error) or (is_nonce_error(error) and self.chain.receipt(hash_)):
                        self._nonce += 1
                        return hash_
                    self._nonce = None
                    if not is_nonce_error(error):
                        raise
                except BaseException:
                    self._nonce = None  # nobody knows whether it arrived
                    raise
                else:
                    self._nonce += 1
                    return hash_
        raise ChainError(
            "the account's transactions are counted by somebody else too",
            field="account",
            value=self.address,
            solution="use one key per program",
        )

    def gas_for(self, call: Call) -> int:
        """Gas to give a call: the network's setting, else an estimate with some room."""
        if self.chain.network.gas_limit:
            return self.chain.network.gas_limit
        return self.chain.estimate(call, self.address) * (100 + GAS_MARGIN_PERCENT) // 100

    def transact(self, call: Call, *, gas: int | None = None, timeout_s: float = 60.0) -> Receipt:
        """Send and wait for the block; raises the contract's own error where it failed."""
        receipt = self.chain.wait(self.send(call, gas=gas), timeout_s)
        if not receipt.ok:
            raise self.chain.failure(receipt, call)
        return receipt

    def deploy(self, artifact: Artifact, *arguments: Any, gas: int | None = None) -> Receipt:
        """Create a contract; `receipt.contract` is its address."""
        return self.transact(deployment_call(artifact, arguments), gas=gas)
