"""What tests of accounts share."""

import json
from uuid import UUID

from tests.support.flows import TENANT
from tests.support.house import House


async def waiting(house: House, task_uuid: UUID) -> str | None:
    """Say what a task is shown to wait for."""
    reason: str | None = json.loads(await house.look.task(TENANT, task_uuid))["waitingFor"]
    return reason
