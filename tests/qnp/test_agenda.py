"""The agenda serves events in exactly the order of one heap."""

from __future__ import annotations

import random
from heapq import heappop, heappush

from hypothesis import given, settings
from hypothesis import strategies as st

from qcrs.qnp.drivers.agenda import Agenda, Event


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 50, 10**4, 10**7, 10**11]), st.integers(1, 2000))
def test_order_is_that_of_a_heap(seed: int, spread: int, count: int) -> None:
    rng = random.Random(seed)
    agenda, heap = Agenda(), []
    now = number = 0
    served = 0
    while served < count:
        for _ in range(rng.randrange(4)):
            number += 1
            event: Event = (now + rng.randrange(spread), number, 0, None, None, None)
            agenda.push(event)
            heappush(heap, event)
        if rng.random() < 0.01:
            for _ in range(300):
                number += 1
                event = (now + rng.randrange(1000), number, 0, None, None, None)
                agenda.push(event)
                heappush(heap, event)
        if heap:
            assert agenda.heap or agenda.advance()
            found = heappop(agenda.heap)
            assert found == heappop(heap)
            now = found[0]
            served += 1
        assert len(agenda) == len(heap)
    while heap:
        assert agenda.heap or agenda.advance()
        assert heappop(agenda.heap) == heappop(heap)
    assert not agenda.advance()
