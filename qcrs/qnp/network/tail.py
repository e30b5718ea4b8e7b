"""Rules of the tail: the end that follows.

It learns of requests by FORWARD, of their end by COMPLETE, and of whose turn it is by the epoch in the
head's TRACK. Of a request that is purified it confirms pairs and waits; the head says which two are used up.
Its counts have to agree with the head's, or the circuit is closed.
"""

from __future__ import annotations

from qcrs.qnp.network.actions import FREE, SEND, STATUS, Action, Reason, Status
from qcrs.qnp.network.end import End
from qcrs.qnp.network.frames import MEASURE, NO_STATE, TEST_REQUEST, Frame
from qcrs.qnp.network.frames import PURIFY as PURIFY_FRAME
from qcrs.qnp.network.repeater import CLOSING
from qcrs.qnp.network.rounds import TEST_AXES
from qcrs.qnp.network.served import ENDLESS, Purification, Served
from qcrs.qnp.physical.hardware import KEEP as KEEP_QUBIT

__all__ = ["Tail"]

IN_FLIGHT = 64
"""Test rounds that one end may have counted before the other."""


class Tail(End):
    """The end that follows: learns of requests by FORWARD and of epochs by TRACK."""

    __slots__ = ()
    side = 0

    def _activate(self, frame: Frame) -> list[Action]:
        epoch = frame[7]
        if epoch <= self.epoch:
            return []
        self.epoch = epoch
        request = frame[2]
        actions: list[Action] = []
        if request == TEST_REQUEST:
            self._test.mode = TEST_AXES[epoch % 3]
            self.current = self._test
        else:
            self.current = self.requests.get(request)
        if self.current is not None:
            self._stream(self.current.mode, actions)
        return actions

    def _forward(self, now: int, frame: Frame) -> list[Action]:
        del now
        _, _, number_of, _, form, _, basis, final, number, rate, window, purify = frame
        mode = basis if form == MEASURE else KEEP_QUBIT
        request = Served(number_of, form, mode, number, rate, final, purify)
        request.room = ENDLESS
        request.window_ns = window * 1_000_000
        self.requests[number_of] = request
        actions: list[Action] = []
        if self.current is None:
            self.current = request
            self._stream(mode, actions)
        return actions

    def _confirm(self, now: int, request: Served, delivery: Action, actions: list[Action]) -> None:
        if request.purify:
            request.held[delivery[4]] = (now, delivery)
            return
        request.delivered += 1
        delivery = (*delivery[:7], 0)  # the head corrects
        if request.window_ns:
            request.held[delivery[4]] = (now, delivery)
        else:
            actions.append(delivery)

    def _on_purify(self, now: int, frame: Frame) -> list[Action]:
        """The head did its part on two pairs: do the same, if both are here."""
        del now
        _, circuit, number_of, ends, kept, sacrificed, origin, word = frame
        request = self.requests.get(number_of)
        found = [] if request is None else [request.held.pop(s, None) for s in (kept, sacrificed)]
        actions: list[Action] = []
        if request is None or None in found:
            actions += [(FREE, one[1][2]) for one in found if one is not None]
            actions.append((SEND, 0, (PURIFY_FRAME, circuit, number_of, ends, origin, 0, kept, 0)))
            return actions
        deliveries = [one[1] for one in found if one is not None]
        self._purify(request, deliveries[0], deliveries[1], actions).other_bit = word & 1
        return actions

    def _purified(self, now: int, work: Purification) -> list[Action]:
        del now
        del self._working[work.kept[4]]
        request = work.request
        success, bell = work.outcome()
        actions = [self._tell_purify(work)]
        if success:
            request.delivered += 1
            if request.final != NO_STATE:
                bell = request.final
            actions.append((*work.kept[:3], bell, *work.kept[4:7], 0))
        else:
            self.unsuccessful += 1
            actions.append((FREE, work.kept[2]))
        return actions

    def _expire(self, sequence: int) -> list[Action]:
        for request in self.requests.values():  # the head gave up a confirmed pair of a window
            if sequence in request.held:
                _, delivery = request.held.pop(sequence)
                return [(FREE, delivery[2])]
        return super()._expire(sequence)

    def _complete(self, now: int, frame: Frame) -> list[Action]:
        _, _, number_of, _, reason, rate, delivered, tests = frame
        actions: list[Action] = []
        if reason in CLOSING:
            self._close(Reason(reason), actions)
            return actions
        own = self.tests.total
        request = self.requests.pop(number_of, None)
        short = request is not None and not request.window_ns and delivered > request.delivered
        if short or not own - IN_FLIGHT <= tests <= own:
            if request is not None:
                self.requests[number_of] = request
            return self.on_lost(now, 1, Reason.COUNTS_DIFFER)
        if request is not None:
            if request.window_ns and reason == Reason.NONE:
                actions += [d for _, d in request.held.values()]
                request.delivered = len(request.held)
                request.held.clear()
            self._drop(now, request, actions)
            status = Status.COMPLETED if reason in (Reason.NONE, Reason.CANCELLED) else Status.ABORTED
            actions.append((STATUS, request.id, status, reason, request.delivered))
            if self.current is request:
                self.current = None
        if rate == 0:
            self.current = None
            self._halt(actions)
        elif self.current is None and self.requests:
            self.current = next(iter(self.requests.values()))
            self._stream(self.current.mode, actions)
        return actions
