"""What executions cost their flow in virtual time, and what it gets back: the reference model."""

from __future__ import annotations

import random

import pytest
from queues import FAR, ask, finish, odds, queue

from qcrs.scheduling import FairQueue, Outcome, Parameters, QueueRefusal, Reason, Request
from qcrs.scheduling.words import TAG_SCALE, Execution, Flow, Job, JobState, Processor


def test_tags_advance_by_cost_over_weight_rounded_up() -> None:
    model = queue(weights=(100, 300))
    first, second = (model.submit(ask(qubits=7, declared=11), 0, 0) for _ in range(2))
    other = model.submit(ask(1, qubits=7, declared=11), 0, 0)
    assert [model.allocate(1, 0)[0] for _ in range(3)] == [first, other, second]
    assert model.jobs[first].tag == 0
    assert model.jobs[second].tag == -(-7 * 11 * TAG_SCALE // 100) == 50
    assert (model.flows[0].finish, model.flows[1].finish) == (100, -(-7 * 11 * TAG_SCALE // 300))
    assert model.time == 50


def test_each_execution_is_charged_when_it_is_handed_out() -> None:
    """Those of the redundancy and those for confidence alike."""
    model = queue(sizes=(27, 27, 27))
    job = model.submit(ask(redundancy=2, executions=4, trust=17), 0, 0)
    assert model.flows[0].finish == 0
    for number in range(3):
        assert model.allocate(number + 1, 0) == (job, number)
        assert model.flows[0].finish == (number + 1) * 640
        if number:
            for done in (0, 1) if number == 1 else (2,):
                finish(model, job, done, 100)
    assert (model.jobs[job].state, model.flows[0].finish) == (JobState.QUEUED, 3 * 640)


def test_what_nobody_ran_is_charged_to_nobody_and_moves_no_time() -> None:
    """Giants that come and go leave no debt, push nobody back, and take virtual time nowhere."""
    model = queue(sizes=(27,))
    giants = [model.submit(ask(qubits=4000, declared=20_000), 0, 0) for _ in range(3)]
    model.submit(ask(), 1, 0)
    for giant in giants:
        model.cancel(giant, 0, 1)
    model.submit(ask(1), 0, 1)
    assert [model.allocate(1, 2)[0] >> 40 for _ in range(2)] == [0, 1]
    assert (model.time, model.flows[0].finish) == (0, 640)


def test_idle_time_is_not_saved_in_jobs_that_nobody_can_run() -> None:
    model = queue(weights=(100, 100))
    for _ in range(8):
        model.submit(ask(1, quality=4000), 0, 0)
    for now in range(8):
        model.submit(ask(0), 0, now)
        finish(model, *model.allocate(1, now), now)
    for index in range(1, 9):
        model.cancel(1 << 40 | index, 0, 9)
    for _ in range(4):
        model.submit(ask(0, qubits=1), 0, 9)
        model.submit(ask(1, qubits=1), 0, 9)
    order = [model.allocate(1, 10)[0] >> 40 for _ in range(8)]
    assert sorted(order[:2]) == sorted(order[2:4]) == [0, 1]


def test_a_split_flow_keeps_its_debt() -> None:
    model = queue()
    model.submit(ask(1), 0, 0)
    model.allocate(1, 0)
    debt, weight = model.flows[1].finish, model.flows[1].weight
    assert debt > 0
    child = model.split_flow(1, 50)
    assert (model.flows[child].weight, model.flows[1].weight) == (50, weight - 50)
    model.submit(ask(child, qubits=1, declared=1), 0, 0)
    assert model.jobs[model.allocate(1, 0)[0]].tag == debt


def test_virtual_time_passes_no_faster_than_its_pace() -> None:
    model = FairQueue(Parameters(), born=1000)
    model.open_flow(10)
    model.enroll(1, 1, 4095)
    model.certify(1, 0, FAR)
    for now, most in ((1000, 1 << 33), (1600, (1 << 33) + 600 * 2048)):
        for _ in range(17):
            job = model.submit(Request(0, 4095, 21_600, now + 30_000, target=1), 0, now)
            model.allocate(1, now)
            model.commit(job, 0, now)
        assert most - 4095 * 21_600 * 64 // 10 <= model.time <= model.flows[0].finish == most
    last, late = (1 << 40) - 1, 1 << 30
    model.flows[0].finish = last - 5
    model.certify(1, 0, late + FAR)
    for start in (last - 5, last):
        job = model.submit(Request(0, 1, 1, late + 30_000, target=1), 0, late)
        model.allocate(1, late)
        assert (model.jobs[job].tag, model.flows[0].finish) == (start, last)


@pytest.mark.parametrize("early", [True, False])
def test_where_tags_end_no_flow_is_left_behind_by_what_nobody_ran(early: bool) -> None:
    """Giants on a machine of one's own, held at the end of tags, were days of debt for all in the flow."""
    model = queue(weights=(10, 10), sizes=(10, 4095))
    giant = Request(0, 4095, 21_600, 10**6, target=2)

    def take() -> tuple[int, int]:
        given = model.allocate(2, 0) if model.submit(giant, 0, 0) else (0, 0)
        model.commit(*given, 0)
        return given

    start = [take() for _ in range(0 if early else 17)]
    for one in reversed(start):
        model.judge(*one, Outcome.REJECT, 0, odds)
    low, high = [take() for _ in range(4)], [take() for _ in range(4)]
    for one in (*reversed(high), *low):
        model.judge(*one, Outcome.REJECT, 0, odds)
    for flow in (0, 1):
        for _ in range(30):
            model.submit(ask(flow), flow, 1)
    served = []
    for now in range(100, 3100, 100):
        job, number = model.allocate(1, now)
        finish(model, job, number, now + 99)
        served.append(job >> 40)
    assert served.count(0) >= 12


def test_what_nobody_was_served_by_is_given_back_and_charged_when_it_runs_again() -> None:
    model = queue(sizes=(27, 27, 27))
    job = model.submit(ask(executions=3), 0, 0)
    for number, outcome in enumerate((Outcome.REJECT, Outcome.FRAUD)):
        model.allocate(number + 1, number)
        assert model.flows[0].finish == 640
        finish(model, job, number, number, outcome)
        assert model.flows[0].finish == 0
    model.judge(job, 0, Outcome.FRAUD, 2, odds)  # rejected before: no time twice
    model.allocate(3, 2)
    model.submit(ask(1, declared=1000), 0, 2)
    model.allocate(1, 2)
    model.expire_execution(job, 2, 1000, odds)
    assert (model.flows[0].finish, model.flows[1].finish) == (0, 6400)


def test_what_stays_undecided_is_given_back_when_it_ends() -> None:
    model = queue()
    job = model.submit(ask(executions=2), 0, 0)
    model.allocate(1, 0)
    finish(model, job, 0, 50, Outcome.UNDECIDED)
    assert model.flows[0].finish == 640
    model.judge(job, 0, Outcome.UNDECIDED, 60, odds)
    assert model.flows[0].finish == 0


def test_an_overturned_execution_gives_back_the_rest_of_its_time() -> None:
    model = queue()
    job = model.submit(ask(redundancy=2, executions=3), 0, 0)
    for processor in (1, 2):
        model.allocate(processor, 0)
    finish(model, job, 0, 50)
    assert 640 < model.flows[0].finish < 1280
    model.overturn(job, 0, 60, odds)
    assert model.flows[0].finish == 640 + 1  # each part is rounded down


@pytest.mark.parametrize("outcome", [Outcome.ACCEPT, Outcome.REJECT])
def test_charges_that_time_forgave_are_not_given_back(outcome: Outcome) -> None:
    """A batch in a quiet moment, and virtual time moved over it: each end was one more turn for nothing."""
    model = queue(sizes=(10, 127))
    held = []
    for _ in range(40):
        model.submit(ask(qubits=1, declared=21_600, target=2), 0, 0)
        held.append(model.allocate(2, 0))
        model.commit(*held[-1], 0)
    model.submit(ask(qubits=1, declared=1, target=2), 0, 0)
    finish(model, *model.allocate(2, 0), 0)
    for flow in (0, 1):
        for _ in range(40):
            model.submit(ask(flow), flow, 0)
    served = []
    for now, (job, number) in enumerate(held, start=1):
        model.judge(job, number, outcome, 100 * now, odds)
        mine, number = model.allocate(1, 100 * now)
        finish(model, mine, number, 100 * now + 100)
        served.append(model.jobs[mine].request.flow)
    assert served.count(0) == 20


def test_what_is_rejected_and_runs_again_costs_its_flow_one_turn() -> None:
    """A flow that comes now and then is lifted by each of its jobs."""
    model = queue(sizes=(10, 10, 10))
    for _ in range(60):
        model.submit(ask(1, qubits=9, declared=97), 1, 0)
    for now in range(0, 3000, 100):
        first, number = model.allocate(1, now)
        if now % 300 == 0:
            job = model.submit(ask(0, qubits=7, declared=53, executions=2), 0, now)
            assert model.allocate(2, now) == (job, 0)
            before = model.flows[0].finish
            finish(model, job, 0, now + 1, Outcome.REJECT)
            assert before - model.flows[0].finish >= 7 * 53 * TAG_SCALE // 100 - 3
            assert model.allocate(3, now + 2) == (job, 1)
            finish(model, job, 1, now + 55)
        finish(model, first, number, now + 97)


def test_a_job_that_returned_does_not_keep_the_place_that_a_giant_gave_it() -> None:
    model = queue(sizes=(10, 127))
    giant = model.submit(ask(qubits=100, declared=20_000, target=2), 9, 0)
    model.allocate(2, 0)
    pin = model.submit(ask(qubits=1, declared=1, redundancy=2, executions=2), 9, 0)
    assert model.allocate(2, 0) == (pin, 0)
    assert model.flows[0].lane == (1_280_001, 1, 0)
    model.commit(giant, 0, 1)
    model.judge(giant, 0, Outcome.REJECT, 1, odds)
    assert model.flows[0].lane == (1, 1, 0)
    assert [model.allocate(1, 2), model.jobs[pin].tag] == [(pin, 1), 1]


def test_an_accomplice_that_is_rejected_takes_nothing_off_what_others_run() -> None:
    model = queue(sizes=(10, 10))
    for _ in range(50):
        model.submit(ask(1), 1, 0)
    served, now = [], 0
    for _ in range(40):
        if not any(job.request.flow == 0 and job.is_open for job in model.jobs.values()):
            mine = model.submit(ask(0, executions=2), 0, now)
            if model.next_for(2, now) == (mine, Reason.NONE):
                model.allocate(2, now)
                finish(model, mine, 0, now, Outcome.REJECT)
        job, number = model.allocate(1, now)
        now += 100
        finish(model, job, number, now)
        served.append(model.jobs[job].request.flow)
    assert abs(served.count(0) - served.count(1)) <= 1


def test_trials_of_a_processor_without_a_certificate_cost_no_flow_its_turn() -> None:
    """Anybody can enroll 4,095 qubits; one job for them in flow 0 would put all others of flow 0 last."""
    model = queue(sizes=(10,))
    model.enroll(7, 7, 4095)
    for _ in range(20):
        model.submit(ask(1), 1, 0)
    model.time = 500
    for outcome in (Outcome.ACCEPT, Outcome.REJECT, None):
        job = model.submit(ask(qubits=4095, declared=20_000, target=7), 9, 0)
        assert model.allocate(7, 0) == (job, 0)
        assert (model.flows[0].finish, model.time) == (0, 500)
        if outcome is None:
            model.expire_execution(job, 0, 30_000, odds)
        else:
            finish(model, job, 0, 0, outcome)
        assert model.flows[0].finish == 0
    mine, served = model.submit(ask(), 3, 0), []
    for now in range(2):
        job, number = model.allocate(1, now)
        model.commit(job, number, now)
        served.append(job)
    assert mine in served


def test_a_flow_that_waited_keeps_no_more_time_than_twice_the_drain() -> None:
    """Real jobs behind a crowd that is cancelled when the time is wanted."""
    model = queue(weights=(100, 100), drain=500)
    crowd = [model.submit(ask(1, qubits=1, declared=1, quality=4000), 0, 0) for _ in range(24)]
    for _ in range(20):
        model.submit(ask(1), 0, 0)
    for now in range(20):
        model.submit(ask(0), 0, now)
        assert model.allocate(2, now)[0] >> 40 == 0
        model.commit(1 + now, 0, now)
    assert model.time == 19 * 640
    for job in crowd:
        model.cancel(job, 0, 20)
    for _ in range(10):
        model.submit(ask(0), 0, 20)
    order = []
    for _ in range(10):
        job, number = model.allocate(2, 20)
        model.commit(job, number, 20)
        order.append(job >> 40)
    assert (order[:4], order.count(0)) == ([1, 1, 1, 0], 4)


def test_unused_time_of_accepted_work_is_given_back() -> None:
    model = queue()
    job = model.submit(ask(qubits=10, declared=100), 0, 0)
    model.allocate(1, 0)
    model.commit(job, 0, 50)
    assert model.jobs[job].executions[0].used == 16  # 15.5 of 31, rounded up
    before = model.flows[0].finish
    model.judge(job, 0, Outcome.UNDECIDED, 51, odds)
    assert model.flows[0].finish == before
    model.judge(job, 0, Outcome.ACCEPT, 52, odds)
    assert before - model.flows[0].finish == 10 * 100 * TAG_SCALE * 15 // (31 * 100)


class Piles(FairQueue):
    """The same queue, beside it each flow's charges as a pile, from which forgiving takes the lowest."""

    def __init__(self, parameters: Parameters | None = None, born: int = 0) -> None:
        super().__init__(parameters, born)
        self.piles: dict[int, dict[int, int]] = {}
        self.given = 0

    def _pile(self, flow: Flow) -> dict[int, int]:
        return self.piles.setdefault(id(flow), {})

    def _charge(self, job: Job, processor: Processor, now: int) -> int:
        flow = self.flows[job.request.flow]
        before, floor = flow.finish, max(0, self.time - 2 * self.parameters.drain)
        mark = super()._charge(job, processor, now)
        if mark < 0:
            return mark
        pile, start = self._pile(flow), max(before, job.tag, floor)
        over = sum(pile.values()) - (start - floor if start == before else 0)
        for piece in list(pile):
            taken = min(pile[piece], max(0, over))
            pile[piece], over = pile[piece] - taken, over - taken
        if flow.debt < sum(pile.values()) + flow.finish - start:  # cut at the end of tags
            pile.clear()
        pile[mark] = flow.finish - start
        assert flow.finish - self.time <= pile[mark]
        assert flow.debt == sum(pile.values()) <= flow.finish
        return mark

    def _give_back(self, job: Job, execution: Execution, steps: int) -> None:
        flow = self.flows[job.request.flow]
        before = flow.finish
        super()._give_back(job, execution, steps)
        pile, back = self._pile(flow), before - flow.finish
        assert 0 <= back <= pile.get(execution.mark, 0)
        if back:
            pile[execution.mark] -= back
            self.given += 1
        assert flow.debt == sum(pile.values()) <= flow.finish


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_given_back_but_what_is_left_of_its_own_charge(seed: int) -> None:
    draw = random.Random(seed)
    model = Piles(Parameters(drain=draw.choice((0, 50, 300, 2000))))
    for weight in (100, 37, 1000):
        model.open_flow(weight)
    for number in range(1, 7):
        model.enroll(number, number, 40)
        model.certify(number, 2500, FAR if number < 6 else 2000)
    now, held, ended = 0, [], []
    for _ in range(1500):
        now += draw.choice((0, 0, 1, 10, 60))
        kind = draw.random()
        if kind < 0.35:
            most = draw.randint(1, 3)
            target = draw.choice((0, 0, draw.randint(1, 6)))
            more = {"target": target} if target else {"redundancy": draw.randint(1, most), "executions": most}
            declared = draw.choice((1, 30, 100, 3000))
            model.submit(
                ask(draw.randrange(3), draw.randint(1, 40), declared, deadline=now + 9000, **more), 0, now
            )
        elif kind < 0.7:
            try:
                held.append(model.allocate(draw.randint(1, 6), now))
            except QueueRefusal:
                continue
        elif kind < 0.75 and ended:
            try:
                model.judge(*draw.choice(ended), draw.choice((Outcome.FRAUD, Outcome.UNDECIDED)), now, odds)
            except QueueRefusal:
                continue
        elif held:
            one = held.pop(draw.randrange(len(held)))
            try:
                model.commit(*one, now)
                model.judge(*one, draw.choice(list(Outcome)), now, odds)
                ended.append(one)
            except QueueRefusal:
                try:
                    model.expire_execution(*one, now, odds)
                except QueueRefusal:
                    held.append(one)
    assert model.given > 50


def test_charges_held_above_one_that_is_given_back_are_no_free_turns() -> None:
    """Time seemed not to have gone over them yet, and each was a turn for nothing.

    All is for machines of one's own, taken from old places, and time is moved over it once.
    """
    model = queue(sizes=(10, 9, 9, 9, 9, 9))
    now, served, window = 0, [], 2 * model.parameters.drain
    cost, count = 64, 15  # a turn of ten seconds
    for flow in (0, 1):
        for _ in range(400):
            model.submit(ask(flow, declared=10), flow, 0)

    def mine(size: int, processor: int) -> int:
        return model.submit(ask(0, 9, max(1, size * 100 // (64 * 9)), target=processor), 0, now)

    def take(job: int, processor: int) -> tuple[int, int]:
        assert model.allocate(processor, now) == (job, 0)
        model.commit(job, 0, now)
        return job, 0

    for _ in range(6):
        lowest, crowd = mine(window, 2), [mine(cost, 3) for _ in range(count)]
        over, moves = mine(window, 4), [mine(1, 5), mine(1, 6)]
        first = take(lowest, 2)
        held = [take(job, 3) for job in crowd]
        model.judge(*first, Outcome.REJECT, now, odds)
        last = [take(over, 4), take(moves[0], 5), take(moves[1], 6)]
        for one in last:
            model.judge(*one, Outcome.REJECT, now, odds)
        while held:
            job, number = model.allocate(1, now)
            now += 10
            finish(model, job, number, now)
            served.append(job >> 40)
            if served[-1] == 0:
                model.judge(*held.pop(), Outcome.REJECT, now, odds)
    assert served.count(0) <= 0.55 * len(served)


def test_jobs_taken_once_stand_where_their_flow_does() -> None:
    """What a machine of one's own had and did not do kept a place that time had passed by: rows of turns."""
    model = queue(sizes=(10, 9))
    now, served = 0, []
    for cycle in range(3):
        mine = {model.submit(ask(0, 9, 100, executions=2), 0, now) for _ in range(40)}
        for _ in range(120):
            model.submit(ask(1), 1, now)
        taken = []
        for _ in mine:
            taken.append(model.allocate(2, now))
            model.commit(*taken[-1], now)
        for one in taken:
            model.judge(*one, Outcome.REJECT, now, odds)
        while mine:
            job, number = model.allocate(1, now)
            now += 100
            finish(model, job, number, now)
            served.append(job >> 40)
            mine.discard(job)
        assert served.count(0) == 40 * (cycle + 1)
    assert served.count(0) <= 0.56 * len(served)
