"""Who may come in: keys by their hashes, the first of them made once."""

import asyncio

from service.clock import SystemDice
from service.flows.admit import Admit
from service.store.pool import Pool


def admit(pool: Pool, *configured: str) -> Admit:
    return Admit(pool, SystemDice(), configured)


async def test_of_processes_that_start_at_once_one_makes_the_first_key(pool: Pool) -> None:
    made = await asyncio.gather(*(admit(pool).first_key() for _ in range(4)))

    (key,) = [k for k in made if k is not None]
    assert await admit(pool).tenant_of(key) == "default"
    assert await admit(pool).first_key() is None


async def test_with_keys_in_the_settings_none_is_made(pool: Pool) -> None:
    configured = admit(pool, "of-the-settings")

    assert await configured.first_key() is None
    assert await configured.list() == []
    assert await configured.tenant_of("of-the-settings") == "default"
    assert await configured.tenant_of("of-nobody") is None


async def test_a_revoked_key_is_no_longer_good_and_cannot_be_revoked_again(pool: Pool) -> None:
    desk = admit(pool)
    made = await desk.create("ci")
    assert await desk.tenant_of(made.key) == "default"

    assert await desk.revoke(made.id)
    assert await desk.tenant_of(made.key) is None
    assert not await desk.revoke(made.id)


async def test_no_key_is_kept_only_its_hash(pool: Pool) -> None:
    made = await admit(pool).create("ci")

    rows = await pool.fetch("SELECT * FROM callboard.api_keys")
    assert made.key not in str(rows)
    assert made.key.startswith(rows[0]["prefix"])
