"""What the routes do that are about subscriptions, in the words of the OpenAPI document."""

from typing import Final

from schemas.api.keys import PublicKeySet
from schemas.api.subscriptions import (
    RotateOptions,
    SigningSecret,
    SubscriptionCreate,
    SubscriptionCreated,
    SubscriptionPage,
    SubscriptionPatch,
    SubscriptionTested,
    SubscriptionView,
)
from service.web import examples
from service.web.openapi import Operation, Parameter, Reply
from service.web.operations import CURSOR, KEY, MADE, TEXT, limit

MERGE_PATCH: Final = ("application/merge-patch+json", "application/json")
SEALED: Final = " An answer that is kept for an Idempotency-Key is kept sealed."

SUBSCRIBE = Operation(
    "createSubscription",
    "Say where events are to go",
    "subscriptions",
    {201: Reply("With its secret, which is shown this once.", [SubscriptionCreated], headers=MADE)},
    about="It misses no event that is written after the answer." + SEALED,
    parameters=[KEY],
    body=SubscriptionCreate,
    examples=examples.SUBSCRIPTIONS,
    problems=[400, 408, 409, 413, 415, 422],
)
LIST = Operation(
    "listSubscriptions",
    "List subscriptions, oldest first",
    "subscriptions",
    {200: Reply("A page.", [SubscriptionPage])},
    parameters=[
        Parameter("kind", TEXT | {"examples": ["webhook"]}, "Only of this kind."),
        Parameter(
            "enabled",
            {"type": "string", "enum": ["true", "false"]},
            "Only those that are, or are not.",
        ),
        limit(100, 50),
        CURSOR,
    ],
    problems=[400],
)
SHOW = Operation(
    "getSubscription",
    "Show a subscription",
    "subscriptions",
    {200: Reply("The subscription.", [SubscriptionView])},
    problems=[400, 404],
)
CHANGE = Operation(
    "updateSubscription",
    "Change a subscription",
    "subscriptions",
    {200: Reply("As it is now.", [SubscriptionView])},
    about="A JSON merge patch (RFC 7396). Events that are written after the answer meet the new filters; deliveries that "
    "were written before stay, and go where it leads now. Enabling it, or leading it elsewhere, forgets its failures.",
    body=SubscriptionPatch,
    media=MERGE_PATCH,
    examples=examples.PATCHES,
    problems=[400, 404, 408, 413, 415, 422],
)
DELETE = Operation(
    "deleteSubscription",
    "Delete a subscription; what was not delivered to it is canceled",
    "subscriptions",
    {204: Reply("It is gone.")},
    problems=[400, 404],
)
TEST = Operation(
    "testSubscription",
    "Send a test event now",
    "subscriptions",
    {200: Reply("What came back, good or bad.", [SubscriptionTested])},
    about="A `callboard.test` event goes to its target at once, once, also while it is disabled, past its filters and "
    "limits. It is signed as any other. It is no delivery, and is not in the feed: nothing happened.",
    problems=[400, 404],
)
ROTATE = Operation(
    "rotateSubscriptionSecret",
    "Give a subscription a new secret",
    "subscriptions",
    {
        200: Reply(
            "With its new secret, which is shown this once.", [SubscriptionCreated], headers=MADE
        )
    },
    about="Until `overlapSeconds` are over the secret before signs too; with v1a the same holds for its key pair. There is "
    "one secret before: rotated again in that time, the present one takes its place, and the older one signs no more. "
    "409 where nothing is signed." + SEALED,
    parameters=[KEY],
    body=RotateOptions,
    body_required=False,
    examples=examples.ROTATIONS,
    problems=[400, 404, 408, 409, 413, 415, 422],
)
PUBLIC_KEYS = Operation(
    "getPublicKeys",
    "The public keys that verify signatures v1a",
    "subscriptions",
    {200: Reply("A JWK Set.", [PublicKeySet], headers={"Cache-Control": "`max-age=300`."})},
    about="Those of all subscriptions, without saying whose; those before a rotation too, while they sign.",
    problems=[400],
    guarded=False,
)
SIGNING_SECRET = Operation(
    "getSigningSecret",
    "Show the secret that signs what goes to a notifyURL",
    "subscriptions",
    {200: Reply("The secret.", [SigningSecret])},
    problems=[400],
)
