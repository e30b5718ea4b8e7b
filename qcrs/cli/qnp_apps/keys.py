"""Keys from measured pairs: a command of `qcrs qnp app` for each scheme."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcrs.cli.options import Json, Seed, TopologyFile
from qcrs.cli.output import say, slowly, table
from qcrs.cli.qnp_apps.application import Circuit, Out, Outcome, circuit_of, load, percent, start, tell

if TYPE_CHECKING:
    from qcrs.qnp import Network, Topology
    from qcrs.qnp.apps.keys import KeySettings
    from qcrs.qnp.drivers.apps.keys import KeyBlock
    from qcrs.qnp.physical.hardware import Hardware

__all__ = ["register"]

Pairs = Annotated[int, typer.Option(min=1, help="Measured pairs of a block.")]
Blocks = Annotated[int, typer.Option(min=1, help="How many blocks.")]
Expected = Annotated[
    float | None,
    typer.Option("--expected-qber", help="Sets the size of the sample. Default: the prediction of the plan."),
]
Intercept = Annotated[
    str | None,
    typer.Option(help="Somebody listens: LINK:FRACTION, for instance a-b:0.25 for a quarter of the qubits."),
]
Driver = Annotated[str, typer.Option("--driver", help="heap, or tcp: a process for each node, the same run.")]

COMMANDS = {
    "bbm92": (20_000, 3, "Keys from entangled pairs measured along X or Z at both ends."),
    "bb84": (20_000, 3, "Keys by prepare and measure: the head's measurement prepares what the tail gets."),
    "e91": (
        60_000,
        2,
        "Keys from pairs that violate Bell's inequality; their length follows from the CHSH value.",
    ),
}
"""By name: pairs of a block and number of blocks if nothing is said, and the help."""


def register(apps: typer.Typer) -> None:
    """Add a command for each scheme."""
    for name, (pairs, blocks, words) in COMMANDS.items():
        apps.command(name, help=words)(_command(name, pairs, blocks))


def _command(scheme: str, default_pairs: int, default_blocks: int) -> Callable[..., None]:
    """The command of a scheme with its defaults."""

    def keys(
        topology: TopologyFile,
        circuit: Circuit = None,
        pairs: Pairs = default_pairs,
        blocks: Blocks = default_blocks,
        expected: Expected = None,
        intercept: Intercept = None,
        driver: Driver = "heap",
        seed: Seed = 0,
        out: Out = None,
        as_json: Json = False,
    ) -> None:
        from qcrs.errors import ConfigError
        from qcrs.qnp.apps.keys import KeySettings
        from qcrs.qnp.apps.sifting import SCHEMES

        if driver not in DRIVERS:
            raise ConfigError("no such driver", field="driver", value=driver, solution="heap or tcp")
        plan = load(topology)
        name = circuit_of(plan, circuit)
        backend = "belldiag" if intercept is None else _listened(plan, intercept, seed)
        with DRIVERS[driver](plan, seed, backend) as network:
            settings = KeySettings(SCHEMES[scheme], _expected(network, name, expected))
            done = _distributed(network, name, settings, pairs, blocks)
        tell(_outcome(scheme, name, settings, done, blocks), out, as_json=as_json)

    return keys


# ------------------------------------------------------------------- the network


@contextmanager
def _in_one_loop(topology: Topology, seed: int, backend: str | Hardware) -> Iterator[Network]:
    yield start(topology, seed, backend)


@contextmanager
def _in_processes(topology: Topology, seed: int, backend: str | Hardware) -> Iterator[Network]:
    from qcrs.qnp.drivers.tcp.broker import RemoteNetwork

    say(f"• starting {len(topology.nodes)} node processes")
    with RemoteNetwork(topology, seed, backend=backend, record=False) as network:
        yield network


DRIVERS = {"heap": _in_one_loop, "tcp": _in_processes}


def _listened(topology: Topology, intercept: str, seed: int) -> Hardware:
    """A backend with an eavesdropper on a link, from LINK:FRACTION."""
    from qcrs.errors import ConfigError
    from qcrs.qnp.physical.belldiag import BellDiagonalHardware
    from qcrs.qnp.physical.eavesdropper import InterceptResend

    link, _, share = intercept.rpartition(":")
    a, _, b = link.partition("-")
    try:
        fraction = float(share)
    except ValueError:
        raise ConfigError(
            "an eavesdropper is given as LINK:FRACTION",
            field="intercept",
            value=intercept,
            solution="a-b:0.25",
        ) from None
    topology.link_between(a, b)
    ends = (topology.index(a), topology.index(b))
    hardware = BellDiagonalHardware([n.hardware.noise for n in topology.nodes], seed)
    return InterceptResend(hardware, ends, fraction, seed)


def _expected(network: Network, circuit: str, given: float | None) -> float:
    """The error rate that the plan predicts for pairs that waited a mean link time."""
    if given is not None:
        return given
    from qcrs.qnp.control.fidelity import PathModel

    plan = network.plans[network.circuit(circuit)]
    model = PathModel(network.topology, plan.path, [s.link for s in plan.settings])
    wait = min(plan.cutoff_ns, max(s.mean_ns for s in plan.settings))
    return min(0.1, 2 * (1 - model.predict(plan.settings, wait)) / 3)


# ------------------------------------------------------------------- the run and what it gave


def _distributed(
    network: Network, circuit: str, settings: KeySettings, pairs: int, blocks: int
) -> list[KeyBlock]:
    from qcrs.qnp.drivers.apps.keys import KeyRun
    from qcrs.qnp.drivers.apps.signatures import SecretKey

    def told(block: KeyBlock) -> None:
        say(
            f"• block {block.number}: QBER {percent(block.tail.qber)}, {block.length} bits of key"
            + (f" — {block.reason}" if block.reason else "")
        )

    head, tail = SecretKey(), SecretKey()
    run = KeyRun(
        network,
        circuit,
        settings,
        pairs=pairs,
        blocks=blocks,
        signers=(head, tail),
        verifiers=(head.public, tail.public),
        progress=told,
    )
    return run.run(slowly(lambda n: f"{n:,} of {pairs * blocks:,} pairs measured"))


def _outcome(scheme: str, circuit: str, settings: KeySettings, done: list[KeyBlock], blocks: int) -> Outcome:
    seconds = max(b.finished_ns for b in done) / 1e9 if done else 0.0
    bits = sum(b.length for b in done)
    rate = bits / seconds if seconds else 0.0
    value: dict[str, Any] = {
        "scheme": scheme,
        "circuit": circuit,
        "expected_qber": settings.expected_qber,
        "key_bits": bits,
        "seconds": seconds,
        "key_bits_per_second": rate,
        "blocks": [b.as_dict() for b in done],
    }
    lines = [
        f"{scheme} on {circuit}: {bits} bits of key{', equal at both ends,' if bits else ''} in "
        f"{seconds:.3f} simulated seconds ({rate:.1f} bit/s)",
        "",
        _table(done),
        *(f"✗ block {b.number}: {b.reason}" for b in done if b.reason),
    ]

    def page(folder: Path) -> Path:
        from qcrs.report.qnp_apps import write_keys

        return write_keys(scheme, circuit, done, folder)

    return Outcome(value, lines, all(b.length for b in done) and len(done) >= blocks, page)


def _table(done: list[KeyBlock]) -> str:
    rows = [
        (
            b.number,
            b.tail.pairs,
            b.tail.sifted,
            b.tail.sample,
            percent(b.tail.qber),
            "–" if b.tail.efficiency is None else f"{b.tail.efficiency:.3f}",
            "–" if b.tail.chsh is None else f"{b.tail.chsh.value:.3f} ± {b.tail.chsh.error:.3f}",
            b.length,
        )
        for b in done
    ]
    return table(rows, ("block", "pairs", "sifted", "sample", "QBER", "f", "S", "key bits"))
