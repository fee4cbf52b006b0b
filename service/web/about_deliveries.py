"""What the routes of deliveries and replays do, in the words of the OpenAPI document."""

from typing import Final, get_args

from schemas.api.deliveries import (
    DELIVERY_ID,
    DeliveryDetail,
    DeliveryPage,
    DeliveryState,
    SigningSecretRotate,
    SigningSecretRotated,
)
from schemas.api.replays import ReplayPage, ReplayRequest, ReplayView
from service.web import examples
from service.web.about_events import TYPES
from service.web.events import MOST_TYPES
from service.web.openapi import Operation, Parameter, Reply
from service.web.operations import CURSOR, KEY, MADE, TASK, UUID, limit

_STATES: Final = list(get_args(DeliveryState))
_ID = Parameter("id", {"type": "string", "pattern": DELIVERY_ID}, "As it is shown.", "path")
_FILTERS = [
    Parameter(
        "state",
        {"type": "string", "enum": _STATES},
        "Repeated, any of them.",
        most=len(_STATES),
    ),
    Parameter(
        "type",
        TYPES,
        "A type, `task.*`, `video.*` or `batch.*`; repeated, or a list with commas. A page may then hold fewer items "
        "than there is room for: read on while there is a `nextCursor`.",
        most=MOST_TYPES,
    ),
    TASK,
    Parameter("event", UUID, "Only of this event."),
    limit(100, 50),
    CURSOR,
]

LIST: Final = Operation(
    "listDeliveries",
    "List deliveries, newest first",
    "deliveries",
    {200: Reply("A page.", [DeliveryPage])},
    about="Those to a `notifyURL` too.",
    parameters=[Parameter("subscription", UUID, "Only to this subscription."), *_FILTERS],
    problems=[400],
)
LIST_OF_SUBSCRIPTION: Final = Operation(
    "listSubscriptionDeliveries",
    "List the deliveries of a subscription, newest first",
    "deliveries",
    {200: Reply("A page.", [DeliveryPage])},
    parameters=_FILTERS,
    problems=[400, 404],
)
SHOW: Final = Operation(
    "getDelivery",
    "Show a delivery with its attempts",
    "deliveries",
    {200: Reply("The delivery.", [DeliveryDetail])},
    parameters=[_ID],
    problems=[400, 404],
)
RETRY: Final = Operation(
    "retryDelivery",
    "Send a delivery again now",
    "deliveries",
    {202: Reply("It is queued.", [DeliveryDetail], headers=MADE)},
    about=(
        "Whatever became of it, with a fresh schedule of attempts, outside the order of its task. One that is `pending` "
        "has its next attempt now and keeps its place in the order. 409 while it is `sending`; 409 "
        "`subscription_disabled` until its subscription is enabled; 410 `erased` once its task was erased."
    ),
    parameters=[_ID, KEY],
    problems=[400, 404, 409, 410, 422],
)
REPLAY: Final = Operation(
    "replaySubscription",
    "Send deliveries of a time range again",
    "replays",
    {202: Reply("It runs in the background.", [ReplayView], headers=MADE)},
    about=(
        "Outside the order of new events: neither waits for the other. A subscription has one running replay at a time: "
        "409 `replay_running` names it. 409 `subscription_disabled` until it is enabled."
    ),
    parameters=[KEY],
    body=ReplayRequest,
    examples=examples.REPLAYS,
    problems=[400, 404, 408, 409, 413, 415, 422],
)
LIST_REPLAYS: Final = Operation(
    "listReplays",
    "List the replays of a subscription, newest first",
    "replays",
    {200: Reply("A page.", [ReplayPage])},
    parameters=[limit(100, 20), CURSOR],
    problems=[400, 404],
)
SHOW_REPLAY: Final = Operation(
    "getReplay",
    "Show how far a replay is",
    "replays",
    {200: Reply("The replay.", [ReplayView])},
    problems=[400, 404],
)
CANCEL_REPLAY: Final = Operation(
    "cancelReplay",
    "Stop a replay",
    "replays",
    {200: Reply("It is canceled, or was before.", [ReplayView])},
    about="It queues no more. What it queued already, some seconds of its rate, is still sent.",
    problems=[400, 404, 409],
)
ROTATE_SIGNING_SECRET: Final = Operation(
    "rotateSigningSecret",
    "Make a new secret for what goes to a notifyURL",
    "subscriptions",
    {200: Reply("The new secret.", [SigningSecretRotated])},
    about="The one before signs too for `overlapSeconds`; one that overlaps already ends with the next rotation.",
    body=SigningSecretRotate,
    body_required=False,
    examples=examples.ROTATIONS,
    problems=[400, 408, 413, 415, 422],
)
