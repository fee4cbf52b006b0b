"""What the sinks of all three services have in common: one attempt, by a subscription's client, within its time."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Final

from aiohttp.abc import AbstractResolver

from service.clients import Clients, Given
from service.core.url_guard import IPNetwork
from service.ports import Outgoing, Sent, Target
from service.sinks.aws.client import Connected, Maker
from service.sinks.aws.errors import judge
from service.wire.attributes import attributes

MOST_BYTES: Final = 262_144
"""256 KiB, what each of the services has always taken. Some take more by now: `maxBytes` in the settings."""
ROOM: Final = 4096
"""For what is counted besides the body: attributes, their names and types."""


class TooLarge(Exception):
    """The event with all that is counted is larger than its target takes."""


class AwsSink(ABC):
    """Sends to one AWS service; one client a subscription. To be made inside a running loop."""

    service: ClassVar[str]
    max_bytes: int | None = MOST_BYTES - ROOM

    def __init__(
        self,
        allow_networks: Sequence[IPNetwork] = (),
        *,
        proxy: str | None = None,
        ambient: bool = False,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._maker = Maker(self.service, allow_networks, resolver, proxy=proxy, ambient=ambient)
        self._clients: Clients[Connected] = Clients(Connected.close)

    async def send(self, target: Target, event: Outgoing) -> Sent:
        """Make one attempt; never raises for anything the service or the network does."""
        try:
            most = Given(target.settings).number("maxBytes", MOST_BYTES)
            request = self.request(Given(target.settings), event, most)
            async with (
                asyncio.timeout(target.timeout_s),
                self._clients.of(target, partial(self._maker.make, target)) as connected,
            ):
                sent = await self.call(connected.client, request)
                return replace(sent, address=next(iter(connected.peers), None))
        except TooLarge:
            return Sent(ok=False, error="too_large")
        except Exception as error:  # noqa: BLE001 - a library's faults are an attempt's failure too
            return judge(error)

    async def close(self) -> None:
        """Close all connections."""
        await self._clients.close()
        await self._maker.close()

    @abstractmethod
    def request(self, settings: Given, event: Outgoing, most: int) -> dict[str, Any]:
        """Make the arguments of the call; raises BadSettings, or TooLarge for more than `most` bytes."""

    @abstractmethod
    async def call(self, client: Any, request: dict[str, Any]) -> Sent:
        """Make the call; raises what botocore raises."""


def message_attributes(event: Outgoing) -> dict[str, dict[str, str]]:
    """Give an event's attributes as SQS and SNS carry them, named as in Kafka: `ce_id` and so on."""
    found = attributes(event.body) | {"id": str(event.event_id), "type": event.event_type}
    named = {"content-type": event.content_type}
    named |= {f"ce_{name}": value for name, value in found.items()}
    return {name: {"DataType": "String", "StringValue": value} for name, value in named.items()}


def message_text(event: Outgoing) -> str:
    """Write the body as the text of a message, in which two characters that JSON may hold are forbidden.

    They can only stand inside a JSON text, where their escapes mean the same. (SQS, SendMessage: `#xE000 to #xFFFD`.)
    """
    text = event.body.decode()
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def fit(text: str, named: dict[str, dict[str, str]], most: int) -> None:
    """Raise TooLarge where a message with its attributes (name, type, value) has more than `most` bytes."""
    size = len(text.encode())
    for name, value in named.items():
        size += sum(len(part.encode()) for part in (name, *value.values()))
    if size > most:
        raise TooLarge


def fifo(event: Outgoing) -> dict[str, str]:
    """Give what a FIFO queue or topic keeps the order and the events apart by; it forgets ids after five minutes."""
    group = event.task_uuid or event.event_id
    return {"MessageGroupId": str(group), "MessageDeduplicationId": str(event.event_id)}


def stored(answer: dict[str, Any], name: str) -> Sent:
    """Read the id that a stored message got; an answer without one confirms nothing."""
    message_id = answer.get(name)
    if not message_id:
        return Sent(ok=False, status=200, error="protocol", response=b"no " + name.encode())
    return Sent(ok=True, status=200, response=str(message_id).encode())
