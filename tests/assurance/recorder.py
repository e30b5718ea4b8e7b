"""A pytest plugin that writes down every transaction, call and snapshot of the contract tests' chains.

The forge test of Replay.t.sol does the same on contracts whose lines it counts, so that one report shows what
all tests reach. Signatures hold there too: addresses, chain id and times are those of the record.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import eth_tester.backends.pyevm.main as backend
from eth.chains.base import MiningChain
from eth_abi.abi import encode

from qcrs.chain.compile import artifacts

CREATE, SEND, CALL, SNAPSHOT, REVERT = range(5)
KINDS = ["uint8", "address", "address", "uint256", "uint256", "bytes"]
NOBODY = bytes(20)


class Recorder:
    """One file of lines, each a hexadecimal record; one chain at a time."""

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
            name = f"{len(self.chains)}-{os.getpid()}-{chain.chain_id}.txt"
            # The chain is kept with its file, so that no other gets its number.
            self.chains[id(chain)] = (chain, (self.folder / name).open("w"))
        file = self.chains[id(chain)][1]
        file.write("0x" + encode(KINDS, [kind, sender, to, time, number, data]).hex() + "\n")
        file.flush()

    def created(self, data: bytes) -> bytes:
        """A creation by its contract's name and arguments: counted code takes the place of its code."""
        for name, code in self.codes.items():
            if data.startswith(code):
                return encode(["string", "bytes"], [name, data[len(code) :]])
        return encode(["string", "bytes"], ["", data])


def pytest_configure() -> None:
    folder = Path(os.environ["QCRS_RECORDS"])
    folder.mkdir(parents=True, exist_ok=True)
    recorder = Recorder(folder)
    apply, execute = MiningChain.apply_transaction, backend._execute_and_revert_transaction
    take, revert = backend.PyEVMBackend.take_snapshot, backend.PyEVMBackend.revert_to_snapshot

    def applied(self: Any, transaction: Any) -> Any:
        time = self.get_block().header.timestamp
        if transaction.to:
            recorder.write(self, SEND, transaction.sender, transaction.to, time, 0, transaction.data)
        else:
            data = recorder.created(transaction.data)
            recorder.write(self, CREATE, transaction.sender, NOBODY, time, transaction.nonce, data)
        return apply(self, transaction)

    def executed(chain: Any, transaction: Any, block_number: Any = "latest") -> Any:
        if transaction.to:
            time = chain.get_block().header.timestamp
            recorder.write(chain, CALL, transaction.sender, transaction.to, time, 0, transaction.data)
        return execute(chain, transaction, block_number)

    def taken(self: Any) -> Any:
        snapshot = take(self)
        count = recorder.counts.get(id(self.chain), 0)
        recorder.write(self.chain, SNAPSHOT, NOBODY, NOBODY, 0, count, b"")
        recorder.counts[id(self.chain)] = count + 1
        recorder.snapshots[id(self.chain), snapshot] = count
        return snapshot

    def reverted(self: Any, snapshot: Any) -> Any:
        count = recorder.snapshots[id(self.chain), snapshot]
        recorder.write(self.chain, REVERT, NOBODY, NOBODY, 0, count, b"")
        return revert(self, snapshot)

    MiningChain.apply_transaction = applied
    backend._execute_and_revert_transaction = executed
    backend.PyEVMBackend.take_snapshot = taken
    backend.PyEVMBackend.revert_to_snapshot = reverted
