"""A port: one circuit at one node, with its rules, its neighbours and its links.

Drivers call the rules and carry out what they return. Where a node is a process of its own, its port has
calls to that process in place of rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qcrs.qnp.network import Head, Repeater
from qcrs.qnp.network.actions import Action, RoutingEntry

if TYPE_CHECKING:
    from qcrs.qnp.network import State

__all__ = ["Port"]


class Port:
    """One circuit at one node. `links` are (link, which end of it) towards the head and towards the tail."""

    __slots__ = (
        "circuit",
        "delivered",
        "index",
        "is_head",
        "left",
        "left_delay_ns",
        "links",
        "node",
        "on_cancel",
        "on_frame",
        "on_lost",
        "on_pair",
        "on_purified",
        "on_request",
        "on_swap",
        "on_timer",
        "right",
        "right_delay_ns",
        "state",
        "swap_ns",
    )

    def __init__(self, index: int, entry: RoutingEntry, node: int) -> None:
        self.index = index
        self.circuit = entry.circuit
        self.node = node
        self.is_head = entry.previous is None
        self.swap_ns = entry.swap_ns
        self.left: Port | None = None
        self.right: Port | None = None
        self.left_delay_ns = self.right_delay_ns = 0
        self.links: list[tuple[int, int] | None] = [None, None]
        self.state: Any = None
        self.delivered: list[tuple[int, int]] | None = None
        self.on_pair: Callable[..., list[Action]]
        self.on_swap: Callable[..., list[Action]]
        self.on_frame: Callable[..., list[Action]]
        self.on_timer: Callable[..., list[Action]]
        self.on_lost: Callable[..., list[Action]]
        self.on_purified: Callable[..., list[Action]]
        self.on_request: Callable[..., list[Action]]
        self.on_cancel: Callable[..., list[Action]]

    @property
    def neighbours(self) -> tuple[Port | None, Port | None]:
        """The same circuit at the nodes before and after."""
        return self.left, self.right

    def follow(self, state: State) -> None:
        """From now on the rules are those of this state."""
        self.state = state
        self.on_pair = state.on_pair
        self.on_frame = state.on_frame
        self.on_timer = state.on_timer
        self.on_lost = state.on_lost
        if isinstance(state, Repeater):
            self.on_swap = state.on_swap
        else:
            self.on_purified = state.on_purified
        if isinstance(state, Head):
            self.on_request = state.on_request
            self.on_cancel = state.on_cancel

    def lead_to(self, right: Port, link: int, end: int, delay_ns: int) -> None:
        """The circuit goes on at `right`, over a link whose end `end` is here."""
        self.right, right.left = right, self
        self.right_delay_ns = right.left_delay_ns = delay_ns
        self.links[1], right.links[0] = (link, end), (link, 1 - end)
