"""Blocks, transactions, receipts and logs of the embedded chain in the words of Ethereum's JSON-RPC.

Everything is what any Ethereum node answers: quantities as minimal hexadecimal numbers, data as even
hexadecimal text, addresses in their mixed-case form.
"""

from __future__ import annotations

from typing import Any

import rlp  # type: ignore[import-untyped]  # rlp publishes no types
from eth_utils.address import to_canonical_address, to_checksum_address
from eth_utils.crypto import keccak

__all__ = ["block", "data", "log", "quantity", "receipt", "transaction"]

Json = dict[str, Any]

# py-evm's own classes say less than their fork-specific subclasses hold.
Block = Any
Header = Any
Receipt = Any
Transaction = Any


def quantity(value: int) -> str:
    """A number, as `0x1f`."""
    return hex(value)


def data(value: bytes) -> str:
    """Bytes, as `0x00ff`."""
    return "0x" + value.hex()


def _address(value: bytes) -> str | None:
    return to_checksum_address(value) if value else None


def contract_address(sender: bytes, nonce: int) -> str:
    """Where a contract created by a transaction lives."""
    return to_checksum_address(keccak(rlp.encode([to_canonical_address(sender), nonce]))[12:])


def block(value: Block, full: bool) -> Json:
    """A block with its transactions, whole or by hash."""
    header = value.header
    return {
        **_header(header),
        "hash": data(header.hash),
        "size": quantity(sum(len(tx.encode()) for tx in value.transactions) + 600),
        "transactions": [
            transaction(header, index, tx) if full else data(tx.hash)
            for index, tx in enumerate(value.transactions)
        ],
        "withdrawals": [],
        "uncles": [],
    }


def pending_block(header: Header) -> Json:
    """The block that would be made now, empty and without a hash."""
    return {
        **_header(header),
        "hash": None,
        "size": quantity(600),
        "transactions": [],
        "withdrawals": [],
        "uncles": [],
    }


def _header(header: Header) -> Json:
    return {
        "number": quantity(header.block_number),
        "parentHash": data(header.parent_hash),
        "timestamp": quantity(header.timestamp),
        "gasLimit": quantity(header.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "baseFeePerGas": quantity(header.base_fee_per_gas),
        "miner": _address(header.coinbase),
        "stateRoot": data(header.state_root),
        "transactionsRoot": data(header.transaction_root),
        "receiptsRoot": data(header.receipt_root),
        "withdrawalsRoot": data(header.withdrawals_root),
        "logsBloom": "0x" + header.bloom.to_bytes(256, "big").hex(),
        "sha3Uncles": data(header.uncles_hash),
        "mixHash": data(header.mix_hash),
        "nonce": data(header.nonce),
        "extraData": data(header.extra_data),
        "difficulty": quantity(header.difficulty),
        "blobGasUsed": quantity(header.blob_gas_used),
        "excessBlobGas": quantity(header.excess_blob_gas),
        "parentBeaconBlockRoot": data(header.parent_beacon_block_root),
        "requestsHash": data(header.requests_hash),
    }


def _type_of(tx: Transaction) -> int:
    return tx.type_id or 0


def _gas_price(header: Header, tx: Transaction) -> int:
    if _type_of(tx) < 2:
        return int(tx.gas_price)
    return int(min(tx.max_fee_per_gas, header.base_fee_per_gas + tx.max_priority_fee_per_gas))


def transaction(header: Header, index: int, tx: Transaction) -> Json:
    """A transaction that is in a block."""
    kind = _type_of(tx)
    out: Json = {
        "hash": data(tx.hash),
        "type": quantity(kind),
        "nonce": quantity(tx.nonce),
        "blockHash": data(header.hash),
        "blockNumber": quantity(header.block_number),
        "transactionIndex": quantity(index),
        "from": _address(tx.sender),
        "to": _address(tx.to),
        "value": quantity(tx.value),
        "gas": quantity(tx.gas),
        "gasPrice": quantity(_gas_price(header, tx)),
        "input": data(tx.data),
        "r": quantity(tx.r),
        "s": quantity(tx.s),
    }
    if kind == 0:
        out["v"] = quantity(tx.v)
        return out
    out |= {"chainId": quantity(tx.chain_id), "v": quantity(tx.y_parity), "yParity": quantity(tx.y_parity)}
    out["accessList"] = [
        {
            "address": to_checksum_address(address),
            "storageKeys": ["0x" + key.to_bytes(32, "big").hex() for key in keys],
        }
        for address, keys in tx.access_list
    ]
    if kind >= 2:
        out["maxFeePerGas"] = quantity(tx.max_fee_per_gas)
        out["maxPriorityFeePerGas"] = quantity(tx.max_priority_fee_per_gas)
    return out


def log(header: Header, tx_hash: bytes, tx_index: int, log_index: int, log: Any) -> Json:
    """A log, whose `log_index` counts from the block's first."""
    return {
        "address": to_checksum_address(log.address),
        "topics": ["0x" + topic.to_bytes(32, "big").hex() for topic in log.topics],
        "data": data(log.data),
        "blockHash": data(header.hash),
        "blockNumber": quantity(header.block_number),
        "blockTimestamp": quantity(header.timestamp),
        "transactionHash": data(tx_hash),
        "transactionIndex": quantity(tx_index),
        "logIndex": quantity(log_index),
        "removed": False,
    }


def receipt(value: Block, receipts: tuple[Receipt, ...], index: int, revert: bytes | None) -> Json:
    """What a transaction did; `revertReason` holds the error data of a failed one where it is known."""
    tx, done, header = value.transactions[index], receipts[index], value.header
    before = receipts[index - 1].gas_used if index else 0
    first_log = sum(len(earlier.logs) for earlier in receipts[:index])
    out: Json = {
        "transactionHash": data(tx.hash),
        "transactionIndex": quantity(index),
        "blockHash": data(header.hash),
        "blockNumber": quantity(header.block_number),
        "from": _address(tx.sender),
        "to": _address(tx.to),
        "type": quantity(_type_of(tx)),
        "status": quantity(1 if done.state_root == b"\x01" else 0),
        "gasUsed": quantity(done.gas_used - before),
        "cumulativeGasUsed": quantity(done.gas_used),
        "effectiveGasPrice": quantity(_gas_price(header, tx)),
        "contractAddress": None if tx.to else contract_address(tx.sender, tx.nonce),
        "logsBloom": "0x" + done.bloom.to_bytes(256, "big").hex(),
        "logs": [log(header, tx.hash, index, first_log + at, one) for at, one in enumerate(done.logs)],
    }
    if revert is not None:
        out["revertReason"] = data(revert)
    return out
