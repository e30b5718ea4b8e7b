"""Key files open for their owner, are never overwritten, and say what is wrong with them."""

from pathlib import Path

import pytest

from qcrs.client.wallet import Wallet
from qcrs.config.home import Home
from qcrs.errors import AccountError


@pytest.fixture
def wallet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wallet:
    monkeypatch.delenv("QCRS_ACCOUNT", raising=False)
    return Wallet(Home(tmp_path))


def test_plain_and_encrypted_keys_come_back(wallet: Wallet) -> None:
    plain, sealed = wallet.create("alice"), wallet.create("bob", password="open sesame")
    assert wallet.names() == ["alice", "bob"]
    assert wallet.load("alice").key == plain.key
    assert wallet.address("alice") == plain.address
    assert wallet.address("bob") == sealed.address
    assert wallet.load("bob", password="open sesame").key == sealed.key
    with pytest.raises(AccountError, match="does not open"):
        wallet.load("bob", password="wrong")


@pytest.mark.parametrize("password", [None, "x"])
def test_a_key_is_never_overwritten(wallet: Wallet, password: str | None) -> None:
    first = wallet.create("alice")
    with pytest.raises(AccountError, match="never overwritten"):
        wallet.create("alice", password=password)
    assert wallet.load("alice").key == first.key


def test_a_plain_key_that_others_can_read_is_refused(wallet: Wallet) -> None:
    wallet.create("alice")
    wallet.path("alice").chmod(0o644)
    with pytest.raises(AccountError, match="open to others"):
        wallet.load("alice")


@pytest.mark.parametrize("name", ["../evil", "", "a/b", ".hidden", "x.json", "a" * 65])
def test_names_never_become_other_paths(wallet: Wallet, name: str) -> None:
    with pytest.raises(AccountError, match="not a name"):
        wallet.path(name)


def test_which_account_is_used(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AccountError, match="no account here"):
        wallet.choose(None)
    wallet.create("alice")
    assert wallet.choose(None) == "alice"
    wallet.create("bob")
    with pytest.raises(AccountError, match="no account is chosen"):
        wallet.choose(None)
    wallet.create("client")
    assert wallet.choose(None) == "client"
    monkeypatch.setenv("QCRS_ACCOUNT", "bob")
    assert wallet.choose(None) == "bob"
    assert wallet.choose("alice") == "alice"
    with pytest.raises(AccountError, match="no such account"):
        wallet.choose("carol")


def test_an_owner_is_never_the_client_by_default(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    """What bonds credit and signs for processors is not done with a key that nobody named."""
    wallet.create("client")
    with pytest.raises(AccountError, match="no account is chosen") as caught:
        wallet.choose(None, owner=True)
    assert "--account: client;" in str(caught.value.solution)
    wallet.create("lab")
    with pytest.raises(AccountError, match="no account is chosen") as caught:
        wallet.choose(None, owner=True)
    assert "--account: client, lab;" in str(caught.value.solution)
    assert wallet.choose("lab", owner=True) == "lab"
    wallet.path("client").unlink()
    assert wallet.choose(None, owner=True) == "lab"
    monkeypatch.setenv("QCRS_ACCOUNT", "client")
    with pytest.raises(AccountError, match="no such account"):
        wallet.choose(None, owner=True)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"qcrs": "key/1", "address": 3}', '{"qcrs": "key/1"}'])
def test_broken_files_are_named(wallet: Wallet, content: str) -> None:
    path = wallet.path("broken")
    path.parent.mkdir(parents=True)
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(AccountError):
        wallet.load("broken", password="x")
    with pytest.raises(AccountError):
        wallet.address("broken")
