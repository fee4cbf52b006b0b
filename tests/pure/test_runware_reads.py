"""What Runware's answers to reads come to: the present state, the archive, and after a conflict."""

from dataclasses import replace
from typing import Any

import pytest

from service.core.fault import FaultKind
from service.core.inputs import (
    ReadFailed,
    ReadNothing,
    Report,
    Source,
)
from service.providers.runware import answers, mapping
from tests.support.samples import TASK_UUID, answer, answer_of, sent_task, webhook_url

TASK = sent_task("runware")
WEBHOOK = webhook_url("runware")
REQUEST: dict[str, Any] = {"model": "sync:3@0", "inputs": {}}


class TestPolled:
    @pytest.mark.parametrize(
        ("name", "videos", "codes", "running"),
        [
            ("poll_success", 1, [], False),
            ("poll_two_results", 2, [], False),
            ("poll_one_done_one_running", 1, [], True),
            ("poll_processing", 0, [], True),
            ("poll_pending_old_word", 0, [], True),
            ("poll_failed", 0, ["timeoutProvider"], False),
            ("poll_error_in_item", 0, ["providerError"], False),
            ("poll_partly_failed", 1, ["timeoutProvider"], False),
            ("poll_mixed", 1, ["timeoutProvider"], True),
        ],
    )
    def test_every_recorded_state_is_read(
        self, name: str, videos: int, codes: list[str], running: bool
    ) -> None:
        got = answers.polled(TASK_UUID, answer_of(f"runware/{name}"))
        assert isinstance(got, Report)
        assert got.source is Source.POLL
        assert len(got.videos) == videos
        assert [fault.code for fault in got.faults] == codes
        assert all(fault.kind is FaultKind.TRANSIENT for fault in got.faults)
        assert (got.running, got.vague, got.rejected) == (running, False, None)

    @pytest.mark.parametrize("name", ["poll_unknown", "poll_not_found"])
    def test_finding_nothing_proves_nothing(self, name: str) -> None:
        assert answers.polled(TASK_UUID, answer_of(f"runware/{name}")) == ReadNothing()

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (200, {"errors": [{"code": "invalidApiKey", "message": "m"}]}),
            (200, {"errors": [{"code": "rateLimitExceeded", "taskUUID": str(TASK_UUID)}]}),
            (200, {"errors": [{"code": "insufficientCredits", "taskUUID": str(TASK_UUID)}]}),
            (200, {"hello": "world"}),
            (200, "busy"),
            (429, {"errors": [{"code": "timeoutProvider", "taskUUID": str(TASK_UUID)}]}),
            (500, {"data": [{"taskUUID": str(TASK_UUID), "videoUUID": "v"}]}),
        ],
    )
    def test_a_read_that_failed_says_nothing_of_the_task(self, status: int, body: Any) -> None:
        assert isinstance(answers.polled(TASK_UUID, answer(status, body)), ReadFailed)

    def test_a_refused_read_never_fails_a_task(self) -> None:
        assert isinstance(answers.polled(TASK_UUID, answer_of("runware/poll_refused")), ReadFailed)

    def test_rows_of_other_tasks_are_not_ours(self) -> None:
        other = {"taskUUID": "11111111-1111-4111-8111-111111111113", "videoUUID": "v"}
        row = {"taskUUID": str(TASK_UUID), "status": "processing"}
        got = answers.polled(TASK_UUID, answer(200, {"data": [other, row]}))
        assert got == Report(Source.POLL, running=True)

    def test_the_name_of_a_video_that_is_still_made_is_no_video(self) -> None:
        row = {"taskUUID": str(TASK_UUID), "status": "processing", "videoUUID": "v"}
        got = answers.polled(TASK_UUID, answer(200, {"data": [row]}))
        assert got == Report(Source.POLL, running=True)

    def test_a_success_without_a_video_is_a_failure_without_a_reason(self) -> None:
        row = {"taskUUID": str(TASK_UUID), "status": "success"}
        got = answers.polled(TASK_UUID, answer(200, {"data": [row]}))
        assert isinstance(got, Report)
        assert got.vague
        assert [fault.code for fault in got.faults] == ["unknown"]

    def test_a_video_without_a_name_is_known_by_where_it_lies(self) -> None:
        def name(url: str) -> str:
            row = {"taskUUID": str(TASK_UUID), "videoURL": url}
            got = answers.polled(TASK_UUID, answer(200, {"data": [row]}))
            assert isinstance(got, Report)
            return got.videos[0].video_uuid

        assert name("https://v.example/1.mp4?s=1") == name("https://v.example/1.mp4?s=2")
        assert name("https://v.example/1.mp4") != name("https://v.example/2.mp4")


class TestArchived:
    def test_what_the_archive_keeps_is_read(self) -> None:
        kept = answers.archived(TASK_UUID, answer_of("runware/details_success"))
        assert isinstance(kept.reading, Report)
        assert len(kept.reading.videos) == 1
        assert (kept.webhook_url, kept.proves) == ("https://app.example.com/hooks/rw", True)
        kept = answers.archived(TASK_UUID, answer_of("runware/details_failed"))
        assert isinstance(kept.reading, Report)
        assert [fault.code for fault in kept.reading.faults] == ["timeoutProvider"]

    def test_the_refusal_of_a_repeated_submit_is_no_outcome(self) -> None:
        kept = answers.archived(TASK_UUID, answer_of("runware/details_conflict"))
        assert (kept.reading, kept.proves) == (ReadNothing(), False)

    def test_a_bare_acknowledgement_is_no_outcome(self) -> None:
        item = {"taskUUID": str(TASK_UUID), "request": [{}], "response": {"data": []}}
        item["response"] = {"data": [{"taskUUID": str(TASK_UUID), "taskType": "videoInference"}]}
        assert answers.archived(TASK_UUID, answer(200, {"data": [item]})).reading == ReadNothing()

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (200, {"data": []}, ReadNothing),
            (200, {"data": [{"taskUUID": "x"}]}, ReadNothing),
            (400, {"errors": [{"code": "unsupportedTaskType"}]}, ReadNothing),
            (404, "nothing", ReadNothing),
            (200, "nothing", ReadFailed),
            (401, {}, ReadFailed),
            (503, "busy", ReadFailed),
        ],
    )
    def test_an_archive_without_it_is_empty_or_failed(
        self, status: int, body: Any, kind: type
    ) -> None:
        assert type(answers.archived(TASK_UUID, answer(status, body)).reading) is kind


class TestAfterConflict:
    SENT = mapping.submit_body(TASK_UUID, REQUEST, "https://app.example.com/hooks/rw")
    FOUND = Report(Source.POLL, running=True)

    def test_what_carries_our_webhook_url_is_ours(self) -> None:
        kept = answers.archived(TASK_UUID, answer_of("runware/details_success"))
        assert answers.after_conflict(TASK, self.FOUND, kept, self.SENT) == self.FOUND

    def test_what_carries_another_one_has_taken_the_uuid(self) -> None:
        kept = answers.archived(TASK_UUID, answer_of("runware/details_success"))
        sent = mapping.submit_body(TASK_UUID, REQUEST, WEBHOOK)
        got = answers.after_conflict(replace(TASK, attempts=2), self.FOUND, kept, sent)
        assert got == Report(Source.POLL, rejected=answers.TAKEN)
        assert answers.TAKEN.code == "taskuuid_taken"

    def test_where_the_archive_cannot_tell_only_an_earlier_send_makes_it_ours(self) -> None:
        kept = answers.archived(TASK_UUID, answer_of("runware/details_conflict"))
        again = replace(TASK, attempts=2)
        assert answers.after_conflict(again, self.FOUND, kept, self.SENT) == self.FOUND
        got = answers.after_conflict(TASK, self.FOUND, kept, self.SENT)
        assert got == Report(Source.POLL, rejected=answers.TAKEN)

    def test_nothing_found_and_nothing_read_decide_nothing(self) -> None:
        kept = answers.archived(TASK_UUID, answer_of("runware/details_conflict"))
        nothing = ReadNothing()
        assert answers.after_conflict(TASK, nothing, kept, self.SENT) == nothing
        failed = answers.archived(TASK_UUID, answer(500, {}))
        got = answers.after_conflict(TASK, self.FOUND, failed, self.SENT)
        assert isinstance(got, ReadFailed)
