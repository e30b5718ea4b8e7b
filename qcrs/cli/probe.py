"""`qcrs bench trap` and `qcrs bench mirror`: what a device makes of a circuit that nobody can simulate.

Both run on a device at hand, or as an ordinary paid job on a registered processor.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcrs.cli.names import processor_named
from qcrs.cli.options import HomeOption, Json, seed_of
from qcrs.cli.output import emit, say, table

if TYPE_CHECKING:
    from qcrs.circuits.document import CircuitDocument
    from qcrs.verification.peer import DeviceErrors
    from qcrs.verification.statistics import Estimate

__all__ = ["mirror", "trap"]

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="OpenQASM 2, OpenQASM 3 or QPY.")]
BackendOption = Annotated[
    str, typer.Option(help="A device: aer:noisy-a?qubits=100, fake:FakeBrisbane, MODULE:FACTORY.")
]
ProcessorOption = Annotated[
    str | None, typer.Option("--processor", help="Instead: a job on this processor, by name or number.")
]
AccountOption = Annotated[str | None, typer.Option("--account", help="Name of the key that pays the job.")]
SeedOption = Annotated[
    str, typer.Option("--seed", help="Of the circuits that are drawn, 32 bytes in hex; random without it.")
]
MOST_QUBITS = 4095
NANO = 10**9

Counts = list[Mapping[int, int]]


def trap(
    file: FileArgument,
    backend: BackendOption = "aer:noisy-a",
    processor: ProcessorOption = None,
    circuits: Annotated[int, typer.Option(min=1, max=1000, help="Traps.")] = 35,
    shots: Annotated[int, typer.Option(min=1, max=100_000, help="Shots of each.")] = 100,
    error: Annotated[
        float | None,
        typer.Option(min=0.0, max=0.5, help="Error per layered gate. Default: what is registered."),
    ] = None,
    readout: Annotated[
        float | None, typer.Option(min=0.0, max=0.5, help="Readout error. Default: what is registered.")
    ] = None,
    seed: SeedOption = "",
    home: HomeOption = None,
    account: AccountOption = None,
    as_json: Json = False,
) -> None:
    """Traps on a circuit's own gates: parities against what registered errors predict, at any width."""
    from dataclasses import replace

    from qcrs.verification.sequential import sequential_traps
    from qcrs.verification.trap import GateErrors, make_traps, score_traps

    drawn = seed_of(seed)
    traps = make_traps(_target(file), drawn, circuits)
    checks = sum(len(one.checks) for one in traps)
    say(f"• {len(traps)} traps over {traps[0].circuit.clbits} qubits, {checks} checks")
    counts, known, routing = _run([t.circuit for t in traps], shots, backend, processor, home, account)
    if error is not None:
        known = replace(known, eplg_nano=round(error * NANO))
    if readout is not None:
        known = replace(known, mean_readout_nano=round(readout * NANO), readout_nano=())
    errors = GateErrors.registered(known, routing)
    found = score_traps(traps, counts, errors)
    early = sequential_traps(traps, counts, errors, drawn)
    value = {
        "seed": drawn.hex(),
        "outcome": found.outcome.name,
        "observed": found.observed,
        "predicted": found.predicted,
        "ratio": _pair(found.ratio),
        "worst_qubit": [found.worst_qubit[0], *_pair(found.worst_qubit[1])],
        "worst_trap": [found.worst_trap[0], *_pair(found.worst_trap[1])],
        "checks": found.checks,
        "shots": found.shots,
        "routing": routing,
        "sequential": {"decision": early.decision.value, "checks": early.test.steps, "shots": early.shots},
        "tests": [[t.name, t.value_ppm, t.se_ppm, t.threshold_ppm, t.passed] for t in found.tests],
    }
    rows = [
        (t.name, f"{t.value_ppm / 1e6:.4f}", f"{t.se_ppm / 1e6:.4f}", f"{t.threshold_ppm / 1e6:.2f}",
         "passed" if t.passed else "fails")
        for t in found.tests
    ]  # fmt: skip
    mark = {"ACCEPT": "✓", "REJECT": "✗"}.get(found.outcome.name, "?")
    human = "\n".join(
        [
            f"mean parity {found.observed:.4f}, predicted {found.predicted:.4f} ({found.checks} checks)",
            table(rows, ("test", "found / predicted", "±", "at least", "")),
            f"in sequence: {early.decision.value} after {early.test.steps} checks of {early.shots} shots",
            f"{mark} {found.outcome.name.lower()}",
        ]
    )
    emit(value, as_json=as_json, human=human)


def mirror(
    file: FileArgument,
    backend: BackendOption = "aer:noisy-a",
    processor: ProcessorOption = None,
    circuits: Annotated[int, typer.Option(min=2, max=300, help="Circuits of each of three kinds.")] = 20,
    shots: Annotated[int, typer.Option(min=1, max=100_000, help="Shots of each.")] = 500,
    seed: SeedOption = "",
    home: HomeOption = None,
    account: AccountOption = None,
    as_json: Json = False,
) -> None:
    """The fidelity of a circuit, by running it forwards and back; barriers kept, nothing simulated."""
    from qcrs.verification.mirror import make_mirrors, score_mirrors

    drawn = seed_of(seed)
    mirrors = make_mirrors(_target(file), drawn, circuits)
    say(f"• {len(mirrors)} circuits over {mirrors[0].circuit.clbits} qubits")
    counts, _errors, _routing = _run([m.circuit for m in mirrors], shots, backend, processor, home, account)
    found = score_mirrors(mirrors, counts)
    value = {
        "seed": drawn.hex(),
        "fidelity": _pair(found.fidelity),
        "polarisation": {kind: _pair(part) for kind, part in found.polarisation.items()},
    }
    rows = [(kind, f"{part.value:.4f}", f"{part.se:.4f}") for kind, part in found.polarisation.items()]
    beyond = ["· a ratio of decays: by chance it may pass 1"] if found.fidelity.value > 1 else []
    human = "\n".join(
        [
            table(rows, ("polarisation", "found", "±")),
            f"entanglement fidelity {found.fidelity.value:.4f} ± {found.fidelity.se:.4f}",
            *beyond,
        ]
    )
    emit(value, as_json=as_json, human=human)


def _pair(found: Estimate) -> list[float]:
    return [found.value, found.se]


def _target(file: Path) -> CircuitDocument:
    """The one circuit of a program file, parsed in a limited child."""
    from qcrs.client.program import compact
    from qcrs.errors import InputError
    from qcrs.sandbox import program_sandbox, read_programs

    with program_sandbox() as sandbox:
        programs = read_programs(file.read_bytes(), sandbox=sandbox, max_qubits=MOST_QUBITS, name=file.name)
    if len(programs) != 1:
        raise InputError(
            "this command takes one circuit",
            field="file",
            value=len(programs),
            solution="write the others into files of their own",
        )
    return compact(programs[0].document)


def _run(
    circuits: Sequence[CircuitDocument],
    shots: int,
    backend: str,
    processor: str | None,
    home: Path | None,
    account: str | None,
) -> tuple[Counts, DeviceErrors, float]:
    """Decoded counts, registered errors, and two-qubit gates after routing for each of the circuits' own."""
    from qcrs.client.program import Unit
    from qcrs.client.routing import routed_gates

    units = [Unit(circuit, shots) for circuit in circuits]
    counts, errors, qubits, coupling = (
        _at_hand(units, backend) if processor is None else _as_job(units, processor, home, account)
    )
    own = circuits[0].count("cz")
    routed = routed_gates(circuits[:1], qubits, coupling)[0]
    return counts, errors, routed / own if own else 1.0


def _at_hand(units: Sequence[Any], backend: str) -> tuple[Counts, DeviceErrors, int, list[tuple[int, int]]]:
    from qcrs.client.documents import ResultDocument
    from qcrs.client.program import build_documents, decode_result
    from qcrs.node.devices import calibration, metadata, open_device
    from qcrs.node.runner import run_units
    from qcrs.verification.peer import DeviceErrors

    say(f"• opening {backend}")
    device = open_device(backend)
    claims = calibration(device)
    pairs = [row[3] for row in claims["two_qubit_nano"] if 0 <= row[3] < NANO]
    flips = [nano for nano in claims["readout_nano"] if nano >= 0]
    two = sum(pairs) // len(pairs) if pairs else 0
    known = DeviceErrors(round(1.2 * two), (), sum(flips) // len(flips) if flips else 0)
    frames, secret = build_documents(units, seed=secrets.token_bytes(32), job_nonce=secrets.token_hex(32))
    say(f"• running {len(units)} circuits")
    result = ResultDocument(0, 0, 0, tuple(run_units(device, frames)), {}, 0)
    counts: Counts = [outcome.counts for outcome in decode_result(secret, result)]
    coupling = metadata(device, name="", hpke="", calibration_cid="")["coupling"]
    return counts, known, device.qubits, [(a, b) for a, b in coupling]


def _as_job(
    units: Sequence[Any], processor: str, home: Path | None, account: str | None
) -> tuple[Counts, DeviceErrors, int, list[tuple[int, int]]]:
    from qcrs.client.exchange import Exchange
    from qcrs.client.registered import registered_device
    from qcrs.client.views import JobOptions
    from qcrs.verification.peer import DeviceErrors

    exchange = Exchange.connect(home, account=account)
    target = processor_named(exchange, processor)
    record = registered_device(exchange, exchange.history(), target)
    job = exchange.submit(list(units), JobOptions(target=target))
    say(f"• job {job}")
    for step in exchange.follow(job):
        say(f"  {step.text}")
    # What the oracles made of the job is theirs; here the counts are scored whatever the verdict.
    found = exchange.result(job, verified=False)
    errors = DeviceErrors(record.eplg_nano, record.readout_nano, record.mean_readout_nano)
    return [outcome.counts for outcome in found.outcomes], errors, record.qubits, list(record.coupling)
