"""The sink of NATS JetStream."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import nats.errors

from service.brokers import BrokerSink, NotSent, fill, quiet
from service.clients import BadSettings, Given
from service.core.url_guard import IPNetwork
from service.dialing import Endpoint, endpoints
from service.ports import Outgoing, Sent, Target
from service.sinks.nats.link import Login, NatsLink
from service.sinks.nats.nkey import read_creds, read_seed
from service.wire.attributes import attributes

PORT: Final = 4222


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """Settings and credentials, read."""

    servers: tuple[Endpoint, ...]
    subject: str
    stream: str | None
    inbox: str
    login: Login


class NatsSink(BrokerSink[Plan, NatsLink]):
    """Publishes to JetStream; the event's id is the message's, so a stream takes it once in its window."""

    def __init__(self, allow_networks: Sequence[IPNetwork] = ()) -> None:
        super().__init__(allow_networks)
        quiet("nats")

    def plan(self, settings: Given, credentials: Given) -> Plan:
        """Read what a subscription says; raises BadSettings."""
        return Plan(
            endpoints(settings, credentials, settings.texts("servers"), (PORT, PORT)),
            settings.text("subject"),
            settings.maybe("stream"),
            settings.text("inboxPrefix", "_INBOX"),
            _login(credentials),
        )

    def servers(self, plan: Plan) -> tuple[Endpoint, ...]:
        """Say where to connect."""
        return plan.servers

    async def connect(self, plan: Plan, endpoint: Endpoint, address: str) -> NatsLink:
        """Connect and log in."""
        link = NatsLink(address)
        context = await endpoint.context()
        try:
            await link.open(endpoint, context, plan.login, plan.inbox)
        except BaseException:
            self.discard(link)
            raise
        return link

    async def publish(self, link: NatsLink, plan: Plan, target: Target, event: Outgoing) -> Sent:
        """Publish and wait until the stream has it."""
        deadline = asyncio.get_running_loop().time() + target.timeout_s
        headers = {
            **target.headers,
            **{f"ce-{name}": value for name, value in attributes(event.body).items()},
            "Content-Type": event.content_type,
            "Nats-Msg-Id": str(event.event_id),
        }
        if plan.stream is not None:
            headers["Nats-Expected-Stream"] = plan.stream
        ack = await link.publish(fill(plan.subject, event), event.body, headers, deadline)
        again = ", known already" if ack.get("duplicate") else ""
        text = f"Stream {ack.get('stream')}, sequence {ack.get('seq')}{again}"
        return Sent(ok=True, response=text.encode())

    def judge(self, error: Exception) -> NotSent | None:
        """Name what the server said, or what the library found wrong."""
        text = str(error).removeprefix("nats: ").strip("'")
        match error:
            case nats.errors.AuthorizationError():
                return NotSent("unauthorized", text)
            case nats.errors.BadSubjectError() | nats.errors.BadHeaderError():
                return NotSent("invalid_settings", text)
            case nats.errors.TimeoutError():
                return NotSent("timeout")
            case nats.errors.StaleConnectionError() | nats.errors.ConnectionClosedError():
                return NotSent("disconnected")
            case nats.errors.Error() if "authorization" in text.lower():
                return NotSent("unauthorized", text)
            case nats.errors.Error() if error.__cause__ is None and error.__context__ is None:
                return NotSent("protocol", text)
        return None


def _login(credentials: Given) -> Login:
    try:
        creds, seed = credentials.maybe("creds"), credentials.maybe("nkeySeed")
        if creds is not None:
            jwt, key = read_creds(creds)
            return Login(key=key, jwt=jwt)
        if seed is not None:
            return Login(key=read_seed(seed))
    except ValueError:
        raise BadSettings("creds or nkeySeed cannot be read.") from None
    return Login(
        credentials.maybe("username"), credentials.maybe("password"), credentials.maybe("token")
    )
