"""librdkafka's mock cluster behind a door that asks for a login: Kafka itself needs Java.

It keeps all in memory, so nothing is shown of a broker that is killed; that a topic survives a restart is the mock's
doing and not Kafka's, but that the sink finds its way back is shown. TLS is in `sinks_clouds/test_kafka_doors.py`.
"""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from service.ports import Sink
from service.sinks.kafka.sink import KafkaSink
from tests.conformance.sinks.bench import Access, Arrived, Bench, Place, Shows
from tests.support.kafka_door import Door, certificate
from tests.support.kafka_mock import KafkaMock
from tests.support.kafka_read import records

LOOPBACK = (ip_network("127.0.0.0/8"),)
USERS = {Access.GOOD: "board", Access.OTHER: "other"}


class KafkaBench(Bench):
    kind = "kafka"
    shows = frozenset(Shows) - {Shows.CRASH, Shows.TLS, Shows.DEDUPE, Shows.SERVERS}
    """Kafka knows no deduplication by id."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._mock = KafkaMock()
        tls, self._pem = certificate(folder, "127.0.0.1")
        self._door = Door(self._mock.port, {u: u for u in USERS.values()}, tls)

    def start(self) -> None:
        self._mock.up()
        self._door.start()
        self.port = self._door.port
        self._mock.advertise(1, "127.0.0.1", self.port)

    def stop(self) -> None:
        self._door.stop()
        self._mock.down()

    def sink(self) -> Sink:
        return KafkaSink(LOOPBACK)

    async def place(self) -> Place:
        name = self.next_name()
        self._mock.topic(name)
        return Place(name, self._settings(name))

    def nowhere(self) -> Place:
        self._mock.lose_topic("nowhere")
        return Place("nowhere", self._settings("nowhere"))

    async def read(self, place: Place) -> list[Arrived]:
        # The reader has no login: it goes around the door.
        self._mock.advertise(1, "127.0.0.1", self._mock.port)
        found = await records(self._mock.servers, place.name)
        self._mock.advertise(1, "127.0.0.1", self.port or 0)
        return [
            Arrived(record.value, record.headers["ce_id"], (record.key or b"").decode())
            for record in found
        ]

    def credentials(self, access: Access) -> Mapping[str, Any]:
        user = USERS.get(access, "board")
        return {"username": user, "password": "wrong" if access is Access.BAD else user}

    def tls_settings(self) -> Mapping[str, Any]:
        return {"securityProtocol": "SASL_SSL", "ca": self._pem}

    def _settings(self, topic: str) -> Mapping[str, Any]:
        return {
            "bootstrapServers": [f"127.0.0.1:{self.port}"],
            "topic": topic,
            "securityProtocol": "SASL_PLAINTEXT",
            "saslMechanism": "PLAIN",
        }
