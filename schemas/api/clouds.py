"""What subscriptions of kinds `kafka`, `sqs`, `sns`, `eventbridge` and `log` are told, field by field."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from ..base import HttpUrlText, Request, Where

SERVER: Final = (
    r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?):[0-9]{1,5}$"
)
REGION: Final = r"^[a-z]{2,8}(-[a-z]{2,12}){1,3}-[0-9]{1,2}$"
PEM: Final = "-----BEGIN CERTIFICATE-----"
SASL: Final = ("SASL_PLAINTEXT", "SASL_SSL")

Server = Annotated[str, Field(pattern=SERVER)]
Secret = Annotated[str, Field(min_length=1, max_length=8192, json_schema_extra={"writeOnly": True})]
Region = Annotated[str, Field(pattern=REGION)]
Endpoint = Annotated[HttpUrlText, Field(max_length=2048)]
ABOUT_REGION: Final = "The AWS region of the target."
ABOUT_ENDPOINT: Final = (
    "Another endpoint than that of AWS, for stacks that speak its protocols; an address in a private "
    "network has to be in the service's CALLBOARD_ALLOW_NETWORKS. Needs credentials of its own."
)


def _most(most: int, about: str) -> Any:
    """Make the field `maxBytes` of a service that takes at most so many."""
    return Field(
        default=None,
        ge=1024,
        le=most,
        description=f"{about} What is larger with its attributes, even without request and metadata, is `too_large`.",
        examples=[262144],
    )


class KafkaSettings(Request):
    """A topic of a Kafka cluster; keys are taskUUIDs, so all of a task goes into one partition."""

    bootstrapServers: list[Server] = Field(
        min_length=1,
        max_length=16,
        description="Brokers to begin with, as host:port. Those that they name are connected to as well, and are checked as these are.",
        examples=[["kafka-1.example:9093", "kafka-2.example:9093"]],
    )
    topic: str = Field(
        pattern=r"^[A-Za-z0-9._-]{1,249}$", description="The topic.", examples=["videos"]
    )
    securityProtocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="SSL", description="TLS or not, and with a login or not; a login needs credentials."
    )
    saslMechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        default=None, description="How to log in; `PLAIN` where nothing else is said."
    )
    ca: Annotated[str, Field(max_length=65_536)] | None = Field(
        default=None,
        description="The authority that signed the brokers' certificates, in PEM; where it is not given, those that the system trusts.",
        examples=["-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----\n"],
    )
    clientId: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")] | None = Field(
        default=None,
        description="The name in the brokers' logs and quotas; `callboard` by default.",
    )
    maxBytes: int | None = _most(
        1_048_576, "The largest record, 1048576 by default, as `max.message.bytes` of the topic."
    )

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield what does not fit together, and ports that are none."""
        protocol = body.get("securityProtocol", "SSL")
        if "saslMechanism" in body and protocol not in SASL:
            yield ("saslMechanism",), "Only with securityProtocol SASL_SSL or SASL_PLAINTEXT"
        if "ca" in body and protocol not in {"SSL", "SASL_SSL"}:
            yield ("ca",), "Only with securityProtocol SSL or SASL_SSL"
        if isinstance(ca := body.get("ca"), str) and PEM not in ca:
            yield ("ca",), f"Should be PEM: {PEM} and so on"
        servers = body.get("bootstrapServers")
        for number, server in enumerate(servers if isinstance(servers, list) else ()):
            if isinstance(server, str) and re.fullmatch(SERVER, server) and not _port(server):
                yield ("bootstrapServers", number), "The port should be from 1 to 65535"


class KafkaCredentials(Request):
    """The login of securityProtocol SASL_SSL and SASL_PLAINTEXT."""

    username: Secret | None = Field(default=None, repr=False, description="The user's name.")
    password: Secret | None = Field(default=None, repr=False, description="The password.")

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield what is missing of a login."""
        yield from _together(body, "username", "password")


class SqsSettings(Request):
    """A queue; one whose name ends with `.fifo` keeps the order of each task and drops what it has had."""

    queueUrl: Endpoint = Field(
        description="The queue's URL.",
        examples=["https://sqs.eu-central-1.amazonaws.com/123456789012/videos.fifo"],
    )
    region: Region = Field(description=ABOUT_REGION, examples=["eu-central-1"])
    endpointUrl: Endpoint | None = Field(default=None, description=ABOUT_ENDPOINT)
    maxBytes: int | None = _most(1_048_576, "The largest message, 262144 by default.")


class SnsSettings(Request):
    """A topic; attributes (`ce_type` and so on) are there for filter policies of its subscriptions."""

    topicArn: str = Field(
        pattern=r"^arn:[a-z0-9-]{1,32}:sns:[a-z0-9-]{1,32}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?$",
        description="The topic's ARN.",
        examples=["arn:aws:sns:eu-central-1:123456789012:videos"],
    )
    region: Region = Field(description=ABOUT_REGION, examples=["eu-central-1"])
    endpointUrl: Endpoint | None = Field(default=None, description=ABOUT_ENDPOINT)
    maxBytes: int | None = _most(262_144, "The largest message, 262144 by default.")


class EventbridgeSettings(Request):
    """An event bus; it keeps no order and drops nothing twice: consumers tell by `detail.id`."""

    eventBusName: Annotated[str, Field(pattern=r"^[/.A-Za-z0-9:_-]{1,1600}$")] | None = Field(
        default=None,
        description="The bus, by name or ARN; `default` where none is given.",
        examples=["videos"],
    )
    source: Annotated[str, Field(pattern=r"^[/.A-Za-z0-9_-]{1,256}$")] | None = Field(
        default=None,
        description="`source` of the entries, for rules; `callboard` where none is given.",
        examples=["callboard"],
    )
    region: Region = Field(description=ABOUT_REGION, examples=["eu-central-1"])
    endpointUrl: Endpoint | None = Field(default=None, description=ABOUT_ENDPOINT)
    maxBytes: int | None = _most(262_144, "The largest entry, 262144 by default.")

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield what EventBridge keeps for itself."""
        if str(body.get("source", "")).startswith("aws."):
            yield ("source",), "Sources that begin with aws. are those of AWS"


class AwsCredentials(Request):
    """A key of IAM. Without one, the service's own role is used, where its operator allows that (AWS_AMBIENT)."""

    accessKeyId: Secret | None = Field(default=None, repr=False, description="The key's id.")
    secretAccessKey: Secret | None = Field(default=None, repr=False, description="The key.")
    sessionToken: Secret | None = Field(
        default=None, repr=False, description="With a temporary key, its token."
    )

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield what is missing of a key."""
        yield from _together(body, "accessKeyId", "secretAccessKey")
        if "sessionToken" in body and "accessKeyId" not in body:
            yield ("accessKeyId",), "Needed with sessionToken"


class LogSettings(Request):
    """Lines in the service's own log, for development."""

    level: Literal["debug", "info", "warning"] = Field(
        default="info", description="The lines' level; one that is not shown fails the delivery."
    )
    body: bool = Field(default=True, description="Whether the line holds the event.")


SETTINGS: dict[str, type[Request]] = {
    "kafka": KafkaSettings,
    "sqs": SqsSettings,
    "sns": SnsSettings,
    "eventbridge": EventbridgeSettings,
    "log": LogSettings,
}
CREDENTIALS: dict[str, type[Request]] = {
    "kafka": KafkaCredentials,
    "sqs": AwsCredentials,
    "sns": AwsCredentials,
    "eventbridge": AwsCredentials,
}


def _together(body: Mapping[str, Any], one: str, other: str) -> Iterator[tuple[Where, str]]:
    for given, wanted in ((one, other), (other, one)):
        if given in body and wanted not in body:
            yield (wanted,), f"Needed with {given}"


def _port(server: str) -> bool:
    return 1 <= int(server.rpartition(":")[2]) <= 65_535  # noqa: PLR2004 - TCP
