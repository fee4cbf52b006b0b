"""`runware-sdk`, unchanged, against the simulator: over HTTP and over a WebSocket."""

from typing import Any

import pytest

from tests.conformance.sdk_runware.judge import Case, Verdict, judge
from tests.support.sdk_environment import interpreter

pytestmark = pytest.mark.slow

HELD = {"model": "klingai:5@3", "deliveryMethod": "sync", "numberResults": 2}
CASES = {
    "success": Case(),
    "several": Case(task={"numberResults": 3}),
    "failure": Case(simulate="fail:contentPolicyViolation"),
    "partial": Case(simulate="partial", task={"numberResults": 2}),
    "inline": Case(simulate="partial,inline", task={"numberResults": 2}),
    "dropped": Case("run_then_read", "drop"),
    "details": Case("run_then_read"),
    "bad key": Case(key="bad-key"),
    "media": Case("media"),
    "held": Case(task=HELD),
    "rejected": Case(simulate="reject"),
    "invalid": Case(task={"ttl": 5}),
    "progress": Case(simulate="progress,delay:1"),
    "unavailable": Case(simulate="503:2"),
    "pages": Case(simulate="html:2"),
    "throttled": Case(simulate="429,retryafter:1"),
}
Verdicts = dict[str, Verdict]


def run(cases: dict[str, Case], transport: str) -> Verdicts:
    python = interpreter(".venv-sdk-runware", "runware-sdk", "1.8.0")
    return judge(python, "current.py", cases, transport)


@pytest.fixture(scope="module", params=["rest", "websocket"])
def transport(request: pytest.FixtureRequest) -> str:
    named: str = request.param
    return named


@pytest.fixture(scope="module")
def verdicts(transport: str) -> Verdicts:
    return run(CASES, transport)


def videos(items: list[Any]) -> set[str]:
    return {item["videoUUID"] for item in items if item["status"] == "success"}


def test_one_video_with_its_cost(verdicts: Verdicts) -> None:
    got = verdicts["success"]
    (item,) = got.items
    assert (item["taskUUID"], item["cost"], got.billed) == (got.task_uuid, 0.665, 1)
    assert item["videoURL"].endswith(f"/media/{item['videoUUID']}.mp4")


@pytest.mark.parametrize(("case", "number"), [("several", 3), ("held", 2)])
def test_several_results_are_all_given_once(verdicts: Verdicts, case: str, number: int) -> None:
    got = verdicts[case]
    assert (len(got.items), len(videos(got.items)), got.billed) == (number, number, 1)
    assert videos(got.said["results"]) == videos(got.items)


@pytest.mark.parametrize(("case", "code"), [("failure", "safety"), ("partial", "provider")])
def test_failures_are_raised_with_the_sdks_own_kind(
    verdicts: Verdicts, case: str, code: str
) -> None:
    got = verdicts[case]
    assert (got.error["code"], got.error["task_uuid"]) == (code, got.task_uuid)
    assert got.said["results"] == []  # errors beside data hide the data from its users


def test_a_failure_among_the_data_leaves_the_success_visible(verdicts: Verdicts) -> None:
    got = verdicts["inline"]
    assert (len(videos(got.said["results"])), got.error["code"]) == (1, "provider")


def test_a_dropped_answer_is_sent_again_and_billed_once(verdicts: Verdicts, transport: str) -> None:
    got = verdicts["dropped"]
    assert (len(videos(got.said["response"])), got.billed) == (1, 1)
    if transport == "websocket":
        assert videos(got.said["ran"]) == videos(got.said["response"])
    else:  # it takes the conflict with its own first send for a refusal
        assert got.said["first_error"]["code"] == "validation"
    # The archive holds what was answered last: the conflict.
    assert got.items[0]["response"]["errors"][0]["code"] == "conflictTaskUUID"


def test_details_hold_request_and_response(verdicts: Verdicts) -> None:
    got = verdicts["details"]
    (item,) = got.items
    assert item["request"][0]["taskUUID"] == got.task_uuid
    assert item["response"]["data"] == got.said["response"] == got.said["ran"]


def test_a_bad_key_is_a_fault_of_authentication(verdicts: Verdicts, transport: str) -> None:
    got = verdicts["bad key"]
    assert (got.error["code"], got.billed) == ("auth", 0)
    assert got.error["status_code"] == (401 if transport == "rest" else None)


def test_media_are_stored_used_and_deleted(verdicts: Verdicts) -> None:
    got = verdicts["media"]
    (stored,), (gone,) = got.said["uploaded"], got.items
    assert stored["mediaURL"].startswith("http://127.0.0.1")
    assert (gone["operation"], gone["mediaUUID"]) == ("delete", stored["mediaUUID"])
    assert got.said["image"][0]["imageUUID"]
    assert len(videos(got.said["ran"])) == 1


@pytest.mark.parametrize(("case", "parameter"), [("rejected", "duration"), ("invalid", "ttl")])
def test_refusals_point_to_the_parameter(verdicts: Verdicts, case: str, parameter: str) -> None:
    got = verdicts[case]
    assert (got.error["code"], got.error["parameter"], got.billed) == ("validation", parameter, 0)


def test_progress_is_told(verdicts: Verdicts) -> None:
    (row,) = verdicts["progress"].said["progress"]
    assert (row["status"], 0 < row["progress"] < 100) == ("processing", True)


@pytest.mark.parametrize(
    ("case", "kind"), [("unavailable", "serverError"), ("throttled", "rateLimit")]
)
def test_lack_of_capacity_is_tried_again_over_http_alone(
    verdicts: Verdicts, transport: str, case: str, kind: str
) -> None:
    got = verdicts[case]
    if transport == "rest":
        assert (len(got.items), got.billed) == (1, 1)
    else:
        assert (got.error["code"], got.error["retryable"], got.billed) == (kind, True, 0)


def test_a_proxys_pages_are_outlived(verdicts: Verdicts) -> None:
    got = verdicts["pages"]
    assert (len(got.items), got.billed) == (1, 1)


def test_a_restart_of_the_upstream_is_outlived(transport: str) -> None:
    got = run({"restart": Case(simulate="restart:0.3,delay:0.5")}, transport)["restart"]
    assert (len(got.items), got.billed) == (1, 1)
