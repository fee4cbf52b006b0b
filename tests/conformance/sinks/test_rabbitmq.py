"""What only RabbitMQ has: exchanges, rights on them, attributes beside the body, queues that are full."""

from dataclasses import replace
from typing import Any

import aio_pika
import pytest

from service.ports import Sink, Target
from tests.conformance.sinks.bench import Bench
from tests.conformance.sinks.bench_rabbitmq import RabbitBench
from tests.conformance.sinks.events import SOURCE, make

pytestmark = pytest.mark.parametrize("bench", ["rabbitmq"], indirect=True)


def changed(target: Target, **settings: Any) -> Target:
    return replace(target, settings=dict(target.settings or {}) | settings)


async def test_an_exchange_routes_by_type_and_carries_the_attributes(
    bench: Bench, sink: Sink
) -> None:
    assert isinstance(bench, RabbitBench)
    name = bench.next_name()
    (event,) = make(1)
    target = changed(bench.target(await bench.place()), exchange=name, routingKey="cb.{type}")
    assert (await sink.send(target, event)).error == "unroutable"
    async with await bench.client() as client, client.channel() as channel:
        exchange = await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC)
        assert (await sink.send(target, event)).error == "unroutable"
        queue = await channel.declare_queue(name, durable=True)
        await queue.bind(exchange, "cb.task.*")
        assert (await sink.send(target, event)).ok
        message = await queue.get()
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert message.content_type == event.content_type
    assert message.routing_key == "cb.task.completed"
    assert message.headers["cloudEvents:source"] == SOURCE
    assert message.headers["cloudEvents:subject"] == str(event.task_uuid)


async def test_an_exchange_that_may_not_be_written_to_says_so(bench: Bench, sink: Sink) -> None:
    (event,) = make(1)
    target = bench.target(await bench.place())
    narrow = {"username": "narrow", "password": "narrow"}
    sent = await sink.send(replace(target, credentials=narrow), event)
    assert (sent.ok, sent.error) == (False, "unauthorized")
    sent = await sink.send(changed(target, vhost="another"), event)
    assert b"vhost" in sent.response
    assert (sent.ok, sent.error) == (False, "unauthorized")


async def test_a_queue_that_is_full_slows_its_sender_down(bench: Bench, sink: Sink) -> None:
    assert isinstance(bench, RabbitBench)
    name = bench.next_name()
    full: dict[str, Any] = {"x-max-length": 1, "x-overflow": "reject-publish"}
    async with await bench.client() as client, client.channel() as channel:
        await channel.declare_queue(name, durable=True, arguments=full)
    first, second = make(2)
    target = changed(bench.target(await bench.place()), routingKey=name)
    assert (await sink.send(target, first)).ok
    sent = await sink.send(target, second)
    assert (sent.ok, sent.error, sent.throttled) == (False, "rejected", True)
