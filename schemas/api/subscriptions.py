"""Where events go, and the secret that signs what goes to a notifyURL."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from ..api.pages import Page
from ..api.subscription_fields import (
    HIDDEN,
    BatchSize,
    Concurrency,
    Condition,
    Credentials,
    Description,
    DisabledReason,
    Format,
    HeaderName,
    HeaderValue,
    Kind,
    Model,
    PerMinute,
    Scheme,
    Schemes,
    Settings,
    TimeoutSeconds,
    Types,
    Url,
)
from ..api.tasks import LabelKey, Labels, LabelValue, Provider
from ..base import Request, Strict, Where
from . import sinks

ABOUT_MODEL = "Only of this model's tasks; no events of batches and subscriptions."
ABOUT_CONDITION = (
    "An SQL/JSON path predicate on the event's `data` (without the request), evaluated by Postgres while the event is "
    'written: `$.result.cost > 0.5 && $.task.labels.project == "spring"`, '
    '`exists($.results[*] ? (@.state == "failed"))`. It compares paths with constants. What takes more time than to '
    "walk down the data is refused: `like_regex`, `.**`, two paths in one comparison, `$` inside a filter, "
    "arithmetic; so are `.datetime()` and its like. Data that it does not fit does not match."
)
ABOUT_HEADERS = (
    "Sent with every event, as a token for the receiver. Kept sealed; shown are the names, with `***` for the values. "
    "Not `content-*`, `webhook-*`, `ce-*`, `host` and those of the connection."
)
ABOUT_CREDENTIALS = "What a broker asks for. Kept sealed and never shown."
ABOUT_SIGNATURES = "`v1` is HMAC-SHA256; with `v1a` there is an Ed25519 signature too, by a key pair of this subscription."
ABOUT_TIMEOUT = "How long an attempt may take. Default: a setting of the service, 15."
ABOUT_HANDSHAKE = (
    "Ask for consent first, by OPTIONS (CloudEvents web hooks), and obey the rate it allows."
)


class SubscriptionCreate(Request):
    """A new subscription: a `url`, or another `kind` with its settings."""

    url: Url | None = None
    kind: Kind | None = Field(default=None, description="Not needed with a url. It cannot change.")
    settings: Settings | None = Field(default=None, description="What the kind wants to know.")
    credentials: Credentials | None = Field(default=None, description=ABOUT_CREDENTIALS)
    description: Description = ""
    types: Types = Field(default=["*"])
    provider: Provider | None = Field(
        default=None,
        description="Only of this provider's tasks; no events of batches and subscriptions.",
    )
    model: Model | None = Field(default=None, description=ABOUT_MODEL)
    labels: Labels = Field(
        default_factory=dict,
        description="Only of tasks with all of these; with any, no events of batches and subscriptions.",
    )
    condition: Condition | None = Field(default=None, description=ABOUT_CONDITION)
    format: Format = Field(default="structured", description="For the kind webhook.")
    batchSize: BatchSize | None = Field(
        default=None,
        description="How many events one call has at most. Of `batched` only; default 100.",
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict,
        max_length=16,
        description=ABOUT_HEADERS,
        json_schema_extra={"additionalProperties": False},
    )
    signatures: Schemes | None = Field(default=None, description=ABOUT_SIGNATURES)
    concurrency: Concurrency | None = Field(
        default=None,
        description="How many attempts may be under way. Default: a setting of the service.",
    )
    ratePerMinute: PerMinute | None = Field(
        default=None, description="How many attempts may begin in a minute. Default: any."
    )
    timeoutSeconds: TimeoutSeconds | None = Field(default=None, description=ABOUT_TIMEOUT)
    includeRequest: bool = Field(
        default=False, description="Whether the data of task events holds the task's request."
    )
    handshake: bool = Field(default=False, description=ABOUT_HANDSHAKE)
    enabled: bool = Field(default=True, description="While it is not, its deliveries are `held`.")

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield what is wrong about fields that depend on each other."""
        kind = body.get("kind", sinks.WEBHOOK if "url" in body else None)
        if kind is None:
            yield (), "Give a url, or a kind and its settings"
        elif kind == sinks.WEBHOOK:
            yield from _of_webhook(body)
        elif isinstance(kind, str):
            yield from _of_others(kind, body)
            yield from sinks.faults_of(kind, body)
        if "batchSize" in body and body.get("format") != "batched":
            yield ("batchSize",), "Only the format batched has a batch size"
        yield from _of_headers(body.get("headers"))


def _of_webhook(body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
    if "url" not in body:
        yield ("url",), "A webhook needs a url"
    for name in ("settings", "credentials"):
        if name in body:
            yield (name,), f"A webhook has no {name}"
    schemes = body.get("signatures", ["v1"])
    if isinstance(schemes, list) and (schemes.count("v1") != 1 or schemes.count("v1a") > 1):
        yield ("signatures",), 'Give ["v1"] or ["v1", "v1a"]: v1 is always there'


def _of_others(kind: str, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
    for name in ("url", "signatures", "headers"):
        if body.get(name):
            yield (
                (name,),
                f"Only a webhook has {'a url' if name == 'url' else name}, not the kind {kind}",
            )
    if body.get("handshake") is True:
        yield ("handshake",), f"Only a webhook is asked for its consent, not the kind {kind}"
    if body.get("format", "structured") in ("binary", "standard", "batched"):
        yield ("format",), f"The kind {kind} is sent the format structured"


def _of_headers(headers: object) -> Iterator[tuple[Where, str]]:
    if not isinstance(headers, Mapping):
        return
    seen: set[str] = set()
    for name, value in headers.items():
        if str(name).lower() in seen:
            yield ("headers", name), "This header stands there twice; upper and lower case are one"
        if value == HIDDEN:
            yield ("headers", name), "Give the value: *** is only how one that is there is shown"
        seen.add(str(name).lower())


def _without_defaults(schema: dict[str, Any]) -> None:
    """Take out `null` as a default: in a merge patch, null and leaving out are not the same."""
    for field in schema["properties"].values():
        field.pop("default", None)


class SubscriptionPatch(Strict):
    """A JSON merge patch (RFC 7396): what is left out stays, null brings the default back.

    Inside `labels`, `headers`, `settings` and `credentials`, too, only what is given changes.
    """

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    url: Url | None = Field(default=None, description="Another url; a webhook cannot be without.")
    settings: dict[str, Any] | None = None
    credentials: dict[str, Any] | None = Field(default=None, description=ABOUT_CREDENTIALS)
    description: Description | None = None
    types: Types | None = None
    provider: Provider | None = None
    model: Model | None = Field(default=None, description=ABOUT_MODEL)
    labels: dict[LabelKey, LabelValue | None] | None = None
    condition: Condition | None = Field(default=None, description=ABOUT_CONDITION)
    format: Format | None = None
    batchSize: BatchSize | None = None
    headers: dict[HeaderName, HeaderValue | None] | None = Field(
        default=None, description=ABOUT_HEADERS + " Here `***` is the value that is there."
    )
    signatures: Schemes | None = Field(
        default=None, description=ABOUT_SIGNATURES + " Without v1a its key pair is forgotten."
    )
    concurrency: Concurrency | None = None
    ratePerMinute: PerMinute | None = None
    timeoutSeconds: TimeoutSeconds | None = Field(default=None, description=ABOUT_TIMEOUT)
    includeRequest: bool | None = None
    handshake: bool | None = Field(default=None, description=ABOUT_HANDSHAKE)
    enabled: bool | None = Field(
        default=None,
        description="False: its deliveries are `held` from now on. True: it begins anew; `replay` sends what was held.",
    )


class SubscriptionView(Strict):
    """A subscription as it is shown."""

    id: UUID
    kind: str
    url: str | None
    settings: dict[str, Any]
    description: str
    types: list[str]
    provider: str | None
    model: str | None
    labels: dict[str, str]
    condition: str | None
    format: Format
    batchSize: int | None = Field(description="Of `batched` only.")
    headers: dict[str, Literal["***"]]
    signatures: list[Scheme] = Field(description="None where nothing is signed.")
    publicKey: str | None = Field(description="`whpk_…`: verifies v1a.")
    concurrency: int | None
    ratePerMinute: int | None
    timeoutSeconds: float | None
    includeRequest: bool
    handshake: bool
    enabled: bool
    disabledReason: DisabledReason | None = Field(
        description="`user`: by PATCH. `gone`: its receiver answered 410. `failing`: every attempt failed for days."
    )
    disabledAt: AwareDatetime | None
    failingSince: AwareDatetime | None
    createdAt: AwareDatetime
    updatedAt: AwareDatetime


class SubscriptionCreated(SubscriptionView):
    """A subscription with its new secret: it is shown this once."""

    secret: str | None = Field(description="`whsec_…`; null where nothing is signed.")


class SubscriptionPage(Page[SubscriptionView]):
    """Subscriptions, oldest first."""


class RotateOptions(Request):
    """How long the secret before signs too."""

    overlapSeconds: int = Field(default=86_400, ge=0, le=604_800)


class SubscriptionTested(Strict):
    """What came back of a test."""

    ok: bool
    status: int | None = Field(description="The HTTP status, where there is one.")
    error: str | None = Field(description="One stable word: `timeout`, `dns`, `http_500`.")
    durationMs: int
    address: str | None = Field(description="What was connected to.")
    response: str = Field(description="The beginning of what was answered, at most 4 KiB.")
    eventId: UUID


class SigningSecret(Strict):
    """The tenant's default secret, which signs what goes to a notifyURL."""

    secret: str
