"""The rows of what Runware sends, in whichever wrapper they come: one reading for all forms."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid5

from schemas.upstream.runware import RunwareError, RunwareItem
from service.core.fault import Fault
from service.core.inputs import Report, Source
from service.core.settle import UNKNOWN
from service.core.task import Video
from service.providers import foreign
from service.providers.runware import faults
from service.providers.verdict import Family, Said, async_fault

FAILED, SUCCESS = frozenset({"error", "failed"}), "success"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is said of one task; one that says nothing is an acknowledgement.

    `running` is also what any status means that nobody has heard of.
    """

    task_uuid: UUID | None
    video: Video | None = None
    error: Said | None = None
    running: bool = False


def rows(body: object) -> list[Row]:
    """Read the rows of an answer or callback: enveloped, a bare array, flat, or singular errors."""
    found = []
    for raw, failed in _unwrapped(body):
        if isinstance(raw, dict):
            found.append(_row(raw, failed))
        if len(found) == foreign.MAX_ITEMS:
            break
    return found


def report(said: Iterable[Row], source: Source) -> Report | None:
    """Put rows of one task together; None where none of them says anything of a generation.

    A conflict of uuids is an answer to a repeated submit, never the end of a generation.
    """
    told = list(said)
    errors = [row.error for row in told if row.error and row.error.family is not Family.TAKEN]
    ended = tuple(async_fault(error) for error in errors)
    videos = tuple(row.video for row in told if row.video is not None)
    running = any(row.running for row in told)
    if not (ended or videos or running):
        return None
    vague = bool(ended) and all(_is_vague(fault) for fault in ended)
    return Report(source, videos=videos, faults=ended, running=running, vague=vague)


def _is_vague(fault: Fault) -> bool:
    return fault == UNKNOWN


def _unwrapped(body: object) -> Iterator[tuple[object, bool]]:
    """Yield (raw row, whether it stood among the errors)."""
    if isinstance(body, list):
        yield from ((raw, False) for raw in body)
    elif isinstance(body, dict):
        data, errors, error = (_several(body.get(key)) for key in ("data", "errors", "error"))
        if data is None and errors is None and (error is None or "taskUUID" in body):
            yield body, False
            return
        yield from ((raw, False) for raw in data or ())
        yield from ((raw, True) for raw in (*(errors or ()), *(error or ())))


def _several(value: object) -> list[object] | None:
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, dict) else None


def _row(raw: Mapping[str, object], failed: bool) -> Row:
    item = RunwareItem.model_validate(raw)
    error, status = item.error, (item.status or "").lower()
    failed = failed or status in FAILED
    if error is None and (failed or item.code):
        error = RunwareError.model_validate(raw)
    task_uuid = foreign.uuid(item.taskUUID) or foreign.uuid(error.taskUUID if error else None)
    video = None if failed else _video(item, task_uuid)
    # A name alone is a video only where nothing says that it is still worked on, or that it failed.
    done = error is None and status in {"", SUCCESS}
    if video is not None and (done or video.url is not None):
        return Row(task_uuid, video=video)
    if error is None and status == SUCCESS:
        # Done, and nothing to show for it: a failure without a reason, to be asked about.
        return Row(task_uuid, error=Said(None, None, Family.UNLISTED))
    return Row(task_uuid, error=said(error) if error else None, running=bool(status and not error))


def said(error: RunwareError) -> Said:
    """Read an error; the parameter it is about goes into the text, which is often generic."""
    code = foreign.text(error.code, foreign.ID_LENGTH)
    message = foreign.text(error.message)
    about = [error.parameter] if isinstance(error.parameter, str) else error.parameter or []
    named = foreign.text(", ".join(about), foreign.ID_LENGTH)
    if named is not None:
        message = foreign.text(f"{message or 'Refused.'} (parameter: {named})")
    return Said(code, message, faults.family(code))


def _video(item: RunwareItem, task_uuid: UUID | None) -> Video | None:
    url = foreign.address(item.videoURL) or foreign.address(item.mediaURL)
    name = foreign.text(item.videoUUID, foreign.ID_LENGTH)
    name = name or foreign.text(item.mediaUUID, foreign.ID_LENGTH)
    if name is None and url is not None and task_uuid is not None:
        # Videos are counted by name. One without is known by where it lies; signatures change.
        name = str(uuid5(task_uuid, url.partition("?")[0]))
    if name is None:
        return None
    seed, cost = foreign.seed(item.seed), foreign.usd(item.cost)
    return Video(name, url, seed=seed, cost=cost, nsfw=item.NSFWContent)
