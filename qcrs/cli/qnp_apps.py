"""`qcrs qnp app …`: teleportation, keys, purification, GHZ states and barriers on a network."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcrs.cli.output import emit, say, table

if TYPE_CHECKING:
    from qcrs.qnp import Network, Topology
    from qcrs.qnp.drivers.apps.keys import KeyBlock

__all__ = ["register_apps"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
File = Annotated[Path, typer.Argument(metavar="TOPOLOGY.yaml", help="The network: see examples/qnp.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of all randomness: the same seed, the same run.")]
Circuit = Annotated[str | None, typer.Option("--circuit", help="Which of the file's. Default: its first.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for a page with pictures.")]
Purify = Annotated[str, typer.Option("--purify", help="none, bbpssw or dejmps.")]
Backend = Annotated[str, typer.Option("--backend", help="belldiag, dm or qiskit.")]
Driver = Annotated[str, typer.Option("--driver", help="heap, or tcp: a process for each node, the same run.")]


def register_apps(group: typer.Typer) -> None:
    """Add `app` to the group of `qcrs qnp`."""
    apps = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Applications on a network's pairs.")
    for command in (teleport, bbm92, bb84, e91, purify, ghz, barrier):
        apps.command()(command)
    group.add_typer(apps, name="app")


# ------------------------------------------------------------------- what they share


def _load(file: Path, *, circuits: bool = True) -> Topology:
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


def _network(topology: Topology, seed: int, backend: Any = "belldiag", *, record: bool = False) -> Network:
    from qcrs.qnp.drivers.faults import FaultyNetwork
    from qcrs.qnp.drivers.heap import Network

    kind = FaultyNetwork if topology.faults else Network
    return kind(topology, seed, backend=backend, record=record)


def _method(name: str) -> int:
    from qcrs.errors import ConfigError
    from qcrs.qnp.physical.purification import METHODS

    if name not in METHODS:
        raise ConfigError(
            "no such purification", field="purify", value=name, solution=f"one of {', '.join(METHODS)}"
        )
    return METHODS[name]


def _slowly(words: Callable[[int], str]) -> Callable[[int], None]:
    """Say how far it is, every two seconds."""
    last = time.monotonic()

    def tick(count: int) -> None:
        nonlocal last
        if time.monotonic() - last > 2:
            last = time.monotonic()
            say(f"• {words(count)}")

    return tick


def _names(given: str, topology: Topology, without: str) -> list[str]:
    if given == "all":
        return [node.name for node in topology.nodes if node.name != without]
    return [name.strip() for name in given.split(",") if name.strip()]


def _percent(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"


# ------------------------------------------------------------------- teleport, purify


def teleport(
    topology: File,
    circuit: Circuit = None,
    states: Annotated[int, typer.Option(min=1, help="How many, the six axes in turn.")] = 60,
    purify: Purify = "none",
    backend: Backend = "belldiag",
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Teleport states from a circuit's head to its tail; compare with the closed form of each pair."""
    from qcrs.qnp.apps.teleport import STATES, average_fidelity
    from qcrs.qnp.drivers.apps.teleport import TeleportRun

    plan = _load(topology)
    network = _network(plan, seed, backend)
    name = circuit or plan.circuits[0].name
    axes = list(STATES.values())
    vectors = [axes[i % len(axes)] for i in range(states)]
    run = TeleportRun(
        network,
        name,
        vectors,
        purify=_method(purify),
        progress=_slowly(lambda n: f"{n} of {states} states have arrived"),
    )
    done = run.run()
    log = network.requests[run.request]
    rows = []
    for label, vector in STATES.items():
        found = [one for one in done if one.vector == vector]
        if found:
            mean = [sum(getattr(o, f) for o in found) / len(found) for f in ("fidelity", "predicted")]
            rows.append((label, len(found), f"{mean[0]:.6f}", f"{mean[1]:.6f}"))
    count = max(1, len(done))
    pair = sum(one.pair_fidelity for one in done) / count
    value: dict[str, Any] = {
        "circuit": name,
        "states": len(done),
        "mean_fidelity": sum(one.fidelity for one in done) / count if done else None,
        "mean_pair_fidelity": pair if done else None,
        "largest_difference": max((abs(o.fidelity - o.predicted) for o in done), default=None),
        "reason": log.reason.words,
    }
    text = [table(rows, ("state", "times", "fidelity", "closed form")), ""]
    if done:
        text.append(
            f"pairs of mean fidelity {pair:.4f}; ideal gates and no further waiting would give "
            f"{average_fidelity(pair):.4f} on average, and {value['mean_fidelity']:.4f} arrived"
        )
    if out is not None and done:
        from qcrs.report.qnp_apps import write_teleport

        value["report"] = str(write_teleport(done, out))
        text.append(f"report: {value['report']}")
    if log.reason.words:
        text.append(f"✗ {log.reason.words}")
    emit(value, as_json=as_json, human="\n".join(text))
    if len(done) < states:
        raise typer.Exit(1)


def purify(
    topology: File,
    circuit: Circuit = None,
    pairs: Annotated[int, typer.Option(min=1, help="Purified pairs to ask for.")] = 1000,
    method: Annotated[str, typer.Option(help="bbpssw or dejmps.")] = "dejmps",
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Make each pair of a circuit from two; tell what it costs and what it brings."""
    from qcrs.errors import ConfigError
    from qcrs.qnp.physical.purification import purified

    number = _method(method)
    if not number:
        raise ConfigError("a method is needed", field="method", value=method, solution="bbpssw or dejmps")
    plan = _load(topology)
    name = circuit or plan.circuits[0].name
    found = []
    for way in (0, number):
        network = _network(plan, seed)
        request = network.request(name, number=pairs, purify=way)
        tick = _slowly(lambda n: f"{n:,} of {pairs:,} pairs")
        while network.run(max_events=20_000):
            tick(network.delivered)
        stats = [network.stats[n] for n, p in network.plans.items() if p.spec.name == name]
        found.append((network, network.requests[request], max(stats, key=lambda s: s.delivered)))
    (_, _, plain), (network, log, better) = found
    raw, good = plain.interval(), better.interval()
    share = better.delivered / network.purifications if network.purifications else None
    value = {
        "circuit": name,
        "method": method,
        "pairs": better.delivered,
        "rounds": network.purifications,
        "success": share,
        "fidelity_before": raw,
        "fidelity_after": good,
        "seconds": network.now / 1e9,
        "reason": log.reason.words,
    }
    lines = [
        f"{better.delivered} pairs from {network.purifications} rounds of {method} "
        f"({_percent(share, 1)} succeeded) in {network.now / 1e9:.3f} simulated seconds",
    ]
    if raw is not None and good is not None:
        from qcrs.qnp import BellPair

        closed = purified(BellPair.werner(raw[0]), BellPair.werner(raw[0]), number)
        lines += [
            f"fidelity {raw[0]:.4f} ± {raw[1]:.4f} without, {good[0]:.4f} ± {good[1]:.4f} with it",
            f"two Werner pairs of {raw[0]:.4f} would give {closed.pair.fidelity:.4f} "
            f"in {_percent(closed.success, 1)} of rounds; waiting and memories make the rest",
        ]
        if out is not None:
            from qcrs.report.qnp_apps import write_purify

            value["report"] = str(write_purify(number, method, raw[0], good[0], share or 0.0, out))
            lines.append(f"report: {value['report']}")
    if log.reason.words:
        lines.append(f"✗ {log.reason.words}")
    emit(value, as_json=as_json, human="\n".join(lines))
    if better.delivered < pairs:
        raise typer.Exit(1)


# ------------------------------------------------------------------- keys

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


def bbm92(
    topology: File,
    circuit: Circuit = None,
    pairs: Pairs = 20_000,
    blocks: Blocks = 3,
    expected: Expected = None,
    intercept: Intercept = None,
    driver: Driver = "heap",
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Keys from entangled pairs measured along X or Z at both ends."""
    _keys("bbm92", topology, circuit, pairs, blocks, expected, intercept, driver, seed, out, as_json)


def bb84(
    topology: File,
    circuit: Circuit = None,
    pairs: Pairs = 20_000,
    blocks: Blocks = 3,
    expected: Expected = None,
    intercept: Intercept = None,
    driver: Driver = "heap",
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Keys by prepare and measure: the head's measurement prepares what the tail gets."""
    _keys("bb84", topology, circuit, pairs, blocks, expected, intercept, driver, seed, out, as_json)


def e91(
    topology: File,
    circuit: Circuit = None,
    pairs: Pairs = 60_000,
    blocks: Blocks = 2,
    expected: Expected = None,
    intercept: Intercept = None,
    driver: Driver = "heap",
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Keys from pairs that violate Bell's inequality; their length follows from the CHSH value."""
    _keys("e91", topology, circuit, pairs, blocks, expected, intercept, driver, seed, out, as_json)


def _keys(
    scheme: str,
    file: Path,
    circuit: str | None,
    pairs: int,
    blocks: int,
    expected: float | None,
    intercept: str | None,
    driver: str,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    from qcrs.errors import ConfigError
    from qcrs.qnp.apps.keys import KeySettings
    from qcrs.qnp.apps.sifting import SCHEMES

    if driver not in ("heap", "tcp"):
        raise ConfigError("no such driver", field="driver", value=driver, solution="heap or tcp")
    topology = _load(file)
    name = circuit or topology.circuits[0].name
    backend = "belldiag" if intercept is None else _listened(topology, intercept, seed)
    if driver == "tcp":
        from qcrs.qnp.drivers.tcp.broker import RemoteNetwork

        say(f"• starting {len(topology.nodes)} node processes")
        with RemoteNetwork(topology, seed, backend=backend, record=False) as remote:
            settings = KeySettings(SCHEMES[scheme], _expected(remote, name, expected))
            done = _distributed(remote, name, settings, pairs, blocks)
    else:
        network = _network(topology, seed, backend)
        settings = KeySettings(SCHEMES[scheme], _expected(network, name, expected))
        done = _distributed(network, name, settings, pairs, blocks)
    seconds = max(b.finished_ns for b in done) / 1e9 if done else 0.0
    bits = sum(b.length for b in done)
    value: dict[str, Any] = {
        "scheme": scheme,
        "circuit": name,
        "expected_qber": settings.expected_qber,
        "key_bits": bits,
        "seconds": seconds,
        "key_bits_per_second": bits / seconds if seconds else 0.0,
        "blocks": [b.as_dict() for b in done],
    }
    if out is not None:
        from qcrs.report.qnp_apps import write_keys

        value["report"] = str(write_keys(scheme, name, done, out))
    emit(value, as_json=as_json, human=_keys_told(value, done))
    if not all(b.length for b in done) or len(done) < blocks:
        raise typer.Exit(1)


def _listened(topology: Topology, intercept: str, seed: int) -> Any:
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


def _distributed(network: Network, circuit: str, settings: Any, pairs: int, blocks: int) -> list[KeyBlock]:
    from qcrs.qnp.drivers.apps.keys import KeyRun
    from qcrs.qnp.drivers.apps.signatures import SecretKey

    def told(block: KeyBlock) -> None:
        say(
            f"• block {block.number}: QBER {_percent(block.tail.qber)}, {block.length} bits of key"
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
    return run.run(_slowly(lambda n: f"{n:,} of {pairs * blocks:,} pairs measured"))


def _keys_told(value: dict[str, Any], done: list[KeyBlock]) -> str:
    rows = [
        (
            b.number,
            b.tail.pairs,
            b.tail.sifted,
            b.tail.sample,
            _percent(b.tail.qber),
            "–" if b.tail.efficiency is None else f"{b.tail.efficiency:.3f}",
            "–" if b.tail.chsh is None else f"{b.tail.chsh.value:.3f} ± {b.tail.chsh.error:.3f}",
            b.length,
        )
        for b in done
    ]
    headers = ("block", "pairs", "sifted", "sample", "QBER", "f", "S", "key bits")
    lines = [
        f"{value['scheme']} on {value['circuit']}: {value['key_bits']} bits of key"
        f"{', equal at both ends,' if value['key_bits'] else ''} in "
        f"{value['seconds']:.3f} simulated seconds ({value['key_bits_per_second']:.1f} bit/s)",
        "",
        table(rows, headers),
    ]
    lines += [f"✗ block {b.number}: {b.reason}" for b in done if b.reason]
    if "report" in value:
        lines.append(f"report: {value['report']}")
    return "\n".join(lines)


# ------------------------------------------------------------------- ghz, barrier


def ghz(
    topology: File,
    hub: Annotated[str, typer.Option(help="The node that shares a pair with each other.")],
    nodes: Annotated[str, typer.Option(help="The other nodes, with commas between, or all.")] = "all",
    runs: Annotated[int, typer.Option(min=1, help="States of each size.")] = 5,
    fidelity: Annotated[float, typer.Option(help="Of the pairs to ask for.")] = 0.5,
    deadline: Annotated[str, typer.Option(help="When a state is given up.")] = "10s",
    shots: Annotated[int, typer.Option(min=0, help="Of stim, for comparison; 0 for none.")] = 10_000,
    purify: Purify = "none",
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Make GHZ states of 2, 3, … nodes and show how the fidelity falls with their number."""
    from qcrs.qnp.drivers.apps.ghz import GhzRun, sampled_fidelity
    from qcrs.qnp.topology.units import time_ns

    plan = _load(topology, circuits=False)
    others = _names(nodes, plan, hub)
    limit, way = time_ns(deadline), _method(purify)
    found: list[dict[str, Any]] = []
    tick = _slowly(lambda n: f"{n} of {len(others) + 1} nodes")
    for size in range(1, len(others) + 1):
        states = []
        for turn in range(runs):
            network = _network(plan, seed + turn)
            run = GhzRun(network, hub, others[:size], fidelity=fidelity, deadline_ns=limit, purify=way)
            states.append(run.run())
        done = [s for s in states if s.fidelity is not None]
        mean = sum(s.fidelity or 0.0 for s in done) / len(done) if done else None
        drawn = [sampled_fidelity(s.members, s.noise, shots, seed)[0] for s in done] if shots else []
        found.append(
            {
                "size": size + 1,
                "made": len(done),
                "runs": runs,
                "fidelity": mean,
                "sampled": sum(drawn) / len(drawn) if drawn else None,
                "seconds": sum((s.finished_ns - s.started_ns) / 1e9 for s in done) / len(done)
                if done
                else None,
                "missing": sorted({name for s in states for name in s.missing}),
            }
        )
        tick(size + 1)
    value: dict[str, Any] = {"hub": hub, "sizes": found}
    rows = [
        (
            r["size"],
            f"{r['made']}/{r['runs']}",
            "–" if r["fidelity"] is None else f"{r['fidelity']:.4f}",
            "–" if r["sampled"] is None else f"{r['sampled']:.4f}",
            "–" if r["seconds"] is None else f"{1e3 * r['seconds']:.2f}",
            ", ".join(r["missing"]),
        )
        for r in found
    ]
    text = table(rows, ("nodes", "made", "fidelity", "stim", "ms", "missing"))
    if out is not None:
        from qcrs.report.qnp_apps import write_ghz

        value["report"] = str(write_ghz(hub, found, out))
        text += f"\nreport: {value['report']}"
    emit(value, as_json=as_json, human=text)
    if any(r["made"] < r["runs"] for r in found):
        raise typer.Exit(1)


def barrier(
    topology: File,
    coordinator: Annotated[str, typer.Option(help="The node that counts.")],
    nodes: Annotated[str, typer.Option(help="The other nodes, with commas between, or all.")] = "all",
    deadline: Annotated[str, typer.Option(help="When all have to be ready.")] = "1s",
    pairs: Annotated[int, typer.Option(min=1, help="Pairs with the coordinator that make ready.")] = 1,
    seed: Seed = 0,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Let nodes go on together once each shares pairs with the coordinator, or name who is missing."""
    from qcrs.qnp.drivers.apps.barrier import BarrierRun
    from qcrs.qnp.topology.units import time_ns

    plan = _load(topology, circuits=False)
    network = _network(plan, seed)
    run = BarrierRun(
        network,
        coordinator,
        _names(nodes, plan, coordinator),
        deadline_ns=time_ns(deadline),
        pairs=pairs,
    )
    result = run.run()
    value = result.as_dict()
    rows = [
        (
            name,
            f"{1e3 * result.ready_ns[name] / 1e9:.3f}" if name in result.ready_ns else "–",
            f"{1e3 * at / 1e9:.3f}",
            "goes on" if passed else "aborted",
        )
        for name, (at, passed) in result.ended.items()
    ]
    lines = [
        "all go on" if result.passed else f"✗ {result.reason}",
        "",
        table(rows, ("node", "ready ms", "told ms", "how")),
    ]
    if out is not None:
        from qcrs.report.qnp_apps import write_barrier

        value["report"] = str(write_barrier(result, out))
        lines.append(f"report: {value['report']}")
    emit(value, as_json=as_json, human="\n".join(lines))
    if not result.passed:
        raise typer.Exit(1)
