"""The exchange's bodies and the keys of a home folder, for the commands of governance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qcrs.chain.sender import Sender
    from qcrs.governance import Commons

__all__ = ["commons_of", "members_here", "sender_of"]


def commons_of(home: Path | None) -> Commons:
    """The exchange of a home folder; people are known by the names of its keys.

    It is read at the head, however many confirmations the network asks for: who votes has to see what was
    proposed just now, and what blocks undo is undone in the index too.
    """
    from qcrs.chain import connect
    from qcrs.client.wallet import Wallet
    from qcrs.config.home import Home
    from qcrs.governance import Commons

    found = Home.find(home)
    network, wallet = found.load(), Wallet(found)
    return Commons(
        connect(network.rpc),
        network.contracts,
        people={name: wallet.address(name) for name in wallet.names()},
        folder=found.path("client", "governance").parent / "governance",
    )


def sender_of(commons: Commons, home: Path | None, account: str | None) -> Sender:
    """The key that pays for a transaction that anyone may send."""
    from qcrs.chain.sender import Sender
    from qcrs.client.wallet import Wallet
    from qcrs.config.home import Home

    wallet = Wallet(Home.find(home))
    return Sender(commons.chain, wallet.load(wallet.choose(account)))


def members_here(commons: Commons, home: Path | None, accounts: list[str] | None, body: str) -> list[Sender]:
    """The keys named, else $QCRS_ACCOUNT's, else the only one of a member; `AccountError` lists those."""
    import os

    from qcrs.chain.sender import Sender
    from qcrs.client.wallet import ACCOUNT_VARIABLE, Wallet
    from qcrs.config.home import Home
    from qcrs.errors import AccountError
    from qcrs.governance import body_named, members

    wallet = Wallet(Home.find(home))
    if not accounts and (chosen := os.environ.get(ACCOUNT_VARIABLE)):
        accounts = [chosen]
    if not accounts:
        seated = set(members(commons, body_named(body)).values())
        accounts = [name for name in wallet.names() if wallet.address(name) in seated]
        if len(accounts) != 1:
            raise AccountError(
                "no account is chosen" if accounts else "no key here is a member's",
                field="account",
                value=body,
                solution="name one or more with --account: " + ", ".join(accounts)
                if accounts
                else f"only the members of {body} decide this: `qcrs gov seats`",
            )
    return [Sender(commons.chain, wallet.load(wallet.choose(name))) for name in accounts]
