"""Beacon proofs: unique, bound to their message, keys kept private and proven to be permutations."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from qcrs.errors import AccountError, InputError, VerificationError
from qcrs.sealing import BeaconKey, beacon_message, check_public_key, verify_proof
from qcrs.sealing.vrf import _challenge

VERIFIER = "0x" + "ab" * 20
MESSAGE = beacon_message(chain_id=1337, verifier=VERIFIER, job=5, execution=0, block_hash=b"h" * 32)


@pytest.fixture(scope="module")
def key() -> BeaconKey:
    return BeaconKey.generate()


def der(public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_a_proof_is_deterministic_and_verifies(key: BeaconKey) -> None:
    proof = key.prove(MESSAGE)
    assert key.prove(MESSAGE) == proof
    assert len(proof) == 256
    assert verify_proof(key.public, MESSAGE, proof)


def test_the_proof_is_one_number(key: BeaconKey) -> None:
    """s + n, −s mod n, flipped bits and other lengths do not verify."""
    proof = key.prove(MESSAGE)
    public = serialization.load_der_public_key(key.public)
    assert isinstance(public, rsa.RSAPublicKey)
    modulus = public.public_numbers().n
    number = int.from_bytes(proof, "big")
    others = [
        (modulus - number).to_bytes(256, "big"),
        (number + modulus).to_bytes(257, "big"),
        b"\0" + proof,
        proof + b"\0",
        proof[:-1],
        b"",
    ]
    if number + modulus < 1 << 2048:
        others.append((number + modulus).to_bytes(256, "big"))
    others += [(number ^ 1 << bit).to_bytes(256, "big") for bit in range(0, 2048, 97)]
    assert not any(verify_proof(key.public, MESSAGE, other) for other in others)


@pytest.mark.parametrize(
    "other",
    [
        {"chain_id": 1},
        {"verifier": "0x" + "cd" * 20},
        {"job": 6},
        {"execution": 1},
        {"block_hash": b"i" * 32},
    ],
)
def test_a_proof_is_bound_to_every_part_of_its_message(key: BeaconKey, other: dict[str, object]) -> None:
    parts: dict[str, object] = {
        "chain_id": 1337, "verifier": VERIFIER, "job": 5, "execution": 0, "block_hash": b"h" * 32,
    }  # fmt: skip
    message = beacon_message(**(parts | other))  # type: ignore[arg-type]  # mixed test values
    assert not verify_proof(key.public, message, key.prove(MESSAGE))


def test_bad_message_parts_are_refused() -> None:
    with pytest.raises(InputError):
        beacon_message(chain_id=1, verifier=VERIFIER, job=2**64, execution=0, block_hash=b"h" * 32)
    with pytest.raises(InputError):
        beacon_message(chain_id=1, verifier=VERIFIER, job=1, execution=0, block_hash=b"h")


def test_the_file_is_private_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "beacon.pem"
    key = BeaconKey.load_or_create(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["beacon.pem"]
    again = BeaconKey.load_or_create(file)
    assert again.public == key.public
    assert again.prove(MESSAGE) == key.prove(MESSAGE)
    assert "hidden" in repr(key)


def test_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    file = tmp_path / "beacon.pem"
    program = (
        "import sys; from qcrs.sealing import BeaconKey;"
        "print(BeaconKey.load_or_create(sys.argv[1]).public.hex())"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert len({run.communicate(timeout=60)[0] for run in runs}) == 1
    assert all(run.returncode == 0 for run in runs)


def test_an_open_or_broken_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "beacon.pem"
    BeaconKey.load_or_create(file)
    file.chmod(0o644)
    with pytest.raises(AccountError, match="chmod 600"):
        BeaconKey.load_or_create(file)
    file.chmod(0o600)
    file.write_text("broken")
    with pytest.raises(AccountError, match="cannot be used"):
        BeaconKey.load_or_create(file)
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(other)
    with pytest.raises(AccountError, match="another kind"):
        BeaconKey.load_or_create(file)


def test_keys_that_break_the_rules_are_refused(key: BeaconKey) -> None:
    small = der(rsa.generate_private_key(65537, 1024).public_key())
    exponent_3 = der(rsa.generate_private_key(3, 2048).public_key())
    curve = der(ec.generate_private_key(ec.SECP256R1()).public_key())
    divisible = der(rsa.RSAPublicNumbers(65537, 3 * (2**2047 + 1) // 3 * 3).public_key())
    for public in (b"", b"junk", small, exponent_3, curve, divisible, key.public + b"\0"):
        with pytest.raises(InputError):
            verify_proof(public, MESSAGE, b"\0" * 256)


def test_a_key_proves_that_it_is_a_permutation(key: BeaconKey) -> None:
    roots = key.permutation_proof()
    check_public_key(key.public, roots)
    for bad in (roots[:-1], [*roots[:-1], roots[0]], [], ["zz"] * 8, roots[::-1]):
        with pytest.raises(VerificationError):
            check_public_key(key.public, bad)


def is_prime(number: int) -> bool:
    """Miller–Rabin with fixed bases, for numbers that nobody made to deceive it."""
    if any(number % small == 0 for small in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7):
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def test_a_key_with_several_proofs_per_message_cannot_certify_itself() -> None:
    """With e | p − 1 planted, the challenges have no roots, so no list passes."""
    p = next(p for p in itertools.count(131074 * (2**1023 // 131074 + 1) + 1, 131074) if is_prime(p))
    q = rsa.generate_private_key(65537, 2048).private_numbers().q
    modulus = p * q
    public = der(rsa.RSAPublicNumbers(65537, modulus).public_key())
    roots = [pow(_challenge(public, modulus, index), (p - 1) // 65537, p) == 1 for index in range(8)]
    assert not any(roots)


def test_the_criterion_of_that_test_finds_roots_where_there_are_some() -> None:
    """The same criterion finds a root for every 65537-th power."""
    p = 65537 * 2 * 3 + 1
    while not is_prime(p):
        p += 65537 * 2
    assert all(pow(pow(x, 65537, p), (p - 1) // 65537, p) == 1 for x in range(2, 50))
    assert sum(pow(x, (p - 1) // 65537, p) == 1 for x in range(2, 50)) < 5
