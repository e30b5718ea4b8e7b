"""An application on a network: it is asked, it runs, it tells what came of it.

A command of `qcrs qnp app` opens a network (`load`, `start`), runs something on it, and makes an `Outcome`
of that. What all of them do with an outcome stands here once: the page, the text or JSON, the exit code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcrs.cli.output import emit

if TYPE_CHECKING:
    from qcrs.qnp import Network, Topology
    from qcrs.qnp.physical.hardware import Hardware

__all__ = [
    "Circuit",
    "Out",
    "Outcome",
    "Purify",
    "circuit_of",
    "load",
    "names_of",
    "percent",
    "purification",
    "start",
    "tell",
]

Circuit = Annotated[str | None, typer.Option("--circuit", help="Which of the file's. Default: its first.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for a page with pictures.")]
Purify = Annotated[str, typer.Option("--purify", help="none, bbpssw or dejmps.")]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an application found: a value for scripts, lines for people, and whether it got all it asked for.

    `page` writes a page with pictures into a folder, where there is something to show; `reason` says why
    the network gave no more.
    """

    value: dict[str, Any]
    lines: Sequence[str]
    complete: bool
    page: Callable[[Path], Path] | None = None
    reason: str = ""


def tell(outcome: Outcome, out: Path | None, *, as_json: bool) -> None:
    """Write the page, print the outcome; exit code 1 where something is missing."""
    value, lines = dict(outcome.value), list(outcome.lines)
    if out is not None and outcome.page is not None:
        value["report"] = str(outcome.page(out))
        lines.append(f"report: {value['report']}")
    if outcome.reason:
        lines.append(f"✗ {outcome.reason}")
    emit(value, as_json=as_json, human="\n".join(lines))
    if not outcome.complete:
        raise typer.Exit(1)


# ------------------------------------------------------------------- networks


def load(file: Path, *, circuits: bool = True) -> Topology:
    """The network of a file without its workloads: the application is the only one here."""
    from qcrs.errors import ConfigError
    from qcrs.qnp.topology.reader import load_topology

    topology = load_topology(file)
    if circuits and not topology.circuits:
        raise ConfigError(
            "this network has no circuit to run on",
            field="circuits",
            value=str(file),
            solution="add one under circuits",
        )
    return topology.with_(workloads=())


def circuit_of(topology: Topology, given: str | None) -> str:
    """The circuit that was asked for, else the first."""
    return given or topology.circuits[0].name


def start(topology: Topology, seed: int, backend: str | Hardware = "belldiag") -> Network:
    """The network on the event heap; it counts deliveries and keeps none."""
    from qcrs.qnp.drivers.faults import network_of

    return network_of(topology, seed, backend=backend, record=False)


def purification(name: str) -> int:
    """The number of a method of purification by its name."""
    from qcrs.errors import ConfigError
    from qcrs.qnp.physical.purification import METHODS

    if name not in METHODS:
        raise ConfigError(
            "no such purification", field="purify", value=name, solution=f"one of {', '.join(METHODS)}"
        )
    return METHODS[name]


def names_of(given: str, topology: Topology, without: str) -> list[str]:
    """The nodes of a list with commas, or all but one."""
    if given == "all":
        return [node.name for node in topology.nodes if node.name != without]
    return [name.strip() for name in given.split(",") if name.strip()]


# ------------------------------------------------------------------- words


def percent(value: float | None, digits: int = 2) -> str:
    """A share in per cent, or a dash."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"
