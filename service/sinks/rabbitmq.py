"""Events to RabbitMQ: persistent, mandatory, confirmed.

A confirm comes when every queue that an event was routed to has it on disk. RabbitMQ does not know what it had
before: the event's id is the message's, for consumers to tell repetitions by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import (
    AMQPConnectionError,
    AMQPError,
    AuthenticationError,
    ChannelAccessRefused,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionClosed,
    ConnectionNotAllowed,
    DeliveryError,
    InvalidFrameError,
    ProbableAuthenticationError,
    PublishError,
)

from service.brokers import BrokerSink, NotSent, fill, quiet
from service.clients import BadSettings, Given
from service.core.url_guard import IPNetwork
from service.dialing import Endpoint, endpoints
from service.ports import Outgoing, Sent, Target
from service.wire.attributes import attributes

PORT: Final = 5672
TLS_PORT: Final = 5671
HEARTBEAT_S: Final = 30


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """Settings and credentials, read. Without a user, the client's certificate says who it is."""

    servers: tuple[Endpoint, ...]
    vhost: str
    exchange: str
    routing_key: str
    username: str | None
    password: str


class RabbitLink:
    """One connection with one channel that confirms."""

    def __init__(
        self, connection: AbstractConnection, channel: AbstractChannel, address: str
    ) -> None:
        self._connection = connection
        self._channel = channel
        self.address = address

    async def alive(self) -> bool:
        """Say whether something can be published on it, as far as is known."""
        return not self._connection.is_closed and not self._channel.is_closed

    async def close(self) -> None:
        """Close it."""
        await self._connection.close()

    async def publish(self, exchange: str, routing_key: str, message: aio_pika.Message) -> None:
        """Publish and wait for the confirm; raises what aiormq does."""
        channel = await self._channel.get_underlay_channel()
        await channel.basic_publish(
            message.body,
            exchange=exchange,
            routing_key=routing_key,
            properties=message.properties,
            mandatory=True,
        )


class RabbitSink(BrokerSink[Plan, RabbitLink]):
    """Publishes to an exchange that is there; nothing is declared."""

    def __init__(self, allow_networks: Sequence[IPNetwork] = ()) -> None:
        super().__init__(allow_networks)
        quiet("aio_pika", "aiormq")

    def plan(self, settings: Given, credentials: Given) -> Plan:
        """Read what a subscription says; raises BadSettings."""
        servers = endpoints(settings, credentials, settings.texts("servers"), (PORT, TLS_PORT))
        exchange = settings.maybe("exchange") or ""
        username = credentials.maybe("username")
        if username is None and servers[0].certificate is None:
            raise BadSettings("credentials should hold username and password, or a certificate.")
        return Plan(
            servers,
            settings.text("vhost", "/"),
            exchange,
            settings.text("routingKey"),
            username,
            "" if username is None else credentials.text("password"),
        )

    def servers(self, plan: Plan) -> tuple[Endpoint, ...]:
        """Say where to connect."""
        return plan.servers

    async def connect(self, plan: Plan, endpoint: Endpoint, address: str) -> RabbitLink:
        """Connect, log in, open a channel that confirms."""
        context = await endpoint.context()
        url = aio_pika.connection.make_url(
            host=address,
            port=endpoint.port,
            login=plan.username or "",
            password=plan.password,
            virtualhost=plan.vhost,
            ssl=context is not None,
            heartbeat=HEARTBEAT_S,
            auth="plain" if plan.username else "external",
            name="callboard",
        )
        connection = aio_pika.Connection(url, ssl_context=context)
        try:
            await connection.connect()
            channel = await connection.channel(on_return_raises=True)
        except BaseException:
            await connection.close()
            raise
        return RabbitLink(connection, channel, address)

    async def publish(self, link: RabbitLink, plan: Plan, target: Target, event: Outgoing) -> Sent:
        """Publish and wait for the confirm."""
        named = {f"cloudEvents:{name}": value for name, value in attributes(event.body).items()}
        message = aio_pika.Message(
            event.body,
            headers={**target.headers, **named},
            content_type=event.content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=str(event.event_id),
            type=event.event_type,
            correlation_id=None if event.task_uuid is None else str(event.task_uuid),
            app_id="callboard",
        )
        await link.publish(plan.exchange, fill(plan.routing_key, event), message)
        return Sent(ok=True)

    def judge(self, error: Exception) -> NotSent | None:
        """Name what the broker said; its own text goes along."""
        text = _said(error)
        match error:
            case PublishError():
                return NotSent("unroutable", "No queue is bound for this routing key.")
            case DeliveryError():
                return NotSent(
                    "rejected", "The broker did not take it: a queue is full.", throttled=True
                )
            case (
                ProbableAuthenticationError()
                | AuthenticationError()
                | ConnectionNotAllowed()
                | ChannelAccessRefused()
            ):
                return NotSent("unauthorized", text)
            case InvalidFrameError() if "OpenOk" in text:
                # The library keeps nothing of what was said instead.
                return NotSent("unauthorized", "The broker does not open this vhost to this user.")
            case ChannelNotFoundEntity():
                return NotSent("unroutable", text)
            case ChannelPreconditionFailed() if "larger" in text:
                return NotSent("too_large", text)
            case ConnectionClosed() | ChannelInvalidStateError():
                return NotSent("disconnected", text)
            case AMQPConnectionError():
                return None
            case AMQPError():
                return NotSent("rejected", text)
            case _:
                return None


def _said(error: Exception) -> str:
    """Give what the broker said, without what the library says around it."""
    return " ".join(str(part) for part in error.args)
