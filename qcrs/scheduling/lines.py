"""The lines of the fair queue: who stands where, and what a line offers to a processor.

A queue's entries are its returned jobs, a linked list in the order of their return, then its jobs never
dispatched, by index; a link leads past those that went before their turn. An entry is dead when its job is
not Queued any more or can no longer be run in time.
The contract's side is `contracts/allocation/FairQueue.sol`; it looks as far as this does.
"""

from __future__ import annotations

from dataclasses import dataclass

from qcrs.scheduling.words import DIRECT, Flow, Job, JobState, Parameters, Processor, Queue

__all__ = ["FLOWS_AHEAD", "LOOK", "Lane", "Lines", "Pick"]

Lane = tuple[int, int, int]
"""Key, qubits and quality of a flow's first entry."""

_LOOK_LIVE, LOOK = 8, 24
"""Live returned entries passed over for one provider, and entries read from one list, at most."""

_FLOWS_DEEP, _TURN = 4, 16
"""Flows that are looked into so far in one call, and seconds until it is the turn of others."""

FLOWS_AHEAD = 4
"""Flows besides, those of least key."""


@dataclass(slots=True)
class Pick:
    """An entry that a queue offers: index 0 if none.

    `tag` is its start tag if it is handed out now; `previous` is the entry of its list that stands before it
    and stays; `unfit` shows a live entry that was passed over since the processor can never run it.
    """

    queue: int
    index: int
    tag: int
    previous: int
    returned: bool
    first: bool
    unfit: Lane | None = None


class Lines:
    """Flows, queues, jobs and processors, and the order in which jobs stand."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()
        self.flows: list[Flow] = []
        self.queues: dict[int, Queue] = {}
        self.jobs: dict[int, Job] = {}
        self.processors: dict[int, Processor] = {}

    def _offer(self, place: int, processor: int, now: int, look: int = LOOK) -> Pick:
        """The queue's first live entry that the processor can run and its provider never had, among the first
        `look` of each list.
        """
        queue = self._queue(place)
        index, previous, first, live, looked = queue.returned_head, 0, True, 0, 0
        unfit: Lane | None = None
        while index and live < _LOOK_LIVE and looked < look:
            job = self.jobs[place << 40 | index]
            if self._is_live(job, now):
                if not self._fits(job, processor, now):
                    unfit = self._lane(job, self._again(job))
                elif not self._had(processor, job):
                    return Pick(place, index, self._again(job), previous, returned=True, first=first)
                live += 1
            first = False
            looked += 1
            previous, index = index, job.following
        index, previous, looked = queue.removed + 1, 0, 0
        while index <= queue.added and looked < look:
            job = self.jobs[place << 40 | index]
            if self._is_live(job, now):
                tag = self._start(job)
                if self._fits(job, processor, now):
                    return Pick(place, index, tag, previous, returned=False, first=first)
                previous, unfit = index, self._lane(job, tag)
            first = False
            looked += 1
            index = job.following or index + 1
        return Pick(place, 0, 0, previous, returned=False, first=False, unfit=unfit)

    def _fits(self, job: Job, number: int, now: int) -> bool:
        """Whether a processor can ever run a job: it is wide enough, and certified for its quality."""
        processor = self.processors[number]
        quality = processor.quality if processor.certified_until > now else 0
        return job.request.qubits <= processor.qubits and job.request.quality <= quality

    def _had(self, processor: int, job: Job) -> bool:
        provider = self.processors[processor].provider
        return any(self.processors[e.processor].provider == provider for e in job.executions)

    def _is_live(self, job: Job, now: int) -> bool:
        """Queued, and with time enough before the job's deadline."""
        p = self.parameters
        enough = now + job.request.declared + p.grace + p.margin <= job.request.deadline
        return job.state == JobState.QUEUED and enough

    def _deep(self, flow: int, now: int) -> bool:
        """Whether it is a flow's turn to be looked into."""
        turns = -(-len(self.flows) // _FLOWS_DEEP)
        return flow // _FLOWS_DEEP == now // _TURN % turns

    def _start(self, job: Job) -> int:
        """The start tag of a job never dispatched, if it is handed out now."""
        return max(job.tag, self.flows[job.request.flow].finish)

    def _again(self, job: Job) -> int:
        """The start tag of a job that returned, if it is handed out now: where its flow stands."""
        return self.flows[job.request.flow].finish

    def _lane(self, job: Job, tag: int) -> Lane:
        key = max(0, tag - self.parameters.boosts[job.klass])
        return key, job.request.qubits, job.request.quality

    def _lane_of(self, pick: Pick) -> Lane | None:
        return self._lane(self.jobs[pick.queue << 40 | pick.index], pick.tag) if pick.index else None

    def _queue(self, place: int) -> Queue:
        return self.queues.setdefault(place, Queue())

    def _unlink(self, pick: Pick, queue: Queue, job: Job) -> None:
        if not pick.returned:
            behind = job.following or pick.index + 1
            if pick.previous:
                self.jobs[pick.queue << 40 | pick.previous].following = behind
            else:
                queue.removed = behind - 1
            return
        if queue.returned_tail == pick.index:
            queue.returned_tail = pick.previous
        if pick.previous == 0:
            queue.returned_head = job.following
            if job.following == 0:
                queue.returned_tail = 0
        else:
            self.jobs[pick.queue << 40 | pick.previous].following = job.following

    def _append(self, place: int, index: int) -> None:
        queue = self._queue(place)
        if queue.returned_tail == 0:
            queue.returned_head = queue.returned_tail = index
            return
        self.jobs[place << 40 | queue.returned_tail].following = index
        queue.returned_tail = index

    def _trim(self, place: int, most: int, now: int) -> int:
        queue, dropped = self._queue(place), 0
        while queue.returned_head:
            job = self.jobs[place << 40 | queue.returned_head]
            if dropped == most or self._is_live(job, now):
                return dropped
            dropped += 1
            queue.returned_head = job.following
            if job.following == 0:
                queue.returned_tail = 0
        while queue.removed < queue.added and dropped < most:
            job = self.jobs[place << 40 | queue.removed + 1]
            if self._is_live(job, now):
                break
            dropped += 1
            queue.removed = (job.following or queue.removed + 2) - 1
        return dropped

    def _weed(self, place: int, most: int, now: int) -> int:
        """Link those that stay among the next `most` never dispatched past the dead ones between them."""
        queue, dropped = self._queue(place), 0
        stays = queue.removed + 1
        while stays < queue.added and most:
            job, gone = self.jobs[place << 40 | stays], 0
            index = job.following or stays + 1
            while index <= queue.added and most:
                most -= 1
                behind = self.jobs[place << 40 | index]
                if self._is_live(behind, now):
                    break
                index, gone = behind.following or index + 1, gone + 1
            if gone:
                job.following = index
            dropped, stays = dropped + gone, index
        return dropped

    def _show(self, place: int) -> None:
        """Make a flow's lane, or a processor's flag, show the queue's first entry."""
        queue = self._queue(place)
        index = queue.returned_head or (queue.removed + 1 if queue.removed < queue.added else 0)
        if place < DIRECT:
            job = self.jobs[place << 40 | index] if index else None
            tag = self._again if queue.returned_head else self._start
            self.flows[place].lane = None if job is None else self._lane(job, tag(job))
        else:
            self.processors[place - DIRECT].direct = index != 0
