"""The life of one delivered pair, read from a trace: its link pairs, swaps, TRACKs, deliveries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from qcrs.qnp.control import CircuitPlan
from qcrs.qnp.drivers.records import Delivery
from qcrs.qnp.network.frames import TRACK, decode

__all__ = ["Timeline", "timeline"]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Times in ns. Positions are those on the path, 0 at the head.

    `heralds`: (link, time); `swaps`: (position, time, outcome); `tracks`: (from, to, left, arrived);
    `delivered`: time at head and tail.
    """

    path: tuple[int, ...]
    heralds: tuple[tuple[int, int], ...]
    swaps: tuple[tuple[int, int, int], ...]
    tracks: tuple[tuple[int, int, int, int], ...]
    delivered: tuple[int, int]


def timeline(lines: Iterable[str], plan: CircuitPlan, pair: Delivery) -> Timeline | None:
    """The timeline of a pair, or None where the trace does not hold all of it."""
    position = {node: i for i, node in enumerate(plan.path)}
    heralds: dict[tuple[int, int], int] = {}
    swaps: dict[tuple[int, int], tuple[int, int, int]] = {}
    frames: list[tuple[int, int, int, int, int]] = []
    for text in lines:
        given = text.split(" > ", 1)[0].split(" ")
        if int(given[3]) != plan.number or int(given[2]) not in position:
            continue
        now, place, rule = int(given[1]), position[int(given[2])], given[4]
        if rule == "pair":
            link = place - 1 + int(given[5])
            heralds.setdefault((link, int(given[6])), now)
        elif rule == "swap":
            swaps[place, int(given[5])] = (now, int(given[7]), int(given[9]))
        elif rule == "frame":
            frame = decode(bytes.fromhex(given[6]))
            if frame[0] == TRACK:
                frames.append((now, place, int(given[5]), frame[4], frame[5]))
    sequence, found_swaps, found_heralds = pair.sequence[0], [], []
    for place in range(1, len(plan.path)):
        if (place - 1, sequence) not in heralds:
            return None
        found_heralds.append((place - 1, heralds[place - 1, sequence]))
        if place < len(plan.path) - 1:
            if (place, sequence) not in swaps:
                return None
            now, sequence, outcome = swaps[place, sequence]
            found_swaps.append((place, now, outcome))
    if sequence != pair.sequence[1]:
        return None
    tracks, delivered = [], [0, 0]
    for side, origin in ((0, pair.sequence[0]), (1, pair.sequence[1])):
        left = found_heralds[0 if side == 0 else -1][1]
        for now, place, from_side, of, _ in frames:
            if from_side == side and of == origin:
                source = place - 1 if side == 0 else place + 1
                tracks.append((source, place, left, now))
                swapped = next((t for p, t, _ in found_swaps if p == place), now)
                left = max(now, swapped)
                delivered[1 - side] = now
    return Timeline(
        plan.path, tuple(found_heralds), tuple(found_swaps), tuple(tracks), (delivered[0], delivered[1])
    )
