"""Events as SNS messages: the message is the envelope, its attributes are message attributes, for filter policies.

A FIFO topic (`.fifo`) keeps the order of each task and drops what it has had within five minutes, by the event's id.
"""

from typing import Any

from service.clients import Given
from service.ports import Outgoing, Sent
from service.sinks.aws.sink import AwsSink, fifo, fit, message_attributes, message_text, stored


class SnsSink(AwsSink):
    """Publishes to topics, and waits until SNS has stored the message."""

    service = "sns"

    def request(self, settings: Given, event: Outgoing, most: int) -> dict[str, Any]:
        """Make the arguments of Publish."""
        topic, text, named = (
            settings.text("topicArn"),
            message_text(event),
            message_attributes(event),
        )
        fit(text, named, most)
        order = fifo(event) if topic.endswith(".fifo") else {}
        return {"TopicArn": topic, "Message": text, "MessageAttributes": named, **order}

    async def call(self, client: Any, request: dict[str, Any]) -> Sent:
        """Publish one message; the answer's id is kept."""
        answer = await client.publish(**request)
        return stored(answer, "MessageId")
