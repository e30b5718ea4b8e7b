"""Barriers on a network: parties at its nodes, messages over its links, in its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qcrs.errors import ConfigError
from qcrs.qnp.apps.barrier import Action, Coordinator, Ended, Member, Say, Timer
from qcrs.qnp.drivers.apps.post import Post
from qcrs.qnp.drivers.heap import Network
from qcrs.qnp.drivers.records import Delivery

__all__ = ["BarrierResult", "BarrierRun"]

MS = 1_000_000


@dataclass(frozen=True, slots=True)
class BarrierResult:
    """How it ended at each node (time in ns, whether it passed), and whom the coordinator missed."""

    coordinator: str
    passed: bool
    all_ready: bool
    missing: tuple[str, ...]
    ready_ns: Mapping[str, int]
    ended: Mapping[str, tuple[int, bool]]
    messages: int

    @property
    def reason(self) -> str:
        """Why it was aborted."""
        if self.passed:
            return ""
        what = "not heard after all were ready" if self.all_ready else "not ready in time"
        return f"{what}: {', '.join(self.missing)}"

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "coordinator": self.coordinator,
            "passed": self.passed,
            "missing": list(self.missing),
            "reason": self.reason,
            "ready_s": {name: at / 1e9 for name, at in self.ready_ns.items()},
            "ended": {
                name: {"seconds": at / 1e9, "passed": passed} for name, (at, passed) in self.ended.items()
            },
            "messages": self.messages,
        }


class BarrierRun:
    """A barrier of a coordinator and members. `ready_at` gives when each is ready, in ns from now on.

    Without it a member is ready when it shares `pairs` pairs with the coordinator, and the coordinator when
    all its requests are done or the members' pairs came; the pairs are held until the barrier is over.
    """

    def __init__(
        self,
        network: Network,
        coordinator: str,
        members: Sequence[str],
        *,
        deadline_ns: int,
        grace_ns: int = 20 * MS,
        again_ns: int = 2 * MS,
        ready_at: Mapping[str, int] | None = None,
        pairs: int = 1,
        fidelity: float = 0.5,
        session: int = 1,
        post: Post | None = None,
    ) -> None:
        if not members or coordinator in members or len(set(members)) != len(members):
            raise ConfigError(
                "a barrier has a coordinator and other nodes, each once", field="members", value=list(members)
            )
        self.network = network
        self._post = post or Post(network)
        self._me = network.topology.index(coordinator)
        nodes = [network.topology.index(m) for m in members]
        end = network.now + deadline_ns
        head = Coordinator(self._me, nodes, session, end, grace_ns, again_ns)
        self._head = head
        self._parties: dict[int, Coordinator | Member] = {self._me: head}
        for node in nodes:
            self._parties[node] = Member(node, self._me, session, end, grace_ns, again_ns)
        self._ready: dict[int, int] = {}
        self._ended: dict[int, tuple[int, bool]] = {}
        self._missing: tuple[int, ...] = ()
        self._messages = 0
        self._held: list[int] = []
        self._requests: dict[int, tuple[int, int]] = {}
        self._before = network.on_delivery
        for node, party in self._parties.items():
            self._act(network.now, node, party.start(network.now))
        if ready_at is None:
            self._by_pairs(coordinator, members, pairs, fidelity)
        else:
            for name, at in ready_at.items():
                node = network.topology.index(name)
                network.call_at(network.now + at, lambda t, n=node: self._is_ready(t, n))  # type: ignore[misc]

    def _by_pairs(self, coordinator: str, members: Sequence[str], pairs: int, fidelity: float) -> None:
        network = self.network
        network.on_delivery = self._delivered
        for name in members:
            request = network.request(network.connect(coordinator, name, fidelity), number=pairs)
            self._requests[request] = (network.topology.index(name), pairs)
        self._is_ready(network.now, self._me)

    def run(self) -> BarrierResult:
        """Serve the network until it is over at all nodes that are up."""
        while len(self._ended) < len(self._parties) and self.network.run(max_events=20_000):
            pass
        network = self.network
        ways = [self._post.delay_ns(self._me, node) for node in self._parties if node != self._me]
        network.run(network.now + max(ways))  # who passed may still hear that the barrier was aborted
        network.on_delivery = self._before
        for handle in self._held:
            network.release(handle)
        for request in self._requests:
            if network.requests[request].finished_ns < 0:
                network.cancel(request)
        names = network.topology.nodes
        return BarrierResult(
            names[self._me].name,
            self._ended.get(self._me, (0, False))[1],
            self._head.all_ready,
            tuple(names[n].name for n in self._missing),
            {names[n].name: at for n, at in sorted(self._ready.items())},
            {names[n].name: end for n, end in sorted(self._ended.items())},
            self._messages,
        )

    # ------------------------------------------------------------------ events

    def _delivered(self, pair: Delivery) -> None:
        if self._before is not None:
            self._before(pair)
        if pair.request not in self._requests:
            return
        node, left = self._requests[pair.request]
        self._requests[pair.request] = (node, left - 1)
        self.network.hold(pair.head, pair.tail)
        self._held += [pair.head, pair.tail]
        if left == 1:
            self._is_ready(self.network.now, node)

    def _is_ready(self, now: int, node: int) -> None:
        if not self.network.is_down(node) and node not in self._ended:
            self._ready.setdefault(node, now)
            self._act(now, node, self._parties[node].on_ready(now))

    def _act(self, now: int, node: int, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Say):
                self._messages += 1
                self._post.cast(
                    now,
                    node,
                    action.to,
                    lambda t, a=action: self._heard(t, a.to, a.data),  # type: ignore[misc]
                )
            elif isinstance(action, Timer):
                self.network.call_at(action.at_ns, lambda t: self._timer(t, node))
            else:
                self._over(now, node, action)

    def _heard(self, now: int, node: int, data: bytes) -> None:
        if not self.network.is_down(node):
            self._act(now, node, self._parties[node].on_message(now, data))

    def _timer(self, now: int, node: int) -> None:
        if not self.network.is_down(node):
            self._act(now, node, self._parties[node].on_timer(now))
        elif not self._parties[node].ended:  # it lost all it knew: for others it is missing
            self._ended.setdefault(node, (now, False))

    def _over(self, now: int, node: int, action: Ended) -> None:
        self._ended[node] = (now, action.passed)
        if node == self._me:
            self._missing = action.missing
