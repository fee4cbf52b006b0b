"""Where events go in brokers: settings, which are shown, and credentials, which never are."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from ..base import Request, Where, part

SERVER = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]{1,253})(:[0-9]{1,5})?$"
CERTIFICATE = r"^\s*-----BEGIN CERTIFICATE-----"
PRIVATE_KEY = r"^\s*-----BEGIN (RSA |EC )?PRIVATE KEY-----"
FILLED_SUBJECT = r"^([^\s.*>{}$]|\{type\}|\{taskUUID\})+(\.([^\s.*>{}$]|\{type\}|\{taskUUID\})+)*$"
"""Without `$`: those subjects are orders to the server."""
FILLED_KEY = r"^([ -z|~]|\{type\}|\{taskUUID\})+$"
MOST_PORT = 65_535

Server = Annotated[
    str,
    Field(
        pattern=SERVER,
        max_length=262,
        description="`host`, `host:port` or `[IPv6 address]:port`.",
    ),
]
Servers = Annotated[
    list[Server],
    Field(
        min_length=1,
        max_length=8,
        description="Tried in their order. Others that a server names are not connected to.",
    ),
]
Pem = Annotated[str, Field(max_length=65_536)]
Secret = Annotated[str, Field(min_length=1, max_length=4096)]
Name = Annotated[str, Field(min_length=1, max_length=256)]


class _Connected(Request):
    """What all brokers have: TLS."""

    tls: bool = Field(
        default=False, description="Whether to speak TLS, and to nobody who cannot prove its name."
    )
    ca: Annotated[Pem, Field(pattern=CERTIFICATE)] | None = Field(
        default=None,
        description="The authority whose certificates are trusted, in PEM; else those of the system.",
    )

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield what is wrong between fields."""
        if "ca" in body and body.get("tls") is not True:
            yield ("ca",), "A ca needs tls"
        listed = body.get("servers", [body.get("server")])
        for place, server in enumerate(listed if isinstance(listed, list) else []):
            if isinstance(server, str) and not _good_port(server):
                where: Where = ("servers", place) if "servers" in body else ("server",)
                yield where, "A port is a number from 1 to 65535"


class _Certified(Request):
    """What all brokers may ask for: a client's certificate."""

    certificate: Annotated[Pem, Field(pattern=CERTIFICATE)] | None = Field(
        default=None, description="The client's certificate and its chain, in PEM; needs tls."
    )
    key: Annotated[Pem, Field(pattern=PRIVATE_KEY)] | None = Field(
        default=None, description="The key of the certificate, in PEM, not encrypted."
    )

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield what is wrong between fields."""
        yield from _together(body, "certificate", "key")
        if "username" in body and "password" not in body:
            yield ("password",), "A username needs a password"


class NatsSettings(_Connected):
    """A subject that a JetStream stream keeps; publishing waits until the stream has it."""

    servers: Servers = Field(examples=[["nats.example.com:4222"]])
    subject: str = Field(
        pattern=FILLED_SUBJECT,
        max_length=200,
        description="`{type}` and `{taskUUID}` stand for the event's own (`none` for a batch's);"
        " a type is two tokens.",
        examples=["callboard.{type}.{taskUUID}"],
    )
    stream: str | None = Field(
        default=None,
        pattern=r"^[^\s.*>/\\]{1,255}$",
        description="The stream that is expected to answer; another one's answer is an error.",
    )
    inboxPrefix: str = Field(
        default="_INBOX",
        pattern=r"^[^\s.*>]+(\.[^\s.*>]+)*$",
        max_length=100,
        description="Where answers come; for users that may not subscribe to `_INBOX.>`.",
    )


class NatsCredentials(_Certified):
    """One way to log in: a user and password, a token, an nkey, or a `.creds` file."""

    username: Name | None = None
    password: Secret | None = None
    token: Secret | None = None
    nkeySeed: str | None = Field(default=None, pattern=r"^SU[A-Z2-7]{56}$")
    creds: str | None = Field(
        default=None, max_length=16_384, description="What a `.creds` file holds: a JWT and a seed."
    )

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield what is wrong between fields."""
        yield from super().broken_rules(body)
        if "password" in body and "username" not in body:
            yield ("username",), "A password needs a username"
        given = [name for name in ("username", "token", "nkeySeed", "creds") if name in body]
        for name in given[1:]:
            yield (name,), f"Give one way to log in: there is {given[0]} already"
        creds = body.get("creds")
        if isinstance(creds, str) and not ("USER JWT" in creds and "USER NKEY SEED" in creds):
            yield ("creds",), "A .creds file holds a NATS USER JWT and a USER NKEY SEED"


class RedisSettings(_Connected):
    """A stream of Redis or Valkey: an entry an event, with the fields id, type, subject and data."""

    server: Server = Field(examples=["redis.example.com:6379"])
    stream: str = Field(
        pattern=r"^[^{}\s]*(\{[^{}\s]+\}[^{}\s]*)?$",
        min_length=1,
        max_length=512,
        description="The stream's key; it may hold one `{hash tag}`.",
        examples=["callboard:events"],
    )
    database: int = Field(default=0, ge=0, le=65_535)
    maxLength: int = Field(
        default=0,
        ge=0,
        le=2**53,
        description="About how many entries the stream keeps (`MAXLEN ~`); 0 keeps all.",
    )
    dedupeSeconds: int = Field(
        default=86_400,
        ge=0,
        le=31_536_000,
        description="How long an event is remembered, so that one sent twice is one entry; takes a key for each."
        " 0 for users that may not run scripts.",
    )
    replicas: int = Field(
        default=0, ge=0, le=100, description="How many replicas must have it as well (`WAIT`)."
    )


class RedisCredentials(_Certified):
    """A user of Redis, or the password alone."""

    username: Name | None = None
    password: Secret | None = None


class RabbitmqSettings(_Connected):
    """An exchange, which must exist, as must a queue that is bound to it: nothing is declared."""

    servers: Servers = Field(examples=[["rabbit.example.com:5672"]])
    vhost: str = Field(default="/", min_length=1, max_length=255)
    exchange: str = Field(
        default="",
        max_length=127,
        pattern=r"^[ -~]*$",
        description="Empty is the default exchange, where the routing key is a queue's name.",
    )
    routingKey: str = Field(
        pattern=FILLED_KEY,
        max_length=150,
        description="`{type}` and `{taskUUID}` stand for the event's own (`none` for a batch's).",
        examples=["callboard.{type}"],
    )


class RabbitmqCredentials(_Certified):
    """A user with a password; or a certificate alone, where the broker takes that (EXTERNAL)."""

    username: Name | None = None
    password: Secret | None = None

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield what is wrong between fields."""
        yield from super().broken_rules(body)
        if part(body, "username") is None and part(body, "certificate") is None:
            yield ("username",), "Give username and password, or a certificate and its key"


def _together(body: Mapping[str, Any], one: str, other: str) -> Iterator[tuple[Where, str]]:
    for here, there in ((one, other), (other, one)):
        if here in body and there not in body:
            yield (there,), f"{here} and {there} go together"


def _good_port(server: str) -> bool:
    port = re.search(r":([0-9]{1,5})$", server)
    if port is None or (server.startswith("[") and not re.search(r"\]:[0-9]+$", server)):
        return True
    return 0 < int(port[1]) <= MOST_PORT


SETTINGS: dict[str, type[Request]] = {
    "nats": NatsSettings,
    "redis": RedisSettings,
    "rabbitmq": RabbitmqSettings,
}
"""Kind to the model of its settings."""
CREDENTIALS: dict[str, type[Request]] = {
    "nats": NatsCredentials,
    "redis": RedisCredentials,
    "rabbitmq": RabbitmqCredentials,
}
"""Kind to the model of its credentials."""
