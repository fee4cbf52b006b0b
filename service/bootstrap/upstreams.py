"""Upstreams as the settings have them: which are on, how many at once, which waits."""

import ipaddress
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import aiohttp

from service.core.task import Policy
from service.egress import read_proxy
from service.flows.upstreams import DEFAULT, Upstream, Upstreams
from service.ports import Provider
from service.providers.runware.client import Runware
from service.providers.sync_so.client import SyncSo
from service.settings import Settings
from service.store.accounts import Limits

KEYLESS = "The provider {name} is off: set {setting}, or add an account (callboard accounts add)."


@dataclass(frozen=True, slots=True)
class Sessions:
    """How upstreams are called: through the proxy where one is set, but for those on this machine itself."""

    direct: aiohttp.ClientSession
    proxied: aiohttp.ClientSession

    def of(self, url: str) -> aiohttp.ClientSession:
        """Give the session for an upstream's address."""
        return self.direct if is_loopback(url) else self.proxied


def proxy_of(settings: Settings) -> str | None:
    """Give the proxy that all calls take, if one is set."""
    given = settings.egress_proxy
    return None if given is None else read_proxy(given.get_secret_value())


@asynccontextmanager
async def open_sessions(settings: Settings) -> AsyncIterator[Sessions]:
    """Open what upstreams are called with."""
    async with aiohttp.ClientSession() as direct:
        proxy = proxy_of(settings)
        if proxy is None:
            yield Sessions(direct, direct)
            return
        async with aiohttp.ClientSession(proxy=proxy) as proxied:
            yield Sessions(direct, proxied)


def seconds(value: float) -> timedelta:
    """Say a number of seconds as a timedelta."""
    return timedelta(seconds=value)


def make_upstreams(
    settings: Settings, sessions: Sessions, callback_keys: tuple[bytes, ...]
) -> Upstreams:
    """Make both providers; one without a key, or that could not call back, is off and says why."""

    def runware(key: str | None, account: str) -> Runware:
        return Runware(
            sessions.of(settings.runware_url),
            api_key=key,
            url=settings.runware_url,
            timeout_s=settings.submit_timeout_seconds,
            account=account,
        )

    def sync(key: str | None, account: str) -> SyncSo:
        return SyncSo(
            sessions.of(settings.sync_url),
            api_key=key,
            url=settings.sync_url,
            webhook_secrets=tuple(s.get_secret_value() for s in settings.sync_webhook_secret),
            timeout_s=settings.submit_timeout_seconds,
            account=account,
        )

    runware_limits = Limits(
        settings.runware_concurrency,
        settings.runware_submits_per_minute,
        settings.runware_reads_per_minute,
    )
    sync_limits = Limits(
        settings.sync_concurrency, settings.sync_submits_per_minute, settings.sync_reads_per_minute
    )
    return Upstreams(
        {
            "runware": _upstream(settings, "runware", runware, runware_limits),
            "sync": _upstream(settings, "sync", sync, sync_limits),
        },
        public_url=settings.own_url,
        callback_keys=callback_keys,
        poll_only=settings.poll_only,
    )


def _upstream(
    settings: Settings,
    name: str,
    make: Callable[[str | None, str], Provider],
    limits: Limits,
) -> Upstream:
    given = settings.runware_api_key if name == "runware" else settings.sync_api_key
    key = (given.get_secret_value() if given else None) or None
    provider = make(key, DEFAULT)
    return Upstream(
        provider,
        limits,
        cannot_call_back=cannot_call_back(settings, name),
        keyless=KEYLESS.format(name=name, setting=f"CALLBOARD_{name.upper()}_API_KEY"),
        clients={DEFAULT: provider} if key else {},
        make_client=make,
    )


def off_because(settings: Settings, name: str) -> str | None:
    """Say why nothing can be sent to a provider by the environment's account; none when it can."""
    given = settings.runware_api_key if name == "runware" else settings.sync_api_key
    if given is None or not given.get_secret_value():
        return KEYLESS.format(name=name, setting=f"CALLBOARD_{name.upper()}_API_KEY")
    return cannot_call_back(settings, name)


def cannot_call_back(settings: Settings, name: str) -> str | None:
    """Say why a provider could not call us back, and how to mend it; none when it can."""
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
