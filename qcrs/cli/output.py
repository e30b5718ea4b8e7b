"""How commands speak: results on standard output, progress and errors on standard error.

With `--json` a command prints one JSON value and nothing else on standard output. Every failure is
one clear message with its remedy and a non-zero exit; tracebacks are shown only with QCRS_DEBUG=1.
Names and words of strangers stand in what is printed: what would move a terminal's cursor, colour it or set
its title, or turn the direction of a line, is written out (`\\x1b`) and not sent.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from qcrs.errors import InputError, QCRSError

__all__ = ["INTERRUPTED", "counting", "emit", "fail", "misused", "say", "slowly", "table", "visible"]

INTERRUPTED = 130
"""Exit code of a command that was ended by Ctrl-C, as shells count it."""

UNEXPECTED = 70
"""Exit code of a failure that no command foresaw (`EX_SOFTWARE` of sysexits.h)."""


def visible(text: str) -> str:
    """One line in which everything shows: what does not print is written as Python writes it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _lines(text: str) -> str:
    """Several lines, their ends and tabs as they are."""
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in text.split("\n"))


def say(text: str) -> None:
    """One line of progress."""
    print(_lines(text), file=sys.stderr, flush=True)  # noqa: T201  (this module is where the command line prints)


def slowly(words: Callable[[int], str]) -> Callable[[int], None]:
    """Says how far it is, in these words, whenever two seconds have passed."""
    last = time.monotonic()

    def tick(count: int) -> None:
        nonlocal last
        if time.monotonic() - last > 2:
            last = time.monotonic()
            say(f"• {words(count)}")

    return tick


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int, str], None]]:
    """How many of `total` are done, with a note: a bar with the time left on a terminal, else lines."""
    if not sys.stderr.isatty():
        note = ""
        line = slowly(lambda done: f"{done} of {total} {what}  {note}".rstrip())

        def told(done: int, text: str) -> None:
            nonlocal note
            note = text
            line(done)

        yield told
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    with Progress(TextColumn(what), *columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, note="")
        yield lambda done, text: bar.update(task, completed=done, note=text)


def emit(value: Any, *, as_json: bool, human: str | None = None) -> None:
    """The command's result: JSON for scripts, else the text for people."""
    text = json.dumps(value, indent=1, default=str) if as_json or human is None else _lines(human)
    print(text, flush=True)  # noqa: T201


def table(rows: Iterable[Sequence[object]], headers: Sequence[str]) -> str:
    """A plain aligned table, one line for each row; numbers to the right."""
    cells = [[visible(str(c)) for c in row] for row in rows]
    widths = [max([len(h), *(len(r[i]) for r in cells)]) for i, h in enumerate(headers)]
    numeric = [
        all(r[i].replace(".", "", 1).lstrip("-").isdigit() for r in cells) for i in range(len(headers))
    ]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numeric, strict=True)
        ).rstrip()

    return "\n".join([line(headers), line(["─" * w for w in widths]), *map(line, cells)])


def misused(error: Any) -> InputError:
    """Wrong words on the command line (typer's usage error) as one of our errors; prints the right form."""
    context = error.ctx
    if context is None:
        return InputError(error.format_message().rstrip("."), solution="read `qcrs --help`")
    if type(error).__name__ == "NoArgsIsHelpError":
        say(context.get_help() + "\n")
        return InputError(
            "a command is missing", solution=f"write `{context.command_path}` and one of those above"
        )
    say(context.get_usage())
    return InputError(error.format_message().rstrip("."), solution=f"read `{context.command_path} --help`")


@contextmanager
def fail(*, as_json: bool) -> Iterator[None]:
    """Turn any failure inside into one message and an exit code."""
    try:
        yield
    except QCRSError as error:
        _tell(error.as_json(), error.message(), as_json=as_json)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        _end("Interrupted", "interrupted", _after_interrupt(), INTERRUPTED, as_json=as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:
        reason = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        _end(type(error).__name__, reason, _remedy(error), 1, as_json=as_json)
    except Exception as error:  # what nobody foresaw is still told in one message
        if type(error).__module__ == "sqlite3":  # named so, since importing it costs time
            reason = f"a database of the home folder cannot be used: {error}"
            _end(type(error).__name__, reason, _DATABASE, 1, as_json=as_json)
        reason = f"an error of this program: {type(error).__name__}: {error}"
        solution = "run it again with QCRS_DEBUG=1 and report what that shows"
        _end(type(error).__name__, reason, solution, UNEXPECTED, as_json=as_json)


_DATABASE = "free space on its disk, and check that its files may be read and written; then run it again"
_FULL = "free space on this disk, then run it again"


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return _FULL
    return "check that this file or folder exists and may be read and written"


def _after_interrupt() -> str:
    """What is left after Ctrl-C, by the command that it ended."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    match words:
        case ["up" | "down", *_]:
            return "see what runs with `qcrs status`; `qcrs up` goes on from here, `qcrs down` stops it"
        case ["bench", "verify" | "seam", *_]:
            return "what is finished lies in its folder: go on with --resume"
        case ["bench", "together", *_]:
            return "what is finished lies in its folder: the same command goes on from there"
        case ["account", *_]:
            return _sent("account balance")
        case ["gov" | "dispute" | "channel" | "session" as group, *_]:
            return _sent(f"{group} list")
        case ["submit" | "job", *_]:
            return "what was sent to the chain goes on: see `qcrs job list`"
        case ["processor", "register" | "retire", *_]:
            return (
                "what was sent to the chain takes effect, and once: run it again and it goes on from there; "
                "`qcrs processor list` shows what is registered"
            )
        case ["deploy", *_]:
            return (
                "a deployment counts from its manifest on, which is written last: without one, run it again; "
                "it begins anew, and what this one has put on the chain stays there unused"
            )
        case _:
            return "nothing of it goes on; run it again"


def _sent(where: str) -> str:
    return (
        f"what was sent to the chain takes effect: look with `qcrs {where}` before you run it again, "
        "else it may be done twice"
    )


def _end(kind: str, reason: str, solution: str, code: int, *, as_json: bool) -> NoReturn:
    value = {"error": kind, "reason": reason, "field": None, "value": None, "solution": solution}
    _tell(value, f"{reason}\n  → {solution}", as_json=as_json)
    raise SystemExit(code) from None


def _tell(value: Mapping[str, object], text: str, *, as_json: bool) -> None:
    if os.environ.get("QCRS_DEBUG"):
        traceback.print_exc()
    if as_json:
        emit(value, as_json=True)
    say(f"✗ {text}")
