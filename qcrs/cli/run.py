"""`qcrs node run`, `qcrs oracle run`, `qcrs processor …`: the providers' and oracles' side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcrs.cli.options import HomeOption, Json, KeyOption, ProcessorArgument, owner_of
from qcrs.cli.output import emit, say, table

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from qcrs.client.participant import Participant
    from qcrs.client.views import ProcessorInfo
    from qcrs.config.home import Home

__all__ = ["register"]

BackendOption = Annotated[
    str,
    typer.Option("--backend", help="aer:noisy-a?qubits=8, fake:FakeBrisbane, or MODULE:FACTORY."),
]
NameOption = Annotated[
    str | None, typer.Option("--name", help="The processor's name. Default: the account's name.")
]
BondOption = Annotated[
    int,
    typer.Option("--bond", min=1, help="Bond of a new processor, in base units (1,000,000 are a credit)."),
]
QualityOption = Annotated[
    int,
    typer.Option(
        "--claim-quality",
        min=0,
        max=65535,
        help="Claimed quality: 2551 is an error of 1e-3, 256 less is twice it.",
    ),
]

DEFAULT_BOND = 500_000_000
RETIRE_GAS = 300_000


def register(root: typer.Typer) -> None:
    """Add the commands."""
    node = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Run a processor's node.")
    node.command("run")(node_run)
    node.callback()(_group)
    root.add_typer(node, name="node")
    oracle = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Run an oracle.")
    oracle.command("run")(oracle_run)
    oracle.command("identity")(oracle_identity)
    root.add_typer(oracle, name="oracle")
    processor = typer.Typer(
        rich_markup_mode=None, no_args_is_help=True, help="Register, list, show and retire processors."
    )
    processor.command("register")(processor_register)
    processor.command("list")(processor_list)
    processor.command("show")(processor_show)
    processor.command("retire")(processor_retire)
    root.add_typer(processor, name="processor")


def _group() -> None:
    """Run a processor's node."""


def _key(home: Path | None, account: str | None) -> tuple[Home, str, LocalAccount]:
    """Home, the chosen account's name, its key."""
    found, wallet, name = owner_of(home, account)
    return found, name, wallet.load(name)


# ------------------------------------------------------------------- daemons


def node_run(
    backend: BackendOption,
    name: NameOption = None,
    account: KeyOption = None,
    bond: BondOption = DEFAULT_BOND,
    claim_quality: QualityOption = 0,
    parallel: Annotated[int, typer.Option("--parallel", min=1, help="Jobs side by side.")] = 2,
    withdraw_every: Annotated[
        float, typer.Option("--withdraw-every", min=0, help="Seconds between withdrawals; 0 for never.")
    ] = 3600.0,
    home: HomeOption = None,
) -> None:
    """Take, run and hand over jobs until stopped; registers the processor when it is new."""
    from qcrs.node.daemon import run_node
    from qcrs.node.devices import located
    from qcrs.node.registration import Registration
    from qcrs.node.worker import NodeSettings

    found, chosen, key = _key(home, account)
    label, backend = name or chosen, located(backend)
    say(f"• node {label} of {key.address} on {backend}; log: {found.path('logs', f'node-{label}.jsonl')}")
    registration = Registration(label, backend, bond, claim_quality, account=chosen)
    run_node(
        found, key, registration, NodeSettings(backend, parallel=parallel, withdraw_every=withdraw_every)
    )


def oracle_run(
    account: KeyOption = None,
    suite: Annotated[str, typer.Option("--suite", help="Capability suite: quick or full.")] = "full",
    home: HomeOption = None,
) -> None:
    """Release keys, judge results, certify processors and keep house until stopped."""
    from qcrs.errors import ConfigError
    from qcrs.oracles.case import OracleSettings
    from qcrs.oracles.daemon import run_oracle

    if suite not in ("quick", "full"):
        raise ConfigError(
            "there is no such capability suite", field="suite", value=suite, solution="choose quick or full"
        )
    found, chosen, key = _key(home, account)
    say(f"• oracle {chosen} {key.address}; log: {found.path('logs', f'{chosen}.jsonl')}")
    run_oracle(found, chosen, key, OracleSettings(suite=suite), tell=lambda words: say(f"! {words}"))


def oracle_identity(
    account: KeyOption = None,
    home: HomeOption = None,
    as_json: Json = True,
) -> None:
    """Print an oracle's public keys, for the document that starts an era; always as JSON."""
    from qcrs.oracles.identity import OracleKeys

    found, chosen, key = _key(home, account)
    emit(OracleKeys.open(found, chosen, key).identity.as_json(), as_json=as_json)


# ------------------------------------------------------------------- processors


def processor_register(
    backend: BackendOption,
    name: NameOption = None,
    account: KeyOption = None,
    bond: BondOption = DEFAULT_BOND,
    claim_quality: QualityOption = 0,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Publish a processor's description, bond, and register it; the same name twice is one processor."""
    from qcrs.node.devices import located
    from qcrs.node.registration import Registration, node_sandbox
    from qcrs.node.registration import register as enter

    found, chosen, key = _key(home, account)
    label, backend = name or chosen, located(backend)
    with node_sandbox(backend) as sandbox:
        sandbox.start()
        party = _party(found, key, f"node-{label}")
        try:
            number = enter(party, sandbox, Registration(label, backend, bond, claim_quality, account=chosen))
        finally:
            party.close()
    emit(
        {"processor": number, "name": label, "provider": key.address},
        as_json=as_json,
        human=f"processor {number} ({label}) of {chosen}; start it with: {_start(chosen, label, backend)}",
    )


def _start(account: str, name: str, backend: str) -> str:
    """The command that runs a registered processor's node."""
    from shlex import join

    own = ["--account", account] + ([] if name == account else ["--name", name])
    return join(["qcrs", "node", "run", *own, "--backend", backend])


def _party(home: Home, key: LocalAccount, name: str) -> Participant:
    from qcrs.client.participant import Participant

    return Participant(home, key, name)


def _certified(one: ProcessorInfo) -> str:
    if one.retired:
        return "retired"
    if one.suspended:
        return "barred" if one.barred else "short of bond" if one.short else "suspended"
    return "yes" if one.certified else "no"


def processor_list(home: HomeOption = None, as_json: Json = False) -> None:
    """Every processor of the exchange: width, certificate, reputation, queue, post-quantum key."""
    from dataclasses import asdict

    from qcrs.client.exchange import Exchange
    from qcrs.types import credits_text

    with Exchange.connect(home) as exchange:
        found = exchange.processors()
    rows = [
        (
            one.id,
            one.name,
            one.qubits,
            _certified(one),
            one.quality,
            f"{one.capability.error_per_layered_gate * 1e-9:.1e}" if one.capability else "–",
            f"{one.reputation:.3f}",
            credits_text(one.stake),
            one.direct_queue,
            one.key.text if one.key else "–",
        )
        for one in found
    ]
    headers = (
        "number", "name", "qubits", "certified", "quality", "error", "reputation", "stake", "queue", "key",
    )  # fmt: skip
    emit([asdict(one) for one in found], as_json=as_json, human=table(rows, headers))


def processor_show(
    name: Annotated[str, typer.Argument(metavar="PROCESSOR", help="The processor's number or name.")],
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """One processor with its certificate and description."""
    from dataclasses import asdict

    from qcrs.cli.names import processor_named
    from qcrs.client.exchange import Exchange

    with Exchange.connect(home) as exchange:
        one = exchange.processor(processor_named(exchange, name))
    value = asdict(one)
    apart = ("metadata", "capability", "key", "remedies")
    lines = [f"{key:20} {value[key]}" for key in value if key not in apart]
    lines += [f"  → {words}" for words in one.remedies]
    lines += [f"{'post-quantum key':20} " + ("none" if one.key is None else f"number {one.key.era}")]
    if one.key is not None:
        left = f"{one.key.leaves_left:,} of {one.key.leaves:,}, the last for the change to the next key"
        lines += [f"  {'commitment':32} {one.key.commitment}", f"  {'leaves left':32} {left}"]
    if one.capability is not None:
        lines += ["capability"]
        lines += [f"  {key:32} {item}" for key, item in asdict(one.capability).items()]
    emit(value, as_json=as_json, human="\n".join(lines))


def processor_retire(
    number: ProcessorArgument, account: KeyOption = None, home: HomeOption = None, as_json: Json = False
) -> None:
    """Take a processor off the exchange for good; its bond is free after the unbonding delay."""
    found, chosen, key = _key(home, account)
    party = _party(found, key, f"retire-{chosen}-{number}")
    try:
        party.post(f"retire/{number}", party.contracts.registry.retire(number), RETIRE_GAS)
        receipt = party.outbox.wait(f"retire/{number}")
    finally:
        party.close()
    emit(
        {"processor": number, "retired": True, "transaction": "0x" + receipt.hash.hex()},
        as_json=as_json,
        human=f"processor {number} is retired; withdraw its bond after the unbonding delay",
    )
