"""What tests of erasures need: tasks that ended, and what is left of one anywhere in the database."""

from typing import Any
from uuid import UUID

from service.core.inputs import Input, Report, Source
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import call_back, processing
from tests.support.house import House
from tests.support.tasks import video

DONE: Input = Report(Source.POLL, videos=(video(),))
TEXTS = (
    "SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns AS c"
    " WHERE c.table_schema = 'callboard' AND (c.data_type IN ('text', 'character varying', 'bytea', 'json',"
    " 'jsonb', 'name', 'character') OR c.data_type = 'ARRAY')"
)


async def ended(house: House, **fields: Any) -> UUID:
    """Have one task completed by its callback."""
    task_uuid = await processing(house, **fields)
    await call_back(house, (task_uuid, said(f"video-of-{task_uuid}")))
    return task_uuid


async def places_of(pool: Pool, marker: str) -> set[str]:
    """Say in which columns of which tables and partitions a text stands; partitions by their parents' names."""
    found: set[str] = set()
    columns = await pool.fetch(TEXTS)
    assert len(columns) > 100
    for table, column, kind in columns:
        holds = (
            f"position($1::text::bytea IN {column}) > 0"
            if kind == "bytea"
            else f"position($1::text IN {column}::text) > 0"
        )
        sql = f"SELECT count(*) FROM callboard.{table} WHERE {holds}"  # noqa: S608 - the schema's own names
        if await pool.fetchval(sql, marker):
            found.add(f"{table.rstrip('0123456789').rstrip('_')}.{column}")
    return found


async def left_of(pool: Pool, task_uuid: UUID) -> dict[str, int]:
    """Count the rows that a task has in each table; tables without any are left out."""
    counts: dict[str, int] = {}
    for row in await pool.fetch(
        "SELECT c.table_name FROM information_schema.columns AS c JOIN information_schema.tables AS t"
        " USING (table_schema, table_name) JOIN pg_class AS r ON r.relname = c.table_name AND NOT r.relispartition"
        " WHERE c.table_schema = 'callboard' AND c.column_name = 'task_uuid'"
    ):
        sql = f"SELECT count(*) FROM callboard.{row['table_name']} WHERE task_uuid = $1"  # noqa: S608 - as above
        if count := await pool.fetchval(sql, task_uuid):
            counts[row["table_name"]] = count
    return counts
