"""Which keys the database needs, by their fingerprints."""

from collections.abc import Mapping

from service.store.pool import Conn
from service.store.queries import load

SQL = load("fingerprints")


async def note(conn: Conn, purpose: str, fingerprint: str) -> None:
    """Note the key that is used from now on."""
    await conn.execute(SQL["note_key"], purpose, fingerprint)


async def known(conn: Conn, purpose: str) -> list[str]:
    """List the keys that were ever used for something, the latest first."""
    return [r["fingerprint"] for r in await conn.fetch(SQL["known_keys"], purpose)]


async def needed_for_callbacks(conn: Conn) -> Mapping[str, int]:
    """Say which keys unfinished tasks need, and how many tasks each."""
    found = await conn.fetch(SQL["needed_callback_keys"])
    return {r["fingerprint"]: r["tasks"] for r in found}


async def sealed(conn: Conn) -> list[tuple[str, bytes]]:
    """List all sealed secrets, each with what it is."""
    return [(r["what"], r["secret"]) for r in await conn.fetch(SQL["sealed_secrets"])]


async def reseal(conn: Conn, fresh: Mapping[bytes, bytes]) -> None:
    """Put secrets that were sealed anew in the place of the old ones; what was changed meanwhile stays as it is."""
    was, now = list(fresh), list(fresh.values())
    for statement in (SQL["reseal_tenants"], SQL["reseal_subscriptions"], SQL["reseal_accounts"]):
        await conn.execute(statement, was, now)
