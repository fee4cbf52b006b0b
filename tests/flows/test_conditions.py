"""Conditions of subscriptions: read by Postgres when they are given, met or not while events are written."""

import json
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from service.core.errors import Invalid
from service.core.inputs import Report, Source
from service.store import subscriptions as stored
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import (
    TENANT,
    Wire,
    call_back,
    elsewhere,
    processing,
    submission,
    subscribed,
    told,
)
from tests.support.house import House, make_house
from tests.support.tasks import video

FAILED = 'exists($.results[*] ? (@.state == "failed"))'
COSTLY = '$.result.cost > 0.5 && $.task.labels.project == "spring"'


async def types_to(pool: Pool, target: UUID) -> list[str]:
    """Name the events that go to a target."""
    rows = await pool.fetch(
        "SELECT e.type FROM callboard.deliveries AS d JOIN callboard.events AS e"
        " ON e.id = d.event_id WHERE d.target = $1 ORDER BY d.id",
        target,
    )
    return [r["type"] for r in rows]


async def refusal(house: House, condition: str) -> str:
    """Say why a condition is refused."""
    with pytest.raises(Invalid) as caught:
        await subscribed(house, condition=condition)
    (fault,) = caught.value.errors
    assert fault.pointer == "/condition"
    return fault.detail


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("$.a ==", "Postgres cannot read this"),
        ("cost > 0.5", "Postgres cannot read this"),
        ('$.a == "\\u0000"', "Postgres cannot read this"),
        ("$.result.cost", "no predicate"),
        ("strict $.result.cost", "no predicate"),
        ('$.results[*] ? (@.state == "failed")', "no predicate"),
        ("true", "says nothing about the data"),
        ('$.a like_regex "(a+)+$"', "like_regex could burn CPU"),
        ("$.a.datetime() < 1", "datetime() cannot be used"),
        ("$.** == 1", ".** could take long"),
        ("$.a < $.b", "Compare with a constant"),
        ("$.a == $b", "no variables"),
        ("$.a.keyvalue().value == 1", "keyvalue() cannot be used"),
        ("$[0,0][0,0][0,0][0,0] == 1", "one subscript"),
        ("$.metadata ? (exists($.metadata ? (@ == 1))) == 1", "no $"),
    ],
)
async def test_what_is_no_predicate_or_could_burn_cpu_is_refused_with_an_example_or_a_way_out(
    house: House, condition: str, says: str
) -> None:
    text = await refusal(house, condition)
    assert says in text
    if "Postgres" in says or "predicate" in says:
        assert COSTLY in text


async def test_a_condition_on_results_chooses_the_events(house: House, pool: Pool) -> None:
    failed = await subscribed(house, condition=FAILED)
    good = await subscribed(house, ["task.*"], condition='$.state == "completed"')
    both = await subscribed(house, condition='$.state == "failed" || exists($.result.error)')
    first, second = await processing(house), await processing(house)
    await call_back(house, (first, said("v1")), (second, said(faults=("broken",))))

    assert await types_to(pool, failed) == ["task.failed"]
    assert await types_to(pool, good) == ["task.completed"]
    assert await types_to(pool, both) == ["video.failed", "task.failed"]


async def test_a_condition_reads_costs_and_labels_of_videos(house: House, pool: Pool) -> None:
    subscription = await subscribed(house, condition=COSTLY)
    spring, autumn = [await processing(house, labels={"project": p}) for p in ("spring", "autumn")]
    cheap = await processing(house, labels={"project": "spring"})
    for task_uuid, cost in ((spring, "0.67"), (autumn, "0.67"), (cheap, "0.1")):
        made = replace(video(), cost=Decimal(cost))
        await house.tell(task_uuid, Report(Source.POLL, videos=(made,)))

    rows = await pool.fetch(
        "SELECT d.task_uuid, e.type FROM callboard.deliveries AS d JOIN callboard.events AS e"
        " ON e.id = d.event_id WHERE d.subscription_id = $1",
        subscription,
    )
    assert [(r["task_uuid"], r["type"]) for r in rows] == [(spring, "video.completed")]


STRANGE = {
    "a NUL": {"text": "a\u0000b", "n": 1},
    "an escaped backslash before u0000": {"text": "\\u0000", "n": 1},
    "a large number": {"n": 1, "big": 10**4000},
    "deep": {"n": 1, "deep": json.loads("[" * 100 + "]" * 100)},
    "wide": {"n": 1, "wide": [1] * 4000},
}


@pytest.mark.parametrize("metadata", STRANGE.values(), ids=STRANGE.keys())
async def test_strange_data_is_matched_all_the_same(
    house: House, pool: Pool, metadata: object
) -> None:
    subscription = await subscribed(house, ["task.*"], condition="$.metadata.n == 1")
    task_uuid = await processing(house, metadata=metadata)
    assert await told(pool, task_uuid) == ["task.processing"]
    assert await types_to(pool, subscription) == ["task.processing"]


async def test_data_that_jsonb_does_not_take_matches_nothing_and_nothing_fails(
    house: House, pool: Pool
) -> None:
    conditional = await subscribed(house, ["task.*"], condition="$.attempts >= 0")
    plain = await subscribed(house, ["task.*"])
    bad = submission()
    (task_uuid,) = [
        UUID(item["taskUUID"])
        for item in json.loads(
            (await house.accept.submit(TENANT, [bad], many=True, scope=None, body=None)).body
        )["items"]
    ]
    # No API takes it: numeric of Postgres ends at 131,072 digits.
    await pool.execute(
        "UPDATE callboard.task_payloads SET metadata = '{\"n\": 1e200000}' WHERE task_uuid = $1",
        task_uuid,
    )
    await house.send_queued()

    assert await told(pool, task_uuid) == ["task.processing"]
    assert await types_to(pool, conditional) == []
    assert await types_to(pool, plain) == ["task.processing"]


async def test_a_condition_that_this_server_cannot_read_is_not_met_and_nothing_fails(
    house: House, pool: Pool
) -> None:
    newer = await subscribed(house, condition="$.attempts >= 0")
    await pool.execute("UPDATE callboard.subscriptions SET condition = '$.attempts.newer() == 1'")
    task_uuid = await processing(house)
    assert await told(pool, task_uuid) == ["task.processing"]
    assert await types_to(pool, newer) == []


async def test_one_statement_for_all_that_is_written_together_and_none_without_conditions(
    pool: Pool,
) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool)
    asked: list[object] = []

    async def count(_conn: object) -> None:
        asked.append(1)

    await subscribed(house)
    wire.before["match_conditions"] = count
    await processing(house)
    assert asked == []
    for n in range(3):
        await subscribed(house, ["task.*"], condition=f"$.attempts > {n - 2}")
    first, second = await processing(house), await processing(house)
    assert asked == [1]
    asked.clear()
    wire.before["match_conditions"] = count
    await call_back(house, (first, said("v1")), (second, said("v2")))
    assert asked == [1]
    assert "match_conditions" not in wire.before


async def test_conditions_hold_for_events_of_batches(house: House, pool: Pool) -> None:
    wanted = await subscribed(house, ["batch.*"], condition="$.counts.completed == 1")
    other = await subscribed(house, ["batch.*"], condition="$.counts.completed == 0")
    batch = await pool.fetchval(
        "INSERT INTO callboard.batches (id, tenant, total, created_at)"
        " VALUES (gen_random_uuid(), 'default', 1, now()) RETURNING id"
    )
    task_uuid = await processing(house)
    await pool.execute(
        "UPDATE callboard.tasks SET batch_id = $1 WHERE task_uuid = $2", batch, task_uuid
    )
    await call_back(house, (task_uuid, said("v1")))
    assert await house.conclude.run_once() == 1

    assert await types_to(pool, wanted) == ["batch.completed"]
    assert await types_to(pool, other) == []


async def test_a_disabled_subscription_has_only_those_held_that_match(
    house: House, pool: Pool
) -> None:
    subscription = await subscribed(house, ["task.*"], condition='$.state == "failed"')
    async with pool.acquire() as conn:
        await stored.disable(conn, subscription)
    task_uuid = await processing(house)
    await call_back(house, (task_uuid, said(faults=("broken",))))
    rows = await pool.fetch(
        "SELECT state FROM callboard.deliveries WHERE target = $1", subscription
    )
    assert [r["state"] for r in rows] == ["held"]


async def test_the_functions_need_no_search_path(dsn: str) -> None:
    async with elsewhere(dsn) as conn:
        await conn.execute("SET LOCAL search_path = ''")
        found = await conn.fetchval("SELECT callboard.meets('{\"a\": 1}', '$.a == 1')")
        assert found is True
        assert await conn.fetchval("SELECT callboard.jsonb_or_null('{')") is None
