"""Beacon proofs: what an oracle adds to a block hash, unpredictable to others and without choice to itself.

A proof is the RSA PKCS#1 v1.5 signature (SHA-256) of the beacon's message. The scheme has no
randomness, and for a key whose public map x → xᵉ mod n is a permutation exactly one s < n verifies for
a message: the oracle can withhold its proof but not pick another. The idea is RSA-FDH-VRF of RFC 9381,
section 4, with PKCS#1 v1.5's fixed encoding in the place of the full-domain hash: here a proof must be
unpredictable and unique, not pseudorandom, because the beacon is a keccak of all proofs.

RFC 9381 calls this *trusted* uniqueness: it needs a key that is such a permutation. A key made on
purpose with e | φ(n) would have e signatures per message. So an oracle publishes its key together with
roots of eight hash-derived numbers (after Goldberg, Reyzin, Sagga, Baldimtsi, "Efficient
Noninteractive Certification of RSA Moduli", 2019): e = 65537 is prime, so if e | φ(n) at most one unit in
65,537 has a root, and eight exist with probability below 2⁻¹²⁸. Factors below 65,537 are excluded by a gcd.

Post-quantum it is not: a quantum computer could predict beacons. It could not change a past one.
"""

from __future__ import annotations

import hashlib
import math
import os
import secrets
import stat
from functools import cache, lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from qcrs.errors import AccountError, InputError, VerificationError
from qcrs.sealing.packing import address, unsigned

__all__ = ["MAX_PROOF_BYTES", "BeaconKey", "beacon_message", "check_public_key", "verify_proof"]

_EXPONENT = 65537
_SMALLEST_BITS, _LARGEST_BITS = 2048, 4096
MAX_PROOF_BYTES = _LARGEST_BITS // 8
"""The longest beacon proof."""
_ROOTS = 8


def beacon_message(*, chain_id: int, verifier: str, job: int, execution: int, block_hash: bytes) -> bytes:
    """What is signed for one execution: tag, chain (32), verifier (20), job (8), execution (4), hash (32)."""
    if len(block_hash) != 32:
        raise InputError("a block hash has 32 bytes", field="block_hash", value=block_hash.hex())
    return (
        b"qcrs/beacon/1"
        + unsigned(chain_id, 32, "chain_id")
        + address(verifier, "verifier")
        + unsigned(job, 8, "job")
        + unsigned(execution, 4, "execution")
        + block_hash
    )


@cache
def _small_primes() -> int:
    """The product of all primes below 65,537."""
    sieve = bytearray([1]) * _EXPONENT
    sieve[0] = sieve[1] = 0
    for number in range(2, math.isqrt(_EXPONENT) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, _EXPONENT, number)))
    return math.prod(number for number in range(_EXPONENT) if sieve[number])


def _challenge(public: bytes, modulus: int, index: int) -> int:
    """A number below the modulus that nobody chose: SHA-256 in counter mode over key and index."""
    width = (modulus.bit_length() + 7) // 8 + 16
    stream = b"".join(
        hashlib.sha256(
            b"qcrs/beacon-key/1" + index.to_bytes(4, "big") + block.to_bytes(4, "big") + public
        ).digest()
        for block in range(-(-width // 32))
    )
    return int.from_bytes(stream[:width], "big") % modulus


@lru_cache(maxsize=64)
def _public_numbers(public: bytes) -> tuple[rsa.RSAPublicKey, int]:
    """Key and modulus of DER bytes in their one encoding; `InputError` where the rules are broken."""
    try:
        key = serialization.load_der_public_key(public)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError("a beacon key is not a DER public key", field="beacon key") from error
    if (
        not isinstance(key, rsa.RSAPublicKey)
        or not _SMALLEST_BITS <= key.key_size <= _LARGEST_BITS
        or key.public_numbers().e != _EXPONENT
        or _der(key) != public
        or math.gcd(key.public_numbers().n, _small_primes()) != 1
    ):
        raise InputError(
            f"a beacon key is RSA of {_SMALLEST_BITS} to {_LARGEST_BITS} bits with exponent {_EXPONENT}",
            field="beacon key",
            solution="publish the key that this software makes",
        )
    return key, key.public_numbers().n


def _der(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class BeaconKey:
    """An oracle's private beacon key."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        self.public = _der(key.public_key())
        """The public key in DER."""
        _public_numbers(self.public)

    def __repr__(self) -> str:
        return f"BeaconKey({self._key.key_size} bits, hidden)"

    @classmethod
    def generate(cls, bits: int = _SMALLEST_BITS) -> BeaconKey:
        """A fresh key that is kept nowhere."""
        return cls(rsa.generate_private_key(_EXPONENT, bits))

    @classmethod
    def load_or_create(cls, path: str | os.PathLike[str], bits: int = _SMALLEST_BITS) -> BeaconKey:
        """The key in a file (PKCS#8 PEM) that only its owner may read; made where there is none.

        Of several processes that start at once, all get the same key. `AccountError` where others can read
        the file or it is not a beacon key.
        """
        file = Path(path)
        try:
            if not file.exists():
                _write_private(file, cls.generate(bits)._pem())
            mode = stat.S_IMODE(file.stat().st_mode)
            if mode & 0o077:
                raise AccountError(
                    f"a beacon key file is open to others (mode {mode:04o})",
                    field="file",
                    value=str(file),
                    solution=f"run: chmod 600 {file}; if others could have read it, make a new key",
                )
            key = serialization.load_pem_private_key(file.read_bytes(), None)
            if not isinstance(key, rsa.RSAPrivateKey):
                raise TypeError("it holds another kind of key")
            return cls(key)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            if isinstance(error, AccountError):
                raise
            raise AccountError(
                f"a beacon key file cannot be used: {error}",
                field="file",
                value=str(file),
                solution="restore it from a copy, or remove it and register the new key that is then made",
            ) from error

    def _pem(self) -> bytes:
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def prove(self, message: bytes) -> bytes:
        """The one proof of this key for `message`."""
        return self._key.sign(message, padding.PKCS1v15(), SHA256())

    def permutation_proof(self) -> list[str]:
        """Roots of the key's challenges, hex; published once, for `check_public_key`."""
        numbers = self._key.private_numbers()
        modulus = numbers.public_numbers.n
        width = (modulus.bit_length() + 7) // 8
        return [
            pow(_challenge(self.public, modulus, index), numbers.d, modulus).to_bytes(width, "big").hex()
            for index in range(_ROOTS)
        ]


def _write_private(file: Path, data: bytes) -> None:
    """Create `file` with mode 0600, whole or not at all; one that exists by now stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(part, file)
        except FileExistsError:
            return  # another process made it first: its key counts
    finally:
        part.unlink()


def verify_proof(public: bytes, message: bytes, proof: bytes) -> bool:
    """True where `proof` is the proof of `message` under the DER key; `InputError` for a bad key."""
    key, _modulus = _public_numbers(public)
    try:
        key.verify(proof, message, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def check_public_key(public: bytes, roots: list[str]) -> None:
    """Accept a key whose proofs are unique, as `permutation_proof` shows; `VerificationError` otherwise.

    Raises `InputError` where the key itself breaks the rules.
    """
    _key, modulus = _public_numbers(public)
    try:
        numbers = [int.from_bytes(bytes.fromhex(root), "big") for root in roots]
    except (ValueError, TypeError):
        numbers = []
    if len(numbers) != _ROOTS or any(
        number >= modulus or pow(number, _EXPONENT, modulus) != _challenge(public, modulus, index)
        for index, number in enumerate(numbers)
    ):
        raise VerificationError(
            "a beacon key comes without a valid proof that its signatures are unique",
            field="permutation proof",
            solution="publish the list that BeaconKey.permutation_proof() gives for this key",
        )
