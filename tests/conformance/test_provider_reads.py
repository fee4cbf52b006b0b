"""Reads that take several calls: Runware's archive, and Sync's list of generations."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from service.core.fault import Fault
from service.core.inputs import ReadFailed, Reading, ReadNothing, Report, Source
from service.core.task import FirstSend, Task
from service.providers.runware.client import Runware
from service.providers.sync_so.client import PAGES_MAX, SyncSo
from tests.support.samples import NOW, callback_of, recorded, sent_task, webhook_url
from tests.support.stub_upstream import StubUpstream, running_stub, says

NOTHING = says(200, {"data": []})
CONFLICT = Fault("conflictTaskUUID", "A task with this taskUUID exists.")


@pytest.fixture
async def stub() -> AsyncIterator[StubUpstream]:
    async with running_stub() as stub:
        yield stub


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def of(name: str) -> Any:
    return says(200, recorded(f"runware/{name}")["body"])


class TestRunwareArchive:
    TASK = sent_task("runware")
    OURS = "https://app.example.com/hooks/rw"
    """The webhook URL of the request in the recorded archives."""

    @pytest.fixture
    def runware(self, session: aiohttp.ClientSession, stub: StubUpstream) -> Runware:
        return Runware(session, api_key="any", url=f"{stub.url}/v1", timeout_s=5)

    async def _read(self, runware: Runware, task: Task, hook: str = OURS) -> Reading:
        send: FirstSend = runware.first_send(task, recorded("requests/runware_audio"), hook)
        return await runware.read(task, send)

    async def test_where_a_poll_finds_nothing_the_archive_is_asked(
        self, runware: Runware, stub: StubUpstream
    ) -> None:
        stub.will(NOTHING, of("details_success"))
        got = await self._read(runware, self.TASK)
        assert isinstance(got, Report)
        assert len(got.videos) == 1
        assert [sent.json[0]["taskType"] for sent in stub.got] == ["getResponse", "getTaskDetails"]

    async def test_where_neither_knows_it_nothing_was_found(
        self, runware: Runware, stub: StubUpstream
    ) -> None:
        stub.will(of("poll_not_found"), of("details_conflict"))
        assert await self._read(runware, self.TASK) == ReadNothing()

    async def test_an_archive_that_fails_is_a_read_that_failed(
        self, runware: Runware, stub: StubUpstream
    ) -> None:
        stub.will(NOTHING, says(503, b"busy"))
        assert isinstance(await self._read(runware, self.TASK), ReadFailed)

    async def test_after_a_conflict_what_is_found_must_be_ours(
        self, runware: Runware, stub: StubUpstream
    ) -> None:
        conflict = replace(self.TASK, unknown=True, error=CONFLICT)
        stub.will(of("poll_processing"), of("details_success"))
        got = await self._read(runware, conflict)
        assert got == Report(Source.POLL, running=True)
        stub.will(of("poll_processing"), of("details_success"))
        got = await self._read(runware, conflict, webhook_url("runware"))
        assert isinstance(got, Report)
        assert got.rejected is not None
        assert got.rejected.code == "taskuuid_taken"

    async def test_without_a_conflict_a_poll_is_enough(
        self, runware: Runware, stub: StubUpstream
    ) -> None:
        stub.will(of("poll_processing"))
        await self._read(runware, replace(self.TASK, unknown=True))
        assert len(stub.got) == 1


class TestSyncList:
    TASK = sent_task("sync")

    @pytest.fixture
    def sync(self, session: aiohttp.ClientSession, stub: StubUpstream) -> SyncSo:
        return SyncSo(session, api_key="any", url=stub.url + "/", timeout_s=10)

    async def _read(self, sync: SyncSo, task: Task = TASK) -> Reading:
        send = sync.first_send(task, recorded("requests/sync_seed_003"), webhook_url("sync"))
        return await sync.read(task, send)

    def _page(self, first: int, *, hook: str | None = None, age_min: int = 0) -> Any:
        created = (NOW - timedelta(minutes=age_min)).isoformat()
        return says(
            200,
            [
                {"id": f"g{first + n}", "status": "PROCESSING", "createdAt": created}
                | {"webhookUrl": hook if n == 1 else None}
                for n in range(3)
            ],
        )

    async def test_ours_is_found_on_a_later_page(self, sync: SyncSo, stub: StubUpstream) -> None:
        stub.will(self._page(0), self._page(3, age_min=9, hook=webhook_url("sync")))
        got = await self._read(sync)
        assert isinstance(got, Report)
        assert (got.upstream_id, got.running) == ("g4", True)
        queries = [parse_qs(urlsplit(sent.path).query) for sent in stub.got]
        assert queries == [{"limit": ["100"]}, {"limit": ["100"], "cursor": ["g2"]}]
        assert {urlsplit(sent.path).path for sent in stub.got} == {"/v2/generations"}

    @pytest.mark.parametrize("last", ["empty", "older", "the_same"])
    async def test_the_search_ends_where_the_list_or_its_time_does(
        self, sync: SyncSo, stub: StubUpstream, last: str
    ) -> None:
        ends = {
            "empty": says(200, []),
            "older": self._page(6, age_min=11, hook=None),
            "the_same": self._page(3),
        }
        stub.will(self._page(0), self._page(3), ends[last])
        assert await self._read(sync) == ReadNothing()
        assert len(stub.got) == 3

    async def test_a_list_without_end_is_not_nothing_found(
        self, sync: SyncSo, stub: StubUpstream
    ) -> None:
        stub.will(*[self._page(3 * n) for n in range(PAGES_MAX + 1)])
        got = await self._read(sync)
        assert isinstance(got, ReadFailed)
        assert got.fault.code == "list_too_long"
        assert len(stub.got) == PAGES_MAX

    async def test_one_page_that_fails_fails_the_read(
        self, sync: SyncSo, stub: StubUpstream
    ) -> None:
        stub.will(self._page(0), says(500, b"busy"))
        assert isinstance(await self._read(sync), ReadFailed)

    async def test_an_id_is_asked_for_as_it_is(self, sync: SyncSo, stub: StubUpstream) -> None:
        stub.will(says(404, {"message": "Generation not found."}))
        task = replace(self.TASK, upstream_id="a/b?c d")
        assert await self._read(sync, task) == ReadNothing()
        assert stub.got[0].path == "/v2/generate/a%2Fb%3Fc%20d"

    async def test_callbacks_are_verified_with_the_secrets_given(
        self, session: aiohttp.ClientSession
    ) -> None:
        def verified(*secrets: str) -> bool | None:
            sync = SyncSo(
                session, api_key=None, url="http://x", webhook_secrets=secrets, timeout_s=1
            )
            return sync.open_callback(callback_of("sync_so/callback_signed")).verified

        assert verified() is None
        assert verified("whsec_another") is False
        assert verified("whsec_another", recorded("sync_so/callback_signed")["secret"]) is True
