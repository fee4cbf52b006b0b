"""Floors of claims: looked for now and then, left out now and then."""

import asyncio
from typing import Any, cast

from service.flows.floor import Floor, FloorPolicy
from tests.support.virtual_time import in_no_time

NOBODY = cast("Any", None)


class Database:
    """Says each time it is asked how often it was."""

    asked = 0

    async def find(self, conn: Any) -> int:
        self.asked += 1
        return self.asked


def test_a_floor_is_looked_for_at_first_and_used_until_its_time_is_over() -> None:
    async def told() -> list[int | None]:
        floor = Floor(FloorPolicy(seconds=10, without_every=100), Database().find)
        first = [await floor.next(NOBODY) for _ in range(3)]
        await asyncio.sleep(9.9)
        almost = await floor.next(NOBODY)
        await asyncio.sleep(0.1)
        return [*first, almost, await floor.next(NOBODY), await floor.next(NOBODY)]

    assert in_no_time(told()) == [1, 1, 1, 1, 2, 2]


def test_one_claim_in_so_many_goes_without_a_floor() -> None:
    async def told() -> list[int | None]:
        floor = Floor(FloorPolicy(seconds=10, without_every=4), Database().find)
        return [await floor.next(NOBODY) for _ in range(9)]

    assert in_no_time(told()) == [1, 1, 1, None, 1, 1, 1, None, 1]


def test_a_floor_of_no_seconds_is_looked_for_by_each_claim() -> None:
    async def told() -> list[int | None]:
        floor = Floor(FloorPolicy(seconds=0, without_every=100), Database().find)
        return [await floor.next(NOBODY) for _ in range(3)]

    assert in_no_time(told()) == [1, 2, 3]


def test_a_floor_that_could_not_be_found_is_looked_for_again() -> None:
    class Away(Database):
        async def find(self, conn: Any) -> int:
            if await super().find(conn) == 1:
                raise OSError
            return self.asked

    async def told() -> int | None:
        floor = Floor(FloorPolicy(), Away().find)
        try:
            await floor.next(NOBODY)
        except OSError:
            return await floor.next(NOBODY)
        raise AssertionError

    assert in_no_time(told()) == 2
