"""Keys at start: those that unfinished tasks and sealed secrets need must be there, and others need not."""

from datetime import UTC, datetime

import pytest

from service.flows.keyring import Keyring
from service.store.pool import Pool
from service.vault import Vault, VaultError, fingerprint
from tests.support.fakes import said
from tests.support.flows import TENANT, call_back, one, processing, subscribed
from tests.support.house import CALLBACK_KEYS, House

USED, OTHER = CALLBACK_KEYS
SEALED, FRESH = b"k" * 32, b"n" * 32


@pytest.fixture(autouse=True)
async def _nothing_noted(pool: Pool) -> None:
    await pool.execute("DELETE FROM callboard.key_fingerprints")


def ring(pool: Pool, *callback: bytes, encryption: tuple[bytes, ...] = (SEALED,)) -> Keyring:
    return Keyring(
        pool, Vault(encryption), callback=callback or CALLBACK_KEYS, encryption=encryption
    )


async def test_a_key_that_minted_the_url_of_an_unfinished_task_must_be_there(
    house: House, pool: Pool
) -> None:
    task_uuid = await processing(house)
    assert await ring(pool, USED).missing() is None
    assert await ring(pool, b"a-new-first-key-1", USED).missing() is None
    missing = await ring(pool, b"a-new-first-key-1").missing()
    assert missing is not None
    assert "CALLBOARD_CALLBACK_KEYS" in missing
    assert f"{fingerprint(USED)} (1 task)" in missing
    assert fingerprint(b"a-new-first-key-1") in missing
    assert "\n" not in missing
    await call_back(house, (task_uuid, said("v1")))
    assert await ring(pool, b"a-new-first-key-1").missing() is None


async def test_a_task_that_is_canceled_and_still_watched_needs_its_key(
    house: House, pool: Pool
) -> None:
    task_uuid = await processing(house)
    await house.operate.cancel(TENANT, task_uuid)
    assert await ring(pool, OTHER).missing() is not None


async def test_a_task_that_was_not_sent_needs_no_key(house: House, pool: Pool) -> None:
    await one(house)
    assert await ring(pool, OTHER).missing() is None


async def test_what_was_sent_before_fingerprints_were_kept_is_not_asked_about(
    house: House, pool: Pool
) -> None:
    await processing(house)
    await pool.execute("UPDATE callboard.task_payloads SET first_callback_key = NULL")
    assert await ring(pool, OTHER).missing() is None


async def test_a_key_that_sealed_a_secret_must_be_there_and_is_named_by_its_fingerprint(
    house: House, pool: Pool
) -> None:
    await ring(pool).note()
    await subscribed(house)
    assert await ring(pool, encryption=(FRESH, SEALED)).missing() is None
    missing = await ring(pool, encryption=(FRESH,)).missing()
    assert missing is not None
    assert "CALLBOARD_ENCRYPTION_KEYS" in missing
    assert "secret of subscription" in missing
    assert fingerprint(SEALED) in missing
    assert fingerprint(FRESH) in missing
    await pool.execute("UPDATE callboard.subscriptions SET deleted_at = $1", datetime.now(UTC))
    assert await ring(pool, encryption=(FRESH,)).missing() is None


async def test_the_tenants_own_secret_is_opened_too(house: House, pool: Pool) -> None:
    await pool.execute("UPDATE callboard.tenants SET signing_secret = $1", b"not of ours")
    missing = await ring(pool).missing()
    assert missing is not None
    assert "signing secret of default" in missing


async def test_keys_are_noted_once_by_purpose(pool: Pool) -> None:
    for _ in range(2):
        await ring(pool, USED, OTHER, encryption=(FRESH, SEALED)).note()
    rows = await pool.fetch("SELECT purpose, fingerprint FROM callboard.key_fingerprints")
    assert {tuple(r) for r in rows} == {
        ("callback", fingerprint(USED)),
        ("encryption", fingerprint(FRESH)),
    }


COLUMNS = {
    "tenants": ("signing_secret", "previous_secret"),
    "subscriptions": (
        *("secret", "previous_secret", "headers", "credentials"),
        *("signing_key", "previous_signing_key"),
    ),
    "accounts": ("credentials",),
}
"""Everything that the vault seals."""


async def seal_everything(house: House, pool: Pool) -> int:
    await subscribed(house, "https://sub.example")
    await pool.execute(
        "INSERT INTO callboard.accounts (tenant, provider, account, concurrency)"
        " VALUES ('default', 'runware', 'sealed', 1)"
    )
    count = 0
    for table, columns in COLUMNS.items():
        rows = await pool.fetchval(f"SELECT count(*) FROM callboard.{table}")  # noqa: S608
        for column in columns:
            statement = f"UPDATE callboard.{table} SET {column} = $1 WHERE ctid = (SELECT min(ctid) FROM callboard.{table})"  # noqa: S608
            assert rows
            await pool.execute(statement, Vault([SEALED]).seal(column.encode()))
            count += 1
    return count


async def opened(pool: Pool, vault: Vault) -> list[bytes]:
    found = []
    for table, columns in COLUMNS.items():
        for column in columns:
            rows = await pool.fetch(
                f"SELECT {column} FROM callboard.{table} WHERE {column} IS NOT NULL"  # noqa: S608
            )
            found += [vault.open(row[0]) for row in rows]
    return found


async def test_after_sealing_anew_only_the_first_key_is_needed(house: House, pool: Pool) -> None:
    count = await seal_everything(house, pool)
    before = await opened(pool, Vault([SEALED]))
    rotated = ring(pool, encryption=(FRESH, SEALED))
    assert await rotated.reseal() == count
    assert await opened(pool, Vault([FRESH])) == before
    assert await ring(pool, encryption=(FRESH,)).missing() is None
    assert await rotated.reseal() == 0


async def test_without_a_key_that_is_needed_nothing_is_sealed_anew(
    house: House, pool: Pool
) -> None:
    await seal_everything(house, pool)
    with pytest.raises(VaultError, match="CALLBOARD_ENCRYPTION_KEYS"):
        await ring(pool, encryption=(FRESH,)).reseal()
    assert await opened(pool, Vault([SEALED]))


async def test_every_column_that_holds_sealed_bytes_is_known_here(pool: Pool) -> None:
    """A new one has to be added to sealed_secrets and to the reseal statements."""
    rows = await pool.fetch(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'callboard'"
        " AND data_type = 'bytea' AND table_name = ANY ($1::text[])",
        list(COLUMNS),
    )
    open_ones = {("subscriptions", "public_key"), ("subscriptions", "previous_public_key")}
    known = {(table, column) for table, columns in COLUMNS.items() for column in columns}
    assert {tuple(row) for row in rows} - open_ones == known
