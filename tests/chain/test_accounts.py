"""Key files: the form of every wallet, never overwritten, clear when they do not open."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from qcrs.chain.accounts import create_keystore, development_accounts, load_keystore, password
from qcrs.errors import AccountError

FAST = 1 << 4


def test_a_key_is_written_once_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "a.json"
    made = create_keystore(path, "secret", n=FAST)
    assert load_keystore(path, "secret").key == made.key
    assert load_keystore(path, lambda: "secret").address == made.address
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = json.loads(path.read_text())
    assert (content["version"], content["crypto"]["kdf"]) == (3, "scrypt")
    before = path.read_bytes()
    with pytest.raises(AccountError, match="never overwritten"):
        create_keystore(path, "other", n=FAST)
    assert path.read_bytes() == before


def test_what_does_not_open_says_why(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    create_keystore(path, "secret", development_accounts(1)[0], n=FAST)
    with pytest.raises(AccountError, match="does not open") as caught:
        load_keystore(path, "wrong")
    assert caught.value.solution == "check the password"
    with pytest.raises(AccountError, match="no such key file"):
        load_keystore(tmp_path / "b.json", "secret")
    for text in ("", "[]", "{}", '{"version": 3}'):
        (tmp_path / "c.json").write_text(text)
        with pytest.raises(AccountError, match="not an Ethereum key file"):
            load_keystore(tmp_path / "c.json", "secret")


def test_the_password_comes_from_file_environment_or_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QCRS_PASSWORD", raising=False)
    (tmp_path / "p").write_text("from file\n")
    assert password(tmp_path / "p") == "from file"
    assert password(prompt=lambda _: "typed") == "typed"
    monkeypatch.setenv("QCRS_PASSWORD", "from environment")
    assert password(prompt=lambda _: "typed") == "from environment"
    monkeypatch.delenv("QCRS_PASSWORD")
    answers = iter(["one", "two"])
    with pytest.raises(AccountError, match="differ"):
        password(prompt=lambda _: next(answers), confirm=True)

    def closed(_: str) -> str:
        raise EOFError

    with pytest.raises(AccountError, match="no password"):
        password(prompt=closed)
    with pytest.raises(AccountError, match="cannot be read"):
        password(tmp_path / "missing")


def test_development_accounts_are_the_known_ones() -> None:
    assert development_accounts(2)[0].address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert development_accounts(2)[1].address == "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
