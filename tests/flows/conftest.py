"""A database a file, emptied after each test: a fresh one a test would take a third of a second."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from service.store.pool import Pool, create_pool
from tests.support import database
from tests.support.house import House, make_house

_number = itertools.count(1)
EMPTIED = (
    *(
        "callbacks",
        "events",
        "deliveries",
        "attempts",
        "idempotency_keys",
        "subscriptions",
        "lanes",
    ),
    "api_keys",
    *("tasks", "erased_tasks", "archives", "slots", "accounts", "batches", "replays"),
)


@pytest.fixture(scope="module")
def dsn(pg_dsn: str) -> Iterator[str]:
    """Make a migrated database for the tests of a file."""
    name = f"test_flows_{next(_number)}"
    asyncio.run(database.make(pg_dsn, name))
    yield database.database_of(pg_dsn, name)
    asyncio.run(database.drop(pg_dsn, name))


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    """Open a pool on the file's database, and leave no rows behind."""
    opened = await create_pool(dsn, size=8, statement_timeout_s=10)
    yield opened
    for table in EMPTIED:
        await opened.execute(f"DELETE FROM callboard.{table}")  # noqa: S608 - our own names
    await opened.execute("UPDATE callboard.tenants SET signing_secret = NULL")
    await opened.close()


@pytest.fixture
def house(pool: Pool) -> House:
    """Put all flows together."""
    return make_house(pool)
