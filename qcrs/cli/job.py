"""`qcrs quote`, `submit`, `job …`, `verify`, `audit`: the client's side of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcrs.cli.account import register as register_accounts
from qcrs.cli.jobtext import describe, print_result
from qcrs.cli.names import processor_named
from qcrs.cli.options import AccountOption, HomeOption, JobArgument, Json
from qcrs.cli.output import emit, say, table

if TYPE_CHECKING:
    from qcrs.client.exchange import Exchange
    from qcrs.client.program import Unit
    from qcrs.client.reader import Reader
    from qcrs.client.views import JobOptions

__all__ = ["register"]

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="OpenQASM 2, OpenQASM 3 or QPY; - reads standard input.")
]
ShotsOption = Annotated[int, typer.Option("--shots", help="Shots of each circuit, 1 to 1,000,000.")]
RedundancyOption = Annotated[
    int, typer.Option("--redundancy", help="Accepted executions wanted, by distinct providers: 1 to 5.")
]
ExecutionsOption = Annotated[
    int | None, typer.Option("--max-executions", help="Executions paid for at most. Default: two more.")
]
TrustOption = Annotated[
    int,
    typer.Option("--trust", help="Odds that the accepted executions' reputations must reach; at least 2."),
]
ValueOption = Annotated[
    int,
    typer.Option(
        "--value",
        min=0,
        help="What a wrong answer may be worth to somebody, in base units: more audits and executions.",
    ),
]
ClassOption = Annotated[int, typer.Option("--class", help="Priority class: 0, 1 or 2.")]
FlowOption = Annotated[int, typer.Option("--flow", help="The consortium's share that is charged.")]
QualityOption = Annotated[
    int,
    typer.Option(
        "--quality",
        min=0,
        max=65535,
        help="Least certified quality, of --processor too; 256 a halving of errors, 2551 is 1e-3.",
    ),
]
QubitsOption = Annotated[
    int | None,
    typer.Option("--qubits-limit", min=1, help="Refuse wider circuits. Default: the widest processor."),
]
DeadlineOption = Annotated[
    int | None, typer.Option("--deadline", min=1, help="Seconds after which everything unsettled comes back.")
]
SecondsOption = Annotated[
    int | None, typer.Option("--seconds", min=1, help="Time limit of one execution. Default: estimated.")
]
ProcessorOption = Annotated[
    str | None, typer.Option("--processor", help="Run on this processor only: its name or number.")
]
SeedOption = Annotated[
    int | None,
    typer.Option("--seed", min=0, max=2**63 - 1, help="Repeat the same random numbers on simulators."),
]

STDIN = Path("-")
LARGEST_FILE = 1 << 20


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command()(quote)
    root.command()(submit)
    job = typer.Typer(
        rich_markup_mode=None, no_args_is_help=True, help="List, show, watch, open, cancel or skim jobs."
    )
    job.command("list")(list_jobs)
    job.command()(show)
    job.command()(watch)
    job.command()(result)
    job.command()(cancel)
    job.command()(skim)
    root.add_typer(job, name="job")
    root.command()(verify)
    root.command()(audit)
    register_accounts(root)


def _exchange(home: Path | None, account: str | None) -> Exchange:
    from qcrs.client.exchange import Exchange

    return Exchange.connect(home, account=account)


# --------------------------------------------------------------------------- submitting


def _read_bytes(file: Path) -> bytes:
    import sys

    from qcrs.errors import InputError

    try:
        data = sys.stdin.buffer.read(LARGEST_FILE + 1) if file == STDIN else _bounded(file)
    except OSError as error:
        raise InputError(
            f"the file cannot be read: {error.strerror}",
            field="file",
            value=str(file),
            solution="give the path of an OpenQASM or QPY file, or - for standard input",
        ) from error
    return data


def _bounded(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(LARGEST_FILE + 1)


def _units(exchange: Exchange, file: Path, shots: int, limit: int | None) -> tuple[list[Unit], list[str]]:
    """The units of a program file and the circuits' names; everything is parsed in a limited child."""
    from qcrs.client.documents import MAX_SHOTS
    from qcrs.client.program import Unit, compact
    from qcrs.errors import InputError
    from qcrs.sandbox import MAX_QUBITS, program_sandbox, read_programs

    if not 1 <= shots <= MAX_SHOTS:
        raise InputError(
            "the number of shots is out of range",
            field="shots",
            value=shots,
            solution=f"ask for 1 to {MAX_SHOTS:,} shots",
        )
    widest = limit or max(
        (one.qubits for one in exchange.processors() if one.operational), default=MAX_QUBITS
    )
    name = "standard input" if file == STDIN else file.name
    data = _read_bytes(file)
    with program_sandbox() as sandbox:
        programs = read_programs(data, sandbox=sandbox, max_qubits=widest, name=name)
    for program in programs:
        for note in program.notes:
            say(f"· {note}")
    names = [_title(program.name, name, len(programs)) for program in programs]
    return [Unit(compact(program.document), shots) for program in programs], names


def _title(own: str, file: str, circuits: int) -> str:
    """A circuit's own name, or the file's where it has none but a counter's."""
    stem = Path(file).stem
    nameless = not own or own.startswith("circuit-")
    if not nameless:
        return own
    return stem if circuits == 1 else f"{stem} {own}".strip()


def _options(
    exchange: Exchange,
    *,
    processor: str | None,
    redundancy: int,
    max_executions: int | None,
    trust: int,
    value: int,
    class_: int,
    flow: int,
    quality: int,
    deadline: int | None,
    seconds: int | None,
    seed: int | None,
) -> JobOptions:
    from qcrs.client.views import JobOptions

    return JobOptions(
        target=processor_named(exchange, processor) if processor is not None else 0,
        flow=flow,
        quality=quality,
        class_=class_,
        redundancy=redundancy,
        max_executions=max_executions,
        trust=trust,
        value=value,
        declared_seconds=seconds,
        deadline_seconds=deadline,
        simulator_seed=seed,
    )


def quote(
    file: FileArgument,
    shots: ShotsOption = 4000,
    redundancy: RedundancyOption = 1,
    max_executions: ExecutionsOption = None,
    trust: TrustOption = 2,
    value: ValueOption = 0,
    class_: ClassOption = 0,
    flow: FlowOption = 0,
    quality: QualityOption = 0,
    qubits_limit: QubitsOption = None,
    deadline: DeadlineOption = None,
    seconds: SecondsOption = None,
    processor: ProcessorOption = None,
    home: HomeOption = None,
    account: AccountOption = None,
    as_json: Json = False,
) -> None:
    """What a program would cost, exactly, and how much waits before it. Nothing is sent."""
    from qcrs.types import credits_text

    exchange = _exchange(home, account)
    units, _names = _units(exchange, file, shots, qubits_limit)
    options = _options(
        exchange,
        processor=processor,
        redundancy=redundancy,
        max_executions=max_executions,
        trust=trust,
        value=value,
        class_=class_,
        flow=flow,
        quality=quality,
        deadline=deadline,
        seconds=seconds,
        seed=None,
    )
    found = exchange.quote(units, options)
    rows = [
        ("fee of one execution", f"{credits_text(found.fee)} credits"),
        (f"escrow for {found.executions}", f"{credits_text(found.escrow)} credits"),
        ("balance", f"{credits_text(found.balance)} credits"),
        ("circuits", len(units)),
        ("qubits", found.qubits),
        ("time limit of one", f"{found.seconds} s"),
        ("deadline", f"{found.deadline_seconds} s after submission"),
        ("waiting before it", found.queued),
        ("processors that fit", found.processors),
    ]
    human = "\n".join(f"{label:<22}{value}" for label, value in rows)
    emit(found.as_json(), as_json=as_json, human=human)


def submit(
    file: FileArgument,
    shots: ShotsOption = 4000,
    redundancy: RedundancyOption = 1,
    max_executions: ExecutionsOption = None,
    trust: TrustOption = 2,
    value: ValueOption = 0,
    class_: ClassOption = 0,
    flow: FlowOption = 0,
    quality: QualityOption = 0,
    qubits_limit: QubitsOption = None,
    deadline: DeadlineOption = None,
    seconds: SecondsOption = None,
    processor: ProcessorOption = None,
    seed: SeedOption = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow the job to its result.")] = True,
    home: HomeOption = None,
    account: AccountOption = None,
    as_json: Json = False,
) -> None:
    """Submit a program as one job, follow it, and print its verified result."""
    import json

    from qcrs.client.program import run_note

    exchange = _exchange(home, account)
    say("· reading the program in a limited child process")
    units, names = _units(exchange, file, shots, qubits_limit)
    options = _options(
        exchange,
        processor=processor,
        redundancy=redundancy,
        max_executions=max_executions,
        trust=trust,
        value=value,
        class_=class_,
        flow=flow,
        quality=quality,
        deadline=deadline,
        seconds=seconds,
        seed=seed,
    )
    number = exchange.submit(units, options, note=json.dumps(run_note(units, names)))
    say(f"✓ job {number}")
    if not wait:
        info = exchange.job(number)
        emit(info.as_json(), as_json=as_json, human=f"{number}")
        return
    _watch(exchange, number)
    print_result(exchange.result(number), as_json=as_json)


def _watch(exchange: Exchange, job: int | str) -> None:
    """Print every step as it happens."""
    from datetime import UTC, datetime

    for step in exchange.follow(job):
        clock = datetime.fromtimestamp(step.time, UTC).strftime("%H:%M:%S")
        say(f"  {clock}  {step.text}")


# --------------------------------------------------------------------------- jobs


def list_jobs(
    everybody: Annotated[bool, typer.Option("--all", help="Jobs of every account.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Newest this many.")] = 20,
    pending: Annotated[bool, typer.Option("--pending", help="Only jobs that are not over.")] = False,
    home: HomeOption = None,
    account: AccountOption = None,
    as_json: Json = False,
) -> None:
    """Jobs of this account, newest first."""
    from qcrs.types import credits_text

    exchange = _exchange(home, account)
    client = None if everybody else exchange.address
    jobs = exchange.jobs(client=client, limit=limit, pending=True if pending else None)
    rows = [
        (
            info.id, info.status.value, info.queue_position or "–", info.qubits,
            info.verdict.outcome if info.verdict else "–",
            f"{info.verdict.score:.3f}" if info.verdict else "–",
            ", ".join(f"{run.processor_name}: {run.state.lower()}" for run in info.executions) or "–",
            credits_text(info.paid), credits_text(info.refunded),
        )
        for info in jobs
    ]  # fmt: skip
    headers = ("job", "status", "place", "qubits", "verdict", "score", "executions", "paid", "back")
    human = table(rows, headers) if rows else "no jobs yet: submit one with `qcrs submit FILE`"
    emit([info.as_json() for info in jobs], as_json=as_json, human=human)


def show(
    job: JobArgument, home: HomeOption = None, account: AccountOption = None, as_json: Json = False
) -> None:
    """Everything the chain says of a job."""
    info = _exchange(home, account).job(job)
    emit(info.as_json(), as_json=as_json, human=describe(info))


def watch(
    job: JobArgument, home: HomeOption = None, account: AccountOption = None, as_json: Json = False
) -> None:
    """Follow a job until it is over."""
    exchange = _exchange(home, account)
    _watch(exchange, job)
    info = exchange.job(job)
    emit(info.as_json(), as_json=as_json, human=describe(info))


def result(
    job: JobArgument,
    unverified: Annotated[
        bool, typer.Option("--unverified", help="Open what was handed over, whatever the verdict.")
    ] = False,
    execution: Annotated[int | None, typer.Option("--execution", help="Of this execution.")] = None,
    home: HomeOption = None,
    account: AccountOption = None,
    as_json: Json = False,
) -> None:
    """Wait for a job's result and print it with its certificate."""
    exchange = _exchange(home, account)
    if not unverified:
        info = exchange.job(job, gas=False)
        if not info.status.final:
            _watch(exchange, job)
    found = exchange.result(job, verified=not unverified, execution=execution)
    print_result(found, as_json=as_json)


def cancel(
    job: JobArgument, home: HomeOption = None, account: AccountOption = None, as_json: Json = False
) -> None:
    """Take back a job that still waits, or expire one whose deadline has passed."""
    from qcrs.types import credits_text

    exchange = _exchange(home, account)
    info = exchange.job(job, gas=False)
    late = info.status.value == "ERROR" and info.closed_at is None
    info = exchange.expire(job) if late else exchange.cancel(job)
    human = f"job {info.id} is {info.state.lower()}; {credits_text(info.refunded)} credits are back"
    emit(info.as_json(), as_json=as_json, human=human)


def skim(
    processor: Annotated[
        str | None,
        typer.Option("--processor", help="Only the queue of jobs for this processor alone: name or number."),
    ] = None,
    home: HomeOption = None,
    account: AccountOption = None,
    as_json: Json = False,
) -> None:
    """Take dead jobs away from the fronts of queues, where they hide those behind them; anyone may."""
    from qcrs.client.skimming import direct_queue, flow_queues, queue_name, skim_queues

    exchange = _exchange(home, account)
    if processor is None:
        queues = flow_queues(exchange.contracts.allocator)
        queues += [direct_queue(number) for number in exchange.history().processors]
    else:
        queues = [direct_queue(processor_named(exchange, processor))]
    dropped: dict[int, int] = {}
    for dead in skim_queues(exchange, queues):
        say(f"• {queue_name(dead.queue)}: {dead.count} dead jobs are out of the way")
        dropped[dead.queue] = dropped.get(dead.queue, 0) + dead.count
    value = [{"queue": queue_name(queue), "dropped": count} for queue, count in dropped.items()]
    rows = [(one["queue"], one["dropped"]) for one in value]
    human = table(rows, ("queue", "dropped")) if rows else "no queue begins with dead jobs"
    emit(value, as_json=as_json, human=human)


# --------------------------------------------------------------------------- checking


def verify(job: JobArgument, home: HomeOption = None, as_json: Json = False) -> None:
    """Recompute a job's verdicts from chain and content store alone; exit 6 where they differ."""
    from qcrs.client.reader import Reader
    from qcrs.client.verify import verify_job

    reader = Reader.open(home)
    report = verify_job(reader, job, progress=say)
    emit(report.as_json(), as_json=as_json, human=report.text())
    raise typer.Exit(0 if report.ok else 6)


def audit(
    provider: Annotated[
        str | None,
        typer.Option("--provider", help="Only how this provider stands, job by job: address or processor."),
    ] = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Replay every trail and the whole ledger from events and compare with the contracts' state."""
    from qcrs.client.audit import audit_exchange
    from qcrs.client.reader import Reader

    reader = Reader.open(home)
    if provider is not None:
        _standing(reader, provider, as_json=as_json)
        return
    report = audit_exchange(reader, progress=say)
    emit(report.as_json(), as_json=as_json, human=report.text())
    raise typer.Exit(0 if report.ok else 6)


def _standing(reader: Reader, name: str, *, as_json: bool) -> None:
    """Print a provider's e-process, every job that counts in it, and what it comes to."""
    from qcrs.client.standing import measure_from, standing_of
    from qcrs.errors import InputError

    history = reader.history()
    owners = {one.provider.lower(): one.provider for one in history.processors.values()}
    for info in reader.processors():
        for key in (info.name, str(info.id)):
            owners.setdefault(key, history.processors[info.id].provider)
    address = owners.get(name) or owners.get(name.lower())
    if address is None:
        raise InputError(
            "no such provider",
            field="provider",
            value=name,
            solution="known processors are: " + ", ".join(info.name for info in reader.processors()),
        )
    found = standing_of(history, address, measure_from(reader.store))
    rows = [
        (one.job, one.execution, one.processor, f"{one.measured.ratio:.3f}", f"{one.measured.deviation:.3f}",
         f"{one.value:.3g}")
        for one in found.jobs
    ]  # fmt: skip
    headers = ("job", "execution", "processor", "found / registered", "±", "e-process")
    human = (table(rows, headers) + "\n\n" if rows else "") + found.text()
    emit(found.as_json(), as_json=as_json, human=human)
