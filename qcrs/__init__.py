"""QCRS: an open, verifiable exchange for quantum computing."""

__version__ = "0.1.0"
