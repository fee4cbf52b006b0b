"""Upstreams as the settings have them: which are on, how many at once, which waits."""

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

import aiohttp

from service.core.task import Policy
from service.flows.upstreams import Upstream, Upstreams
from service.providers.runware.client import Runware
from service.providers.sync_so.client import SyncSo
from service.settings import Settings


def seconds(value: float) -> timedelta:
    """Say a number of seconds as a timedelta."""
    return timedelta(seconds=value)


def make_upstreams(
    settings: Settings, session: aiohttp.ClientSession, callback_keys: tuple[bytes, ...]
) -> Upstreams:
    """Make both providers; one without a key, or that could not call back, is off and says why."""
    key = settings.runware_api_key
    runware = Runware(
        session,
        api_key=key.get_secret_value() if key else None,
        url=settings.runware_url,
        timeout_s=settings.submit_timeout_seconds,
    )
    key = settings.sync_api_key
    sync = SyncSo(
        session,
        api_key=key.get_secret_value() if key else None,
        url=settings.sync_url,
        webhook_secrets=tuple(s.get_secret_value() for s in settings.sync_webhook_secret),
        timeout_s=settings.submit_timeout_seconds,
    )
    return Upstreams(
        {
            "runware": Upstream(
                runware, settings.runware_concurrency, off_because(settings, "runware")
            ),
            "sync": Upstream(sync, settings.sync_concurrency, off_because(settings, "sync")),
        },
        public_url=settings.own_url,
        callback_keys=callback_keys,
        poll_only=settings.poll_only,
    )


def off_because(settings: Settings, name: str) -> str | None:
    """Say why nothing can be sent to a provider, and how to mend it; none when it is on."""
    key = settings.runware_api_key if name == "runware" else settings.sync_api_key
    if key is None or not key.get_secret_value():
        return f"The provider {name} is off: set CALLBOARD_{name.upper()}_API_KEY."
    url = settings.runware_url if name == "runware" else settings.sync_url
    if settings.poll_only or is_loopback(url) or is_public_https(settings.own_url):
        return None
    return (
        f"The provider {name} is off: it could not call back {settings.own_url}. "
        "Set CALLBOARD_PUBLIC_URL to a public https URL, or CALLBOARD_POLL_ONLY=1."
    )


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine."""
    host = urlsplit(url).hostname or ""
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_public_https(url: str) -> bool:
    """Whether a URL may be called from outside, as far as can be told without asking the DNS."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    address = _address(host)
    public = "." in host if address is None else address.is_global
    return parts.scheme == "https" and public


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def policies(settings: Settings) -> Mapping[str, Policy]:
    """Make the waits and limits of both providers."""
    resend = {
        "runware": settings.runware_resend_seconds,
        "sync": settings.sync_resend_seconds,
    }
    return {name: _policy(settings, window) for name, window in resend.items()}


def _policy(settings: Settings, resend_window_s: float) -> Policy:
    return Policy(
        poll_after=seconds(settings.poll_after_seconds),
        poll_max=seconds(settings.poll_max_seconds),
        unknown_read_after=seconds(settings.unknown_read_seconds),
        call_limit=seconds(settings.submit_timeout_seconds),
        lease=seconds(settings.lease_seconds),
        resend_window=seconds(resend_window_s),
        resend_margin=seconds(settings.resend_margin_seconds),
        deadline_grace=seconds(settings.deadline_grace_seconds),
        slot_max=seconds(settings.slot_max_seconds),
        settle_wait=seconds(settings.settle_wait_seconds),
        vague_span=seconds(settings.vague_span_seconds),
        vague_polls=settings.vague_polls,
        retry_base=seconds(settings.retry_base_seconds),
        retry_max=seconds(settings.retry_max_seconds),
    )
