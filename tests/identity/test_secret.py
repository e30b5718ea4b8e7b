"""The identity file, what follows from it, and its stored trees."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from qcrs.errors import AccountError, InputError
from qcrs.identity.mldsa import ML_DSA_PUBLIC_BYTES, ML_DSA_SIGNATURE_BYTES, MlDsaKey, verify_message
from qcrs.identity.secret import IdentitySecret
from qcrs.identity.xmss import XmssKey


def never() -> str:
    raise AssertionError("a plain file asks for no password")


@pytest.mark.parametrize("password", [None, "a word"])
def test_a_file_is_read_back_and_never_overwritten(tmp_path: Path, password: str | None) -> None:
    path = tmp_path / "keys" / "lab.identity"
    made = IdentitySecret.create(path, password)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = IdentitySecret.load(path, never if password is None else lambda: "a word")
    assert found == made
    assert len(made.secret) == 32
    assert (made.secret.hex() in path.read_text()) == (password is None)
    assert made.secret.hex() not in repr(made)
    with pytest.raises(AccountError, match="never overwritten"):
        IdentitySecret.create(path, password)
    assert IdentitySecret.load(path, never if password is None else lambda: "a word") == made


def test_wrong_passwords_and_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "lab.identity"
    with pytest.raises(AccountError, match="no post-quantum identity here"):
        IdentitySecret.load(path, never)
    IdentitySecret.create(path, "right")
    with pytest.raises(AccountError, match="check the password"):
        IdentitySecret.load(path, lambda: "wrong")
    good: dict[str, Any] = json.loads(path.read_text())
    for change in (
        {"qcrs": "key/1"},
        {"salt": "?"},
        {"kdf": {**good["kdf"], "memory_kib": 1 << 30}},
        {"kdf": {**good["kdf"], "passes": 0}},
        {"kdf": {"name": "md5"}},
        {"ciphertext": None},
        {"secret": "00"},
    ):
        path.write_text(json.dumps(good | change))
        with pytest.raises(AccountError, match="not an identity file"):
            IdentitySecret.load(path, lambda: "right")
    for change in ({"kdf": {**good["kdf"], "passes": 2}}, {"nonce": good["salt"][:16]}):
        path.write_text(json.dumps(good | change))
        with pytest.raises(AccountError, match="does not open"):
            IdentitySecret.load(path, lambda: "right")
    for text in ("", "[]", "{"):
        path.write_text(text)
        with pytest.raises(AccountError, match="not an identity file"):
            IdentitySecret.load(path, never)


def test_a_plain_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lab.identity"
    IdentitySecret.create(path, None)
    path.chmod(0o644)
    with pytest.raises(AccountError, match="open to others"):
        IdentitySecret.load(path, never)


def test_keys_follow_from_the_secret_and_differ_by_purpose(tmp_path: Path) -> None:
    one = IdentitySecret(bytes(32), tmp_path / "a.identity")
    same = IdentitySecret(bytes(32), tmp_path / "b.identity")
    other = IdentitySecret(b"\1" + bytes(31), tmp_path / "c.identity")
    assert one.ml_dsa.public == same.ml_dsa.public != other.ml_dsa.public
    assert one.envelope_secret == same.envelope_secret != other.envelope_secret
    found = [one.derive(purpose, 52) for purpose in ("xmss/0/a", "xmss/1/a", "xmss/0/b", "tree/0/a")]
    assert len(set(found)) == 4


def test_trees_are_kept_encrypted_and_made_again_when_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = IdentitySecret(b"\7" * 32, tmp_path / "lab.identity")
    made: list[int] = []
    key = secret.xmss("lab/qpu", 0)
    assert key == XmssKey.generate(key.secret)
    monkeypatch.setattr(
        "qcrs.identity.secret.XmssKey.generate", lambda seed: made.append(1) or {key.secret: key}[seed]
    )
    (tree,) = tmp_path.glob("lab.*.tree")
    stored = tree.read_bytes()
    assert stat.S_IMODE(tree.stat().st_mode) == 0o600
    assert key.tree[:24] not in stored
    assert secret.xmss("lab/qpu", 0) == key
    assert len(made) == 0
    for damaged in (b"", stored[:100], stored[:-1] + bytes([stored[-1] ^ 1])):
        tree.write_bytes(damaged)
        assert secret.xmss("lab/qpu", 0) == key
        assert tree.read_bytes() != damaged
    assert len(made) == 3


def test_ml_dsa_binds_purpose_and_message() -> None:
    key, other = MlDsaKey(bytes(32)), MlDsaKey(b"\1" * 32)
    signature = key.sign("mail", b"text")
    assert (len(key.public), len(signature)) == (ML_DSA_PUBLIC_BYTES, ML_DSA_SIGNATURE_BYTES)
    assert verify_message(key.public, "mail", b"text", signature)
    assert not verify_message(key.public, "mai", b"ltext", signature)
    assert not verify_message(key.public, "mail", b"Text", signature)
    assert not verify_message(other.public, "mail", b"text", signature)
    assert not verify_message(key.public[:-1], "mail", b"text", signature)
    assert not verify_message(key.public, "mail", b"text", signature[:-1])
    for at in range(0, len(signature), 111):
        changed = bytearray(signature)
        changed[at] ^= 1
        assert not verify_message(key.public, "mail", b"text", bytes(changed))
    with pytest.raises(InputError, match="purpose"):
        key.sign("", b"text")
    with pytest.raises(InputError, match="32 bytes"):
        MlDsaKey(bytes(31))
