"""`qcrs demo`, `qcrs up`, `qcrs status`, `qcrs down`: a local network of real processes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcrs.cli.options import HomeOption, Json
from qcrs.cli.output import emit, say, table

if TYPE_CHECKING:
    from qcrs.config.home import Home

__all__ = ["register", "tell_halts"]


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command()(demo)
    root.command()(up)
    root.command()(status)
    root.command()(down)


def demo(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer circuits and shots.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the network running afterwards.")] = False,
    home: HomeOption = None,
    out: Annotated[Path, typer.Option("--out", help="Where report and pictures go.")] = Path("out/demo"),
    as_json: Json = False,
) -> None:
    """The whole exchange on real circuits: honest processors, a cheat, a node that is killed."""
    from qcrs.network.demo import run_demo
    from qcrs.types import credits_text

    summary, report = run_demo(home, out, quick=quick, keep=keep, say=say)
    rows = [
        (
            job.name, job.qubits, job.status, job.verdict,
            "–" if job.score_ppm is None else f"{job.score_ppm / 1e6:.3f}",
            ", ".join(f"{e.processor_name}: {e.outcome}" for e in job.executions),
            credits_text(job.fee_paid), credits_text(job.fee_refunded), job.gas,
        )
        for job in summary.jobs
    ]  # fmt: skip
    headers = ("circuit", "qubits", "status", "verdict", "score", "executions", "paid", "refunded", "gas")
    checks = "\n".join(f"{'✓' if ok else '✗'} {claim}: {figures}" for claim, ok, figures in summary.checks)
    human = f"{table(rows, headers)}\n\n{checks}\n\nreport: {report}"
    emit(summary.as_json() | {"report": str(report)}, as_json=as_json, human=human)
    raise typer.Exit(0 if summary.ok else 1)


def up(
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="The chain's port. Default: as before, or a free one."),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait/--no-wait", help="Until the oracles have certified the processors."),
    ] = True,
    post_quantum: Annotated[
        bool,
        typer.Option(
            "--post-quantum", help="Nodes of a new network get keys that outlive the elliptic curve."
        ),
    ] = False,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Start a local network, or what is missing of it; its state survives kills and restarts."""
    from dataclasses import replace

    from qcrs.config.home import Home
    from qcrs.errors import ConfigError
    from qcrs.network.local import LocalNetwork
    from qcrs.network.plan import local_plan

    network = LocalNetwork(Home.find(home), say=say)
    plan = network.plan() or replace(local_plan(), post_quantum=post_quantum)
    if post_quantum and not plan.post_quantum:
        raise ConfigError(
            "this network was made without post-quantum identities",
            field="post-quantum",
            value=str(network.home.root),
            solution="give a node one: `qcrs account identity NAME --plain`, `qcrs account adopt`, and start "
            "it again; or make a network in another --home",
        )
    with network.processes.exclusive():
        network.up(plan, port=port)
    if wait:
        say("• processors are measured before they take jobs")
        network.await_certified({node.name for node in plan.nodes})
    rows = network.status()
    hint = "\n\nsubmit a circuit:  qcrs submit examples/circuits/ghz_8.qasm"
    human = table([tuple(r.values()) for r in rows], list(rows[0])) + hint
    emit(rows, as_json=as_json, human=human)


def status(home: HomeOption = None, as_json: Json = False) -> None:
    """Which processes of the network run; exit 1 where one has ended, 3 where none runs."""
    from qcrs.config.home import Home
    from qcrs.errors import NetworkError
    from qcrs.network.local import LocalNetwork

    found = Home.find(home)
    rows = LocalNetwork(found, say=say).status()
    if not rows:
        found.load()  # says so where there is no network at all
        raise NetworkError(
            "no process of this network runs here",
            field="home",
            value=str(found.root),
            solution="start them with `qcrs up`",
        )
    ended = [str(row["name"]) for row in rows if row["state"] != "running"]
    emit(rows, as_json=as_json, human=table([tuple(r.values()) for r in rows], list(rows[0])))
    if not ended:
        tell_halts(found)
    if ended:
        say(f"✗ ended: {', '.join(ended)}\n  → `qcrs up` starts them again")
        raise typer.Exit(1)


def tell_halts(home: Home) -> None:
    """What the bodies have paused or closed, since a network that runs may still refuse work."""
    from qcrs.chain import connect
    from qcrs.errors import NetworkError
    from qcrs.governance.overview import halted

    if not home.network_file.exists():
        return  # the start was interrupted before there was a network
    network = home.load()
    try:
        with connect(network.rpc) as chain:
            for words in halted(chain, network.contracts):
                say(f"✗ {words}: see `qcrs gov bodies`")
    except NetworkError as error:
        say(f"✗ the chain does not answer yet: {error.reason}")


def down(home: HomeOption = None, as_json: Json = False) -> None:
    """Stop the network's processes; its state stays, and `qcrs up` goes on from it."""
    from qcrs.config.home import Home
    from qcrs.network.local import LocalNetwork

    network = LocalNetwork(Home.find(home), say=say)
    with network.processes.exclusive():
        stopped = network.processes.stop()
    emit({"stopped": stopped}, as_json=as_json, human=f"stopped: {', '.join(stopped) or 'nothing ran'}")
