"""The `qcrs` command: typer groups whose heavy imports happen inside the commands.

One module a group; `COMMANDS` is the table of contents. `qcrs --help` imports none of web3, qiskit, numpy.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from qcrs.cli.output import INTERRUPTED, fail, misused

if TYPE_CHECKING:
    import typer

__all__ = ["application", "main"]

COMMANDS = ("network", "chain", "run", "job", "channel", "session", "bench", "gov", "dispute", "qnp")
"""Modules of this package, each with a typer `app` (a group of its own) or a `register(root)`."""


def main() -> None:
    """Entry point of `qcrs` and `python -m qcrs`; SIGTERM ends a command as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with fail(as_json="--json" in sys.argv):
        code = _call()
    if code:  # what a command ended with by `typer.Exit`
        raise SystemExit(code)


def application() -> typer.Typer:
    """The whole command, with every group of `COMMANDS`."""
    import typer

    root = typer.Typer(
        rich_markup_mode=None,  # the decorated help costs 0.2 s of imports
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
    return root


def _call() -> int:
    """What the command on the command line ends with."""
    import typer

    usage_error: type[Exception] = typer.BadParameter.__bases__[0]
    try:
        code = application()(prog_name="qcrs", standalone_mode=False)
    except usage_error as error:
        raise misused(error) from None
    except typer.Abort:
        raise KeyboardInterrupt from None
    if code == INTERRUPTED:  # typer's word for Ctrl-C
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0
