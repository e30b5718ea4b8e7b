"""Where to draw the qubits of a processor: positions from its coupling graph alone.

Rings and lines have natural places (a long line is folded like a snake); any other graph is laid out so that
distances on paper follow distances on the graph: classical scaling, then a few rounds of stress majorisation
(Gansner, Koren and North, "Graph drawing by stress majorization", 2004). Nothing is random.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["positions"]

_ROUNDS = 60
_ROW = 20
"""Longest line that is drawn in one row."""

Points = npt.NDArray[np.float64]


def positions(qubits: int, edges: Sequence[tuple[int, int]] | None) -> Points:
    """x and y of every qubit, neighbours about one unit apart; None for edges couples all pairs."""
    if edges is None or qubits < 3:
        angle = 2 * np.pi * np.arange(qubits) / max(1, qubits)
        radius = 0.5 / math.sin(math.pi / qubits) if qubits > 2 else 0.5
        return radius * np.column_stack([np.cos(angle), np.sin(angle)])
    near: list[list[int]] = [[] for _ in range(qubits)]
    for a, b in edges:
        near[a].append(b)
        near[b].append(a)
    line = _as_line(near)
    if line is not None:
        return _snake(line)
    return _turned(_stress(_distances(near)), edges)


def _as_line(near: Sequence[Sequence[int]]) -> list[int] | None:
    """The qubits from end to end if the graph is a path."""
    ends = [q for q, others in enumerate(near) if len(others) == 1]
    if len(ends) != 2 or any(len(others) != 2 for q, others in enumerate(near) if q not in ends):
        return None
    line, last = [ends[0]], -1
    while len(line) < len(near):
        step = [q for q in near[line[-1]] if q != last]
        if not step:
            return None  # a path beside rings
        last = line[-1]
        line.append(step[0])
    return line


def _snake(line: Sequence[int]) -> Points:
    found = np.zeros((len(line), 2))
    row = _ROW if len(line) <= 10 * _ROW else math.ceil(math.sqrt(2 * len(line)))
    for place, qubit in enumerate(line):
        y, x = divmod(place, row)
        found[qubit] = (x if y % 2 == 0 else row - 1 - x, y)
    return found


def _distances(near: Sequence[Sequence[int]]) -> Points:
    """Steps between all qubits; parts that are not connected are a little farther than any others."""
    n = len(near)
    found = np.full((n, n), -1.0)
    for source in range(n):
        found[source, source] = 0
        waiting = deque([source])
        while waiting:
            qubit = waiting.popleft()
            for other in near[qubit]:
                if found[source, other] < 0:
                    found[source, other] = found[source, qubit] + 1
                    waiting.append(other)
    found[found < 0] = found.max() / 2 + 1
    return found


def _stress(distances: Points) -> Points:
    n = len(distances)
    centred = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-centred @ (distances**2) @ centred / 2)
    points = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 1e-9))
    # Equal places would never part; a fixed spiral of small steps parts them.
    turn = 2.399963 * np.arange(n)
    points = points + 1e-3 * np.column_stack([np.cos(turn), np.sin(turn)])
    weights = 1 / np.maximum(distances, 1) ** 2
    np.fill_diagonal(weights, 0)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    inverse = np.linalg.pinv(laplacian)
    for _ in range(_ROUNDS):
        gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
        ratio = np.divide(weights * distances, gaps, out=np.zeros_like(gaps), where=gaps > 1e-9)
        points = inverse @ (np.diag(ratio.sum(axis=1)) - ratio) @ points
    return np.asarray(points - points.mean(axis=0))


def _turned(points: Points, edges: Sequence[tuple[int, int]]) -> Points:
    """The same picture, wider than high, with its edges along the axes where they have such directions."""
    steps = np.array([points[b] - points[a] for a, b in edges] or [[1.0, 0.0]])
    fourfold = np.mean(np.exp(4j * np.arctan2(steps[:, 1], steps[:, 0])))
    _, axes = np.linalg.eigh(points.T @ points)
    if abs(fourfold) > 0.2:
        angle = np.angle(fourfold) / 4
        axes = np.array([[-np.sin(angle), np.cos(angle)], [np.cos(angle), np.sin(angle)]])
    turned = points @ axes
    if np.ptp(turned[:, 0]) < np.ptp(turned[:, 1]):
        turned = turned[:, ::-1]
    signs = np.sign(turned[np.abs(turned).argmax(axis=0), [0, 1]])
    return np.asarray(turned * np.where(signs == 0, 1, signs))
