"""Part of step 5: no delivery to a target that asks for the handshake before it consented.

The handshake of CloudEvents web hooks (`core.handshake`): before the first delivery, and when the consent is
older than a day, the target is asked by OPTIONS. Without consent an attempt fails and follows the usual schedule.
"""

import asyncio
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from service.core.handshake import CONSENT_LASTS, USUAL_RATE
from service.ports import Asker, Consent, Outgoing, Sent, Sink, Target
from service.store import subscriptions
from service.store.pool import Pool, Record, connection

NOT_ASKED = Consent(ok=False, error="no_consent", response=b"The target was not asked to the end.")


class Handshake:
    """Asks targets for their consent, each once at a time, and keeps it in the subscription's row."""

    def __init__(self, pool: Pool, public_url: str) -> None:
        self._pool = pool
        self.origin = urlsplit(public_url).hostname or public_url
        """Who we say we are: the host of the public URL."""
        self._asking: dict[tuple[UUID, str], asyncio.Future[Consent]] = {}
        self._given: dict[UUID, tuple[datetime, str, Consent]] = {}
        """When each target last consented here, at which URL."""

    async def send(self, row: Record, sink: Sink, target: Target, event: Outgoing) -> Sent:
        """Send a claimed delivery; where its subscription wants the handshake, after that.

        Both together have the time of one attempt. Raises as `ensure` does.
        """
        if not row["handshake"] or not isinstance(sink, Asker):
            return await sink.send(target, event)
        clock = asyncio.get_running_loop().time
        began = clock()
        consent = await self.ensure(row, sink, target)
        left_s = target.timeout_s - (clock() - began)
        if consent.ok and left_s > 0:
            return await sink.send(replace(target, origin=self.origin, timeout_s=left_s), event)
        return Sent(
            ok=False,
            status=consent.status,
            error=consent.error or "timeout",
            response=consent.response,
            address=consent.address,
        )

    async def ensure(self, row: Record, sink: Asker, target: Target) -> Consent:
        """Give the consent there is, or ask for it; whoever needs it meanwhile gets the same answer.

        `row` has the subscription's `subscription_id`, `url`, `allowed_at`, `allowed_rate` and
        `rate_per_minute`, and the database's `now`. Raises Unavailable when the database is away.
        """
        known = self._known(row)
        if known is not None:
            return known
        asked = (row["subscription_id"], row["url"])
        under_way = self._asking.get(asked)
        if under_way is not None:
            # Not awaited itself: that would cancel it for everybody when one is canceled.
            await asyncio.wait([under_way])
            return under_way.result()
        answer = self._asking[asked] = asyncio.get_running_loop().create_future()
        consent = NOT_ASKED
        try:
            consent = await self._ask(row, sink, target)
        finally:
            del self._asking[asked]
            answer.set_result(consent)
        return consent

    def _known(self, row: Record) -> Consent | None:
        """Give the consent of the row; or one that came after the row was read."""
        given = self._given.get(row["subscription_id"])
        if given is not None and row["now"] <= given[0] and row["url"] == given[1]:
            return given[2]
        since: datetime | None = row["allowed_at"]
        fresh = since is not None and row["now"] - since < CONSENT_LASTS
        return Consent(ok=True, rate=row["allowed_rate"]) if fresh else None

    async def _ask(self, row: Record, sink: Asker, target: Target) -> Consent:
        asked, url = row["subscription_id"], row["url"]
        self._given.pop(asked, None)
        consent = await sink.ask(target, self.origin, row["rate_per_minute"] or USUAL_RATE)
        if consent.ok or consent.error == "no_consent":
            # A target that could not be asked has withdrawn nothing.
            async with connection(self._pool) as conn:
                since = await subscriptions.note_consent(
                    conn, asked, url, consent.rate, ok=consent.ok
                )
            if since is not None:
                self._given[asked] = (since, url, consent)
        return consent
