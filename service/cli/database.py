"""The database that commands use: CALLBOARD_DATABASE_URL, or the embedded one in DATA_DIR."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from service.cli.output import UNREACHABLE, Failed, run
from service.core.errors import Unavailable
from service.embedded.manager import EmbeddedPostgres, EmbeddedUnavailable
from service.settings import Settings
from service.store import migrate
from service.store.pool import Pool, connection, create_pool

T = TypeVar("T")


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


def with_pool(settings: Settings, use: Callable[[Pool], Coroutine[Any, Any, T]]) -> T:
    """Do something with connections to a database that is current; raises Failed when there is none."""

    async def main(dsn: str) -> T:
        try:
            pool = await create_pool(dsn, size=2, statement_timeout_s=10)
        except Unavailable as error:
            raise Failed(error.detail, UNREACHABLE) from None
        try:
            async with connection(pool) as conn:
                if await migrate.pending(conn):
                    raise Failed("The database is behind: run `callboard migrate` first.")
            return await use(pool)
        except Unavailable as error:
            raise Failed(error.detail, UNREACHABLE) from None
        finally:
            await pool.close()

    with database(settings) as db:
        return run(main(db.direct))
