"""The table of benches, and what tests ask it for."""

from collections.abc import Mapping

import pytest

from tests.conformance.sinks.bench import Bench, Shows
from tests.conformance.sinks.bench_aws import (
    EventbridgeBench,
    SnsBench,
    SqsBench,
    SqsFifoBench,
)
from tests.conformance.sinks.bench_kafka import KafkaBench
from tests.conformance.sinks.bench_nats import NatsBench
from tests.conformance.sinks.bench_own import FileBench, WebhookBench
from tests.conformance.sinks.bench_rabbitmq import RabbitBench
from tests.conformance.sinks.bench_redis import RedisBench

BENCHES: Mapping[str, type[Bench]] = {
    "file": FileBench,
    "webhook": WebhookBench,
    "nats": NatsBench,
    "redis": RedisBench,
    "rabbitmq": RabbitBench,
    "kafka": KafkaBench,
    "sqs": SqsBench,
    "sqs-fifo": SqsFifoBench,
    "sns": SnsBench,
    "eventbridge": EventbridgeBench,
}


def showing(*wanted: Shows) -> pytest.MarkDecorator:
    """Run a test once for each kind whose bench shows all of it."""
    kinds = [kind for kind, bench in BENCHES.items() if set(wanted) <= set(bench.shows)]
    return pytest.mark.parametrize("bench", kinds, indirect=True)
