"""A task as decisions see it: plain frozen values, no rows and no wire shapes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from service.core.fault import Fault
from service.core.media import Archive
from service.core.states import FINAL, ResultState, State


@dataclass(frozen=True, slots=True)
class Video:
    """One video that the upstream says is done. `cost` is in USD."""

    video_uuid: str
    url: str | None
    seed: int | None = None
    cost: Decimal | None = None
    nsfw: bool | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One of the videos of a task; those beyond `results_expected` are late ones."""

    index: int
    state: ResultState = ResultState.PENDING
    video: Video | None = None
    error: Fault | None = None
    settled_at: datetime | None = None
    """When its video came, or it was known not to come."""
    hold_until: datetime | None = None
    """While it is archiving: when it is told of at the latest."""
    archive: Archive | None = None
    """What became of its file; none where none is wanted."""


@dataclass(frozen=True, slots=True)
class Task:
    """Everything that decisions are made of. Times are aware UTC, on the database's clock."""

    task_uuid: UUID
    tenant: str
    provider: str
    account: str
    model: str
    state: State
    results_expected: int
    results: tuple[Result, ...]
    created_at: datetime
    start_by: datetime
    deadline_seconds: int
    deadline_at: datetime | None = None
    """Set by the first send; cleared when *try later* proves that nothing was sent."""
    first_sent_at: datetime | None = None
    """The first send that the upstream may have accepted; the resend window counts from it."""
    sent_at: datetime | None = None
    """The latest send. Without an answer past the lease's end, its outcome is unknown."""
    submitted_at: datetime | None = None
    """When the upstream was first known to have it."""
    finished_at: datetime | None = None
    attempts: int = 0
    unknown: bool = False
    """A send had no clear answer: until something positive is known, no refusal is final."""
    resend_at: datetime | None = None
    """With an unknown outcome: not to be sent again before this; none while a send is under way."""
    read_empty_at: datetime | None = None
    """A read after the latest send found nothing; only then may it be sent again."""
    upstream_id: str | None = None
    polls: int = 0
    """Reads since the upstream last said something new; the back-off counts them."""
    settled_since: datetime | None = None
    """The first poll that showed no running row while results were still missing."""
    vague_polls: int = 0
    """How often a failure without a reason was asked about."""
    vague_since: datetime | None = None
    look_again_at: datetime | None = None
    """When somebody has to look at this task again; none when nothing more can happen."""
    lease_no: int = 0
    """Grows with every claim: what fences stale workers (never `attempts`)."""
    lease_until: datetime | None = None
    slot_since: datetime | None = None
    """Since when it holds one of its account's places upstream; none when it holds none."""
    event_sequence: int = 0
    error: Fault | None = None
    pinned: bool = False
    """It named its account, and is sent by no other."""
    archives: bool = False
    """Its videos are to be kept."""
    hold_s: int | None = None
    """For how many seconds `video.completed` waits for its file; none where it does not."""
    hold_over_at: datetime | None = None
    """`hold_until` as its row has it, for those who load no results."""
    batch_id: UUID | None = None
    """The batch it was submitted with; of a fallback, that of the first."""

    @property
    def final(self) -> bool:
        """Whether its state never changes again."""
        return self.state in FINAL

    @property
    def being_sent(self) -> bool:
        """Whether a send is under way: before anything else comes its answer, or its lease's end."""
        return self.state is State.SUBMITTING and self.resend_at is None

    @property
    def cost(self) -> Decimal | None:
        """What its videos cost in USD, as far as the upstream said."""
        costs = [r.video.cost for r in self.results if r.video and r.video.cost is not None]
        return sum(costs, Decimal(0)) if costs else None

    @property
    def open_results(self) -> tuple[Result, ...]:
        """The results that are not settled."""
        return tuple(r for r in self.results if r.state is ResultState.PENDING)

    @property
    def held(self) -> tuple[Result, ...]:
        """The results whose videos came, and which are not told of before they are kept."""
        return tuple(r for r in self.results if r.state is ResultState.ARCHIVING)

    @property
    def holding(self) -> bool:
        """Whether all is known of it, and only its files are waited for."""
        return not self.final and bool(self.held) and not self.open_results

    @property
    def hold_until(self) -> datetime | None:
        """When the first of what is held is told of at the latest."""
        return min((r.hold_until for r in self.held if r.hold_until), default=None)

    def has_video(self, video_uuid: str) -> bool:
        """Whether this video is among its results, late ones included."""
        return any(r.video and r.video.video_uuid == video_uuid for r in self.results)


@dataclass(frozen=True, slots=True)
class Card:
    """What is shown of a task and never decided by. Kept apart from the hot row.

    `request` and `metadata` are JSON texts, so that what was given comes back untouched; `request` is
    empty where it was not loaded.
    """

    labels: Mapping[str, str]
    metadata: bytes
    warnings: tuple[str, ...] = ()
    request: bytes = b""
    retry_of: UUID | None = None
    notify_url: str | None = None
    priority: int = 0
    archive: str | None = None
    """What is to be done with its videos (`core.media.Wanted`), as JSON."""
    fallback: str | None = None
    """What is tried instead if it ends without a video, as JSON; none when nothing is left."""
    fallback_of: UUID | None = None
    fallback_task: UUID | None = None
    """The task that was started instead."""


@dataclass(frozen=True, slots=True)
class FirstSend:
    """The exact bytes of the first send, kept and repeated by every later one.

    `key_hint` is a fingerprint of the API key: a resend under another key could be another request.
    """

    url: str
    body: bytes
    account: str
    key_hint: str


@dataclass(frozen=True, slots=True)
class Policy:
    """The waits and limits that decisions use; every one is a setting (CONTRACT.md section 7)."""

    poll_after: timedelta
    """How long without a callback before the upstream is asked."""
    poll_max: timedelta
    """The longest wait between two polls."""
    unknown_read_after: timedelta
    """The first wait before an unknown submit is read."""
    call_limit: timedelta
    """The time limit of one submit call."""
    lease: timedelta
    """How long a claim lasts; longer than `call_limit`."""
    resend_window: timedelta
    """How long after the first send an unknown submit may be sent again; zero is never."""
    resend_margin: timedelta
    """How much later than the call's time limit a send without an answer may be repeated."""
    deadline_grace: timedelta
    """How long a last poll is tried after the deadline."""
    slot_max: timedelta
    """How long a slot is held for a task whose end upstream stays unknown."""
    settle_wait: timedelta
    """Two polls without a running row must lie this far apart before missing results fail."""
    vague_span: timedelta
    """How long a failure without a reason is asked about."""
    vague_polls: int
    """How often a failure without a reason is asked about."""
    retry_base: timedelta
    """The first ceiling of the back-off after *try later*; it doubles."""
    retry_max: timedelta
    """The highest ceiling of the back-off, and of what `Retry-After` may ask for."""
