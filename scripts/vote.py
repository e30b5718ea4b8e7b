#!/usr/bin/env python3
"""Propose, vote and execute by contract calls, in plain words.

python3 scripts/vote.py --network NAME --contracts FILE [--account KEYFILE]... [--anyway] "set Δ to 900"
python3 scripts/vote.py --network NAME --contracts FILE [--account KEYFILE]... [--against|--abstain] ID
python3 scripts/vote.py --network NAME --contracts FILE [--account KEYFILE] --queue|--execute ID

FILE is a deployment's manifest (deployments/<chain id>.json) or a home folder's network.json. Each account
votes once, in the order given, until enough have; without any, what it would change is shown and nothing is
sent. A key file is a wallet's keystore or a plain one of a home folder's `keys`. With --json one JSON value
is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if TYPE_CHECKING:
    from qcrs.chain.sender import Sender
    from qcrs.governance import Commons


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

    parser = _parser()
    options = parser.parse_args(arguments)
    _check(parser, options, " ".join(options.words))
    keys: list[Any] = []
    try:
        with connect(options.network) as chain:
            for path in options.account:
                keys.append(open_key(path, password=lambda: password(options.password_file)))
            with closing(Commons(chain, addresses(options.contracts))) as commons:
                value, human = _decide(commons, [Sender(chain, key) for key in keys], options)
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
    acts, votes = parser.add_mutually_exclusive_group(), parser.add_mutually_exclusive_group()
    acts.add_argument("--queue", action="store_true", help="put a passed proposal into the timelock")
    acts.add_argument("--execute", action="store_true", help="make what was decided and has waited")
    parser.add_argument(
        "--anyway",
        action="store_true",
        help="propose also what would be refused now; vote also where words and calls differ; execute also "
        "what sets back what was decided meanwhile",
    )
    votes.add_argument("--against", action="store_true", help="a consortium's vote against")
    votes.add_argument("--abstain", action="store_true", help="a consortium's abstention")
    parser.add_argument("--json", action="store_true", help="print one JSON value")
    return parser


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace, words: str) -> None:
    """Options that mean nothing together are refused, lest somebody votes for what he is against."""
    from qcrs.governance import is_id

    acts = options.queue or options.execute
    if (options.against or options.abstain) and (acts or not is_id(words)):
        parser.error("--against and --abstain go with the ID of a proposal, and with no --queue or --execute")
    if acts and not is_id(words):
        parser.error("--queue and --execute go with the ID of what was decided")
    if acts and len(options.account) > 1:
        parser.error("--queue and --execute take one --account, which only pays for the transaction")


def _decide(commons: Commons, senders: list[Sender], options: argparse.Namespace) -> tuple[Any, str]:
    """Do what is asked for, as a value and as lines. What it changes is told before anything is sent."""
    from qcrs.cli.votes import execute_told, propose_told, queue_told, shown, support_of, vote_told
    from qcrs.governance import draft, is_id

    words = " ".join(options.words)
    if not senders:
        value, human = shown(commons, words)
        return value | {"acts": []}, human
    if options.queue:
        return queue_told(commons, words, senders[0])
    if options.execute:
        return execute_told(commons, words, senders[0], anyway=options.anyway)
    if is_id(words):
        support = support_of(against=options.against, abstain=options.abstain)
        return vote_told(commons, words, senders, support, anyway=options.anyway)
    return propose_told(commons, draft(commons, words), senders, anyway=options.anyway)


if __name__ == "__main__":
    sys.exit(main())
