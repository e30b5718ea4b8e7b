"""Jobs and results as text for people: a few lines a job, the most frequent outcomes, the certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qcrs.cli.output import emit, table, visible

if TYPE_CHECKING:
    from qcrs.client.views import JobInfo, JobResult, VerdictInfo

__all__ = ["describe", "print_result"]


def describe(info: JobInfo) -> str:
    """A job in lines."""
    from qcrs.types import credits_text

    place = f", number {info.queue_position} in line" if info.queue_position else ""
    lines = [
        f"job {info.id}: {info.status.value}{place} ({info.state.lower()})",
        f"  {info.qubits} qubits, {info.redundancy} of at most {info.max_executions} executions, "
        f"{info.declared_seconds} s each",
        f"  fee {credits_text(info.fee)}, paid {credits_text(info.paid)}, "
        f"back {credits_text(info.refunded)}, in escrow {credits_text(info.escrow)} credits",
    ]
    for run in info.executions:
        name = visible(run.processor_name)
        lines.append(f"  execution {run.index} on {name} ({run.processor}): {run.state.lower()}")
        for verdict in run.verdicts:
            lines.append(f"    {_verdict_line(verdict)}")
    if info.gas:
        lines.append("  gas " + ", ".join(f"{name} {used:,}" for name, used in info.gas.items()))
    lines += [f"  trail {info.trail}", f"  document {info.payload}"]
    if info.error:
        lines += [f"  ✗ {info.error}", f"    → {info.solution}"]
    return "\n".join(lines)


def _verdict_line(verdict: VerdictInfo) -> str:
    span = f" [{verdict.interval[0]:.3f}, {verdict.interval[1]:.3f}]" if verdict.interval else ""
    by = f", by {verdict.decided_by}" if verdict.decided_by else ""
    weak = ", weakly verified" if verdict.weak else ""
    score = f"score {verdict.score:.3f}{span} against {verdict.threshold:.3f}"
    return f"{verdict.outcome.lower()}: {score}{by}{weak}"


def print_result(found: JobResult, *, as_json: bool) -> None:
    """Counts as a table of the most frequent outcomes, then the certificate."""
    import json

    note = json.loads(found.note) if found.note.startswith("{") else {}
    names = [str(row.get("name", "")) for row in note.get("circuits", [])]
    value = {
        "job": found.job.id,
        "verified": found.verified,
        "execution": found.execution,
        "circuits": [
            {
                "name": names[number] if number < len(names) else f"circuit {number}",
                "counts": {_bits(key, found.clbits[number]): n for key, n in sorted(outcome.counts.items())},
                **({"values": list(outcome.values)} if outcome.values else {}),
            }
            for number, outcome in enumerate(found.outcomes)
        ],
        "certificate": found.job.certificate(),
        "status": found.job.as_json(),
    }
    parts = []
    for circuit in value["circuits"]:
        parts.append(_top(circuit["name"], circuit["counts"]))
    parts.append(_certificate_text(found))
    emit(value, as_json=as_json, human="\n\n".join(parts))


def _bits(outcome: int, width: int) -> str:
    return format(outcome, f"0{max(width, 1)}b")


def _top(name: str, counts: dict[str, int], most: int = 10) -> str:
    shots = sum(counts.values()) or 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rows = [(bits, n, f"{n / shots:.4f}", "█" * round(30 * n / shots)) for bits, n in ranked[:most]]
    rest = len(ranked) - most
    more = f"\n… and {rest} more outcomes" if rest > 0 else ""
    return f"{name}, {shots} shots\n{table(rows, ('outcome', 'count', 'share', ''))}{more}"


def _certificate_text(found: JobResult) -> str:
    from qcrs.types import credits_text

    info = found.job
    run = info.executions[found.execution]
    head = "✓ verified" if found.verified else "✗ NOT verified"
    name = visible(run.processor_name)
    lines = [f"{head}: job {info.id}, execution {run.index} on {name} ({run.processor})"]
    if run.verdict is not None:
        lines.append(f"  {_verdict_line(run.verdict)}")
        lines.append(f"  evidence {run.verdict.evidence}")
    lines += [
        f"  paid {credits_text(info.paid)}, back {credits_text(info.refunded)} credits",
        f"  trail {info.trail}",
        f"  check it yourself: qcrs verify {info.id}",
    ]
    return "\n".join(lines)
