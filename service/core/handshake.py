"""The handshake of CloudEvents web hooks: may we send here, as whom, and how much?

Source: CloudEvents, "HTTP 1.1 Web Hooks for Event Delivery", section 4 ("Abuse Protection"). A target
consents by its headers; its status says nothing, for many answer 200 to any OPTIONS.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

REQUEST_ORIGIN, REQUEST_RATE = "WebHook-Request-Origin", "WebHook-Request-Rate"
ALLOWED_ORIGIN, ALLOWED_RATE = "WebHook-Allowed-Origin", "WebHook-Allowed-Rate"
USUAL_RATE = 6000
"""Deliveries a minute that are asked for where a subscription has no limit of its own."""
CONSENT_LASTS = timedelta(days=1)
"""Then a target is asked again, before the next delivery."""
_RATE = re.compile(r"[1-9][0-9]{0,8}")
"""A positive integer; the nine digits fit the column that keeps it."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a target answered: `rate` is deliveries a minute, none for any; `why` it is no consent, for people."""

    ok: bool
    rate: int | None = None
    why: str = ""


def read_consent(origin: str, allowed: Sequence[str], rates: Sequence[str]) -> Allowed:
    """Read the values of both headers, each of which is there once in a consent."""
    if len(allowed) != 1:
        return Allowed(ok=False, why=f"{ALLOWED_ORIGIN} is there {len(allowed)} times, not once.")
    if allowed[0].strip().lower() not in {"*", origin.lower()}:
        return Allowed(ok=False, why=f"{ALLOWED_ORIGIN} is neither * nor {origin}.")
    if len(rates) != 1:
        return Allowed(ok=False, why=f"{ALLOWED_RATE} is there {len(rates)} times, not once.")
    rate = rates[0].strip()
    if rate == "*":
        return Allowed(ok=True)
    if not _RATE.fullmatch(rate):
        return Allowed(ok=False, why=f"{ALLOWED_RATE} is neither * nor a positive whole number.")
    return Allowed(ok=True, rate=int(rate))
