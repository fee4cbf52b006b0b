"""What the flows are handed: the shapes of things that are plural or foreign.

Providers (upstreams), sinks (where events go), the clock and the dice. The database is not here: there
is one, and tests use a real one.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable
from uuid import UUID

from service.core.errors import FieldError
from service.core.estimate import Estimate
from service.core.fault import Fault
from service.core.inputs import Answer, Reading, Report
from service.core.media import Media
from service.core.task import FirstSend, Task


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that was validated: what of it the house needs to know.

    `request` is what is stored and mapped: the caller's own JSON without the webhook URL and taskUUID
    that Callboard sets itself. `warnings` are shown to the caller.
    """

    request: Mapping[str, object]
    model: str
    results_expected: int
    task_uuid: UUID | None = None
    notify_url: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawCallback:
    """One HTTP call from a provider, as it came. Header names are lower case."""

    task_uuid: UUID
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OpenedCallback:
    """What a callback says, after its signature was checked.

    `verified` is None where no signature can be checked. `report` is None when nothing can be read of
    it. `names_other` says that it names another task than its path; `detail` is for people.
    """

    verified: bool | None
    report: Report | None
    names_other: bool = False
    detail: str = ""


class InvalidRequest(Exception):
    """A caller's request breaks rules of its provider; pointers are relative to the request."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(f"{len(errors)} faults")
        self.errors = tuple(errors)


class Provider(Protocol):
    """One upstream that generates video. All but `estimate`, `submit` and `read` are pure."""

    name: str

    def check(self, request: object) -> Checked:
        """Validate a caller's request in full; raises InvalidRequest with every fault."""
        ...

    async def estimate(
        self,
        request: Mapping[str, object],
        seconds: float | None,
        fps: float | None,
        *,
        task_uuid: UUID,
    ) -> Estimate:
        """Price a checked request; never raises for anything the upstream or the network does.

        `task_uuid` is a free one, for an upstream that is asked about a task of its own.
        """
        ...

    def first_send(
        self, task: Task, request: Mapping[str, object], webhook_url: str | None
    ) -> FirstSend:
        """Make the bytes of the first send."""
        ...

    async def submit(self, task: Task, send: FirstSend) -> Answer:
        """Send; never raises for anything the upstream or the network does."""
        ...

    async def read(self, task: Task, send: FirstSend) -> Reading:
        """Ask what became of a task; never raises for anything the upstream or the network does."""
        ...

    def open_callback(self, call: RawCallback) -> OpenedCallback:
        """Verify and read a callback; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One event on its way to one target. `body` and `headers` are the same on every attempt.

    `task_uuid` is its subject: what brokers keep the order by. `secrets` (v1) and `private_keys` (v1a,
    Ed25519 seeds of 32 bytes) sign it, newest first; `sent_at` is the Unix time of this attempt in seconds.
    """

    event_id: UUID
    event_type: str
    task_uuid: UUID | None
    body: bytes
    content_type: str
    sent_at: int
    secrets: tuple[bytes, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    private_keys: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a delivery goes: a subscription's kind and settings, or a task's notifyURL.

    `headers` are its owner's own; `credentials` are what a broker asks for, opened for this attempt.
    `id` is the subscription's: sinks keep one connection for each. `origin` is who we said we are, where the
    target consented in a handshake.
    """

    kind: str
    url: str | None = None
    settings: Mapping[str, object] | None = None
    timeout_s: float = 15.0
    headers: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, object] = field(default_factory=dict)
    id: UUID | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one attempt.

    `error` is one stable word; `response` the beginning of what was answered, for people. `gone` means that
    the target wants no more (410), `throttled` that it wants less (429, 502, 504). `address` was connected to.
    """

    ok: bool
    status: int | None = None
    error: str | None = None
    retry_after_s: float | None = None
    gone: bool = False
    response: bytes = b""
    throttled: bool = False
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """What a target said to our wish to send (`core.handshake`).

    `rate` is how many deliveries a minute it allows, none for any. Without consent `error` is `no_consent`,
    or what kept us from asking, and `response` says why, for people.
    """

    ok: bool
    rate: int | None = None
    error: str | None = None
    response: bytes = b""
    status: int | None = None
    address: str | None = None


@runtime_checkable
class Asker(Protocol):
    """A sink that can ask a target for its consent."""

    async def ask(self, target: Target, origin: str, rate: int) -> Consent:
        """Ask to send as `origin`, `rate` deliveries a minute; never raises for what the target does."""
        ...


class Sink(Protocol):
    """One kind of target for events."""

    max_bytes: int | None
    """The largest body it takes; what is larger goes without request and metadata. None: any."""

    async def send(self, target: Target, event: Outgoing) -> Sent:
        """Make one attempt; never raises for anything the target or the network does."""
        ...

    async def close(self) -> None:
        """Give back connections and files."""
        ...


class Dice(Protocol):
    """Where randomness and ids come from; tests throw loaded ones."""

    def jitter(self) -> float:
        """Throw a number in [0, 1)."""
        ...

    def uuid(self) -> UUID:
        """Make a UUID v4."""
        ...

    def secret(self, size: int) -> bytes:
        """Make that many bytes nobody can guess."""
        ...


class PlaceError(Exception):
    """A file could not be kept, read or deleted; `fault` says why, and whether it may work later."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class Place(Protocol):
    """One kind of place where files are kept (`service.media.places`)."""

    async def keep(self, file: Path, name: str, media: Media) -> str:
        """Keep the content of `file` as `name`; gives where it is, which the other methods take.

        Whole or not at all: no reader ever sees a half file. Keeping the same again changes nothing. `file` may be
        moved away. Raises PlaceError.
        """
        ...

    def read(self, location: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Read `length` bytes from `start` on, in parts; raises PlaceError with code `gone` when it is not there."""
        ...

    async def delete(self, location: str) -> None:
        """Delete what is kept there; nothing happens when it is gone. Raises PlaceError."""
        ...

    async def delete_folder(self, folder: str) -> None:
        """Delete all that is kept in a task's folder (`core.media.folder`); raises PlaceError."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


class Places(Protocol):
    """Finds places (`service.media.places.table`)."""

    def of(self, to: str | tuple[str, ...], index: int) -> Place:
        """Give the place for the file of one result; raises PlaceError."""
        ...

    def at(self, location: str) -> Place:
        """Give the place where a file is; raises PlaceError."""
        ...


class FetchError(Exception):
    """A video could not be fetched; `fault.kind` says whether it may work later.

    `expired` means that the address itself is the trouble (401, 403, 404, 410): a fresh one may work at once.
    """

    def __init__(self, fault: Fault, *, expired: bool = False) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.expired = expired


class Fetcher(Protocol):
    """Fetches videos from strangers' addresses (`service.media.fetch`)."""

    async def fetch(self, url: str, into: Path) -> Media:
        """Download a video to the file `into`, checked, synced and looked into; raises FetchError.

        After an error `into` may hold a part of it, which the caller removes.
        """
        ...
