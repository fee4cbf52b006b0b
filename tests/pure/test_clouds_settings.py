"""What subscriptions of Kafka, AWS and the log may say: every fault at its place, all at once."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.api.clouds import CREDENTIALS, SETTINGS
from schemas.base import Request

QUEUE = {"queueUrl": "https://sqs.eu-central-1.amazonaws.com/1/q.fifo", "region": "eu-central-1"}
TOPIC = {"topicArn": "arn:aws-cn:sns:cn-north-1:123456789012:t.fifo", "region": "cn-north-1"}
KAFKA = {"bootstrapServers": ["k.example:9093", "[2001:db8::1]:9092", "10.0.0.1:1"], "topic": "t"}


def faults(model: type[Request], body: dict[str, Any]) -> set[str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    return {"/".join(map(str, fault["loc"])) for fault in caught.value.errors()}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("kafka", KAFKA),
        ("kafka", KAFKA | {"securityProtocol": "SASL_SSL", "saslMechanism": "SCRAM-SHA-512"}),
        ("kafka", KAFKA | {"ca": "-----BEGIN CERTIFICATE-----\nMA==", "maxBytes": 2048}),
        ("sqs", QUEUE),
        ("sqs", QUEUE | {"endpointUrl": "http://127.0.0.1:4566", "region": "us-gov-west-1"}),
        ("sns", TOPIC),
        ("eventbridge", {"region": "us-east-1"}),
        ("eventbridge", {"region": "us-east-1", "eventBusName": "b", "source": "my.videos"}),
        ("log", {}),
        ("log", {"level": "debug", "body": False}),
    ],
)
def test_settings_that_can_be_used_are_taken(kind: str, body: dict[str, Any]) -> None:
    SETTINGS[kind].model_validate(body)


@pytest.mark.parametrize(
    ("kind", "body", "places"),
    [
        ("kafka", {}, {"bootstrapServers", "topic"}),
        (
            "kafka",
            {"bootstrapServers": ["k", "k:99999", "k:0"], "topic": "a/b", "clientId": ""},
            {
                *("bootstrapServers/0", "bootstrapServers/1", "bootstrapServers/2"),
                "topic",
                "clientId",
            },
        ),
        ("kafka", KAFKA | {"saslMechanism": "PLAIN"}, {"saslMechanism"}),
        ("kafka", KAFKA | {"securityProtocol": "PLAINTEXT", "ca": "x"}, {"ca"}),
        (
            "kafka",
            KAFKA | {"saslMechanism": "GSSAPI", "securityProtocol": "SSL"},
            {"saslMechanism"},
        ),
        ("sqs", {"queueUrl": "q", "region": "Frankfurt"}, {"queueUrl", "region"}),
        ("sqs", QUEUE | {"maxBytes": 1, "endpointUrl": "ftp://x"}, {"maxBytes", "endpointUrl"}),
        ("sns", {"topicArn": "arn:aws:sqs:x:1:q", "region": None}, {"topicArn", "region"}),
        ("eventbridge", {"source": "aws.ec2"}, {"source", "region"}),
        ("log", {"level": "error", "file": "x"}, {"level", "file"}),
    ],
)
def test_every_fault_is_told_at_once_with_its_place(
    kind: str, body: dict[str, Any], places: set[str]
) -> None:
    assert faults(SETTINGS[kind], body) == places


@pytest.mark.parametrize(
    ("kind", "body", "places"),
    [
        ("kafka", {"username": "u"}, {"password"}),
        ("kafka", {"password": "p"}, {"username"}),
        ("sqs", {"accessKeyId": "a"}, {"secretAccessKey"}),
        ("sns", {"secretAccessKey": "s"}, {"accessKeyId"}),
        ("eventbridge", {"sessionToken": "t"}, {"accessKeyId"}),
        ("sqs", {"accessKeyId": "", "secretAccessKey": "s"}, {"accessKeyId"}),
    ],
)
def test_half_a_login_is_a_fault_at_the_other_half(
    kind: str, body: dict[str, Any], places: set[str]
) -> None:
    assert faults(CREDENTIALS[kind], body) == places


@pytest.mark.parametrize("kind", sorted(CREDENTIALS))
def test_credentials_may_be_left_out_and_are_in_no_repr(kind: str) -> None:
    model = CREDENTIALS[kind]
    model.model_validate({})
    whole = model.model_validate(dict.fromkeys(model.model_fields, "hush"))
    assert "hush" not in repr(whole)
