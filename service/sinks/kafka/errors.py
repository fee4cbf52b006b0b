"""What went wrong with a record, in one stable word and in the broker's own words."""

import socket
import ssl

from aiokafka import errors as kafka

from service.clients import BadSettings
from service.egress import RefusedAddress
from service.ports import Sent

UNAUTHORIZED = (
    kafka.SaslAuthenticationFailed,
    kafka.UnsupportedSaslMechanismError,
    kafka.IllegalSaslStateError,
    kafka.TopicAuthorizationFailedError,
    kafka.ClusterAuthorizationFailedError,
)
UNROUTABLE = (kafka.UnknownTopicOrPartitionError, kafka.InvalidTopicError)
TOO_LARGE = (kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError)
TIMED_OUT = (kafka.RequestTimedOutError, kafka.KafkaTimeoutError)
AWAY = (
    kafka.KafkaConnectionError,
    kafka.NodeNotReadyError,
    kafka.LeaderNotAvailableError,
    kafka.NotLeaderForPartitionError,
    kafka.StaleMetadata,
    kafka.NotEnoughReplicasError,
    kafka.ProducerClosed,
)


def judge(error: Exception) -> Sent:
    """Name what went wrong; what a broker said is kept for people, what a system said may hold addresses."""
    match error:
        case BadSettings():
            return Sent(ok=False, error="invalid_settings", response=str(error).encode())
        case RefusedAddress():
            return Sent(ok=False, error="refused_address")
        case kafka.KafkaError():
            return Sent(ok=False, error=_word(error), response=str(error).encode()[:4096])
        case TimeoutError():
            return Sent(ok=False, error="timeout")
        case socket.gaierror():
            return Sent(ok=False, error="dns")
        case ssl.SSLError():
            return Sent(ok=False, error="tls")
        case OSError():
            return Sent(ok=False, error="connect")
        case ValueError():
            return Sent(ok=False, error="invalid_settings")
        case _:
            return Sent(ok=False, error="protocol", response=type(error).__name__.encode())


def _word(error: kafka.KafkaError) -> str:
    for kinds, word in (
        (UNAUTHORIZED, "unauthorized"),
        (UNROUTABLE, "unroutable"),
        (TOO_LARGE, "too_large"),
        (TIMED_OUT, "timeout"),
        (AWAY, "disconnected"),
    ):
        if isinstance(error, kinds):
            return word
    return "protocol"
