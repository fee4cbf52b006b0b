"""Keys at start: those that unfinished tasks and sealed secrets need must be there, and others need not."""

from datetime import UTC, datetime

import pytest

from service.flows.keyring import Keyring
from service.store.pool import Pool
from service.vault import Vault, fingerprint
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
