"""AWS Lambda: the handler, called with what AWS calls it with, beside a Callboard that runs."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.examples.conftest import Load
from tests.support.deliveries import (
    PLAN,
    STYLES,
    Arrived,
    arrived,
    hostile,
    outgoing,
    video_completed,
)
from tests.support.web import Api

URL = 'https://video.example/0.mp4?a=1&b="2"'
Shape = Callable[[Arrived], dict[str, Any]]


def function_url(came: Arrived) -> dict[str, Any]:
    """Payload 2.0, of function URLs and HTTP APIs: names in lower case; what is not known as text is base64."""
    headers = {name.lower(): value for name, value in came.headers}
    text = headers["content-type"] == "application/json"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": headers | {"x-forwarded-proto": "https", "x-forwarded-port": "443"},
        "requestContext": {"http": {"method": "POST", "path": "/", "protocol": "HTTP/1.1"}},
        "body": came.body.decode() if text else base64.b64encode(came.body).decode(),
        "isBase64Encoded": not text,
    }


def rest_api(came: Arrived) -> dict[str, Any]:
    """Payload 1.0, of REST APIs: names as they were sent, each also with all its values."""
    return {
        "resource": "/hooks",
        "path": "/hooks",
        "httpMethod": "POST",
        "headers": {name.title(): value for name, value in came.headers},
        "multiValueHeaders": {name.title(): [value] for name, value in came.headers},
        "queryStringParameters": None,
        "requestContext": {"stage": "prod", "httpMethod": "POST"},
        "body": came.body.decode(),
        "isBase64Encoded": False,
    }


def load_balancer(came: Arrived) -> dict[str, Any]:
    """Tell of a request the way an Application Load Balancer does, its lists of values switched on."""
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:…"}},
        "httpMethod": "POST",
        "path": "/hooks",
        "multiValueQueryStringParameters": {},
        "multiValueHeaders": {name.lower(): [value] for name, value in came.headers},
        "body": base64.b64encode(came.body).decode(),
        "isBase64Encoded": True,
    }


SHAPES = [function_url, rest_api, load_balancer]


async def call(example: Load, event: dict[str, Any]) -> int:
    handler = example("aws_lambda/handler.py").handler
    answer = await asyncio.to_thread(handler, event, None)
    status: int = answer["statusCode"]
    return status


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
@pytest.mark.parametrize("style", STYLES)
async def test_a_video_starts_the_next_step_once_however_often_its_event_comes(
    api: Api, example: Load, shape: Shape, style: str
) -> None:
    event = video_completed(PLAN, URL)
    for _ in range(2):
        came = await arrived(outgoing(event, style))
        assert await call(example, shape(came)) == 204
    (task,) = (await api.get("/v1/tasks")).json["items"]
    assert task["provider"] == "runware"
    assert task["request"]["inputs"] == {"video": URL}
    assert (task["taskUUID"], task["labels"]) == (str(event.id), {"step": "2"})
    assert task["metadata"] == {"order": 7, "next": PLAN["next"][1:]}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
async def test_what_is_not_signed_now_and_by_us_is_refused_and_starts_nothing(
    api: Api, example: Load, shape: Shape
) -> None:
    for what, came in (await hostile(video_completed(PLAN))).items():
        assert (await call(example, shape(came)), what) == (401, what)
    assert (await api.get("/v1/tasks")).json["items"] == []


async def test_a_header_that_comes_twice_is_refused(api: Api, example: Load) -> None:
    event = rest_api(await arrived(outgoing(video_completed(PLAN))))
    event["multiValueHeaders"]["Webhook-Id"] *= 2
    assert await call(example, event) == 401


@pytest.mark.parametrize("metadata", [{}, None, [1], {"next": []}])
async def test_a_task_without_a_plan_has_no_next_step(
    api: Api, example: Load, metadata: object
) -> None:
    came = await arrived(outgoing(video_completed(metadata)))
    assert await call(example, function_url(came)) == 204
    assert (await api.get("/v1/tasks")).json["items"] == []


async def test_events_of_other_types_are_welcome_and_start_nothing(api: Api, example: Load) -> None:
    came = await arrived(outgoing(video_completed(PLAN, name="task.completed")))
    assert await call(example, function_url(came)) == 204
    assert (await api.get("/v1/tasks")).json["items"] == []


async def test_a_step_that_callboard_will_never_take_is_not_asked_for_again(
    api: Api, example: Load
) -> None:
    plan = {"next": [{"provider": "nobody", "request": {"model": "m"}}]}
    came = await arrived(outgoing(video_completed(plan)))
    assert await call(example, function_url(came)) == 204


async def test_when_callboard_is_away_the_call_fails_so_that_it_comes_again(
    api: Api, example: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    came = await arrived(outgoing(video_completed(PLAN)))
    monkeypatch.setenv("CALLBOARD_URL", "http://127.0.0.1:9")
    with pytest.raises(OSError, match="refused"):
        await call(example, function_url(came))


async def test_what_is_signed_and_unreadable_is_a_400(api: Api, example: Load) -> None:
    broken = outgoing(video_completed(PLAN), body=json.dumps({"id": 1}).encode())
    assert await call(example, function_url(await arrived(broken))) == 400
