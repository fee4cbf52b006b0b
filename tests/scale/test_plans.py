"""Every hot statement reads in proportion to its batch, however much is stored, in either kind of plan.

`make test` shows it on 60,000 tasks, `make scale` on 1,100,000; the limits are the same.
"""

import asyncpg
import pytest

from tests.scale.explain import MODES, touched
from tests.scale.hot import HOT
from tests.scale.limits import faults
from tests.scale.sample import Sample


@pytest.mark.parametrize("key", HOT)
async def test_a_hot_statement_touches_what_its_batch_needs(
    grown: str, sample: Sample, key: str
) -> None:
    hot = HOT[key]
    conn = await asyncpg.connect(grown)
    try:
        for mode in MODES:
            found = await touched(conn, key.partition(":")[0], hot.arguments(sample), mode)
            assert not faults(hot, found), mode
    finally:
        await conn.close()
