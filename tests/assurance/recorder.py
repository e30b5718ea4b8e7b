"""A pytest plugin that writes down every transaction, call and snapshot of the contract tests' chains.

The forge test of Replay.t.sol does the same on contracts whose lines it counts, so that one report shows what
all tests reach. Signatures hold there too: addresses, chain id and times are those of the record.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import eth_tester.backends.pyevm.main as backend
import pytest
from eth.chains.base import MiningChain
from eth_abi.abi import encode

from qcrs.chain.compile import artifacts
from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.evm import Evm

CREATE, SEND, CALL, SNAPSHOT, REVERT, CHAIN = range(6)
KINDS = ["uint8", "address", "address", "uint256", "uint256", "bytes"]
NOBODY = bytes(20)
PATCH = pytest.MonkeyPatch()
"""Never undone: the process that records does nothing else."""


class Recorder:
    """One file of lines for each chain, of eth-tester's or embedded; each line is a hexadecimal record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chains: dict[int, Any] = {}
        self.snapshots: dict[tuple[int, bytes], int] = {}
        self.counts: dict[int, int] = {}
        self.codes = {
            name: bytes.fromhex(one.bytecode[2:])
            for name, one in artifacts().items()
            if len(one.bytecode) > 2 and name != "AccessManager"
        }

    def write(
        self, chain: Any, kind: int, sender: bytes, to: bytes, time: int, number: int, data: bytes
    ) -> None:
        if id(chain) not in self.chains:
            # The chain is kept with its file, so that no other gets its number.
            place = self.folder / f"{len(self.chains)}-{os.getpid()}.txt"
            self.chains[id(chain)] = (chain, place.open("w"))
            self.write(chain, CHAIN, NOBODY, NOBODY, 0, chain.chain_id, b"")
        file = self.chains[id(chain)][1]
        file.write("0x" + encode(KINDS, [kind, sender, to, time, number, data]).hex() + "\n")
        file.flush()

    def created(self, data: bytes) -> bytes:
        """A creation by its contract's name and arguments: counted code takes the place of its code."""
        for name, code in self.codes.items():
            if data.startswith(code):
                return encode(["string", "bytes"], [name, data[len(code) :]])
        return encode(["string", "bytes"], ["", data])

    def sent(self, chain: Any, transaction: Any, computation: Any, time: int) -> None:
        """A transaction in a block; of a creation also where it came to, nowhere if it failed."""
        if transaction.to:
            self.write(chain, SEND, transaction.sender, transaction.to, time, 0, transaction.data)
        else:
            data = self.created(transaction.data)
            place = NOBODY if computation.is_error else computation.msg.storage_address
            self.write(chain, CREATE, transaction.sender, place, time, transaction.nonce, data)

    def called(self, chain: Any, transaction: Any, time: int) -> None:
        if transaction.to:
            self.write(chain, CALL, transaction.sender, transaction.to, time, 0, transaction.data)

    def taken(self, chain: Any, snapshot: bytes) -> None:
        count = self.counts.get(id(chain), 0)
        self.write(chain, SNAPSHOT, NOBODY, NOBODY, 0, count, b"")
        self.counts[id(chain)] = count + 1
        self.snapshots[id(chain), snapshot] = count

    def reverted(self, chain: Any, snapshot: bytes) -> None:
        self.write(chain, REVERT, NOBODY, NOBODY, 0, self.snapshots[id(chain), snapshot], b"")


def pytest_configure() -> None:
    folder = Path(os.environ["QCRS_RECORDS"])
    folder.mkdir(parents=True, exist_ok=True)
    recorder = Recorder(folder)
    _listen_to_eth_tester(recorder)
    _listen_to_embedded_chains(recorder)


def _listen_to_eth_tester(recorder: Recorder) -> None:
    apply, execute = MiningChain.apply_transaction, backend._execute_and_revert_transaction
    take, revert = backend.PyEVMBackend.take_snapshot, backend.PyEVMBackend.revert_to_snapshot

    def applied(self: Any, transaction: Any) -> Any:
        time = self.get_block().header.timestamp
        done = apply(self, transaction)
        recorder.sent(self, transaction, done[2], time)
        return done

    def executed(chain: Any, transaction: Any, block_number: Any = "latest") -> Any:
        recorder.called(chain, transaction, chain.get_block().header.timestamp)
        return execute(chain, transaction, block_number)

    def taken(self: Any) -> Any:
        snapshot = take(self)
        recorder.taken(self.chain, snapshot)
        return snapshot

    def reverted(self: Any, snapshot: Any) -> Any:
        recorder.reverted(self.chain, snapshot)
        return revert(self, snapshot)

    PATCH.setattr(MiningChain, "apply_transaction", applied)
    PATCH.setattr(backend, "_execute_and_revert_transaction", executed)
    PATCH.setattr(backend.PyEVMBackend, "take_snapshot", taken)
    PATCH.setattr(backend.PyEVMBackend, "revert_to_snapshot", reverted)


def _listen_to_embedded_chains(recorder: Recorder) -> None:
    seal, call, estimate = Evm.seal, Evm.call, Evm.estimate
    take, revert = EmbeddedChain.snapshot, EmbeddedChain.revert

    def sealed(self: Evm, transactions: Any, timestamp: int) -> Any:
        done = seal(self, transactions, timestamp)
        if done.block:
            for transaction, computation in zip(done.block.transactions, done.computations, strict=True):
                recorder.sent(self, transaction, computation, done.block.header.timestamp)
        return done

    def called(self: Evm, state: Any, transaction: Any) -> Any:
        recorder.called(self, transaction, state.timestamp)
        return call(self, state, transaction)

    def estimated(self: Evm, state: Any, most: int, **fields: Any) -> Any:
        # What would be refused is not sent.
        recorder.called(self, self.spoof(state, gas=most, **fields), state.timestamp)
        return estimate(self, state, most, **fields)

    def taken(self: EmbeddedChain) -> bytes:
        snapshot = take(self)
        recorder.taken(self.evm, snapshot)
        return snapshot

    def reverted(self: EmbeddedChain, snapshot: bytes) -> None:
        recorder.reverted(self.evm, snapshot)
        revert(self, snapshot)

    PATCH.setattr(Evm, "seal", sealed)
    PATCH.setattr(Evm, "call", called)
    PATCH.setattr(Evm, "estimate", estimated)
    PATCH.setattr(EmbeddedChain, "snapshot", taken)
    PATCH.setattr(EmbeddedChain, "revert", reverted)
