"""Options and arguments that several commands share, each with its one wording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Json", "Seed", "TopologyFile"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
TopologyFile = Annotated[Path, typer.Argument(metavar="TOPOLOGY.yaml", help="The network: see examples/qnp.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of all randomness: the same seed, the same run.")]
