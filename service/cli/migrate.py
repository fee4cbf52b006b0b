"""`callboard migrate`: bring the database to this version."""

from service.cli.database import database
from service.cli.output import UNREACHABLE, AsJson, Failed, out, run, shown
from service.cli.output import settings as read_settings
from service.core.errors import Unavailable
from service.store import migrate as migrations


def migrate(as_json: AsJson = False) -> None:
    """Run the migrations that are missing, through CALLBOARD_DIRECT_DATABASE_URL when it is set."""
    settings = read_settings()
    with database(settings) as db:
        ran = run(_migrate(db.direct))
    text = f"Ran: {', '.join(ran)}." if ran else "Nothing to run: the database is current."
    shown({"ran": ran}, as_json, lambda: out.print(text))


async def _migrate(dsn: str) -> list[str]:
    try:
        return await migrations.migrate_database(dsn)
    except Unavailable as error:
        raise Failed(error.detail, UNREACHABLE) from None
    except migrations.MigrationError as error:
        raise Failed(str(error), 1) from None
