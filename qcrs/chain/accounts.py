"""Keys that sign transactions: keystore files, and the known accounts of development chains.

A keystore file is the form every Ethereum wallet reads (scrypt, AES-128-CTR); it is never overwritten.
The password comes from a file, from `$QCRS_PASSWORD`, or from a prompt.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from getpass import getpass
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from qcrs.errors import AccountError
from qcrs.types import parse_json

__all__ = ["PASSWORD_VARIABLE", "create_keystore", "development_accounts", "load_keystore", "password"]

_MOST = {"n": 2**20, "r": 64, "p": 16, "c": 2**22, "dklen": 64}
"""Above what wallets use of scrypt (n, r, p) and PBKDF2 (c)."""
PASSWORD_VARIABLE = "QCRS_PASSWORD"  # noqa: S105 - the name of a variable


def development_accounts(count: int = 10) -> list[LocalAccount]:
    """The accounts that every development chain funds; everybody knows their keys."""
    from qcrs.chain.embedded import DEVELOPMENT_MNEMONIC, accounts_of

    return accounts_of(DEVELOPMENT_MNEMONIC, count)


def password(
    file: Path | None = None, prompt: Callable[[str], str] | None = None, *, confirm: bool = False
) -> str:
    """The password from a file, the environment, or a prompt, in this order."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise AccountError(
                f"the password file cannot be read: {error.strerror}",
                field="password_file",
                value=str(file),
                solution="name a readable file that holds the password and nothing else",
            ) from error
    found = os.environ.get(PASSWORD_VARIABLE)
    if found is not None:
        return found
    ask = prompt or getpass
    try:
        if prompt is None and not sys.stdin.isatty():
            raise EOFError  # getpass would read the password, shown, from what is no terminal
        given = ask("Password of the key file: ")
        if confirm and ask("The same again: ") != given:
            raise AccountError("the two passwords differ", solution="try again")
    except EOFError as error:
        raise AccountError(
            "no password given",
            solution=f"set ${PASSWORD_VARIABLE} or name a file with --password-file",
        ) from error
    return given


def create_keystore(
    path: Path, secret: str, account: LocalAccount | None = None, *, n: int = 1 << 17
) -> LocalAccount:
    """Write a key (a new one by default) to a file that must not exist; `n` is scrypt's work factor."""
    found = account or Account.create()
    content = Account.encrypt(found.key, secret, kdf="scrypt", iterations=n)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise AccountError(
            "the key file exists and is never overwritten",
            field="file",
            value=str(path),
            solution="choose another name",
        ) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    return found


def _check_cost(parameters: Mapping[str, Any]) -> None:
    """What deriving the key takes, before it is taken: a file could ask for all memory, or for days."""
    for name, most in _MOST.items():
        value = parameters.get(name, 1)
        if type(value) is not int or not 0 < value <= most:
            raise ValueError(f"its key derivation asks for {name} = {value}")
    if parameters.get("n", 1) * parameters.get("r", 1) > 2**23:  # 1 GiB: 128 bytes each
        raise ValueError("its key derivation takes too much memory")


def load_keystore(path: Path, secret: str | Callable[[], str]) -> LocalAccount:
    """The key in a file; `AccountError` for a missing file, a foreign one, or a wrong password."""
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
        kind = content["version"], content["crypto"]["kdf"]
        if kind[0] not in (1, 3) or kind[1] not in ("scrypt", "pbkdf2"):
            raise ValueError("another version")
        _check_cost(content["crypto"]["kdfparams"])
    except FileNotFoundError as error:
        raise AccountError(
            "no such key file",
            field="file",
            value=str(path),
            solution="create one with `qcrs account new NAME`",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AccountError(
            "this is not an Ethereum key file",
            field="file",
            value=str(path),
            solution="name a keystore file of an Ethereum wallet, or make one with `qcrs account new NAME`",
        ) from error
    try:
        key = Account.decrypt(content, secret if isinstance(secret, str) else secret())
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        NotImplementedError,
        TypeError,
        ValueError,
    ) as error:
        raise AccountError(
            f"the key file does not open (version {kind[0]}, {kind[1]})",
            field="file",
            value=str(path),
            solution="check the password",
        ) from error
    found: LocalAccount = Account.from_key(key)
    return found
