"""SQS, SNS and EventBridge on moto: what arrives, order and deduplication, and what is made of errors."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from service.ports import Outgoing, Sink, Target
from service.sinks import SINKS, SinkOptions
from service.sinks.aws.eventbridge import EventbridgeSink
from service.sinks.aws.sink import AwsSink
from service.sinks.aws.sns import SnsSink
from service.sinks.aws.sqs import SqsSink
from tests.conformance.sinks_clouds.conftest import LOOPBACK
from tests.support.moto import REGION, Moto

Events = Callable[..., Outgoing]
KINDS: dict[str, type[AwsSink]] = {"sqs": SqsSink, "sns": SnsSink, "eventbridge": EventbridgeSink}
NOWHERE = {
    "sqs": {"queueUrl": "http://127.0.0.1/123456789012/nowhere"},
    "sns": {"topicArn": f"arn:aws:sns:{REGION}:123456789012:nowhere"},
    "eventbridge": {"eventBusName": "nowhere"},
}


@pytest.fixture
async def sinks() -> AsyncIterator[dict[str, Sink]]:
    made: dict[str, Sink] = {kind: make(LOOPBACK) for kind, make in KINDS.items()}
    yield made
    for sink in made.values():
        await sink.close()


def to(moto: Moto, kind: str, **settings: Any) -> Target:
    where = {"region": REGION, "endpointUrl": moto.endpoint}
    keys = {"accessKeyId": moto.key_id, "secretAccessKey": moto.secret}
    return Target(kind, settings=where | settings, credentials=keys, timeout_s=10, id=uuid4())


def told(message: dict[str, Any]) -> dict[str, str]:
    return {name: a["StringValue"] for name, a in message["MessageAttributes"].items()}


@pytest.mark.parametrize("kind", ["sqs", "sns"])
async def test_a_message_is_the_envelope_with_its_attributes_beside_it(
    moto: Moto, sinks: dict[str, Sink], make_event: Events, kind: str
) -> None:
    url, arn = await moto.queue(f"plain-{kind}")
    topic = await moto.topic(f"plain-{kind}", arn)
    event = make_event(uuid4())
    place = {"queueUrl": url} if kind == "sqs" else {"topicArn": topic}
    sent = await sinks[kind].send(to(moto, kind, **place), event)
    assert sent.ok
    assert sent.response
    (message,) = await moto.messages(url)
    # U+FFFE is not allowed in a message: it comes as its escape, and means the same.
    assert "\\ufffe" in message["Body"]
    assert json.loads(message["Body"]) == json.loads(event.body)
    assert told(message) == {
        "content-type": "application/cloudevents+json; charset=UTF-8",
        "ce_specversion": "1.0",
        "ce_id": str(event.event_id),
        "ce_source": "https://callboard.example",
        "ce_type": "task.completed",
        "ce_subject": str(event.task_uuid),
        "ce_time": "2026-02-03T04:05:06Z",
    }


@pytest.mark.parametrize("kind", ["sqs", "sns"])
async def test_fifo_keeps_the_order_of_a_task_and_drops_what_it_has_had(
    moto: Moto, sinks: dict[str, Sink], make_event: Events, kind: str
) -> None:
    url, arn = await moto.queue(f"order-{kind}.fifo")
    topic = await moto.topic(f"order-{kind}.fifo", arn)
    place = {"queueUrl": url} if kind == "sqs" else {"topicArn": topic}
    target, task = to(moto, kind, **place), uuid4()
    events = [make_event(task) for _ in range(12)]
    for event in events:
        assert (await sinks[kind].send(target, event)).ok
        assert (await sinks[kind].send(target, event)).ok
    messages = await moto.messages(url)
    assert [told(m)["ce_id"] for m in messages] == [str(e.event_id) for e in events]
    assert {m["Attributes"]["MessageGroupId"] for m in messages} == {str(task)}
    ids = [m["Attributes"]["MessageDeduplicationId"] for m in messages]
    assert ids == [str(e.event_id) for e in events]


async def test_an_event_without_a_task_is_a_group_of_its_own(
    moto: Moto, sinks: dict[str, Sink], make_event: Events
) -> None:
    url, _ = await moto.queue("alone.fifo")
    event = make_event()
    assert (await sinks["sqs"].send(to(moto, "sqs", queueUrl=url), event)).ok
    (message,) = await moto.messages(url)
    assert message["Attributes"]["MessageGroupId"] == str(event.event_id)


async def test_a_filter_policy_of_sns_finds_the_type(
    moto: Moto, sinks: dict[str, Sink], make_event: Events
) -> None:
    url, arn = await moto.queue("filtered")
    topic = await moto.topic("filtered", arn, FilterPolicy='{"ce_type": ["video.completed"]}')
    target, wanted = to(moto, "sns", topicArn=topic), make_event(event_type="video.completed")
    for event in (make_event(), wanted, make_event(event_type="task.failed")):
        assert (await sinks["sns"].send(target, event)).ok
    assert [told(m)["ce_id"] for m in await moto.messages(url)] == [str(wanted.event_id)]


async def test_an_entry_has_its_source_type_resource_and_the_envelope_as_detail(
    moto: Moto, sinks: dict[str, Sink], make_event: Events
) -> None:
    url, arn = await moto.queue("bridge")
    await moto.bus("bridge", arn)
    event, target = make_event(uuid4()), to(moto, "eventbridge", eventBusName="bridge")
    assert (await sinks["eventbridge"].send(target, event)).ok
    other = to(moto, "eventbridge", eventBusName="bridge", source="callboard.videos")
    assert (await sinks["eventbridge"].send(other, make_event())).ok
    first, second = (json.loads(m["Body"]) for m in await moto.messages(url))
    assert (first["source"], first["detail-type"]) == ("callboard", "task.completed")
    assert first["resources"] == [str(event.task_uuid)]
    assert first["detail"] == json.loads(event.body)
    assert second["source"] == "callboard.videos"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_place_that_does_not_exist_is_unroutable(
    moto: Moto, sinks: dict[str, Sink], make_event: Events, kind: str
) -> None:
    sent = await sinks[kind].send(to(moto, kind, **NOWHERE[kind]), make_event())
    assert (sent.ok, sent.error) == (False, "unroutable")
    assert b"not exist" in sent.response


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("field", ["accessKeyId", "secretAccessKey"])
async def test_bad_credentials_are_unauthorized_in_the_services_words(
    moto: Moto, sinks: dict[str, Sink], make_event: Events, kind: str, field: str
) -> None:
    good = to(moto, kind, **NOWHERE[kind])
    bad = Target(kind, settings=good.settings, credentials={**good.credentials, field: "WRONG"})
    sent = await sinks[kind].send(bad, make_event())
    assert (sent.ok, sent.error, sent.status) == (False, "unauthorized", 403)
    assert b"SignatureDoesNotMatch" in sent.response or b"InvalidClientTokenId" in sent.response
    assert moto.secret.encode() not in sent.response


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_too_large_is_not_sent(
    moto: Moto, sinks: dict[str, Sink], make_event: Events, kind: str
) -> None:
    target = to(moto, kind, **NOWHERE[kind])
    large = make_event(more="x" * 262_144)
    assert (await sinks[kind].send(target, large)).error == "too_large"
    small = to(moto, kind, maxBytes=2000, **NOWHERE[kind])
    assert (await sinks[kind].send(small, make_event(more="x" * 2000))).error == "too_large"


async def test_a_queue_takes_more_than_usual_where_its_settings_say_so(
    moto: Moto, sinks: dict[str, Sink], make_event: Events
) -> None:
    # moto takes no more than 256 KiB itself: that it was asked is what shows here.
    url, _ = await moto.queue("large")
    target = to(moto, "sqs", queueUrl=url, maxBytes=1_048_576)
    sent = await sinks["sqs"].send(target, make_event(more="x" * 300_000))
    assert sent.error != "too_large"
    usual = sinks["sqs"].max_bytes or 0
    fits = make_event(more="x" * (usual - 400))
    assert len(fits.body) <= usual
    assert (await sinks["sqs"].send(target, fits)).ok


async def test_the_table_makes_them_closed_to_private_networks(
    moto: Moto, make_event: Events, tmp_path: Path
) -> None:
    for kind in KINDS:
        sink = SINKS[kind](SinkOptions(tmp_path))
        sent = await sink.send(to(moto, kind, **NOWHERE[kind]), make_event())
        await sink.close()
        assert (sent.ok, sent.error) == (False, "refused_address")
