"""Databases that have grown: a small one in every run, the full size with `make scale`."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from tests.scale import load
from tests.scale.sample import Sample, draw
from tests.support import database

SIZES = {"small": (50_000, 10_000, 10), "full": (1_000_000, 100_000, 30)}
"""Finished tasks, open tasks, and over how many days the finished ones are spread."""


@pytest.fixture(scope="session", params=["small", pytest.param("full", marks=pytest.mark.scale)])
def grown(request: pytest.FixtureRequest, pg_dsn: str) -> Iterator[str]:
    """Make a database that has grown."""
    name = f"grown_{request.param}"
    asyncio.run(database.make(pg_dsn, name))
    dsn = database.database_of(pg_dsn, name)
    asyncio.run(load.fill(dsn, *SIZES[request.param]))
    yield dsn
    asyncio.run(database.drop(pg_dsn, name))


@pytest.fixture(scope="session")
def sample(grown: str) -> Sample:
    """Find rows to work on, before anything is changed."""
    return asyncio.run(sampled(grown))


async def sampled(dsn: str) -> Sample:
    """Find rows to work on."""
    conn = await asyncpg.connect(dsn)
    try:
        return await draw(conn)
    finally:
        await conn.close()
