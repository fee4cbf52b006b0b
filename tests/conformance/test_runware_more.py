"""Runware's calls beside submits and reads, against the simulator: stored media and dry runs."""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiohttp import web

from service.core.estimate import Basis
from service.core.fault import Fault, FaultKind
from service.providers.outcome import NO_KEY
from service.providers.runware.calls import Calls
from service.providers.runware.client import Runware
from service.providers.runware.media import MediaStorage, StoredMedia
from service.providers.runware.pricing import dry_run
from service.simulator.app import Simulator

MP4 = b"\0\0\0\x18ftypisom" + bytes(range(256))
VIDEO = "https://cdn.example/v.mp4"
UUID_4 = UUID("6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e")


@dataclass
class Desk:
    """A simulator, and calls to it."""

    simulator: Simulator
    session: aiohttp.ClientSession
    base: str

    def calls(self, api_key: str | None = "any", path: str = "/v1") -> Calls:
        return Calls(self.session, api_key=api_key, url=self.base + path, timeout_s=5)

    async def fetch(self, url: str) -> tuple[int, str, bytes]:
        async with self.session.get(url, allow_redirects=False) as answer:
            return answer.status, answer.content_type, await answer.read()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with AsyncExitStack() as owned:
        session = await owned.enter_async_context(aiohttp.ClientSession())
        simulator = Simulator(generation_seconds=0.05)
        base = await simulator.start()
        owned.push_async_callback(simulator.stop)
        yield Desk(simulator, session, base)


def a_request(seconds: float = 5, **more: Any) -> dict[str, Any]:
    inputs = {"video": f"{VIDEO}?seconds={seconds}", "audio": VIDEO}
    return {"model": "sync:3@0", "inputs": inputs, **more}


async def test_bytes_are_stored_under_a_uuid_and_deleted_again(desk: Desk) -> None:
    storage = MediaStorage(desk.calls())
    stored = await storage.upload(MP4, task_uuid=uuid4())
    assert isinstance(stored, StoredMedia)
    assert stored.url is not None
    assert await desk.fetch(stored.url) == (200, "video/mp4", MP4)
    assert await storage.delete(stored.media_uuid, task_uuid=uuid4()) is None
    assert (await desk.fetch(stored.url))[0] == 404
    gone = await storage.delete(stored.media_uuid, task_uuid=uuid4())
    assert isinstance(gone, Fault)
    assert (gone.code, gone.kind) == ("mediaNotFound", FaultKind.PERMANENT)


async def test_the_kind_of_the_bytes_is_told(desk: Desk) -> None:
    stored = await MediaStorage(desk.calls()).upload(
        b"RIFF", task_uuid=uuid4(), content_type="audio/x-wav"
    )
    assert isinstance(stored, StoredMedia)
    assert stored.url is not None
    assert (await desk.fetch(stored.url))[1] == "audio/x-wav"


async def test_what_is_at_an_address_is_stored_without_our_reading_it(desk: Desk) -> None:
    stored = await MediaStorage(desk.calls()).upload(VIDEO, task_uuid=uuid4())
    assert isinstance(stored, StoredMedia)
    assert stored.url is not None
    assert (await desk.fetch(stored.url))[0] == 302


@pytest.mark.parametrize(
    ("key", "media", "code", "kind"),
    [
        ("any", "no base64!", "invalidMedia", FaultKind.PERMANENT),
        ("bad-key", VIDEO, "invalidApiKey", FaultKind.TRANSIENT),
        (None, VIDEO, NO_KEY.code, NO_KEY.kind),
    ],
)
async def test_refused_uploads_say_why(
    desk: Desk, key: str | None, media: str, code: str, kind: FaultKind
) -> None:
    fault = await MediaStorage(desk.calls(key)).upload(media, task_uuid=uuid4())
    assert isinstance(fault, Fault)
    assert (fault.code, fault.kind) == (code, kind)


async def test_an_upstream_that_is_away_is_a_passing_fault(desk: Desk) -> None:
    await desk.simulator.stop()
    fault = await MediaStorage(desk.calls()).upload(VIDEO, task_uuid=uuid4())
    assert isinstance(fault, Fault)
    assert fault.kind is FaultKind.TRANSIENT


@pytest.mark.parametrize(("results", "price"), [(1, "1.33"), (3, "3.99")])
async def test_a_dry_run_tells_the_price_and_generates_nothing(
    desk: Desk, results: int, price: str
) -> None:
    request = a_request(10, numberResults=results, webhookURL="https://app.example/hook")
    assert await dry_run(desk.calls(), request, task_uuid=uuid4()) == Decimal(price)
    assert desk.simulator.billed == []


@pytest.mark.parametrize(
    ("key", "request_body", "path"),
    [
        ("any", {"model": "sync:3@0", "inputs": {}}, "/v1"),
        ("bad-key", a_request(), "/v1"),
        (None, a_request(), "/v1"),
        ("any", a_request(), "/elsewhere"),
    ],
)
async def test_without_a_price_there_is_none(
    desk: Desk, key: str | None, request_body: dict[str, Any], path: str
) -> None:
    calls = desk.calls(key, path)
    assert await dry_run(calls, request_body, task_uuid=uuid4()) is None


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ('{"data":[{"taskUUID":"%s","cost":0.5},{"taskUUID":"%s","cost":0.25}]}', "0.75"),
        ('{"data":[{"taskUUID":"%s"}]}', None),
        ('{"data":[{"taskUUID":"%s","cost":-1}]}', None),
        ('{"data":[{"taskUUID":"11111111-1111-4111-8111-111111111111","cost":1}]}', None),
        ('{"data":"much"}', None),
        ("<html>", None),
    ],
)
async def test_a_price_is_read_from_whatever_form_has_one(
    desk: Desk, receiver: Any, text: str, price: str | None
) -> None:
    async def answer(request: web.Request) -> web.Response:
        (task,) = await request.json()
        assert request.headers["X-Runware-Dry-Run"] == "1"
        assert "webhookURL" not in task
        said = text.replace("%s", task["taskUUID"])
        return web.Response(text=said, content_type="application/json")

    async with receiver(answer) as url:
        calls = Calls(desk.session, api_key="any", url=url, timeout_s=5)
        got = await dry_run(calls, a_request(), task_uuid=UUID_4)
    assert got == (None if price is None else Decimal(price))


async def test_an_estimate_is_runwares_own_word_where_a_key_is_set(desk: Desk) -> None:
    url = f"{desk.base}/v1"
    with_key = Runware(desk.session, api_key="any", url=url, timeout_s=5)
    told = await with_key.estimate(a_request(10), None, None, task_uuid=uuid4())
    assert (told.basis, told.cost) == (Basis.DRY_RUN, Decimal("1.33"))
    assert desk.simulator.billed == []
    without = Runware(desk.session, api_key=None, url=url, timeout_s=5)
    listed = await without.estimate(a_request(10), 10, None, task_uuid=uuid4())
    assert (listed.basis, listed.cost) == (Basis.LIST_PRICE, Decimal("1.330"))


async def test_a_dry_run_goes_to_the_vendor_itself_and_to_no_proxy_of_it(desk: Desk) -> None:
    proxied = Runware(desk.session, api_key="any", url="http://proxy.example/v1", timeout_s=1)
    told = await proxied.estimate(a_request(10), 10, None, task_uuid=uuid4())
    assert told.basis is Basis.LIST_PRICE


async def test_stored_media_is_good_as_an_input(desk: Desk) -> None:
    calls = desk.calls()
    stored = await MediaStorage(calls).upload(base64.b64encode(MP4).decode(), task_uuid=uuid4())
    assert isinstance(stored, StoredMedia)
    request = a_request() | {"inputs": {"video": str(stored.media_uuid), "audio": VIDEO}}
    assert await dry_run(calls, request, task_uuid=uuid4()) == Decimal("0.665")
