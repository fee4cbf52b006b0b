"""Upkeep: partitions ahead, old days gone, and nobody held up for it."""

from datetime import UTC, datetime, timedelta

from service.flows.upkeep import Upkeep
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import TENANT, call_back, elsewhere, processing, subscribed
from tests.support.house import House


async def test_coming_days_are_made_and_old_ones_dropped(pool: Pool) -> None:
    upkeep = Upkeep(pool, 30)
    assert await upkeep.run_once() == 0
    old = datetime.now(UTC).date() - timedelta(days=40)
    await pool.execute("SELECT callboard.ensure_partitions($1::date, 2)", old)
    ahead = datetime.now(UTC).date() + timedelta(days=7)
    await pool.execute(f"DROP TABLE callboard.events_{ahead:%Y%m%d}")
    assert (await upkeep.pulse()).days_ahead == 6
    assert await upkeep.run_once() == 9
    assert (await upkeep.pulse()).days_ahead == 7


async def test_who_reads_an_old_day_puts_its_drop_off_and_holds_up_nobody(
    house: House, pool: Pool, dsn: str
) -> None:
    old = datetime.now(UTC).date() - timedelta(days=40)
    await pool.execute("SELECT callboard.ensure_partitions($1::date, 1)", old)
    async with elsewhere(dsn) as reader:
        await reader.fetch("SELECT FROM callboard.events")
        assert await house.upkeep.run_once() == 0
        task_uuid = await processing(house)
        await call_back(house, (task_uuid, said("v1")))
    assert await house.upkeep.run_once() == 4


async def test_a_day_with_open_deliveries_is_kept_with_its_events(house: House, pool: Pool) -> None:
    await subscribed(house)
    await processing(house)
    old = datetime.now(UTC) - timedelta(days=40)
    await pool.execute("SELECT callboard.ensure_partitions($1::date, 1)", old.date())
    await pool.execute("UPDATE callboard.deliveries SET created_at = $1", old)
    await pool.execute("UPDATE callboard.events SET created_at = $1", old)
    assert await house.upkeep.run_once() == 2
    assert await house.deliver_due() == 1
    assert [e.event_type for _, e in house.sink.got] == ["task.processing"]
    assert await house.upkeep.run_once() == 2
    await pool.execute("UPDATE callboard.feed SET dropped_incarnation = 0, dropped_xid = '0'")


async def test_old_idempotency_keys_are_forgotten_and_fresh_ones_kept(
    house: House, pool: Pool
) -> None:
    keep = (
        "INSERT INTO callboard.idempotency_keys VALUES ($1, 'POST', '/', $2, '', 202, NULL, '', $3)"
    )
    now = datetime.now(UTC)
    await pool.execute(keep, TENANT, "old", now - timedelta(days=3))
    await pool.execute(keep, TENANT, "fresh", now - timedelta(days=1))
    await house.upkeep.run_once()
    rows = await pool.fetch("SELECT key FROM callboard.idempotency_keys")
    assert [r["key"] for r in rows] == ["fresh"]


async def test_the_pulse_counts_what_waits(house: House, pool: Pool) -> None:
    await subscribed(house)
    sick = await processing(house)
    await call_back(house, (sick, said("NUL")))
    pulse = await house.upkeep.pulse()
    assert (pulse.pending_callbacks, pulse.undelivered, pulse.feed_lag_s) == (1, 1, 0)
    assert pulse.waiting_archives == 0


async def test_a_server_that_would_lose_what_was_answered_is_unfit(
    house: House, pool: Pool
) -> None:
    assert await house.upkeep.unfit() is None
    name = await pool.fetchval("SELECT current_database()")
    for setting, value in (
        ("synchronous_commit", "off"),
        ("default_transaction_isolation", "'serializable'"),
    ):
        await pool.execute(f"ALTER DATABASE {name} SET {setting} = {value}")
        await pool.expire_connections()
        unfit = await house.upkeep.unfit()
        assert unfit is not None
        assert setting in unfit
        await pool.execute(f"ALTER DATABASE {name} RESET {setting}")
        await pool.expire_connections()


async def test_what_a_role_was_given_counts_as_what_the_server_runs_with(
    house: House, pool: Pool
) -> None:
    try:
        await pool.execute("ALTER ROLE postgres SET synchronous_commit = off")
        await pool.expire_connections()
        unfit = await house.upkeep.unfit()
        assert unfit is not None
        assert "synchronous_commit=off" in unfit
    finally:
        await pool.execute("ALTER ROLE postgres RESET synchronous_commit")
    await pool.expire_connections()
    assert await house.upkeep.unfit() is None


async def test_more_connections_than_the_server_gives_are_said(house: House, pool: Pool) -> None:
    given = int(await pool.fetchval("SHOW max_connections"))
    assert await house.upkeep.tight(4, 2) is None
    tight = await house.upkeep.tight(given // 2, 3)
    assert tight is not None
    assert "CALLBOARD_POOL_SIZE" in tight
    assert "max_connections" in tight
