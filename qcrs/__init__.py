"""QCRS: an open, verifiable exchange for quantum computing.

    from qcrs import QCRSProvider, Sampler, Estimator, Exchange

The names load what they need when they are first used, so `import qcrs` stays light.
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["Estimator", "Exchange", "QCRSProvider", "Sampler"]

_PLACES = {
    "Estimator": "qcrs.provider",
    "Exchange": "qcrs.client.exchange",
    "QCRSProvider": "qcrs.provider",
    "Sampler": "qcrs.provider",
}


def __getattr__(name: str) -> object:
    """Load a public name when it is first asked for (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found
