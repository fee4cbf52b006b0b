"""The inbox over HTTP: what came, what became of it, and no token in any of it."""

import asyncio
import json
from uuid import UUID, uuid4

import pytest

from schemas.api.callbacks import CallbackPage, CallbackView
from service.wire.cut import cut
from tests.support.fakes import said
from tests.support.web import Api

URL = "https://board.example/callbacks/sync/6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e/"
TOKEN = "LNddnkgehuXS7k0f-OhlymQgsc_RWLwo"


async def listed(api: Api, query: str) -> CallbackPage:
    return CallbackPage.model_validate_json((await api.get(f"/v1/callbacks?{query}")).raw)


async def test_a_callback_is_shown_as_it_came(api: Api) -> None:
    task_uuid = await api.made()
    body = said("v1") + b" \xc3\xbc\xff"
    await api.call_back(task_uuid, body, Content_Type="application/json", User_Agent="Upstream/1")

    (item,) = (await listed(api, f"task={task_uuid}")).items
    assert (item.provider, item.taskUUID, item.outcome) == ("runware", task_uuid, "unreadable")
    assert item.body == body.decode("utf-8", "replace")
    assert item.headers == {"content-type": "application/json", "user-agent": "Upstream/1"}
    assert CallbackView.model_validate_json((await api.get(f"/v1/callbacks/{item.id}")).raw) == item


async def test_only_headers_that_tell_who_called_are_kept(api: Api) -> None:
    task_uuid = await api.made()
    path = api.callback_path(task_uuid)
    headers = [
        ("Authorization", "Bearer upstream-secret"),
        ("Cookie", "session=secret"),
        ("Proxy-Authorization", "Basic c2VjcmV0"),
        ("X-Api-Key", "secret"),
        ("Sync-Signature", "t=1,v1=abc"),
        ("Webhook-Id", "1"),
        ("X-Hub-Signature", "one"),
        ("X-Hub-Signature", "two"),
        ("User-Agent", "Upstream/1"),
        ("Content-Type", "application/json"),
    ]
    async with api.session.post(api.base + path, data=said("v1"), headers=headers) as answer:
        assert answer.status == 200

    (item,) = (await listed(api, f"task={task_uuid}")).items
    assert item.headers == {
        "content-type": "application/json",
        "sync-signature": "t=1,v1=abc",
        "user-agent": "Upstream/1",
        "webhook-id": "1",
        "x-hub-signature": "one, two",
    }


async def test_a_header_that_is_no_text_is_kept_as_far_as_it_is(api: Api) -> None:
    task_uuid = await api.made()
    head = f"POST {api.callback_path(task_uuid)} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    raw = head.encode() + b"User-Agent: Up\xffstream\r\nConnection: close\r\n\r\n{}"
    reader, writer = await asyncio.open_connection("127.0.0.1", api.running.port)
    writer.write(raw)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    await writer.wait_closed()

    (item,) = (await listed(api, f"task={task_uuid}")).items
    assert item.headers["user-agent"] == "Up\ufffdstream"


async def test_an_echoed_token_is_shown_nowhere(api: Api) -> None:
    task_uuid = await api.made(provider="sync")
    path = api.callback_path(task_uuid, "sync")
    token = path.rsplit("/", 1)[1]
    echo = {"webhookUrl": f"https://board.example{path}", "videos": ["v1"]}
    bodies = [json.dumps(echo), json.dumps(echo).replace("/", "\\/"), f"plain {path}?x=1"]
    for body in bodies:
        await api.call_back(task_uuid, body.encode(), "sync", User_Agent=f"echo {path}")

    shown = [
        await api.get(f"/v1/callbacks?task={task_uuid}"),
        await api.get(f"/v1/tasks/{task_uuid}/timeline"),
        await api.get(f"/v1/tasks/{task_uuid}"),
    ]
    assert all(token.encode() not in reply.raw for reply in shown)
    items = CallbackPage.model_validate_json(shown[0].raw).items
    assert len(items) == len(bodies)
    for item in items:
        assert "[token]" in item.body
        assert item.headers["user-agent"].endswith("/[token]")
    assert json.loads(items[-1].body)["videos"] == ["v1"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{URL}{TOKEN}", f"{URL}[token]"),
        (f'"{URL}{TOKEN}"', f'"{URL}[token]"'),
        (f"{URL}{TOKEN}, {URL}{TOKEN}.", f"{URL}[token], {URL}[token]."),
        (f"{URL}{TOKEN}".replace("/", "\\/"), f"{URL}[token]".replace("/", "\\/")),
        (f"{URL}{TOKEN}".replace("/", "\\\\/"), f"{URL}[token]".replace("/", "\\\\/")),
        (f"{URL}{TOKEN}".replace("/", "\\u002f"), f"{URL}[token]".replace("/", "\\u002f")),
        (f"{URL}{TOKEN}".replace("/", "%2F"), f"{URL}[token]".replace("/", "%2F")),
        (f"{URL}{TOKEN}".upper().replace("CALLBACKS", "callbacks"), None),
        ("/callbacks/sync/list", "/callbacks/sync/list"),
        ("nothing", "nothing"),
    ],
)
def test_tokens_are_cut_however_the_url_is_written(text: str, shown: str | None) -> None:
    assert TOKEN not in cut(text)
    assert shown is None or cut(text) == shown


async def test_lists_are_narrowed_and_go_on_with_their_cursor(api: Api) -> None:
    task_uuid = await api.made()
    for name in ("v1", "v1", "v2", "v2", "v3"):
        await api.call_back(task_uuid, said(name))
    orphan = uuid4()
    await api.call_back(orphan, said("v1"))

    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await listed(api, f"task={task_uuid}&limit=2&cursor={cursor}")
        found += [item.outcome for item in page.items]
        cursor = page.nextCursor
    assert found == ["late", "duplicate", "late", "duplicate", "applied"]
    orphans = {UUID(str(item.taskUUID)) for item in (await listed(api, "outcome=orphan")).items}
    assert orphan in orphans
    assert task_uuid not in orphans
