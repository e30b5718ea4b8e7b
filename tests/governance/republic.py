"""A deployed and handed-over exchange, and the people in it."""

from __future__ import annotations

from typing import TypeVar

from eth_account import Account
from eth_account.signers.local import LocalAccount

from qcrs.chain.abi import Binding, Call
from qcrs.chain.accounts import development_accounts
from qcrs.chain.bindings import (
    AccessManager,
    ComputationAllocator,
    ConsortiumSeats,
    Council,
    DisputeCourt,
    ExchangeGovernor,
    ResourceCredit,
)
from qcrs.chain.deploy import Deployment, DeployParameters, deploy
from qcrs.chain.handover import COUNCILS, Bodies, hand_over
from qcrs.chain.networks import Chain, Receipt
from qcrs.chain.sender import Sender
from qcrs.governance import Act, Commons, draft, execute, propose, queue, vote
from qcrs.types import CREDIT

TERMS = {
    "council_delay_s": 600,
    "timelock_delay_s": 900,
    "voting_delay_s": 60,
    "voting_period_s": 1200,
    "late_extension_s": 300,
    "quorum": 40,
    "super_quorum": 66,
}
Bound = TypeVar("Bound", bound=Binding)


def person(name: str) -> LocalAccount:
    """A key that is a name's, so that every chain of a test has the same people."""
    from eth_utils.crypto import keccak

    found: LocalAccount = Account.from_key(keccak(text=name))
    return found


class Republic:
    """The exchange after its hand-over. Its deployer is a fresh key, since anvil lives for many tests."""

    def __init__(self, chain: Chain, *, supply: int = 5 * CREDIT, seats: int = 3) -> None:
        self.chain = chain
        self.purse = Sender(chain, development_accounts(1)[0])
        self.deployer = Account.create()
        self.members = {
            body: [person(f"{body} {i}") for i in range(seats)] for body in (*COUNCILS, "consortia")
        }
        for account in (self.deployer, *(m for group in self.members.values() for m in group)):
            if not chain.balance(account.address):
                self.fund(account)
        self.bodies = Bodies(
            {body: tuple(m.address for m in self.members[body]) for body in COUNCILS},
            tuple(m.address for m in self.members["consortia"]),
            **TERMS,
        )
        self.before: Deployment = deploy(chain, self.deployer, parameters=DeployParameters(supply=supply))
        self.deployment = hand_over(chain, self.deployer, self.before, self.bodies)
        self.later(2)  # votes count from the second after they were given
        self.senders: dict[str, Sender] = {}

    def fund(self, account: LocalAccount) -> None:
        self.purse.transact(Call(account.address, b"", 10**18, "transfer"), gas=21_000)

    def bind(self, kind: type[Bound], name: str | None = None) -> Bound:
        return kind(self.chain, self.deployment.addresses[name or kind.NAME])

    def council(self, body: str) -> Council:
        return self.bind(Council, f"{body.capitalize()}Council")

    @property
    def manager(self) -> AccessManager:
        return self.bind(AccessManager)

    @property
    def allocator(self) -> ComputationAllocator:
        return self.bind(ComputationAllocator)

    @property
    def credit(self) -> ResourceCredit:
        return self.bind(ResourceCredit)

    @property
    def governor(self) -> ExchangeGovernor:
        return self.bind(ExchangeGovernor)

    @property
    def seats(self) -> ConsortiumSeats:
        return self.bind(ConsortiumSeats)

    @property
    def court(self) -> DisputeCourt:
        return self.bind(DisputeCourt)

    def send(self, account: LocalAccount, call: Call) -> Receipt:
        if account.address not in self.senders:
            self.senders[account.address] = Sender(self.chain, account)
        return self.senders[account.address].transact(call)

    def later(self, seconds: int) -> None:
        """The next block is at least that much later."""
        self.chain.request("evm_increaseTime", seconds)
        self.chain.request("evm_mine")

    def commons(self) -> Commons:
        """Governance by words, with the members' names and a lab's."""
        people = {f"{body}-{i}": m.address for body, g in self.members.items() for i, m in enumerate(g)}
        people["lab"] = person("lab").address
        return Commons(self.chain, self.deployment.addresses, people=people)


def sender(republic: Republic, account: LocalAccount) -> Sender:
    return republic.senders.setdefault(account.address, Sender(republic.chain, account))


def decided(
    republic: Republic,
    commons: Commons,
    words: str,
    voters: tuple[int, ...] = (0, 1),
    *,
    anyway: bool = False,
) -> Act:
    """A sentence with as many votes of its body as are named."""
    found = draft(commons, words)
    for member in voters:
        by = sender(republic, republic.members[found.body.key][member])
        act = propose(commons, found, by, anyway=anyway)
    return act


def passed(republic: Republic, commons: Commons, words: str, voters: tuple[int, ...] = (0, 1)) -> Act:
    """A proposal of the consortia that passes with these votes, early or in the end; queued, executed."""
    consortia = [sender(republic, member) for member in republic.members["consortia"]]
    act = propose(commons, draft(commons, words), consortia[0], anyway=True)
    republic.later(TERMS["voting_delay_s"] + 1)
    for member in voters:
        act = vote(commons, act.id, consortia[member])
    # The super quorum ends a vote early, a quorum at its end.
    early = 100 * len(voters) >= TERMS["super_quorum"] * republic.seats.seat_count()
    assert act.state == ("succeeded" if early else "active")
    if not early:
        republic.later(TERMS["voting_period_s"] + TERMS["late_extension_s"])
    act = queue(commons, act.id, consortia[0])
    republic.later(TERMS["timelock_delay_s"] + 1)
    return execute(commons, act.id, sender(republic, republic.members["dispute"][0]))
