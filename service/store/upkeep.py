"""Partitions, and what start-up has to know of the server."""

from datetime import datetime

from service.store.pool import Conn, Record
from service.store.queries import load

SQL = load("upkeep")


async def ensure_partitions(conn: Conn, days_ahead: int) -> int:
    """Make the partitions of the coming days; gives how many were made."""
    return int(await conn.fetchval(SQL["ensure_partitions"], days_ahead))


async def drop_partitions(conn: Conn, days_kept: int) -> int:
    """Drop the partitions of days that retention took; gives how many."""
    return int(await conn.fetchval(SQL["drop_partitions"], days_kept))


async def days_ahead(conn: Conn) -> int:
    """Say for how many whole days after today all partitions are there."""
    return int(await conn.fetchval(SQL["days_ahead"]))


async def server(conn: Conn) -> Record:
    """Read what the promises need of the server."""
    row = await conn.fetchrow(SQL["server"])
    if row is None:
        raise LookupError("the server said nothing of itself")
    return row


async def clock(conn: Conn) -> datetime:
    """Read the database's clock: the only one that times are compared on."""
    now: datetime = await conn.fetchval(SQL["clock"])
    return now
