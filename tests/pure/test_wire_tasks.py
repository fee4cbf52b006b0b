"""Tasks as they are shown."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from schemas.api.tasks import TaskPage, TaskView
from service.core.fault import Fault, FaultKind
from service.core.states import ResultState, State
from service.core.task import Card, Result, Task, Video
from service.wire.api import page_bytes, public_state, rfc3339, task_view_bytes

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
UUID4 = "6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e"
FAULT = Fault("timeoutProvider", "It took too long.", FaultKind.TRANSIENT)
VIDEO = Video("v-1", "https://example.com/v.mp4", 2**62, Decimal("0.670"), nsfw=False)
TASK = Task(
    task_uuid=UUID(UUID4),
    tenant="default",
    provider="runware",
    account="default",
    model="sync:3@0",
    state=State.COMPLETED,
    results_expected=3,
    results=(
        Result(0, ResultState.COMPLETED, VIDEO, None, NOW),
        Result(1, ResultState.FAILED, None, FAULT, NOW),
        Result(2, ResultState.PENDING),
        Result(3, ResultState.LATE, replace(VIDEO, video_uuid="v-2", cost=None), None, NOW),
    ),
    created_at=NOW,
    start_by=NOW + timedelta(days=7),
    deadline_seconds=3600,
    finished_at=NOW,
    error=FAULT,
)
CARD = Card({"project": "spring"}, b'{"orderId":4711}', ("Careful.",), b'{"model":"sync:3@0"}')


def shown(task: Task, card: Card = CARD, *, with_request: bool = True) -> dict[str, Any]:
    view = task_view_bytes(task, card, with_request=with_request, waiting_for=None)
    parsed: dict[str, Any] = json.loads(view)
    return parsed


def test_task_is_shown_as_the_contract_has_it() -> None:
    assert shown(TASK) == {
        "taskUUID": UUID4,
        "provider": "runware",
        "account": "default",
        "model": "sync:3@0",
        "state": "completed",
        "waitingFor": None,
        "resultsExpected": 3,
        "results": [
            {
                "index": 0,
                "state": "completed",
                "videoUUID": "v-1",
                "videoURL": "https://example.com/v.mp4",
                "seed": 2**62,
                "cost": 0.67,
                "NSFWContent": False,
                "completedAt": "2026-03-01T12:00:00.123Z",
            },
            {
                "index": 1,
                "state": "failed",
                "error": {
                    "code": "timeoutProvider",
                    "message": "It took too long.",
                    "kind": "transient",
                },
            },
            {"index": 2, "state": "pending"},
            {
                "index": 3,
                "state": "late",
                "videoUUID": "v-2",
                "videoURL": "https://example.com/v.mp4",
                "seed": 2**62,
                "cost": None,
                "NSFWContent": False,
                "completedAt": "2026-03-01T12:00:00.123Z",
            },
        ],
        "cost": 0.67,
        "error": {"code": "timeoutProvider", "message": "It took too long.", "kind": "transient"},
        "warnings": ["Careful."],
        "upstreamId": None,
        "attempts": 0,
        "retryOf": None,
        "fallbackOf": None,
        "fallbackTask": None,
        "batch": None,
        "labels": {"project": "spring"},
        "metadata": {"orderId": 4711},
        "request": {"model": "sync:3@0"},
        "createdAt": "2026-03-01T12:00:00.123Z",
        "submittedAt": None,
        "finishedAt": "2026-03-01T12:00:00.123Z",
        "deadlineAt": None,
    }


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("result_state", list(ResultState))
def test_every_state_fits_the_public_shape(state: State, result_state: ResultState) -> None:
    has_video = result_state in {
        ResultState.ARCHIVING,
        ResultState.COMPLETED,
        ResultState.LATE,
    }
    result = Result(0, result_state, VIDEO if has_video else None)
    task = replace(TASK, state=state, results=(result,), error=None)
    view = TaskView.model_validate(shown(task))
    assert view.state == public_state(state) == state.value
    assert view.results[0].state == result_state.value


def test_what_was_given_comes_back_byte_for_byte() -> None:
    metadata = b'{"big": 123456789012345678901234567890, "price": 1.10, "e": 1e2, "o": "\\u00e9"}'
    request = b'{"model":"m","temperature":0.50,"seed":18446744073709551616}'
    card = replace(CARD, metadata=metadata, request=request)
    view = task_view_bytes(TASK, card, with_request=True, waiting_for="slot")
    assert b'"metadata":' + metadata + b',"request":' + request in view
    assert b'"waitingFor":"slot"' in view


def test_request_is_left_out_unless_it_is_wanted_and_then_must_be_there() -> None:
    assert "request" not in shown(TASK, with_request=False)
    with pytest.raises(ValueError, match="the request was not loaded"):
        shown(TASK, replace(CARD, request=b""))


def test_failed_result_without_a_reason_says_so() -> None:
    task = replace(TASK, results=(Result(0, ResultState.FAILED),))
    assert shown(task)["results"][0]["error"]["code"] == "unknown"


def test_completed_result_without_a_video_is_our_bug() -> None:
    with pytest.raises(ValueError, match="video was not loaded"):
        shown(replace(TASK, results=(Result(0, ResultState.COMPLETED),)))


def test_page_holds_items_as_they_are() -> None:
    item = task_view_bytes(TASK, CARD, with_request=True, waiting_for=None)
    page = page_bytes([item, item], "next")
    assert page == b'{"items":[' + item + b"," + item + b'],"nextCursor":"next"}'
    assert TaskPage.model_validate_json(page).nextCursor == "next"
    assert page_bytes([], None) == b'{"items":[],"nextCursor":null}'


def test_time_is_written_in_utc_with_milliseconds() -> None:
    assert rfc3339(datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))) == (
        "2025-12-31T23:30:00.000Z"
    )
