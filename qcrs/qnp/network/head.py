"""Rules of the head end: police and shape requests, choose whose turn it is, say when it is enough.

*Police*: a request whose rate is above the circuit's maximum end-to-end rate is refused. *Shape*: one that
fits by itself but not beside those already served waits until they are done. *Aggregate*: requests of one
circuit share its pairs in turns of `slice_pairs`, with turns of test rounds in between; every change of
turn is an epoch. A request that is purified takes two pairs for one; a pair that finds no second one
for a horizon is given up, and the link left to others for a while, so that two requests which share
a memory of two cannot hold each other up.
"""

from __future__ import annotations

from collections import deque

from qcrs.qnp.network.actions import (
    FREE,
    SEND,
    SET_TIMER,
    STATUS,
    Action,
    EndRequest,
    Reason,
    RoutingEntry,
    Status,
)
from qcrs.qnp.network.end import End
from qcrs.qnp.network.frames import COMPLETE, EXPIRE, FORWARD, MEASURE, NO_STATE, Frame
from qcrs.qnp.network.repeater import CLOSING
from qcrs.qnp.network.rounds import TEST_AXES
from qcrs.qnp.network.served import ENDLESS, Purification, Served
from qcrs.qnp.physical.hardware import KEEP as KEEP_QUBIT

__all__ = ["Head"]

DEADLINE, WINDOW = 0, 1
SECOND = 1_000_000_000


class Head(End):
    """The end that requests come to."""

    __slots__ = ("_asked", "_left", "_started", "_turn", "delayed")
    side = 1

    def __init__(self, entry: RoutingEntry) -> None:
        super().__init__(entry)
        self.delayed: deque[EndRequest] = deque()
        self._asked: dict[int, EndRequest] = {}
        self._started: dict[int, int] = {}
        self._turn: list[Served] = []
        self._left = ENDLESS

    # ------------------------------------------------------------------ requests

    def on_request(self, now: int, request: EndRequest) -> list[Action]:
        """Refuse, delay or start a request."""
        reason = self._police(now, request)
        if reason:
            return [(STATUS, request.id, Status.REFUSED, reason, 0)]
        actions: list[Action] = []
        if request.deadline_ns:
            actions.append((SET_TIMER, request.deadline_ns, request.id << 1 | DEADLINE))
        need = self._need(now, request)
        if need and self._load() + need > self.entry.eer:
            self.delayed.append(request)
            actions.append((STATUS, request.id, Status.DELAYED, Reason.RATE_ABOVE_MAXIMUM, 0))
        else:
            self._start(now, request, need, actions)
        return actions

    def _need(self, now: int, request: EndRequest) -> int:
        """The rate in thousandths that keeps a request's promise; 0 for one that promises nothing."""
        pairs = 2 if request.purify else 1
        if request.rate:
            return pairs * request.rate
        if request.number and request.deadline_ns:
            return -(-pairs * request.number * 1000 * SECOND // max(1, request.deadline_ns - now))
        return 0

    def _load(self) -> int:
        return sum(served.rate for served in self._turn)

    def _police(self, now: int, request: EndRequest) -> Reason:
        if self.closed:
            return Reason.CIRCUIT_DOWN
        if request.deadline_ns and request.deadline_ns <= now:
            return Reason.TOO_LATE
        if (request.window_ms and request.number > self.entry.memory) or (
            request.purify and self.entry.memory < 2
        ):
            return Reason.MORE_THAN_MEMORY
        if self._need(now, request) > self.entry.eer:
            return Reason.RATE_ABOVE_MAXIMUM
        return Reason.NONE

    def _start(self, now: int, request: EndRequest, need: int, actions: list[Action]) -> None:
        mode = request.head_basis if request.form == MEASURE else KEEP_QUBIT
        served = Served(request.id, request.form, mode, request.number, need, request.final, request.purify)
        served.window_ns = self.entry.horizon_ns if request.purify else request.window_ms * 1_000_000
        self.requests[request.id] = served
        self._asked[request.id] = request
        self._started[request.id] = now
        self._turn.append(served)
        forward: Frame = (
            FORWARD,
            self._circuit,
            request.id,
            self._ends,
            request.form,
            request.head_basis,
            request.tail_basis,
            request.final,
            request.number,
            need,
            request.window_ms,
            request.purify,
        )
        actions.append((STATUS, request.id, Status.ACCEPTED, Reason.NONE, 0))
        actions.append((SEND, 1, forward))
        if self.current is None or self.current.room <= 0:
            self._next_turn(actions)
        elif self._left == ENDLESS:
            self._left = self._slice()

    def on_cancel(self, now: int, request: int) -> list[Action]:
        """The application has enough."""
        actions: list[Action] = []
        if request in self.requests:
            self._finish(now, self.requests[request], Reason.CANCELLED, actions)
        elif any(r.id == request for r in self.delayed):
            self.delayed = deque(r for r in self.delayed if r.id != request)
            actions.append((STATUS, request, Status.COMPLETED, Reason.CANCELLED, 0))
        return actions

    # ------------------------------------------------------------------ turns

    def _slice(self) -> int:
        """Pairs of a turn of data; without end where nobody else waits for one."""
        if self.entry.test_every:
            return self.entry.test_every
        return self.entry.slice_pairs if len(self._turn) > 1 else ENDLESS

    def _next_turn(self, actions: list[Action]) -> None:
        """Give the turn to the next request that has room, or to test rounds after a turn of data."""
        tests = self.entry.test_every and self.current is not None and self.current is not self._test
        if tests and self._left <= 0:
            self._switch(self._test, actions)
            self._left = self._test.room = self.entry.test_count
            return
        for _ in range(len(self._turn)):
            served = self._turn.pop(0)
            self._turn.append(served)
            if served.room > 0:
                if served is not self.current:
                    self._switch(served, actions)
                self._left = self._slice()
                return

    def _switch(self, served: Served, actions: list[Action]) -> None:
        self.epoch += 1
        if served is self._test:
            served.mode = TEST_AXES[self.epoch % 3]
        self.current = served
        self._stream(served.mode, actions)

    def _bound(self, request: Served, actions: list[Action]) -> None:
        self._left -= 1
        if self._left <= 0 or request.room <= 0:
            self._next_turn(actions)

    def _returned(self, request: Served, actions: list[Action]) -> None:
        if request is self._test or request.id not in self.requests:
            return
        request.room += 1
        if self.current is None or self.current.room <= 0:
            self._next_turn(actions)

    # ------------------------------------------------------------------ delivery

    def _confirm(self, now: int, request: Served, delivery: Action, actions: list[Action]) -> None:
        if request.purify:
            self._pair_up(now, request, delivery, actions)
            return
        if not request.window_ns:
            self._hand_over(now, request, delivery, actions)
            return
        self._give_up_old(now, request, actions)
        if not request.held:
            actions.append((SET_TIMER, now + request.window_ns, request.id << 1 | WINDOW))
        request.held[delivery[4]] = (now, delivery)
        if len(request.held) == request.number:
            actions += [d for _, d in request.held.values()]
            request.delivered = request.number
            request.held.clear()
            self._finish(now, request, Reason.NONE, actions)

    def _hand_over(self, now: int, request: Served, delivery: Action, actions: list[Action]) -> None:
        """Deliver a pair, and end the request with its last."""
        actions.append(delivery)
        request.delivered += 1
        if request.delivered == request.number:
            self._finish(now, request, Reason.NONE, actions)

    # ------------------------------------------------------------------ purification

    def _pair_up(self, now: int, request: Served, delivery: Action, actions: list[Action]) -> None:
        """Purify with the pair that waits, or wait; the newer one is kept."""
        if request.held:
            _, (_, older) = request.held.popitem()
            self._purify(request, delivery, older, actions)
            return
        request.held[delivery[4]] = (now, delivery)
        if not request.armed:
            request.armed = True
            actions.append((SET_TIMER, now + request.window_ns, request.id << 1 | WINDOW))

    def _purified(self, now: int, work: Purification) -> list[Action]:
        del now
        return [self._tell_purify(work)]

    def _on_purify(self, now: int, frame: Frame) -> list[Action]:
        """The tail did its part: deliver what is kept if the bits agree."""
        work = self._working.pop(frame[4], None)
        if work is None:
            return []
        actions: list[Action] = []
        request, kept, word = work.request, work.kept, frame[7]
        work.other_bit = word & 1
        success, bell = work.outcome()
        if not (success and word & 2):
            self.unsuccessful += 1
            actions.append((FREE, kept[2]))
            self._returned(request, actions)
            self._returned(request, actions)
            return actions
        pauli = 0
        if request.final != NO_STATE:
            pauli, bell = bell ^ request.final, request.final
        self._hand_over(now, request, (*kept[:3], bell, *kept[4:7], pauli), actions)
        return actions

    def _alone(self, now: int, request: Served, actions: list[Action]) -> None:
        """A pair waited for a second one for a horizon: give it up and give way."""
        request.armed = False
        if request.paused:
            request.paused = False
            if self.current is request:
                self._stream(request.mode, actions)
        before = len(request.held)
        self._give_up_old(now, request, actions)
        later = now + self.entry.horizon_ns // 2
        if len(request.held) < before:
            request.paused = True
            if self.current is request:
                self._halt(actions)
        elif request.held:
            later = next(iter(request.held.values()))[0] + request.window_ns
        else:
            return
        request.armed = True
        actions.append((SET_TIMER, later, request.id << 1 | WINDOW))

    def _give_up_old(self, now: int, request: Served, actions: list[Action]) -> None:
        """Drop confirmed pairs older than the window, here and (by EXPIRE) at the tail."""
        for sequence, (since, delivery) in list(request.held.items()):
            if since + request.window_ns > now:
                break
            del request.held[sequence]
            actions += [(FREE, delivery[2]), (SEND, 1, (EXPIRE, self._circuit, delivery[5]))]
            self._returned(request, actions)

    def _finish(self, now: int, request: Served, reason: Reason, actions: list[Action]) -> None:
        """End a request: tell the circuit, free what is bound to it, let delayed requests in."""
        del self.requests[request.id], self._asked[request.id]
        self._turn.remove(request)
        if self.current is request:
            self.current = None
        self._drop(now, request, actions)
        good = reason in (Reason.NONE, Reason.CANCELLED)
        actions.append(
            (
                STATUS,
                request.id,
                Status.COMPLETED if good else Status.ABORTED,
                reason,
                request.delivered,
            )
        )
        started: list[Action] = []
        while self.delayed:
            need = self._need(now, self.delayed[0])
            if self._load() + need > self.entry.eer and self._turn:
                break
            waiting = self.delayed.popleft()
            late = need > self.entry.eer or 0 < waiting.deadline_ns <= now
            if late:
                started.append((STATUS, waiting.id, Status.REFUSED, Reason.TOO_LATE, 0))
            else:
                self._start(now, waiting, need, started)
        rate = max(1, self._load()) if self._turn else 0
        actions.append(
            (
                SEND,
                1,
                (
                    COMPLETE,
                    self._circuit,
                    request.id,
                    self._ends,
                    int(reason),
                    rate,
                    request.delivered,
                    self.tests.total,
                ),
            )
        )
        actions += started
        if not self._turn:
            self.current = None
            self._halt(actions)
        elif self.current is None:
            self._next_turn(actions)

    def on_timer(self, now: int, tag: int) -> list[Action]:
        """A deadline or a window passed."""
        actions: list[Action] = []
        request = self.requests.get(tag >> 1)
        if self.closed:
            return actions
        if request is None:
            if tag & 1 == DEADLINE and any(r.id == tag >> 1 for r in self.delayed):
                self.delayed = deque(r for r in self.delayed if r.id != tag >> 1)
                actions.append((STATUS, tag >> 1, Status.ABORTED, Reason.DEADLINE_PASSED, 0))
            return actions
        if tag & 1 == WINDOW and request.purify:
            self._alone(now, request, actions)
            return actions
        if tag & 1 == WINDOW:
            self._give_up_old(now, request, actions)
            if request.held:
                oldest = next(iter(request.held.values()))[0]
                actions.append((SET_TIMER, oldest + request.window_ns, tag))
            return actions
        asked = self._asked[request.id]
        if request.number:
            reason = Reason.DEADLINE_PASSED
        else:
            wanted = asked.rate * (now - self._started[request.id]) // (1000 * SECOND)
            reason = Reason.RATE_NOT_REACHED if request.delivered < wanted else Reason.NONE
        self._finish(now, request, reason, actions)
        return actions

    # ------------------------------------------------------------------ failure

    def _complete(self, now: int, frame: Frame) -> list[Action]:
        """Only an abort comes from the tail."""
        del now
        actions: list[Action] = []
        if frame[4] in CLOSING:
            self._close(Reason(frame[4]), actions)
        return actions

    def _close(self, reason: Reason, actions: list[Action]) -> None:
        super()._close(reason, actions)
        self._turn.clear()
        self._asked.clear()
        for request in self.delayed:
            actions.append((STATUS, request.id, Status.ABORTED, reason, 0))
        self.delayed.clear()
