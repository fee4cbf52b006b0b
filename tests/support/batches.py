"""Batches as callers send them, and what came of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from service.flows.accept import Submission
from service.store.pool import Pool
from tests.support.flows import TENANT
from tests.support.house import House
from tests.support.web import Api, Reply, submission

NDJSON = {"Content-Type": "application/x-ndjson"}


def as_lines(*given: object) -> bytes:
    """Write submissions as JSON lines."""
    return b"".join(json.dumps(g).encode() + b"\n" for g in given)


async def send(api: Api, data: object, **headers: str) -> Reply:
    """Send the body of a batch."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.call("POST", "/v1/batches", data=data, headers=NDJSON | named)


async def made(api: Api, size: int = 3, **more: object) -> Mapping[str, Any]:
    """Submit a batch and give it as it was answered."""
    reply = await send(api, as_lines(*[submission(**more)] * size))
    assert reply.status == 202, reply.raw
    found: Mapping[str, Any] = reply.json
    return found


async def gathered(house: House, *given: Submission) -> UUID:
    """Have a batch stored without the web; gives its id."""
    with house.gather.room() as lines:
        for number, one in enumerate(given, 1):
            (new,) = house.accept.check([one], many=False)
            lines.add(number, new)
        answer = await house.gather.submit(TENANT, lines, None)
    return UUID(json.loads(answer.body)["id"])


async def tasks_of(pool: Pool, batch: object) -> Sequence[UUID]:
    """Name the tasks of a batch in their order."""
    found = await pool.fetch(
        "SELECT task_uuid FROM callboard.tasks WHERE batch_id = $1 ORDER BY seq", UUID(str(batch))
    )
    return [r["task_uuid"] for r in found]


async def stored(pool: Pool) -> tuple[int, int]:
    """Count batches and tasks."""
    row = await pool.fetchrow(
        "SELECT (SELECT count(*) FROM callboard.batches) AS batches,"
        " (SELECT count(*) FROM callboard.tasks) AS tasks"
    )
    assert row is not None
    return row["batches"], row["tasks"]
