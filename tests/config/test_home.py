"""The network folder: found, written whole, and clear about what is wrong in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qcrs.config.home import Home, NetworkFile
from qcrs.errors import ConfigError


def test_round_trip(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "er")
    network = NetworkFile("http://127.0.0.1:1", 1337, "store", {"A": "0x1"})
    home.save(network)
    assert home.load() == network
    assert not list(home.root.glob("*.part"))


def test_missing_network_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="qcrs up"):
        Home(tmp_path).load()


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        ("{", "cannot be read"),
        ("[]", "lacks"),
        ('{"rpc": "x"}', "lacks"),
        ('{"rpc": "x", "chain_id": 1, "store": "s", "stoer": 2}', "stoer"),
        ('{"rpc": "x", "chain_id": 1, "store": "s", "beacon_blocks": 0}', "beacon_blocks"),
    ],
)
def test_broken_file_names_the_trouble(tmp_path: Path, text: str, needle: str) -> None:
    (tmp_path / "network.json").write_text(text)
    with pytest.raises(ConfigError, match=needle):
        Home(tmp_path).load()


def test_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QCRS_HOME", str(tmp_path))
    assert Home.find().root == tmp_path
    assert Home.find(tmp_path / "other").root == tmp_path / "other"
    monkeypatch.delenv("QCRS_HOME")
    assert Home.find().root.name == ".qcrs"


def test_saved_file_is_readable_json(tmp_path: Path) -> None:
    Home(tmp_path).save(NetworkFile("http://127.0.0.1:1", 1, "s"))
    assert json.loads((tmp_path / "network.json").read_text())["chain_id"] == 1
