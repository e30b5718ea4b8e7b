"""Compiling the contracts: `python -m qcrs.chain.compile` writes `contracts/build/*.json`.

One file per contract with what deployment, bindings and verification need: the interface, both
bytecodes, compiler version and settings, and a hash of every source that went in. The files are
committed, so whoever only uses the exchange needs neither compiler nor Node; a test compiles again
and compares. Outputs are asked for our own contracts only: everything else would triple the time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcrs.chain.solidity import compile_json
from qcrs.config import CompilerConfig, Config, load_config
from qcrs.errors import ConfigError, InputError, QCRSError

__all__ = [
    "ARTIFACTS_VARIABLE",
    "Artifact",
    "artifact",
    "artifacts",
    "artifacts_folder",
    "compile_contracts",
    "compile_sources",
    "main",
]

LIBRARY_CONTRACTS = {
    "@openzeppelin/contracts/access/manager/AccessManager.sol": ("AccessManager",),
}
"""Contracts of others that are deployed beside our own."""

ARTIFACTS_VARIABLE = "QCRS_ARTIFACTS"
"""Of the environment: the folder whose artifacts are read in place of the committed ones."""

_OUTPUTS = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "devdoc", "userdoc", "metadata"]


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract."""

    name: str
    source: str
    abi: list[dict[str, Any]]
    bytecode: str
    deployed_bytecode: str
    compiler: str
    settings: dict[str, Any]
    source_hash: str
    sources: dict[str, str]
    docs: dict[str, Any]
    enums: dict[str, list[str]]

    def as_json(self) -> dict[str, Any]:
        """The content of the artifact's file."""
        return {
            "contractName": self.name,
            "sourceName": self.source,
            "abi": self.abi,
            "bytecode": self.bytecode,
            "deployedBytecode": self.deployed_bytecode,
            "compiler": self.compiler,
            "settings": self.settings,
            "sourceHash": self.source_hash,
            "sources": self.sources,
            "docs": self.docs,
            "enums": self.enums,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Artifact:
        """From the content of an artifact's file."""
        return cls(
            name=data["contractName"],
            source=data["sourceName"],
            abi=data["abi"],
            bytecode=data["bytecode"],
            deployed_bytecode=data["deployedBytecode"],
            compiler=data["compiler"],
            settings=data["settings"],
            source_hash=data["sourceHash"],
            sources=data["sources"],
            docs=data["docs"],
            enums=data["enums"],
        )


def compile_sources(
    root: Path,
    names: Iterable[str],
    config: CompilerConfig,
    extra: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, Artifact]:
    """Compile source files below `root`: what can be deployed, and interfaces.

    `extra` names contracts of imported files to be compiled as well.
    """
    wanted = dict.fromkeys(names, ("*",)) | dict(extra or {})
    sources = {name: _read(root, name, config.remappings) for name in wanted}
    settings = config.settings()
    selection = {file: {"": ["ast"]} | dict.fromkeys(units, _OUTPUTS) for file, units in wanted.items()}
    output = compile_json(sources, settings | {"outputSelection": selection}, config.version, root)
    enums, parts = _enums(output), _parts(output)
    found: dict[str, Artifact] = {}
    for file, units in output.get("contracts", {}).items():
        for name, unit in units.items():
            if (file, name) in parts:
                continue
            if name in found:
                raise InputError(
                    "two contracts have one name",
                    field="contract",
                    value=name,
                    solution=f"rename the one in {file} or in {found[name].source}",
                )
            found[name] = _artifact(name, file, unit, settings, enums)
    return found


def _parts(output: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Abstract contracts and libraries: parts of others, which nobody deploys or calls."""
    return {
        (file, node["name"])
        for file, source in output.get("sources", {}).items()
        for node in source.get("ast", {}).get("nodes", ())
        if node["nodeType"] == "ContractDefinition"
        and (node["contractKind"] == "library" or (node["abstract"] and node["contractKind"] == "contract"))
    }


def _enums(output: Mapping[str, Any]) -> dict[str, list[str]]:
    """Members of every enumeration by its name as interfaces give it: `Outcome` or `IVerifier.State`."""
    found: dict[str, list[str]] = {}

    def walk(node: Mapping[str, Any]) -> None:
        if node["nodeType"] == "EnumDefinition":
            found[node["canonicalName"]] = [member["name"] for member in node["members"]]
        for child in node.get("nodes", ()):
            walk(child)

    for source in output.get("sources", {}).values():
        if "ast" in source:
            walk(source["ast"])
    return found


def _used_enums(abi: list[dict[str, Any]], enums: Mapping[str, list[str]]) -> dict[str, list[str]]:
    text = json.dumps(abi)
    return {name: members for name, members in sorted(enums.items()) if f'"enum {name}' in text}


def _artifact(
    name: str,
    file: str,
    unit: Mapping[str, Any],
    settings: dict[str, Any],
    enums: Mapping[str, list[str]],
) -> Artifact:
    metadata = json.loads(unit["metadata"])
    sources = {path: entry["keccak256"] for path, entry in sorted(metadata["sources"].items())}
    digest = hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()
    return Artifact(
        name=name,
        source=file,
        abi=unit["abi"],
        bytecode="0x" + unit["evm"]["bytecode"]["object"],
        deployed_bytecode="0x" + unit["evm"]["deployedBytecode"]["object"],
        compiler=metadata["compiler"]["version"],
        settings=settings,
        source_hash="0x" + digest,
        sources=sources,
        docs={"user": _docs(unit["userdoc"]), "developer": _docs(unit["devdoc"])},
        enums=_used_enums(unit["abi"], enums),
    )


def _docs(document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: document[key]
        for key in ("details", "errors", "events", "methods", "notice", "title")
        if key in document
    }


def _read(root: Path, name: str, remappings: tuple[str, ...]) -> str:
    for remapping in remappings:
        prefix, _, target = remapping.partition("=")
        if name.startswith(prefix):
            name = target + name[len(prefix) :]
            break
    try:
        return (root / name).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            "a source that the contracts import is not there",
            field="source",
            value=name,
            solution="install the contract library: `npm ci --ignore-scripts`, or run scripts/up.py test",
        ) from error


def compile_contracts(config: Config) -> dict[str, Artifact]:
    """Compile every contract of the project."""
    folder = config.root / config.project_structure.contracts
    build = config.root / config.project_structure.build
    names = sorted(
        path.relative_to(config.root).as_posix()
        for path in folder.rglob("*.sol")
        if build not in path.parents
    )
    if not names:
        raise ConfigError("no contracts to compile", field="project_structure.contracts", value=str(folder))
    return compile_sources(config.root, names, config.compiler, LIBRARY_CONTRACTS)


def artifacts_folder(config: Config | None = None) -> Path:
    """Where the compiled contracts lie: `contracts/build` in a checkout, beside this file in a package.

    The variable `QCRS_ARTIFACTS` names another folder to read from, which is how changed contracts are tried.
    """
    if config is None and os.environ.get(ARTIFACTS_VARIABLE):
        return Path(os.environ[ARTIFACTS_VARIABLE])
    packaged = Path(__file__).parent / "artifacts"
    if packaged.is_dir():
        return packaged
    checkout = Path(__file__).parents[2] / "contracts" / "build"
    if config is not None:
        checkout = config.root / config.project_structure.build
    return checkout


def artifacts(folder: Path | None = None) -> dict[str, Artifact]:
    """All compiled contracts by name."""
    place = folder or artifacts_folder()
    found = {
        path.stem: Artifact.from_json(json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(place.glob("*.json"))
    }
    if not found:
        raise ConfigError(
            "the compiled contracts are missing",
            field="folder",
            value=str(place),
            solution="run `python -m qcrs.chain.compile`",
        )
    return found


def artifact(name: str, folder: Path | None = None) -> Artifact:
    """One compiled contract."""
    path = (folder or artifacts_folder()) / f"{name}.json"
    if not path.is_file():
        raise ConfigError(
            "no such compiled contract",
            field="contract",
            value=name,
            solution="run `python -m qcrs.chain.compile`",
        )
    return Artifact.from_json(json.loads(path.read_text(encoding="utf-8")))


def write(found: Mapping[str, Artifact], folder: Path) -> list[str]:
    """Write artifacts, remove those of contracts that are gone; returns the names that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, one in sorted(found.items()):
        path = folder / f"{name}.json"
        text = json.dumps(one.as_json(), indent=1, sort_keys=True) + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(name)
    for path in folder.glob("*.json"):
        if path.stem not in found:
            path.unlink()
            changed.append(path.stem)
    return changed


def main(arguments: list[str] | None = None) -> int:
    """The command; exit status 1 where `--check` finds a difference."""
    parser = argparse.ArgumentParser(
        prog="python -m qcrs.chain.compile", description="Compile the contracts."
    )
    parser.add_argument("--config", type=Path, default=None, help="the project's brownie-config.yaml")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the artifacts differ")
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config)
        found = compile_contracts(config)
    except QCRSError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    folder = artifacts_folder(config)
    if options.check:
        known = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
        different = sorted(
            name
            for name in known.keys() | found.keys()
            if name not in found or known.get(name) != found[name].as_json()
        )
        if different:
            sys.stderr.write(
                f"compiled anew these differ: {', '.join(different)}; run python -m qcrs.chain.compile\n"
            )
        return 1 if different else 0
    changed = write(found, folder)
    sys.stdout.write(f"{len(found)} contracts, {len(changed)} changed: {', '.join(changed) or 'none'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
