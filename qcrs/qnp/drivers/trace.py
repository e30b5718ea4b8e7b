"""A trace: one line of text for every call of a rule, the same whichever driver made the call.

``number time node circuit rule arguments > actions``, with frames as hexadecimal digits of their bytes.
Two runs are the same if these bytes are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from qcrs.qnp.network.actions import ACTION_NAMES, SEND, Action, EndRequest
from qcrs.qnp.network.frames import Frame, encode

__all__ = ["RULES", "Trace", "line"]

RULES = ("on_request", "on_cancel", "on_pair", "on_swap", "on_purified", "on_frame", "on_timer", "on_lost")


def _word(value: Any) -> str:
    if isinstance(value, tuple):
        return encode(value).hex()
    if isinstance(value, EndRequest):
        fields = (getattr(value, name) for name in value.__slots__)
        return ",".join(str(int(field)) for field in fields)
    return str(int(value))


def _action(action: Action) -> str:
    words = [ACTION_NAMES[action[0]], *map(_word, action[1:])]
    return " ".join(words)


def line(
    number: int, now: int, node: int, circuit: int, rule: str, arguments: Iterable[Any], actions: list[Action]
) -> str:
    """The line of one call."""
    given = " ".join(map(_word, arguments))
    return f"{number} {now} {node} {circuit} {rule[3:]} {given} > {'; '.join(map(_action, actions))}"


class Trace:
    """Collects lines, at most `limit`; `watch` wraps the rules of a port."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.lines: list[str] = []
        self.calls = 0

    def watch(self, port: Any) -> None:
        """Record every call of this port's rules."""
        for name in RULES:
            rule = getattr(port, name, None)
            if rule is not None:
                setattr(port, name, self._recorded(port, name, rule))

    def _recorded(
        self, port: Any, name: str, rule: Callable[..., list[Action]]
    ) -> Callable[..., list[Action]]:
        def call(now: int, *arguments: Any) -> list[Action]:
            actions = rule(now, *arguments)
            self.calls += 1
            if self.limit is None or self.calls <= self.limit:
                self.lines.append(line(self.calls, now, port.node, port.circuit, name, arguments, actions))
            return actions

        return call

    def text(self) -> str:
        """All lines."""
        return "".join(f"{one}\n" for one in self.lines)

    def digest(self) -> str:
        """sha2-256 of the text."""
        return hashlib.sha256(self.text().encode()).hexdigest()


def frames_of(actions: Iterable[Action]) -> list[tuple[int, Frame]]:
    """Side and frame of every SEND."""
    return [(action[1], action[2]) for action in actions if action[0] == SEND]
