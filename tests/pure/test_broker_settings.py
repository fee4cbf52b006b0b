"""Settings and credentials of brokers: what is taken, all faults at once, and what the sinks read of them."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.api.brokers import CREDENTIALS, SETTINGS
from service.brokers import BrokerSink
from service.clients import BadSettings, Given
from service.sinks.nats.sink import NatsSink
from service.sinks.rabbitmq import RabbitSink
from service.sinks.redis import RedisSink

PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n"
SINKS: dict[str, type[BrokerSink[Any, Any]]] = {
    "nats": NatsSink,
    "redis": RedisSink,
    "rabbitmq": RabbitSink,
}
GOOD: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("nats", {"servers": ["nats.example"], "subject": "a.{type}.{taskUUID}"}, {}),
    ("nats", {"servers": ["[2001:db8::1]:4222", "b:1"], "subject": "a"}, {"token": "t"}),
    ("redis", {"server": "192.0.2.1:6379", "stream": "a:{b}:c", "dedupeSeconds": 0}, {}),
    ("redis", {"server": "r", "stream": "a", "tls": True, "ca": PEM}, {"password": "p"}),
    (
        "redis",
        {"server": "r", "stream": "a", "tls": True, "maxLength": 10, "database": 3},
        {"username": "u", "password": "p", "certificate": PEM, "key": KEY},
    ),
    (
        "rabbitmq",
        {"servers": ["mq"], "routingKey": "a b.{type}", "exchange": "x"},
        {"username": "u", "password": "p"},
    ),
    (
        "rabbitmq",
        {"servers": ["mq:5671"], "routingKey": "a", "tls": True},
        {"certificate": PEM, "key": KEY},
    ),
]
NATS = {"servers": ["n"], "subject": "a"}
REDIS = {"server": "r", "stream": "a"}
RABBIT = {"servers": ["m"], "routingKey": "a"}
BAD_SETTINGS: list[tuple[str, dict[str, Any], set[Any]]] = [
    ("nats", {}, {("servers",), ("subject",)}),
    ("nats", {**NATS, "servers": []}, {("servers",)}),
    ("nats", {**NATS, "servers": ["nats://n:4222", "a:70000"]}, {("servers", 0), ("servers", 1)}),
    *[
        ("nats", {**NATS, "subject": subject}, {("subject",)})
        for subject in ("a.*", "a.>", "a..b", ".a", "a b", "a\r\n", "{id}", "$JS.API.X", "{", "")
    ],
    ("nats", {**NATS, "ca": PEM, "tsl": True}, {("ca",), ("tsl",)}),
    ("nats", {**NATS, "stream": None}, {("stream",)}),
    ("redis", {**REDIS, "server": "r:0", "stream": ""}, {("server",), ("stream",)}),
    *[("redis", {**REDIS, "stream": s}, {("stream",)}) for s in ("{}", "a{", "{a}{b}", "a b")],
    ("redis", {**REDIS, "maxLength": -1, "replicas": "1"}, {("maxLength",), ("replicas",)}),
    ("rabbitmq", {**RABBIT, "routingKey": "é", "vhost": ""}, {("routingKey",), ("vhost",)}),
    ("rabbitmq", {**RABBIT, "tls": True, "ca": "no"}, {("ca",)}),
]
BAD_CREDENTIALS: list[tuple[str, dict[str, Any], set[Any]]] = [
    ("nats", {"username": "u"}, {("password",)}),
    ("nats", {"password": "p"}, {("username",)}),
    ("nats", {"token": "t", "nkeySeed": "SU", "creds": "x"}, {("nkeySeed",), ("creds",)}),
    ("redis", {"username": "u", "key": KEY}, {("password",), ("certificate",)}),
    ("rabbitmq", {}, {("username",)}),
    ("rabbitmq", {"username": "u", "password": ""}, {("password",)}),
]


@pytest.mark.parametrize(("kind", "settings", "credentials"), GOOD)
async def test_what_is_taken_can_be_read_by_its_sink(
    kind: str, settings: dict[str, Any], credentials: dict[str, Any]
) -> None:
    SETTINGS[kind].model_validate(settings)
    CREDENTIALS[kind].model_validate(credentials)
    sink = SINKS[kind]()
    plan = sink.plan(Given(settings), Given(credentials))
    assert len(sink.servers(plan)) == len(settings.get("servers", [1]))
    await sink.close()


@pytest.mark.parametrize(("kind", "settings", "places"), BAD_SETTINGS)
def test_every_fault_of_settings_has_its_place(
    kind: str, settings: dict[str, Any], places: set[Any]
) -> None:
    with pytest.raises(ValidationError) as refused:
        SETTINGS[kind].model_validate(settings)
    assert {fault["loc"] for fault in refused.value.errors()} == places


@pytest.mark.parametrize(("kind", "credentials", "places"), BAD_CREDENTIALS)
def test_every_fault_of_credentials_has_its_place_and_shows_no_secret(
    kind: str, credentials: dict[str, Any], places: set[Any]
) -> None:
    with pytest.raises(ValidationError) as refused:
        CREDENTIALS[kind].model_validate(credentials)
    assert {fault["loc"] for fault in refused.value.errors()} == places
    assert KEY not in " ".join(fault["msg"] for fault in refused.value.errors())


@pytest.mark.parametrize("kind", list(SETTINGS))
def test_every_field_that_has_to_be_given_has_an_example(kind: str) -> None:
    for name, field in SETTINGS[kind].model_fields.items():
        assert field.examples or not field.is_required(), name


@pytest.mark.parametrize("kind", list(SINKS))
@pytest.mark.parametrize("settings", [{}, {"servers": "a"}, {"server": 1}, {"servers": [{}]}])
async def test_a_sink_reads_what_was_stored_by_older_rules_without_trust(
    kind: str, settings: dict[str, Any]
) -> None:
    sink = SINKS[kind]()
    with pytest.raises(BadSettings, match="should"):
        sink.plan(Given(settings), Given({"username": "u", "password": "p"}))
    await sink.close()
