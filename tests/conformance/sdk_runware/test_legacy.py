"""`runware` 0.5, unchanged, against the simulator: it knows WebSockets only."""

from typing import Any

import pytest

from tests.conformance.sdk_runware.judge import Case, Verdict, judge
from tests.support.sdk_environment import interpreter

pytestmark = pytest.mark.slow

HELD = {"model": "klingai:5@3", "deliveryMethod": "sync", "numberResults": 2}
CASES = {
    "submit": Case("submit"),
    "success": Case(),
    "several": Case(task={"numberResults": 3}),
    "failure": Case(simulate="fail:timeoutProvider"),
    "partial": Case(simulate="partial", task={"numberResults": 2}),
    "inline": Case(simulate="partial,inline", task={"numberResults": 2}),
    "dropped": Case("run_then_read", "drop"),
    "details": Case("run_then_read"),
    "bad key": Case(key="bad-key"),
    "media": Case("media"),
    "held": Case("submit", task=HELD),
    "rejected": Case("submit", "reject"),
    "throttled": Case("submit", "429"),
    "pages": Case(simulate="html"),
}
WAITS_MS = {"RUNWARE_VIDEO_INITIAL_TIMEOUT": "1000", "RUNWARE_VIDEO_POLLING_DELAY": "50"}
"""It takes a poll that finds nothing done for no answer, and waits 30,000 and 3,000 unless told."""
Verdicts = dict[str, Verdict]


def run(cases: dict[str, Case]) -> Verdicts:
    python = interpreter(".venv-sdk-runware-legacy", "runware", "0.5.24")
    return judge(python, "legacy.py", cases, **WAITS_MS)


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    return run(CASES)


def videos(items: list[Any]) -> set[str]:
    return {item["videoUUID"] for item in items}


def test_a_submit_is_acknowledged(verdicts: Verdicts) -> None:
    got = verdicts["submit"]
    assert got.items == {"taskType": "videoInference", "taskUUID": got.task_uuid}
    assert got.billed == 1


def test_one_video_with_its_cost(verdicts: Verdicts) -> None:
    got = verdicts["success"]
    assert got.said["acknowledged"]["taskUUID"] == got.task_uuid
    (item,) = got.items
    assert (item["cost"], item["status"]) == (0.665, "success")
    assert item["videoURL"].endswith(f"/media/{item['videoUUID']}.mp4")


@pytest.mark.parametrize(("case", "number"), [("several", 3), ("held", 2)])
def test_several_results_are_all_given_once(verdicts: Verdicts, case: str, number: int) -> None:
    got = verdicts[case]
    assert (len(got.items), len(videos(got.items)), got.billed) == (number, number, 1)


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("failure", "timeoutProvider"),
        ("partial", "providerError"),
        ("inline", None),  # it sees that there is an error, and does not look into it
        ("rejected", "unsupportedDuration"),
        ("throttled", "rateLimitExceeded"),
    ],
)
def test_failures_are_raised_with_their_code(
    verdicts: Verdicts, case: str, code: str | None
) -> None:
    got = verdicts[case]
    assert (got.error["kind"], got.error["code"]) == ("RunwareAPIError", code)
    assert got.task_uuid in got.error["message"]


def test_a_dropped_answer_is_sent_again_and_billed_once(verdicts: Verdicts) -> None:
    got = verdicts["dropped"]
    assert got.said["acknowledged"]["taskUUID"] == got.task_uuid
    assert (len(got.said["ran"]), got.billed) == (1, 1)


def test_details_hold_request_and_response(verdicts: Verdicts) -> None:
    got = verdicts["details"].said
    assert got["items"]["request"][0]["model"] == "sync:3@0"
    assert got["ran"][0]["videoUUID"] in str(got["items"]["response"])


def test_a_bad_key_is_a_fault_of_the_connection(verdicts: Verdicts) -> None:
    got = verdicts["bad key"]
    assert (got.error["kind"], got.billed) == ("ConnectionError", 0)


def test_media_are_stored_and_used(verdicts: Verdicts) -> None:
    got = verdicts["media"]
    assert got.said["uploaded"]["mediaUUID"]
    assert len(got.items) == 1


def test_a_broken_connection_is_outlived(verdicts: Verdicts) -> None:
    got = verdicts["pages"]
    assert (len(got.items), got.billed) == (1, 1)


def test_a_restart_of_the_upstream_is_outlived() -> None:
    got = run({"restart": Case(simulate="restart:0.3,delay:0.5")})["restart"]
    assert (len(got.items), got.billed) == (1, 1)
