"""The database that commands use: CALLBOARD_DATABASE_URL, or the embedded one in DATA_DIR."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from service.cli.output import Failed
from service.embedded.manager import EmbeddedPostgres, EmbeddedUnavailable
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Database:
    """Where the database is, and its embedded server when it is ours."""

    dsn: str
    server: EmbeddedPostgres | None
    direct: str
    """The same around the pooler, when there is one: for migrations and whatever sets up its session."""


@contextmanager
def database(settings: Settings) -> Iterator[Database]:
    """Give the database for a while; an embedded server is started, or attached to when one runs."""
    if settings.database_url is not None:
        direct = settings.direct_database_url or settings.database_url
        yield Database(settings.database_url.get_secret_value(), None, direct.get_secret_value())
        return
    server = EmbeddedPostgres(settings.data_dir, pg_bin=settings.pg_bin)
    try:
        dsn = server.start()
    except EmbeddedUnavailable as error:
        raise Failed(str(error)) from None
    try:
        yield Database(dsn, server, dsn)
    finally:
        server.stop()
