"""The `qcrs` command: typer groups whose heavy imports happen inside the commands.

One module a group; `COMMANDS` is the table of contents. `qcrs --help` imports none of web3, qiskit, numpy.
"""

from __future__ import annotations

import sys
from importlib import import_module

from qcrs.cli.output import fail

__all__ = ["main"]

COMMANDS = ("network", "chain", "run", "job", "bench")
"""Modules of this package, each with a typer `app` (a group of its own) or a `register(root)`."""


def main() -> None:
    """Entry point of `qcrs` and `python -m qcrs`."""
    import click
    import typer

    root = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="An open, verifiable exchange for quantum computing.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @root.callback(invoke_without_command=True)
    def top(version: bool = typer.Option(False, "--version", help="Print the version and end.")) -> None:
        """An open, verifiable exchange for quantum computing."""
        if version:
            from qcrs import __version__

            typer.echo(__version__)
            raise typer.Exit

    for name in COMMANDS:
        import_module(f"qcrs.cli.{name}").register(root)
    with fail(as_json="--json" in sys.argv):
        try:
            root(standalone_mode=False)
        except click.ClickException as error:
            error.show()
            raise SystemExit(error.exit_code) from None
        except click.exceptions.Abort:
            raise KeyboardInterrupt from None
