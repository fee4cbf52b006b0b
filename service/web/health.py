"""Whether this process lives, whether it should be sent requests, its numbers, and what is served here."""

from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from service.web.answers import json_bytes, json_of
from service.web.keys import DEPS, DOCUMENT, VITALS

DAYS_AHEAD_WARNED = 3
NO_STORE: Final = {"Cache-Control": "no-store"}


async def livez(request: web.Request) -> web.Response:
    """Say whether this process should be left alone: no loop of it has died for good."""
    failed = request.app[DEPS].health.failed
    status = 200 if failed is None else 503
    return json_of({"alive": failed is None, "failedLoop": failed}, status=status, headers=NO_STORE)


async def readyz(request: web.Request) -> web.Response:
    """Say whether this process should be sent requests."""
    health = request.app[DEPS].health
    pulse = await request.app[VITALS].take()
    loops = dict(health.loops_alive())
    ready = pulse is not None and not health.draining and all(loops.values())
    warnings = []
    if pulse is not None and pulse.days_ahead < DAYS_AHEAD_WARNED:
        warnings.append(f"partitions are made for {pulse.days_ahead} days ahead only")
    shown = {
        "ready": ready,
        "checks": {"database": pulse is not None, "draining": health.draining, "loops": loops},
        "warnings": warnings,
    }
    return json_of(shown, status=200 if ready else 503, headers=NO_STORE)


async def metrics(request: web.Request) -> web.Response:
    """Give the numbers as Prometheus text."""
    await request.app[VITALS].take()
    text = request.app[DEPS].metrics.text()
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST, **NO_STORE})


async def document(request: web.Request) -> web.Response:
    """Give the OpenAPI document."""
    return json_bytes(request.app[DOCUMENT])


async def home(request: web.Request) -> web.Response:
    """Say what is served here."""
    links = {
        "docs": "/docs",
        "openapi": "/openapi.json",
        "tasks": "/v1/tasks",
        "events": "/v1/events",
        "subscriptions": "/v1/subscriptions",
        "callbacks": "/v1/callbacks",
        "accounts": "/v1/accounts",
        "ready": "/readyz",
        "metrics": "/metrics",
    }
    version = request.app[DEPS].version
    shown = {"name": "callboard", "version": version, "links": links}
    return json_of(shown)
