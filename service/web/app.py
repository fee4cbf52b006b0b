"""The application: the whole route table in one list."""

from dataclasses import dataclass

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from service.web import (
    about_accounts,
    about_batches,
    about_deliveries,
    about_erasure,
    about_events,
    about_media,
    about_process,
    about_subscriptions,
    accounts,
    batches,
    callbacks,
    deliveries,
    docs,
    estimates,
    events,
    health,
    inbox,
    media,
    openapi,
    operations,
    replays,
    stream,
    subscriptions,
    tasks,
)
from service.web.auth import LINKED, authenticate
from service.web.deps import Deps
from service.web.keys import COUNTS, DEPS, DOCUMENT, DOWNLOADS, PAGE, VITALS, Counts, Downloads
from service.web.middleware import observe
from service.web.openapi import Operation
from service.web.vitals import Vitals


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: where it is, who answers, what it says of itself."""

    method: str
    path: str
    handler: Handler
    operation: Operation


ACCOUNT = "{provider}/{account}"
SUBSCRIPTION, SIGNING = "/v1/subscriptions/{id}", "/v1/signing-secret"
PUBLIC_KEYS = "/.well-known/webhooks-keys"
ROUTES = (
    Route("POST", "/v1/tasks", tasks.submit, operations.SUBMIT),
    Route("GET", "/v1/tasks", tasks.page, operations.LIST_TASKS),
    Route("GET", "/v1/tasks/{id}", tasks.show, operations.SHOW_TASK),
    Route("DELETE", "/v1/tasks/{id}", tasks.erase, about_erasure.ERASE),
    Route("GET", "/v1/tasks/{id}/timeline", tasks.timeline, operations.TIMELINE),
    Route("POST", "/v1/tasks/{id}/cancel", tasks.cancel, operations.CANCEL),
    Route("POST", "/v1/tasks/{id}/retry", tasks.retry, operations.RETRY),
    Route("GET", LINKED, media.video, about_media.VIDEO),
    Route("POST", "/v1/tasks/{id}/results/{n}/archive", media.archive, about_media.ARCHIVE),
    Route("POST", "/v1/tasks/{id}/results/{n}/link", media.link, about_media.LINK),
    Route("POST", "/v1/batches", batches.submit, about_batches.SUBMIT),
    Route("GET", "/v1/batches", batches.page, about_batches.LIST),
    Route("GET", "/v1/batches/{id}", batches.show, about_batches.SHOW),
    Route("POST", "/v1/batches/{id}/cancel", batches.cancel, about_batches.CANCEL),
    Route("POST", "/v1/estimates", estimates.make, operations.ESTIMATE),
    Route("GET", "/v1/events", events.feed, about_events.FEED),
    Route("GET", "/v1/events/stream", stream.stream, about_events.STREAM),
    Route("GET", "/v1/events/{id}", events.show, about_events.SHOW),
    Route("GET", "/v1/events/{id}/data", events.data, about_events.DATA),
    Route("POST", "/v1/subscriptions", subscriptions.create, about_subscriptions.SUBSCRIBE),
    Route("GET", "/v1/subscriptions", subscriptions.page, about_subscriptions.LIST),
    Route("GET", SUBSCRIPTION, subscriptions.show, about_subscriptions.SHOW),
    Route("PATCH", SUBSCRIPTION, subscriptions.change, about_subscriptions.CHANGE),
    Route("DELETE", SUBSCRIPTION, subscriptions.delete, about_subscriptions.DELETE),
    Route("POST", f"{SUBSCRIPTION}/test", subscriptions.test, about_subscriptions.TEST),
    Route(
        "POST", f"{SUBSCRIPTION}/rotate-secret", subscriptions.rotate, about_subscriptions.ROTATE
    ),
    Route("GET", PUBLIC_KEYS, subscriptions.public_keys, about_subscriptions.PUBLIC_KEYS),
    Route("GET", SIGNING, subscriptions.signing_secret, about_subscriptions.SIGNING_SECRET),
    Route(
        "POST",
        "/v1/signing-secret/rotate",
        deliveries.rotate_signing_secret,
        about_deliveries.ROTATE_SIGNING_SECRET,
    ),
    Route(
        "GET",
        f"{SUBSCRIPTION}/deliveries",
        deliveries.page_of_subscription,
        about_deliveries.LIST_OF_SUBSCRIPTION,
    ),
    Route("GET", "/v1/deliveries", deliveries.page, about_deliveries.LIST),
    Route("GET", "/v1/deliveries/{id}", deliveries.show, about_deliveries.SHOW),
    Route("POST", "/v1/deliveries/{id}/retry", deliveries.retry, about_deliveries.RETRY),
    Route("POST", f"{SUBSCRIPTION}/replay", replays.begin, about_deliveries.REPLAY),
    Route("GET", f"{SUBSCRIPTION}/replays", replays.page, about_deliveries.LIST_REPLAYS),
    Route("GET", "/v1/replays/{id}", replays.show, about_deliveries.SHOW_REPLAY),
    Route("POST", "/v1/replays/{id}/cancel", replays.cancel, about_deliveries.CANCEL_REPLAY),
    Route("GET", "/v1/accounts", accounts.every, about_accounts.LIST_ACCOUNTS),
    Route("GET", f"/v1/accounts/{ACCOUNT}", accounts.show, about_accounts.SHOW_ACCOUNT),
    Route("POST", f"/v1/accounts/{ACCOUNT}/pause", accounts.pause, about_accounts.PAUSE_ACCOUNT),
    Route("POST", f"/v1/accounts/{ACCOUNT}/resume", accounts.resume, about_accounts.RESUME_ACCOUNT),
    Route("GET", "/v1/callbacks", inbox.page, operations.LIST_CALLBACKS),
    Route("GET", "/v1/callbacks/{id}", inbox.show, operations.SHOW_CALLBACK),
    Route("POST", "/callbacks/{provider}/{task}/{token}", callbacks.receive, operations.RECEIVE),
    Route("GET", "/livez", health.livez, about_process.LIVE),
    Route("GET", "/readyz", health.readyz, about_process.READY),
    Route("GET", "/metrics", health.metrics, about_process.METRICS),
    Route("GET", "/openapi.json", health.document, about_process.DOCUMENT),
    Route("GET", "/docs", docs.page, about_process.DOCS),
    Route("GET", "/", health.home, about_process.HOME),
)


def make_app(deps: Deps) -> web.Application:
    """Make the application; `server.start` serves it."""
    app = web.Application(middlewares=[observe, authenticate])
    counts = Counts()
    by_route = ("method", "route", "status")
    deps.metrics.count("http_requests", "Requests answered.", by_route, counts.requests.items)
    by_reason = ("provider", "reason")
    about = "Callbacks that were refused and not stored."
    deps.metrics.count("callbacks_refused", about, by_reason, counts.refused_callbacks.items)
    downloads = Downloads()
    deps.metrics.gauge("videos_read", "Kept videos that are being read.", lambda: downloads.open)
    app[DEPS] = deps
    app[DOWNLOADS] = downloads
    app[COUNTS] = counts
    app[VITALS] = Vitals(deps.upkeep, deps.accounts, deps.metrics)
    app[DOCUMENT] = openapi.document(ROUTES, deps.version)
    app[PAGE] = docs.render(orjson.loads(app[DOCUMENT]))
    app.on_response_prepare.append(media.open_links)
    app.on_shutdown.append(_end_streams)
    for route in ROUTES:
        if route.method == "GET":
            app.router.add_get(route.path, route.handler, allow_head=True)
        else:
            app.router.add_route(route.method, route.path, route.handler)
    return app


async def _end_streams(app: web.Application) -> None:
    """Let streams end by themselves, before the server waits for its handlers."""
    app[DEPS].tail.close()
