"""The folder in which one participant keeps what it knows of one network.

`network.json` says where the chain and the store are; keys, databases and logs lie beside it. A
client needs nothing else to go on after a restart. The folder is `--home`, else `$QCRS_HOME`, else
`.qcrs` in the working directory.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from qcrs.errors import ConfigError
from qcrs.types import parse_json

__all__ = ["Home", "NetworkFile"]


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """`network.json`: what every participant must agree on.

    `rpc` is the URL of a JSON-RPC node, `store` a folder or any fsspec URL, `contracts` maps contract names
    to addresses, `beacon_blocks` is the number of blocks between a commitment and its beacon,
    `confirmations` the depth at which an event counts as final, `handover_seconds` how long oracles wait
    for a committed result.
    """

    rpc: str
    chain_id: int
    store: str
    contracts: dict[str, str] = field(default_factory=dict)
    beacon_blocks: int = 2
    confirmations: int = 0
    handover_seconds: int = 30

    def __post_init__(self) -> None:
        def refuse(name: str, reason: str) -> ConfigError:
            return ConfigError(
                reason, field=name, value=getattr(self, name), solution=f"correct {name} in network.json"
            )

        for name in ("rpc", "store"):
            if not isinstance(getattr(self, name), str):
                raise refuse(name, "has to be a text")
        for name, least in (
            ("chain_id", 1),
            ("beacon_blocks", 1),
            ("handover_seconds", 1),
            ("confirmations", 0),
        ):
            value = getattr(self, name)
            if type(value) is not int:
                raise refuse(name, "has to be a whole number")
            if value < least:
                raise refuse(name, f"must be at least {least}")
        places = self.contracts
        if not isinstance(places, dict) or not all(isinstance(one, str) for one in places.values()):
            raise refuse("contracts", "has to map contracts' names to addresses")


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below one participant's folder."""

    root: Path

    @classmethod
    def find(cls, explicit: str | os.PathLike[str] | None = None) -> Home:
        """The folder named, else `$QCRS_HOME`, else `.qcrs` here."""
        return cls(Path(explicit or os.environ.get("QCRS_HOME") or ".qcrs").expanduser().resolve())

    @property
    def network_file(self) -> Path:
        """Where `network.json` lies."""
        return self.root / "network.json"

    @property
    def keys(self) -> Path:
        """The folder of key files, `<name>.json`."""
        return self.root / "keys"

    def path(self, *parts: str) -> Path:
        """A path below the folder; its parent exists afterwards."""
        path = self.root.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def load(self) -> NetworkFile:
        """Read `network.json`; `ConfigError` names what is missing or unknown."""
        remedy = "start a local network with `qcrs up`, or name its folder with --home or QCRS_HOME"
        try:
            raw = parse_json(self.network_file.read_text())
        except FileNotFoundError:
            raise ConfigError(
                "no QCRS network is known here", field="home", value=str(self.root), solution=remedy
            ) from None
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"network.json cannot be read: {error}",
                field="file",
                value=str(self.network_file),
                solution=remedy,
            ) from error
        known = {f.name for f in fields(NetworkFile)}
        if not isinstance(raw, dict) or not {"rpc", "chain_id", "store"} <= set(raw):
            raise ConfigError(
                "network.json lacks rpc, chain_id or store",
                field="file",
                value=str(self.network_file),
                solution=remedy,
            )
        for key in raw:
            if key not in known:
                raise ConfigError(
                    "unknown key in network.json",
                    field="key",
                    value=key,
                    solution=f"known keys are {', '.join(sorted(known))}",
                )
        return NetworkFile(**raw)

    def save(self, network: NetworkFile) -> None:
        """Write `network.json`, whole or not at all."""
        path = self.path("network.json")
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(network), indent=1, sort_keys=True) + "\n")
        part.replace(path)
