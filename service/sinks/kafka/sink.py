"""Events as Kafka records, confirmed by all in-sync replicas.

The body is the envelope, as the Kafka protocol binding of CloudEvents has it in structured mode; its attributes are
headers besides (`ce_id`, `ce_type` …), and the key is the taskUUID: all of a task goes into one partition, in order.
Kafka knows no deduplication by id. An idempotent producer doubles nothing as long as it lives; after a restart, an
event whose confirmation was lost comes twice, and consumers tell by `ce_id`.
"""

import asyncio
import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from aiohttp.abc import AbstractResolver

from service.clients import BadSettings, Clients, Given
from service.core.url_guard import IPNetwork
from service.ports import Outgoing, Sent, Target
from service.sinks.kafka.errors import judge
from service.sinks.kafka.producer import Header, Producer
from service.wire.attributes import attributes

MOST_BYTES: Final = 1_048_576
"""`max.request.size` of producers, and about `message.max.bytes` of brokers, by default."""
ROOM: Final = 4096
"""For key, headers and the batch around them: they count as well."""
PATIENCE: Final = 0.8
"""The share of an attempt's time after which aiokafka gives up by itself and says why."""
PROTOCOLS: Final = frozenset({"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"})
MECHANISMS: Final = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})


class KafkaSink:
    """Publishes to topics; one producer a subscription. To be made inside a running loop."""

    max_bytes: int | None = MOST_BYTES - ROOM

    def __init__(
        self, allow_networks: Sequence[IPNetwork] = (), *, resolver: AbstractResolver | None = None
    ) -> None:
        self._allowed = tuple(allow_networks)
        self._resolver = resolver
        self._producers: Clients[Producer] = Clients(Producer.stop)

    async def send(self, target: Target, event: Outgoing) -> Sent:
        """Publish one record and wait for its confirmation; never raises for anything the brokers do."""
        try:
            settings = Given(target.settings)
            topic = settings.text("topic")
            if len(event.body) + ROOM > settings.number("maxBytes", MOST_BYTES):
                return Sent(ok=False, error="too_large")
            return await self._attempt(target, topic, event)
        except Exception as error:  # noqa: BLE001 - a library's faults are an attempt's failure too
            return judge(error)

    async def close(self) -> None:
        """Close all connections."""
        await self._producers.close()

    async def _attempt(self, target: Target, topic: str, event: Outgoing) -> Sent:
        deadline = asyncio.get_running_loop().time() + target.timeout_s
        async with AsyncExitStack() as stack:
            async with asyncio.timeout_at(deadline):
                lent = self._producers.of(target, partial(self._open, target))
                producer = await stack.enter_async_context(lent)
            try:
                async with asyncio.timeout_at(deadline):
                    return await _publish(producer, topic, event)
            except TimeoutError:
                raise producer.away or TimeoutError from None
            finally:
                if producer.given_up:
                    self._producers.drop(producer)

    async def _open(self, target: Target) -> Producer:
        settings, credentials = Given(target.settings), Given(target.credentials)
        protocol = settings.text("securityProtocol", "SSL")
        mechanism = settings.text("saslMechanism", "PLAIN")
        if protocol not in PROTOCOLS or mechanism not in MECHANISMS:
            raise BadSettings(
                "securityProtocol or saslMechanism is not one of those that are known."
            )
        sasl = protocol.startswith("SASL_")
        producer = Producer(
            self._allowed,
            self._resolver,
            settings.maybe("ca"),
            bootstrap_servers=list(settings.texts("bootstrapServers")),
            client_id=settings.text("clientId", "callboard"),
            max_request_size=settings.number("maxBytes", MOST_BYTES),
            request_timeout_ms=math.ceil(target.timeout_s * PATIENCE * 1000),
            security_protocol=protocol,
            ssl_context=_ANY_TLS if protocol.endswith("SSL") else None,
            sasl_mechanism=mechanism,
            sasl_plain_username=credentials.text("username") if sasl else None,
            sasl_plain_password=credentials.text("password") if sasl else None,
        )
        try:
            await producer.start()
        except BaseException:
            self._producers.discard(producer)
            raise
        return producer


_ANY_TLS: Final = object()
"""aiokafka asks for a context up front; the real one is made for each broker by its name."""


async def _publish(producer: Producer, topic: str, event: Outgoing) -> Sent:
    key = None if event.task_uuid is None else str(event.task_uuid).encode()
    done = await producer.publish(event.event_id, topic, key, event.body, _headers(event))
    text = f"partition {done.partition}, offset {done.offset}"
    return Sent(ok=True, response=text.encode(), address=producer.address_of(done))


def _headers(event: Outgoing) -> list[Header]:
    found = attributes(event.body) | {"id": str(event.event_id), "type": event.event_type}
    named = [(f"ce_{name}", value.encode()) for name, value in found.items()]
    return [("content-type", event.content_type.encode()), *named]
