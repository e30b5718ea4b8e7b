"""`brownie-config.yaml`: how contracts are compiled and which networks there are.

The names are Brownie's, so that its users find their way; the file is read here, since Brownie itself is
no longer maintained. `networks.<name>.host` and `.chainid`, which Brownie keeps elsewhere, belong to it. A
key that nobody reads is an error, because a misspelt one would otherwise be believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from qcrs.config.yamlfile import expand, read_dotenv, read_yaml
from qcrs.errors import ConfigError

__all__ = ["CompilerConfig", "Config", "NetworkConfig", "ProjectStructure", "find_config", "load_config"]

FILE_NAME = "brownie-config.yaml"
EMBEDDED = "embedded"
"""The host of a network that runs in this process."""


@dataclass(frozen=True, slots=True)
class ProjectStructure:
    """Folders, relative to the file."""

    build: str = "contracts/build"
    contracts: str = "contracts"
    interfaces: str = "contracts/interfaces"
    reports: str = "reports"
    scripts: str = "scripts"
    tests: str = "tests"


@dataclass(frozen=True, slots=True)
class CompilerConfig:
    """The Solidity compiler: version, target, optimiser."""

    evm_version: str = "prague"
    version: str = "0.8.37"
    optimize: bool = True
    runs: int = 200
    via_ir: bool = False
    remappings: tuple[str, ...] = ("@openzeppelin/=node_modules/@openzeppelin/",)

    def settings(self) -> dict[str, Any]:
        """The `settings` of the compiler's standard JSON, without the choice of outputs."""
        return {
            "evmVersion": self.evm_version,
            "optimizer": {"enabled": self.optimize, "runs": self.runs},
            "viaIR": self.via_ir,
            "remappings": list(self.remappings),
            "metadata": {"bytecodeHash": "none"},
        }


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """One chain.

    `host` is a JSON-RPC URL or `embedded`; `gas_limit` the most gas of one transaction (0: estimate each);
    `max_fee` and `priority_fee` are in wei per gas (0: from the chain); `confirmations` is the depth at
    which a transaction counts as final; `timeout` in seconds; `cmd_settings` are for chains started here.
    """

    name: str
    host: str
    chainid: int
    gas_limit: int = 0
    max_fee: int = 0
    priority_fee: int = 0
    confirmations: int = 6
    timeout: int = 30
    explorer: str = ""
    cmd_settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def embedded(self) -> bool:
        """Whether it runs in this process."""
        return self.host == EMBEDDED

    @property
    def development(self) -> bool:
        """Whether its accounts are known to everybody: funds there are worth nothing."""
        return self.chainid in (1337, 31337)


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file. `network` reads one of its networks."""

    path: Path
    project_structure: ProjectStructure
    compiler: CompilerConfig
    default_network: str
    dev_deployment_artifacts: bool
    network_names: tuple[str, ...]
    _networks: Mapping[str, Mapping[str, Any]]
    _variables: Mapping[str, str]

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.path.parent

    def network(self, name: str | None = None) -> NetworkConfig:
        """A network by name, the default one without. Its variables are read only now."""
        wanted = name or self.default_network
        if wanted not in self._networks:
            raise ConfigError(
                "no such network",
                field="network",
                value=wanted,
                solution=f"one of {', '.join(self.network_names)}, or add it under networks in {self.path}",
            )
        where = f"networks.{wanted}"
        data = expand(dict(self._networks[wanted]), self._variables, where)
        for key in ("host", "chainid"):
            if key not in data:
                raise ConfigError(
                    f"{where}.{key} is missing",
                    field="file",
                    value=str(self.path),
                    solution=f"write it under {where}",
                )
        return NetworkConfig(name=wanted, **_typed(NetworkConfig, data, where, self.path))


_SOLC_KEYS = {"version", "evm_version", "optimizer", "remappings", "viaIR"}
_TOP_KEYS = {"project_structure", "networks", "compiler", "dev_deployment_artifacts", "dotenv"}


def find_config(start: Path | None = None) -> Path:
    """The nearest `brownie-config.yaml` at or above a folder, else the one of this checkout."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return Path(__file__).resolve().parents[2] / FILE_NAME


def load_config(path: Path | None = None) -> Config:
    """Read and check the file; `ConfigError` names file, key and remedy."""
    file = (path or find_config()).resolve()
    data = read_yaml(file)
    _known(data, _TOP_KEYS, "", file)
    variables: dict[str, str] = {}
    if "dotenv" in data:
        variables = read_dotenv(file.parent / str(data["dotenv"]))
    networks = _mapping(data.get("networks", {}), "networks", file)
    default = networks.pop("default", "development")
    allowed = {item.name for item in fields(NetworkConfig)} - {"name"}
    networks = {name: _mapping(network, f"networks.{name}", file) for name, network in networks.items()}
    for name, network in networks.items():
        _known(network, allowed, f"networks.{name}.", file)
    if not isinstance(default, str) or default not in networks:
        raise ConfigError(
            "networks.default names no network",
            field="file",
            value=str(file),
            solution=f"one of {', '.join(map(str, networks)) or '(none is defined)'}",
        )
    structure = expand(
        _mapping(data.get("project_structure", {}), "project_structure", file), variables, "project_structure"
    )
    _known(structure, {item.name for item in fields(ProjectStructure)}, "project_structure.", file)
    artifacts = data.get("dev_deployment_artifacts", True)
    if not isinstance(artifacts, bool):
        raise ConfigError(
            "dev_deployment_artifacts is true or false",
            field="file",
            value=str(file),
            solution=f"change it in {file}",
        )
    return Config(
        path=file,
        project_structure=ProjectStructure(**_typed(ProjectStructure, structure, "project_structure", file)),
        compiler=_compiler(
            expand(_mapping(data.get("compiler", {}), "compiler", file), variables, "compiler"), file
        ),
        default_network=default,
        dev_deployment_artifacts=artifacts,
        network_names=tuple(networks),
        _networks=networks,
        _variables=variables,
    )


def _compiler(data: dict[str, Any], file: Path) -> CompilerConfig:
    _known(data, {"evm_version", "solc"}, "compiler.", file)
    solc = _mapping(data.get("solc", {}), "compiler.solc", file)
    _known(solc, _SOLC_KEYS, "compiler.solc.", file)
    optimizer = _mapping(solc.get("optimizer", {}), "compiler.solc.optimizer", file)
    _known(optimizer, {"enabled", "runs"}, "compiler.solc.optimizer.", file)
    remappings = solc.get("remappings", list(CompilerConfig().remappings))
    if not isinstance(remappings, list) or not all(
        isinstance(item, str) and "=" in item for item in remappings
    ):
        raise ConfigError(
            "compiler.solc.remappings is a list of prefix=path",
            field="file",
            value=str(file),
            solution=f"change it in {file}",
        )
    flat = {
        "evm_version": solc.get("evm_version", data.get("evm_version", CompilerConfig().evm_version)),
        "version": str(solc.get("version", CompilerConfig().version)),
        "optimize": optimizer.get("enabled", True),
        "runs": optimizer.get("runs", 200),
        "via_ir": solc.get("viaIR", False),
    }
    return CompilerConfig(**_typed(CompilerConfig, flat, "compiler", file), remappings=tuple(remappings))


def _mapping(value: Any, where: str, file: Path) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(
            f"{where} has to be a mapping", field="file", value=str(file), solution=f"change it in {file}"
        )
    return dict(value)


def _known(data: Mapping[str, Any], allowed: set[str], prefix: str, file: Path) -> None:
    for key in data:
        if key not in allowed:
            raise ConfigError(
                f"unknown key {prefix}{key} in {file}",
                field="key",
                value=f"{prefix}{key}",
                solution=f"remove it or use one of {', '.join(sorted(allowed))}",
            )


def _typed(kind: type, data: Mapping[str, Any], where: str, file: Path) -> dict[str, Any]:
    """The values, each of the type its field declares."""
    declared = {item.name: str(item.type) for item in fields(kind)}
    for key, value in data.items():
        expected = {"int": int, "str": str, "bool": bool}.get(declared[key])
        if expected is None:
            continue
        if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
            raise ConfigError(
                f"{where}.{key} has to be of type {declared[key]}",
                field=key,
                value=value,
                solution=f"change it in {file}",
            )
        if expected is int and isinstance(value, int) and value < 0:
            raise ConfigError(
                f"{where}.{key} must not be negative", field=key, value=value, solution=f"change it in {file}"
            )
    return dict(data)
