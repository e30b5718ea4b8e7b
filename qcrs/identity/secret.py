"""An account's second secret: 32 random bytes from which all its post-quantum keys follow.

It is drawn apart from the account key on purpose. Whoever computes an elliptic-curve key from its public
signatures, as a quantum computer could, learns nothing of this one. From it follow, by HKDF-SHA256 with a
purpose each: the keys of the contracts (`XmssKey`, one per processor and generation), the ML-DSA-65 key that
signs messages off chain, and the secret of the envelope key.

The file `<name>.identity` is JSON with the secret under Argon2id (RFC 9106: 64 MiB, 3 passes, 4 lanes) and
ChaCha20-Poly1305; or plain, readable by its owner only, where the account key is plain too. It is never
overwritten. A copy of it in a safe place loses nothing; copies of the record of used leaves do
(`qcrs.identity.state`).
"""

from __future__ import annotations

import json
import os
import stat
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from qcrs.errors import AccountError
from qcrs.identity.mldsa import MlDsaKey
from qcrs.identity.xmss import SECRET_BYTES, XmssKey
from qcrs.types import parse_json

__all__ = ["IdentitySecret"]

KIND = "identity/1"
_BYTES = 32
_SALT = b"qcrs/identity/1"
_MEMORY_KIB, _PASSES, _LANES = 64 * 1024, 3, 4


@dataclass(frozen=True, slots=True)
class IdentitySecret:
    """The 32 bytes; `folder` is where trees made from them are kept."""

    secret: bytes
    path: Path

    def __repr__(self) -> str:
        return f"IdentitySecret({self.path}, hidden)"

    @staticmethod
    def require_new(path: Path) -> None:
        """`AccountError` where the file exists."""
        if path.exists():
            raise AccountError(
                "the identity exists, and is never overwritten",
                field="file",
                value=str(path),
                solution="use it; `qcrs account rotate` changes a processor's key",
            )

    @classmethod
    def create(cls, path: Path, password: str | None) -> IdentitySecret:
        """Draw a secret and write it to a file that must not exist; plain where there is no password."""
        secret = os.urandom(_BYTES)
        body = {"qcrs": KIND} | ({"secret": secret.hex()} if password is None else _encrypt(secret, password))
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            cls.require_new(path)
            raise
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(body, file)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        return cls(secret, path)

    @classmethod
    def load(cls, path: Path, password: Callable[[], str]) -> IdentitySecret:
        """Read a file; asks for the password only where it is encrypted. `AccountError` if it is none."""
        body = _read(path)
        try:
            if "secret" not in body:
                return cls(_decrypt(body, password(), path), path)
            secret = bytes.fromhex(body["secret"])
        except AccountError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise _foreign(path) from error
        if len(secret) != _BYTES:
            raise _foreign(path)
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise AccountError(
                "a plain identity file is open to others",
                field="file",
                value=str(path),
                solution=f"run: chmod 600 {path}; if others could have read it, make a new account",
            )
        return cls(secret, path)

    def derive(self, purpose: str, length: int) -> bytes:
        """`length` bytes for one purpose."""
        return HKDF(SHA256(), length, _SALT, purpose.encode()).derive(self.secret)

    @property
    def ml_dsa(self) -> MlDsaKey:
        """The key for messages off chain."""
        return MlDsaKey(self.derive("ml-dsa-65", 32))

    @property
    def envelope_secret(self) -> bytes:
        """What the envelope key is made from (`HpkeKey.from_secret`)."""
        return self.derive("hpke", 32)

    def xmss(self, label: str, generation: int) -> XmssKey:
        """The contracts' key of a processor's name and generation, from its stored tree where there is one.

        The first time takes a second or two; the tree is then kept, encrypted, beside the identity file.
        """
        secret = self.derive(f"xmss/{generation}/{label}", SECRET_BYTES)
        cipher = ChaCha20Poly1305(self.derive(f"tree/{generation}/{label}", 32))
        place = self.path.with_name(f"{self.path.stem}.{secret[32:].hex()}.tree")
        try:
            stored = place.read_bytes()
            return XmssKey(secret, cipher.decrypt(stored[:12], stored[12:], None))
        except FileNotFoundError:
            pass
        except (InvalidTag, ValueError):
            pass  # cut off by a kill, or of another secret: made again
        key = XmssKey.generate(secret)
        nonce = os.urandom(12)
        part = place.with_name(f"{place.name}.{os.getpid()}")
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(nonce + cipher.encrypt(nonce, key.tree, None))
            file.flush()
            os.fsync(file.fileno())
        part.replace(place)
        return key


def _argon2(password: str, salt: bytes, memory: int, passes: int, lanes: int) -> ChaCha20Poly1305:
    kdf = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory)
    return ChaCha20Poly1305(kdf.derive(password.encode()))


def _encrypt(secret: bytes, password: str) -> dict[str, Any]:
    salt, nonce = os.urandom(16), os.urandom(12)
    cipher = _argon2(password, salt, _MEMORY_KIB, _PASSES, _LANES)
    return {
        "kdf": {"name": "argon2id", "memory_kib": _MEMORY_KIB, "passes": _PASSES, "lanes": _LANES},
        "salt": b64encode(salt).decode(),
        "nonce": b64encode(nonce).decode(),
        "ciphertext": b64encode(cipher.encrypt(nonce, secret, KIND.encode())).decode(),
    }


def _decrypt(body: dict[str, Any], password: str, path: Path) -> bytes:
    kdf = body["kdf"]
    salt, nonce, ciphertext = (b64decode(body[name]) for name in ("salt", "nonce", "ciphertext"))
    numbers = [kdf[name] for name in ("memory_kib", "passes", "lanes")]
    bounded = all(
        type(number) is int and 0 < number <= most
        for number, most in zip(numbers, (1 << 20, 16, 16), strict=True)
    )
    if kdf["name"] != "argon2id" or not bounded:
        raise _foreign(path)
    try:
        secret = _argon2(password, salt, *numbers).decrypt(nonce, ciphertext, KIND.encode())
    except InvalidTag as error:
        raise AccountError(
            "the identity file does not open", field="file", value=str(path), solution="check the password"
        ) from error
    if len(secret) != _BYTES:
        raise _foreign(path)
    return secret


def _read(path: Path) -> dict[str, Any]:
    try:
        body = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AccountError(
            "the account has no post-quantum identity here",
            field="file",
            value=str(path),
            solution="make one with `qcrs account identity NAME`; where processors have its key already, put "
            "your copy of the file back, for a new one cannot act for them",
        ) from error
    except (OSError, ValueError) as error:
        raise _foreign(path) from error
    if not isinstance(body, dict) or body.get("qcrs") != KIND:
        raise _foreign(path)
    return body


def _foreign(path: Path) -> AccountError:
    return AccountError(
        "this is not an identity file",
        field="file",
        value=str(path),
        solution="restore the file from a copy: keys that contracts know cannot be made again without it",
    )
