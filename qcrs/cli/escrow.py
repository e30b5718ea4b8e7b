"""`qcrs account escrow|claims|claim`: work that is settled off the chain, by epochs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcrs.cli.options import AccountOption, HomeOption, Json
from qcrs.cli.output import emit, table

if TYPE_CHECKING:
    from qcrs.client.exchange import Exchange
    from qcrs.client.settlement import Payer

__all__ = ["add"]

Amount = Annotated[str, typer.Argument(help="Credits, as 12.5.")]


def add(group: typer.Typer) -> None:
    """Add the commands to `qcrs account`."""
    escrow = typer.Typer(
        rich_markup_mode=None,
        no_args_is_help=True,
        help="Credit that pays providers off the chain, epoch by epoch.",
    )
    escrow.command()(show)
    escrow.command("fund")(fund)
    escrow.command()(approve)
    escrow.command()(leave)
    escrow.command("exit")(exit_)
    group.add_typer(escrow, name="escrow")
    group.command()(claims)
    group.command()(claim)


@contextmanager
def _payer(home: Path | None, account: str | None) -> Iterator[tuple[Exchange, Payer]]:
    from qcrs.client.exchange import Exchange
    from qcrs.client.settlement import Payer

    with Exchange.connect(home, account=account) as exchange, closing(Payer(exchange)) as payer:
        yield exchange, payer


def _escrow(exchange: Exchange, payer: Payer) -> tuple[dict[str, object], str]:
    from qcrs.types import credits_text

    amount, leaves = payer.settlement.contract.escrow_of(exchange.address)
    owed = payer.owed()
    value: dict[str, object] = {
        "address": exchange.address,
        "escrow": amount,
        "available_at": leaves,
        "approved": owed,
    }
    lines = [exchange.address, f"  escrow  {credits_text(amount)} credits"]
    lines += [f"  approved for {who}: {credits_text(total)} credits in all" for who, total in owed.items()]
    if leaves:
        seconds = max(0, leaves - exchange.chain.now())
        lines.append(f"  leaving: the rest can be taken with `qcrs account escrow exit` in {seconds} s")
    return value, "\n".join(lines)


def show(home: HomeOption = None, account: AccountOption = None, as_json: Json = False) -> None:
    """What the escrow holds, and what this account has approved for whom."""
    with _payer(home, account) as (exchange, payer):
        value, human = _escrow(exchange, payer)
        emit(value, as_json=as_json, human=human)


def fund(
    amount: Amount, home: HomeOption = None, account: AccountOption = None, as_json: Json = False
) -> None:
    """Move credit from outside the ledger into the escrow."""
    from qcrs.cli.account import amount_of

    with _payer(home, account) as (exchange, payer):
        payer.fund(amount_of(amount))
        value, human = _escrow(exchange, payer)
        emit(value, as_json=as_json, human=human)


def approve(
    provider: Annotated[str, typer.Argument(help="The provider's address.")],
    amount: Amount,
    home: HomeOption = None,
    account: AccountOption = None,
    as_json: Json = False,
) -> None:
    """Owe a provider that much more; the oracles put it into the next epoch. It cannot be taken back."""
    from qcrs.cli.account import amount_of
    from qcrs.client.fields import address_text

    with _payer(home, account) as (exchange, payer):
        payer.approve(address_text(provider, "provider"), amount_of(amount))
        value, human = _escrow(exchange, payer)
        emit(value, as_json=as_json, human=human)


def leave(home: HomeOption = None, account: AccountOption = None, as_json: Json = False) -> None:
    """Announce that this account leaves; after the contract's delay the rest of its escrow is free."""
    with _payer(home, account) as (exchange, payer):
        payer.start_exit()
        value, human = _escrow(exchange, payer)
        emit(value, as_json=as_json, human=human)


def exit_(home: HomeOption = None, account: AccountOption = None, as_json: Json = False) -> None:
    """Take the rest of the escrow, once the delay is over."""
    with _payer(home, account) as (exchange, payer):
        payer.exit()
        value, human = _escrow(exchange, payer)
        emit(value, as_json=as_json, human=human)


def claims(home: HomeOption = None, account: AccountOption = None, as_json: Json = False) -> None:
    """What the last epoch says that clients owe this account, and what a claim would bring."""
    from qcrs.types import credits_text

    with _payer(home, account) as (exchange, payer):
        found = payer.settlement.claimable(exchange.address)
        value = [
            {
                "epoch": one.epoch,
                "client": one.debt.client,
                "owed": one.debt.cumulative,
                "claimed": one.claimed,
                "due": one.due,
                "uncollected": one.claimed - one.collected,
            }
            for one in found
        ]
        rows = [
            (row["client"], *(credits_text(int(str(row[key]))) for key in ("owed", "claimed", "due")))
            for row in value
        ]
        human = table(rows, ("client", "owed in all", "claimed", "due now"))
        emit(value, as_json=as_json, human=human if rows else "no epoch says that anybody owes this account")


def claim(home: HomeOption = None, account: AccountOption = None, as_json: Json = False) -> None:
    """Claim all that is due with one proof for each client, and take it out."""
    from qcrs.types import credits_text

    with _payer(home, account) as (exchange, payer):
        came = payer.claim()
        human = f"{credits_text(came)} credits came in" if came else "nothing is due"
        emit({"address": exchange.address, "received": came}, as_json=as_json, human=human)
