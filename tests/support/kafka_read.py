"""Reads what a topic holds with librdkafka, which is another client than the one that wrote."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

READ_S = 20


@dataclass(frozen=True, slots=True)
class Record:
    """One record."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Mapping[str, str]


async def records(servers: list[str], topic: str) -> list[Record]:
    """Read all records of a topic, partition by partition, each in its order."""
    return await asyncio.to_thread(_read, ",".join(servers), topic)


def _read(servers: str, topic: str) -> list[Record]:
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "reader",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 5,
            "log_level": 0,
        }
    )
    found: list[Record] = []
    try:
        numbers = sorted(consumer.list_topics(topic, READ_S).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers])
        ended = 0
        while ended < len(numbers):
            message: Any = consumer.poll(READ_S)
            assert message is not None
            if message.error() is not None:
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                ended += 1
                continue
            headers = {name: bytes(value or b"").decode() for name, value in message.headers()}
            place = (message.partition(), message.offset())
            found.append(Record(*place, message.key(), message.value(), headers))
    finally:
        consumer.close()
    return sorted(found, key=lambda record: (record.partition, record.offset))
