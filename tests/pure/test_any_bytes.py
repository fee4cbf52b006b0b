"""Whatever an upstream sends comes to one of a few things we know, or to nothing: never to an exception."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.core.fault import Fault
from service.core.inputs import (
    Accepted,
    Answer,
    Input,
    ReadFailed,
    Reading,
    ReadNothing,
    Refused,
    Report,
    SubmitUnknown,
    TryLater,
)
from service.core.task import Video
from service.ports import OpenedCallback, RawCallback
from service.providers import runware, sync_so
from service.providers.foreign import ID_LENGTH, MAX_ITEMS, MESSAGE_LENGTH, URL_LENGTH
from service.providers.outcome import HttpAnswer
from service.providers.runware import answers as runware_answers
from service.providers.runware import mapping as runware_mapping
from service.providers.runware import webhook as runware_webhook
from service.providers.sync_so import answers as sync_answers
from service.providers.sync_so import webhook as sync_webhook
from tests.support.samples import NOW, TASK_UUID, sent_task, webhook_url
from tests.support.strange import BODIES, HEADERS
from tests.support.tasks import processing

ASKED = replace(sent_task("runware"), unknown=True, attempts=2)
FIRST_BODY = runware_mapping.submit_body(TASK_UUID, {"model": "a:b@c"}, webhook_url("runware"))
STATUSES = st.sampled_from([200, 201, 302, 400, 401, 402, 403, 404, 409, 422, 429, 500, 503])
Opener = Callable[[RawCallback], OpenedCallback]


def _open_signed(call: RawCallback) -> OpenedCallback:
    return sync_webhook.open_callback(call, ("whsec_one", "whsec_two"))


def _open_unsigned(call: RawCallback) -> OpenedCallback:
    return sync_webhook.open_callback(call, ())


def _read_runware(outcome: HttpAnswer) -> Iterator[Reading]:
    yield runware_answers.polled(TASK_UUID, outcome)
    kept = runware_answers.archived(TASK_UUID, outcome)
    yield kept.reading
    yield runware_answers.after_conflict(ASKED, kept.reading, kept, FIRST_BODY)
    yield runware_answers.after_conflict(ASKED, kept.reading, kept, outcome.body)


def _read_sync(outcome: HttpAnswer) -> Iterator[Reading]:
    yield sync_answers.read_one(TASK_UUID, outcome)
    page = sync_answers.read_page(outcome)
    if isinstance(page, ReadFailed):
        yield page
        return
    assert page.ends_before(NOW) in {True, False}
    yield page.report_of(TASK_UUID) or ReadNothing()


PROVIDERS: Mapping[str, Any] = {
    runware.__name__: (runware_answers.submitted, _read_runware),
    sync_so.__name__: (sync_answers.submitted, _read_sync),
}


def check(said: Input) -> None:
    """Hold what comes of it against what the database and the decisions take."""
    match said:
        case Report():
            _check_report(said)
        case Accepted(report=report):
            if report is not None:
                _check_report(report)
        case Refused(fault=fault) | TryLater(fault=fault) | SubmitUnknown(fault=fault):
            _check_fault(fault)
        case ReadFailed(fault=fault):
            _check_fault(fault)
        case ReadNothing():
            pass
        case _:
            pytest.fail(f"{said} is none of them")


def _check_report(report: Report) -> None:
    assert len(report.videos) + len(report.faults) <= MAX_ITEMS
    for video in report.videos:
        _check_video(video)
    for fault in (*report.faults, *filter(None, [report.rejected])):
        _check_fault(fault)
    life = processing(results=2)
    if report.upstream_id is None:
        life.step(report)


def _check_video(video: Video) -> None:
    _check_text(video.video_uuid, ID_LENGTH)
    assert video.url is None or 0 < len(video.url) <= URL_LENGTH
    assert "\0" not in (video.url or "")
    assert video.seed is None or -(2**63) <= video.seed < 2**63
    assert video.cost is None or (video.cost.is_finite() and video.cost >= 0)


def _check_fault(fault: Fault) -> None:
    _check_text(fault.code, ID_LENGTH)
    _check_text(fault.message, MESSAGE_LENGTH)


def _check_text(text: str, limit: int) -> None:
    assert 0 < len(text) <= limit
    assert "\0" not in text
    assert text.encode()
    assert "t0ken" not in text


@pytest.mark.parametrize(
    "opener", [runware_webhook.open_callback, _open_signed, _open_unsigned], ids=["r", "s", "u"]
)
@given(BODIES, HEADERS)
@settings(deadline=None)
def test_any_callback_is_a_report_or_unreadable(
    opener: Opener, body: bytes, headers: dict[str, str]
) -> None:
    opened = opener(RawCallback(TASK_UUID, body, headers))
    assert opened.verified in {None, False}
    if opened.report is not None:
        check(opened.report)
        assert all(video.url for video in opened.report.videos)
    else:
        assert opened.detail or opened.names_other


@pytest.mark.parametrize("provider", PROVIDERS)
@given(STATUSES, HEADERS, BODIES)
@example(200, {}, b'{"id":"g","status":"COMPLETED","outputDuration":1e999}')
@example(429, {"retry-after": "9" * 400}, b'{"errorCode":"rate_limit_exceeded"}')
@settings(max_examples=200, deadline=None)
def test_any_answer_to_a_submit_is_one_of_four(
    provider: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    submitted, _ = PROVIDERS[provider]
    said: Answer = submitted(ASKED, HttpAnswer(status, headers, body))
    assert isinstance(said, Accepted | Refused | TryLater | SubmitUnknown)
    check(said)
    if status >= 500 or status in {302, 409}:
        assert isinstance(said, SubmitUnknown)


@pytest.mark.parametrize("provider", PROVIDERS)
@given(STATUSES, HEADERS, BODIES)
@settings(max_examples=200, deadline=None)
def test_any_answer_to_a_read_is_one_of_three(
    provider: str, status: int, headers: dict[str, str], body: bytes
) -> None:
    _, read = PROVIDERS[provider]
    for said in read(HttpAnswer(status, headers, body)):
        assert isinstance(said, Report | ReadNothing | ReadFailed)
        check(said)
