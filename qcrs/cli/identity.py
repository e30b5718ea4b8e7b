"""`qcrs account identity|adopt|rotate|bond|unbond|withdraw-bond`: post-quantum keys and what they release."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcrs.cli.options import HomeOption, Json, KeyOption, PasswordOption, ProcessorArgument, owner_of
from qcrs.cli.output import emit, say

if TYPE_CHECKING:
    from qcrs.chain.abi import Call
    from qcrs.client.history import Processor
    from qcrs.client.participant import Participant
    from qcrs.client.quantum import QuantumIdentity
    from qcrs.client.wallet import Wallet

__all__ = ["add"]

GAS = 400_000


def add(account: typer.Typer) -> None:
    """Add the commands."""
    account.command()(identity)
    account.command()(adopt)
    account.command()(rotate)
    account.command()(bond)
    account.command()(unbond)
    account.command("withdraw-bond")(withdraw_bond)


def identity(
    name: Annotated[str, typer.Argument(help="The account's name.")],
    plain: Annotated[
        bool, typer.Option("--plain", help="Keep the secret unencrypted; for development networks only.")
    ] = False,
    password_file: PasswordOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Make an account's post-quantum identity; nodes of the account register with it from then on."""
    from qcrs.chain.accounts import password
    from qcrs.client.quantum import identity_path
    from qcrs.client.wallet import Wallet
    from qcrs.config.home import Home
    from qcrs.identity import IdentitySecret

    found = Home.find(home)
    address = Wallet(found).address(name)
    path = identity_path(found, name)
    IdentitySecret.require_new(path)  # before a password is asked for
    made = IdentitySecret.create(path, None if plain else password(password_file, confirm=True))
    public = made.ml_dsa.public.hex()
    emit(
        {"account": name, "address": address, "file": str(path), "ml_dsa": public},
        as_json=as_json,
        human=f"kept in {path}: copy it to a safe place, processors' bonds depend on it\n"
        "the record of used leaves beside it (.leaves.db) must never be restored from a copy",
    )


@dataclass(frozen=True, slots=True)
class _Owner:
    """Who acts: the connection, the account's name, the processor's name, the identity where there is one."""

    party: Participant
    account: str
    name: str
    own: QuantumIdentity | None

    @property
    def keys(self) -> QuantumIdentity:
        """The account's identity; `AccountError` where it has none."""
        from qcrs.errors import AccountError

        if self.own is None:
            raise AccountError(
                f"{self.account} has no post-quantum identity here",
                field="account",
                value=self.account,
                solution=f"make one with `qcrs account identity {self.account}`; where processors have its "
                "key already, put your copy of the file back, for a new one cannot act for them",
            )
        return self.own


@contextmanager
def _acting(home: Path | None, account: str | None, processor: int) -> Iterator[_Owner]:
    """A processor's owner; whoever is not is refused before anything is signed."""
    from qcrs.client.participant import Participant
    from qcrs.client.quantum import open_identity
    from qcrs.errors import InputError

    found, wallet, chosen = owner_of(home, account)
    party = Participant(found, wallet.load(chosen), f"keys-{chosen}")
    try:
        party.refresh()
        known = party.history.processors.get(processor)
        if known is None:
            raise InputError(
                "no such processor", field="processor", value=processor, solution="see `qcrs processor list`"
            )
        _require_owner(wallet, chosen, known)
        own = open_identity(party, chosen)
        try:
            described = party.document(known.metadata).get("name")
            yield _Owner(party, chosen, str(described) if own is None else own.name_of(party, known), own)
        finally:
            if own is not None:
                own.close()
    finally:
        party.close()


def _require_owner(wallet: Wallet, account: str, processor: Processor) -> None:
    from qcrs.errors import AccountError

    if wallet.address(account) == processor.provider:
        return
    names = [name for name in wallet.names() if wallet.address(name) == processor.provider]
    raise AccountError(
        f"processor {processor.id} does not belong to {account}",
        field="account",
        value=account,
        solution=f"its owner is {processor.provider}"
        + (f": give --account {names[0]}" if names else ", whose key is not in this home folder"),
    )


def _send(party: Participant, what: str, call: Call) -> str:
    """Send once, named by what it says, so that a command that was cut off can be given again."""
    from qcrs.sealing import keccak256

    key = f"{what}/{keccak256(call.data).hex()}"
    party.post(key, call, GAS)
    return "0x" + party.outbox.wait(key).hash.hex()


def _described(party: Participant, processor: int, call: Call | None) -> None:
    """Publish a description that is not in force yet."""
    if call is not None:
        _send(party, f"describe/{processor}/{party.chain.height}", call)


def adopt(
    processor: ProcessorArgument, account: KeyOption = None, home: HomeOption = None, as_json: Json = False
) -> None:
    """Give a post-quantum key to a processor that was registered without one. There is no way back."""
    with _acting(home, account, processor) as owner:
        party, name, keys = owner.party, owner.name, owner.keys
        say("• making the key (a second or two)")
        call = keys.adopt(processor, name)
        _described(party, processor, keys.publish(party, processor, name, 0))
        identity = keys.commit(party, processor)
        if identity is not None:
            _send(party, f"identity/{processor}/{party.chain.height}", identity)
        transaction = _send(party, f"adopt/{processor}", call)
    emit(
        {"processor": processor, "era": 1, "transaction": transaction},
        as_json=as_json,
        human=f"processor {processor} has a key: changes of keys, releases of bond and results need it from "
        "now on\nstart its node again, so that it signs with it",
    )


def rotate(
    processor: ProcessorArgument, account: KeyOption = None, home: HomeOption = None, as_json: Json = False
) -> None:
    """Change a processor's post-quantum key to the next one; the old key's last leaf signs it."""
    with _acting(home, account, processor) as owner:
        party, name, keys = owner.party, owner.name, owner.keys
        say("• making the next key (a second or two)")
        call = keys.rotate(processor, name)
        _described(party, processor, keys.publish(party, processor, name, keys.era(processor)))
        transaction = _send(party, f"rotate/{processor}", call)
        era = keys.era(processor)
    emit(
        {"processor": processor, "era": era, "transaction": transaction},
        as_json=as_json,
        human=f"processor {processor} has key number {era}",
    )


def _can_leave(party: Participant, processor: int, units: int) -> None:
    """Tells what the contract would refuse before a leaf of a key is spent on it."""
    from qcrs.errors import AccountError
    from qcrs.types import credits_text

    registry = party.contracts.registry
    held, least = registry.bond_of(processor), registry.least_bond()
    retired = party.contracts.allocator.dispatch(processor)[-1]
    most = held if retired else max(0, held - least)
    if 0 < units <= most:
        return
    raise AccountError(
        f"of its bond {credits_text(most)} credits can be set free",
        field="amount",
        value=credits_text(units),
        solution=f"{credits_text(held)} credits are held, and {credits_text(least)} stay until it is retired",
    )


def bond(
    processor: ProcessorArgument,
    amount: Annotated[str, typer.Argument(help="Credits to add, from the account's balance.")],
    account: KeyOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Add to a processor's bond; with the least bond at stake again it gets work again, unless barred."""
    from dataclasses import replace

    from qcrs.cli.account import amount_of
    from qcrs.client.history import stake_of
    from qcrs.types import credits_text

    units = amount_of(amount)
    with _acting(home, account, processor) as owner:
        party, registry = owner.party, owner.party.contracts.registry
        transaction = _send(
            party, f"bond/{processor}/{party.chain.height}", registry.add_bond(processor, units)
        )
        held, least = registry.bond_of(processor), registry.least_bond()
        stake = stake_of(held, registry.unbonding_of(processor)[0])
        missing = max(0, least - stake)
        # The chain tells at once whether something stops it; the log tells only what is confirmed.
        known, stopped = party.history.processors[processor], party.contracts.allocator.dispatch(processor)[5]
        known = replace(known, short=missing > 0, barred=known.barred if missing else stopped)
    value = {
        "processor": processor,
        "bond": held,
        "stake": stake,
        "least": least,
        "barred": known.barred,
        "short": known.short,
        "transaction": transaction,
    }
    human = f"{credits_text(stake)} credits at stake"
    if missing:
        human += f"; {credits_text(missing)} are missing to the least bond"
    emit(value, as_json=as_json, human="\n  no new work yet: ".join((human, *known.remedies)))


def unbond(
    processor: ProcessorArgument,
    amount: Annotated[str, typer.Argument(help="Credits of the bond to set free.")],
    account: KeyOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Start to free bond, for withdrawal after the unbonding delay; signed by the key where there is one.

    From now on it counts for no new work: values are capped and audits drawn by what stays. One announcement
    stands at a time: another one takes its place, and the delay begins again.
    """
    from qcrs.cli.account import amount_of
    from qcrs.types import credits_text

    units = amount_of(amount)
    with _acting(home, account, processor) as owner:
        party, registry = owner.party, owner.party.contracts.registry
        _can_leave(party, processor, units)
        before, _at = registry.unbonding_of(processor)
        if registry.key_of(processor)[1]:
            call = owner.keys.unbond(processor, owner.name, units)
        else:
            call = registry.unbond(processor, units)
        transaction = _send(party, f"unbond/{processor}/{party.chain.height}", call)
        free, at = registry.unbonding_of(processor)
    human = f"{credits_text(free)} credits of processor {processor}'s bond are free from {_date(at)} on: "
    human += f"`qcrs account withdraw-bond {processor}` then"
    if before:
        human += (
            f"\nthis replaces {credits_text(before)} credits announced before; for both, announce the sum"
        )
    emit(
        {
            "processor": processor,
            "amount": free,
            "available_at": at,
            "replaces": before,
            "transaction": transaction,
        },
        as_json=as_json,
        human=human,
    )


def _date(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def withdraw_bond(
    processor: ProcessorArgument, account: KeyOption = None, home: HomeOption = None, as_json: Json = False
) -> None:
    """Move freed bond to the account's balance."""
    with _acting(home, account, processor) as owner:
        party = owner.party
        call = party.contracts.registry.withdraw_bond(processor)
        transaction = _send(party, f"withdraw-bond/{processor}/{party.chain.height}", call)
    emit(
        {"processor": processor, "transaction": transaction},
        as_json=as_json,
        human="it is in the account's balance",
    )
