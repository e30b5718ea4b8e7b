"""A governance vote in the demonstration: the allocation committee changes Δ, in plain words.

Two of the committee's three members vote, the call waits in the AccessManager, and anybody executes it. The
vote runs beside the jobs, so it costs the demonstration no time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qcrs.errors import NetworkError

if TYPE_CHECKING:
    from qcrs.governance import Commons
    from qcrs.network.local import LocalNetwork

__all__ = ["DemoVote"]

DRAIN = 900
WORDS = f"set Δ to {DRAIN} qubit-seconds"
VOTERS = ("allocation-1", "allocation-3")
PATIENCE_S = 60.0


@dataclass(slots=True)
class DemoVote:
    """The vote, from its proposal to its effect."""

    network: LocalNetwork
    say: Callable[[str], None]
    before: int = 0
    ballot: str = ""
    gas: int = 0

    def propose(self) -> None:
        """Both votes; the decision waits afterwards."""
        from qcrs.chain import Sender
        from qcrs.client.wallet import Wallet
        from qcrs.governance import draft, propose

        commons, wallet = self._commons(), Wallet(self.network.home)
        found = draft(commons, WORDS)
        self.before = self._drain(commons)
        for name in VOTERS:
            act = propose(commons, found, Sender(commons.chain, wallet.load(name)))
            self.ballot, self.gas = act.id, self.gas + act.gas
        self.say(f"• {found.body.title}: two members vote to {WORDS}; the decision waits ({act.state})")
        commons.close()

    def finish(self) -> tuple[tuple[str, bool, str], str]:
        """Execute it once it is ready; what it did on chain as a check, and a picture of the bodies."""
        from qcrs.chain import Sender
        from qcrs.client.wallet import Wallet
        from qcrs.governance import execute, matter
        from qcrs.governance.ballots import Ballot
        from qcrs.governance.overview import overview
        from qcrs.report.republic import republic

        commons, wallet = self._commons(), Wallet(self.network.home)
        ballot = matter(commons, self.ballot)
        ready = ballot.ready_at if isinstance(ballot, Ballot) and ballot.ready_at else 0
        end = time.monotonic() + PATIENCE_S
        while commons.chain.now() < ready:
            if time.monotonic() > end:
                raise NetworkError(
                    "the vote's delay does not end", solution="look whether the chain makes blocks"
                )
            time.sleep(0.2)
        waited = self._drain(commons) == self.before
        act = execute(commons, self.ballot, Sender(commons.chain, wallet.load("client")))
        self.gas += act.gas
        after = self._drain(commons)
        picture = republic(overview(commons, everything=True))
        commons.close()
        self.say(f"• the decision is executed: Δ was {self.before:,} and is {after:,} qubit-seconds")
        figures = f"Δ {self.before:,} → {after:,} qubit-seconds, {self.gas:,} gas"
        check = ("a council's vote changed a parameter, after its delay", waited and after == DRAIN, figures)
        return check, picture

    def _commons(self) -> Commons:
        from qcrs.chain import connect
        from qcrs.client.wallet import Wallet
        from qcrs.governance import Commons

        network, wallet = self.network.home.load(), Wallet(self.network.home)
        people = {name: wallet.address(name) for name in wallet.names()}
        return Commons(connect(network.rpc), network.contracts, people=people)

    @staticmethod
    def _drain(commons: Commons) -> int:
        from qcrs.chain.bindings import ComputationAllocator

        return commons.bind(ComputationAllocator).queueing()[0]
