"""A small seeded mutator: bytes flipped, cut, repeated and spliced, and JSON values made hostile.

The same seed gives the same mutants on every machine, so a failure is found again by its number.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from qcrs.errors import QCRSError

__all__ = ["Campaign", "bytes_mutants", "campaign", "json_mutants", "text_mutants"]

CPU_SECONDS = 5
"""What reading one small document may take, a hundred times what it does take."""

NUMBERS: tuple[Any, ...] = (
    -1, 0, 1, 2, 255, 256, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, 2**80 + 1, 2**256, -(2**63) - 1,
    10**300,
)  # fmt: skip
TEXTS: tuple[str, ...] = (
    "", "0", "0x", "0xg", "-1", " 1", "1_0", "٣", "9" * 5000, "A" * 3000, "\0", "\ud7ff", "\U0001f512", "ß",
    "../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "__class__", "NaN", "null", "true", "YQ==",
    "0x00",
)  # fmt: skip


def nested(depth: int, inner: Any = 0) -> Any:
    """A value inside so many lists."""
    for _ in range(depth):
        inner = [inner]
    return inner


def hostile(draw: random.Random) -> Any:
    """A value that nobody expects."""
    kind = draw.randrange(8)
    if kind == 0:
        return draw.choice(NUMBERS)
    if kind == 1:
        return draw.choice(TEXTS)
    if kind == 2:
        return draw.choice((None, True, False))
    if kind == 3:
        return draw.choice(([], {}, [[]], [None], {"": None}, [{}], [[], []], {"0": [0]}))
    if kind == 4:
        return nested(draw.choice((2, 50, 150)))
    if kind == 5:
        return [draw.choice(NUMBERS) for _ in range(draw.choice((1, 2, 3, 300)))]
    if kind == 6:
        return {draw.choice(TEXTS): draw.choice(NUMBERS) for _ in range(3)}
    return draw.getrandbits(draw.choice((1, 8, 32, 64, 200)))


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a value."""
    found: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        here = stack.pop()
        items = here.items() if isinstance(here, dict) else enumerate(here) if isinstance(here, list) else ()
        for key, item in items:
            found.append((here, key))
            stack.append(item)
    return found


def _changed(value: Any, draw: random.Random) -> Any:
    """The value with one thing in it changed; a copy."""
    root = [json.loads(json.dumps(value))]
    places = _places(root)
    box, key = draw.choice(places)
    action = draw.randrange(7)
    if action == 0:
        box[key] = hostile(draw)
    elif action == 1 and box is not root:
        del box[key]
    elif action == 2 and isinstance(box, dict):
        box[draw.choice(TEXTS)] = box.pop(key)
    elif action == 3 and isinstance(box, list) and box is not root:
        box[key:key] = [box[key]] * draw.choice((1, 2, 40))
    elif action == 4:
        other_box, other_key = draw.choice(places)
        box[key] = json.loads(json.dumps(other_box[other_key]))
    elif action == 5 and type(box[key]) is int:
        box[key] += draw.choice((-1, 1, -2, 2, 2**32))
    elif action == 6 and isinstance(box[key], str) and box[key]:
        place = draw.randrange(len(box[key]))
        box[key] = box[key][:place] + draw.choice(("", "0", "f", "G", " ", "é")) + box[key][place + 1 :]
    else:
        box[key] = hostile(draw)
    return root[0]


def json_mutants(corpus: Sequence[Any], count: int, seed: int) -> Iterator[Any]:
    """Seeded damage to good JSON values; one change most times, sometimes more."""
    draw = random.Random(seed)
    for _ in range(count):
        value = draw.choice(corpus)
        for _change in range(draw.choice((1, 1, 1, 2, 5))):
            value = _changed(value, draw)
        yield value


INSERTS = (
    b"[" * 30_000, b'{"a":' * 5_000, b"9" * 5_000, b"1e999", b"NaN", b"\xff\xfe", b"\0" * 64, b"{}",
    b"\xef\xbb\xbf", b'"\\ud800"', b"-0", b'"a":1,"a":2,', b"\r\n", b"]" * 100,
)  # fmt: skip


def bytes_mutants(
    corpus: Sequence[bytes], count: int, seed: int, inserts: Sequence[bytes] = INSERTS
) -> Iterator[bytes]:
    """Seeded damage to good bytes: flips, cuts, repeats, splices of two files, and what hurts parsers."""
    draw = random.Random(seed)
    for _ in range(count):
        data = bytearray(draw.choice(corpus))
        for _change in range(draw.choice((1, 1, 1, 2, 4, 16))):
            data = data or bytearray(b"x")
            place, length = draw.randrange(len(data)), draw.choice((1, 1, 2, 8, 64, 1024))
            action = draw.randrange(7)
            if action == 0:
                data[place] ^= 1 << draw.randrange(8)
            elif action == 1:
                data[place] = draw.randrange(256)
            elif action == 2:
                del data[place : place + length]
            elif action == 3:
                data[place:place] = data[place : place + length] * draw.choice((1, 2, 50))
            elif action == 4:
                other = draw.choice(corpus)
                start = draw.randrange(len(other) + 1)
                data[place : place + length] = other[start : start + length]
            elif action == 5:
                del data[place:]
            else:
                data[place : place + draw.choice((0, 1))] = draw.choice(inserts)
        yield bytes(data)


YAML = (
    "&a ", "*a", "<<: *a\n", "!!python/object/apply:os.system [id]\n", "!!python/name:os.system",
    "!!binary aGk=", "!!set {a, b}", "? [a]\n: b\n", "a: &x [1]\nb: *x\n", "%YAML 9.9\n---\n", "---\n",
    ".inf", ".nan", "1e999", "-0x8000", "9" * 5000, "2001-01-01", "12:30:45", "~", "on", "[]", "{}", "0",
    "[" * 200, "{a: " * 60, "- " * 100, "\t", "|\n", ">-\n", "...\n", "@", "`", "\u2028", "-5", "name",
    "${HOME}", "${NOBODY}", "-1ns", "1e400km", "1ns", "99999999999999999999s",
)  # fmt: skip


def text_mutants(
    corpus: Sequence[str], count: int, seed: int, inserts: Sequence[str] = YAML
) -> Iterator[bytes]:
    """Seeded damage to files of lines and words: values replaced, lines moved, doubled, re-indented."""
    draw = random.Random(seed)
    for _ in range(count):
        lines = draw.choice(corpus).split("\n")
        for _change in range(draw.choice((1, 1, 1, 2, 4))):
            place = draw.randrange(len(lines))
            line = lines[place]
            action = draw.randrange(7)
            key, colon, _value = line.partition(":")
            if action == 0 and colon:
                lines[place] = f"{key}: {draw.choice(inserts)}"
            elif action == 1:
                words = line.split(" ")
                words[draw.randrange(len(words))] = draw.choice(inserts)
                lines[place] = " ".join(words)
            elif action == 2:
                lines.insert(place, line)
            elif action == 3:
                lines[place] = " " * draw.choice((0, 1, 2, 7)) + line.lstrip()
            elif action == 4 and len(lines) > 1:
                del lines[place]
            elif action == 5:
                lines[place] = draw.choice(draw.choice(corpus).split("\n"))
            else:
                lines.insert(place, draw.choice(inserts))
        yield "\n".join(lines).encode()


class Campaign:
    """What came of it; `odd` are the mutants that did neither of the two things that are allowed."""

    def __init__(self) -> None:
        self.accepted = 0
        self.refused = 0
        self.odd: list[str] = []

    def note(self, number: int, data: object, problem: str) -> None:
        """A mutant that shows a defect."""
        self.odd.append(f"mutant {number}: {problem}; from {str(data)[:300]}")


def campaign(
    mutants: Iterator[Any], read: Callable[[Any], Any], same: Callable[[Any, Any], bool] | None = None
) -> Campaign:
    """Read every mutant: it is refused by a clear `QCRSError`, or read into what `same` finds equal to it."""
    found = Campaign()
    for number, data in enumerate(mutants):
        start = time.process_time()
        try:
            value = read(data)
        except QCRSError as error:
            found.refused += 1
            if not error.reason or (error.field is None and error.solution is None):
                found.note(number, data, f"unclear: {error!r}")
            elif len(str(error)) > 5_000:
                found.note(number, data, f"an error of {len(str(error))} letters")
        except Exception as error:
            found.note(number, data, f"{type(error).__name__}: {str(error)[:200]}")
        else:
            found.accepted += 1
            if same is not None and not same(value, data):
                found.note(number, data, f"read into something else: {str(value)[:300]}")
        if time.process_time() - start > CPU_SECONDS:
            found.note(number, data, "it took too long")
    return found
