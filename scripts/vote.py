#!/usr/bin/env python3
"""Propose, vote and execute by contract calls, in plain words.

python3 scripts/vote.py --network NAME --contracts FILE [--account KEYFILE]... [--anyway] "set Δ to 900"
python3 scripts/vote.py --network NAME --contracts FILE [--account KEYFILE]... [--anyway] [--against] ID
python3 scripts/vote.py --network NAME --contracts FILE [--account KEYFILE] --queue|--execute ID

FILE is a deployment's manifest (deployments/<chain id>.json) or a home folder's network.json. Each account
votes once, in the order given; without any, what it would change is shown and nothing is sent. A key file is
a wallet's keystore or a plain one of a home folder's `keys`. With --json one JSON value is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if TYPE_CHECKING:
    from qcrs.chain.sender import Sender
    from qcrs.governance import Act, Commons


def addresses(path: Path) -> dict[str, str]:
    """Contracts by name, from a manifest or a network file."""
    from qcrs.errors import ConfigError

    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["contracts"]
        return {name: one if isinstance(one, str) else one["address"] for name, one in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"the contracts' addresses cannot be read: {error}",
            field="contracts",
            value=str(path),
            solution="name deployments/<chain id>.json or a network.json",
        ) from error


def main(arguments: list[str] | None = None) -> int:
    """Vote; returns the exit status."""
    from qcrs.chain import Sender, connect
    from qcrs.chain.accounts import password
    from qcrs.cli.output import emit, say
    from qcrs.client.wallet import open_key
    from qcrs.errors import QCRSError
    from qcrs.governance import Commons

    options = _parser().parse_args(arguments)
    keys: list[Any] = []
    try:
        with connect(options.network) as chain:
            commons = Commons(chain, addresses(options.contracts))
            for path in options.account:
                keys.append(open_key(path, password=lambda: password(options.password_file)))
            value, human = _decide(commons, [Sender(chain, key) for key in keys], options)
            commons.close()
    except QCRSError as error:
        if options.json:
            emit(error.as_json(), as_json=True)
        say(str(error))
        return error.exit_code
    emit(value, as_json=options.json, human=human)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Propose, vote and execute.")
    parser.add_argument("words", nargs="+", help="a sentence, or the id of a ballot or proposal")
    parser.add_argument("--network", help="a name of brownie-config.yaml or a URL")
    parser.add_argument("--contracts", type=Path, required=True, help="a manifest or network.json")
    parser.add_argument("--account", type=Path, action="append", default=[], help="a member's key file")
    parser.add_argument("--password-file", type=Path, help="else $QCRS_PASSWORD, else a prompt")
    parser.add_argument("--queue", action="store_true", help="put a passed proposal into the timelock")
    parser.add_argument("--execute", action="store_true", help="make what was decided and has waited")
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="propose also what would be refused now; vote also where words and calls differ",
    )
    parser.add_argument("--against", action="store_true", help="a consortium's vote against")
    parser.add_argument("--json", action="store_true", help="print one JSON value")
    return parser


def _decide(
    commons: Commons, senders: list[Sender], options: argparse.Namespace
) -> tuple[dict[str, Any], str]:
    """Do what is asked for, as a value and as lines. What it changes is told before anything is sent."""
    from qcrs.cli.output import say, visible
    from qcrs.governance import draft, execute, is_id, matter, propose, queue, vote
    from qcrs.governance.overview import view_of

    words = " ".join(options.words)
    acts: list[Act] = []
    if options.queue or options.execute or is_id(words):
        view = view_of(commons, matter(commons, words))
        value, body, changes, id_ = asdict(view), view.body, view.changes, view.id
        head = [f"{view.body} decides: {visible(view.words)}", *(f"  {visible(call)}" for call in view.calls)]
        if view.faithful is False:
            head.append("  the words are not the sentence that gives these calls")
    else:
        found = draft(commons, words)
        body, changes, id_ = found.body.title, found.changes, ""
        value = {"words": found.words, "body": found.body.key, "changes": list(map(asdict, changes))}
        head = [f"{body} decides"]
    head += [f"  {visible(c.what)}: {visible(c.before)} -> {visible(c.after)}" for c in changes]
    if senders:
        say("\n".join(head))
    for sender in senders:
        if options.queue or options.execute:
            acts.append((queue if options.queue else execute)(commons, id_, sender))
        elif id_:
            support = "against" if options.against else "for"
            acts.append(vote(commons, id_, sender, support, anyway=options.anyway))
        else:
            acts.append(propose(commons, found, sender, anyway=options.anyway))
            id_ = acts[0].id
    lines = [
        f"{sender.address}: {act.kind} {act.id[:8]} is {act.state} ({act.gas:,} gas)"
        for sender, act in zip(senders, acts, strict=True)
    ]
    return value | {"acts": list(map(asdict, acts))}, "\n".join(lines or head)


if __name__ == "__main__":
    sys.exit(main())
