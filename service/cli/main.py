"""The typer app: every command in one table, and the exit codes of what goes wrong."""

import sys

import typer

from service import __version__
from service.cli import (
    accounts,
    batches,
    deliveries,
    demo,
    doctor,
    events,
    keys,
    migrate,
    pull,
    replays,
    serve,
    simulate,
    subscriptions,
    tasks,
    verify,
)
from service.cli.output import Failed, err

app = typer.Typer(
    name="callboard",
    help="Submits video generation jobs, correlates their callbacks, tells the world with events.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)

app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
app.command("migrate")(migrate.migrate)
app.command("submit")(tasks.submit)
app.command("tasks")(tasks.tasks)
app.command("show")(tasks.show)
app.command("watch")(tasks.watch)
app.command("pull")(pull.pull)
app.command("cancel")(tasks.cancel)
app.command("retry")(tasks.retry)
app.command("delete")(tasks.delete)
app.command("events")(events.events)
app.command("verify")(verify.verify)
app.command("doctor")(doctor.doctor)
app.add_typer(batches.app, name="batch")
app.add_typer(subscriptions.app, name="subscriptions")
app.add_typer(deliveries.app, name="deliveries")
app.add_typer(replays.app, name="replays")
app.add_typer(keys.app, name="keys")
app.add_typer(accounts.app, name="accounts")


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
