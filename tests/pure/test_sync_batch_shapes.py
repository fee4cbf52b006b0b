"""The shapes of Sync's Batch API: strict for the file that is sent, lenient for what comes back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.upstream.sync_batch import (
    LINES_MAX,
    LINES_MIN,
    BatchInput,
    SyncBatch,
    SyncBatchResult,
    SyncBatchValidated,
)
from tests.support.samples import recorded

NAMES = (
    *("id", "status", "created_at", "createdAt", "metrics", "success_count", "successCount"),
    *("webhookUrl", "outputUrl", "output_url", "request_id", "error", "error_code"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=12,
)


def a_line(number: int, **more: Any) -> dict[str, Any]:
    video = {"type": "video", "url": "https://cdn.example/v.mp4"}
    audio = {"type": "audio", "url": "https://cdn.example/a.wav"}
    payload = {"model": "sync-3", "input": [video, audio]}
    return {
        "request_id": f"r{number}",
        "endpoint": "/v2/generate",
        "payload": payload,
        **more,
    }


def places(lines: list[Any]) -> set[tuple[str | int, ...]]:
    """Return where faults are found; nowhere, if it is good."""
    try:
        BatchInput.model_validate({"lines": lines})
    except ValidationError as error:
        return {fault["loc"] for fault in error.errors()}
    return set()


@pytest.mark.parametrize(
    ("count", "good"),
    [(LINES_MIN - 1, False), (LINES_MIN, True), (LINES_MAX, True), (LINES_MAX + 1, False)],
)
def test_number_of_lines(count: int, good: bool) -> None:
    found = places([a_line(number) for number in range(count)])
    assert found == (set() if good else {("lines",)})


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"request_id": ""}, ("request_id",)),
        ({"request_id": 1}, ("request_id",)),
        ({"request_id": "r1"}, ("request_id",)),
        ({"endpoint": "/v2/other"}, ("endpoint",)),
        ({"payload": {"model": "sync-3"}}, ("payload", "input")),
        ({"payload": None}, ("payload",)),
        ({"method": "POST"}, ("method",)),
    ],
)
def test_each_rule_broken_alone(more: dict[str, Any], place: tuple[str, ...]) -> None:
    lines = [a_line(number) for number in range(LINES_MIN)]
    lines[3] |= more
    assert ("lines", 3, *place) in places(lines)
    assert {found[1] for found in places(lines)} == {3}


def test_rules_broken_together_are_all_told() -> None:
    lines = [a_line(number) for number in range(LINES_MIN)]
    lines[2]["endpoint"] = "/"
    lines[4]["request_id"] = lines[5]["request_id"] = "same"
    lines[6]["payload"]["options"] = {"temperature": 2, "fps": 0}
    assert places(lines) == {
        ("lines", 2, "endpoint"),
        ("lines", 5, "request_id"),
        ("lines", 6, "payload", "options", "temperature"),
        ("lines", 6, "payload", "options", "fps"),
    }


def test_all_forms_of_a_batch_tell_the_same() -> None:
    names = ("completed", "callback_mixed", "callback_camel")
    forms = [SyncBatch.model_validate(recorded(f"sync_batch/{name}")["body"]) for name in names]
    for form in forms:
        assert (form.created_at, form.webhookUrl, form.outputUrl, form.metrics) == (
            forms[0].created_at,
            forms[0].webhookUrl,
            forms[0].outputUrl,
            forms[0].metrics,
        )
    assert forms[0].metrics is not None
    assert (forms[0].metrics.success_count, forms[0].metrics.failed_count) == (19, 1)


def test_a_new_batch_has_no_output_and_a_dry_run_no_batch() -> None:
    made = SyncBatch.model_validate(recorded("sync_batch/pending")["body"])
    assert (made.status, made.outputUrl, made.webhookUrl) == ("PENDING", "", None)
    dry = recorded("sync_batch/validated")["body"]
    assert SyncBatchValidated.model_validate(dry).status == "VALIDATED"
    with pytest.raises(ValidationError):
        SyncBatch.model_validate(dry)


@given(JSON)
def test_any_json_is_a_batch_or_is_refused(body: object) -> None:
    for shape in (SyncBatch, SyncBatchResult, SyncBatchValidated, BatchInput):
        try:
            shape.model_validate(body)
        except ValidationError:
            continue
