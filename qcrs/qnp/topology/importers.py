"""Networks described for other simulators: SeQUeNCe's JSON and SquidASM's YAML.

What our model has no word for is not guessed: it is returned as notes. Neither format says which circuits
to open, so circuits are given by their ends; without any, one joins the first and the last node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcrs.config.yamlfile import read_yaml
from qcrs.errors import ConfigError, InputError
from qcrs.qnp.topology.model import LIGHT_M_PER_S, CircuitSpec, HardwareSpec, LinkSpec, NodeSpec, Topology
from qcrs.types import parse_json

__all__ = ["Imported", "import_sequence", "import_squidasm"]

MAX_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Imported:
    """A topology and what was left out of it or assumed."""

    topology: Topology
    notes: tuple[str, ...]


def _text(path: Path | str) -> str:
    found = Path(path)
    try:
        if found.stat().st_size > MAX_BYTES:
            raise _wrong(path, "the file is larger than 256 KiB")
        return found.read_text(encoding="utf-8")
    except OSError as error:
        raise _wrong(path, f"the file cannot be read: {error.strerror}") from error


def _wrong(path: Path | str, reason: str) -> ConfigError:
    return ConfigError(
        f"{path}: {reason}",
        field="file",
        value=str(path),
        solution="give a network file of SeQUeNCe (JSON) or of SquidASM (YAML)",
    )


@contextmanager
def _importing(path: Path | str, what: str) -> Iterator[None]:
    """Another program's file may miss any key and hold anything under it: one error for all of that."""
    try:
        yield
    except ConfigError as error:
        if error.value == str(path):
            raise
        raise _wrong(path, f"not a {what} network that can be taken over: {error.reason}") from error
    except (ArithmeticError, AttributeError, InputError, LookupError, TypeError, ValueError) as error:
        reason = error.reason if isinstance(error, InputError) else repr(error)[:200]
        raise _wrong(path, f"not a {what} network: {reason}") from error


def _name(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a name is a text")
    return value


def _circuits(nodes: Sequence[NodeSpec], ends: Sequence[tuple[str, str]]) -> tuple[CircuitSpec, ...]:
    pairs = list(ends) or [(nodes[0].name, nodes[-1].name)]
    return tuple(CircuitSpec(f"{a}-{b}", a, b) for a, b in pairs)


# ------------------------------------------------------------------ SeQUeNCe


def import_sequence(path: Path | str, ends: Sequence[tuple[str, str]] = ()) -> Imported:
    """A SeQUeNCe network (routers joined by `qconnections`); its times are picoseconds, lengths metres."""
    with _importing(path, "SeQUeNCe"):
        return _from_sequence(parse_json(_text(path)), ends)


def _from_sequence(data: Mapping[str, Any], ends: Sequence[tuple[str, str]]) -> Imported:
    routers = [n for n in data["nodes"] if n.get("type", "QuantumRouter") == "QuantumRouter"]
    joined = data["qconnections"]
    notes: list[str] = []
    templates = data.get("templates", {})
    nodes, memories = [], {}
    for router in routers:
        memory = _memory(templates, router)
        memories[router["name"]] = memory
        nodes.append(
            NodeSpec(_name(router["name"]), _sequence_hardware(memory, int(router.get("memo_size", 1))))
        )
        if router.get("memo_size") is None:
            notes.append(f"node {router['name']}: no memo_size, one qubit is assumed")
    delays = {
        frozenset((c["node1"], c["node2"])): round(c["delay"] / 1000)
        for c in data.get("cconnections", [])
        if "delay" in c
    }
    links = [_sequence_link(one, memories, delays, notes) for one in joined]
    known = {node.name for node in nodes}
    links = [link for link in links if {link.a, link.b} <= known]
    return Imported(Topology(tuple(nodes), tuple(links), circuits=_circuits(nodes, ends)), tuple(notes))


def _memory(templates: Mapping[str, Any], router: Mapping[str, Any]) -> dict[str, Any]:
    template = templates.get(router.get("template", ""), {})
    return dict(template.get("MemoryArray", {}))


def _sequence_hardware(memory: Mapping[str, Any], size: int) -> HardwareSpec:
    coherence = float(memory.get("coherence_time", -1))  # seconds; negative for perfect
    return HardwareSpec(t2_ns=round(coherence * 1e9) if coherence > 0 else 0, qubits=max(2, size))


def _sequence_link(
    one: Mapping[str, Any],
    memories: Mapping[str, Mapping[str, Any]],
    delays: Mapping[frozenset[str], int],
    notes: list[str],
) -> LinkSpec:
    """A meet-in-the-middle link: a photon from each end, and a Bell measurement that sees half."""
    a, b = one["node1"], one["node2"]
    length = float(one.get("distance", 0.0))
    half = 10 ** (-float(one.get("attenuation", 0.0)) * length / 2 / 10)  # attenuation in dB/m
    efficiency = float(memories.get(a, {}).get("efficiency", 1.0)) * float(
        memories.get(b, {}).get("efficiency", 1.0)
    )
    fidelity = min(float(memories.get(n, {}).get("fidelity", 0.85)) for n in (a, b))
    if one.get("type", "meet_in_the_middle") != "meet_in_the_middle":
        notes.append(f"link {a}-{b}: type {one['type']} is taken as meet_in_the_middle")
    light = round(length / LIGHT_M_PER_S * 1e9)
    frequency = min(float(memories.get(n, {}).get("frequency", 8e7)) for n in (a, b))
    attempt = max(1, light, round(1e9 / frequency))
    delay = delays.get(frozenset((a, b)), light)
    p = 0.5 * efficiency * half * half
    notes.append(f"link {a}-{b}: success {p:.4g} per attempt from memories and fibre, ideal detectors")
    return LinkSpec(a, b, length, "heralded", 1.0, attempt, p, min(fidelity, 1.0), 0.0, delay)


# ------------------------------------------------------------------ SquidASM


def import_squidasm(path: Path | str, ends: Sequence[tuple[str, str]] = ()) -> Imported:
    """A SquidASM network (`stacks`, `links`, `clinks`); its times are nanoseconds."""
    with _importing(path, "SquidASM"):
        return _from_squidasm(read_yaml(Path(path), aliases=True), ends)


def _from_squidasm(data: Mapping[str, Any], ends: Sequence[tuple[str, str]]) -> Imported:
    stacks, joined = data["stacks"], data["links"]
    notes: list[str] = []
    nodes = tuple(NodeSpec(_name(s["name"]), _squid_hardware(s, notes)) for s in stacks)
    delays = {
        frozenset((c["stack1"], c["stack2"])): round(float((c.get("cfg") or {}).get("delay", 0)))
        for c in data.get("clinks", [])
    }
    links = tuple(_squid_link(one, delays, notes) for one in joined)
    return Imported(Topology(nodes, links, circuits=_circuits(nodes, ends)), tuple(notes))


def _squid_hardware(stack: Mapping[str, Any], notes: list[str]) -> HardwareSpec:
    cfg = stack.get("qdevice_cfg") or {}
    name = stack["name"]
    t1 = float(cfg.get("T1", 0) or 0)
    if t1:
        notes.append(f"node {name}: T1 is left out (amplitude damping is not Bell-diagonal); T2 is used")
    if stack.get("qdevice_typ", "generic") != "generic":
        notes.append(f"node {name}: {stack['qdevice_typ']} is taken as a generic device")
    swap = float(cfg.get("two_qubit_gate_time", 0) or 0) + float(cfg.get("measure_time", 0) or 0)
    return HardwareSpec(
        t2_ns=round(float(cfg.get("T2", 0) or 0)),
        gate_error=float(cfg.get("two_qubit_gate_depolar_prob", 0) or 0),
        swap_ns=round(swap),
        qubits=max(2, int(cfg.get("num_comm_qubits", cfg.get("num_qubits", 2)))),
    )


def _squid_link(one: Mapping[str, Any], delays: Mapping[frozenset[str], int], notes: list[str]) -> LinkSpec:
    a, b, kind = one["stack1"], one["stack2"], one.get("typ", "perfect")
    cfg = one.get("cfg") or {}
    delay = delays.get(frozenset((a, b)), 0)
    if kind == "perfect":
        cycle = max(1, round(float(cfg.get("state_delay", 1000))))
        return LinkSpec(a, b, 0.0, "heralded", 1.0, cycle, 1.0, 1.0, 0.0, delay)
    if kind in ("depolarise", "depolarising"):
        cycle = max(1, round(float(cfg.get("t_cycle", cfg.get("state_delay", 1000)))))
        chance = float(cfg.get("prob_success", 1.0))
        return LinkSpec(a, b, 0.0, "heralded", 1.0, cycle, chance, float(cfg["fidelity"]), 0.0, delay)
    if kind == "heralded":
        length = float(cfg.get("length", 0.0)) * 1000
        loss = float(cfg.get("p_loss_length", 0.2))
        first = 1 - float(cfg.get("p_loss_init", 0.0))
        arm = first * 10 ** (-loss * length / 2000 / 10) * float(cfg.get("detector_efficiency", 1.0))
        light = round(length / (float(cfg.get("speed_of_light", 2e5)) * 1000) * 1e9)
        visibility = float(cfg.get("visibility", 1.0))
        notes.append(f"link {a}-{b}: double-click heralding, dark counts left out")
        fidelity = (1 + visibility) / 2
        return LinkSpec(
            a, b, length, "heralded", 1.0, max(1, light), 0.5 * arm * arm, fidelity, 1.0, delay or light
        )
    raise ValueError(f"links of type {kind!r} are not known")
