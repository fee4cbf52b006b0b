"""What both providers make of everything that HTTP can do to a call, on a real loopback server."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from service.core.inputs import (
    Accepted,
    ReadFailed,
    Refused,
    Report,
    SubmitUnknown,
    TryLater,
)
from service.core.task import FirstSend, Task
from service.ports import Provider
from service.providers import PROVIDERS
from tests.support.samples import TASK_UUID, recorded, sent_task, webhook_url
from tests.support.stub_upstream import Act, StubUpstream, resets, running_stub, says, writes

KEY = "sk-live-0123456789abcdef"
REQUESTS: dict[str, dict[str, Any]] = {
    "runware": recorded("requests/runware_audio"),
    "sync": recorded("requests/sync_seed_003"),
}
ACKS = {
    "runware": says(200, recorded("runware/submit_ack")["body"]),
    "sync": says(201, recorded("sync_so/create_pending")["body"]),
}
REFUSALS = {
    "runware": says(400, recorded("runware/submit_refused")["body"]),
    "sync": says(400, recorded("sync_so/create_validation")["body"]),
}
THROTTLES = {
    "runware": {"errors": [{"code": "rateLimitExceeded"}]},
    "sync": {"statusCode": 429, "errorCode": "rate_limit_exceeded"},
}
RUNNING = {
    "runware": says(200, recorded("runware/poll_processing")["body"]),
    "sync": says(200, recorded("sync_so/get_processing")["body"]),
}
HTML = b"<html><body><h1>503 Service Unavailable</h1></body></html>"
QUICK_S = 0.3


@pytest.fixture(params=list(PROVIDERS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def stub() -> AsyncIterator[StubUpstream]:
    async with running_stub() as stub:
        yield stub


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


class Bench:
    """A provider that talks to the stub, and a task that it is to send or read."""

    def __init__(self, name: str, session: aiohttp.ClientSession, url: str) -> None:
        self.name, self.session, self.url = name, session, url
        upstream_id = recorded("sync_so/get_processing")["body"]["id"] if name == "sync" else None
        self.task = sent_task(name)
        self.known = replace(self.task, upstream_id=upstream_id)
        self.provider = self.make()
        self.send = self.first_send()

    def make(self, *, key: str | None = KEY, timeout_s: float = 5.0) -> Provider:
        url = f"{self.url}/v1" if self.name == "runware" else self.url
        return PROVIDERS[self.name](self.session, api_key=key, url=url, timeout_s=timeout_s)

    def first_send(self) -> FirstSend:
        return self.provider.first_send(self.task, REQUESTS[self.name], webhook_url(self.name))

    async def submit(self, task: Task | None = None) -> Any:
        return await self.provider.submit(task or self.task, self.send)

    async def read(self) -> Any:
        return await self.provider.read(self.known, self.send)


@pytest.fixture
def bench(name: str, session: aiohttp.ClientSession, stub: StubUpstream) -> Bench:
    return Bench(name, session, stub.url)


class TestSubmit:
    async def test_an_acknowledgement_is_accepted(self, bench: Bench, stub: StubUpstream) -> None:
        stub.will(ACKS[bench.name])
        assert isinstance(await bench.submit(), Accepted)

    async def test_the_kept_bytes_are_sent_once_with_the_key_in_a_header(
        self, bench: Bench, stub: StubUpstream
    ) -> None:
        stub.will(ACKS[bench.name])
        send = replace(bench.send, body=bench.send.body + b"\n ")
        await bench.provider.submit(bench.task, send)
        [got] = stub.got
        assert (got.method, got.body) == ("POST", send.body)
        assert got.headers["content-type"] == "application/json"
        assert got.headers["connection"] == "close"
        if bench.name == "runware":
            assert (got.path, got.headers["authorization"]) == ("/v1", f"Bearer {KEY}")
        else:
            assert (got.path, got.headers["x-api-key"]) == ("/v2/generate", KEY)
            assert got.headers["idempotency-key"] == str(TASK_UUID)
        assert KEY.encode() not in got.body
        assert KEY not in bench.send.key_hint
        assert len(bench.send.key_hint) == 12

    async def test_a_definite_no_is_refused(self, bench: Bench, stub: StubUpstream) -> None:
        stub.will(REFUSALS[bench.name])
        assert isinstance(await bench.submit(), Refused)

    @pytest.mark.parametrize("status", [401, 402, 403])
    async def test_faults_of_the_account_are_no_fault_of_the_task(
        self, bench: Bench, stub: StubUpstream, status: int
    ) -> None:
        stub.will(says(status, {"message": "no", "errors": [{"message": "no"}]}))
        got = await bench.submit()
        assert isinstance(got, TryLater)
        assert got.account

    async def test_a_throttle_says_how_long_to_wait(self, bench: Bench, stub: StubUpstream) -> None:
        stub.will(says(429, THROTTLES[bench.name], Retry_After="7"))
        got = await bench.submit()
        assert isinstance(got, TryLater)
        assert (got.account, got.retry_after) == (True, timedelta(seconds=7))

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    async def test_trouble_of_the_upstream_is_unknown(
        self, bench: Bench, stub: StubUpstream, status: int
    ) -> None:
        stub.will(says(status, HTML))
        got = await bench.submit()
        assert isinstance(got, SubmitUnknown)
        assert (got.answered, got.fault.code) == (True, f"http_{status}")

    async def test_a_redirect_is_not_followed(self, bench: Bench, stub: StubUpstream) -> None:
        stub.will(says(307, None, Location=stub.url + "/elsewhere"))
        got = await bench.submit()
        assert isinstance(got, SubmitUnknown)
        assert got.answered
        assert len(stub.got) == 1

    @pytest.mark.parametrize("body", [HTML, b"", b"{", b"\xff", b"[" * 9_999, b"{}", b"null"])
    async def test_an_acknowledgement_that_cannot_be_read_is_unknown(
        self, bench: Bench, stub: StubUpstream, body: bytes
    ) -> None:
        stub.will(says(200, body))
        got = await bench.submit()
        assert isinstance(got, SubmitUnknown)
        assert (got.answered, got.fault.code) == (True, "unreadable_answer")

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
            b"SSH-2.0-OpenSSH_9.9\r\n",
        ],
        ids=["nothing", "cut", "chunks", "gzip", "not_http"],
    )
    async def test_half_an_answer_is_none(
        self, bench: Bench, stub: StubUpstream, raw: bytes
    ) -> None:
        stub.will(writes(raw))
        got = await bench.submit()
        assert isinstance(got, SubmitUnknown)
        assert (got.answered, got.fault.code) == (False, "no_answer")
        assert len(stub.got) == 1

    async def test_a_reset_after_the_request_is_unknown_and_not_sent_again(
        self, bench: Bench, stub: StubUpstream
    ) -> None:
        stub.will(resets)
        got = await bench.submit()
        assert isinstance(got, SubmitUnknown)
        assert not got.answered
        assert len(stub.got) == 1

    @pytest.mark.parametrize("begun", [False, True])
    async def test_an_answer_that_does_not_come_in_time_is_unknown(
        self, bench: Bench, stub: StubUpstream, begun: bool
    ) -> None:
        half = writes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", then_closes=False)

        async def half_then_hang(request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
            await half(request)
            return await stub.hang(request)

        stub.will(half_then_hang if begun else stub.hang)
        bench.provider = bench.make(timeout_s=QUICK_S)
        async with asyncio.timeout(QUICK_S + 1):
            got = await bench.submit()
        assert isinstance(got, SubmitUnknown)
        assert not got.answered

    async def test_an_answer_that_is_too_large_is_unknown(
        self, bench: Bench, stub: StubUpstream
    ) -> None:
        stub.will(says(200, b" " * (4 * 2**20 + 1)))
        got = await bench.submit()
        assert isinstance(got, SubmitUnknown)
        assert not got.answered

    async def test_a_refused_connection_means_not_sent(
        self, name: str, session: aiohttp.ClientSession
    ) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it
            bench = Bench(name, session, f"http://127.0.0.1:{taken.getsockname()[1]}")
            got = await bench.submit()
        assert isinstance(got, TryLater)
        assert (got.account, got.retry_after, got.fault.code) == (False, None, "not_reached")

    async def test_what_an_upstream_quotes_of_our_key_is_cut(
        self, bench: Bench, stub: StubUpstream
    ) -> None:
        text = f"Invalid key {KEY}."
        stub.will(says(401, {"message": text, "errors": [{"message": text}]}))
        got = await bench.submit()
        assert isinstance(got, TryLater)
        assert got.fault.message == "Invalid key [cut]."


class TestKeys:
    async def test_nothing_unclear_is_sent_again_under_another_key(
        self, bench: Bench, stub: StubUpstream
    ) -> None:
        bench.provider = bench.make(key="sk-other-0123456789abcdef")
        got = await bench.submit(replace(bench.task, unknown=True, attempts=2))
        assert isinstance(got, SubmitUnknown)
        assert (got.fault.code, got.answered, stub.got) == ("key_changed", True, [])

    async def test_what_certainly_was_not_accepted_is_sent_under_the_new_key(
        self, bench: Bench, stub: StubUpstream
    ) -> None:
        stub.will(ACKS[bench.name])
        bench.provider = bench.make(key="sk-other-0123456789abcdef")
        assert isinstance(await bench.submit(replace(bench.task, attempts=2)), Accepted)

    async def test_without_a_key_nothing_is_sent(self, bench: Bench, stub: StubUpstream) -> None:
        bench.provider = bench.make(key=None)
        got = await bench.submit()
        assert isinstance(got, TryLater)
        assert got.account
        assert isinstance(await bench.read(), ReadFailed)
        assert stub.got == []


class TestRead:
    async def test_what_is_running_is_reported(self, bench: Bench, stub: StubUpstream) -> None:
        stub.will(RUNNING[bench.name])
        got = await bench.read()
        assert isinstance(got, Report)
        assert got.running
        [sent] = stub.got
        assert KEY in (sent.headers.get("x-api-key"), sent.headers.get("authorization", "")[7:])
        if bench.name == "sync":
            path = f"/v2/generate/{bench.known.upstream_id}"
            assert (sent.method, sent.path) == ("GET", path)
        else:
            assert sent.json == [{"taskType": "getResponse", "taskUUID": str(TASK_UUID)}]

    @pytest.mark.parametrize("status", [301, 401, 403, 429, 500])
    async def test_a_read_that_is_refused_says_nothing(
        self, bench: Bench, stub: StubUpstream, status: int
    ) -> None:
        stub.will(says(status, HTML))
        assert isinstance(await bench.read(), ReadFailed)

    @pytest.mark.parametrize(
        "act", [resets, writes(b""), says(200, b" " * 2**23), says(200, HTML)], ids=range(4)
    )
    async def test_a_read_without_a_whole_answer_says_nothing(
        self, bench: Bench, stub: StubUpstream, act: Act
    ) -> None:
        stub.will(act)
        assert isinstance(await bench.read(), ReadFailed)

    async def test_a_read_ends_in_time(self, bench: Bench, stub: StubUpstream) -> None:
        stub.will(stub.hang)
        bench.provider = bench.make(timeout_s=QUICK_S)
        async with asyncio.timeout(5):
            assert isinstance(await bench.read(), ReadFailed)
