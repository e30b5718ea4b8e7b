"""The keys of a topology file: how each value is read and what it means; for reader and JSON schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qcrs.errors import ConfigError
from qcrs.qnp.physical.purification import METHODS
from qcrs.qnp.topology.units import length_m, loss_db_per_km, rate_hz, time_ns

__all__ = ["BASES", "SECTIONS", "STATES", "Key"]

BASES = {
    "x": (0, 0),
    "y": (1, 1),
    "z": (2, 2),
    "bb84": (16, 16),
    "six-state": (17, 17),
    "e91": (18, 19),
    "chsh": (20, 21),
}
"""Names of bases: codes at head and tail."""

STATES = {"phi+": 0, "phi-": 1, "psi+": 2, "psi-": 3, "any": 4}

TIME = {"type": "string", "pattern": "^[0-9.eE+-]+ *(ns|us|µs|ms|s|min|h)$"}
LENGTH = {"type": "string", "pattern": "^[0-9.eE+-]+ *(mm|m|km)$"}
LOSS = {"type": "string", "pattern": "^[0-9.eE+-]+ *(dB/km|dB/m)$"}
RATE = {"type": "string", "pattern": "^[0-9.eE+-]+ *(/s|Hz|kHz|/min)$"}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}
COUNT = {"type": "integer", "minimum": 0}
TEXT = {"type": "string"}


@dataclass(frozen=True, slots=True)
class Key:
    """One key: the field it fills, how its value is read, its JSON schema, what it means."""

    field: str
    read: Callable[[Any], Any]
    schema: Mapping[str, Any]
    words: str
    required: bool = False


def text(value: Any) -> str:
    """A name."""
    if not isinstance(value, str) or not value:
        raise ConfigError("a text is needed", value=value, field="value")
    return value


def share(value: Any) -> float:
    """A number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigError("a number from 0 to 1 is needed", field="value", value=value)
    return float(value)


def count(value: Any) -> int:
    """A whole number, not negative."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 53:
        raise ConfigError("a whole number from 0 to 2^53 is needed", field="value", value=value)
    return value


def names(value: Any) -> tuple[str, ...]:
    """Several names."""
    if not isinstance(value, list):
        raise ConfigError("a list of names is needed", field="value", value=value)
    return tuple(text(item) for item in value)


def one_of(*choices: str) -> Callable[[Any], str]:
    """One of these words."""

    def read(value: Any) -> str:
        if value not in choices:
            raise ConfigError(
                "no such choice", field="value", value=value, solution=f"one of {', '.join(choices)}"
            )
        return str(value)

    return read


def cutoff(value: Any) -> str | int:
    """A rule or a time."""
    return value if value in ("auto", "short", "long", "none") else time_ns(value)


def signed_time(value: Any) -> int:
    """A time that may be negative."""
    if isinstance(value, str) and value.startswith("-"):
        return -time_ns(value[1:])
    return time_ns(value)


def basis(value: Any) -> tuple[int, int]:
    """A basis by name, for both ends."""
    return BASES[one_of(*BASES)(value)]


def state(value: Any) -> int:
    """A Bell state by name."""
    return STATES[one_of(*STATES)(value)]


def purification(value: Any) -> int:
    """The number of a way to purify by its name."""
    return METHODS[one_of(*METHODS)(value)]


HARDWARE = {
    "t2": Key("t2_ns", time_ns, TIME, "dephasing time of a qubit; perfect without"),
    "t_depolarising": Key("t_depolarising_ns", time_ns, TIME, "depolarising time of a qubit"),
    "gate_error": Key("gate_error", share, SHARE, "depolarising probability of a swap's two-qubit gate"),
    "readout_error": Key("readout_error", share, SHARE, "probability that a readout is wrong"),
    "swap_time": Key("swap_ns", time_ns, TIME, "duration of a swap: gate and readout"),
    "qubits_per_link": Key("qubits_per_link", count, COUNT, "communication qubits of each link end"),
    "qubits": Key("qubits", count, COUNT, "communication qubits that all links of the node share"),
}
NODE = {
    "name": Key("name", text, TEXT, "name", True),
    "hardware": Key("hardware", text, TEXT, "a name under hardware"),
}
LINK = {
    "ends": Key(
        "ends", names, {"type": "array", "items": TEXT, "minItems": 2, "maxItems": 2}, "its nodes", True
    ),
    "kind": Key(
        "kind", one_of("single_click", "heralded"), {"enum": ["single_click", "heralded"]}, "physics"
    ),
    "length": Key("length_m", length_m, LENGTH, "length of the fibre"),
    "loss": Key("loss", loss_db_per_km, LOSS, "fibre loss; each photon travels half the length"),
    "eta": Key("eta", share, SHARE, "chance that an emitted photon is detected, without the fibre"),
    "attempt": Key(
        "attempt_ns", time_ns, TIME, "duration of an attempt; 10.11 us and the way of light without"
    ),
    "p": Key("p", share, SHARE, "heralded: success probability of an attempt"),
    "fidelity": Key("fidelity", share, SHARE, "heralded: fidelity of its pairs"),
    "dephasing": Key("dephasing", share, SHARE, "heralded: 0 spreads errors evenly, 1 makes them all Z"),
    "delay": Key(
        "frame_delay_ns", time_ns, TIME, "time of a frame from end to end; the way of light without"
    ),
}
CONTROL = {
    "labels": Key(
        "labels", one_of("coordinated", "independent"), {"enum": ["coordinated", "independent"]}, "turns"
    ),
    "keepalive": Key("keepalive_ns", time_ns, TIME, "silence after which a neighbour is lost"),
    "slice_pairs": Key("slice_pairs", count, COUNT, "pairs of a request's turn on a circuit"),
    "test_every": Key("test_every", count, COUNT, "pairs between blocks of test rounds; 0 for none"),
    "test_count": Key("test_count", count, COUNT, "test rounds of a block"),
    "max_error": Key("max_error", share, SHARE, "share of wrong test rounds that closes a circuit"),
}
CIRCUIT = {
    "name": Key("name", text, TEXT, "name", True),
    "head": Key("head", text, TEXT, "node that requests come to", True),
    "tail": Key("tail", text, TEXT, "node at the other end", True),
    "fidelity": Key("fidelity", share, SHARE, "wanted end-to-end fidelity"),
    "cutoff": Key(
        "cutoff", cutoff, {"anyOf": [{"enum": ["auto", "short", "long", "none"]}, TIME]}, "rule or time"
    ),
    "path": Key("path", names, {"type": "array", "items": TEXT}, "nodes from head to tail; shortest without"),
    "link_fidelity": Key("link_fidelity", share, SHARE, "fidelity asked of every single-click link"),
    "weight": Key("weight", count, {"type": "integer", "minimum": 1}, "share of links"),
}
WORKLOAD = {
    "circuit": Key("circuit", text, TEXT, "which circuit", True),
    "type": Key(
        "type", one_of("keep", "early", "measure"), {"enum": ["keep", "early", "measure"]}, "delivery"
    ),
    "number": Key("number", count, COUNT, "pairs; endless without"),
    "rate": Key("rate", rate_hz, RATE, "pairs per second"),
    "start": Key("start_ns", time_ns, TIME, "when it is issued"),
    "by": Key("by_ns", time_ns, TIME, "deadline"),
    "within": Key("within_ns", time_ns, TIME, "all pairs within this time"),
    "basis": Key("basis", basis, {"enum": list(BASES)}, "measure: basis of both ends"),
    "final": Key("final", state, {"enum": list(STATES)}, "Bell state wanted"),
    "purify": Key("purify", purification, {"enum": list(METHODS)}, "keep: make each pair from two"),
    "repeat": Key("repeat", count, COUNT, "how often it is issued"),
    "every": Key("every_ns", time_ns, TIME, "time between two issues"),
}
FAULT = {
    "kind": Key("kind", text, TEXT, "what goes wrong", True),
    "at": Key("at_ns", time_ns, TIME, "when", True),
    "node": Key("node", text, TEXT, "which node"),
    "link": Key("link", text, TEXT, "which link, as a-b"),
    "circuit": Key("circuit", text, TEXT, "which circuit"),
    "for": Key("for_ns", time_ns, TIME, "how long"),
    "count": Key("count", count, COUNT, "how many"),
    "skew": Key("skew_ns", signed_time, TEXT, "how far the clock is off; may be negative"),
}
DEFAULTS = {
    "hardware": Key("hardware", text, TEXT, "hardware of nodes that name none"),
}

SECTIONS: dict[str, tuple[str, dict[str, Key]]] = {
    "hardware": ("named", HARDWARE),
    "nodes": ("list", NODE),
    "links": ("list", LINK),
    "control": ("one", CONTROL),
    "circuits": ("list", CIRCUIT),
    "workloads": ("list", WORKLOAD),
    "faults": ("list", FAULT),
}
"""Sections by name: whether each is one mapping, a list of them, or several by name; and its keys.

`defaults` takes `hardware` (a name), and `link` and `circuit` with the keys of those sections.
"""
