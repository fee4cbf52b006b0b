"""What Runware's answers to a submit and to the two kinds of read come to."""

from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from schemas.base import part
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
from service.providers.runware import faults
from service.providers.runware.items import Row, report, rows
from service.providers.verdict import SUCCESS, Family, Said, judge

TAKEN = Fault(
    "taskuuid_taken",
    "The taskUUID was used before, by a task of somebody else.",
    FaultKind.PERMANENT,
)
UNREADABLE = Fault("unreadable_answer", "The upstream's answer could not be understood.")


def submitted(task: Task, outcome: Outcome) -> Answer:
    """Read the answer to a submit."""
    if not isinstance(outcome, HttpAnswer):
        return submit_unanswered(outcome, task.lease_no)
    body = foreign.read_json(outcome.body)
    found = rows(body)
    errors = _errors(found, task.task_uuid)
    taken = next((error for error in errors if error.family is Family.TAKEN), None)
    ours = [row for row in found if row.task_uuid == task.task_uuid]
    if outcome.status in SUCCESS and taken is None:
        if any(row.error is None for row in ours):
            return Accepted(report=report(ours, Source.SUBMIT))
        if not errors:
            return SubmitUnknown(UNREADABLE, task.lease_no, answered=True)
    said = taken or next(iter(errors), None) or _old_flag(body)
    retry_after = foreign.wait_seconds(outcome.headers.get("retry-after"))
    return judge(task.lease_no, outcome.status, said, retry_after)


def polled(task_uuid: UUID, outcome: Outcome) -> Reading:
    """Read the answer to `getResponse`: the whole present state of a task, or nothing."""
    if not isinstance(outcome, HttpAnswer):
        return read_unanswered(outcome)
    if outcome.status != HTTPStatus.OK:
        return read_refused(outcome.status)
    body = foreign.read_json(outcome.body)
    if not isinstance(body, dict):
        return read_unreadable()
    found = rows(body)
    of_the_read = [row.error for row in found if row.error and _about_the_read(row)]
    if of_the_read:
        text = of_the_read[0].message or "The upstream refused a read."
        return ReadFailed(Fault(of_the_read[0].code or "refused", text, FaultKind.TRANSIENT))
    ours = [row for row in found if row.task_uuid == task_uuid and not _unknown_to_it(row)]
    said = report(ours, Source.POLL)
    if said is not None:
        return said
    known = any(_unknown_to_it(row) or row.task_uuid == task_uuid for row in found)
    return ReadNothing() if known or body.get("data") == [] else read_unreadable()


@dataclass(frozen=True, slots=True)
class Archived:
    """What `getTaskDetails` keeps of a uuid: what became of it, and whose request it was.

    `proves` is false where the answer kept is the refusal of a repeated submit: the request beside
    it is then that of the refused one, whoever the first one was.
    """

    reading: Reading
    webhook_url: str | None = None
    proves: bool = False


def archived(task_uuid: UUID, outcome: Outcome) -> Archived:
    """Read the answer to `getTaskDetails`."""
    if not isinstance(outcome, HttpAnswer):
        return Archived(read_unanswered(outcome))
    if outcome.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}:
        return Archived(ReadNothing())
    if outcome.status != HTTPStatus.OK:
        return Archived(read_refused(outcome.status))
    body = foreign.read_json(outcome.body)
    kept = part(body, "data", 0)
    if foreign.uuid(part(kept, "taskUUID")) != task_uuid:
        shaped = isinstance(body, dict) and ("data" in body or "errors" in body)
        return Archived(ReadNothing() if shaped else read_unreadable())
    found = rows(part(kept, "response"))
    # All that was answered to this uuid is about it, also what does not name it.
    ours = [row for row in found if row.task_uuid in {None, task_uuid} and not _unknown_to_it(row)]
    taken = any(row.error and row.error.family is Family.TAKEN for row in found)
    url = part(kept, "request", 0, "webhookURL")
    return Archived(
        report(ours, Source.POLL) or ReadNothing(),
        url if isinstance(url, str) else None,
        proves=not taken and isinstance(part(kept, "request", 0), dict),
    )


def after_conflict(task: Task, found: Reading, kept: Archived, first_body: bytes) -> Reading:
    """Judge what was found of a task whose submit was answered with a conflict of uuids.

    It must carry our webhook URL. Where the archive cannot tell, it is ours if we had sent it before:
    the conflict then is with our own first send.
    """
    if not isinstance(found, Report):
        return found
    if isinstance(kept.reading, ReadFailed):
        return kept.reading
    sent = part(foreign.read_json(first_body), 0, "webhookURL")
    ours = kept.webhook_url == sent if kept.proves else task.attempts > 1
    return found if ours else Report(Source.POLL, rejected=TAKEN)


def _errors(found: list[Row], task_uuid: UUID) -> list[Said]:
    """Return the errors of the one task that was sent; those without a name are about it too."""
    return [row.error for row in found if row.error and row.task_uuid in {None, task_uuid}]


def _about_the_read(row: Row) -> bool:
    """Whether an error of a poll is about the poll, which names the same uuid as the generation."""
    if row.error is None or row.error.code in faults.NOT_FOUND:
        return False
    throttled = row.error.code == "rateLimitExceeded"
    return row.task_uuid is None or throttled or row.error.family is Family.ACCOUNT


def _unknown_to_it(row: Row) -> bool:
    return row.error is not None and row.error.code in faults.NOT_FOUND


def _old_flag(body: object) -> Said | None:
    """Read the oldest form of an error: a flag, a number and a text."""
    message = foreign.text(part(body, "errorMessage"))
    if message is None or part(body, "error") is not True:
        return None
    return Said(None, message, Family.UNLISTED)
