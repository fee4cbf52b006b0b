"""Events as SQS messages: the body is the envelope, its attributes are message attributes.

A FIFO queue (`.fifo`) keeps the order of each task and drops what it has had within five minutes, by the event's id.
A standard queue does neither.
"""

from typing import Any

from service.clients import Given
from service.ports import Outgoing, Sent
from service.sinks.aws.sink import AwsSink, fifo, fit, message_attributes, message_text, stored


class SqsSink(AwsSink):
    """Sends to queues, and waits until SQS has stored the message."""

    service = "sqs"

    def request(self, settings: Given, event: Outgoing, most: int) -> dict[str, Any]:
        """Make the arguments of SendMessage."""
        queue, text, named = (
            settings.text("queueUrl"),
            message_text(event),
            message_attributes(event),
        )
        fit(text, named, most)
        order = fifo(event) if queue.endswith(".fifo") else {}
        return {"QueueUrl": queue, "MessageBody": text, "MessageAttributes": named, **order}

    async def call(self, client: Any, request: dict[str, Any]) -> Sent:
        """Send one message; the answer's id is kept."""
        answer = await client.send_message(**request)
        return stored(answer, "MessageId")
