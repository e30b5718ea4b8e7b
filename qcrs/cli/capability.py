"""`qcrs bench capability`: what a device can do, measured by the suite that oracles certify with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from qcrs.cli.options import seed_of
from qcrs.cli.output import emit, say, table

__all__ = ["capability"]

_NANO = 1e-9


def capability(
    backend: Annotated[
        str, typer.Option(help="A device: aer:noisy-a?qubits=100, fake:FakeBrisbane, MODULE:FACTORY.")
    ] = "aer:noisy-a",
    suite: Annotated[
        str, typer.Option(help="quick, or full: as many circuits as a certificate deserves.")
    ] = "quick",
    only: Annotated[str, typer.Option(help="Some protocols, such as C2,C3; all without it.")] = "",
    claimed_error: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Expected error per layered gate; sets lengths and widths."),
    ] = 0.01,
    seed: Annotated[str, typer.Option(help="32 bytes in hex; random without it.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="Write page, pictures and report into this folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON value.")] = False,
) -> None:
    """Measure a device: readout, layers, GHZ states, quantum volume, cross-entropy, speed, T1 and T2."""
    from qcrs.errors import InputError

    if suite not in ("quick", "full"):
        raise InputError("a suite is quick or full", field="suite", value=suite, solution="--suite quick")
    drawn = seed_of(seed)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)  # a folder that cannot be is told before the work
    from qcrs.benchmarks import quality_word
    from qcrs.node.capability import measure, plan_for
    from qcrs.node.devices import open_device

    say(f"• opening {backend}")
    device = open_device(backend)
    names = [name.strip() for name in only.split(",") if name.strip()] or None
    quality = quality_word(max(1, round(claimed_error / _NANO)))
    planned = plan_for(device, drawn, "full" if suite == "full" else "quick", names, quality)
    say(f"• {len(planned.units)} circuits, {planned.shots:,} shots on {device.qubits} qubits")

    def progress(done: int, total: int, protocol: str) -> None:
        say(f"• {100 * done // total:3d} %  {protocol.replace('_', ' ')}")

    found = measure(device, planned, progress)
    lines = [table(_rows(found.report), ("", "found", "± one standard error"))]
    if out is not None:
        from qcrs.report.capability import write

        page, kept = write(found.report, out, f"Capability of {device.backend.name}")
        lines += ["", f"page    {page}", f"report  {kept}"]
    emit(found.report, as_json=as_json, human="\n".join(lines))


def _rows(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The findings for people."""
    rows: list[tuple[str, str, str]] = []

    def add(name: str, value: int, error: int) -> None:
        rows.append((name, f"{value * _NANO:.3e}", f"{error * _NANO:.0e}"))

    if "readout" in report:
        errors = report["readout"]["error_nano"]
        add("readout error", sum(errors) // len(errors), report["readout"]["mean_se_nano"])
    if "layer_fidelity" in report:
        layers = report["layer_fidelity"]
        add("error per layered gate", layers["error_per_layered_gate_nano"], layers["error_se_nano"])
    if "binary_rb" in report:
        binary = report["binary_rb"]
        name = "error per qubit and random layer"
        add(name, binary["error_per_qubit_nano"], binary["error_per_qubit_se_nano"])
    for row in report.get("ghz", []):
        verdict = "entangled" if row["passed"] else "not shown to be entangled"
        value, error = row["fidelity_nano"] * _NANO, row["fidelity_se_nano"] * _NANO
        rows.append((f"GHZ fidelity, {row['width']} qubits", f"{value:.3f}", f"{error:.3f}, {verdict}"))
    for row in report.get("quantum_volume", []):
        verdict = "passes" if row["passed"] else "does not pass"
        value, error = row["heavy_nano"] * _NANO, row["heavy_se_nano"] * _NANO
        rows.append((f"heavy outputs, {row['width']} qubits", f"{value:.3f}", f"{error:.3f}, {verdict}"))
    if "xeb" in report:
        found = report["xeb"]
        value, error = found["fidelity_nano"] * _NANO, found["fidelity_se_nano"] * _NANO
        rows.append((f"cross-entropy fidelity, {found['width']} qubits", f"{value:.3f}", f"{error:.3f}"))
    for row in report.get("relaxation", []):
        for kind in ("t1", "t2"):
            time = row[kind]
            shown = (
                (f"over {time['at_least_ns'] / 1e3:,.0f} µs", "no decay resolved")
                if time["time_ns"] is None
                else (f"{time['time_ns'] / 1e3:,.1f} µs", f"{time['error_ns'] / 1e3:,.1f} µs")
            )
            rows.append((f"{kind.upper()}, qubit {row['qubit']}", *shown))
    speed = report["speed"]
    rows.append(("layers per second", f"{1000 * speed['layer_shots'] // speed['milliseconds']:,}", ""))
    return rows
