"""How commands speak: results on standard output, progress and errors on standard error.

With `--json` a command prints one JSON value and nothing else on standard output. Every failure is
one clear message with its remedy and a non-zero exit; tracebacks are shown only with QCRS_DEBUG=1.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from qcrs.errors import QCRSError

__all__ = ["emit", "fail", "say", "table"]


def say(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201  (this module is where the command line prints)


def emit(value: Any, *, as_json: bool, human: str | None = None) -> None:
    """The command's result: JSON for scripts, else the text for people."""
    text = json.dumps(value, indent=1, default=str) if as_json or human is None else human
    print(text, flush=True)  # noqa: T201


def table(rows: Iterable[Sequence[object]], headers: Sequence[str]) -> str:
    """A plain aligned table; numbers to the right."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max([len(h), *(len(r[i]) for r in cells)]) for i, h in enumerate(headers)]
    numeric = [
        all(r[i].replace(".", "", 1).lstrip("-").isdigit() for r in cells) for i in range(len(headers))
    ]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            c.rjust(w) if right else c.ljust(w) for c, w, right in zip(row, widths, numeric, strict=True)
        ).rstrip()

    return "\n".join([line(headers), line(["─" * w for w in widths]), *map(line, cells)])


@contextmanager
def fail(*, as_json: bool) -> Iterator[None]:
    """Turn any failure inside into one message and an exit code."""
    try:
        yield
    except QCRSError as error:
        if os.environ.get("QCRS_DEBUG"):
            traceback.print_exc()
        if as_json:
            emit(error.as_json(), as_json=True)
        say(f"✗ {error.message()}")
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        say("✗ interrupted; what was sent to the chain goes on, see `qcrs job list`")
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
