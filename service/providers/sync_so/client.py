"""Sync behind the port: mapping, one call, and the reading of its answer."""

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote, urlencode
from uuid import UUID

import aiohttp

from service.core.estimate import Estimate
from service.core.fault import Fault
from service.core.inputs import Answer, ReadFailed, Reading, ReadNothing, SubmitUnknown, TryLater
from service.core.task import FirstSend, Task
from service.ports import Checked, OpenedCallback, RawCallback
from service.providers.http import Upstream
from service.providers.outcome import KEY_CHANGED, NO_KEY, READ_TIMEOUT, Outcome
from service.providers.sync_so import answers, mapping, prices, webhook
from service.providers.sync_so.generation import NAME

CREATE, LIST = "/v2/generate", "/v2/generations"
PAGE_SIZE, PAGES_MAX = 100, 50
"""The largest page there is; 5,000 generations are more than any account makes in a read's window."""
CLOCK_MARGIN = timedelta(minutes=10)
"""How far before the first send the list is read: their clock need not be ours."""
LIST_TOO_LONG = ReadFailed(
    Fault("list_too_long", "The list of generations is too long to be searched to its end.")
)


class SyncSo:
    """One account of Sync; implements `ports.Provider`."""

    name: str = NAME

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        api_key: str | None,
        url: str,
        webhook_secrets: tuple[str, ...] = (),
        timeout_s: float,
        account: str = "default",
    ) -> None:
        self._upstream = Upstream(session, timeout_s, secret=api_key)
        self._api_key = api_key
        self._url = url.rstrip("/")
        self._webhook_secrets = webhook_secrets
        self._timeout_s = timeout_s
        self._account = account
        digest = hashlib.sha256((api_key or "").encode()).hexdigest()
        self.key_hint = digest[:12] if api_key else ""

    def check(self, request: object) -> Checked:
        """Validate a caller's request in full; raises InvalidRequest with every fault."""
        return mapping.check(request)

    async def estimate(
        self,
        request: Mapping[str, object],
        seconds: float | None,
        fps: float | None,
        *,
        task_uuid: UUID,  # noqa: ARG002 - of the port
    ) -> Estimate:
        """Price a checked request by the published prices."""
        return prices.estimate(request, seconds, fps)

    def first_send(
        self,
        task: Task,  # noqa: ARG002 - of the port; its uuid goes into a header
        request: Mapping[str, object],
        webhook_url: str | None,
    ) -> FirstSend:
        """Make the bytes of the first send."""
        body = mapping.submit_body(request, webhook_url)
        return FirstSend(self._url + CREATE, body, self._account, self.key_hint)

    async def submit(self, task: Task, send: FirstSend) -> Answer:
        """Send the bytes that were kept, under the taskUUID as Idempotency-Key."""
        if self._api_key is None:
            return TryLater(NO_KEY, task.lease_no, account=True)
        if task.unknown and send.key_hint != self.key_hint:
            # Another key may be another organisation, and idempotency ends at its border.
            return SubmitUnknown(KEY_CHANGED, task.lease_no, answered=True)
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": str(task.task_uuid),
        }
        return answers.submitted(task, await self._call("POST", send.url, headers, send.body))

    async def read(self, task: Task, send: FirstSend) -> Reading:
        """Ask by id, or search the list where no id was ever told; all in one time limit."""
        if self._api_key is None:
            return ReadFailed(NO_KEY)
        try:
            async with asyncio.timeout(self._timeout_s):
                if task.upstream_id is None:
                    return await self._search(task, send.url.removesuffix(CREATE) + LIST)
                url = f"{send.url}/{quote(task.upstream_id, safe='')}"
                return answers.read_one(task.task_uuid, await self._call("GET", url, {}))
        except TimeoutError:
            return READ_TIMEOUT

    def open_callback(self, call: RawCallback) -> OpenedCallback:
        """Verify and read a callback; never raises."""
        return webhook.open_callback(call, self._webhook_secrets)

    async def _search(self, task: Task, url: str) -> Reading:
        horizon = (task.first_sent_at or task.created_at) - CLOCK_MARGIN
        query = {"limit": str(PAGE_SIZE)}
        for _ in range(PAGES_MAX):
            outcome = await self._call("GET", f"{url}?{urlencode(query)}", {})
            page = answers.read_page(outcome)
            if isinstance(page, ReadFailed):
                return page
            found = page.report_of(task.task_uuid)
            if found is not None:
                return found
            # A short page is not yet the last one; one that begins where it did before is.
            if page.cursor in {None, query.get("cursor")} or page.ends_before(horizon):
                return ReadNothing()
            query["cursor"] = str(page.cursor)
        return LIST_TOO_LONG

    async def _call(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Outcome:
        signed = {**headers, "x-api-key": self._api_key or ""}
        return await self._upstream.call(method, url, headers=signed, body=body)
