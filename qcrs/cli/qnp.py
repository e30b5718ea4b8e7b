"""`qcrs qnp …`: run, check and measure entanglement networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcrs.cli.options import Json, Seed, TopologyFile
from qcrs.cli.output import emit, say, slowly, table
from qcrs.cli.qnp_apps import register_apps

if TYPE_CHECKING:
    from qcrs.qnp import Network, Topology

__all__ = ["register"]


def register(root: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        rich_markup_mode=None, no_args_is_help=True, help="Entanglement networks: run, lint, bench."
    )
    group.command()(run)
    group.command()(lint)
    group.command()(bench)
    group.command("import")(import_)
    group.command()(schema)
    register_apps(group)
    root.add_typer(group, name="qnp")


# ------------------------------------------------------------------- run


def run(
    topology: TopologyFile,
    seed: Seed = 0,
    until: Annotated[str | None, typer.Option("--until", help="Simulated time to stop at: 10s.")] = None,
    driver: Annotated[
        str, typer.Option("--driver", help="heap, or tcp: a process for each node, the same trace.")
    ] = "heap",
    backend: Annotated[str, typer.Option("--backend", help="belldiag, dm or qiskit.")] = "belldiag",
    trace: Annotated[Path | None, typer.Option("--trace", help="Write every call of a rule here.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for qnp.html and its pictures.")] = None,
    as_json: Json = False,
) -> None:
    """Run a network's workloads to their end, show how it goes, and tell what came of it."""
    from qcrs.errors import ConfigError
    from qcrs.qnp.drivers.summary import summarise
    from qcrs.qnp.topology.reader import load_topology
    from qcrs.qnp.topology.units import time_ns

    network = load_topology(topology)
    stop = None if until is None else time_ns(until)
    if not network.workloads:
        raise ConfigError(
            "this network has no workloads, so there is nothing to run",
            field="workloads",
            value=str(topology),
            solution="add some to the file, or see what it could do: qcrs qnp lint",
        )
    endless = [w for w in network.workloads if not w.number and not w.by_ns]
    if endless and stop is None:
        raise ConfigError(
            "a workload without a number or a deadline never ends", field="until", solution="give --until 10s"
        )
    if driver == "tcp":
        done, lines = _over_tcp(network, seed, stop, backend)
    elif driver == "heap":
        done, lines = _in_one_process(network, seed, stop, backend, whole_trace=trace is not None)
    else:
        raise ConfigError("no such driver", field="driver", value=driver, solution="heap or tcp")
    found = summarise(done)
    if trace is not None:
        trace.write_text(lines, encoding="utf-8")
    if out is not None:
        from qcrs.report.qnp import write

        found["report"] = str(write(done, out))
    emit(found, as_json=as_json, human=_told(found))


def _in_one_process(
    topology: Topology, seed: int, stop: int | None, backend: str, *, whole_trace: bool
) -> tuple[Network, str]:
    from qcrs.qnp.drivers.faults import network_of
    from qcrs.qnp.drivers.trace import Trace

    watch = Trace(None if whole_trace else 20_000)
    network = network_of(topology, seed, backend=backend, trace=watch)
    _follow(network, stop)
    return network, watch.text()


def _over_tcp(topology: Topology, seed: int, stop: int | None, backend: str) -> tuple[Network, str]:
    from qcrs.qnp.drivers.tcp.broker import RemoteNetwork
    from qcrs.qnp.drivers.trace import Trace

    say(f"• starting {len(topology.nodes)} node processes")
    with RemoteNetwork(topology, seed, backend=backend) as network:
        _follow(network, stop)
        text = network.trace_text()
    watch = Trace()
    watch.lines = text.splitlines()
    network.trace = watch
    return network, text


def _follow(network: Network, stop: int | None) -> None:
    """Run in pieces and say now and then how far it is."""

    def words(events: int) -> str:
        ended = sum(log.finished_ns >= 0 for log in network.requests.values())
        return (
            f"{network.now / 1e9:.3f} s simulated, {events:,} events, "
            f"{network.delivered:,} pairs, {ended} of {len(network.requests)} requests ended"
        )

    tick = slowly(words)
    while network.run(stop, max_events=5000):
        tick(network.events)


def _told(found: dict[str, Any]) -> str:
    """The summary for people."""
    circuits = table(
        [
            (
                c["circuit"],
                len(c["path"]),
                c["delivered"],
                _interval(c["rate_hz"], 2),
                _interval(c["fidelity"]),
                f"{c['predicted_fidelity']:.4f}",
                _interval(c["qber"]["z"]),
            )
            for c in found["circuits"]
        ],
        ("circuit", "nodes", "pairs", "rate /s (95 %)", "fidelity (95 %)", "predicted", "QBER z (95 %)"),
    )
    requests = [
        f"request {r['request']}: {r['status']}, {r['delivered']} pairs"
        + (f" — {r['reason']}" if r["reason"] else "")
        for r in found["requests"]
    ]
    shown = requests[:20] + ([f"… and {len(requests) - 20} more"] if len(requests) > 20 else [])
    wrong = sum(c["wrong_bell"] for c in found["circuits"])
    head = (
        f"{found['network']}: {found['delivered']} pairs from {found['link_pairs']} link pairs in "
        f"{found['simulated_s']:.3f} simulated seconds; {wrong} wrong Bell states, "
        f"{found['leaked_qubits']} qubits left over"
    )
    tail = [f"report: {found['report']}"] if "report" in found else []
    return "\n".join([head, "", circuits, "", *shown, *tail])


def _interval(value: Any, digits: int = 4) -> str:
    if value is None:
        return "–"
    middle, low, high = value
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


# ------------------------------------------------------------------- lint, schema, import


def lint(topology: TopologyFile, as_json: Json = False) -> None:
    """Predicted fidelity, mean link times, cutoffs and rates of every circuit; what looks wrong."""
    from qcrs.qnp.topology.lint import lint as check
    from qcrs.qnp.topology.reader import load_topology

    report = check(load_topology(topology))
    rows = [
        (
            c["circuit"],
            " – ".join(c["path"]) if len(c["path"]) < 8 else f"{len(c['path'])} nodes",
            f"{c['predicted_fidelity']:.4f}",
            f"{min(s['fidelity'] for s in c['links']):.4f}",
            f"{max(s['mean_ns'] for s in c['links']) / 1e6:.3f}",
            "none" if c["cutoff_ns"] is None else f"{c['cutoff_ns'] / 1e6:.3f}",
            f"{c['end_to_end_rate_hz']:.2f}",
        )
        for c in report.circuits
    ]
    headers = ("circuit", "path", "fidelity", "link fidelity", "link mean ms", "cutoff ms", "max rate /s")
    warnings = [f"! {text}" for text in report.warnings] or ["nothing looks wrong"]
    emit(report.as_dict(), as_json=as_json, human="\n".join([table(rows, headers), "", *warnings]))
    if report.warnings:
        raise typer.Exit(1)


def schema() -> None:
    """Print the JSON schema of topology files."""
    from qcrs.qnp.topology.reader import schema as found

    emit(found(), as_json=True)


def import_(
    file: Annotated[Path, typer.Argument(help="A SeQUeNCe network (.json) or a SquidASM one (.yaml).")],
    as_json: Json = False,
) -> None:
    """Read another simulator's network and print it as a topology file."""
    from qcrs.qnp.topology.importers import import_sequence, import_squidasm
    from qcrs.qnp.topology.writer import dump

    found = (import_sequence if file.suffix == ".json" else import_squidasm)(file)
    for note in found.notes:
        say(f"• {note}")
    text = dump(found.topology)
    emit({"topology": text, "notes": list(found.notes)}, as_json=as_json, human=text.rstrip())


# ------------------------------------------------------------------- bench


def bench(
    what: Annotated[str, typer.Argument(help="paper (Figs. 8–10), peers (SeQUeNCe, SimQN), scale, tcp.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder for tables and plots.")] = None,
    seconds: Annotated[int, typer.Option(min=1, help="Simulated seconds of each point (paper).")] = 60,
    nodes: Annotated[str, typer.Option(help="Chain lengths (peers).")] = "3,5,9,17",
    cache: Annotated[
        Path | None,
        typer.Option(help="Where peers' environments live (peers). Default: ~/.cache/qcrs/peers."),
    ] = None,
    events: Annotated[int, typer.Option(min=1, help="Events to serve (scale).")] = 10_000_000,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs to deliver (tcp).")] = 1000,
    as_json: Json = False,
) -> None:
    """Reproduce the paper's evaluation, compare with peers in one run, or time what is large."""
    from qcrs.errors import ConfigError

    if what == "paper":
        from qcrs.qnp.bench.paper import measure
        from qcrs.report.qnp_bench import write_paper

        found = measure(seconds, progress=lambda text: say(f"• {text}"))
        if out is not None:
            say(f"• wrote {write_paper(found, out)}")
        human = "\n\n".join(f"{t.title}\n{table(t.rows, t.headers)}" for t in found)
        emit([t.as_dict() for t in found], as_json=as_json, human=human)
    elif what == "peers":
        from qcrs.qnp.bench.peers import compare

        if any(not n.strip().isdecimal() or not 3 <= int(n) <= 100 for n in nodes.split(",")):
            raise ConfigError(
                "lengths of chains are whole numbers from 3 to 100",
                field="nodes",
                value=nodes,
                solution="separate them by commas: 3,5,9,17",
            )
        peers = compare([int(n) for n in nodes.split(",")], cache, progress=lambda text: say(f"• {text}"))
        emit(peers.as_dict(), as_json=as_json, human=table(peers.rows, peers.headers))
    elif what in ("scale", "tcp"):
        emit(_timed(what, events, pairs), as_json=True)
    else:
        raise ConfigError("no such bench", field="what", value=what, solution="paper, peers, scale or tcp")


def _timed(what: str, events: int, pairs: int) -> dict[str, Any]:
    """200 nodes and 1,000 circuits in one process, or nine node processes over TCP."""
    if what == "tcp":
        from qcrs.qnp.bench.tcp import measure as measure_tcp

        say(f"• nine node processes, {pairs:,} pairs")
        return measure_tcp(pairs=pairs).as_dict()
    from qcrs.qnp.bench.scale import measure as measure_scale

    say(f"• 200 nodes, 1,000 circuits, {events:,} events")
    return measure_scale(events=events).as_dict()
