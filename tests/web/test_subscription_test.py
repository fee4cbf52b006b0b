"""A test of a subscription: sent at once, and what came back is told."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas.api.subscriptions import SubscriptionTested
from schemas.events.data import SubscriptionTest
from service.ports import Sent
from service.store.pool import Pool
from service.vault import Vault
from tests.support.web import Api

HOOK = "https://app.example/hooks"


async def created(api: Api, **more: object) -> dict[str, Any]:
    reply = await api.post("/v1/subscriptions", {"url": HOOK, **more})
    assert reply.status == 201, reply.raw
    found: dict[str, Any] = reply.json
    return found


async def outcome(api: Api, made: dict[str, Any]) -> SubscriptionTested:
    reply = await api.post(f"/v1/subscriptions/{made['id']}/test")
    assert reply.status == 200, reply.raw
    return SubscriptionTested.model_validate_json(reply.raw)


async def test_a_test_sends_one_event_and_tells_what_came_back(api: Api) -> None:
    made = await created(api, timeoutSeconds=7)
    answer = Sent(ok=True, status=202, response=b"thanks \xff", address="192.0.2.7")
    api.house.sink.answers.append(answer)
    told = await outcome(api, made)

    assert (told.ok, told.status, told.error, told.address) == (True, 202, None, "192.0.2.7")
    assert told.response == "thanks \ufffd"
    target, sent = api.house.sink.got[-1]
    assert (target.url, target.timeout_s, str(target.id)) == (HOOK, 7.0, made["id"])
    event = SubscriptionTest.model_validate_json(sent.body)
    assert event.id == told.eventId == sent.event_id
    assert str(event.subject) == str(event.data.subscriptionId) == made["id"]


async def test_what_goes_wrong_is_told_with_200(api: Api) -> None:
    made = await created(api)
    api.house.sink.answers += [
        Sent(ok=False, status=500, error="http_500", response=b"x" * 9000),
        Sent(ok=False, error="timeout"),
    ]
    first, second = await outcome(api, made), await outcome(api, made)
    assert (first.ok, first.status, first.error) == (False, 500, "http_500")
    assert len(first.response) == 4096
    assert (second.ok, second.status, second.error) == (False, None, "timeout")


async def test_it_goes_past_filters_and_to_disabled_ones_and_leaves_nothing_behind(
    api: Api, pool: Pool
) -> None:
    made = await created(api, enabled=False, types=["video.late"], labels={"none": "such"})
    assert (await outcome(api, made)).ok
    out = "SELECT count(*) FROM callboard.deliveries WHERE target = $1"
    assert await pool.fetchval(out, UUID(made["id"])) == 0
    feed = "SELECT count(*) FROM callboard.events WHERE type = 'callboard.test'"
    assert await pool.fetchval(feed) == 0
    shown = (await api.get(f"/v1/subscriptions/{made['id']}")).json
    assert (shown["enabled"], shown["failingSince"]) == (False, None)


async def test_a_secret_that_cannot_be_opened_and_a_kind_without_a_sink_are_told(
    api: Api, pool: Pool
) -> None:
    made = await created(api)
    sealed = Vault([b"o" * 32]).seal(b"x")
    change = "UPDATE callboard.subscriptions SET secret = $2 WHERE id = $1"
    await pool.execute(change, UUID(made["id"]), sealed)
    assert (await outcome(api, made)).error == "secret_unreadable"
    change = "UPDATE callboard.subscriptions SET kind = 'pigeon', secret = NULL WHERE id = $1"
    await pool.execute(change, UUID(made["id"]))
    assert (await outcome(api, made)).error == "unknown_kind"


async def test_a_sink_that_breaks_is_told_as_internal(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> Sent:
        raise ZeroDivisionError

    made = await created(api)
    monkeypatch.setattr(api.house.sink, "send", broken)
    assert (await outcome(api, made)).error == "internal"


async def test_nobody_is_tested_who_is_not_there_and_a_body_has_nothing_to_say(api: Api) -> None:
    reply = await api.post(f"/v1/subscriptions/{uuid4()}/test")
    reply.problem(404, "not_found")
    made = await created(api)
    reply = await api.post(f"/v1/subscriptions/{made['id']}/test", {"types": ["*"]})
    reply.problem(400, "malformed")
    assert (await api.post(f"/v1/subscriptions/{made['id']}/test", {})).status == 200
