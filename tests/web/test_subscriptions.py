"""Subscriptions over HTTP, and what is sent to them."""

import base64
from uuid import UUID, uuid4

import pytest

from schemas.api.subscriptions import SubscriptionCreated, SubscriptionPage, SubscriptionView
from service.core.inputs import Report, Source
from tests.support.tasks import video
from tests.support.web import Api

HOOK = "https://app.example/hooks"
DONE = Report(Source.POLL, videos=(video(),))


async def created(api: Api, **more: object) -> SubscriptionCreated:
    reply = await api.post("/v1/subscriptions", {"url": HOOK, **more})
    assert reply.status == 201, reply.raw
    return SubscriptionCreated.model_validate_json(reply.raw)


async def test_a_new_subscription_shows_its_secret_this_once(api: Api) -> None:
    reply = await api.post("/v1/subscriptions", {"url": HOOK, "labels": {"a": "b"}})

    made = SubscriptionCreated.model_validate_json(reply.raw)
    assert reply.status == 201
    assert reply.headers["Location"] == f"/v1/subscriptions/{made.id}"
    assert reply.headers["Cache-Control"] == "no-store"
    assert made.secret is not None
    assert len(base64.b64decode(made.secret.removeprefix("whsec_"))) == 32
    assert (made.kind, made.types, made.format, made.enabled) == (
        "webhook",
        ["*"],
        "structured",
        True,
    )
    shown = await api.get(f"/v1/subscriptions/{made.id}")
    assert "secret" not in shown.json
    assert SubscriptionView.model_validate_json(shown.raw).labels == {"a": "b"}


async def test_a_file_is_not_signed(api: Api) -> None:
    reply = await api.post(
        "/v1/subscriptions", {"kind": "file", "settings": {"path": "events.jsonl"}}
    )

    made = SubscriptionCreated.model_validate_json(reply.raw)
    assert (made.kind, made.url, made.secret) == ("file", None, None)
    assert made.settings == {"path": "events.jsonl"}


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, [""]),
        ([], [""]),
        ({"url": "not a url"}, ["/url"]),
        ({"url": "ftp://app.example"}, ["/url"]),
        ({"url": "http://user:secret@app.example"}, ["/url"]),
        ({"url": "http://0x7f000001/"}, ["/url"]),
        ({"url": "http://user:secret@app.example", "types": []}, ["/types", "/url"]),
        ({"url": HOOK, "types": ["task.gone"]}, ["/types/0"]),
        ({"url": HOOK, "kind": "carrier-pigeon"}, ["/kind", "/url"]),
        ({"url": HOOK, "labels": {"a": 1}, "x": 1}, ["/labels/a", "/x"]),
        ({"url": HOOK, "kind": "file"}, ["/settings", "/url"]),
        ({"kind": "file", "settings": {"path": "../x"}}, ["/settings/path"]),
        ({"url": HOOK, "format": "xml"}, ["/format"]),
    ],
)
async def test_wrong_fields_are_named(api: Api, body: object, pointers: list[str]) -> None:
    assert sorted((await api.post("/v1/subscriptions", body)).pointers()) == pointers


async def test_lists_are_oldest_first_and_go_on_with_their_cursor(api: Api) -> None:
    made = [(await created(api)).id for _ in range(3)]
    found: list[UUID] = []
    cursor: str | None = ""
    while cursor is not None:
        reply = await api.get(f"/v1/subscriptions?limit=2&cursor={cursor}")
        page = SubscriptionPage.model_validate_json(reply.raw)
        found += [item.id for item in page.items]
        cursor = page.nextCursor

    assert found[-3:] == made


async def test_what_is_deleted_is_gone_and_gets_nothing(api: Api) -> None:
    kept, gone = await created(api), await created(api)
    reply = await api.call("DELETE", f"/v1/subscriptions/{gone.id}")
    assert (reply.status, reply.raw) == (204, b"")
    await api.house.tell(await api.made(), DONE)
    await api.house.deliver_due()

    (await api.get(f"/v1/subscriptions/{gone.id}")).problem(404, "not_found")
    again = await api.call("DELETE", f"/v1/subscriptions/{gone.id}")
    again.problem(404, "not_found")
    assert (await api.get(f"/v1/subscriptions/{kept.id}")).status == 200


async def test_an_answered_subscription_misses_nothing_and_its_secret_signs(api: Api) -> None:
    mark = uuid4().hex
    url = f"{HOOK}/{mark}"
    made = await created(api, url=url, types=["task.*"], labels={"mark": mark})
    task_uuid = await api.made(labels={"mark": mark})
    await api.house.tell(task_uuid, DONE)
    await api.house.deliver_due()
    await api.house.deliver_due()

    got = [event for target, event in api.house.sink.got if target.url == url]
    assert [event.event_type for event in got] == ["task.processing", "task.completed"]
    assert made.secret is not None
    raw = base64.b64decode(made.secret.removeprefix("whsec_"))
    assert [event.secrets for event in got] == [(raw,), (raw,)]


async def test_the_signing_secret_is_made_once(api: Api) -> None:
    first = await api.get("/v1/signing-secret")
    again = await api.get("/v1/signing-secret")

    assert first.json["secret"].startswith("whsec_")
    assert again.json == first.json
    assert first.headers["Cache-Control"] == "no-store"
