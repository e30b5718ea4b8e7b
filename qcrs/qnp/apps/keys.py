"""Making key from measured pairs: the two ends as state machines that exchange bytes.

==========  =============  ==================================================================
from tail   BASES          ids of its measured pairs, and along which axis each was measured
from head   SIFT           the same of the head
from head   SAMPLE         a seed, how many sifted bits to compare, its own of these [and of the CHSH rounds]
from tail   ESTIMATE       its bits of these
from tail   ASK            ranges whose parities it wants (Cascade), again and again
from head   PARITIES       those
from tail   CORRECTED      nothing more to ask
from head   VERIFY         a universal hash of its bits, with the matrix
from tail   VERIFIED       its own bits have it
from head   AMPLIFY        the key's length, bits leaked, and the matrix that makes the key
from tail   SIGN           its signature of all messages so far
from head   SIGN           the same
from tail   FINISHED       it has the key
from both   ABORT          a reason: no key
==========  =============  ==================================================================

`start` and `receive` return messages to send; there is no clock and no socket here, and random bytes are
passed in. After an abort no bit of a key is left at that end.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from typing import ClassVar

import numpy as np

from qcrs.errors import InputError
from qcrs.qnp.apps import cascade, coins, keyrate, privacy
from qcrs.qnp.apps.line import Line
from qcrs.qnp.apps.sifting import CHSH, Array, Records, Scheme, chsh, chsh_mask, common, flips, key_mask

__all__ = ["KeyHead", "KeyResult", "KeySettings", "KeyTail", "NoKey"]

(
    BASES,
    SIFT,
    SAMPLE,
    ESTIMATE,
    ASK,
    PARITIES,
    CORRECTED,
    VERIFY,
    VERIFIED,
    AMPLIFY,
    SIGN,
    FINISHED,
    ABORT,
) = range(13)
_SAMPLE = struct.Struct(">32sI")
_AMPLIFY = struct.Struct(">II")
SAMPLE_OF_CHSH = 10
"""With a CHSH test one sifted bit in so many is compared, to know how to reconcile the others."""


class NoKey(IntEnum):
    """Why there is no key."""

    NONE = 0
    TOO_MANY_ERRORS = 1
    TOO_FEW_PAIRS = 2
    NO_VIOLATION = 3
    HASHES_DIFFER = 4
    NOT_SIGNED = 5
    NOT_THE_PROTOCOL = 6
    LINE_LOST = 7

    @property
    def words(self) -> str:
        """The reason in words, with what to do."""
        return _WORDS[self]


_WORDS = {
    NoKey.NONE: "",
    NoKey.TOO_MANY_ERRORS: "the error rate is above what any key can come from: somebody listens, or "
    "the pairs are too bad; check the links, or ask for a higher fidelity",
    NoKey.TOO_FEW_PAIRS: "too few pairs for a key at this error rate: measure longer blocks",
    NoKey.NO_VIOLATION: "the CHSH value is not safely above 2: somebody listens, the pairs are too bad, "
    "or there are too few",
    NoKey.HASHES_DIFFER: "the reconciled bits differ",
    NoKey.NOT_SIGNED: "the other end did not sign the messages that arrived here: somebody changed them",
    NoKey.NOT_THE_PROTOCOL: "a message came that does not belong here",
    NoKey.LINE_LOST: "the classical line broke",
}


@dataclass(frozen=True, slots=True)
class KeySettings:
    """What both ends agreed on beforehand; `expected_qber` sets the size of the sample."""

    scheme: Scheme
    expected_qber: float = 0.02
    security: keyrate.Security = field(default_factory=keyrate.Security)

    def __post_init__(self) -> None:
        if not 0.0 <= self.expected_qber < 0.5:
            raise InputError(
                "an error rate lies below one half", field="expected_qber", value=self.expected_qber
            )


@dataclass(frozen=True, slots=True)
class KeyResult:
    """How it ended at one end. `key` holds bits, shape (length,), or None with a reason.

    `efficiency` is leaked / (n h(Q)), Q here the error rate of the n bits themselves, which the tail knows.
    """

    key: Array | None
    reason: NoKey
    pairs: int = 0
    sifted: int = 0
    sample: int = 0
    errors: int = 0
    corrected: int | None = None
    leaked: int = 0
    efficiency: float | None = None
    chsh: CHSH | None = None

    @property
    def qber(self) -> float | None:
        """Error rate of the sample."""
        return self.errors / self.sample if self.sample else None

    @property
    def length(self) -> int:
        """Bits of key."""
        return 0 if self.key is None else len(self.key)


class State(Enum):
    """Where an end is."""

    READY = "ready"
    BASES = "waits for bases"
    SAMPLE = "waits for the sample"
    ESTIMATE = "waits for the estimate"
    RECONCILE = "reconciles"
    VERIFY = "waits for the hash"
    AMPLIFY = "waits for the matrix"
    SIGNED = "waits for the signature"
    FINISH = "waits for the end"
    DONE = "has a key"
    ABORTED = "has none"


def _packed(bits: Array) -> bytes:
    return np.packbits(bits).tobytes()


def _unpacked(data: bytes, n: int) -> Array:
    if len(data) != (n + 7) // 8:
        raise InputError("a message has as many bits as it should", field="bits", value=len(data))
    return np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=n)


class _KeyEnd:
    """What both ends have in common. `TABLE` is the state machine: which message is taken where."""

    TABLE: ClassVar[dict[tuple[State, int], str]] = {}

    def __init__(self, records: Records, settings: KeySettings, line: Line) -> None:
        self.state = State.READY
        self.reason = NoKey.NONE
        self._settings = settings
        self._line = line
        self._all = len(records)
        self._records = records
        self._key: Array | None = None
        self._bits: Array = np.empty(0, np.uint8)
        self._sifted = self._sample = self._errors = self._leaked = 0
        self._chsh: CHSH | None = None
        self._transcript = b""

    @property
    def ended(self) -> bool:
        """Whether nothing more comes: a key, or none."""
        return self.state in (State.DONE, State.ABORTED)

    # ------------------------------------------------------------------ messages

    def receive(self, data: bytes) -> list[bytes]:
        """A message came: what to send."""
        if self.ended:
            return []
        transcript = self._line.transcript()
        try:
            opened = self._line.open(data)
            if opened is None:
                return []
            kind, body = opened
            if kind == ABORT:
                self._stop(NoKey(body[0]) if body and body[0] in list(NoKey) else NoKey.NOT_THE_PROTOCOL)
                return []
            name = self.TABLE.get((self.state, kind))
            if name is None:
                return self.abort(NoKey.NOT_THE_PROTOCOL)
            self._transcript = transcript
            return list(getattr(self, name)(body))
        except (InputError, struct.error):
            return self.abort(NoKey.NOT_THE_PROTOCOL)

    def abort(self, reason: NoKey) -> list[bytes]:
        """No key, and tell the other end why."""
        if self.ended:
            return []
        self._stop(reason)
        return [self._line.seal(ABORT, bytes([reason]))]

    def _stop(self, reason: NoKey) -> None:
        self.state, self.reason = State.ABORTED, reason
        self._key = None
        self._bits = np.empty(0, np.uint8)

    def _say(self, state: State, kind: int, body: bytes = b"") -> list[bytes]:
        self.state = state
        return [self._line.seal(kind, body)]

    # ------------------------------------------------------------------ what both know

    def _shared(self, body: bytes) -> tuple[Records, Array]:
        """Own records of pairs that both have, and the other's axes of these."""
        n = len(body) // 9
        if len(body) != 9 * n:
            raise InputError("bases have nine bytes each", field="bases", value=len(body))
        ids = np.frombuffer(body[: 8 * n], dtype=">u4").astype(np.uint32).reshape(-1, 2)
        axes = np.frombuffer(body[8 * n :], dtype=np.uint8)
        return self._records.at(common(self._records.ids, ids)), axes[common(ids, self._records.ids)]

    def _bases(self) -> bytes:
        return self._records.ids.astype(">u4").tobytes() + self._records.axes.tobytes()

    def _judge(
        self, head: Array, tail: Array, head_records: Records | None, tail_axes: Array, tail_bits: Array
    ) -> NoKey:
        """Whether what was compared allows a key at all."""
        self._sample, self._errors = len(head), int(np.sum(head ^ tail))
        n = self._sifted - self._sample
        qber = self._errors / max(1, self._sample)
        expected = keyrate.EFFICIENCY * n * keyrate.entropy(qber)
        if self._settings.scheme.chsh:
            self._chsh = None if head_records is None else chsh(head_records, tail_axes, tail_bits)
            if self._chsh is None or self._chsh.lower(self._settings.security.secret) <= 2.0:
                return NoKey.NO_VIOLATION
        elif keyrate.asymptotic_bb84(qber) <= 0 or qber >= 0.5:
            return NoKey.TOO_MANY_ERRORS
        return NoKey.NONE if n > 0 and self._length(n, expected) else NoKey.TOO_FEW_PAIRS

    def _length(self, n: int, leak: float) -> int:
        security = self._settings.security
        if self._chsh is not None:
            return keyrate.chsh_length(n, self._chsh.lower(security.secret), leak, security)
        return keyrate.key_length(n, self._sample, self._errors / self._sample, leak, security)

    def _layout(self, seed: bytes) -> cascade.Layout:
        """Blocks for the error rate seen, at least half an error even if none was."""
        return cascade.Layout(len(self._bits), (self._errors + 0.5) / (self._sample + 1), seed)

    def result(self) -> KeyResult:
        """How it stands."""
        return KeyResult(
            self._key if self.state is State.DONE else None,
            self.reason,
            self._all,
            self._sifted,
            self._sample,
            self._errors,
            None,
            self._leaked,
            None,
            self._chsh,
        )


class KeyHead(_KeyEnd):
    """The end whose bits count. `coins` gives that many random bytes."""

    TABLE: ClassVar[dict[tuple[State, int], str]] = {
        (State.BASES, BASES): "_on_bases",
        (State.ESTIMATE, ESTIMATE): "_on_estimate",
        (State.RECONCILE, ASK): "_on_ask",
        (State.RECONCILE, CORRECTED): "_on_corrected",
        (State.VERIFY, VERIFIED): "_on_verified",
        (State.SIGNED, SIGN): "_on_sign",
        (State.FINISH, FINISHED): "_on_finished",
    }

    def __init__(
        self, records: Records, settings: KeySettings, line: Line, coins_: Callable[[int], bytes]
    ) -> None:
        super().__init__(records, settings, line)
        self._coins = coins_
        self._seed = b""
        self._reference: cascade.Reference
        self._tests: Records
        self._tail_axes: Array
        self.state = State.BASES

    def start(self) -> list[bytes]:
        """The tail begins."""
        return []

    def _on_bases(self, body: bytes) -> list[bytes]:
        scheme = self._settings.scheme
        sift = [self._line.seal(SIFT, self._bases())]
        mine, tail_axes = self._shared(body)
        tested = chsh_mask(mine.axes, tail_axes) if scheme.chsh else np.zeros(len(mine), bool)
        self._tests, self._tail_axes = mine.at(tested), tail_axes[tested]
        sifted = mine.at(key_mask(scheme, mine.axes, tail_axes, mine.bells))
        self._sifted = len(sifted)
        if self._sifted < 2:
            return sift + self.abort(NoKey.TOO_FEW_PAIRS)
        if scheme.chsh:
            count = max(1, self._sifted // SAMPLE_OF_CHSH)
        else:
            settings = self._settings
            count, _ = keyrate.best_sample(self._sifted, settings.expected_qber, security=settings.security)
        self._seed = self._coins(32)
        chosen = coins.choice(self._seed, "sample", self._sifted, count)
        rest = np.ones(self._sifted, bool)
        rest[chosen] = False
        self._compared = sifted.bits[chosen]
        self._bits = sifted.bits[rest]
        shown = np.concatenate([self._compared, self._tests.bits])
        return sift + self._say(State.ESTIMATE, SAMPLE, _SAMPLE.pack(self._seed, count) + _packed(shown))

    def _on_estimate(self, body: bytes) -> list[bytes]:
        count = len(self._compared)
        theirs = _unpacked(body, count + len(self._tests))
        found = self._judge(self._compared, theirs[:count], self._tests, self._tail_axes, theirs[count:])
        if found:
            return self.abort(found)
        self._reference = cascade.Reference(self._bits, self._layout(self._seed))
        self.state = State.RECONCILE
        return []

    def _on_ask(self, body: bytes) -> list[bytes]:
        answers = self._reference.answer(cascade.decode_queries(body))
        return self._say(State.RECONCILE, PARITIES, _packed(answers))

    def _on_corrected(self, body: bytes) -> list[bytes]:
        del body
        self._leaked = self._reference.leaked_bits
        n, m = len(self._bits), self._settings.security.hash_bits
        count = privacy.seed_bits(n, m)
        seed = self._coins((count + 7) // 8)
        value = privacy.toeplitz(self._bits, np.unpackbits(np.frombuffer(seed, np.uint8), count=count), m)
        return self._say(State.VERIFY, VERIFY, _packed(value) + seed)

    def _on_verified(self, body: bytes) -> list[bytes]:
        del body
        n = len(self._bits)
        length = self._length(n, self._leaked)
        if not length:
            return self.abort(NoKey.TOO_FEW_PAIRS)
        count = privacy.seed_bits(n, length)
        seed = self._coins((count + 7) // 8)
        matrix = np.unpackbits(np.frombuffer(seed, np.uint8), count=count)
        self._key = privacy.toeplitz(self._bits, matrix, length)
        return self._say(State.SIGNED, AMPLIFY, _AMPLIFY.pack(length, self._leaked) + seed)

    def _on_sign(self, body: bytes) -> list[bytes]:
        if not self._line.signed(self._transcript, body):
            return self.abort(NoKey.NOT_SIGNED)
        return self._say(State.FINISH, SIGN, self._line.signature())

    def _on_finished(self, body: bytes) -> list[bytes]:
        del body
        self.state = State.DONE
        return []


class KeyTail(_KeyEnd):
    """The end that corrects its bits."""

    TABLE: ClassVar[dict[tuple[State, int], str]] = {
        (State.BASES, SIFT): "_on_sift",
        (State.SAMPLE, SAMPLE): "_on_sample",
        (State.RECONCILE, PARITIES): "_on_parities",
        (State.VERIFY, VERIFY): "_on_verify",
        (State.AMPLIFY, AMPLIFY): "_on_amplify",
        (State.SIGNED, SIGN): "_on_sign",
    }

    def __init__(self, records: Records, settings: KeySettings, line: Line) -> None:
        super().__init__(records, settings, line)
        self._head_axes: Array
        self._search: Generator[list[cascade.Range], Array, Array]
        self._asked = 0
        self._before: Array
        self._corrected: int | None = None

    def start(self) -> list[bytes]:
        """Tell along which axes was measured."""
        return self._say(State.BASES, BASES, self._bases())

    def _on_sift(self, body: bytes) -> list[bytes]:
        mine, self._head_axes = self._shared(body)
        turned = mine.bits ^ flips(self._head_axes, mine.bells)
        self._records = Records(mine.ids, mine.axes, mine.bits, mine.bells)
        self._mine, self._turned = mine, turned
        self.state = State.SAMPLE
        return []

    def _on_sample(self, body: bytes) -> list[bytes]:
        seed, count = _SAMPLE.unpack_from(body)
        scheme, mine = self._settings.scheme, self._mine
        tested = chsh_mask(self._head_axes, mine.axes) if scheme.chsh else np.zeros(len(mine), bool)
        sifted = self._turned[key_mask(scheme, self._head_axes, mine.axes, mine.bells)]
        self._sifted = len(sifted)
        if not 0 < count < self._sifted:
            return self.abort(NoKey.NOT_THE_PROTOCOL)
        chosen = coins.choice(seed, "sample", self._sifted, count)
        rest = np.ones(self._sifted, bool)
        rest[chosen] = False
        own = sifted[chosen]
        self._bits = sifted[rest]
        self._before = self._bits
        theirs = _unpacked(body[_SAMPLE.size :], count + int(np.sum(tested)))
        tests = mine.at(tested)
        as_head = Records(tests.ids, self._head_axes[tested], theirs[count:], tests.bells)
        found = self._judge(theirs[:count], own, as_head, tests.axes, tests.bits)
        shown = self._say(State.RECONCILE, ESTIMATE, _packed(np.concatenate([own, tests.bits])))
        if found:  # the head sees the same and says so; whoever is first
            return shown + self.abort(found)
        self._search = cascade.correct(self._bits, self._layout(seed))
        return shown + self._ask(None)

    def _ask(self, answers: Array | None) -> list[bytes]:
        """Go on with Cascade until it needs an answer, or has all."""
        try:
            queries = next(self._search) if answers is None else self._search.send(answers)
        except StopIteration as end:
            self._bits = end.value
            self._corrected = int(np.sum(self._bits ^ self._before))
            return self._say(State.VERIFY, CORRECTED)
        self._queries = len(queries)
        self._leaked += len(queries)
        return self._say(State.RECONCILE, ASK, cascade.encode_queries(queries))

    def _on_parities(self, body: bytes) -> list[bytes]:
        return self._ask(_unpacked(body, self._queries))

    def _on_verify(self, body: bytes) -> list[bytes]:
        n, m = len(self._bits), self._settings.security.hash_bits
        size, count = (m + 7) // 8, privacy.seed_bits(n, m)
        value = privacy.toeplitz(self._bits, _unpacked(body[size:], count), m)
        if _packed(value) != body[:size]:
            return self.abort(NoKey.HASHES_DIFFER)
        return self._say(State.AMPLIFY, VERIFIED)

    def _on_amplify(self, body: bytes) -> list[bytes]:
        length, leaked = _AMPLIFY.unpack_from(body)
        n = len(self._bits)
        if leaked != self._leaked or length != self._length(n, leaked) or not length:
            return self.abort(NoKey.NOT_THE_PROTOCOL)
        matrix = _unpacked(body[_AMPLIFY.size :], privacy.seed_bits(n, length))
        self._key = privacy.toeplitz(self._bits, matrix, length)
        return self._say(State.SIGNED, SIGN, self._line.signature())

    def _on_sign(self, body: bytes) -> list[bytes]:
        if not self._line.signed(self._transcript, body):
            return self.abort(NoKey.NOT_SIGNED)
        return self._say(State.DONE, FINISHED)

    def result(self) -> KeyResult:
        """How it stands; the tail also knows how many bits it corrected."""
        found = super().result()
        wrong, n = self._corrected, len(self._before) if self._corrected is not None else 0
        if wrong is None:
            return found
        limit = n * keyrate.entropy(wrong / n) if n else 0.0
        return replace(found, corrected=wrong, efficiency=self._leaked / limit if limit else math.inf)
