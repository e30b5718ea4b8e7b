"""A topology as a file: what `reader` reads back as the same network."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from qcrs.qnp.physical.purification import METHODS
from qcrs.qnp.topology.fields import BASES, CIRCUIT, CONTROL, FAULT, HARDWARE, LINK, STATES, WORKLOAD, Key
from qcrs.qnp.topology.model import Topology

__all__ = ["dump"]

_BASIS_NAMES = {codes: name for name, codes in BASES.items()}
_STATE_NAMES = {code: name for name, code in STATES.items()}
_METHOD_NAMES = {code: name for name, code in METHODS.items()}


def _time(ns: int) -> str:
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if ns and ns % size == 0:
            return f"{sign}{ns // size}{unit}"
    return f"{sign}{ns}ns"


def _value(key: Key, value: Any) -> Any:
    if key.field.endswith("_ns") or (key.field == "cutoff" and isinstance(value, int)):
        return _time(value)
    if key.field == "length_m":
        return f"{value:.15g}m"
    if key.field == "rate":
        return f"{value:.15g}/s"
    if key.field == "final":
        return _STATE_NAMES[value]
    if key.field == "purify":
        return _METHOD_NAMES[value]
    return list(value) if isinstance(value, tuple) else value


def _item(spec: Any, keys: dict[str, Key]) -> dict[str, Any]:
    """The fields of a value that differ from their defaults, by key."""
    defaults = {f.name: f.default for f in fields(spec)}
    found = {}
    for name, key in keys.items():
        if key.field in defaults:
            value = getattr(spec, key.field)
            if value != defaults[key.field]:
                found[name] = _value(key, value)
    return found


def dump(topology: Topology) -> str:
    """YAML text. Loss is folded into eta, and derived times are written out."""
    import yaml

    kinds = list(dict.fromkeys(node.hardware for node in topology.nodes))
    names = {kind: f"kind{i + 1}" for i, kind in enumerate(kinds)}
    links = []
    for link in topology.links:
        item = {"ends": [link.a, link.b], **_item(link, LINK)}
        item["attempt"], item["delay"] = _time(link.attempt_ns), _time(link.frame_delay_ns)
        item["length"] = f"{link.length_m:.15g}m"
        links.append(item)
    workloads = []
    for work in topology.workloads:
        item = _item(work, WORKLOAD)
        if work.type == "measure":
            item["basis"] = _BASIS_NAMES[work.head_basis, work.tail_basis]
        workloads.append(item)
    data: dict[str, Any] = {
        "version": 1,
        "name": topology.name,
        "hardware": {names[kind]: _item(kind, HARDWARE) for kind in kinds},
        "nodes": [{"name": node.name, "hardware": names[node.hardware]} for node in topology.nodes],
        "links": links,
        "control": _item(topology.control, CONTROL),
        "circuits": [_item(circuit, CIRCUIT) for circuit in topology.circuits],
        "workloads": workloads,
        "faults": [_item(fault, FAULT) for fault in topology.faults],
    }
    kept = {key: value for key, value in data.items() if value not in ([], {})}
    return str(yaml.safe_dump(kept, sort_keys=False, default_flow_style=None, width=110))
