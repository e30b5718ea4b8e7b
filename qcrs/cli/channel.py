"""`qcrs channel …`: paid entanglement between two processors, attested epoch by epoch."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcrs.cli.options import AccountOption, HomeOption, Json, KeyOption, TopologyFile, owner_of
from qcrs.cli.output import emit, say, table

if TYPE_CHECKING:
    from qcrs.client.book import Channel
    from qcrs.client.coordinator import Coordinator
    from qcrs.client.exchange import Exchange
    from qcrs.together.conductor import Conductor

__all__ = ["conducted", "coordinator_of", "named_processors", "register"]

Number = Annotated[int, typer.Argument(metavar="CHANNEL", help="The channel's number.")]
Processor = Annotated[int, typer.Option("--processor", help="The end's processor, which is yours.")]
Circuit = Annotated[str, typer.Argument(metavar="CIRCUIT", help="A circuit of it; its ends are processors.")]
Driver = Annotated[
    str, typer.Option("--driver", help="heap, or tcp: a process for each node of the network.")
]


def register(root: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        rich_markup_mode=None,
        no_args_is_help=True,
        help="Entanglement between two processors, paid and attested.",
    )
    group.command("open")(open_)
    group.command("list")(list_)
    group.command()(show)
    group.command()(measure)
    group.command()(attest)
    group.command()(dispute)
    group.command()(retire)
    group.command()(close)
    group.command()(withdraw)
    root.add_typer(group, name="channel")


def coordinator_of(exchange: Exchange, *, signing: bool = False) -> Coordinator:
    """The coordinator of a network, for reading or with the exchange's account."""
    from qcrs.client.coordinator import Coordinator, of_exchange

    poster = of_exchange(exchange) if signing else None
    return Coordinator(exchange.chain, exchange.network, exchange.home, poster)


def named_processors(exchange: Exchange) -> dict[str, int]:
    """Processors that are not retired, by name."""
    return {one.name: one.id for one in exchange.processors() if not one.retired}


def conducted(exchange: Exchange, topology: Path, driver: str, **offer: Any) -> Conductor:
    """A conductor over a topology file; nodes are the processors of the same names."""
    from qcrs.qnp.topology.reader import load_topology
    from qcrs.together.conductor import Conductor, Offer

    return Conductor(
        coordinator_of(exchange, signing=True),
        exchange.store,
        exchange.account,
        load_topology(topology),
        named_processors(exchange),
        driver=driver,
        offer=Offer(**{key: value for key, value in offer.items() if value is not None}),
        say=lambda words: say(f"• {words}"),
    )


def open_(
    topology: TopologyFile,
    circuit: Circuit,
    price: Annotated[int | None, typer.Option("--price", min=0, help="For a pair, base units.")] = None,
    deposit: Annotated[
        int | None, typer.Option("--deposit", min=0, help="What you lock, base units.")
    ] = None,
    bond: Annotated[
        int | None, typer.Option("--bond", min=1, help="What each end locks, base units.")
    ] = None,
    hours: Annotated[float, typer.Option("--hours", min=0.1, help="How long it lives.")] = 24.0,
    patience: Annotated[int, typer.Option("--patience", min=1, help="Seconds for both ends to accept.")] = 60,
    driver: Driver = "heap",
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Offer a channel, wait until both ends accept, and let them measure it: it is paid and usable then."""
    from qcrs.client.exchange import Exchange

    with Exchange.connect(home, account=account) as exchange:
        conductor = conducted(
            exchange, topology, driver, pair_price=price, deposit=deposit, end_bond=bond,
            channel_seconds=round(hours * 3600), plan_seconds=patience,
        )  # fmt: skip
        number = conductor.open(circuit)
        found = described(conductor.coordinator.book().channel(number))
    emit(found, as_json=as_json, human=_text(found))


def described(channel: Channel) -> dict[str, Any]:
    """A channel in plain values."""
    terms = channel.terms
    epochs = []
    for epoch in sorted({epoch for epoch, _ in channel.attested}):
        settled = channel.settled.get(epoch)
        epochs.append(
            {
                "epoch": epoch,
                "pairs": None if settled is None else settled.pairs,
                "fidelity_ppm": None if settled is None else settled.fidelity,
                "ends": {
                    str(processor): {
                        "root": "0x" + one.root.hex(),
                        "test_rounds": one.test_rounds,
                        "qber_x_ppm": one.qber_x,
                        "qber_z_ppm": one.qber_z,
                        "fidelity_ppm": one.fidelity,
                        "pairs": one.pairs,
                    }
                    for (which, processor), one in channel.attested.items()
                    if which == epoch
                },
            }
        )
    return {
        "channel": channel.id,
        "state": channel.state.name.lower(),
        "why": None if channel.quarantined is None else channel.quarantined.name.lower(),
        "opener": channel.opener,
        "ends": list(channel.ends),
        "accepted": sorted(channel.accepted),
        "path_hash": "0x" + terms.path_hash.hex(),
        "min_fidelity_ppm": terms.min_fidelity,
        "pair_rate_millihertz": terms.pair_rate,
        "pair_price": terms.pair_price,
        "end_bond": terms.end_bond,
        "deadline": terms.deadline,
        "next_epoch": channel.epoch,
        "lapsed": {str(epoch): processor for epoch, processor in channel.lapsed.items()},
        "disputes": [
            {"epoch": one.epoch, "round": one.index, "upheld": one.upheld, "opened": sorted(one.opened)}
            for one in channel.disputes.values()
        ],
        "epochs": epochs,
    }


def _text(found: dict[str, Any]) -> str:
    lines = [f"{key:22} {found[key]}" for key in found if key not in ("epochs", "disputes", "lapsed")]
    rows = [
        (e["epoch"], "–" if e["pairs"] is None else e["pairs"], processor, one["test_rounds"],
         _percent(one["qber_x_ppm"]), _percent(one["qber_z_ppm"]), f"{one['fidelity_ppm'] / 1e6:.4f}")
        for e in found["epochs"]
        for processor, one in e["ends"].items()
    ]  # fmt: skip
    headers = ("epoch", "paid pairs", "processor", "rounds", "QBER X", "QBER Z", "fidelity")
    return "\n".join(lines) + ("\n\n" + table(rows, headers) if rows else "")


def _percent(ppm: int) -> str:
    return f"{ppm / 1e4:.2f} %"


def _fidelity(epochs: list[dict[str, Any]]) -> str:
    """Of the last settled epoch."""
    known = [one["fidelity_ppm"] for one in epochs if one["fidelity_ppm"]]
    return f"{known[-1] / 1e6:.4f}" if known else "–"


def list_(home: HomeOption = None, as_json: Json = False) -> None:
    """Every channel: ends, state, fidelity, epochs."""
    from qcrs.client.exchange import Exchange

    with Exchange.connect(home) as exchange:
        found = [described(one) for one in coordinator_of(exchange).book().channels.values()]
    rows = [
        (
            one["channel"], f"{one['ends'][0]} – {one['ends'][1]}", one["state"],
            _fidelity(one["epochs"]),
            one["next_epoch"] - 1, sum(e["pairs"] or 0 for e in one["epochs"]), one["pair_price"],
        )
        for one in found
    ]  # fmt: skip
    headers = ("channel", "processors", "state", "fidelity", "epochs", "pairs", "price")
    emit(found, as_json=as_json, human=table(rows, headers))


def show(number: Number, home: HomeOption = None, as_json: Json = False) -> None:
    """One channel with all epochs, made again from the ends' records where these are in the store; exit 1
    where an end attested something else.
    """
    from qcrs.client.exchange import Exchange
    from qcrs.together.check import check_channel

    with Exchange.connect(home) as exchange:
        book = coordinator_of(exchange).book()
        found = described(book.channel(number))
        checked = check_channel(book, number, exchange.store)
    found |= {"ok": checked.ok, "holds": checked.holds, "problems": checked.problems}
    notes = [f"✓ {words}" for words in checked.holds] + [f"✗ {words}" for words in checked.problems]
    text = _text({k: v for k, v in found.items() if k not in ("ok", "holds", "problems")})
    emit(found, as_json=as_json, human="\n".join([text, "", *notes]))
    raise typer.Exit(0 if checked.ok else 1)


def measure(
    number: Number,
    topology: TopologyFile,
    circuit: Circuit,
    driver: Driver = "heap",
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Run one more epoch of test rounds on a channel that you opened; both ends attest it."""
    from qcrs.client.exchange import Exchange
    from qcrs.errors import InputError

    with Exchange.connect(home, account=account) as exchange:
        conductor = conducted(exchange, topology, driver)
        if conductor.open(circuit) != number:
            raise InputError(
                "this circuit's channel has another number", field="channel", value=number,
                solution="`qcrs channel list` shows which ends a channel has",
            )  # fmt: skip
        conductor.measure([number])
        found = described(conductor.coordinator.book().channel(number))
    emit(found, as_json=as_json, human=_text(found))


def attest(
    number: Number,
    processor: Processor,
    account: KeyOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Do for one end what is due: accept, say which rounds it counted, attest, open disputed rounds, lapse.

    A node's own agent does this by itself; this is for processors without one.
    """
    from qcrs.client.exchange import Exchange
    from qcrs.client.quantum import identity_of, sign_with_identity
    from qcrs.together.agent import Agent

    told: list[dict[str, Any]] = []
    where, _wallet, name = owner_of(home, account)
    with ExitStack() as opened:
        exchange = opened.enter_context(Exchange.connect(where.root, account=name))
        coordinator = coordinator_of(exchange, signing=True)
        own = identity_of(exchange)
        if own is not None:
            opened.callback(own.close)
        sign_with_identity(coordinator, own, exchange.store)
        channel = coordinator.book().channel(number)
        agent = Agent(
            coordinator, exchange.store, exchange.account, processor,
            say=lambda what, **fields: told.append({"what": what} | fields),
        )  # fmt: skip
        agent.attend(channel)
        found = described(coordinator.book().channel(number))
    human = "\n".join(
        ", ".join(f"{v}" if k == "what" else f"{k} {v}" for k, v in one.items()) for one in told
    )
    emit({"done": told, "channel": found}, as_json=as_json, human=human or "nothing is due")


def dispute(
    number: Number,
    epoch: Annotated[int, typer.Argument(metavar="EPOCH", help="A paid epoch.")],
    index: Annotated[int, typer.Argument(metavar="ROUND", help="The test round, from 0.")],
    account: AccountOption = None,
    home: HomeOption = None,
    as_json: Json = False,
) -> None:
    """Demand that both ends open one test round on chain; stakes the channel's penalty."""
    from qcrs.client.exchange import Exchange
    from qcrs.errors import InputError

    with Exchange.connect(home, account=account) as exchange:
        coordinator = coordinator_of(exchange, signing=True)
        channel = coordinator.book().channel(number)
        if epoch not in channel.settled:
            raise InputError(
                "this epoch was not settled", field="epoch", value=epoch,
                solution=f"settled: {', '.join(map(str, channel.settled)) or 'none'}",
            )  # fmt: skip
        coordinator.dispute(number, channel.settled[epoch].record, index)
    emit(
        {"channel": number, "epoch": epoch, "round": index, "disputed": True},
        as_json=as_json,
        human=f"round {index} of epoch {epoch} is disputed; the ends have to open it",
    )


def retire(
    number: Number, account: AccountOption = None, home: HomeOption = None, as_json: Json = False
) -> None:
    """End a channel early; after the notice it can be closed."""
    _act("retire", number, account, home, as_json=as_json)


def close(
    number: Number, account: AccountOption = None, home: HomeOption = None, as_json: Json = False
) -> None:
    """Pay deposit and bonds of a channel whose time is over back to their owners."""
    _act("close", number, account, home, as_json=as_json)


def _act(what: str, number: int, account: str | None, home: Path | None, *, as_json: bool) -> None:
    from qcrs.client.exchange import Exchange

    with Exchange.connect(home, account=account) as exchange:
        coordinator = coordinator_of(exchange, signing=True)
        coordinator.book().channel(number)
        getattr(coordinator, what)(number)
        found = described(coordinator.book().channel(number))
        back = coordinator.book().channel(number).returned
    human = f"channel {number} is {found['state']}" + (f"; {back} base units are back" if back else "")
    emit(found | {"returned": back}, as_json=as_json, human=human)


def withdraw(account: AccountOption = None, home: HomeOption = None, as_json: Json = False) -> None:
    """Take your free balance out of the coordinator."""
    from qcrs.client.exchange import Exchange

    with Exchange.connect(home, account=account) as exchange:
        taken = coordinator_of(exchange, signing=True).withdraw()
    emit({"withdrawn": taken}, as_json=as_json, human=f"{taken} base units withdrawn")
