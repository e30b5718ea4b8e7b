"""Chains: an embedded one, any JSON-RPC node, and everything between them and the contracts.

Submodules are imported on demand, because the libraries below them take two seconds to load and
`qcrs --help` has to answer in a fraction of one.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

# The C implementation of keccak; without it a Python-level one is picked and throughput halves.
# Read by eth-hash at its first use, so it is set before anything below is imported.
os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")

_EXPORTS = {
    "Chain": "networks",
    "connect": "networks",
    "EmbeddedChain": "embedded",
    "Sender": "sender",
    "Outbox": "outbox",
    "EventIndex": "index",
    "Deployment": "deploy",
    "deploy": "deploy",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_EXPORTS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
