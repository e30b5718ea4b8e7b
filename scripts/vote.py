#!/usr/bin/env python3
"""Propose, vote and execute by contract calls, in plain words.

python3 scripts/vote.py --network NAME --contracts FILE [--account KEYFILE]... [--anyway] "set Δ to 900"
python3 scripts/vote.py --network NAME --contracts FILE [--account KEYFILE]... ID
python3 scripts/vote.py --network NAME --contracts FILE [--account KEYFILE] --queue|--execute ID

FILE is a deployment's manifest (deployments/<chain id>.json) or a home folder's network.json. Each account
votes once, in the order given; without any, what the words would change is shown and nothing is sent.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


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
    from qcrs.chain.accounts import load_keystore, password
    from qcrs.errors import QCRSError
    from qcrs.governance import Commons, draft, execute, matter, propose, queue, vote

    parser = argparse.ArgumentParser(description="Propose, vote and execute.")
    parser.add_argument("words", nargs="+", help="a sentence, or the id of a ballot or proposal")
    parser.add_argument("--network", help="a name of brownie-config.yaml or a URL")
    parser.add_argument("--contracts", type=Path, required=True, help="a manifest or network.json")
    parser.add_argument("--account", type=Path, action="append", default=[], help="a member's key file")
    parser.add_argument("--password-file", type=Path, help="else $QCRS_PASSWORD, else a prompt")
    parser.add_argument("--queue", action="store_true", help="put a passed proposal into the timelock")
    parser.add_argument("--execute", action="store_true", help="make what was decided and has waited")
    parser.add_argument("--anyway", action="store_true", help="propose also what would be refused now")
    parser.add_argument("--against", action="store_true", help="a consortium's vote against")
    options = parser.parse_args(arguments)
    words = " ".join(options.words)
    try:
        with connect(options.network) as chain:
            commons = Commons(chain, addresses(options.contracts))
            keys = [load_keystore(path, lambda: password(options.password_file)) for path in options.account]
            senders = [Sender(chain, key) for key in keys]
            known = matter(commons, words) if options.queue or options.execute or " " not in words else None
            if known is None:
                found = draft(commons, words)
                print(f"{found.body.title} decides")
                for change in found.changes:
                    print(f"  {change.what}: {change.before} -> {change.after}")
            id_ = known.id if known else ""
            for sender in senders:
                if options.queue or options.execute:
                    act = (queue if options.queue else execute)(commons, id_, sender)
                elif id_:
                    act = vote(commons, id_, sender, "against" if options.against else "for")
                else:
                    act = propose(commons, found, sender, anyway=options.anyway)
                    id_ = act.id
                print(f"{sender.address}: {act.kind} {act.id[:8]} is {act.state} ({act.gas:,} gas)")
            commons.close()
    except QCRSError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
