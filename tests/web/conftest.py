"""A server on a real database. The database is one a file: tests look at their own tasks only."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from service.store.pool import Pool
from tests.support import database
from tests.support.web import Api, serving

_number = itertools.count(1)


@pytest.fixture(scope="module")
def dsn(pg_dsn: str) -> Iterator[str]:
    """Make a migrated database for the tests of a file."""
    name = f"test_web_{next(_number)}"
    asyncio.run(database.make(pg_dsn, name))
    yield database.database_of(pg_dsn, name)
    asyncio.run(database.drop(pg_dsn, name))


@pytest.fixture
async def api(pool: Pool) -> AsyncIterator[Api]:
    """Serve the web, with both upstreams on."""
    async with serving(pool) as running:
        yield running
