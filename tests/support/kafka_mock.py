"""librdkafka's own mock cluster, by its C interface: brokers on loopback that can be taken down and told to fail.

confluent_kafka carries the library and shows less of it than is needed here (rdkafka_mock.h says all of it).
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import files

PRODUCER = 0
PRODUCE, INIT_PRODUCER_ID = 0, 22
"""Numbers of requests, as the Kafka protocol has them."""
UNKNOWN_TOPIC, TOPIC_DENIED, CLUSTER_DENIED, BROKER_TOO_LARGE = 3, 29, 31, 10
"""Numbers of errors."""


def _library() -> ctypes.CDLL:
    found = [f for f in files("confluent-kafka") or () if f.name.startswith("librdkafka")]
    library = ctypes.CDLL(str(found[0].locate()))
    pointers = ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new")
    for name in pointers:
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library


class KafkaMock:
    """A cluster; topics come by themselves, with four partitions."""

    def __init__(self, brokers: int = 1) -> None:
        self._lib = _library()
        text = ctypes.create_string_buffer(512)
        config = ctypes.c_void_p(self._lib.rd_kafka_conf_new())
        self._lib.rd_kafka_conf_set(config, b"log_level", b"0", text, ctypes.c_size_t(512))
        handle = self._lib.rd_kafka_new(PRODUCER, config, text, ctypes.c_size_t(512))
        assert handle, text.value
        self._handle = ctypes.c_void_p(handle)
        self._cluster = ctypes.c_void_p(
            self._lib.rd_kafka_mock_cluster_new(self._handle, ctypes.c_int(brokers))
        )
        self.brokers = brokers
        servers = self._lib.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()
        self.servers: list[str] = servers.split(",")
        """Addresses with ports, in the order of the brokers' numbers, which begin at 1."""

    @property
    def port(self) -> int:
        """Give the first broker's port."""
        return int(self.servers[0].rpartition(":")[2])

    def down(self) -> None:
        """Take all brokers down: connections are cut and none is taken. They keep what they have."""
        for number in range(1, self.brokers + 1):
            self._done(self._lib.rd_kafka_mock_broker_set_down(self._cluster, number))

    def up(self) -> None:
        """Let all brokers serve again, at the same addresses."""
        for number in range(1, self.brokers + 1):
            self._done(self._lib.rd_kafka_mock_broker_set_up(self._cluster, number))

    def advertise(self, number: int, host: str, port: int) -> None:
        """Have the metadata name another address for a broker than the one it listens on."""
        host_bytes = host.encode()
        self._lib.rd_kafka_mock_broker_set_host_port(self._cluster, number, host_bytes, port)

    def topic(self, name: str, partitions: int = 4) -> None:
        """Make a topic."""
        self._done(
            self._lib.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        )

    def lose_topic(self, name: str, error: int = UNKNOWN_TOPIC) -> None:
        """Have the metadata say that error of a topic."""
        self._lib.rd_kafka_mock_topic_set_error(self._cluster, name.encode(), error)

    def fail_next(self, request: int, *errors: int) -> None:
        """Have the next requests of a kind fail with these errors, one each."""
        numbers = (ctypes.c_int * len(errors))(*errors)
        self._lib.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(request), ctypes.c_size_t(len(errors)), numbers
        )

    def slow(self, milliseconds: int) -> None:
        """Have all brokers answer so much later."""
        for number in range(1, self.brokers + 1):
            self._done(self._lib.rd_kafka_mock_broker_set_rtt(self._cluster, number, milliseconds))

    def close(self) -> None:
        """End it."""
        self._lib.rd_kafka_mock_cluster_destroy(self._cluster)
        self._lib.rd_kafka_destroy(self._handle)

    @staticmethod
    def _done(error: int) -> None:
        assert error == 0, error


@contextmanager
def kafka_mock(brokers: int = 1) -> Iterator[KafkaMock]:
    """Run a cluster."""
    mock = KafkaMock(brokers)
    try:
        yield mock
    finally:
        mock.close()
