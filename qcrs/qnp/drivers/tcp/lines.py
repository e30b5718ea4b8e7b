"""JSON lines between the broker and nodes. One encoder serves all: `json.dumps` would make one for each."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["as_line"]

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def as_line(message: tuple[Any, ...]) -> bytes:
    """A message as bytes, its newline included."""
    return _encode(message).encode() + b"\n"
