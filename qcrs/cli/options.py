"""Options and arguments that several commands share, each with its one wording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from qcrs.client.wallet import Wallet
    from qcrs.config.home import Home

__all__ = [
    "AccountOption",
    "HomeOption",
    "JobArgument",
    "Json",
    "KeyOption",
    "PasswordOption",
    "ProcessorArgument",
    "Seed",
    "TopologyFile",
    "owner_of",
    "seed_of",
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="The network's folder. Default: $QCRS_HOME, else .qcrs here.")
]
AccountOption = Annotated[
    str | None,
    typer.Option("--account", help="Name of a key. Default: $QCRS_ACCOUNT, `client`, or the only key."),
]
"""Of whoever asks for work: a network that `qcrs up` made has a key `client`."""

KeyOption = Annotated[
    str | None,
    typer.Option(
        "--account", help="Name of the owner's key. Default: $QCRS_ACCOUNT, or the only key, if not `client`."
    ),
]
"""Of whoever owns processors (`owner_of`)."""

PasswordOption = Annotated[
    Path | None, typer.Option("--password-file", help="Read the password from this file.")
]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's number.")]
ProcessorArgument = Annotated[int, typer.Argument(metavar="PROCESSOR", help="The processor's number.")]
TopologyFile = Annotated[Path, typer.Argument(metavar="TOPOLOGY.yaml", help="The network: see examples/qnp.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of all randomness: the same seed, the same run.")]


def owner_of(home: Path | None, account: str | None) -> tuple[Home, Wallet, str]:
    """Home, its keys, and the name of the owner's: chosen before a password is asked for."""
    from qcrs.client.wallet import Wallet
    from qcrs.config.home import Home

    found = Home.find(home)
    found.load()  # says what is wrong with the network first
    wallet = Wallet(found)
    return found, wallet, wallet.choose(account, owner=True)


def seed_of(text: str) -> bytes:
    """The 32 bytes that a seed option spells, drawn afresh for an empty one."""
    import secrets

    from qcrs.errors import InputError

    if not text:
        return secrets.token_bytes(32)
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != 32:
        raise InputError("a seed is 32 bytes in hex", field="seed", value=text, solution="64 hex digits")
    return found
