"""A union's jobs through sessions: what a `VirtualProcessor` runs on where there is a chain.

Every task becomes the session of one job, in as many attempts as it takes; a member that was missing is told
to the virtual processor, which plans without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from qcrs.together.conductor import Conductor, Finished, PartyLostError
from qcrs.together.joint import MemberNoise, Sampled
from qcrs.together.plan import Planned
from qcrs.together.virtual import Link, Member, Task, VirtualProcessor

__all__ = ["SessionStage", "union"]


@dataclass
class SessionStage:
    """`members` are processors on chain, by the union's places; `number` gives each task its job."""

    conductor: Conductor
    members: Sequence[int]
    number: Callable[[], int]
    epochs: int = 1
    finished: list[Finished] = field(default_factory=list)
    """Sessions that were completed, in order."""
    _job: int | None = None

    def perform(self, task: Task, noise: Sequence[MemberNoise], seed: int | None) -> tuple[Sampled, ...]:
        """One attempt at the task; the same job again after a `PartyLostError`."""
        if self._job is None:
            self._job = self.number()
        chosen = tuple(self.members[i] for i in task.members)
        planned = [Planned(made, shots, chosen) for made, shots in task.plans]
        by_processor = dict(zip(chosen, noise, strict=True))
        try:
            done = self.conductor.run(self._job, planned, by_processor, epochs=self.epochs, seed=seed)
        except PartyLostError as error:
            places = [list(self.members).index(processor) for processor in error.processors]
            raise PartyLostError(error.session, error.processors, error.words, places) from error
        self._job = None
        self.finished.append(done)
        return done.samples


def union(
    conductor: Conductor,
    members: Sequence[Member],
    number: Callable[[], int],
    *,
    epochs: int = 1,
    name: str = "together",
) -> VirtualProcessor:
    """A virtual processor over the channels of a conductor, opened where they are not.

    Members are named like the nodes of the conductor's network, whose circuits between two of them become
    channels.
    """
    places = {one.name: i for i, one in enumerate(members)}
    processors = [conductor.processors[one.name] for one in members]
    links = {}
    for spec in conductor.topology.circuits:
        if spec.head in places and spec.tail in places:
            channel = conductor.open(spec.name)
            known = next(one for one in conductor.links.values() if one.channel == channel)
            p, q = places[spec.head], places[spec.tail]
            links[min(p, q), max(p, q)] = Link(known.state, known.rate)
    stage = SessionStage(conductor, processors, number, epochs)
    return VirtualProcessor(members, links, stage=stage, name=name)
