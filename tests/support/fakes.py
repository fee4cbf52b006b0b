"""Doubles at the outer wall only: an upstream, a target for events, and the dice."""

import asyncio
import copy
import hashlib
import json
from collections.abc import Mapping
from uuid import UUID

from service.clock import SystemDice
from service.core.errors import FieldError
from service.core.estimate import Basis, Estimate
from service.core.fault import Fault, FaultKind
from service.core.inputs import Accepted, Answer, ReadFailed, Reading, Report, Source
from service.core.task import FirstSend, Task, Video
from service.ports import (
    Checked,
    InvalidRequest,
    OpenedCallback,
    Outgoing,
    RawCallback,
    Sent,
    Target,
)
from service.providers.runware import mapping as runware
from service.providers.runware import prices as runware_prices
from service.providers.sync_so import mapping as sync_so
from service.providers.sync_so import prices as sync_prices

SIGNATURES = {"good": True, "wrong": False}
"""What the fake makes of a signature; none is checked without."""
NOT_SCRIPTED = ReadFailed(Fault("not_scripted", "The test says nothing about it."))


class FakeProvider:
    """An upstream that says what the test wants, then what is usual; implements `ports.Provider`.

    `answers` and `readings` are taken from the front; an exception among the answers is raised. While
    `hold` is not set, a submit does not come back.
    """

    def __init__(self, name: str = "runware") -> None:
        self.name = name
        self.account = "default"
        self.key: str | None = "key-1"
        self.answers: list[Answer | Exception] = []
        self.readings: list[Reading] = []
        self.sent: list[FirstSend] = []
        self.reads: list[tuple[UUID, FirstSend]] = []
        self.hold = asyncio.Event()
        self.hold.set()

    def by_account(self, key: str | None, account: str) -> "FakeProvider":
        """Give the same upstream by another account: what it is sent and what it says is one."""
        other = copy.copy(self)
        other.account, other.key = account, key
        return other

    def check(self, request: object) -> Checked:
        """Take an object with a model; every other fault has its pointer."""
        given = request if isinstance(request, dict) else {}
        faults = [FieldError(f"/{name}", "Not here") for name in given if name.startswith("bad")]
        if not isinstance(given.get("model"), str):
            faults.append(FieldError("/model", "This field is required"))
        if faults:
            raise InvalidRequest(faults)
        ours = ("taskUUID", "webhookURL")
        return Checked(
            request={k: v for k, v in given.items() if k not in ours},
            model=given["model"],
            results_expected=given.get("numberResults", 1),
            task_uuid=UUID(given["taskUUID"]) if "taskUUID" in given else None,
            notify_url=given.get("webhookURL"),
        )

    async def estimate(
        self,
        request: Mapping[str, object],
        seconds: float | None,
        fps: float | None,
        *,
        task_uuid: UUID,
    ) -> Estimate:
        """Know no price."""
        note = f"Nobody knows what {request['model']} costs."
        return Estimate(Basis.UNKNOWN, seconds=seconds, fps=fps, note=note)

    def first_send(
        self, task: Task, request: Mapping[str, object], webhook_url: str | None
    ) -> FirstSend:
        """Send the request with our URL in it."""
        body = {**request, "taskUUID": str(task.task_uuid), "webhookURL": webhook_url}
        return FirstSend(
            "https://upstream.example", json.dumps(body).encode(), self.account, self.key or ""
        )

    async def submit(self, task: Task, send: FirstSend) -> Answer:
        """Give the next answer; without one, accept."""
        self.sent.append(send)
        await self.hold.wait()
        answer = self.answers.pop(0) if self.answers else Accepted(f"up-{task.task_uuid}")
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read(self, task: Task, send: FirstSend) -> Reading:
        """Give the next reading; without one, fail."""
        self.reads.append((task.task_uuid, send))
        return self.readings.pop(0) if self.readings else NOT_SCRIPTED

    def open_callback(self, call: RawCallback) -> OpenedCallback:
        """Read what `said` wrote."""
        try:
            body = json.loads(call.body)
        except (ValueError, RecursionError):
            return OpenedCallback(None, None, detail="not JSON")
        if not isinstance(body, dict):
            return OpenedCallback(None, None, detail="no object")
        verified = SIGNATURES.get(call.headers.get("sync-signature", ""))
        report = Report(
            Source.CALLBACK,
            body.get("upstreamId"),
            tuple(_video(v) for v in body.get("videos", ())),
            tuple(Fault(c, "It went wrong.", FaultKind.PERMANENT) for c in body.get("faults", ())),
        )
        return OpenedCallback(verified, report, body.get("namesOther", False))


class CheckingProvider(FakeProvider):
    """A fake that checks and prices requests as the real one does; nothing is sent all the same."""

    def check(self, request: object) -> Checked:
        """Check as the real provider does."""
        return sync_so.check(request) if self.name == "sync" else runware.check(request)

    async def estimate(
        self,
        request: Mapping[str, object],
        seconds: float | None,
        fps: float | None,
        *,
        task_uuid: UUID,
    ) -> Estimate:
        """Price by the same table as the real provider."""
        if self.name == "sync":
            return sync_prices.estimate(request, seconds, fps)
        return runware_prices.estimate(request, seconds, fps)


def said(
    *videos: str, faults: tuple[str, ...] = (), upstream_id: str | None = None, other: bool = False
) -> bytes:
    """Write the body of a callback that the fake reads."""
    body = {"videos": videos, "faults": faults, "upstreamId": upstream_id, "namesOther": other}
    return json.dumps(body).encode()


def _video(name: str) -> Video:
    # Postgres takes no NUL in a text: a callback with one is poisonous.
    return Video(name.replace("NUL", "\0"), f"https://videos.example/{name}.mp4")


class FakeSink:
    """A target that keeps what it is sent and answers what the test wants, then 200."""

    max_bytes: int | None = None

    def __init__(self) -> None:
        self.got: list[tuple[Target, Outgoing]] = []
        self.answers: list[Sent] = []

    async def send(self, target: Target, event: Outgoing) -> Sent:
        """Keep the event."""
        self.got.append((target, event))
        return self.answers.pop(0) if self.answers else Sent(ok=True, status=200)

    async def close(self) -> None:
        """Nothing is open."""


class LoadedDice(SystemDice):
    """Dice whose jitter and ids can be foretold; secrets differ from each other."""

    def __init__(self) -> None:
        super().__init__()
        self._thrown = 0

    def jitter(self) -> float:
        """Throw the middle, always."""
        return 0.5

    def uuid(self) -> UUID:
        """Make the next UUID v4."""
        self._thrown += 1
        digest = hashlib.sha256(str(self._thrown).encode()).digest()
        return UUID(bytes=digest[:16], version=4)
