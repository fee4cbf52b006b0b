"""Runware behind the port: mapping, one POST, and the reading of its answer."""

import asyncio
import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp

from service.core.estimate import Estimate
from service.core.inputs import Answer, ReadFailed, Reading, ReadNothing, SubmitUnknown, TryLater
from service.core.task import FirstSend, Task
from service.ports import Checked, OpenedCallback, RawCallback
from service.providers.http import Upstream
from service.providers.outcome import KEY_CHANGED, NO_KEY, READ_TIMEOUT, Outcome
from service.providers.runware import answers, faults, mapping, prices, webhook
from service.providers.runware.calls import Calls
from service.providers.runware.pricing import dry_run

VENDOR = "api.runware.ai"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""Where the simulator answers."""


class Runware:
    """One account of Runware; implements `ports.Provider`."""

    name: str = "runware"

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        api_key: str | None,
        url: str,
        timeout_s: float,
        account: str = "default",
    ) -> None:
        self._upstream = Upstream(session, timeout_s, secret=api_key)
        self._calls = Calls(session, api_key=api_key, url=url, timeout_s=timeout_s)
        # Something in between that drops the dry run's header would let it generate for money.
        self._vendors_own = urlsplit(url).hostname in {VENDOR, *LOOPBACK}
        self._api_key = api_key
        self._url = url
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
        task_uuid: UUID,
    ) -> Estimate:
        """Price a checked request by a dry run where one may be made, else by the published prices."""
        listed = prices.estimate(request, seconds, fps)
        if self._api_key is None or not self._vendors_own:
            return listed
        cost = await dry_run(self._calls, request, task_uuid=task_uuid)
        return listed if cost is None else prices.priced(listed, cost)

    def first_send(
        self, task: Task, request: Mapping[str, object], webhook_url: str | None
    ) -> FirstSend:
        """Make the bytes of the first send."""
        body = mapping.submit_body(task.task_uuid, request, webhook_url)
        return FirstSend(self._url, body, self._account, self.key_hint)

    async def submit(self, task: Task, send: FirstSend) -> Answer:
        """Send the bytes that were kept."""
        if self._api_key is None:
            return TryLater(NO_KEY, task.lease_no, account=True)
        if task.unknown and send.key_hint != self.key_hint:
            # Another key may be another organisation, which does not know the first send.
            return SubmitUnknown(KEY_CHANGED, task.lease_no, answered=True)
        return answers.submitted(task, await self._post(send.url, send.body))

    async def read(self, task: Task, send: FirstSend) -> Reading:
        """Ask for the present state, and the archive where there is none; both in one time limit."""
        if self._api_key is None:
            return ReadFailed(NO_KEY)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._read(task, send)
        except TimeoutError:
            return READ_TIMEOUT

    def open_callback(self, call: RawCallback) -> OpenedCallback:
        """Read a callback; never raises."""
        return webhook.open_callback(call)

    async def _read(self, task: Task, send: FirstSend) -> Reading:
        conflict = task.unknown and task.error is not None and task.error.code == faults.CONFLICT
        body = mapping.read_body("getResponse", task.task_uuid)
        found = answers.polled(task.task_uuid, await self._post(send.url, body))
        if isinstance(found, ReadFailed) or not (conflict or isinstance(found, ReadNothing)):
            return found
        body = mapping.read_body("getTaskDetails", task.task_uuid)
        kept = answers.archived(task.task_uuid, await self._post(send.url, body))
        if isinstance(found, ReadNothing):
            found = kept.reading
        return answers.after_conflict(task, found, kept, send.body) if conflict else found

    async def _post(self, url: str, body: bytes) -> Outcome:
        headers = {
            "Authorization": f"Bearer {self._api_key}",
            "Content-Type": "application/json",
        }
        return await self._upstream.call("POST", url, headers=headers, body=body)
