"""Runs a named statement as the program does, prepared, and tells what it touched."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from service.store.queries import load_all

STATEMENTS = {name: sql for blocks in load_all().values() for name, sql in blocks.items()}
MODES = ("force_custom_plan", "force_generic_plan")
BIG = 1000
"""A table of fewer rows may be read whole: there is always an end to them (accounts, subscriptions, keys)."""


@dataclass(frozen=True, slots=True)
class Touched:
    """What one run of a statement touched."""

    rows: int
    """Of all steps of the plan, the most rows that one read, sorted or threw away."""
    pages: int
    """Pages of tables and indexes, in memory or not; a page that is looked at twice counts twice."""
    entries: int
    """Index entries that were followed to a row, also to one that ended long ago."""
    indexes: frozenset[str]
    """Which indexes of big tables were read, by their names on the parents of partitions."""
    whole: frozenset[str]
    """Which big tables were read whole."""
    took_ms: float
    plan: dict[str, Any]
    """What EXPLAIN said."""


def literal(value: object) -> str:
    """Write a value as EXECUTE takes it."""
    match value:
        case None:
            return "NULL"
        case bool() | int() | float():
            return str(value)
        case _:
            return "'" + _text(value).replace("'", "''") + "'"


def _text(value: object) -> str:
    match value:
        case datetime():
            return value.isoformat()
        case bytes():
            return "\\x" + value.hex()
        case str() | UUID():
            return str(value)
        case Sequence():
            return "{" + ",".join(_element(v) for v in value) + "}"
        case _:
            return str(value)


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    return json.dumps(_text(value)) if isinstance(value, str | bytes) else _text(value)


async def touched(conn: Any, name: str, arguments: Sequence[object], mode: str) -> Touched:
    """Run a named statement with its arguments and undo it; `conn` is in no transaction."""
    written = ", ".join(literal(a) for a in arguments)
    execute = f"EXECUTE planned ({written})" if arguments else "EXECUTE planned"
    # Inserted rows need no parents here: what is checked per row is not part of the plan.
    await conn.execute(
        f"SET plan_cache_mode = {mode}; SET jit = off; SET session_replication_role = replica"
    )
    await conn.execute(f"PREPARE planned AS {STATEMENTS[name]}")
    undone = conn.transaction()
    await undone.start()
    try:
        before = await conn.fetchval(ENTRIES)
        told = await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {execute}")
        entries = await conn.fetchval(ENTRIES) - before
    finally:
        await undone.rollback()
        await conn.execute("DEALLOCATE planned")
    return await _read(conn, json.loads(told)[0], entries)


async def _read(conn: Any, told: dict[str, Any], entries: int) -> Touched:
    plan = told["Plan"]
    nodes = list(_nodes(plan))
    big = {r["relname"] for r in await conn.fetch(BIG_TABLES, BIG)}
    big_indexes = {r["child"]: r["parent"] for r in await conn.fetch(BIG_INDEXES, BIG)}
    whole = {
        n["Relation Name"] for n in nodes if n["Node Type"] == "Seq Scan" and n["Actual Loops"]
    }
    indexes = {n["Index Name"] for n in nodes if "Index Name" in n and n["Actual Loops"]}
    return Touched(
        rows=round(max(_rows(n) for n in nodes)),
        pages=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        entries=entries,
        indexes=frozenset(big_indexes[i] for i in indexes & big_indexes.keys()),
        whole=frozenset(whole & big),
        took_ms=told["Execution Time"],
        plan=plan,
    )


def _rows(node: dict[str, Any]) -> float:
    removed = sum(node.get(f"Rows Removed by {why}", 0) for why in REMOVED)
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


REMOVED = ("Filter", "Index Recheck", "Join Filter")
ENTRIES = (
    "SELECT sum(pg_stat_get_xact_tuples_returned(x.indexrelid))::bigint FROM pg_index AS x"
    " JOIN pg_class AS t ON t.oid = x.indrelid"
    " JOIN pg_namespace AS n ON n.oid = t.relnamespace AND n.nspname = 'callboard'"
)
BIG_TABLES = (
    "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'callboard' AND c.reltuples > $1::integer"
)
BIG_INDEXES = (
    "SELECT c.relname AS child, coalesce(p.relname, c.relname) AS parent"
    " FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indexrelid JOIN pg_class AS t ON t.oid = x.indrelid"
    " LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid LEFT JOIN pg_class AS p ON p.oid = i.inhparent"
    " WHERE t.reltuples > $1::integer"
)
