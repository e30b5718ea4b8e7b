"""`qcrs session …`: one job over several processors that share entanglement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcrs.cli.channel import Driver, conducted, coordinator_of
from qcrs.cli.options import AccountOption, HomeOption, Json, KeyOption, TopologyFile, owner_of
from qcrs.cli.output import emit, say, table

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from qcrs.client.book import Session
    from qcrs.together.virtual import Member, Quote

__all__ = ["register"]

Number = Annotated[int, typer.Argument(metavar="SESSION", help="The session's number.")]
Program = Annotated[Path, typer.Argument(metavar="FILE.qasm", help="The program, in OpenQASM 2 or 3.")]
Members = Annotated[
    str, typer.Option("--members", help="Who takes part, with data and communication qubits: a:4,b:4:2.")
]
Shots = Annotated[int, typer.Option("--shots", min=1, help="Shots.")]
Processor = Annotated[int, typer.Option("--processor", help="The member's processor, which is yours.")]


def register(root: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        rich_markup_mode=None, no_args_is_help=True, help="One job over several entangled processors."
    )
    group.command()(quote)
    group.command()(run)
    group.command()(serve)
    group.command("list")(list_)
    group.command()(show)
    group.command()(check)
    group.command()(abort)
    group.command()(correct)
    root.add_typer(group, name="session")


def _members(words: str) -> list[Member]:
    from qcrs.together.virtual import Member

    return [Member.read(word) for word in words.split(",")]


def _program(path: Path) -> QuantumCircuit:
    from qcrs.circuits import to_qiskit
    from qcrs.sandbox import program_sandbox, read_program

    with program_sandbox() as sandbox:
        return to_qiskit(read_program(path.read_bytes(), sandbox=sandbox, name=path.stem)[0])


# ------------------------------------------------------------------- running


def quote(
    topology: TopologyFile, program: Program, members: Members, shots: Shots = 1024, as_json: Json = False
) -> None:
    """What a program would take on these members: pairs, time, predicted loss, or the price of cutting."""
    from qcrs.qnp.topology.reader import load_topology
    from qcrs.together.supply import supply
    from qcrs.together.virtual import Link, VirtualProcessor

    network, parties = load_topology(topology), _members(members)
    place = {one.name: i for i, one in enumerate(parties)}
    for name in place:
        network.index(name)
    joined = {
        (min(place[c.head], place[c.tail]), max(place[c.head], place[c.tail])): c.name
        for c in network.circuits
        if c.head in place and c.tail in place
    }
    made = supply(network, dict.fromkeys(joined.values(), 200), seed=0)
    links = {pair: Link(made[name].state, made[name].rate) for pair, name in joined.items()}
    found = VirtualProcessor(parties, links).quote(_program(program), shots)
    emit(_quoted(found), as_json=as_json, human=_quote_text(found, shots))


def _quoted(found: Quote) -> dict[str, Any]:
    return {
        "way": found.way,
        "members": list(found.members),
        "pairs_per_shot": found.pairs,
        "seconds": found.seconds,
        "loss": found.loss,
        "gates": found.gates,
        "overhead": found.overhead,
    }


def _quote_text(found: Quote, shots: int) -> str:
    names = ", ".join(found.members)
    if found.way == "alone":
        return f"{names} runs it alone; no pairs"
    if found.way == "cut":
        return (
            f"no entanglement joins {names}: cutting takes {found.overhead:.0f} times the shots (γ²) "
            "and gives expectation values only"
        )
    pairs = ", ".join(f"{count} of {channel}" for channel, count in found.pairs.items())
    return (
        f"{names} together: {pairs} pairs a shot, {found.seconds:.2f} s for {shots} shots, predicted loss "
        f"{found.loss:.4f} (total variation, by the pairs)"
    )


def run(
    topology: TopologyFile,
    program: Program,
    members: Members,
    shots: Shots = 1024,
    epochs: Annotated[int, typer.Option("--epochs", min=1, max=32, help="Computing epochs.")] = 1,
    job: Annotated[
        int | None, typer.Option("--job", min=1, help="The job's number; default: a new one.")
    ] = None,
    driver: Driver = "heap",
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Run a program over members whose nodes (or `qcrs session serve`) answer; prints the counts."""
    from qcrs.client.exchange import Exchange
    from qcrs.errors import EntanglementError
    from qcrs.together.stage import SessionStage, union

    parties, circuit = _members(members), _program(program)
    with Exchange.connect(home, account=account) as exchange:
        conductor = conducted(exchange, topology, driver)
        known = [s.request.job for s in conductor.coordinator.book().sessions.values()]
        number = job or max(known, default=0) + 1
        backend = union(conductor, parties, lambda: number, epochs=epochs)
        found = backend.quote(circuit, shots)
        say(f"• {_quote_text(found, shots)}")
        if found.way == "cut":
            raise EntanglementError(
                "these members cannot run it together",
                field="members",
                value=members,
                solution="name members with more qubits whose channels join them; cutting is for expectation "
                "values, in Python: VirtualProcessor.expectations",
            )
        counts = backend.run(circuit, shots=shots).result().get_counts()
        done = backend.stage.finished if isinstance(backend.stage, SessionStage) else []
    sessions = [one.session for one in done]
    value = {"counts": counts, "sessions": sessions, "quote": _quoted(found)}
    rows = sorted(counts.items(), key=lambda pair: -pair[1])[:16]
    hint = f"\n\ncheck it: qcrs session check {sessions[-1]}" if sessions else ""
    emit(value, as_json=as_json, human=table(rows, ("outcome", "shots")) + hint)


def serve(
    processor: Processor,
    account: KeyOption = None,
    home: HomeOption = None,
    poll: Annotated[float, typer.Option("--poll", min=0.01, help="Seconds between two looks.")] = 0.25,
) -> None:
    """Act for one processor in channels and sessions until stopped; a node does this by itself."""
    from qcrs.together.serving import serve_member

    found, wallet, name = owner_of(home, account)
    say(f"• processor {processor} of {wallet.address(name)} takes part in channels and sessions")
    serve_member(found, wallet.load(name), processor, poll)


# ------------------------------------------------------------------- looking


def described(session: Session) -> dict[str, Any]:
    """A session in plain values."""
    request = session.request
    return {
        "session": session.id,
        "job": request.job,
        "attempt": request.attempt,
        "client": session.client,
        "state": session.state.name.lower(),
        "code": session.code.name.lower(),
        "barrier": session.barrier,
        "deadline": session.deadline,
        "barrier_seconds": session.barrier_seconds,
        "parties": list(request.parties),
        "channels": list(request.channels),
        "ebits": list(request.ebits),
        "shots": request.shots,
        "epochs": request.epochs,
        "missing": session.missing if session.running else [],
        "blamed": list(session.blamed),
        "penalty_paid": session.paid,
        "plan_hash": "0x" + request.plan_hash.hex(),
        "trail": "0x" + session.trail.hex() if session.trail else None,
        "arrivals": [
            {"barrier": barrier, "processor": processor, "commitment": "0x" + word.hex()}
            for (barrier, processor), word in session.arrivals.items()
        ],
        "corrections": sorted(session.corrections),
    }


def list_(home: HomeOption = None, as_json: Json = False) -> None:
    """Every session: job, attempt, parties, state, who was missing."""
    from qcrs.client.exchange import Exchange

    with Exchange.connect(home) as exchange:
        found = [described(one) for one in coordinator_of(exchange).book().sessions.values()]
    rows = [
        (
            one["session"], one["job"], one["attempt"], ", ".join(map(str, one["parties"])), one["state"],
            sum(one["ebits"]), one["shots"],
            ", ".join(map(str, one["blamed"])) or "–",
        )
        for one in found
    ]  # fmt: skip
    headers = ("session", "job", "attempt", "processors", "state", "pairs a shot", "shots", "missing")
    emit(found, as_json=as_json, human=table(rows, headers))


def show(number: Number, home: HomeOption = None, as_json: Json = False) -> None:
    """One session as the chain tells it."""
    from qcrs.client.exchange import Exchange

    with Exchange.connect(home) as exchange:
        found = described(coordinator_of(exchange).book().session(number))
    lines = [f"{key:18} {value}" for key, value in found.items() if key != "arrivals"]
    rows = [(one["barrier"], one["processor"], one["commitment"]) for one in found["arrivals"]]
    text = "\n".join(lines) + "\n\n" + table(rows, ("barrier", "processor", "commitment"))
    emit(found, as_json=as_json, human=text)


def check(number: Number, home: HomeOption = None, as_json: Json = False) -> None:
    """Hold a session against chain and store alone: plan, pairs, transcripts, trail, channels, correction.

    Exit 6 where something does not hold.
    """
    from qcrs.client.exchange import Exchange
    from qcrs.together.check import check_channel, check_session

    with Exchange.connect(home) as exchange:
        book = coordinator_of(exchange).book()
        found = check_session(book, number, exchange.store)
        for channel in book.session(number).request.channels:
            one = check_channel(book, channel, exchange.store)
            found.holds += [f"channel {channel}, {words}" for words in one.holds]
            found.problems += [f"channel {channel}, {words}" for words in one.problems]
        state = book.session(number).state.name.lower()
    value = {
        "session": number,
        "state": state,
        "ok": found.ok,
        "holds": found.holds,
        "problems": found.problems,
        "pairs": found.pairs,
        "counts": [{f"{k:#x}": n for k, n in sorted(one.items())} for one in found.counts],
    }
    lines = [f"✓ {words}" for words in found.holds] + [f"✗ {words}" for words in found.problems]
    verdict = "everything holds" if found.ok else f"{len(found.problems)} things do not hold"
    emit(value, as_json=as_json, human="\n".join([*lines, "", f"session {number} ({state}): {verdict}"]))
    raise typer.Exit(0 if found.ok else 6)


# ------------------------------------------------------------------- acting


def abort(
    number: Number, account: AccountOption = None, home: HomeOption = None, as_json: Json = False
) -> None:
    """End a session whose barrier is late; open to anyone, names whoever is missing."""
    from qcrs.client.exchange import Exchange

    with Exchange.connect(home, account=account) as exchange:
        coordinator = coordinator_of(exchange, signing=True)
        coordinator.book().session(number)
        coordinator.abort(number)
        found = described(coordinator.book().session(number))
    names = ", ".join(map(str, found["blamed"]))
    emit(found, as_json=as_json, human=f"session {number} is aborted; missing: processor {names}")


def correct(
    number: Number,
    processor: Processor,
    distance: Annotated[int, typer.Option("--distance", min=2, help="Of the rotated surface code.")] = 3,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Of syndrome measurement.")] = 3,
    p: Annotated[float, typer.Option("--p", min=0, help="Error of an operation within a processor.")] = 0.002,
    p_link: Annotated[float, typer.Option("--p-link", min=0, help="Error of a CX across the link.")] = 0.02,
    shots: Annotated[int, typer.Option("--shots", min=1, help="Shots of the memory.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the simulated memory.")] = 0,
    account: KeyOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Run a memory of the surface code across the session's link; store its syndromes, attest the record.

    The first party fixes the record; the others attest the same one with the same words.
    """
    from qcrs.client.exchange import Exchange
    from qcrs.distributed.seam import Seam
    from qcrs.together.corrected import attest_memory

    found, _wallet, name = owner_of(home, account)
    with Exchange.connect(found.root, account=name) as exchange:
        coordinator = coordinator_of(exchange, signing=True)
        coordinator.book().session(number)
        record = attest_memory(
            coordinator, exchange.store, number, processor, Seam(distance, rounds, p, p_link), shots, seed
        )
    value = {
        "session": number,
        "processor": processor,
        "code_hash": "0x" + record.code_hash.hex(),
        "syndrome_root": "0x" + record.syndrome_root.hex(),
        "shots": record.shots,
        "failures": record.failures,
        "logical_error_per_round": record.logical_error_per_round * 1e-12,
    }
    human = (
        f"{record.failures} of {record.shots} shots failed, {record.logical_error_per_round * 1e-12:.2e} "
        f"a round; attested by processor {processor}. Check it: qcrs session check {number}"
    )
    emit(value, as_json=as_json, human=human)
