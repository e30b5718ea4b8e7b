"""A network on this machine: chain, oracles and nodes as real processes, its state in one folder.

    HOME/network.json    where chain, store and contracts are      HOME/chain    the embedded chain
    HOME/keys            plain keys of worthless development credit HOME/store    blobs and mail
    HOME/processes.json  what runs                                  HOME/logs     what it says
    HOME/plan.json       what the network consists of

`up` does only what is not done yet, so it starts a network, mends one after a kill, and goes on after a
restart of the machine.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qcrs.config.home import Home, NetworkFile
from qcrs.errors import AccountError, ConfigError, NetworkError
from qcrs.network.plan import BODIES, NodePlan, Plan
from qcrs.network.processes import Processes
from qcrs.types import CREDIT, credits_text

if TYPE_CHECKING:
    from qcrs.chain import Chain, Sender
    from qcrs.client.exchange import Exchange

__all__ = ["LocalNetwork"]

CHAIN = "chain"
FAUCET = "faucet"
FAUCET_UNITS = 100_000_000 * CREDIT
"""What the faucet gets at the start; there is no other way to credit, since nobody mints without a vote."""
SEATS = (*(f"{body}-{i}" for body in (*BODIES, "consortium") for i in range(1, 4)),)
"""Accounts that sit in the bodies: three in each council, and three consortia."""
TERMS = {
    "council_delay_s": 5,
    "timelock_delay_s": 5,
    "voting_delay_s": 1,
    "voting_period_s": 120,
    "late_extension_s": 10,
    "quorum": 40,
    "super_quorum": 60,
}
"""Of decisions on a local network: seconds instead of days, and two of three consortia end a vote early."""
RULING_WINDOW_S = 720
"""Twelve minutes instead of twelve days for a dispute, its appeal included."""
PURSE_WEI = 10**18
"""Of the chain's currency, for the gas of a new account."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LocalNetwork:
    """One local network in one home folder."""

    def __init__(self, home: Home, say: Callable[[str], None] = lambda _: None) -> None:
        self.home = home
        self.processes = Processes(home.root)
        self._say = say

    @property
    def plan_file(self) -> Path:
        """Where the plan lies."""
        return self.home.root / "plan.json"

    def plan(self) -> Plan | None:
        """What this folder's network was created from; None before that."""
        return Plan.load(self.plan_file)

    # ----------------------------------------------------------------- starting

    def up(self, plan: Plan, *, port: int | None = None) -> None:
        """Bring everything up that is not; waits for the processes, not for certificates."""
        self.start_chain(port)
        self.create(plan)
        for name in plan.oracle_names:
            self.start_oracle(name, plan)
        for node in plan.nodes:
            if not node.later or node.name in self.processes.all():
                self.start_node(node)

    def start_chain(self, port: int | None = None) -> None:
        """The chain's process, on the port that the network has had before unless another is named."""
        known = self.processes.all()
        running = [process.name for process in known.values() if process.alive]
        before = None
        if self.home.network_file.exists():
            before = int(self.home.load().rpc.rsplit(":", 1)[1].rstrip("/"))
        if port is not None and before is not None and port != before and running:
            raise ConfigError(
                f"the network runs with its chain on port {before}",
                field="port",
                value=port,
                solution="stop it with `qcrs down` first, or leave --port out",
            )
        if CHAIN in running:
            return
        port = port or before
        ready = self.home.path("chain", "rpc.json")
        ready.unlink(missing_ok=True)
        words = ["qcrs.hub.rpc", "--data", str(ready.parent), "--port", str(port or _free_port())]
        self.processes.start(CHAIN, words)
        self.processes.await_ready(CHAIN, ready.exists)
        url = json.loads(ready.read_text())["url"]
        if before is not None and port != before:
            self.home.save(replace(self.home.load(), rpc=url))
        self._say(f"• chain at {url}")

    def start_oracle(self, name: str, plan: Plan) -> None:
        """One oracle's process."""
        words = [
            "qcrs",
            "oracle",
            "run",
            "--account",
            name,
            "--suite",
            plan.suite,
            "--home",
            str(self.home.root),
        ]
        self.processes.start(name, words)

    def start_node(self, node: NodePlan) -> None:
        """One node's process; it registers its processor when that is new."""
        words = ["qcrs", "node", "run", "--backend", node.backend, "--name", node.name]
        words += ["--account", node.name, "--home", str(self.home.root)]
        words += ["--bond", str(node.bond), "--claim-quality", str(node.claimed_quality)]
        words += ["--parallel", str(node.parallel)]
        self.processes.start(node.name, words)

    # ----------------------------------------------------------------- creating

    def create(self, plan: Plan) -> None:
        """Deploy, make accounts, give everybody credit, start the first oracle era, unless that is done."""
        if self.home.network_file.exists() and self.home.load().contracts:
            return
        from qcrs.chain import Sender, connect
        from qcrs.chain.accounts import development_accounts
        from qcrs.chain.deploy import deploy
        from qcrs.chain.handover import development_bodies, hand_over
        from qcrs.client.wallet import Wallet

        started = time.monotonic()
        rpc = json.loads(self.home.path("chain", "rpc.json").read_text())["url"]
        names = ["deployer", *plan.clients, *plan.oracle_names, *(n.name for n in plan.nodes), FAUCET, *SEATS]
        accounts = development_accounts(len(names))
        wallet = Wallet(self.home)
        for name, account in zip(names, accounts, strict=True):
            if name not in wallet.names():
                wallet.create(name, account=account)
        if plan.post_quantum:
            self._identities(plan)
        with connect(rpc) as chain:
            deployment = deploy(chain, accounts[0])
            deployer = Sender(chain, accounts[0])
            network = NetworkFile(
                rpc=rpc,
                chain_id=chain.chain_id,
                store=str(self.home.root / "store"),
                contracts=deployment.addresses,
                beacon_blocks=plan.beacon_blocks,
                handover_seconds=plan.handover_s,
            )
            self._endow(chain, deployer, network, plan)
            self._first_era(chain, deployer, network, plan)
            seats = tuple(wallet.address(name) for name in SEATS)
            handed = hand_over(chain, accounts[0], deployment, development_bodies(seats, **TERMS))
            network = replace(network, contracts=handed.addresses)
        plan.save(self.plan_file)
        self.home.save(network)
        took = time.monotonic() - started
        self._say(f"• contracts deployed and handed to their bodies, {len(names)} accounts ({took:.1f} s)")

    def _identities(self, plan: Plan) -> None:
        """Post-quantum identities of the nodes' accounts, plain as their keys are here."""
        from qcrs.client.quantum import identity_path
        from qcrs.identity import IdentitySecret

        for node in plan.nodes:
            path = identity_path(self.home, node.name)
            if not path.exists():
                IdentitySecret.create(path, None)

    def _endow(self, chain: Chain, deployer: Sender, network: NetworkFile, plan: Plan) -> None:
        """Parameters for a fast local network, and credit for everybody."""
        from qcrs.chain.abi import Call
        from qcrs.chain.bindings import ComputationAllocator, ResourceCredit, ResultVerifier
        from qcrs.client.wallet import Wallet

        credit = ResourceCredit(chain, network.contracts["ResourceCredit"])
        allocator = ComputationAllocator(chain, network.contracts["ComputationAllocator"])
        verifier = ResultVerifier(chain, network.contracts["ResultVerifier"])
        wallet = Wallet(self.home)
        everybody = [wallet.address(name) for name in (*SEATS, FAUCET)]
        holders = [*plan.clients, *plan.oracle_names, *(n.name for n in plan.nodes)]
        calls = [
            allocator.set_times(plan.grace_s, 0, plan.verdict_s),
            verifier.set_windows(verifier.windows()[0], RULING_WINDOW_S),
            *(Call(who, b"", PURSE_WEI, "transfer") for who in everybody if not chain.balance(who)),
            credit.mint(wallet.address(FAUCET), FAUCET_UNITS),
            credit.mint(deployer.address, plan.purse * len(holders)),
            credit.approve(allocator.address, plan.purse * len(holders)),
            *(allocator.deposit(wallet.address(name), plan.purse) for name in holders),
            *(credit.mint(wallet.address(name), plan.purse) for name in plan.oracle_names),
        ]
        for call in calls:
            deployer.transact(call)

    def fund(self, account: str, units: int) -> None:
        """Gas and a balance in the ledger for another account of this network, from its faucet.

        `AccountError` where the faucet's key is not here, as on any network that was not made by `up`.
        """
        from qcrs.chain import Sender, connect
        from qcrs.chain.abi import Call
        from qcrs.chain.bindings import ComputationAllocator, ResourceCredit
        from qcrs.client.wallet import Wallet

        network, wallet = self.home.load(), Wallet(self.home)
        address = wallet.address(wallet.choose(account))
        if FAUCET not in wallet.names() or self.plan() is None:
            raise AccountError(
                "only a network that `qcrs up` made gives credit away",
                field="home",
                value=str(self.home.root),
                solution=f"have credit and the chain's currency sent to {address}",
            )
        with connect(network.rpc) as chain:
            credit = ResourceCredit(chain, network.contracts["ResourceCredit"])
            allocator = ComputationAllocator(chain, network.contracts["ComputationAllocator"])
            faucet = Sender(chain, wallet.load(FAUCET))
            held = credit.balance_of(faucet.address)
            if units > held:
                raise AccountError(
                    f"the network gives away {credits_text(held)} credits at most",
                    field="amount",
                    value=credits_text(units),
                    solution="ask for less",
                )
            for call in (
                Call(address, b"", PURSE_WEI, "transfer"),
                credit.approve(allocator.address, units),
                allocator.deposit(address, units),
            ):
                faucet.transact(call)

    def _first_era(self, chain: Chain, deployer: Sender, network: NetworkFile, plan: Plan) -> None:
        """Oracles bond what is asked of them; their keys are published; the era begins."""
        from qcrs.chain import Sender
        from qcrs.chain.bindings import OracleQuorum, ResourceCredit
        from qcrs.client.identities import write_identities
        from qcrs.client.wallet import Wallet
        from qcrs.oracles.identity import OracleKeys
        from qcrs.store import ContentStore
        from qcrs.types import cid_to_digest

        wallet = Wallet(self.home)
        credit = ResourceCredit(chain, network.contracts["ResourceCredit"])
        quorum = OracleQuorum(chain, network.contracts["OracleQuorum"])
        keys = [OracleKeys.open(self.home, name, wallet.load(name)) for name in plan.oracle_names]
        least = quorum.least_bond()
        for key in keys:
            sender = Sender(chain, key.account)
            sender.transact(credit.approve(quorum.address, least))
            sender.transact(quorum.bond(least))
        document = write_identities([key.identity for key in keys])
        digest = cid_to_digest(ContentStore(network.store).put(document))
        deployer.transact(quorum.rotate(tuple(key.account.address for key in keys), digest))

    # ----------------------------------------------------------------- looking

    def exchange(self, account: str | None = None) -> Exchange:
        """A client of this network."""
        from qcrs.client.exchange import Exchange

        return Exchange.connect(self.home, account=account)

    def await_certified(
        self, names: set[str], seconds: float = 300.0, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """Wait until these processors hold a certificate, but for those taken off; says each as it comes."""
        end = time.monotonic() + seconds
        missing = set(names)
        with self.exchange() as exchange:
            while missing:
                missing -= self._told(exchange, missing)
                meanwhile()
                self.check_alive()
                if time.monotonic() > end:
                    raise NetworkError(
                        f"not certified after {seconds:.0f} s: {', '.join(sorted(missing))}",
                        solution="look again with `qcrs processor list`, the oracles go on; or read the logs "
                        f"in {self.processes.log('x').parent}",
                    )
                time.sleep(0.2)

    def _told(self, exchange: Exchange, missing: set[str]) -> set[str]:
        """Those of `missing` that hold a certificate now or were taken off, each said."""
        told = set()
        for entry in list(exchange.history().processors.values()):
            name = exchange.name_of(entry)
            if name not in missing:
                continue
            if entry.retired or entry.suspended:
                told.add(name)
                words = "; ".join(entry.remedies)
                self._say(f"• {name} is {'retired' if entry.retired else f'suspended: {words}'}")
            elif entry.capability and exchange.processor(entry.id).certified:
                told.add(name)
                found = entry.capability
                layered, readout = found.error_per_layered_gate * 1e-9, found.readout_error * 1e-9
                self._say(
                    f"• {name} certified: {entry.qubits} qubits, "
                    f"error per layered gate {layered:.2e}, readout {readout:.2e}, "
                    f"QV 2^{found.log2_quantum_volume}, GHZ {found.ghz_width}"
                )
        return told

    def check_alive(self, but: frozenset[str] = frozenset()) -> None:
        """`NetworkError` where a process of the network has ended by itself."""
        for process in self.processes.all().values():
            if not process.alive and process.name not in but:
                raise NetworkError(
                    f"{process.name} has ended: {self.processes.tail(process.name)}",
                    solution=f"read {self.processes.log(process.name)}, then `qcrs up` starts it again",
                )

    def status(self) -> list[dict[str, object]]:
        """One row a process."""
        return [
            {
                "name": p.name,
                "state": "running" if p.alive else "ended",
                "pid": p.pid,
                "log": str(self.processes.log(p.name)),
            }
            for p in self.processes.all().values()
        ]

    def down(self) -> list[str]:
        """Stop every process; the state stays."""
        return self.processes.stop()

    def restart(self, name: str, plan: Plan) -> None:
        """Start one process of the plan again after a kill."""
        if name == CHAIN:
            self.start_chain()
        elif name in plan.oracle_names:
            self.start_oracle(name, plan)
        elif name in {n.name for n in plan.nodes}:
            self.start_node(next(n for n in plan.nodes if n.name == name))
        else:
            raise ConfigError(
                "no such process in the plan", field="name", value=name, solution="`qcrs status` lists them"
            )
