"""Key distribution on a network: blocks of measured pairs, and both ends' rules over its classical channels.

The next block is measured while the last one is made into key. Runs on every driver whose time is simulated:
the event heap, and processes over TCP in logical time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qcrs.errors import InputError
from qcrs.qnp.apps.keys import KeyHead, KeyResult, KeySettings, KeyTail, NoKey
from qcrs.qnp.apps.line import Line, Signer, Verifier
from qcrs.qnp.apps.sifting import Records
from qcrs.qnp.drivers.apps.post import Post
from qcrs.qnp.drivers.heap import Network
from qcrs.qnp.drivers.records import Delivery, RequestLog
from qcrs.qnp.network.actions import Status
from qcrs.qnp.network.frames import MEASURE

__all__ = ["KeyBlock", "KeyRun", "simulated_coins"]

SECOND = 1_000_000_000
Row = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class KeyBlock:
    """One block: when its first pair was asked for and when both ends had ended, and how."""

    number: int
    started_ns: int
    measured_ns: int
    finished_ns: int
    messages: int
    head: KeyResult
    tail: KeyResult
    network_reason: str = ""

    @property
    def length(self) -> int:
        """Bits of key."""
        return self.tail.length

    @property
    def reason(self) -> str:
        """Why there is none."""
        return self.network_reason or self.tail.reason.words or self.head.reason.words

    def as_dict(self) -> dict[str, Any]:
        """For scripts; the key itself is not in it."""
        one = self.tail
        return {
            "block": self.number,
            "pairs": one.pairs,
            "sifted": one.sifted,
            "sample": one.sample,
            "errors": one.errors,
            "qber": one.qber,
            "corrected": one.corrected,
            "leaked": one.leaked,
            "efficiency": one.efficiency,
            "chsh": None if one.chsh is None else [one.chsh.value, one.chsh.error],
            "key_bits": self.length,
            "reason": self.reason,
            "messages": self.messages,
            "started_s": self.started_ns / SECOND,
            "finished_s": self.finished_ns / SECOND,
        }


def simulated_coins(seed: int, purpose: str) -> Callable[[int], bytes]:
    """Random bytes of a simulation, the same for the same seed. A real end takes `os.urandom`."""
    drawn = 0

    def coins(count: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return hashlib.shake_256(f"qcrs/qnp/coins/{seed}/{purpose}/{drawn}".encode()).digest(count)

    return coins


class _Block:
    """A block in the making."""

    def __init__(self, number: int, request: int, now: int) -> None:
        self.number = number
        self.request = request
        self.started = now
        self.measured = -1
        self.messages = 0
        self.rows: tuple[list[Row], list[Row]] = ([], [])
        self.ends: tuple[KeyHead, KeyTail] | None = None
        self.over = False


class KeyRun:
    """`blocks` blocks of `pairs` measured pairs on a circuit. Signers and verifiers are (head's, tail's).

    `run` serves the network until all are done. `tap` stands in the line: it is given each message, and who
    sent it (0 head, 1 tail), and returns those that go on.
    """

    def __init__(
        self,
        network: Network,
        circuit: str,
        settings: KeySettings,
        *,
        pairs: int,
        signers: tuple[Signer, Signer],
        verifiers: tuple[Verifier, Verifier],
        blocks: int = 1,
        coins: Callable[[int], bytes] | None = None,
        post: Post | None = None,
        tap: Callable[[int, bytes], list[bytes]] | None = None,
        progress: Callable[[KeyBlock], None] | None = None,
    ) -> None:
        if pairs < 1 or blocks < 1:
            raise InputError("a key comes from blocks of pairs", field="pairs, blocks", value=(pairs, blocks))
        self.network = network
        self.circuit = circuit
        self.settings = settings
        self.blocks: list[KeyBlock] = []
        self._pairs = pairs
        self._wanted = blocks
        self._signers, self._verifiers = signers, verifiers
        self._coins = coins or simulated_coins(network.seed, circuit)
        self._post = post or Post(network)
        self._tap = tap or (lambda _end, data: [data])
        self._progress = progress
        self._open: dict[int, _Block] = {}
        self._before = network.on_delivery, network.on_status
        network.on_delivery, network.on_status = self._delivered, self._told
        self.measured = 0
        self._started = 0
        self._begin(network.now)

    def run(self, tick: Callable[[int], None] | None = None) -> list[KeyBlock]:
        """Serve the network until all blocks ended; they are in order. `tick` is told of pairs measured."""
        while len(self.blocks) < self._wanted and self.network.run(max_events=20_000):
            if tick is not None:
                tick(self.measured)
        self.network.on_delivery, self.network.on_status = self._before
        self.blocks.sort(key=lambda block: block.number)
        return self.blocks

    # ------------------------------------------------------------------ pairs

    def _begin(self, now: int) -> None:
        scheme = self.settings.scheme
        request = self.network.request(
            self.circuit,
            form=MEASURE,
            number=self._pairs,
            head_basis=scheme.head_basis,
            tail_basis=scheme.tail_basis,
        )
        self._open[request] = _Block(self._started, request, now)
        self._started += 1

    def _delivered(self, pair: Delivery) -> None:
        if self._before[0] is not None:
            self._before[0](pair)
        block = self._open.get(pair.request)
        if block is None:
            return
        self.measured += 1
        for rows, outcome in zip(block.rows, (pair.head_outcome, pair.tail_outcome), strict=True):
            rows.append((*pair.sequence, outcome >> 1, outcome & 1, pair.bell))
        if len(block.rows[0]) == self._pairs:
            block.measured = pair.time_ns
            self.network.call_at(pair.time_ns, lambda now: self._exchange(now, block))
            if self._started < self._wanted:
                self.network.call_at(pair.time_ns, self._begin)

    def _told(self, log: RequestLog) -> None:
        if self._before[1] is not None:
            self._before[1](log)
        block = self._open.get(log.request)
        if block is not None and log.status in (Status.REFUSED, Status.ABORTED):
            self._end(self.network.now, block, log.reason.words)
            if self._started < self._wanted:  # the circuit opens again; the request waits for that
                self._retry(log)

    def _retry(self, log: RequestLog) -> None:
        if log.status is Status.REFUSED:
            self._wanted = self._started
        else:
            later = self.network.now + 4 * self.network.topology.control.keepalive_ns + SECOND // 100
            self.network.call_at(later, self._begin)

    # ------------------------------------------------------------------ messages

    def _exchange(self, now: int, block: _Block) -> None:
        """Both ends have measured: let their rules speak."""
        plan = self.network.plans[self.network.circuit(self.circuit)]
        session = f"qcrs/qnp/keys/{self.network.topology.name}/{self.circuit}/{block.request}".encode()
        lines = [Line(session, end, self._signers[end], self._verifiers[1 - end]) for end in (0, 1)]
        head = KeyHead(Records.of(block.rows[0]), self.settings, lines[0], self._coins)
        tail = KeyTail(Records.of(block.rows[1]), self.settings, lines[1])
        block.ends = (head, tail)
        nodes = (plan.path[0], plan.path[-1])
        self._send(now, block, nodes, 1, tail.start())

    def _send(self, now: int, block: _Block, nodes: tuple[int, int], end: int, messages: list[bytes]) -> None:
        for message in messages:
            block.messages += 1
            for data in self._tap(end, message):
                self._post.send(
                    now,
                    nodes[end],
                    nodes[1 - end],
                    lambda t, d=data: self._receive(t, block, nodes, 1 - end, d),  # type: ignore[misc]
                    lambda t: self._line_lost(t, block),
                )
        self._settle(now, block)

    def _receive(self, now: int, block: _Block, nodes: tuple[int, int], end: int, data: bytes) -> None:
        if block.ends is not None and not block.over:
            self._send(now, block, nodes, end, block.ends[end].receive(data))

    def _line_lost(self, now: int, block: _Block) -> None:
        if block.ends is not None:
            for end in block.ends:
                end.abort(NoKey.LINE_LOST)
            self._settle(now, block)

    def _settle(self, now: int, block: _Block) -> None:
        if block.ends is not None and all(end.ended for end in block.ends):
            self._end(now, block, "")

    def _end(self, now: int, block: _Block, reason: str) -> None:
        if block.over:
            return
        block.over = True
        self._open.pop(block.request, None)
        nothing = KeyResult(None, NoKey.NONE, len(block.rows[0]))
        head, tail = (nothing, nothing) if block.ends is None else (e.result() for e in block.ends)
        done = KeyBlock(block.number, block.started, block.measured, now, block.messages, head, tail, reason)
        self.blocks.append(done)
        if self._progress is not None:
            self._progress(done)
