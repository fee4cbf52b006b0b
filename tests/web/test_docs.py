"""The page to read, made of the OpenAPI document; and the document's examples, each tried."""

import html
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest

from service.store.pool import Pool
from service.web import docs, openapi
from service.web.app import ROUTES
from tests.support.fakes import CheckingProvider
from tests.support.videos import Folder, kept
from tests.support.web import PUBLIC, Api, serving

DOCUMENT = orjson.loads(openapi.document(ROUTES, "1.2.3"))
VOID = {"meta", "br"}


class Read(HTMLParser):
    """Reads a page: which elements it has, and whether each is closed where it should be."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        assert not {name for name, _ in attrs if name.startswith("on") or name == "src"}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Give a place for files."""
    return Folder(tmp_path)


@pytest.fixture
async def api(pool: Pool, folder: Folder) -> AsyncIterator[Api]:
    """Serve the web with providers that check and price as the real ones."""
    async with serving(pool, fake=CheckingProvider, places=folder) as running:
        yield running


async def test_the_page_is_served_to_anybody_and_may_load_nothing(api: Api) -> None:
    reply = await api.call("GET", "/docs", headers=PUBLIC)

    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    assert reply.raw == docs.render((await api.get("/openapi.json")).json)


def test_every_operation_parameter_and_schema_stands_on_it() -> None:
    text = docs.render(DOCUMENT).decode()
    page = Read(text)
    shown = {operation["operationId"] for operation in operations()}
    shown |= {f"schema-{name}" for name in DOCUMENT["components"]["schemas"]}
    assert set(page.ids) == shown
    for path in DOCUMENT["paths"]:
        assert html.escape(path) in text
    for operation in operations():
        assert all(f"<code>{p['name']}</code>" in text for p in operation.get("parameters", ()))


def test_it_fetches_nothing_and_every_link_leads_somewhere() -> None:
    page = Read(docs.render(DOCUMENT).decode())
    assert not {"script", "link", "img", "iframe", "object"} & set(page.elements)
    places = {f"#{name}" for name in page.ids} | {"/openapi.json"}
    assert set(page.links) <= places


def test_texts_of_the_document_cannot_become_elements() -> None:
    evil = '<script>alert("1")</script>`<b>`'
    shape = orjson.loads(orjson.dumps(DOCUMENT))
    task = shape["paths"]["/v1/tasks"]["post"]
    task["summary"] = task["description"] = evil
    shape["components"]["schemas"]["Submission"]["description"] = evil
    assert {"script", "b"}.isdisjoint(Read(docs.render(shape).decode()).elements)


def operations() -> list[dict[str, Any]]:
    return [operation for item in DOCUMENT["paths"].values() for operation in item.values()]


def bodies() -> list[Any]:
    """List (method, path, media type, body) of every example of a body."""
    found = []
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {})
            for media, shown in content.items():
                found += [
                    pytest.param(method.upper(), path, media, e["value"], id=f"{path}-{media}-{n}")
                    for n, e in shown.get("examples", {}).items()
                ]
    return found


def queries() -> list[Any]:
    """List (path, name, value) of every example of a query parameter."""
    found = []
    for path, item in DOCUMENT["paths"].items():
        for parameter in item.get("get", {}).get("parameters", ()):
            schema = parameter["schema"].get("items", parameter["schema"])
            found += [(path, parameter["name"], value) for value in schema.get("examples", ())]
    return found


async def subscription(api: Api) -> str:
    """Make a subscription; gives its id."""
    made = await api.post("/v1/subscriptions", {"url": "https://app.example/hooks"})
    return str(made.json["id"])


def recent(body: dict[str, object]) -> dict[str, object]:
    """Move the times of a body to today, as far apart as they are."""
    now = datetime.now(UTC)
    given = {n: datetime.fromisoformat(str(body[n])) for n in ("since", "until") if n in body}
    last = max(given.values()) + timedelta(hours=1)
    return body | {n: (now - (last - at)).isoformat() for n, at in given.items()}


@pytest.mark.parametrize(("method", "path", "media", "body"), bodies())
async def test_an_example_of_a_body_is_taken(
    api: Api, pool: Pool, folder: Folder, method: str, path: str, media: str, body: object
) -> None:
    if path == "/v1/subscriptions/{id}/replay" and isinstance(body, dict):
        # Retention has taken the day that stands in the example.
        body = recent(body)
    if path.startswith("/v1/subscriptions/"):
        path = path.format(id=await subscription(api))
    elif path.endswith("/link"):
        stored = await kept(pool, api, folder, b"video")
        path = path.format(id=stored.task_uuid, n=stored.index)
    elif "{id}" in path:
        task_uuid = await api.made(request={"model": "klingai:5@3"})
        await api.post(f"/v1/tasks/{task_uuid}/cancel")
        path = path.format(id=task_uuid)
    path = path.format(provider="runware", account="default")
    data = body if isinstance(body, str) else json.dumps(body)
    reply = await api.call(method, path, data=data.encode(), headers={"Content-Type": media})

    assert 200 <= reply.status < 300, reply.raw


@pytest.mark.parametrize(("path", "name", "value"), queries())
async def test_an_example_of_a_parameter_is_taken(
    api: Api, path: str, name: str, value: str
) -> None:
    if "/subscriptions/{id}" in path:
        path = path.format(id=await subscription(api))
    # The stream has no end; its head says as much of its parameters.
    method = "HEAD" if path.endswith("/stream") else "GET"
    assert (await api.call(method, f"{path}?{name}={value}")).status == 200


def test_every_body_and_every_text_to_be_written_by_hand_has_an_example() -> None:
    with_body = {(r.method, r.path) for r in ROUTES if r.operation.body is not None}
    assert {case.values[:2] for case in bodies()} == with_body
    assert {(path, name) for path, name, _ in queries()} >= {
        ("/v1/tasks", "label"),
        ("/v1/tasks", "model"),
        ("/v1/events", "type"),
    }
