"""What Sync's answers to submits and reads come to, and what its codes are about."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.fault import FaultKind
from service.core.inputs import (
    Accepted,
    ReadFailed,
    ReadNothing,
    Refused,
    Report,
    Source,
    SubmitUnknown,
    TryLater,
)
from service.providers.outcome import NoAnswer, NotSent
from service.providers.sync_so import answers, faults
from service.providers.sync_so.answers import Page
from service.providers.verdict import Family
from tests.support.samples import (
    OTHER_UUID,
    TASK_UUID,
    answer,
    answer_of,
    recorded,
    sent_task,
    webhook_url,
)

TASK = sent_task("sync")
ID = "6533643b-acbe-4c40-967e-d9ba9baac39e"
CREATED = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


class TestSubmitted:
    def test_a_created_generation_is_accepted_with_its_id(self) -> None:
        assert answers.submitted(TASK, answer_of("sync_so/create_pending")) == Accepted(ID)

    def test_a_result_in_its_place_is_accepted_and_reported(self) -> None:
        body = recorded("sync_so/get_completed")["body"]
        got = answers.submitted(TASK, answer(201, body))
        assert isinstance(got, Accepted)
        assert got.report is not None
        assert (got.report.source, len(got.report.videos)) == (Source.SUBMIT, 1)

    @pytest.mark.parametrize(
        ("name", "code", "text"),
        [
            ("create_validation", "refused", "model must be a string; input must be an array"),
            ("create_unprocessable", "generation_input_video_inaccessible", "cannot be accessed"),
            ("create_plan_feature", "plan_feature_unavailable", "Not in your plan."),
            ("create_invalid_key_header", "INVALID_IDEMPOTENCY_KEY", "Idempotency-Key"),
        ],
    )
    def test_a_definite_no_is_refused(self, name: str, code: str, text: str) -> None:
        got = answers.submitted(TASK, answer_of(f"sync_so/{name}"))
        assert isinstance(got, Refused)
        assert (got.fault.code, got.fault.kind) == (code, FaultKind.PERMANENT)
        assert text in got.fault.message

    @pytest.mark.parametrize(
        ("name", "code", "wait"),
        [
            ("create_bad_key", "unauthorized", None),
            ("create_missing_key", "unauthorized", None),
            ("create_payment", "account_payment_required", None),
            ("create_rate_limited", "rate_limit_exceeded", None),
            ("create_concurrency_limited", "concurrency_limit_reached", timedelta(seconds=30)),
        ],
    )
    def test_faults_of_the_account_are_no_fault_of_the_task(
        self, name: str, code: str, wait: timedelta | None
    ) -> None:
        got = answers.submitted(TASK, answer_of(f"sync_so/{name}"))
        assert isinstance(got, TryLater)
        assert (got.fault.code, got.account, got.retry_after) == (code, True, wait)

    @pytest.mark.parametrize(
        ("name", "code", "upstream_id"),
        [
            ("create_idempotency_conflict", "IDEMPOTENCY_KEY_CONFLICT", None),
            ("create_outcome_unknown", "IDEMPOTENCY_OUTCOME_UNKNOWN", ID),
            ("create_server_error", "http_500", None),
            ("create_unavailable_html", "http_503", None),
        ],
    )
    def test_everything_else_is_unknown_and_a_named_generation_is_adopted(
        self, name: str, code: str, upstream_id: str | None
    ) -> None:
        got = answers.submitted(TASK, answer_of(f"sync_so/{name}"))
        assert isinstance(got, SubmitUnknown)
        assert (got.fault.code, got.answered, got.upstream_id) == (code, True, upstream_id)

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (201, {}, SubmitUnknown),
            (201, "created", SubmitUnknown),
            (201, {"id": "", "status": "PENDING"}, SubmitUnknown),
            (201, {"id": ID, "status": "PENDING", "webhookUrl": None}, Accepted),
            (
                201,
                {"id": ID, "status": "PENDING", "webhookUrl": webhook_url("sync", OTHER_UUID)},
                SubmitUnknown,
            ),
            (400, {"errorCode": "generation_infra_storage_error"}, SubmitUnknown),
            (400, "Bad Request", SubmitUnknown),
            (402, {"errorCode": "generation_plan_duration_exceeded"}, Refused),
            (402, {"errorCode": "new_code"}, TryLater),
            (402, "pay", TryLater),
            (403, {"errorCode": "asset_forbidden"}, Refused),
            (403, {"message": "Forbidden"}, TryLater),
            (403, "blocked", SubmitUnknown),
            (404, {"message": "Cannot POST"}, Refused),
            (409, {"errorCode": "generation_conflict"}, SubmitUnknown),
            (413, {"message": "too large"}, Refused),
            (429, {"statusCode": 429, "message": "Too Many Requests"}, TryLater),
            (429, "slow down", SubmitUnknown),
            (503, {"errorCode": "rate_limit_exceeded"}, SubmitUnknown),
        ],
    )
    def test_the_table_of_answers(self, status: int, body: Any, kind: type) -> None:
        assert type(answers.submitted(TASK, answer(status, body))) is kind

    def test_without_an_answer_it_depends_on_whether_anything_was_sent(self) -> None:
        later = answers.submitted(TASK, NotSent("why"))
        assert isinstance(later, TryLater)
        assert (later.account, later.fault.code) == (False, "not_reached")
        unknown = answers.submitted(TASK, NoAnswer("why"))
        assert isinstance(unknown, SubmitUnknown)
        assert (unknown.answered, unknown.fault.code) == (False, "no_answer")


class TestReadOne:
    @pytest.mark.parametrize(
        ("name", "videos", "code", "running", "vague"),
        [
            ("get_completed", 1, None, False, False),
            ("get_processing", 0, None, True, False),
            ("get_failed_errorCode", 0, "generation_input_video_inaccessible", False, False),
            ("get_failed_without_reason", 0, "unknown", False, True),
            ("get_canceled_old_word", 0, "upstream_canceled", False, False),
            ("get_timed_out_old_word", 0, "upstream_timeout", False, False),
        ],
    )
    def test_every_recorded_state_is_read(
        self, name: str, videos: int, code: str | None, running: bool, vague: bool
    ) -> None:
        got = answers.read_one(TASK_UUID, answer_of(f"sync_so/{name}"))
        assert isinstance(got, Report)
        assert (got.source, got.upstream_id) == (Source.POLL, ID)
        assert len(got.videos) == videos
        assert [fault.code for fault in got.faults] == ([code] if code else [])
        assert (got.running, got.vague, got.rejected) == (running, vague, None)

    def test_a_rejection_is_of_the_whole_task(self) -> None:
        got = answers.read_one(TASK_UUID, answer_of("sync_so/get_rejected"))
        assert isinstance(got, Report)
        assert got.rejected is not None
        assert (got.rejected.code, got.rejected.kind) == ("rejected", FaultKind.PERMANENT)
        assert got.faults == ()

    def test_the_generations_id_is_the_videos(self) -> None:
        got = answers.read_one(TASK_UUID, answer_of("sync_so/get_completed"))
        assert isinstance(got, Report)
        assert [(video.video_uuid, video.url) for video in got.videos] == [
            (ID, "https://api.sync.so/out/x.mp4")
        ]

    def test_no_such_generation_is_nothing_found(self) -> None:
        assert answers.read_one(TASK_UUID, answer_of("sync_so/get_not_found")) == ReadNothing()

    @pytest.mark.parametrize("status", [200, 302, 401, 429, 500])
    def test_a_read_that_failed_says_nothing(self, status: int) -> None:
        body = {"status": "FAILED"}
        assert isinstance(answers.read_one(TASK_UUID, answer(status, body)), ReadFailed)

    def test_a_generation_of_another_task_is_not_ours(self) -> None:
        body = {"id": ID, "status": "COMPLETED", "webhookUrl": webhook_url("sync", OTHER_UUID)}
        assert answers.read_one(TASK_UUID, answer(200, body)) == answers.OTHER_TASK


def page(*generations: dict[str, Any]) -> Page:
    got = answers.read_page(answer(200, list(generations)))
    assert isinstance(got, Page)
    return got


class TestPage:
    def test_ours_is_found_by_the_echoed_webhook_url(self) -> None:
        others = recorded("sync_so/list_two")["body"]
        ours = {"id": "g3", "status": "PROCESSING", "webhookUrl": webhook_url("sync")}
        assert page(*others).report_of(TASK_UUID) is None
        got = page(*others, ours).report_of(TASK_UUID)
        assert got == Report(Source.POLL, upstream_id="g3", running=True)

    def test_a_webhook_url_of_another_provider_is_not_ours(self) -> None:
        other = {"id": "g3", "status": "PROCESSING", "webhookUrl": webhook_url("runware")}
        assert page(other).report_of(TASK_UUID) is None

    def test_the_next_page_begins_after_the_last_id(self) -> None:
        assert page(*recorded("sync_so/list_two")["body"]).cursor == f"7{ID[1:]}"
        assert page().cursor is None

    def test_it_ends_where_everything_is_older(self) -> None:
        two = page(*recorded("sync_so/list_two")["body"])
        assert not two.ends_before(CREATED)
        assert two.ends_before(CREATED + timedelta(milliseconds=1))

    @pytest.mark.parametrize("created", [None, 5, "yesterday"])
    def test_an_age_that_cannot_be_read_ends_nothing(self, created: object) -> None:
        odd = {"id": "g", "status": "FAILED", "createdAt": created}
        assert not page(odd).ends_before(datetime.max.replace(tzinfo=UTC))

    def test_what_is_no_generation_is_passed_over(self) -> None:
        assert len(page({"id": 1}, {"id": "g", "status": "x"}).generations) == 1

    @pytest.mark.parametrize(("status", "body"), [(200, {}), (200, "x"), (401, []), (500, [])])
    def test_a_list_that_could_not_be_read_has_failed(self, status: int, body: Any) -> None:
        assert isinstance(answers.read_page(answer(status, body)), ReadFailed)


@pytest.mark.parametrize(
    ("code", "family"),
    [
        ("generation_input_anything_new", Family.REQUEST),
        ("generation_plan_duration_exceeded", Family.REQUEST),
        ("something_length_exceeded", Family.REQUEST),
        ("rate_limit_exceeded", Family.THROTTLE),
        ("generation_infra_storage_error", Family.UPSTREAM),
        ("generation_media_probe_timeout", Family.UPSTREAM),
        ("generation_unknown_error", Family.UPSTREAM),
        ("free_tier_generations_exhausted", Family.ACCOUNT),
        ("account_on_hold", Family.ACCOUNT),
        ("IDEMPOTENCY_ANYTHING", Family.TAKEN),
        ("INVALID_IDEMPOTENCY_KEY", Family.REQUEST),
        ("brand_new", Family.UNLISTED),
        (None, Family.UNLISTED),
    ],
)
def test_codes_have_families(code: str | None, family: Family) -> None:
    assert faults.family(code) is family


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([ID, "COMPLETED", "FAILED", webhook_url("sync"), "\ud800", "\0"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "status", "error", "errorCode", "message", "webhookUrl", "retryAfterSeconds"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from([200, 201, 400, 429, 503]))
def test_no_answer_makes_the_reading_of_it_raise(body: Any, status: int) -> None:
    given_answer = answer(status, body)
    answers.submitted(TASK, given_answer)
    answers.read_one(TASK_UUID, given_answer)
    answers.read_page(answer(status, [body, body]))
    assert json.dumps(body)
