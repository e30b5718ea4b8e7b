"""What a local network consists of: its oracles, its processors, its accounts and its money.

A network keeps its plan in its folder, so that it is started again as what it was.
Amounts are in the credit token's base units (six decimals: 1,000,000 units are one credit).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from qcrs.errors import ConfigError
from qcrs.types import CREDIT, parse_json

__all__ = ["MEMBERS", "UNION", "NodePlan", "Plan", "demo_plan", "local_plan", "union_of"]

BODIES = ("allocation", "certification", "security", "standards", "dispute")
"""The five councils; heavy modules below know them as `qcrs.chain.handover.COUNCILS`, and a test compares."""
MOST_ORACLES = 64
MEMBERS = ("alice", "bob")
UNION = "together"
"""The demonstration's union of two processors, and who they are."""


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One processor: its name (also its provider's account), its device, the quality it claims."""

    name: str
    backend: str
    claimed_quality: int
    bond: int = 20 * CREDIT
    """Twice the least one, so that one slash does not stop it."""
    parallel: int = 2
    """Jobs side by side."""
    later: bool = False
    """Not started with the network, but by whoever needs it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole local network.

    `suite` is the capability suite that the oracles run (`quick` or `full`); `grace_s` how long after its
    declared time a processor may commit; `handover_s` how long oracles wait for a committed result;
    `verdict_s` how long a commitment waits for 2f + 1 equal signatures before its job goes elsewhere.
    """

    nodes: tuple[NodePlan, ...]
    oracles: int = 4
    clients: tuple[str, ...] = ("client",)
    suite: str = "quick"
    grace_s: int = 10
    handover_s: int = 20
    verdict_s: int = 300
    beacon_blocks: int = 2
    purse: int = field(default=100_000 * CREDIT)
    """What each account gets."""
    post_quantum: bool = False
    """Whether the nodes' accounts get identities; making a key takes a node a second at its first start."""

    @property
    def oracle_names(self) -> tuple[str, ...]:
        """Account and process names of the oracles."""
        return tuple(f"oracle-{i}" for i in range(self.oracles))

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(self), indent=1) + "\n")
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Plan | None:
        """The plan that was saved, None where there is none; `ConfigError` where it is not a plan."""
        declared = {"int": int, "str": str, "bool": bool, "tuple[str, ...]": tuple}
        try:
            raw = parse_json(path.read_text())
            unknown = set(raw) - {f.name for f in fields(cls)}
            if unknown:
                raise ValueError(f"unknown key {sorted(unknown)[0][:80]}")
            nodes = tuple(NodePlan(**node) for node in raw.pop("nodes"))
            found = cls(nodes=nodes, clients=tuple(raw.pop("clients")), **raw)
            parts: tuple[Plan | NodePlan, ...] = (found, *nodes)
            for part in parts:
                for one in fields(part):
                    kind = declared.get(str(one.type))
                    if kind is not None and type(getattr(part, one.name)) is not kind:
                        raise TypeError(f"{one.name} has to be of type {one.type}")
            if not all(isinstance(name, str) for name in found.clients):
                raise TypeError("clients are names")
            if not 1 <= found.oracles <= MOST_ORACLES or not nodes:
                raise ValueError(f"a network has a processor and 1 to {MOST_ORACLES} oracles")
            return found
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigError(
                f"the network's plan cannot be read: {error}",
                field="file",
                value=str(path),
                solution="undo the last change of the file, or start a network in another --home",
            ) from error


def local_plan() -> Plan:
    """What `qcrs up` starts: three noisy simulators of different quality and size."""
    return Plan(
        nodes=(
            NodePlan("alice", "aer:noisy-a?qubits=20&coupling=grid", 2400),
            NodePlan("bob", "aer:noisy-b?qubits=10", 1500),
            NodePlan("carol", "fake:FakeNairobiV2", 1300),
        )
    )


def union_of(members: str) -> str:
    """A device of these members, over the network between two processors of the demonstration."""
    pair = Path(__file__).resolve().parents[2] / "examples" / "qnp" / "pair.yaml"
    return f"together:{pair}?members={members}"


def demo_plan() -> Plan:
    """What `qcrs demo` starts: honest processors of three kinds, a cheat, one that will be killed, and one
    that is two others together."""
    return Plan(
        nodes=(
            NodePlan("alice", "aer:noisy-a?qubits=20&coupling=grid", 2400),
            NodePlan("bob", "aer:noisy-b?qubits=10", 1500),
            NodePlan("carol", "fake:FakeNairobiV2", 1300),
            NodePlan("mallory", "qcrs.attackers:attack?kind=test_aware&qubits=14", 2400),
            NodePlan("dave", "aer:noisy-a?qubits=14", 2400),
            NodePlan(UNION, union_of(f"{MEMBERS[0]}:3,{MEMBERS[1]}:3:2"), 1300, parallel=1, later=True),
        ),
        grace_s=4,
        handover_s=10,
    )
