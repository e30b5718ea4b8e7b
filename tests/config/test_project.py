"""The project's file: strict, small, and clear about what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcrs.config import CompilerConfig, NetworkConfig, load_config
from qcrs.errors import ConfigError

ROOT = Path(__file__).parents[2]
NETWORKS = "networks:\n  default: development\n  development: {host: embedded, chainid: 1337}\n"


def write(folder: Path, text: str, *, networks: str = NETWORKS) -> Path:
    path = folder / "brownie-config.yaml"
    path.write_text(networks + text, encoding="utf-8")
    return path


def test_the_shipped_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANVIL_URL", raising=False)
    monkeypatch.delenv("QCRS_RPC_URL", raising=False)
    config = load_config(ROOT / "brownie-config.yaml")
    assert config.root == ROOT
    assert config.compiler == CompilerConfig()
    assert config.network().embedded
    assert config.network().cmd_settings == {"accounts": 32}
    assert config.network("anvil").host == "http://127.0.0.1:8545"
    assert config.network("anvil").chainid == 31337
    with pytest.raises(ConfigError, match="QCRS_RPC_URL is not set") as caught:
        config.network("consortium")
    assert "export QCRS_RPC_URL" in str(caught.value.solution)
    monkeypatch.setenv("QCRS_RPC_URL", "https://node.example")
    network = config.network("consortium")
    assert network == NetworkConfig("consortium", "https://node.example", 71337, confirmations=6, timeout=30)
    assert not network.development


def test_it_is_found_from_any_folder_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert load_config().path == path


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("unknown: 1\n", "unknown"),
        ("compiler: {solc: {versoin: 0.8.37}}\n", "compiler.solc.versoin"),
        ("compiler: {vyper: {}}\n", "compiler.vyper"),
        ("compiler: {solc: {optimizer: {run: 1}}}\n", "compiler.solc.optimizer.run"),
        ("project_structure: {contract: x}\n", "project_structure.contract"),
    ],
)
def test_an_unknown_key_names_file_key_and_remedy(tmp_path: Path, text: str, key: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.value == key
    assert str(path) in caught.value.reason
    assert "use one of" in str(caught.value.solution)


def test_an_unknown_key_of_a_network_is_found_before_it_is_used(tmp_path: Path) -> None:
    path = write(tmp_path, "", networks=NETWORKS + "  live: {host: 'http://x', chainid: 1, gaslimit: 5}\n")
    with pytest.raises(ConfigError, match=r"networks\.live\.gaslimit"):
        load_config(path)


@pytest.mark.parametrize(
    ("networks", "reason"),
    [
        ("networks: {default: lost, a: {host: embedded, chainid: 1}}\n", "networks.default names no network"),
        ("networks: 5\n", "networks has to be a mapping"),
        ("networks: {default: a, a: 7}\n", "networks.a has to be a mapping"),
        ("- 1\n", "has to be a mapping"),
        ("networks: {default: a, a: {host: embedded}, a: {host: embedded}}\n", "given twice"),
        ("x: &a [1]\ny: *a\n", "aliases are not allowed"),
        ("? [a, b]\n: c\n", "a key has to be a word"),
        ("x: !!python/object/apply:os.system ['true']\n", "not valid"),
        ("x: [\n", "not valid"),
        ("dev_deployment_artifacts: maybe\n" + NETWORKS, "is true or false"),
        ("compiler: {solc: {remappings: oz}}\n" + NETWORKS, "list of prefix=path"),
        ("compiler: {solc: {optimizer: {runs: many}}}\n" + NETWORKS, "of type int"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, networks: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        load_config(write(tmp_path, "", networks=networks))
    assert caught.value.field
    assert caught.value.solution


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("{host: embedded}", "chainid is missing"),
        ("{chainid: 5}", "host is missing"),
        ("{host: embedded, chainid: five}", "chainid has to be of type int"),
        ("{host: embedded, chainid: true}", "chainid has to be of type int"),
        ("{host: embedded, chainid: -5}", "must not be negative"),
    ],
)
def test_a_network_is_checked_when_it_is_used(tmp_path: Path, network: str, reason: str) -> None:
    config = load_config(write(tmp_path, "", networks=f"networks: {{default: a, a: {network}}}\n"))
    with pytest.raises(ConfigError, match=reason) as caught:
        config.network()
    assert caught.value.solution


def test_alias_bombs_and_large_files_end_at_once(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    with pytest.raises(ConfigError, match="aliases"):
        load_config(write(tmp_path, "", networks=bomb))
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        load_config(write(tmp_path, "", networks="# " + "x" * 300_000))
    with pytest.raises(ConfigError, match="not valid"):
        load_config(write(tmp_path, "", networks="a: " + "[" * 20_000))
    with pytest.raises(ConfigError, match="no such configuration"):
        load_config(tmp_path / "nothing.yaml")


def test_variables_come_from_environment_then_file_then_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("# comment\nexport A='from file'\nID=77\n", encoding="utf-8")
    networks = "networks:\n  default: n\n  n: {host: '${A}', chainid: '${ID}', explorer: '${B:-none}'}\n"
    path = write(tmp_path, "dotenv: .env\n", networks=networks)
    network = load_config(path).network()
    assert (network.host, network.chainid, network.explorer) == ("from file", 77, "none")
    monkeypatch.setenv("A", "from environment")
    assert load_config(path).network().host == "from environment"
    (tmp_path / ".env").write_text("no equals sign\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 1"):
        load_config(path)
    (tmp_path / ".env").unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(path)
