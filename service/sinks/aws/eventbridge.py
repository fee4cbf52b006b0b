"""Events on an EventBridge bus: `source` by the settings, `detail-type` the event's type, `detail` the envelope.

EventBridge neither deduplicates nor keeps an order: consumers tell by `detail.id`, and order by `detail.sequence`.
"""

from typing import Any, Final

from service.clients import Given
from service.ports import Outgoing, Sent
from service.sinks.aws.errors import refused
from service.sinks.aws.sink import AwsSink, TooLarge
from service.wire.attributes import attributes

SOURCE: Final = "callboard"
BUS: Final = "default"


class EventbridgeSink(AwsSink):
    """Puts events onto a bus, and looks whether EventBridge took each."""

    service = "events"

    def request(self, settings: Given, event: Outgoing, most: int) -> dict[str, Any]:
        """Make the arguments of PutEvents. Its size is that of the parts which AWS documents to count."""
        subject = attributes(event.body).get("subject")
        entry = {
            "EventBusName": settings.text("eventBusName", BUS),
            "Source": settings.text("source", SOURCE),
            "DetailType": event.event_type,
            "Detail": event.body.decode(),
            "Resources": [subject] if subject else [],
        }
        counted = (entry["Source"], entry["DetailType"], entry["Detail"], *entry["Resources"])
        if sum(len(str(part).encode()) for part in counted) > most:
            raise TooLarge
        return {"Entries": [entry]}

    async def call(self, client: Any, request: dict[str, Any]) -> Sent:
        """Put one event; a good status with a failed entry is a failure."""
        answer = await client.put_events(**request)
        entry = (answer.get("Entries") or [{}])[0]
        if answer.get("FailedEntryCount") or not entry.get("EventId"):
            return refused(
                str(entry.get("ErrorCode", "")), str(entry.get("ErrorMessage", "")), None
            )
        return Sent(ok=True, status=200, response=str(entry["EventId"]).encode())
