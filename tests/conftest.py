"""Fixtures that every folder may use; what they are made of is in `support/`."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from service.store.pool import Pool, create_pool
from tests.support import database

_number = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _plain_tracebacks() -> None:
    """Log tracebacks as Python writes them: drawing boxes around all locals takes most of a second each."""
    renderer = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            renderer,
        ]
    )


@pytest.fixture(scope="session")
def pg_dsn() -> Iterator[str]:
    """Run the Postgres of this session; the DSN is that of its own database, which no test writes to."""
    with database.server() as dsn:
        yield dsn


@pytest.fixture
async def dsn(pg_dsn: str) -> AsyncIterator[str]:
    """Make a migrated database for one test."""
    name = f"test_{next(_number)}"
    await database.make(pg_dsn, name)
    yield database.database_of(pg_dsn, name)
    await database.drop(pg_dsn, name)


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    """Open a pool on the test's database."""
    opened = await create_pool(dsn, size=5, statement_timeout_s=10)
    yield opened
    await opened.close()
