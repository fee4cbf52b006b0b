"""`callboard events --follow`: what comes, at once, also after the service was away."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from service.store.pool import Pool
from tests.support.house import API_KEY
from tests.support.web import Api, serving

LIMIT_S = 20


@pytest.fixture
async def api(pool: Pool) -> AsyncIterator[Api]:
    async with serving(pool) as running:
        yield running


async def ended(api: Api) -> UUID:
    """Have an event happen."""
    task_uuid = await api.made()
    await api.post(f"/v1/tasks/{task_uuid}/cancel")
    return task_uuid


async def test_what_comes_is_printed_and_a_line_that_breaks_is_taken_up_again(api: Api) -> None:
    first = await ended(api)
    env = os.environ | {"CALLBOARD_URL": api.base, "CALLBOARD_API_KEY": API_KEY}
    command = (sys.executable, "-m", "service", "events", "--follow", "--json")
    running = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE
    )
    assert running.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_S):
            told = [json.loads(await running.stdout.readline())["subject"]]
            second = await ended(api)
            told.append(json.loads(await running.stdout.readline())["subject"])
            # Every reader ends, and may come again.
            api.house.tail.close()
            third = await ended(api)
            api.house.tail.closing = False
            told.append(json.loads(await running.stdout.readline())["subject"])
    finally:
        running.kill()
        await running.wait()
    assert told == [str(first), str(second), str(third)]
