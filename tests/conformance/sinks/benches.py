"""The table of benches, and what tests ask it for."""

from collections.abc import Mapping

import pytest

from tests.conformance.sinks.bench import Bench, Shows
from tests.conformance.sinks.bench_nats import NatsBench
from tests.conformance.sinks.bench_own import FileBench, WebhookBench
from tests.conformance.sinks.bench_rabbitmq import RabbitBench
from tests.conformance.sinks.bench_redis import RedisBench

BENCHES: Mapping[str, type[Bench]] = {
    bench.kind: bench for bench in (FileBench, WebhookBench, NatsBench, RedisBench, RabbitBench)
}


def showing(*wanted: Shows) -> pytest.MarkDecorator:
    """Run a test once for each kind whose bench shows all of it."""
    kinds = [kind for kind, bench in BENCHES.items() if set(wanted) <= set(bench.shows)]
    return pytest.mark.parametrize("bench", kinds, indirect=True)
