"""The plan of a session as a document: who opens which pair, closes, moves and runs what, in order.

Its sha2-256 is the plan hash of a session, its blob lies in the store, so a member can check before it
accepts that the pairs it is asked for are those that the acts take. It names no angles: what a gate turns is
the business of the program, not of the ledger's readers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from qcrs.distributed.emit import Message
from qcrs.distributed.network import Network
from qcrs.distributed.plan import Plan
from qcrs.distributed.schedule import Act, Apply, Close, Follow, Move, Open
from qcrs.errors import InputError
from qcrs.types import Json, canonical_json, cid_of, cid_to_digest, whole

__all__ = ["CircuitPlan", "PlanDocument", "Planned", "document_of", "split"]

KIND = "plan/1"
MAX_CLBITS = 4096
Words = tuple[str | int, ...]
_SIZES = {"open": 4, "close": 3, "move": 4, "run": 3, "turn": 3, "follow": 3}


@dataclass(frozen=True, slots=True)
class CircuitPlan:
    """One circuit's acts. Members are numbers of the document's list of parties."""

    start: tuple[int, ...]
    """Who holds each qubit at first."""
    acts: tuple[Words, ...]
    measures: tuple[tuple[int, int], ...]
    """(qubit, classical bit), at the end."""
    clbits: int
    shots: tuple[int, ...]
    """Of each epoch."""

    def __post_init__(self) -> None:
        for act in self.acts:
            if not act or _SIZES.get(str(act[0])) != len(act) or min(map(int, act[1:])) < 0:
                raise InputError("no such act", field="acts", value=act)
            if act[0] != "run" and int(act[1]) >= len(self.start):
                raise InputError(
                    "an act is of a qubit that the circuit does not have", field="acts", value=act
                )
        if not 0 <= self.clbits <= MAX_CLBITS:
            raise InputError(
                f"a circuit has 0 to {MAX_CLBITS} classical bits", field="clbits", value=self.clbits
            )
        if not all(0 <= q < len(self.start) and 0 <= c < self.clbits for q, c in self.measures):
            raise InputError("a measurement joins a qubit and a bit of the circuit", field="measures")
        if any(shots < 0 for shots in self.shots):
            raise InputError("an epoch has no shots or some", field="shots", value=self.shots)

    @property
    def end(self) -> tuple[int, ...]:
        """Who holds each qubit at last."""
        holder = list(self.start)
        for act in self.acts:
            if act[0] == "move":
                holder[int(act[1])] = int(act[3])
        return tuple(holder)

    @property
    def messages(self) -> list[Message]:
        """The outcomes that travel, in order: as `joint_circuit` emits them."""
        holder, found = list(self.start), []
        for act in self.acts:
            word, numbers = act[0], [int(one) for one in act[1:]]
            if word == "open":
                found.append(Message(numbers[1], numbers[2], "x"))
            elif word == "close":
                found.append(Message(numbers[1], holder[numbers[0]], "z"))
            elif word == "move":
                holder[numbers[0]] = numbers[2]
                found.append(Message(numbers[1], numbers[2], "z"))
        return found

    @property
    def readers(self) -> list[int]:
        """Who measures each bit of the program, −1 nobody."""
        found, end = [-1] * self.clbits, self.end
        for qubit, clbit in self.measures:
            found[clbit] = end[qubit]
        return found

    def as_json(self) -> Json:
        """For the document."""
        return {
            "start": list(self.start),
            "acts": [list(act) for act in self.acts],
            "measures": [list(one) for one in self.measures],
            "clbits": self.clbits,
            "shots": list(self.shots),
        }

    @classmethod
    def from_json(cls, raw: Json) -> CircuitPlan:
        """Raises what `PlanDocument.from_json` turns into an `InputError`."""
        if set(raw) != {"start", "acts", "measures", "clbits", "shots"}:
            raise ValueError("a circuit's fields are start, acts, measures, clbits and shots")
        if not all(isinstance(act, list) and act and isinstance(act[0], str) for act in raw["acts"]):
            raise ValueError("an act is a list that begins with its word")
        return cls(
            tuple(map(whole, raw["start"])),
            tuple((act[0], *map(whole, act[1:])) for act in raw["acts"]),
            tuple((whole(q), whole(c)) for q, c in raw["measures"]),
            whole(raw["clbits"]),
            tuple(map(whole, raw["shots"])),
        )


@lru_cache(maxsize=64)
def _network(parties: int, channels: tuple[tuple[int, int], ...]) -> Network:
    """Its table takes long for many parties, and a plan asks for it once a circuit."""
    return Network.of([0] * parties, (), channels)


@dataclass(frozen=True, slots=True)
class PlanDocument:
    """A session's plan: parties by processor number, channels with their two parties and pairs per shot."""

    job: int
    parties: tuple[int, ...]
    channels: tuple[tuple[int, int, int], ...]
    """(channel, first party's place in `parties`, second one's)."""
    ebits: tuple[int, ...]
    circuits: tuple[CircuitPlan, ...]

    def __post_init__(self) -> None:
        places = range(len(self.parties))
        if list(self.parties) != sorted(set(self.parties)):
            raise InputError("parties ascend", field="parties", value=self.parties)
        if len(self.ebits) != len(self.channels) or not self.circuits:
            raise InputError("a plan has circuits, and a number of pairs for each channel", field="ebits")
        if any(p not in places or q not in places or p == q for _, p, q in self.channels):
            raise InputError("a channel joins two parties", field="channels", value=self.channels)
        if len({len(one.shots) for one in self.circuits}) != 1 or not self.circuits[0].shots:
            raise InputError("all circuits have shots in each epoch, and there is one", field="shots")
        for one in self.circuits:
            used = [int(n) for act in one.acts for n in act[2:]] + list(one.start)
            if any(n not in places for n in used):
                raise InputError("an act names a party that is none", field="acts")

    @property
    def epochs(self) -> int:
        """Computing epochs."""
        return len(self.circuits[0].shots)

    def shots(self, epoch: int) -> int:
        """Of all circuits in an epoch."""
        return sum(one.shots[epoch] for one in self.circuits)

    @property
    def most_shots(self) -> int:
        """Of the largest epoch: what the session's request names."""
        return max(self.shots(epoch) for epoch in range(self.epochs))

    def network(self) -> Network:
        """The parties and their channels; capacities play no part here."""
        return _network(len(self.parties), tuple((p, q) for _, p, q in self.channels))

    def pairs_of(self, circuit: int) -> list[int]:
        """Pairs per shot that one circuit's acts take, for each channel."""
        network, found = self.network(), Counter[tuple[int, int]]()
        for act in self.circuits[circuit].acts:
            if act[0] == "open":
                for p, q in pairwise(network.path(int(act[2]), int(act[3]))):
                    found[min(p, q), max(p, q)] += 1
        return [found[min(p, q), max(p, q)] for _, p, q in self.channels]

    def pairs(self, channel: int) -> int:
        """Pairs of a channel over all circuits, shots and epochs: what its members have to hold at READY."""
        place = [number for number, _, _ in self.channels].index(channel)
        return sum(self.pairs_of(i)[place] * sum(one.shots) for i, one in enumerate(self.circuits))

    def problem(self) -> str | None:
        """Why nobody should accept it: the pairs it names are not those that its acts take."""
        most = [max(column) for column in zip(*map(self.pairs_of, range(len(self.circuits))), strict=True)]
        return None if tuple(most) == self.ebits else f"its acts take {most} pairs a shot"

    def as_json(self) -> Json:
        """For the store."""
        return {
            "qcrs": KIND,
            "job": self.job,
            "parties": list(self.parties),
            "channels": [list(one) for one in self.channels],
            "ebits": list(self.ebits),
            "circuits": [one.as_json() for one in self.circuits],
        }

    @classmethod
    def from_json(cls, raw: Json) -> PlanDocument:
        """`InputError` where the document is none."""
        try:
            if raw["qcrs"] != KIND:
                raise ValueError(raw["qcrs"])
            if set(raw) != {"qcrs", "job", "parties", "channels", "ebits", "circuits"}:
                raise ValueError("its fields are qcrs, job, parties, channels, ebits and circuits")
            found = cls(
                whole(raw["job"]),
                tuple(map(whole, raw["parties"])),
                tuple((whole(c), whole(p), whole(q)) for c, p, q in raw["channels"]),
                tuple(map(whole, raw["ebits"])),
                tuple(CircuitPlan.from_json(one) for one in raw["circuits"]),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError("not a plan of a session", field="plan", value=str(error)) from error
        if found.as_json() != raw:
            raise InputError("not a plan of a session in its one form", field="plan")
        return found

    @property
    def data(self) -> bytes:
        """What the store holds."""
        return canonical_json(self.as_json())

    @property
    def digest(self) -> bytes:
        """The session's plan hash."""
        return cid_to_digest(cid_of(self.data))


def split(shots: int, epochs: int) -> tuple[int, ...]:
    """Shots of each epoch: even, the first ones take the remainder."""
    each, more = divmod(shots, epochs)
    return tuple(each + (epoch < more) for epoch in range(epochs))


def _words(act: Act, place: Mapping[int, int]) -> Words:
    if isinstance(act, Open):
        return "open", act.qubit, place[act.source], place[act.target]
    if isinstance(act, Close):
        return "close", act.qubit, place[act.at]
    if isinstance(act, Move):
        return "move", act.qubit, place[act.source], place[act.to]
    if isinstance(act, Apply):
        return "run", act.gate.number, place[act.at]
    if isinstance(act, Follow):
        return "follow", act.qubit, place[act.at]
    return "turn", act.turn.qubit, place[act.at]


@dataclass(frozen=True, slots=True)
class Planned:
    """A circuit's plan and shots; the planner's number i is the processor `members[i]`."""

    plan: Plan
    shots: int
    members: tuple[int, ...]


def document_of(
    job: int, planned: Sequence[Planned], channels: Mapping[tuple[int, int], int], epochs: int = 1
) -> PlanDocument:
    """The document of plans.

    `channels` maps pairs of processors, in either order, to channels. Parties are the ends of the channels
    that are used and whoever holds a qubit.
    """
    by_pair = {frozenset(pair): channel for pair, channel in channels.items()}
    used: set[frozenset[int]] = set()
    members: set[int] = set()
    for one in planned:
        held = (*one.plan.schedule.start, *one.plan.schedule.end)
        used |= {frozenset(one.members[p] for p in pair) for pair in one.plan.schedule.pairs}
        members |= {one.members[p] for p in held}
    parties = tuple(sorted(members.union(*used)))
    seat = {processor: i for i, processor in enumerate(parties)}
    listed = sorted((by_pair[pair], *sorted(seat[one] for one in pair)) for pair in used)
    joined = tuple((number, p, q) for number, p, q in listed)
    circuits = []
    for one in planned:
        place = {p: seat[processor] for p, processor in enumerate(one.members) if processor in seat}
        circuits.append(
            CircuitPlan(
                tuple(place[p] for p in one.plan.schedule.start),
                tuple(_words(act, place) for act in one.plan.schedule.acts),
                one.plan.form.measures,
                one.plan.form.clbits,
                split(one.shots, epochs),
            )
        )
    draft = PlanDocument(job, parties, joined, (0,) * len(joined), tuple(circuits))
    most = tuple(max(column) for column in zip(*map(draft.pairs_of, range(len(circuits))), strict=True))
    return PlanDocument(job, parties, joined, most, tuple(circuits))
