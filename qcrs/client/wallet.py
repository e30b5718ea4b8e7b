"""Accounts of one participant: key files `<name>.json` in the home folder's `keys`.

Two forms: the encrypted keystore that every wallet reads, opened with a password from a file, from
`$QCRS_PASSWORD` or from a prompt; and, for development networks whose credit is worth nothing, a plain
file that only its owner may read. Nothing here ever overwrites a key.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcrs.config.home import Home
from qcrs.errors import AccountError
from qcrs.types import parse_json

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

__all__ = ["ACCOUNT_VARIABLE", "Wallet", "open_key"]

ACCOUNT_VARIABLE = "QCRS_ACCOUNT"
CLIENT = "client"
"""The key of whoever asks for work, in a network that `qcrs up` made."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_PLAIN = "key/1"


class Wallet:
    """The key files of a home folder."""

    def __init__(self, home: Home) -> None:
        self._folder = home.keys

    def names(self) -> list[str]:
        """Names of the accounts, sorted."""
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def path(self, name: str) -> Path:
        """Where an account's key lies; `AccountError` for a name that is not one."""
        if _NAME.fullmatch(name) is None or name.endswith(".json"):
            raise AccountError(
                "not a name of an account",
                field="account",
                value=name,
                solution="use letters, digits, dots, dashes and underscores, without .json",
            )
        return self._folder / f"{name}.json"

    def choose(self, name: str | None, *, owner: bool = False) -> str:
        """The account to use: the one named, else `$QCRS_ACCOUNT`, else `client`, else the only one.

        Of an `owner`, who bonds and signs for processors, no key `client` is taken unasked, be it the only
        one; nor is any other where there are several.
        """
        names = self.names()
        wanted = name or os.environ.get(ACCOUNT_VARIABLE)
        if wanted is None:
            if CLIENT in names and not owner:
                return CLIENT
            if len(names) == 1 and names != [CLIENT]:
                return names[0]
            raise AccountError(
                "no account is chosen" if names else "there is no account here yet",
                field="account",
                value=str(self._folder),
                solution=f"name the one that owns the processor with --account: {', '.join(names)}; "
                "`qcrs account new NAME` makes another"
                if names and owner
                else f"name one with --account ({', '.join(names)})"
                if names
                else "make one with `qcrs account new NAME`",
            )
        if wanted not in names:
            raise AccountError(
                "no such account",
                field="account",
                value=wanted,
                solution=f"known: {', '.join(names) or 'none'}; make it with `qcrs account new {wanted}`",
            )
        return wanted

    def address(self, name: str) -> str:
        """The address of an account, without its password; `AccountError` when the file does not say."""
        from eth_utils.address import to_checksum_address

        raw = self._read(name)
        try:
            return str(to_checksum_address(raw["address"]))
        except (KeyError, ValueError, TypeError) as error:
            raise AccountError(
                "a key file does not name its address",
                field="file",
                value=str(self.path(name)),
                solution="restore the file from a copy, or make a new account with `qcrs account new NAME`",
            ) from error

    def load(self, name: str, *, password: str | Callable[[], str] | None = None) -> LocalAccount:
        """The account's key; asks for a password only where the file is encrypted."""
        return _opened(self.path(name), self._read(name), password)

    def create(
        self, name: str, *, password: str | None = None, account: LocalAccount | None = None
    ) -> LocalAccount:
        """Write a new key (or `account`'s); plain where there is no password. Never overwrites."""
        from eth_account import Account

        from qcrs.chain.accounts import create_keystore

        path = self.path(name)
        if password is not None:
            return create_keystore(path, password, account)
        found: LocalAccount = account or Account.create()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise AccountError(
                "the account exists, and keys are never overwritten",
                field="account",
                value=name,
                solution="choose another name",
            ) from error
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"qcrs": _PLAIN, "address": found.address, "key": "0x" + bytes(found.key).hex()}, file)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        return found

    def _read(self, name: str) -> dict[str, str]:
        path = self.path(name)
        try:
            raw = parse_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise AccountError(
                "no such account",
                field="account",
                value=name,
                solution=f"make it with `qcrs account new {name}`",
            ) from error
        except (OSError, ValueError) as error:
            raise AccountError(
                "a key file cannot be read",
                field="file",
                value=str(path),
                solution="restore the file from a copy, or make a new account with `qcrs account new NAME`",
            ) from error
        if not isinstance(raw, dict):
            raise AccountError(
                "a key file cannot be read",
                field="file",
                value=str(path),
                solution="restore the file from a copy, or make a new account with `qcrs account new NAME`",
            )
        return raw


def open_key(path: Path, *, password: str | Callable[[], str] | None = None) -> LocalAccount:
    """The key in a file of either form, wherever it lies; `AccountError` where it is none."""
    try:
        raw = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raw = None  # what is wrong with it is told for the keystore that it is not
    return _opened(path, raw if isinstance(raw, dict) else {}, password)


def _opened(path: Path, raw: dict[str, Any], password: str | Callable[[], str] | None) -> LocalAccount:
    from eth_account import Account

    from qcrs.chain.accounts import load_keystore
    from qcrs.chain.accounts import password as ask

    if raw.get("qcrs") != _PLAIN:
        return load_keystore(path, password if password is not None else ask)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise AccountError(
            "a plain key file is open to others",
            field="file",
            value=str(path),
            solution=f"run: chmod 600 {path}; if others could have read it, make a new account",
        )
    try:
        account: LocalAccount = Account.from_key(raw["key"])
    except (KeyError, ValueError, TypeError) as error:
        raise AccountError(
            "a key file holds no key",
            field="file",
            value=str(path),
            solution="restore the file from a copy, or make a new account with `qcrs account new NAME`",
        ) from error
    return account
