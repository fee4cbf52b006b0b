"""Sync's Batch API: our client against the simulator, which shares no code with it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from schemas.upstream.sync_batch import (
    FILE_BYTES_MAX,
    LINES_MAX,
    LINES_MIN,
    SyncBatch,
    SyncBatchValidated,
)
from service.core.fault import FaultKind
from service.core.inputs import ReadFailed
from service.ports import InvalidRequest
from service.providers.sync_so.batch import NotMade, SyncBatches, input_file
from service.simulator.app import Simulator
from tests.support.stub_upstream import StubUpstream, running_stub, says

KEY = "sk-batch-0123456789abcdef"


@dataclass
class Account:
    """A client, the simulator behind it, and how to wait for the end of a batch."""

    batches: SyncBatches
    simulator: Simulator
    session: aiohttp.ClientSession
    base: str

    async def ended(self, batch_id: str) -> SyncBatch:
        async with asyncio.timeout(10):
            while True:
                batch = await self.batches.get(batch_id)
                assert isinstance(batch, SyncBatch)
                if batch.outputUrl:
                    return batch
                await asyncio.sleep(0.02)  # nobody tells; its webhook has a test of its own


@pytest.fixture
async def account() -> AsyncIterator[Account]:
    async with AsyncExitStack() as owned:
        simulator = Simulator(generation_seconds=0.1, sync_webhook_secret="whsec_batch")
        session = await owned.enter_async_context(aiohttp.ClientSession())
        base = await simulator.start()
        owned.push_async_callback(simulator.stop)
        yield Account(
            SyncBatches(session, api_key=KEY, url=base, timeout_s=5), simulator, session, base
        )


@pytest.fixture
async def stub() -> AsyncIterator[StubUpstream]:
    async with running_stub() as stub:
        yield stub


def some_requests(first: str = "ok", count: int = LINES_MIN) -> dict[str, dict[str, Any]]:
    """Make the lines of a batch; the first may have a scenario, which is that of the batch too."""
    audio = {"type": "audio", "url": "https://cdn.example/a.wav"}
    return {
        f"line-{number}": {
            "model": "sync-3",
            "input": [
                {
                    "type": "video",
                    "url": f"https://cdn.example/v.mp4?simulate={'ok' if number else first}",
                },
                audio,
            ],
        }
        for number in range(count)
    }


async def test_a_batch_from_its_file_to_its_results(account: Account) -> None:
    made = await account.batches.create(some_requests("fail:generation_timeout"))
    assert isinstance(made, SyncBatch)
    assert made.metrics is not None
    assert (made.status, made.outputUrl, made.metrics.total_generations) == (
        "PENDING",
        "",
        LINES_MIN,
    )
    done = await account.ended(made.id)
    assert done.metrics is not None
    assert done.status == "COMPLETED"
    assert (done.metrics.success_count, done.metrics.failed_count) == (LINES_MIN - 1, 1)
    results = await account.batches.results(made.id)
    assert not isinstance(results, ReadFailed)
    assert [row.request_id for row in results] == list(some_requests())
    assert (results[0].status, results[0].error_code) == ("FAILED", "generation_timeout")
    assert all(row.outputUrl for row in results[1:])
    assert len(account.simulator.billed) == LINES_MIN


async def test_results_are_not_there_before_the_end(account: Account) -> None:
    made = await account.batches.create(some_requests("delay:60"))
    assert isinstance(made, SyncBatch)
    assert isinstance(await account.batches.results(made.id), ReadFailed)


async def test_a_dry_run_makes_nothing(account: Account) -> None:
    assert isinstance(await account.batches.validate(some_requests()), SyncBatchValidated)
    assert account.simulator.billed == []
    assert await account.batches.browse() == []


async def test_the_list_is_newest_first_and_filtered(account: Account) -> None:
    first = await account.batches.create(some_requests())
    second = await account.batches.create(some_requests("delay:60"))
    assert isinstance(first, SyncBatch)
    assert isinstance(second, SyncBatch)
    await account.ended(first.id)

    async def ids(**filters: Any) -> list[str]:
        found = await account.batches.browse(**filters)
        assert not isinstance(found, ReadFailed)
        return [batch.id for batch in found]

    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    assert await ids() == [second.id, first.id]
    assert await ids(status="COMPLETED") == [first.id]
    assert await ids(created_after=now - hour, created_before=now + hour) == [second.id, first.id]
    assert await ids(created_after=now + hour) == await ids(created_before=now - hour) == []


@pytest.mark.parametrize(
    ("scenario", "code", "kind", "certain"),
    [
        ("402", "payment_required", FaultKind.UNKNOWN, True),
        ("403", "batch_plan_required", FaultKind.PERMANENT, True),
        ("429", "rate_limit_exceeded", FaultKind.TRANSIENT, True),
        ("busy", "concurrency_limit_reached", FaultKind.TRANSIENT, True),
        ("reject", "refused", FaultKind.UNKNOWN, True),
        ("reset", "no_answer", FaultKind.TRANSIENT, False),
        ("drop", "no_answer", FaultKind.TRANSIENT, False),
        ("500", "http_500", FaultKind.UNKNOWN, False),
        ("html504", "http_504", FaultKind.UNKNOWN, False),
    ],
)
async def test_what_is_certain_when_there_is_no_batch(
    account: Account, scenario: str, code: str, kind: FaultKind, certain: bool
) -> None:
    made = await account.batches.create(some_requests(scenario))
    assert isinstance(made, NotMade)
    assert (made.fault.code, made.certain) == (code, certain)
    assert made.fault.kind is (FaultKind.PERMANENT if scenario == "reject" else kind)
    assert len(account.simulator.billed) == (LINES_MIN if scenario == "drop" else 0)


async def test_a_wait_that_is_asked_for_is_told(account: Account) -> None:
    made = await account.batches.create(some_requests("429,retryafter:7"))
    assert isinstance(made, NotMade)
    assert made.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize("count", [LINES_MIN - 1, LINES_MAX + 1])
async def test_too_few_or_too_many_lines_are_not_sent(account: Account, count: int) -> None:
    with pytest.raises(InvalidRequest):
        await account.batches.create(some_requests(count=count))
    assert account.simulator.billed == []


async def test_every_fault_of_every_line_is_told() -> None:
    requests = some_requests()
    requests["line-3"]["input"] = []
    requests["line-5"]["options"] = {"temperature": 2}
    requests["line-7"]["options"] = {"fps": float("nan")}
    with pytest.raises(InvalidRequest):
        input_file(requests)
    del requests["line-7"]["options"]
    with pytest.raises(InvalidRequest) as raised:
        input_file(requests)
    places = {fault.pointer for fault in raised.value.errors}
    assert {"/lines/3/payload/input", "/lines/5/payload/options/temperature"} <= places


async def test_a_file_that_is_too_large_is_not_sent() -> None:
    requests = some_requests()
    requests["line-1"]["input"][1]["refId"] = "x" * FILE_BYTES_MAX
    with pytest.raises(InvalidRequest):
        input_file(requests)


async def test_without_a_key_nothing_is_sent(account: Account) -> None:
    keyless = SyncBatches(account.session, api_key=None, url=account.base, timeout_s=5)
    made = await keyless.create(some_requests())
    assert isinstance(made, NotMade)
    assert made.certain
    assert isinstance(await keyless.get("batch_1"), ReadFailed)


async def test_unknown_batches_are_failed_reads(account: Account) -> None:
    for read in (account.batches.get("batch_0"), account.batches.results("batch_0")):
        assert isinstance(await read, ReadFailed)


@pytest.mark.parametrize("body", [b"{}", b"null", b"<html>", b'{"id":1,"status":2}', b'["a"]'])
async def test_what_cannot_be_read_is_said_so(
    account: Account, stub: StubUpstream, body: bytes
) -> None:
    batches = SyncBatches(account.session, api_key=KEY, url=stub.url, timeout_s=5)
    stub.will(says(200, body))
    made = await batches.create(some_requests())
    assert isinstance(made, NotMade)
    assert not made.certain
    for read in (batches.get("b"), batches.browse(), batches.results("b")):
        assert isinstance(await read, ReadFailed)


async def test_results_are_fetched_without_the_key_and_from_good_places_only(
    account: Account, stub: StubUpstream
) -> None:
    batches = SyncBatches(account.session, api_key=KEY, url=stub.url, timeout_s=5)
    stub.will(says(302, {}, Location=f"{stub.url}/signed"), says(200, b'{"request_id":"a"}\n'))
    rows = await batches.results("b")
    assert not isinstance(rows, ReadFailed)
    assert [row.request_id for row in rows] == ["a"]
    assert ["x-api-key" in got.headers for got in stub.got] == [True, False]
    for place in ("http://other.example/x", "file:///etc/passwd", "/relative", ""):
        stub.will(says(302, {}, Location=place))
        assert isinstance(await batches.results("b"), ReadFailed)


async def test_the_callback_tells_the_same_in_both_spellings(account: Account) -> None:
    called: asyncio.Queue[tuple[bytes, str]] = asyncio.Queue()

    async def hook(request: web.Request) -> web.Response:
        await called.put((await request.read(), request.headers["Sync-Signature"]))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", hook)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        for scenario in ("ok", "flat"):
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
            made = await account.batches.create(some_requests(scenario), webhook_url=url)
            assert isinstance(made, SyncBatch)
            async with asyncio.timeout(10):
                body, signature = await called.get()
            assert signature.startswith("t=")
            told = SyncBatch.model_validate(json.loads(body))
            assert told.metrics is not None
            assert (told.id, told.status, told.metrics.success_count) == (
                made.id,
                "COMPLETED",
                LINES_MIN,
            )
            assert told.created_at == made.created_at
            assert (b"createdAt" in body) == (scenario == "ok")
    finally:
        await runner.cleanup()
