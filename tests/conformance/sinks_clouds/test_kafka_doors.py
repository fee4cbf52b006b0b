"""The Kafka sink through doors: TLS, logins, and brokers whose advertised addresses are refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from service.ports import Outgoing, Target
from service.sinks.kafka.sink import KafkaSink
from tests.support.kafka_door import Door, certificate
from tests.support.kafka_mock import KafkaMock
from tests.support.kafka_read import records

Events = Callable[..., Outgoing]
NAME = "kafka.example"
LOOPBACK = (ip_network("127.0.0.0/8"),)
USERS = {"callboard": "open sesame"}


class Names(AbstractResolver):
    """Knows one name."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(hostname=host, host=a, port=port, family=family, proto=0, flags=0)
            for a in self.addresses
        ]

    async def close(self) -> None:
        pass


@contextmanager
def door(
    mock: KafkaMock, folder: Path, *, users: dict[str, str] | None = None, name: str = NAME
) -> Iterator[tuple[Door, str]]:
    """Open a door that the cluster advertises by its name; gives it with its certificate."""
    tls, pem = certificate(folder, name)
    opened = Door(mock.port, users, tls)
    opened.start()
    mock.advertise(1, NAME, opened.port)
    try:
        yield opened, pem
    finally:
        opened.stop()


def to(opened: Door, credentials: dict[str, str] | None = None, **settings: Any) -> Target:
    begin = {"bootstrapServers": [f"{NAME}:{opened.port}"], "topic": "t"}
    return Target(
        "kafka", settings=begin | settings, credentials=credentials or {}, timeout_s=5, id=uuid4()
    )


async def test_tls_asks_for_the_name_although_the_checked_address_is_connected_to(
    kafka: KafkaMock, folder: Path, make_event: Events
) -> None:
    sink = KafkaSink(LOOPBACK, resolver=Names("127.0.0.1"))
    with door(kafka, folder) as (opened, pem):
        sent = await sink.send(to(opened, ca=pem), make_event())
        await sink.close()
    assert sent.ok, sent
    kafka.advertise(1, "127.0.0.1", kafka.port)
    assert len(await records(kafka.servers, "t")) == 1


async def test_a_certificate_of_another_name_or_authority_is_refused(
    kafka: KafkaMock, folder: Path, make_event: Events
) -> None:
    sink = KafkaSink(LOOPBACK, resolver=Names("127.0.0.1"))
    with door(kafka, folder, name="other.example") as (opened, pem):
        other_name = await sink.send(to(opened, ca=pem), make_event())
        other_authority = await sink.send(to(opened), make_event())
        await sink.close()
    assert (other_name.error, other_authority.error) == ("tls", "tls")


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
async def test_a_login_opens_and_a_wrong_one_is_told_in_the_brokers_words(
    kafka: KafkaMock, folder: Path, make_event: Events, protocol: str
) -> None:
    sink = KafkaSink(LOOPBACK, resolver=Names("127.0.0.1"))
    with door(kafka, folder, users=USERS) as (opened, pem):
        more = {"securityProtocol": protocol, "saslMechanism": "PLAIN", "ca": pem}
        good = {"username": "callboard", "password": "open sesame"}
        assert (await sink.send(to(opened, good, **more), make_event())).ok
        bad = await sink.send(to(opened, good | {"password": "hush"}, **more), make_event())
        await sink.close()
    assert (bad.ok, bad.error) == (False, "unauthorized")
    assert b"Authentication failed" in bad.response
    assert b"hush" not in bad.response


async def test_a_mechanism_that_the_broker_does_not_know_is_unauthorized(
    kafka: KafkaMock, folder: Path, make_event: Events
) -> None:
    sink = KafkaSink(LOOPBACK, resolver=Names("127.0.0.1"))
    with door(kafka, folder, users=USERS) as (opened, _):
        more = {"securityProtocol": "SASL_PLAINTEXT", "saslMechanism": "SCRAM-SHA-256"}
        credentials = {"username": "callboard", "password": "open sesame"}
        sent = await sink.send(to(opened, credentials, **more), make_event())
        await sink.close()
    assert (sent.ok, sent.error) == (False, "unauthorized")


async def test_an_advertised_broker_that_is_refused_is_not_connected_to(
    kafka: KafkaMock, make_event: Events
) -> None:
    kafka.advertise(1, "10.9.8.7", 9092)
    sink = KafkaSink(LOOPBACK)
    plain = {"bootstrapServers": kafka.servers, "topic": "t", "securityProtocol": "PLAINTEXT"}
    sent = await sink.send(Target("kafka", settings=plain, timeout_s=5), make_event())
    await sink.close()
    assert (sent.ok, sent.error) == (False, "refused_address")


async def test_a_name_is_resolved_before_every_connection_and_each_address_checked(
    kafka: KafkaMock, make_event: Events
) -> None:
    names = Names("127.0.0.1")
    sink = KafkaSink(LOOPBACK, resolver=names)
    kafka.advertise(1, NAME, kafka.port)
    servers = [f"{NAME}:{kafka.port}"]
    plain = {"bootstrapServers": servers, "topic": "t", "securityProtocol": "PLAINTEXT"}
    target = Target("kafka", settings=plain, timeout_s=5, id=uuid4())
    assert (await sink.send(target, make_event())).ok
    assert names.asked == [NAME, NAME]
    names.addresses = ("127.0.0.1", "192.168.1.1")
    other = Target("kafka", settings=plain, timeout_s=5, id=uuid4())
    assert (await sink.send(other, make_event())).error == "refused_address"
    await sink.close()
