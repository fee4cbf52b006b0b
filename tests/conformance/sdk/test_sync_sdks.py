"""Both official SDKs of Sync, unchanged, against the simulator: they must be at home there."""

from typing import Any

import pytest

from tests.conformance.sdk.judge import SCRIPTS, Verdicts, judge
from tests.conformance.sdk.node import node_modules
from tests.support.sdk_environment import interpreter

PYTHON, NODE = "syncsdk", "@sync.so/sdk"
VERSION = "0.3.0"
GENERIC = {PYTHON: "ApiError", NODE: "SyncError"}
"""What is raised for a status that the SDK has no class for."""


@pytest.fixture(scope="module", params=[PYTHON, NODE])
def sdk(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def verdicts(sdk: str) -> Verdicts:
    if sdk == PYTHON:
        return judge([interpreter(".venv-sdk-sync", PYTHON, VERSION), SCRIPTS / "syncsdk_cases.py"])
    home = node_modules(".venv-sdk-sync-node", NODE, VERSION)
    return judge(["node", SCRIPTS / "sync_node_cases.mjs", home])


def test_a_generation_from_its_creation_to_its_video(verdicts: Verdicts) -> None:
    got = verdicts.value("success")
    made, done = got["made"], got["done"]
    assert (made["status"], made["outputUrl"]) == ("PENDING", None)
    assert (done["id"], done["status"]) == (made["id"], "COMPLETED")
    assert (done["outputDuration"], done["outputFileName"]) == (5, "job_17")
    assert done["options"] == {"sync_mode": "cut_off"}
    assert got["video"] > 1000


def test_a_failure_has_its_code_in_the_spelling_of_answers(verdicts: Verdicts, sdk: str) -> None:
    got = verdicts.value("failure")
    assert (got["status"], got["errorCode"]) == ("FAILED", "generation_timeout")
    assert got["error"]
    if sdk == PYTHON:  # its own field has the spelling of callbacks
        assert (got["code"], got["own_code"]) == ("generation_timeout", None)


def test_the_list_is_filtered_by_status_and_ids(verdicts: Verdicts, sdk: str) -> None:
    got = verdicts.value("listed")
    good, bad, running = got["ids"]
    assert got["found"] == {good: "COMPLETED", bad: "FAILED"}
    assert got["page" if sdk == PYTHON else "one"] == [running]


def test_files_are_uploaded_with_the_form(verdicts: Verdicts) -> None:
    got = verdicts.value("files")
    assert [item["type"] for item in got["input"]] == ["audio", "video"]
    assert got["options"] == {"sync_mode": "loop"}


def test_a_form_may_hold_urls_alone(verdicts: Verdicts) -> None:
    assert len(verdicts.value("form of urls")["input"]) == 2


def test_a_voice_is_made_from_text(verdicts: Verdicts) -> None:
    got = verdicts.value("spoken")
    assert got["status"] == "COMPLETED"
    assert ".wav" in got["synthesizedAudioUrl"]


def test_cost_is_estimated(verdicts: Verdicts) -> None:
    (got,) = verdicts.value("estimated")
    assert got == {"estimatedFrameCount": 250, "estimatedGenerationCost": 1.335}


def test_after_a_dropped_answer_the_same_key_makes_one_generation(
    verdicts: Verdicts, sdk: str
) -> None:
    got = verdicts.value("repeated")
    assert got["lost"] == ("RemoteProtocolError" if sdk == PYTHON else "SyncError")
    assert got["made"]["status"] == "COMPLETED"
    assert verdicts.billed["python-drop" if sdk == PYTHON else "node-drop"] == 1


def test_its_own_retry_makes_one_generation(verdicts: Verdicts, sdk: str) -> None:
    assert verdicts.value("retried")["status"] == "PENDING"
    assert verdicts.billed["python-503" if sdk == PYTHON else "node-503"] == 1


def test_a_batch_from_its_file_to_its_results(verdicts: Verdicts) -> None:
    got = verdicts.value("batch")
    made, done = got["made"], got["done"]
    assert got["dry"] == {"status": "VALIDATED"}
    assert (made["status"], made["outputUrl"], made["metrics"]["pending_count"]) == (
        "PENDING",
        "",
        20,
    )
    assert (done["status"], got["found"], got["later"]) == ("COMPLETED", [made["id"]], 0)
    assert done["metrics"] == {
        "total_generations": 20,
        "success_count": 19,
        "failed_count": 1,
        "pending_count": 0,
    }
    assert [row["status"] for row in got["rows"]] == ["FAILED"] + ["COMPLETED"] * 19


def test_the_library_is_listed_and_read(verdicts: Verdicts) -> None:
    got = verdicts.value("assets")
    video, audio = got["made"]
    assert (got["pages"], got["videos"], got["total"]) == ([audio, video], [video], 2)
    assert (got["one"]["name"], got["one"]["inputType"], got["one"]["size"]) == (
        "clip",
        "UPLOAD",
        7,
    )


def test_models_are_listed(verdicts: Verdicts) -> None:
    models = verdicts.value("models")
    assert {"sync-3", "lipsync-2", "react-1"} <= {model["name"] for model in models}


@pytest.mark.parametrize(
    ("case", "kind", "status", "code"),
    [
        ("bad key", "UnauthorizedError", 401, None),
        ("invalid", "BadRequestError", 400, None),
        ("throttled", None, 429, "rate_limit_exceeded"),
        ("busy", None, 429, "concurrency_limit_reached"),
        ("broken", "InternalServerError", 500, None),
        ("unpaid", None, 402, "account_payment_required"),
        ("unknown", "NotFoundError", 404, "generation_not_found"),
        ("unknown asset", "NotFoundError", 404, "asset_not_found"),
        ("unknown batch", "NotFoundError", 404, None),
        ("batch plan", "PaymentRequiredError", 402, None),
        ("batch busy", "TooManyRequestsError", 429, "concurrency_limit_reached"),
        ("batch invalid", "BadRequestError", 400, None),
    ],
)
def test_refusals_are_raised_as_the_sdks_own_errors(
    verdicts: Verdicts, sdk: str, case: str, kind: str | None, status: int, code: str | None
) -> None:
    got: Any = verdicts.error(case)
    assert (got["kind"], got["status"]) == (kind or GENERIC[sdk], status)
    assert (got["body"]["statusCode"], got["body"].get("errorCode")) == (status, code)
    assert isinstance(got["body"]["message"], list) == (status == 400)


def test_the_page_of_a_proxy_is_no_body_of_sync(verdicts: Verdicts, sdk: str) -> None:
    got = verdicts.error("proxy")
    assert (got["kind"], got["status"]) == (GENERIC[sdk], 503)
    assert "<html>" in str(got["body"])
