"""What Sync's answers to a submit and to its two kinds of read come to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from uuid import UUID

from pydantic import ValidationError

from schemas.upstream.sync_so import SyncError, SyncGeneration
from service.core.fault import Fault, FaultKind
from service.core.inputs import (
    Accepted,
    Answer,
    ReadFailed,
    Reading,
    ReadNothing,
    Report,
    Source,
    SubmitUnknown,
)
from service.core.task import Task
from service.providers import foreign
from service.providers.outcome import (
    HttpAnswer,
    Outcome,
    read_refused,
    read_unanswered,
    read_unreadable,
    submit_unanswered,
)
from service.providers.sync_so import faults
from service.providers.sync_so.generation import generation, report, task_of
from service.providers.verdict import SUCCESS, Said, judge

UNREADABLE = Fault("unreadable_answer", "The upstream's answer could not be understood.")
OTHER_TASK = ReadFailed(
    Fault("names_other", "The generation that was read is that of another task.", FaultKind.UNKNOWN)
)


def submitted(task: Task, outcome: Outcome) -> Answer:
    """Read the answer to a submit."""
    if not isinstance(outcome, HttpAnswer):
        return submit_unanswered(outcome, task.lease_no)
    body = foreign.read_json(outcome.body)
    if outcome.status in SUCCESS:
        made = generation(body)
        if made is None or task_of(made) not in {None, task.task_uuid}:
            return SubmitUnknown(UNREADABLE, task.lease_no, answered=True)
        said = report(made, Source.SUBMIT)
        return Accepted(made.id, None if said.running else said)
    retry_after = foreign.wait_seconds(outcome.headers.get("retry-after"))
    return judge(task.lease_no, outcome.status, error_in(body), retry_after)


def read_one(task_uuid: UUID, outcome: Outcome) -> Reading:
    """Read the answer to a GET of the generation whose id is known."""
    if not isinstance(outcome, HttpAnswer):
        return read_unanswered(outcome)
    if outcome.status == HTTPStatus.NOT_FOUND:
        return ReadNothing()
    if outcome.status != HTTPStatus.OK:
        return read_refused(outcome.status)
    found = generation(foreign.read_json(outcome.body))
    if found is None:
        return read_unreadable()
    if task_of(found) not in {None, task_uuid}:
        return OTHER_TASK
    return report(found, Source.POLL)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list, newest first: its generations, and where the next page begins."""

    generations: Sequence[SyncGeneration]
    cursor: str | None

    def report_of(self, task_uuid: UUID) -> Report | None:
        """Return what is said of a task's generation if it is on this page."""
        found = (made for made in self.generations if task_of(made) == task_uuid)
        return next((report(made, Source.POLL) for made in found), None)

    def ends_before(self, horizon: datetime) -> bool:
        """Whether all on this page is older; nothing of an age that cannot be read is."""
        ages = [_created(made) for made in self.generations]
        return all(age is not None and age < horizon for age in ages)


def read_page(outcome: Outcome) -> Page | ReadFailed:
    """Read the answer to a list."""
    if not isinstance(outcome, HttpAnswer):
        return read_unanswered(outcome)
    if outcome.status != HTTPStatus.OK:
        return read_refused(outcome.status)
    body = foreign.read_json(outcome.body)
    if not isinstance(body, list):
        return read_unreadable()
    found = [made for made in map(generation, body) if made is not None]
    return Page(found, found[-1].id if found else None)


def _created(made: SyncGeneration) -> datetime | None:
    try:
        created = datetime.fromisoformat(made.createdAt or "")
    except ValueError:
        return None
    return created if created.tzinfo is not None else created.replace(tzinfo=UTC)


def error_in(body: object) -> Said | None:
    """Read an error body; its message may be a list of them."""
    try:
        error = SyncError.model_validate(body)
    except ValidationError:
        return None
    code = foreign.text(error.errorCode, foreign.ID_LENGTH)
    texts = error.message if isinstance(error.message, list) else [error.message or ""]
    message = foreign.text("; ".join(texts)) or foreign.text(error.error)
    if code is None and message is None:
        return None
    return Said(
        code,
        message,
        faults.family(code),
        foreign.wait_seconds(error.retryAfterSeconds),
        foreign.text(error.generationId, foreign.ID_LENGTH),
    )
