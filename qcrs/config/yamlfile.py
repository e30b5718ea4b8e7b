"""Reading a YAML file that people edit and that others may have sent: strict, small, no surprises.

`safe_load` alone still accepts alias bombs, repeated keys (the last wins) and files of any size. Here an
alias, a repeated key, deep nesting and a file above 256 KiB are errors that say where. For formats of
others, whose files need aliases, these are counted as if they were written out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from qcrs.errors import ConfigError

__all__ = ["expand", "read_dotenv", "read_yaml"]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 50_000
"""Most values of a file, those that aliases stand for included."""
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


class _OnceLoader(yaml.SafeLoader):
    """Safe, without repeated keys, nesting or aliases without measure."""

    aliases = True

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None and self.aliases:
            _written_out(node, {})
        return node

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if not self.aliases and self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it open
            raise yaml.composer.ComposerError(
                None, None, "aliases are not allowed; write the value out", event.start_mark
            )
        self.depth = getattr(self, "depth", 0) + 1
        if self.depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"nested more than {MAX_DEPTH} deep", None)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key has to be a word", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _StrictLoader(_OnceLoader):
    """Without aliases too."""

    aliases = False


def _written_out(node: yaml.Node, known: dict[int, int]) -> int:
    """Values below a node with every alias written out; an error above `MAX_NODES` or in a circle."""
    if id(node) in known:
        found = known[id(node)]
        if found == 0:
            raise yaml.composer.ComposerError(None, None, "a value contains itself", node.start_mark)
        return found
    known[id(node)] = 0
    below: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        below = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        below = list(node.value)
    total = 1 + sum(_written_out(part, known) for part in below)
    if total > MAX_NODES:
        raise yaml.composer.ComposerError(None, None, "its aliases stand for too much", node.start_mark)
    known[id(node)] = total
    return total


def read_yaml(path: Path, *, aliases: bool = False) -> dict[str, Any]:
    """The mapping in a file; `ConfigError` with file, line and remedy otherwise.

    With `aliases` a value may be given once and named elsewhere, as other programs' files do.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ConfigError(
                f"the file is larger than {MAX_BYTES // 1024} KiB",
                field="file",
                value=str(path),
                solution="keep compiler, networks and folders in it, and nothing else",
            )
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            "no such configuration file",
            field="file",
            value=str(path),
            solution="run inside the project or give --config",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the configuration cannot be read: {error}",
            field="file",
            value=str(path),
            solution="it has to be a readable text file in UTF-8",
        ) from error
    try:
        loader = _OnceLoader if aliases else _StrictLoader
        data = yaml.load(text, Loader=loader)  # noqa: S506 - derived from SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, OverflowError) as error:
        raise ConfigError(
            f"the configuration is not valid: {' '.join(str(error).split())}",
            field="file",
            value=str(path),
            solution="correct that line; the project's own brownie-config.yaml shows the form",
        ) from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(
            "the configuration has to be a mapping of keys to values",
            field="file",
            value=str(path),
            solution="write KEY: VALUE lines; the project's own brownie-config.yaml shows the form",
        )
    return data


def read_dotenv(path: Path) -> dict[str, str]:
    """`NAME=value` lines; `#` starts a comment, quotes around a value are dropped."""
    found: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(
            f"the file of variables cannot be read: {error.strerror}",
            field="dotenv",
            value=str(path),
            solution="create it, or remove the key dotenv",
        ) from error
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, separator, value = text.partition("=")
        if not separator or not name.strip().isidentifier():
            raise ConfigError(
                f"line {number} is not NAME=value",
                field="dotenv",
                value=str(path),
                solution="write one NAME=value a line, and comments after #",
            )
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name.strip()] = value
    return found


def expand(value: Any, variables: Mapping[str, str], where: str) -> Any:
    """Replace `${NAME}` and `${NAME:-default}` in all texts; the result may be a number or a truth value."""
    if isinstance(value, dict):
        return {key: expand(item, variables, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, variables, f"{where}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value

    def substitute(match: re.Match[str]) -> str:
        name = match["name"]
        found = os.environ.get(name) or variables.get(name) or match["default"]
        if found is None:
            raise ConfigError(
                f"the variable {name} is not set",
                field=where,
                value=value,
                solution=f"export {name}=… or write ${{{name}:-default}}",
            )
        return found

    text = _VARIABLE.sub(substitute, value)
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    return {"true": True, "false": False}.get(text.lower(), text)
