"""The same while a session holds a snapshot of before the work that was done since (queues.md E6)."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from tests.scale.churn import held_snapshot
from tests.scale.conftest import sampled
from tests.scale.explain import MODES, touched
from tests.scale.hot import HOT
from tests.scale.hot_claims import WITHOUT_FLOOR
from tests.scale.limits import faults
from tests.scale.sample import Sample


@pytest.fixture(scope="module")
def churned(grown: str) -> Iterator[Sample]:
    """Work most of what waits off while an old snapshot is held."""
    with held_snapshot(grown):
        yield asyncio.run(sampled(grown))


@pytest.mark.parametrize("key", HOT)
async def test_a_hot_statement_does_not_walk_over_what_ended(
    grown: str, churned: Sample, key: str
) -> None:
    hot = HOT[key]
    conn = await asyncpg.connect(grown)
    try:
        for mode in MODES:
            found = await touched(conn, key.partition(":")[0], hot.arguments(churned), mode)
            assert not faults(hot, found, held=True), mode
    finally:
        await conn.close()


@pytest.mark.parametrize("name", WITHOUT_FLOOR)
async def test_a_claim_without_its_floor_walks_over_all_of_it(
    grown: str, churned: Sample, name: str
) -> None:
    """So it is the floor that keeps claims short; the ratio is printed (`make scale`)."""
    conn = await asyncpg.connect(grown)
    try:
        bare = await touched(conn, name, WITHOUT_FLOOR[name](churned), MODES[1])
        floored = await touched(conn, name, HOT[name].arguments(churned), MODES[1])
    finally:
        await conn.close()
    print(
        f"\n{name} under an old snapshot: {bare.entries:,} index entries, {bare.took_ms:.1f} ms without a floor;"
        f" {floored.entries:,}, {floored.took_ms:.1f} ms with one"
    )
    assert bare.entries > 2 * floored.entries
