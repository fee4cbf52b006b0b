"""`callboard migrate`: bring the database to this version."""

import asyncpg

from service.cli.database import database
from service.cli.output import AsJson, Failed, out, run, shown
from service.cli.output import settings as read_settings
from service.store import migrate as migrations


def migrate(as_json: AsJson = False) -> None:
    """Run the migrations that are missing, through CALLBOARD_DIRECT_DATABASE_URL when it is set."""
    settings = read_settings()
    with database(settings) as db:
        direct = settings.direct_database_url
        ran = run(_migrate(direct.get_secret_value() if direct else db.dsn))
    text = f"Ran: {', '.join(ran)}." if ran else "Nothing to run: the database is current."
    shown({"ran": ran}, as_json, lambda: out.print(text))


async def _migrate(dsn: str) -> list[str]:
    try:
        conn = await asyncpg.connect(dsn, timeout=10)
    except (OSError, asyncpg.PostgresError, ValueError) as error:
        raise Failed(
            f"The database cannot be reached (CALLBOARD_DATABASE_URL): {error}", 3
        ) from None
    try:
        return await migrations.migrate(conn)
    except migrations.MigrationError as error:
        raise Failed(str(error), 1) from None
    finally:
        await conn.close()
