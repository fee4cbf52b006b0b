"""Deliveries over HTTP: looked at, sent again, told of on the timeline; the secret of those to a notifyURL."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas.api.deliveries import DeliveryDetail, DeliveryPage, SigningSecretRotated
from schemas.api.subscriptions import SubscriptionCreated
from service.core.inputs import Report, Source
from service.core.signing import format_secret
from service.ports import Sent
from service.store.pool import Pool
from tests.support.tasks import video
from tests.support.web import Api, submission

DONE = Report(Source.POLL, videos=(video(),))
DOWN = Sent(ok=False, status=503, error="http_503", response=b"later \xff\x00")


async def subscribed(api: Api, **more: object) -> UUID:
    """Subscribe, by default to tasks of a label that there are none of."""
    body = {"url": "https://app.example/hooks?t=key", "labels": {"mark": uuid4().hex}, **more}
    reply = await api.post("/v1/subscriptions", body)
    return SubscriptionCreated.model_validate_json(reply.raw).id


async def finished(api: Api, **more: object) -> UUID:
    """Have a task go its whole way."""
    task_uuid = await api.made(**more)
    await api.house.tell(task_uuid, DONE)
    return task_uuid


async def listed(api: Api, path: str) -> DeliveryPage:
    reply = await api.get(path)
    assert reply.status == 200, reply.raw
    return DeliveryPage.model_validate_json(reply.raw)


async def sent(api: Api) -> None:
    while await api.house.deliver_due():
        pass


async def failed(pool: Pool, subscription: UUID) -> None:
    await pool.execute(
        "UPDATE callboard.deliveries SET state = 'failed', attempts = 10, finished_at = now(), next_at = NULL"
        " WHERE subscription_id = $1",
        subscription,
    )


async def test_deliveries_are_listed_newest_first_and_go_on_with_their_cursor(api: Api) -> None:
    mark = {"mark": uuid4().hex}
    subscription = await subscribed(api, labels=mark)
    tasks = [await finished(api, labels=mark) for _ in range(3)]
    path = f"/v1/subscriptions/{subscription}/deliveries"
    whole = (await listed(api, path)).items
    assert [d.subject for d in whole] == [t for t in reversed(tasks) for _ in range(3)]
    assert [d.event.type for d in whole[:3]] == [
        "task.completed",
        "video.completed",
        "task.processing",
    ]
    found = []
    cursor: str | None = ""
    while cursor is not None:
        page = await listed(api, f"{path}?limit=2&cursor={cursor}")
        found += page.items
        cursor = page.nextCursor
    assert found == whole


async def test_lists_are_narrowed(api: Api, pool: Pool) -> None:
    mark = {"mark": uuid4().hex}
    subscription, other = await subscribed(api, labels=mark), await subscribed(api, labels=mark)
    first, second = await finished(api, labels=mark), await finished(api, labels=mark)
    path = f"/v1/subscriptions/{subscription}/deliveries"
    await failed(pool, other)
    whole = (await listed(api, path)).items
    event = whole[0].event.id
    expected = {
        f"{path}?task={first}": 3,
        f"{path}?event={event}": 1,
        f"{path}?event={event}&task={first}": 0,
        f"{path}?event={uuid4()}": 0,
        f"{path}?state=failed": 0,
        f"{path}?state=pending": 6,
        f"{path}?state=pending&state=failed": 6,
        f"{path}?type=video.*": 2,
        f"{path}?type=video.*&type=task.completed": 4,
        f"{path}?type=task.failed": 0,
        f"{path}?state=delivered": 0,
        f"/v1/deliveries?task={second}": 6,
        f"/v1/deliveries?task={second}&state=failed": 3,
        f"/v1/deliveries?subscription={other}&state=failed": 6,
        f"/v1/deliveries?subscription={other}&task={first}&type=video.*": 1,
        f"/v1/deliveries?event={event}": 2,
        f"/v1/deliveries?subscription={uuid4()}": 0,
    }
    found = {p: len((await listed(api, p)).items) for p in expected}
    assert found == expected
    wide = await listed(api, "/v1/deliveries?state=failed&state=pending&limit=100")
    assert [d.id for d in wide.items[:12]] == [
        d.id for d in (await listed(api, "/v1/deliveries?limit=12")).items
    ]


async def test_a_page_of_rare_types_may_be_short_but_its_cursor_goes_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.flows.again.MOST_LOOKED", 4)
    mark = {"mark": uuid4().hex}
    subscription = await subscribed(api, labels=mark)
    for _ in range(3):
        await finished(api, labels=mark)
    path = f"/v1/subscriptions/{subscription}/deliveries?type=task.processing&limit=2"
    sizes = []
    cursor: str | None = ""
    while cursor is not None:
        page = await listed(api, f"{path}&cursor={cursor}")
        sizes.append(len(page.items))
        cursor = page.nextCursor
    assert sizes == [1, 1, 1]


async def test_a_delivery_shows_its_attempts_and_no_secret(api: Api, pool: Pool) -> None:
    mark = {"mark": uuid4().hex}
    subscription = await subscribed(api, labels=mark, types=["task.processing"])
    await sent(api)
    api.house.sink.answers = [DOWN]
    task_uuid = await finished(api, labels=mark)
    await sent(api)
    (item,) = (await listed(api, f"/v1/subscriptions/{subscription}/deliveries")).items
    assert (item.state, item.attempts, item.lastStatus, item.lastError) == (
        "pending",
        1,
        503,
        "http_503",
    )
    assert item.nextAttemptAt is not None
    reply = await api.get(f"/v1/deliveries/{item.id}")
    shown = DeliveryDetail.model_validate_json(reply.raw)
    assert DeliveryDetail(**item.model_dump(), attemptLog=shown.attemptLog) == shown
    (attempt,) = shown.attemptLog
    assert (attempt.no, attempt.status, attempt.error) == (1, 503, "http_503")
    assert attempt.response == "later \ufffd\x00"
    token = api.callback_path(task_uuid)
    await pool.execute(
        "UPDATE callboard.attempts SET response = $1 WHERE task_uuid = $2",
        f"you said https://board.example{token}".encode(),
        task_uuid,
    )
    raw = (await api.get(f"/v1/deliveries/{item.id}")).raw
    assert token.rpartition("/")[2].encode() not in raw
    assert b"t=key" not in raw


async def test_a_delivery_is_sent_again(api: Api) -> None:
    mark = {"mark": uuid4().hex}
    subscription = await subscribed(api, labels=mark, types=["task.processing"])
    await finished(api, labels=mark)
    await sent(api)
    (item,) = (await listed(api, f"/v1/subscriptions/{subscription}/deliveries")).items
    path = f"/v1/deliveries/{item.id}"
    named = {"Idempotency_Key": uuid4().hex}
    reply = await api.post(f"{path}/retry", **named)
    assert (reply.status, reply.headers["Location"]) == (202, path)
    assert DeliveryDetail.model_validate_json(reply.raw).state == "pending"
    again = await api.post(f"{path}/retry", **named)
    assert again.headers["Idempotent-Replayed"] == "true"
    await sent(api)
    shown = DeliveryDetail.model_validate_json((await api.get(path)).raw)
    assert (shown.state, shown.attempts) == ("delivered", 2)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/deliveries?state=lost", "malformed"),
        ("/v1/deliveries?type=task.gone", "malformed"),
        ("/v1/deliveries?event=1", "malformed"),
        ("/v1/deliveries?cursor=x", "malformed"),
        ("/v1/deliveries?" + "&".join(["state=failed"] * 7), "malformed"),
        ("/v1/subscriptions/0e9290c6-cbc7-466d-944f-b9af3f9e7fb9/deliveries", "not_found"),
        ("/v1/subscriptions/0e9290c6-cbc7-466d-944f-b9af3f9e7fb9/replays", "not_found"),
        ("/v1/replays/0e9290c6-cbc7-466d-944f-b9af3f9e7fb9", "not_found"),
        ("/v1/replays/1", "not_found"),
        ("/v1/deliveries/1", "not_found"),
        ("/v1/deliveries/1-1", "not_found"),
    ],
)
async def test_what_cannot_be_found_or_read_is_told(api: Api, path: str, code: str) -> None:
    reply = await api.get(path)
    reply.problem(404 if code == "not_found" else 400, code)


async def test_the_signing_secret_is_rotated_and_the_one_before_signs_for_a_while(
    api: Api,
) -> None:
    before = (await api.get("/v1/signing-secret")).json["secret"]
    reply = await api.post("/v1/signing-secret/rotate")
    rotated = SigningSecretRotated.model_validate_json(reply.raw)
    assert reply.headers["Cache-Control"] == "no-store"
    assert rotated.secret != before
    assert rotated.previousUntil is not None
    day = rotated.previousUntil - datetime.now(UTC)
    assert timedelta(hours=23) < day <= timedelta(hours=24)
    assert (await api.get("/v1/signing-secret")).json["secret"] == rotated.secret
    assert await _signing(api) == [rotated.secret, before]
    reply = await api.post("/v1/signing-secret/rotate", {"overlapSeconds": 0})
    at_once = SigningSecretRotated.model_validate_json(reply.raw)
    assert at_once.previousUntil is None
    assert await _signing(api) == [at_once.secret]
    for wrong in (-1, 2_592_001, "1"):
        refused = await api.post("/v1/signing-secret/rotate", {"overlapSeconds": wrong})
        assert refused.pointers() == ["/overlapSeconds"]


async def _signing(api: Api) -> list[str]:
    """Name the secrets that sign what goes to a notifyURL now."""
    request = {"model": "sync:3@0", "webhookURL": f"https://app.example/{uuid4()}"}
    body = submission(request=request)
    assert (await api.post("/v1/tasks", body)).status == 202
    await api.house.send_queued()
    await sent(api)
    found = [e for t, e in api.house.sink.got if t.url == request["webhookURL"]]
    return [format_secret(s) for s in found[0].secrets]


async def test_the_timeline_tells_of_every_delivery_and_of_no_secret(api: Api, pool: Pool) -> None:
    mark = {"mark": uuid4().hex}
    await subscribed(api, labels=mark, types=["task.processing"])
    held = await subscribed(api, labels=mark, types=["task.processing"])
    await pool.execute(
        "UPDATE callboard.subscriptions SET enabled = false, disabled_reason = 'user' WHERE id = $1",
        held,
    )
    await sent(api)
    api.house.sink.answers = [DOWN]
    request = {"model": "sync:3@0", "webhookURL": "https://me.example:444/done?t=key"}
    task_uuid = await finished(api, labels=mark, request=request)
    await api.house.deliver_due()
    reply = await api.get(f"/v1/tasks/{task_uuid}/timeline")
    assert b"t=key" not in reply.raw
    entries: list[dict[str, Any]] = [e for e in reply.json["items"] if e["kind"] == "delivery"]
    told = [(e["name"], e["detail"]["target"], e["detail"].get("status")) for e in entries]
    assert sorted(told, key=str) == sorted(
        [
            ("held", "app.example:443", None),
            ("failed", "app.example:443", 503),
            ("delivered", "me.example:444", 200),
            ("pending", "me.example:444", None),
            ("pending", "me.example:444", None),
        ],
        key=str,
    )
    for entry in entries:
        shown = await api.get(f"/v1/deliveries/{entry['detail']['id']}")
        assert shown.json["event"]["id"] == entry["detail"]["event"]
    paged: list[object] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await api.get(f"/v1/tasks/{task_uuid}/timeline?limit=3&cursor={cursor}")
        paged += page.json["items"]
        cursor = page.json["nextCursor"]
    assert json.dumps(paged) == json.dumps(reply.json["items"])
