"""`qcrs qnp app …`: teleportation, keys, purification, GHZ states and barriers on a network."""

from __future__ import annotations

import typer

from qcrs.cli.qnp_apps import barrier, ghz, keys, purify, teleport

__all__ = ["register_apps"]


def register_apps(group: typer.Typer) -> None:
    """Add `app` to the group of `qcrs qnp`."""
    apps = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Applications on a network's pairs.")
    for application in (teleport, keys, purify, ghz, barrier):
        application.register(apps)
    group.add_typer(apps, name="app")
