"""AWS Lambda: when a video arrives, submit the next step of its plan to Callboard.

Behind a function URL, an API Gateway (HTTP or REST) or an Application Load Balancer. The plan travels with the
task, in `metadata.next`: submissions, one after the other, with `$videoURL` where the finished video goes.
"""

import base64
import json
import logging
import os
import urllib.error
import urllib.request
from typing import Any

from callboard_schemas.cloudevents import CloudEventError
from callboard_schemas.receive import receive
from callboard_schemas.verify import VerificationError

logger = logging.getLogger(__name__)
STARTED_BEFORE = 409
"""There is a task of this name already."""
REFUSED_FOR_GOOD = {400, 404, 413, 415, 422}
"""Answers of Callboard that no repetition changes."""


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Verify a delivery, start what comes next, and say yes; an exception is a 5xx, so Callboard tries again."""
    secrets = os.environ["CALLBOARD_WEBHOOK_SECRET"].split(",")
    try:
        received = receive(headers_of(event), body_of(event), secrets)
    except VerificationError as error:
        logger.warning("refused: %s", error)
        return {"statusCode": 401}
    except CloudEventError as error:
        logger.warning("unreadable: %s", error)
        return {"statusCode": 400}
    for one in received:
        if one["type"] == "video.completed" and "data" in one:
            start_next(one)
    return {"statusCode": 204}


def headers_of(event: dict[str, Any]) -> list[tuple[str, str]]:
    """Give the request's headers; load balancers and REST APIs may have a list of values for each."""
    several = event.get("multiValueHeaders")
    if several:
        return [(name, value) for name, values in several.items() for value in values]
    return list(event["headers"].items())


def body_of(event: dict[str, Any]) -> bytes:
    """Give the very bytes that were sent: Lambda encodes content types that it does not know to be text."""
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def start_next(event: dict[str, Any]) -> None:
    """Submit the next step of a video's plan, once however often its event arrives."""
    task, video = event["data"]["task"], event["data"]["result"]
    metadata = task.get("metadata")
    steps = metadata.get("next") if isinstance(metadata, dict) else None
    if not steps or not video["videoURL"]:
        return
    filled = json.dumps(steps[0]).replace("$videoURL", json.dumps(video["videoURL"])[1:-1])
    # Named after the event, it is one task for ever: this is what makes the function idempotent.
    step = {
        **json.loads(filled),
        "taskUUID": event["id"],
        "metadata": {**metadata, "next": steps[1:]},
    }
    request = urllib.request.Request(
        os.environ["CALLBOARD_URL"] + "/v1/tasks",
        data=json.dumps(step).encode(),
        headers={
            "Authorization": "Bearer " + os.environ["CALLBOARD_API_KEY"],
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=10):
            logger.info("%s started %s", task["taskUUID"], event["id"])
    except urllib.error.HTTPError as error:
        if error.code == STARTED_BEFORE:
            return
        if error.code not in REFUSED_FOR_GOOD:
            raise
        logger.error("the step after %s is refused: %s", task["taskUUID"], error.read())  # noqa: TRY400 - no traceback helps
