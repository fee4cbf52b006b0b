"""`keys`: API keys, in the database."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer

from service.bootstrap.keys import make_keyring
from service.cli.database import with_pool
from service.cli.output import AsJson, Failed, out, shown, table
from service.cli.output import settings as read_settings
from service.clock import SystemDice
from service.flows.admit import Admit, MadeKey
from service.vault import VaultError, format_key, new_key

T = TypeVar("T")
app = typer.Typer(help="API keys.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")] = "cli",
    as_json: AsJson = False,
) -> None:
    """Make a key; it is shown this once."""
    made: MadeKey = _with(lambda admit: admit.create(name))
    value = {"id": str(made.id), "name": name, "key": made.key}
    shown(
        value,
        as_json,
        lambda: out.print(f"{made.key}\n(id {made.id}, shown this once)", soft_wrap=True),
    )


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List keys; they are kept as hashes and cannot be shown again."""
    rows = _with(lambda admit: admit.list())
    items = [
        {
            "id": str(r["id"]),
            "name": r["name"],
            "prefix": r["prefix"],
            "createdAt": r["created_at"].isoformat(),
            "revokedAt": r["revoked_at"].isoformat() if r["revoked_at"] else None,
        }
        for r in rows
    ]
    columns = ("id", "name", "prefix", "createdAt", "revokedAt")
    cells = [[item[c] for c in columns] for item in items]
    shown({"items": items}, as_json, lambda: table("", columns, cells))


@app.command("revoke")
def revoke(key: Annotated[UUID, typer.Argument(help="The id of a key.")]) -> None:
    """Revoke a key; it stops working within seconds."""
    if not _with(lambda admit: admit.revoke(key)):
        raise Failed("There is no such key that is good.", 1)
    out.print("Revoked.")


@app.command("generate")
def generate() -> None:
    """Print a fresh value for CALLBOARD_CALLBACK_KEYS or CALLBOARD_ENCRYPTION_KEYS."""
    out.print(format_key(new_key()), soft_wrap=True)


@app.command("reseal")
def reseal() -> None:
    """Seal stored secrets again with the first of CALLBOARD_ENCRYPTION_KEYS, so that the others can go."""
    current = read_settings()
    try:
        count = with_pool(current, lambda pool: make_keyring(current, pool).reseal())
    except VaultError as error:
        raise Failed(str(error), 1) from None
    what = "1 secret was" if count == 1 else f"{count} secrets were"
    out.print(f"{what} sealed anew. Only the first of CALLBOARD_ENCRYPTION_KEYS is needed now.")


def _with(use: Callable[[Admit], Coroutine[Any, Any, T]]) -> T:
    return with_pool(read_settings(), lambda pool: use(Admit(pool, SystemDice(), ())))
