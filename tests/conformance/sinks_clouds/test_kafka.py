"""The Kafka sink on librdkafka's mock cluster: records, errors, and brokers that come and go."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from service.ports import Outgoing, Target
from service.sinks.kafka.sink import KafkaSink
from tests.support.kafka_mock import (
    BROKER_TOO_LARGE,
    CLUSTER_DENIED,
    INIT_PRODUCER_ID,
    PRODUCE,
    TOPIC_DENIED,
    KafkaMock,
)
from tests.support.kafka_read import records

Events = Callable[..., Outgoing]
TIMED_OUT = 7


def to(mock: KafkaMock, timeout_s: float = 10, **settings: Any) -> Target:
    plain = {"bootstrapServers": mock.servers, "topic": "t", "securityProtocol": "PLAINTEXT"}
    return Target("kafka", settings=plain | settings, timeout_s=timeout_s, id=uuid4())


async def test_a_record_is_the_envelope_with_its_attributes_as_headers(
    kafka: KafkaMock, kafka_sink: KafkaSink, make_event: Events
) -> None:
    event = make_event(uuid4())
    sent = await kafka_sink.send(to(kafka), event)
    assert sent.ok
    assert sent.address == "127.0.0.1"
    (record,) = await records(kafka.servers, "t")
    assert sent.response == f"partition {record.partition}, offset {record.offset}".encode()
    assert record.value == event.body
    assert record.key == str(event.task_uuid).encode()
    assert record.headers == {
        "content-type": "application/cloudevents+json; charset=UTF-8",
        "ce_specversion": "1.0",
        "ce_id": str(event.event_id),
        "ce_source": "https://callboard.example",
        "ce_type": "task.completed",
        "ce_subject": str(event.task_uuid),
        "ce_time": "2026-02-03T04:05:06Z",
    }


async def test_all_of_a_task_goes_into_one_partition_in_order(
    kafka: KafkaMock, kafka_sink: KafkaSink, make_event: Events
) -> None:
    tasks = [uuid4() for _ in range(5)]
    events = {task: [make_event(task) for _ in range(8)] for task in tasks}
    target = to(kafka)

    async def tell(of: list[Outgoing]) -> None:
        for event in of:
            assert (await kafka_sink.send(target, event)).ok

    await asyncio.gather(*(tell(of) for of in events.values()))
    found = await records(kafka.servers, "t")
    for task, sent in events.items():
        mine = [record for record in found if record.key == str(task).encode()]
        assert [record.value for record in mine] == [event.body for event in sent]
        assert len({record.partition for record in mine}) == 1


async def test_an_event_without_a_task_has_no_key(
    kafka: KafkaMock, kafka_sink: KafkaSink, make_event: Events
) -> None:
    assert (await kafka_sink.send(to(kafka), make_event())).ok
    (record,) = await records(kafka.servers, "t")
    assert record.key is None


@pytest.mark.parametrize(
    ("request_number", "error", "word", "text"),
    [
        (PRODUCE, TOPIC_DENIED, "unauthorized", b"TopicAuthorizationFailed"),
        (INIT_PRODUCER_ID, CLUSTER_DENIED, "unauthorized", b"ClusterAuthorizationFailed"),
        (PRODUCE, BROKER_TOO_LARGE, "too_large", b"MessageSizeTooLarge"),
    ],
)
async def test_what_a_broker_refuses_is_told_and_the_next_event_arrives(
    kafka: KafkaMock,
    kafka_sink: KafkaSink,
    make_event: Events,
    request_number: int,
    error: int,
    word: str,
    text: bytes,
) -> None:
    kafka.fail_next(request_number, error)
    target = to(kafka)
    sent = await kafka_sink.send(target, make_event(uuid4()))
    assert (sent.ok, sent.error) == (False, word)
    assert text in sent.response
    assert (await kafka_sink.send(target, make_event(uuid4()))).ok


async def test_a_topic_that_does_not_exist_is_unroutable(
    kafka: KafkaMock, kafka_sink: KafkaSink, make_event: Events
) -> None:
    kafka.lose_topic("t")
    sent = await kafka_sink.send(to(kafka, timeout_s=1), make_event())
    assert (sent.ok, sent.error) == (False, "unroutable")


async def test_what_is_too_large_is_not_sent(
    kafka: KafkaMock, kafka_sink: KafkaSink, make_event: Events
) -> None:
    large = make_event(more="x" * 1_048_576)
    assert (await kafka_sink.send(to(kafka), large)).error == "too_large"
    small = make_event(more="x" * 100_000)
    assert (await kafka_sink.send(to(kafka, maxBytes=100_000), small)).error == "too_large"
    fits = replace(make_event(), body=b"x" * (kafka_sink.max_bytes or 0))
    assert (await kafka_sink.send(to(kafka), fits)).ok


async def test_an_error_that_passes_is_waited_out_without_doubling(
    kafka: KafkaMock, kafka_sink: KafkaSink, make_event: Events
) -> None:
    target, event = to(kafka), make_event(uuid4())
    assert (await kafka_sink.send(target, make_event(uuid4()))).ok
    kafka.fail_next(PRODUCE, TIMED_OUT, TIMED_OUT)
    assert (await kafka_sink.send(target, event)).ok
    found = await records(kafka.servers, "t")
    assert [r.value for r in found].count(event.body) == 1


async def test_brokers_that_were_away_get_an_unconfirmed_event_once(
    kafka: KafkaMock, kafka_sink: KafkaSink, make_event: Events
) -> None:
    target, event = to(kafka, timeout_s=3), make_event(uuid4())
    assert (await kafka_sink.send(target, make_event())).ok
    kafka.down()
    sent = await kafka_sink.send(target, event)
    assert (sent.ok, sent.error) == (False, "connect")
    kafka.up()
    # The same settings, so the same producer: it still has the event, and waits for it instead of sending another.
    assert (await kafka_sink.send(target, event)).ok
    found = await records(kafka.servers, "t")
    assert [record.value for record in found].count(event.body) == 1


async def test_brokers_that_are_away_at_first_are_connected_to_later(
    kafka: KafkaMock, kafka_sink: KafkaSink, make_event: Events
) -> None:
    kafka.down()
    target = to(kafka)
    assert (await kafka_sink.send(target, make_event())).error == "connect"
    kafka.up()
    assert (await kafka_sink.send(target, make_event())).ok


async def test_an_attempt_that_is_canceled_leaves_a_sink_that_works(
    kafka: KafkaMock, kafka_sink: KafkaSink, make_event: Events
) -> None:
    kafka.slow(300)
    target = to(kafka)
    attempt = asyncio.ensure_future(kafka_sink.send(target, make_event()))
    await asyncio.wait({attempt}, timeout=0.1)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    kafka.slow(0)
    assert (await kafka_sink.send(target, make_event())).ok


async def test_a_slow_broker_is_a_timeout(
    kafka: KafkaMock, kafka_sink: KafkaSink, make_event: Events
) -> None:
    target = to(kafka, timeout_s=0.5)
    assert (await kafka_sink.send(target, make_event())).ok
    kafka.slow(5000)
    assert (await kafka_sink.send(target, make_event())).error == "timeout"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"topic": ""}, "invalid_settings"),
        ({"bootstrapServers": []}, "invalid_settings"),
        ({"bootstrapServers": ["no-port:x"]}, "invalid_settings"),
        ({"securityProtocol": "SASL_SSL"}, "invalid_settings"),
        ({"securityProtocol": "none"}, "invalid_settings"),
        ({"bootstrapServers": ["no.such.name.invalid:9092"]}, "dns"),
        ({"bootstrapServers": ["10.1.2.3:9092"]}, "refused_address"),
        ({"bootstrapServers": ["169.254.169.254:80"]}, "refused_address"),
        ({"securityProtocol": "SSL"}, "connect"),
        ({"securityProtocol": "SSL", "ca": "no PEM"}, "invalid_settings"),
    ],
)
async def test_settings_that_lead_nowhere_have_their_word(
    kafka: KafkaMock,
    kafka_sink: KafkaSink,
    make_event: Events,
    changed: dict[str, Any],
    error: str,
) -> None:
    target = to(kafka, timeout_s=3, **changed)
    sent = await kafka_sink.send(target, make_event())
    assert (sent.ok, sent.error) == (False, error)
