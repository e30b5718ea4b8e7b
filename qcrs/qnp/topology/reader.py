"""Topology files: YAML in, `Topology` out; every error names file and line."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcrs.config.yamlfile import read_yaml
from qcrs.errors import ConfigError
from qcrs.qnp.topology.fields import CIRCUIT, DEFAULTS, LINK, SECTIONS, Key
from qcrs.qnp.topology.model import (
    LIGHT_M_PER_S,
    CircuitSpec,
    ControlSpec,
    FaultSpec,
    HardwareSpec,
    LinkSpec,
    NodeSpec,
    Topology,
    WorkloadSpec,
)

__all__ = ["load_topology", "schema"]

Place = tuple[str | int, ...]
TOP = ("version", "name", "defaults", *SECTIONS)
EMITTER_NS = 10_110
"""What a single-click attempt takes besides the way of light; 10.12 µs in all over 2 m."""


class _Source:
    """The file: its data, and the line of every place in it."""

    def __init__(self, path: Path) -> None:
        import yaml

        self.path = path
        self.data = read_yaml(path)
        self._lines: dict[Place, int] = {}
        root = yaml.compose(io.StringIO(path.read_text(encoding="utf-8")), Loader=yaml.SafeLoader)
        if root is not None:
            self._mark(root, ())

    def _mark(self, node: Any, place: Place) -> None:
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node.value, list):
            for i, item in enumerate(node.value):
                if isinstance(item, tuple):
                    key, value = item
                    self._lines[(*place, key.value)] = key.start_mark.line + 1
                    self._mark(value, (*place, key.value))
                else:
                    self._mark(item, (*place, i))

    def line(self, place: Place) -> int:
        """The line of a place, or of what it lies in."""
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, 1)

    def error(
        self, reason: str, place: Place, value: object = None, solution: str | None = None
    ) -> ConfigError:
        where = ".".join(map(str, place)) or "file"
        shown = value if value is not None else where
        return ConfigError(
            f"{self.path}:{self.line(place)}: {reason}", field=where, value=shown, solution=solution
        )

    def mapping(self, value: Any, place: Place) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error("keys with values are needed here", place, value)
        return value

    def read(self, value: Any, place: Place, keys: Mapping[str, Key]) -> dict[str, Any]:
        """Fields from a mapping; unknown keys, missing ones and wrong values are errors."""
        found: dict[str, Any] = {}
        for key, item in self.mapping(value, place).items():
            if key not in keys:
                raise self.error(
                    f"unknown key {key!r}", (*place, str(key)), solution=f"known keys: {', '.join(keys)}"
                )
            try:
                found[keys[key].field] = keys[key].read(item)
            except ConfigError as error:
                words = error.solution or f"{key} is: {keys[key].words}"
                raise self.error(error.reason, (*place, key), item, words) from None
        return found

    def required(self, found: Mapping[str, Any], place: Place, keys: Mapping[str, Key]) -> None:
        for name, key in keys.items():
            if key.required and key.field not in found:
                raise self.error(f"the key {name!r} is missing", place)

    def items(self, section: str) -> list[tuple[Any, Place]]:
        value = self.data.get(section, [])
        if not isinstance(value, list):
            raise self.error("a list is needed here", (section,), value)
        return [(item, (section, i)) for i, item in enumerate(value)]


def load_topology(path: Path | str) -> Topology:
    """Read a topology file. `ConfigError` names file and line."""
    source = _Source(Path(path))
    for key in source.data:
        if key not in TOP:
            raise source.error(f"unknown key {key!r}", (str(key),), solution=f"known keys: {', '.join(TOP)}")
    if source.data.get("version") != 1:
        raise source.error("version: 1 is needed", ("version",), source.data.get("version"))
    defaults = _defaults(source)
    hardware = _hardware(source)
    try:
        return Topology(
            _nodes(source, hardware, defaults["hardware"]),
            tuple(_link(source, item, place, defaults["link"]) for item, place in source.items("links")),
            _made(source, ControlSpec, source.data.get("control", {}), ("control",), SECTIONS["control"][1]),
            tuple(
                _made(source, CircuitSpec, item, place, CIRCUIT, defaults["circuit"])
                for item, place in source.items("circuits")
            ),
            tuple(_workload(source, item, place) for item, place in source.items("workloads")),
            tuple(
                _made(source, FaultSpec, item, place, SECTIONS["faults"][1])
                for item, place in source.items("faults")
            ),
            str(source.data.get("name", Path(path).stem)),
        )
    except ConfigError as error:
        if error.reason.startswith(str(source.path)):
            raise
        raise source.error(error.reason, _find(source, error.value), error.value, error.solution) from None


def _find(source: _Source, value: object) -> Place:
    """The first place that holds a value, for errors about how places fit together."""

    def search(data: Any, place: Place) -> Place | None:
        if data == value and place:
            return place
        children = (
            data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
        )
        for key, item in children:
            found = search(item, (*place, key))
            if found is not None:
                return found
        return None

    if isinstance(value, str) and "-" in value:
        a, _, b = value.partition("-")
        for item, place in source.items("links"):
            if isinstance(item, dict) and item.get("ends") in ([a, b], [b, a]):
                return place
    return search(source.data, ()) or ()


def _made(
    source: _Source,
    cls: Any,
    item: Any,
    place: Place,
    keys: Mapping[str, Key],
    defaults: Mapping[str, Any] | None = None,
) -> Any:
    found = {**(defaults or {}), **source.read(item, place, keys)}
    source.required(found, place, keys)
    try:
        return cls(**found)
    except ConfigError as error:
        raise source.error(error.reason, place, error.value, error.solution) from None


def _defaults(source: _Source) -> dict[str, Any]:
    given = source.mapping(source.data.get("defaults", {}), ("defaults",))
    for key in given:
        if key not in ("hardware", "link", "circuit"):
            raise source.error(
                f"unknown key {key!r}", ("defaults", key), solution="known keys: hardware, link, circuit"
            )
    return {
        "hardware": source.read(
            {k: v for k, v in given.items() if k in DEFAULTS}, ("defaults",), DEFAULTS
        ).get("hardware"),
        "link": source.read(given.get("link", {}), ("defaults", "link"), LINK),
        "circuit": source.read(given.get("circuit", {}), ("defaults", "circuit"), CIRCUIT),
    }


def _hardware(source: _Source) -> dict[str, HardwareSpec]:
    given = source.mapping(source.data.get("hardware", {}), ("hardware",))
    keys = SECTIONS["hardware"][1]
    return {name: _made(source, HardwareSpec, item, ("hardware", name), keys) for name, item in given.items()}


def _nodes(
    source: _Source, hardware: Mapping[str, HardwareSpec], default: str | None
) -> tuple[NodeSpec, ...]:
    found = []
    for item, place in source.items("nodes"):
        fields = {"name": item} if isinstance(item, str) else source.read(item, place, SECTIONS["nodes"][1])
        source.required(fields, place, SECTIONS["nodes"][1])
        kind = fields.get("hardware", default)
        if kind is not None and kind not in hardware:
            raise source.error(
                "no such hardware",
                place,
                kind,
                f"one of {', '.join(hardware) or 'none: add it under hardware'}",
            )
        found.append(NodeSpec(fields["name"], HardwareSpec() if kind is None else hardware[kind]))
    return tuple(found)


def _link(source: _Source, item: Any, place: Place, defaults: Mapping[str, Any]) -> LinkSpec:
    """A link with what follows from its length: loss, attempt time, frame delay."""
    fields = {**defaults, **source.read(item, place, LINK)}
    source.required(fields, place, LINK)
    ends = fields.pop("ends")
    if len(ends) != 2:
        raise source.error("a link has two ends", (*place, "ends"), ends)
    length = fields.setdefault("length_m", 2.0)
    light_ns = round(length / LIGHT_M_PER_S * 1e9)
    fields.setdefault("frame_delay_ns", light_ns)
    fields.setdefault("attempt_ns", EMITTER_NS + light_ns)
    loss = fields.pop("loss", 0.0)
    fields["eta"] = fields.get("eta", 1.0) * 10 ** (-loss * length / 2000 / 10)
    try:
        return LinkSpec(*ends, **fields)
    except ConfigError as error:
        raise source.error(error.reason, place, error.value, error.solution) from None


def _workload(source: _Source, item: Any, place: Place) -> WorkloadSpec:
    fields = source.read(item, place, SECTIONS["workloads"][1])
    source.required(fields, place, SECTIONS["workloads"][1])
    if "basis" in fields:
        fields["head_basis"], fields["tail_basis"] = fields.pop("basis")
    return WorkloadSpec(**fields)


def schema() -> dict[str, Any]:
    """The JSON schema of topology files."""

    def one(keys: Mapping[str, Key], *, partial: bool = False) -> dict[str, Any]:
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {**key.schema, "description": key.words} for name, key in keys.items()},
            "required": [] if partial else [name for name, key in keys.items() if key.required],
        }

    properties: dict[str, Any] = {
        "version": {"const": 1},
        "name": {"type": "string"},
        "defaults": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "hardware": {"type": "string"},
                "link": one(LINK, partial=True),
                "circuit": one(CIRCUIT, partial=True),
            },
        },
    }
    for name, (form, keys) in SECTIONS.items():
        item = one(keys)
        if name == "nodes":
            item = {"anyOf": [{"type": "string"}, item]}
        properties[name] = {
            "one": item,
            "list": {"type": "array", "items": item},
            "named": {"type": "object", "additionalProperties": item},
        }[form]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "QNP topology",
        "type": "object",
        "additionalProperties": False,
        "required": ["version", "nodes", "links"],
        "properties": properties,
    }
