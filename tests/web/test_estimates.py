"""What a request would cost, asked over HTTP."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientSession

from schemas.api.estimates import EstimateView
from service.providers import PROVIDERS
from service.store.pool import Pool
from tests.support.fakes import CheckingProvider
from tests.support.requests import AUDIO, VIDEO
from tests.support.web import PUBLIC, Api, serving

GENERATE: dict[str, Any] = {
    "model": "sync-3",
    "input": [{"type": "video", "url": VIDEO}, {"type": "audio", "url": AUDIO}],
}
LIP_SYNC: dict[str, Any] = {"model": "sync:3@0", "inputs": {"video": VIDEO, "audio": AUDIO}}
ESTIMATES = "/v1/estimates"


@pytest.fixture
async def api(pool: Pool) -> AsyncIterator[Api]:
    """Serve the web with providers that check and price as the real ones."""
    async with serving(pool, fake=CheckingProvider) as running:
        yield running


async def told(api: Api, provider: str, request: object, **more: object) -> EstimateView:
    body = {"provider": provider, "request": request, **more}
    reply = await api.post(ESTIMATES, body)
    assert reply.status == 200, reply.raw
    return EstimateView.model_validate_json(reply.raw)


async def test_sync_is_priced_by_the_frame(api: Api) -> None:
    view = await told(api, "sync", GENERATE, durationSeconds=10.24, fps=25)

    assert (view.provider, view.model, view.currency) == ("sync", "sync-3", "USD")
    assert (view.basis, view.frames, view.fps) == ("list_price", 256, 25)
    assert view.cost == view.costHigh == pytest.approx(256 * 0.00534)
    assert view.costLow == pytest.approx(256 * 0.00534 * 0.8)
    assert (view.perFrame, view.results, view.warnings) == (0.00534, 1, [])


async def test_runware_is_priced_by_the_second_and_result(api: Api) -> None:
    view = await told(api, "runware", {**LIP_SYNC, "numberResults": 3}, durationSeconds=10)

    assert (view.cost, view.results, view.perSecond) == (3.99, 3, 0.133)
    assert (view.basis, view.frames, view.perFrame) == ("list_price", None, None)
    assert "Approximate" in view.note


async def test_a_length_that_nobody_knows_leaves_the_cost_open(api: Api) -> None:
    for provider, request in (("sync", GENERATE), ("runware", LIP_SYNC)):
        view = await told(api, provider, request)
        assert (view.cost, view.basis, view.durationSeconds) == (None, "unknown", None)
        assert "durationSeconds" in view.note


async def test_warnings_are_those_of_the_task(api: Api) -> None:
    request = {**GENERATE, "options": {"temperature": 0.3}}
    view = await told(api, "sync", request, durationSeconds=1)
    task = await api.post("/v1/tasks", {"provider": "sync", "request": request})

    assert task.json["warnings"] == view.warnings
    assert "options.temperature" in view.warnings[0]


async def test_the_same_faults_are_told_as_on_submit(api: Api) -> None:
    for provider, request in (
        ("runware", {**LIP_SYNC, "numberResults": 21, "speech": {"text": ""}, "x": 1}),
        ("runware", {**LIP_SYNC, "webhookURL": "https://user:pass@a.example/hook"}),
        ("sync", {**GENERATE, "input": [], "projectId": "mine"}),
        ("sync", {**GENERATE, "webhookUrl": "https://a.example:0/hook"}),
        ("sync", {}),
    ):
        body = {"provider": provider, "request": request}
        here, there = await api.post(ESTIMATES, body), await api.post("/v1/tasks", body)
        assert here.json["errors"] == there.json["errors"]
        assert all(place.startswith("/request") for place in here.pointers())


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"durationSeconds": 0}, "/durationSeconds"),
        ({"durationSeconds": 86_400.5}, "/durationSeconds"),
        ({"durationSeconds": "10"}, "/durationSeconds"),
        ({"durationSeconds": None}, "/durationSeconds"),
        ({"fps": 0}, "/fps"),
        ({"fps": 241}, "/fps"),
        ({"labels": {}}, "/labels"),
        ({"provider": "nobody"}, "/provider"),
        ({"provider": ["sync"]}, "/provider"),
        ({"request": []}, "/request"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, wrong: dict[str, Any], pointer: str) -> None:
    body = {"provider": "sync", "request": GENERATE, **wrong}
    assert (await api.post(ESTIMATES, body)).pointers() == [pointer]


async def test_faults_of_ours_and_of_the_request_come_in_one_answer(api: Api) -> None:
    body = {"provider": "sync", "request": {**GENERATE, "colour": 1}, "fps": -1}
    assert (await api.post(ESTIMATES, body)).pointers() == ["/fps", "/request/colour"]


async def test_a_bound_is_taken(api: Api) -> None:
    view = await told(api, "sync", GENERATE, durationSeconds=86_400, fps=240)
    assert view.frames == 86_400 * 240


async def test_a_provider_that_is_off_is_priced_all_the_same(pool: Pool) -> None:
    async with serving(pool, fake=CheckingProvider, off={"sync": "It has no key."}) as off:
        assert (await told(off, "sync", GENERATE, durationSeconds=1)).cost is not None


async def test_nothing_is_stored(api: Api, pool: Pool) -> None:
    before = await pool.fetchval("SELECT count(*) FROM callboard.tasks")
    await told(api, "sync", GENERATE, durationSeconds=1)
    assert await pool.fetchval("SELECT count(*) FROM callboard.tasks") == before


async def test_it_needs_a_key_and_a_body(api: Api) -> None:
    (await api.call("POST", ESTIMATES, body={}, headers=PUBLIC)).problem(401, "unauthorized")
    (await api.call("POST", ESTIMATES, data=b"")).problem(400, "malformed")
    (await api.call("GET", ESTIMATES)).problem(405, "method_not_allowed")


@pytest.mark.parametrize(("name", "request_body"), [("sync", GENERATE), ("runware", LIP_SYNC)])
async def test_the_real_providers_price_as_the_fakes_do(
    name: str, request_body: dict[str, Any]
) -> None:
    async with ClientSession() as session:
        real = PROVIDERS[name](session, api_key=None, url="http://127.0.0.1:9", timeout_s=1)
        told = await real.estimate(request_body, 12.5, 25, task_uuid=uuid4())
    assert told == await CheckingProvider(name).estimate(request_body, 12.5, 25, task_uuid=uuid4())
    assert told.cost is not None
