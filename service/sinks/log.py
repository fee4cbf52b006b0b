"""Events as lines of the service's own log, for development: nothing keeps them, and no secret is needed."""

import logging
from typing import Final

import structlog

from service.clients import BadSettings, Given
from service.ports import Outgoing, Sent, Target

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
log = structlog.get_logger()


class LogSink:
    """Writes one line an event. A level that is not shown is a failure: an event must not vanish as delivered."""

    max_bytes: int | None = None

    async def send(self, target: Target, event: Outgoing) -> Sent:
        """Write the line."""
        try:
            settings = Given(target.settings)
            name, body = settings.text("level", "info"), settings.flag("body", default=True)
        except BadSettings as error:
            return Sent(ok=False, error="invalid_settings", response=str(error).encode())
        if name not in LEVELS:
            return Sent(ok=False, error="invalid_settings", response=b"level is not known.")
        bound = log.bind()
        if not bound.is_enabled_for(LEVELS[name]):
            text = f"CALLBOARD_LOG_LEVEL does not show lines of level {name}."
            return Sent(ok=False, error="invalid_settings", response=text.encode())
        bound.log(
            LEVELS[name],
            "event.logged",
            event_id=str(event.event_id),
            event_type=event.event_type,
            task_id=str(event.task_uuid) if event.task_uuid else None,
            **({"body": event.body.decode("utf-8", "replace")} if body else {}),
        )
        return Sent(ok=True)

    async def close(self) -> None:
        """Do nothing: the log is not ours."""
