#!/usr/bin/env python3
"""Deploy the exchange's contracts to a network of brownie-config.yaml.

python3 scripts/deploy.py --network NAME --bodies FILE [--account KEYFILE] [--password-file FILE]
    [--data FOLDER]

The deployer ends with nothing: every role goes to the bodies whose seats FILE (YAML) lists. Development
networks need no account and no file; known keys sit in their bodies. The manifest goes to
deployments/<chain id>.json, of development chains to deployments/dev.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main(arguments: list[str] | None = None) -> int:
    """Deploy; returns the exit status."""
    from qcrs.chain.accounts import development_accounts, load_keystore, password
    from qcrs.chain.deploy import deploy, manifest_path
    from qcrs.chain.handover import bodies_for, hand_over
    from qcrs.chain.networks import connect
    from qcrs.config import load_config
    from qcrs.errors import AccountError, QCRSError

    parser = argparse.ArgumentParser(description="Deploy the exchange's contracts.")
    parser.add_argument(
        "--network", help="a name of brownie-config.yaml or a URL; its default network without"
    )
    parser.add_argument("--account", type=Path, help="the deployer's key file")
    parser.add_argument("--password-file", type=Path, help="else $QCRS_PASSWORD, else a prompt")
    parser.add_argument("--bodies", type=Path, help="who sits in the bodies; see docs/governance.md")
    parser.add_argument("--config", type=Path, help="the project's brownie-config.yaml")
    parser.add_argument("--data", type=Path, help="the folder of an embedded chain that shall be kept")
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.config)
        with connect(options.network, config=config.path, data=options.data) as chain:
            if options.account is not None:
                account = load_keystore(options.account, lambda: password(options.password_file))
            elif chain.network.development:
                account = development_accounts(1)[0]
            else:
                raise AccountError(
                    "this network needs a key", field="account", solution="give --account KEYFILE"
                )
            print(f"deploying to {chain.network.name} (chain {chain.chain_id}) as {account.address}")
            bodies = bodies_for(chain, options.bodies)
            deployment = hand_over(chain, account, deploy(chain, account, say=print), bodies, say=print)
            if not chain.network.development or config.dev_deployment_artifacts:
                path = manifest_path(config, chain)
                deployment.save(path)
                print(f"recorded in {path}")
    except QCRSError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
