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
    indexes: frozenset[str]
    """Which indexes were read, by their names on the parents of partitions."""
    whole: frozenset[str]
    """Which big tables were read whole."""
    took_ms: float
    plan: dict[str, Any]


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
    await conn.execute(f"SET plan_cache_mode = {mode}; SET jit = off")
    await conn.execute(f"PREPARE planned AS {STATEMENTS[name]}")
    undone = conn.transaction()
    await undone.start()
    try:
        told = await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {execute}")
    finally:
        await undone.rollback()
        await conn.execute("DEALLOCATE planned")
    return await _read(conn, json.loads(told)[0])


async def _read(conn: Any, told: dict[str, Any]) -> Touched:
    plan = told["Plan"]
    nodes = list(_nodes(plan))
    parents = {r["child"]: r["parent"] for r in await conn.fetch(PARENTS)}
    sizes = {r["relname"]: r["rows"] for r in await conn.fetch(SIZES)}
    whole = {n["Relation Name"] for n in nodes if n["Node Type"] == "Seq Scan"}
    indexes = {n["Index Name"] for n in nodes if "Index Name" in n and n["Actual Loops"]}
    return Touched(
        rows=round(max(_rows(n) for n in nodes)),
        pages=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        indexes=frozenset(parents.get(i, i) for i in indexes),
        whole=frozenset(t for t in whole if sizes.get(t, 0) > BIG),
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
PARENTS = (
    "SELECT c.relname AS child, p.relname AS parent FROM pg_inherits AS i"
    " JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_class AS p ON p.oid = i.inhparent"
    " WHERE c.relkind = 'i'"
)
SIZES = (
    "SELECT c.relname, c.reltuples::bigint AS rows FROM pg_class AS c"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'callboard'"
)
