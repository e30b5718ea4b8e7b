"""`qcrs account …`: keys of this participant, and its credit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcrs.cli import escrow
from qcrs.cli.identity import add
from qcrs.cli.options import AccountOption, HomeOption, Json, PasswordOption
from qcrs.cli.output import emit, say, table

if TYPE_CHECKING:
    from qcrs.client.exchange import Exchange

__all__ = ["register"]


def register(root: typer.Typer) -> None:
    """Add the commands."""
    account = typer.Typer(
        rich_markup_mode=None, no_args_is_help=True, help="Keys and credit of this participant."
    )
    account.command()(new)
    account.command("list")(list_accounts)
    account.command()(balance)
    account.command()(fund)
    account.command()(deposit)
    account.command()(withdraw)
    add(account)
    escrow.add(account)
    root.add_typer(account, name="account")


def _exchange(home: Path | None, account: str | None) -> Exchange:
    from qcrs.client.exchange import Exchange

    return Exchange.connect(home, account=account)


def new(
    name: Annotated[str, typer.Argument(help="The account's name.")],
    plain: Annotated[
        bool, typer.Option("--plain", help="Keep the key unencrypted; for development networks only.")
    ] = False,
    password_file: PasswordOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Make a new account; an existing key is never overwritten."""
    from qcrs.chain.accounts import password
    from qcrs.client.wallet import Wallet
    from qcrs.config.home import Home

    wallet = Wallet(Home.find(home))
    path = wallet.path(name)
    if path.exists():
        from qcrs.errors import AccountError

        raise AccountError(
            "the account exists, and keys are never overwritten",
            field="account",
            value=name,
            solution="choose another name",
        )
    secret = None if plain else password(password_file, confirm=True)
    account = wallet.create(name, password=secret)
    emit(
        {"account": name, "address": account.address, "file": str(path)},
        as_json=as_json,
        human=f"{account.address}\nkept in {path}: copy it to a safe place, jobs and credit depend on it",
    )


def list_accounts(home: HomeOption = None, as_json: Json = False) -> None:
    """Accounts of this home folder, with their balances where the network can be reached."""
    from qcrs.client.reader import Reader
    from qcrs.client.wallet import Wallet
    from qcrs.config.home import Home
    from qcrs.errors import QCRSError
    from qcrs.types import credits_text

    found = Home.find(home)
    wallet = Wallet(found)
    try:
        reader: Reader | None = Reader.open(found)
    except QCRSError as error:
        say(f"· balances are not known: {error.reason}")
        reader = None
    rows = []
    for name in wallet.names():
        address = wallet.address(name)
        row: dict[str, object] = {"account": name, "address": address}
        if reader is not None:
            free = reader.contracts.allocator.balance_of(address)
            held = reader.contracts.credit.balance_of(address)
            row |= {"balance": free, "credit": held}
        rows.append(row)
    human = table(
        [
            (
                r["account"],
                r["address"],
                *(credits_text(int(str(r[k]))) for k in ("balance", "credit") if k in r),
            )
            for r in rows
        ],
        ("account", "address", *(("balance", "outside") if reader is not None else ())),
    )
    emit(rows, as_json=as_json, human=human if rows else "no accounts: make one with `qcrs account new NAME`")


def _money(exchange: Exchange) -> tuple[dict[str, object], str]:
    from qcrs.types import credits_text

    free, held = exchange.balance(), exchange.credit()
    escrow = sum(info.escrow for info in exchange.jobs(client=exchange.address, pending=True))
    value: dict[str, object] = {
        "address": exchange.address,
        "balance": free,
        "escrow": escrow,
        "credit": held,
    }
    human = (
        f"{exchange.address}\n"
        f"  balance    {credits_text(free)} credits, for jobs and withdrawal\n"
        f"  in escrow  {credits_text(escrow)} credits, of jobs that are not over\n"
        f"  outside    {credits_text(held)} credits, can be deposited"
    )
    return value, human


def balance(home: HomeOption = None, account: AccountOption = None, as_json: Json = False) -> None:
    """What the account has in the ledger, in escrow, and outside."""
    value, human = _money(_exchange(home, account))
    emit(value, as_json=as_json, human=human)


def fund(
    name: Annotated[str, typer.Argument(help="The account.")],
    amount: Annotated[str, typer.Option("--credits", help="Credits for its balance.")] = "1000",
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """On a network that `qcrs up` made: give an account gas and a balance, which are worth nothing there."""
    from qcrs.config.home import Home
    from qcrs.network.local import LocalNetwork

    LocalNetwork(Home.find(home)).fund(name, amount_of(amount))
    value, human = _money(_exchange(home, name))
    emit(value, as_json=as_json, human=human)


def amount_of(text: str) -> int:
    """Credits as base units, exactly."""
    from decimal import Decimal, InvalidOperation

    from qcrs.errors import InputError
    from qcrs.types import CREDIT

    try:
        value = Decimal(text) * CREDIT
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value <= 0 or value != value.to_integral_value():
        raise InputError(
            "not an amount of credit", field="amount", value=text, solution="write a number above 0, as 12.5"
        )
    return int(value)


def deposit(
    amount: Annotated[str, typer.Argument(help="Credits to move into the ledger.")],
    home: HomeOption = None,
    account: AccountOption = None,
    as_json: Json = False,
) -> None:
    """Move credit into the exchange's ledger, where it pays for jobs."""
    exchange = _exchange(home, account)
    receipt = exchange.deposit(amount_of(amount))
    value, human = _money(exchange)
    emit({**value, "transaction": "0x" + receipt.hash.hex()}, as_json=as_json, human=human)


def withdraw(
    amount: Annotated[
        str | None, typer.Argument(help="Credits to pay out. Default: all that is free.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="Receiving address. Default: the account.")] = None,
    home: HomeOption = None,
    account: AccountOption = None,
    as_json: Json = False,
) -> None:
    """Pay credit out of the ledger."""
    exchange = _exchange(home, account)
    receipt = exchange.withdraw(None if amount is None else amount_of(amount), to=to)
    value, human = _money(exchange)
    emit({**value, "transaction": "0x" + receipt.hash.hex()}, as_json=as_json, human=human)
