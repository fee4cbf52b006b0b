"""The typer app: every command in one table, and the exit codes of what goes wrong."""

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from service import __version__
from service.cli.output import Failed, err

COMMANDS = {
    "serve": "serve:serve",
    "demo": "demo:demo",
    "simulate": "simulate:simulate",
    "migrate": "migrate:migrate",
    "submit": "tasks:submit",
    "tasks": "tasks:tasks",
    "show": "tasks:show",
    "watch": "tasks:watch",
    "pull": "pull:pull",
    "cancel": "tasks:cancel",
    "retry": "tasks:retry",
    "delete": "tasks:delete",
    "events": "events:events",
    "verify": "verify:verify",
    "doctor": "doctor:doctor",
    "batch": "batches:app",
    "subscriptions": "subscriptions:app",
    "deliveries": "deliveries:app",
    "replays": "replays:app",
    "keys": "keys:app",
    "accounts": "accounts:app",
}
"""Module and name of each; in the order of the help."""


class Commands(TyperGroup):
    """The commands, each imported when it is called: all of them together take over a second."""

    # Typer brings a click of its own, whose types are private.
    def list_commands(self, ctx: Any) -> list[str]:
        """Name them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one; none if there is no such command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(f"service.cli.{module}"), name)
        if isinstance(found, typer.Typer):
            group = get_group(found)
            group.name = cmd_name
            return group
        alone = typer.Typer(add_completion=False)
        alone.command(cmd_name)(found)
        return get_command(alone)


app = typer.Typer(
    name="callboard",
    cls=Commands,
    help="Submits video generation jobs, correlates their callbacks, tells the world with events.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"callboard {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    del version


def main() -> None:
    """Run the command line."""
    try:
        app()
    except Failed as failed:
        err.print(failed.text, style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(failed.code)
