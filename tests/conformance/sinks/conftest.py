"""Benches, started once a session when a test first needs them."""

from collections.abc import AsyncIterator, Iterator

import pytest

from service.ports import Sink
from tests.conformance.sinks.bench import Bench
from tests.conformance.sinks.benches import BENCHES


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Bench]]:
    """Keep the benches that run; all are stopped at the end."""
    benches: dict[str, Bench] = {}
    yield benches
    for bench in benches.values():
        bench.stop()


@pytest.fixture
def bench(
    request: pytest.FixtureRequest,
    started: dict[str, Bench],
    tmp_path_factory: pytest.TempPathFactory,
) -> Bench:
    """Give the bench of a kind."""
    made = BENCHES[request.param]
    if (how := made.missing()) is not None:
        pytest.skip(f"the broker's program is not installed: {how}")
    if request.param not in started:
        fresh = made(tmp_path_factory.mktemp(request.param))
        fresh.start()
        started[request.param] = fresh
    return started[request.param]


@pytest.fixture
async def sink(bench: Bench) -> AsyncIterator[Sink]:
    """Give a sink of the bench's kind."""
    made = bench.sink()
    yield made
    await made.close()
