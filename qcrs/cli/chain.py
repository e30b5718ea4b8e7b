"""`qcrs deploy`: the contracts onto a network of `brownie-config.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qcrs.cli.options import Json
from qcrs.cli.output import emit, say

__all__ = ["register"]


def register(root: typer.Typer) -> None:
    """Add the command."""
    root.command()(deploy)


def deploy(
    network: Annotated[str | None, typer.Option("--network", help="A network of brownie-config.yaml")] = None,
    account: Annotated[
        str | None, typer.Option("--account", help="A key file's name in the home folder; development: none.")
    ] = None,
    bodies: Annotated[
        Path | None, typer.Option("--bodies", help="Who sits in the bodies (YAML); development: known keys.")
    ] = None,
    home: Annotated[Path | None, typer.Option("--home", help="The folder whose keys are used.")] = None,
    as_json: Json = False,
) -> None:
    """Deploy the contracts and hand them to their bodies; the deployer keeps nothing."""
    from qcrs.chain.accounts import development_accounts
    from qcrs.chain.deploy import deploy as put
    from qcrs.chain.deploy import manifest_path
    from qcrs.chain.handover import bodies_for, hand_over
    from qcrs.chain.networks import connect
    from qcrs.client.wallet import Wallet
    from qcrs.config import load_config
    from qcrs.config.home import Home

    config = load_config()
    with connect(network) as chain:
        key = Wallet(Home.find(home)).load(account) if account else None
        if key is None:
            if not chain.network.development:
                from qcrs.errors import AccountError

                raise AccountError(
                    "a live network needs a deployer's key",
                    field="account",
                    value=account,
                    solution="make one with `qcrs account new NAME`, fund it, and name it with --account",
                )
            key = development_accounts(1)[0]
        seats = bodies_for(chain, bodies)
        deployment = hand_over(chain, key, put(chain, key, say=say), seats, say=say)
        path = manifest_path(config, chain)
        deployment.save(path)
    human = "\n".join(f"{name:24} {address}" for name, address in deployment.addresses.items())
    emit(deployment.manifest, as_json=as_json, human=f"{human}\n\nmanifest: {path}")
