"""How fast the chains are, measured in one run: `qcrs bench chain`.

The same client code (web3's contract objects, gas and fees given) puts real jobs into the allocator on
the embedded chain, on the stock test chain it is built from, and on anvil; a fourth line is the embedded
chain through `Sender`. Then the embedded chain grows to a height where the stock chain needs minutes to
search its logs. Rates are wall-clock; compare them within one run only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from web3 import HTTPProvider, Web3

from qcrs.chain import bindings
from qcrs.chain.abi import Call
from qcrs.chain.accounts import development_accounts
from qcrs.chain.anvil import Anvil, anvil_binary
from qcrs.chain.compile import artifacts
from qcrs.chain.deploy import (
    ORDER,
    DeployParameters,
    computed_addresses,
    constructor_arguments,
    deploy,
)
from qcrs.chain.embedded import EmbeddedChain
from qcrs.chain.networks import of_embedded
from qcrs.chain.sender import Sender, deployment_call
from qcrs.errors import ChainError
from qcrs.types import CREDIT

__all__ = ["ChainRates", "bench", "log_search_seconds"]

ENGINES = ("embedded", "stock", "anvil")
_FEES = {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9}
_FUNDS = 100_000 * CREDIT


@dataclass(frozen=True, slots=True)
class ChainRates:
    """Per second: transfers of the chain's currency, jobs submitted and mined, views of the ledger."""

    engine: str
    transfers_per_s: float
    submits_per_s: float
    views_per_s: float
    count: int

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def bench(
    count: int = 100, engines: tuple[str, ...] = ENGINES, say: Callable[[str], None] | None = None
) -> list[ChainRates]:
    """The rates of each engine over `count` repetitions. anvil is left out where it is not installed."""
    out = []
    for engine in engines:
        if engine == "anvil" and anvil_binary() is None:
            continue
        out.append(_stock_rates(count) if engine == "stock" else _measured(engine, count))
        if say is not None:
            say(_line(out[-1]))
    out.append(_through_sender(count))
    if say is not None:
        say(_line(out[-1]))
    return out


def _measured(engine: str, count: int) -> ChainRates:
    with _opened(engine) as w3:
        return _rates(engine, w3, count)


def _stock_rates(count: int) -> ChainRates:
    """In a process of its own, without the C libraries for keccak and secp256k1 that this package chooses."""
    plain = {"ETH_HASH_BACKEND": "pycryptodome", "ECC_BACKEND_CLASS": "eth_keys.backends.NativeECCBackend"}
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    done = subprocess.run(  # noqa: S603 - this module, in this interpreter
        [sys.executable, "-m", "qcrs.chain.bench", str(count)],
        env={**os.environ, **plain, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ChainError(f"the stock chain could not be measured: {done.stderr[-400:]}")
    return ChainRates(**json.loads(done.stdout))


def _line(rates: ChainRates) -> str:
    return (
        f"{rates.engine:<18} {rates.transfers_per_s:8.1f} transfers/s {rates.submits_per_s:8.1f} jobs/s"
        f" {rates.views_per_s:8.1f} views/s"
    )


@contextmanager
def _opened(engine: str) -> Iterator[Web3]:
    if engine == "embedded":
        chain = EmbeddedChain()
        yield Web3(chain.provider())
        chain.close()
    elif engine == "anvil":
        with Anvil() as server:
            yield Web3(HTTPProvider(server.url))
    else:
        from web3.providers.eth_tester import EthereumTesterProvider

        yield Web3(EthereumTesterProvider())


def _rates(engine: str, w3: Web3, count: int) -> ChainRates:
    accounts = list(w3.eth.accounts)
    first, second = accounts[0], accounts[1]
    allocator = _installed(w3, first)

    def mined(transaction: dict[str, Any]) -> None:
        w3.eth.wait_for_transaction_receipt(w3.eth.send_transaction(transaction), poll_latency=0.001)  # type: ignore[arg-type]

    transfer = {"from": first, "to": second, "value": 1, "gas": 21_000, **_FEES}
    submit = allocator.functions.submit(_request(w3.eth.get_block("latest")["timestamp"]))
    options = {"from": first, "gas": 400_000, **_FEES}

    def submitted() -> None:
        w3.eth.wait_for_transaction_receipt(submit.transact(options), poll_latency=0.001)

    return ChainRates(
        engine,
        _per_second(lambda: mined(transfer), count),
        _per_second(submitted, count),
        _per_second(lambda: allocator.functions.balanceOf(first).call({"from": first, "gas": 10**6}), count),
        count,
    )


def _through_sender(count: int) -> ChainRates:
    with of_embedded(EmbeddedChain()) as chain:
        account, other = development_accounts(2)
        deployment = deploy(chain, account, parameters=DeployParameters(supply=_FUNDS))
        sender = Sender(chain, account)
        credit = bindings.ResourceCredit(chain, deployment.addresses["ResourceCredit"])
        allocator = bindings.ComputationAllocator(chain, deployment.addresses["ComputationAllocator"])
        sender.transact(credit.approve(allocator.address, _FUNDS))
        sender.transact(allocator.deposit(account.address, _FUNDS))
        request = bindings.JobRequest(*_request(chain.now()))
        return ChainRates(
            "embedded, sender",
            _per_second(lambda: sender.transact(Call(other.address, b"", 1), gas=21_000), count),
            _per_second(lambda: sender.transact(allocator.submit(request), gas=400_000), count),
            _per_second(lambda: allocator.balance_of(account.address), count),
            count,
        )


def _per_second(action: Callable[[], Any], count: int) -> float:
    action()
    start = time.perf_counter()
    for _ in range(count):
        action()
    return count / (time.perf_counter() - start)


def _request(now: int) -> tuple[Any, ...]:
    """A job of five qubits and ten seconds that any processor may run."""
    return (0, 0, 5, 0, 0, 1, 1, 2, 10, now + 30 * 86_400, b"\x01" * 32)


def _installed(w3: Web3, deployer: str) -> Any:
    """The exchange put on a chain by plain web3; returns the allocator with funds for the deployer."""
    found = artifacts()
    at = computed_addresses(deployer, w3.eth.get_transaction_count(deployer))  # type: ignore[arg-type]
    arguments = constructor_arguments(deployer, at, DeployParameters(supply=_FUNDS))
    calls = [deployment_call(found[name], arguments[name]) for name in ORDER]
    credit: Any = w3.eth.contract(at["ResourceCredit"], abi=found["ResourceCredit"].abi)  # type: ignore[call-overload]
    allocator: Any = w3.eth.contract(  # type: ignore[call-overload]
        at["ComputationAllocator"], abi=found["ComputationAllocator"].abi
    )
    for call in calls:
        hash_ = w3.eth.send_transaction({"from": deployer, "data": call.data, "gas": 15_000_000, **_FEES})  # type: ignore[typeddict-item]
        w3.eth.wait_for_transaction_receipt(hash_, poll_latency=0.01)
    options = {"from": deployer, "gas": 1_000_000, **_FEES}
    for function in (
        credit.functions.approve(allocator.address, _FUNDS),
        allocator.functions.deposit(deployer, _FUNDS),
    ):
        w3.eth.wait_for_transaction_receipt(function.transact(options), poll_latency=0.01)
    return allocator


def log_search_seconds(height: int = 1_500, say: Callable[[str], None] | None = None) -> dict[str, float]:
    """Seconds to find all jobs of the embedded chain from its first block, and one old receipt."""
    with of_embedded(EmbeddedChain()) as chain:
        account = development_accounts(1)[0]
        deployment = deploy(chain, account, parameters=DeployParameters(supply=_FUNDS))
        sender = Sender(chain, account)
        credit = bindings.ResourceCredit(chain, deployment.addresses["ResourceCredit"])
        allocator = bindings.ComputationAllocator(chain, deployment.addresses["ComputationAllocator"])
        sender.transact(credit.approve(allocator.address, _FUNDS))
        sender.transact(allocator.deposit(account.address, _FUNDS))
        request = bindings.JobRequest(*_request(chain.now()))
        hashes = []
        while chain.height < height:
            hashes.append(sender.send(allocator.submit(request), gas=400_000))
            if say is not None and chain.height % 250 == 0:
                say(f"height {chain.height}")
        start = time.perf_counter()
        logs = chain.logs(
            0, chain.height, [allocator.address], [bindings.ComputationAllocator.JobSubmitted.TOPIC]
        )
        searched = time.perf_counter() - start
        start = time.perf_counter()
        chain.receipt(hashes[0])
        found = time.perf_counter() - start
        return {
            "height": float(height),
            "logs": float(len(logs)),
            "get_logs_s": searched,
            "old_receipt_s": found,
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measured("stock", int(sys.argv[1])).as_json()))
