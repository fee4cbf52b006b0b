"""What Runware's answers to submits come to, and what its codes are about."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from service.core.fault import Fault, FaultKind
from service.core.inputs import (
    Accepted,
    Refused,
    Source,
    SubmitUnknown,
    TryLater,
)
from service.providers.runware import answers, faults
from service.providers.verdict import KINDS, Family
from tests.support.samples import answer, answer_of, sent_task, webhook_url

TASK = sent_task("runware")
WEBHOOK = webhook_url("runware")


class TestSubmitted:
    def test_an_acknowledgement_is_accepted(self) -> None:
        assert answers.submitted(TASK, answer_of("runware/submit_ack")) == Accepted()

    def test_a_result_in_its_place_is_accepted_and_reported(self) -> None:
        got = answers.submitted(TASK, answer_of("runware/submit_eager_result"))
        assert isinstance(got, Accepted)
        assert got.report is not None
        assert got.report.source is Source.SUBMIT
        [video] = got.report.videos
        assert video.cost == Decimal("0.665")

    @pytest.mark.parametrize(
        ("name", "code", "text"),
        [
            ("submit_refused", "unsupportedDuration", "(parameter: duration)"),
            ("submit_refused_cross_field", "incompatibleParameters", "inputs.audio, speech"),
            ("submit_old_error_flag", "refused", "Invalid request."),
        ],
    )
    def test_a_definite_no_is_refused(self, name: str, code: str, text: str) -> None:
        got = answers.submitted(TASK, answer_of(f"runware/{name}"))
        assert isinstance(got, Refused)
        assert (got.fault.code, got.fault.kind) == (code, FaultKind.PERMANENT)
        assert text in got.fault.message
        assert got.lease_no == TASK.lease_no

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("submit_invalid_key", "invalidApiKey"),
            ("submit_no_balance", "insufficientCredits"),
            ("submit_forbidden", "insufficientPermissions"),
            ("submit_too_many", "rateLimitExceeded"),
        ],
    )
    def test_faults_of_the_account_are_no_fault_of_the_task(self, name: str, code: str) -> None:
        got = answers.submitted(TASK, answer_of(f"runware/{name}"))
        assert isinstance(got, TryLater)
        assert (got.fault.code, got.account, got.retry_after) == (code, True, None)

    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("submit_conflict", "conflictTaskUUID"),
            ("submit_server_error", "internalServerError"),
            ("submit_unavailable_html", "http_503"),
            ("submit_empty", "unreadable_answer"),
        ],
    )
    def test_everything_else_is_unknown_although_it_was_answered(
        self, name: str, code: str
    ) -> None:
        got = answers.submitted(TASK, answer_of(f"runware/{name}"))
        assert isinstance(got, SubmitUnknown)
        assert (got.fault.code, got.answered) == (code, True)

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (200, {"data": [{"taskUUID": "another"}]}, SubmitUnknown),
            (200, {"errors": [{"code": "invalidModel", "message": "m"}]}, Refused),
            (200, {"errors": [{"code": "invalidApiKey", "message": "m"}]}, TryLater),
            (200, {"errors": [{"code": "providerError", "message": "m"}]}, SubmitUnknown),
            (200, {"errors": [{"code": "neverHeardOf", "message": "m"}]}, SubmitUnknown),
            (200, [], SubmitUnknown),
            (302, {}, SubmitUnknown),
            (400, {"errors": [{"code": "neverHeardOf", "message": "m"}]}, Refused),
            (400, {"errors": [{"code": "timeoutProvider", "message": "m"}]}, SubmitUnknown),
            (400, {"errors": [{"code": "unknownError", "message": "m"}]}, SubmitUnknown),
            (400, "Bad Request", SubmitUnknown),
            (400, {"errors": [{"code": "insufficientCredits"}]}, TryLater),
            (403, {"errors": [{"code": "contentPolicyViolation"}]}, Refused),
            (403, {"errors": [{"message": "no"}]}, TryLater),
            (403, "blocked", SubmitUnknown),
            (404, {"errors": [{"code": "modelNotFound"}]}, Refused),
            (404, "not here", SubmitUnknown),
            (408, {"errors": [{"code": "invalidModel"}]}, SubmitUnknown),
            (409, {"errors": [{"code": "invalidModel"}]}, SubmitUnknown),
            (429, {"errors": [{"code": "invalidModel"}]}, SubmitUnknown),
            (429, {"errors": [{"message": "slow down"}]}, TryLater),
            (429, "slow down", SubmitUnknown),
            (504, {"errors": [{"code": "timeout"}]}, SubmitUnknown),
        ],
    )
    def test_the_table_of_answers(self, status: int, body: Any, kind: type) -> None:
        assert type(answers.submitted(TASK, answer(status, body))) is kind

    def test_a_wait_is_taken_from_its_header_within_bounds(self) -> None:
        body = {"errors": [{"code": "rateLimitExceeded"}]}

        def wait(value: str) -> timedelta | None:
            got = answers.submitted(TASK, answer(429, body, retry_after=value))
            assert isinstance(got, TryLater)
            return got.retry_after

        assert wait("12") == timedelta(seconds=12)
        assert wait("999999999") == timedelta(days=1)
        assert [wait(v) for v in ("-1", "nan", "Wed, 21 Oct 2026 07:28:00 GMT")] == [None] * 3
        gateway = answers.submitted(TASK, answer(429, "slow", retry_after="3"))
        assert isinstance(gateway, TryLater)


@pytest.mark.parametrize(
    ("code", "family"),
    [
        ("timeoutProvider", Family.UPSTREAM),
        ("providerTimeout", Family.UPSTREAM),
        ("providerRateLimitExceeded", Family.THROTTLE),
        ("providerUnavailable", Family.UPSTREAM),
        ("providerInsufficientCredits", Family.UPSTREAM),
        ("insufficientCredits", Family.ACCOUNT),
        ("monthlyQuotaReached", Family.ACCOUNT),
        ("authTimeout", Family.ACCOUNT),
        ("invalidApiKey", Family.ACCOUNT),
        ("invalidModel", Family.REQUEST),
        ("invalidProviderContent", Family.REQUEST),
        ("providerContentPolicyViolation", Family.REQUEST),
        ("unsupportedDuration", Family.REQUEST),
        ("somethingNotFound", Family.REQUEST),
        ("conflictTaskUUID", Family.TAKEN),
        ("conflictingInputs", Family.REQUEST),
        ("internalServerError", Family.UPSTREAM),
        ("brandNewCode", Family.UNLISTED),
        (None, Family.UNLISTED),
    ],
)
def test_codes_have_families(code: str | None, family: Family) -> None:
    assert faults.family(code) is family


def test_every_family_has_a_kind() -> None:
    assert set(KINDS) == set(Family)


def test_tokens_are_cut_from_what_is_said() -> None:
    error = {"code": "neverHeardOf", "message": f"Could not call {WEBHOOK} today", "taskUUID": None}
    got = answers.submitted(TASK, answer(400, {"errors": [error]}))
    assert isinstance(got, Refused)
    prefix = WEBHOOK.rpartition("/")[0]
    assert got.fault.message == f"Could not call {prefix}/[cut] today"


def test_long_texts_are_cut_and_nul_is_left_out() -> None:
    error = {"code": "a\0b" + "c" * 999, "message": "m" * 99_999}
    got = answers.submitted(TASK, answer(400, {"errors": [error]}))
    assert isinstance(got, Refused)
    assert got.fault == Fault("ab" + "c" * 197, "m" * 2000, FaultKind.PERMANENT)
