"""Probes, metrics, the OpenAPI document; and a database that goes away and comes back."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest
from openapi_spec_validator import validate

from service.embedded.manager import EmbeddedPostgres
from service.store.pool import Pool, create_pool
from service.web.app import ROUTES
from tests.support import database
from tests.support.fakes import said
from tests.support.web import PUBLIC, Api, serving, submission


async def test_a_healthy_process_lives_and_is_ready(api: Api) -> None:
    api.health.loops = {"submit": True}
    live = await api.call("GET", "/livez", headers=PUBLIC)
    ready = await api.call("GET", "/readyz", headers=PUBLIC)

    assert (live.status, live.json["alive"]) == (200, True)
    assert ready.status == 200
    checks = {"database": True, "draining": False, "loops": {"submit": True}}
    assert ready.json == {"ready": True, "checks": checks, "warnings": []}
    assert ready.headers["Cache-Control"] == "no-store"


async def test_a_draining_process_is_not_ready_and_goes_on_serving(api: Api) -> None:
    api.health.draining = True
    ready = await api.get("/readyz")

    assert (ready.status, ready.json["ready"]) == (503, False)
    assert (await api.get("/livez")).status == 200
    assert (await api.post("/v1/tasks", submission())).status == 202


async def test_a_process_with_a_dead_loop_is_not_ready(api: Api) -> None:
    api.health.loops = {"submit": True, "deliver": False}
    ready = await api.get("/readyz")

    assert (ready.status, ready.json["checks"]["loops"]["deliver"]) == (503, False)
    assert (await api.get("/livez")).status == 200


async def test_a_process_whose_loop_died_for_good_does_not_live(api: Api) -> None:
    api.health.failed = "deliver"
    live = await api.get("/livez")

    assert (live.status, live.json["failedLoop"]) == (503, "deliver")


async def test_few_partitions_ahead_are_warned_of(api: Api, pool: Pool) -> None:
    days = await pool.fetch(
        "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'callboard.events'::regclass ORDER BY c.relname DESC LIMIT 6"
    )
    for day in days:
        await pool.execute(f"DROP TABLE callboard.{day['relname']}")
    ready = await api.get("/readyz")

    assert ready.status == 200
    assert "ahead" in ready.json["warnings"][0]


async def test_metrics_are_prometheus_text(api: Api) -> None:
    await api.get("/v1/tasks?nothing=1")
    task_uuid = uuid4()
    await api.call("POST", f"/callbacks/runware/{task_uuid}/wrong", headers=PUBLIC)
    reply = await api.call("GET", "/metrics", headers=PUBLIC)

    text = reply.raw.decode()
    assert reply.headers["Content-Type"].startswith("text/plain; version=")
    assert 'callboard_http_requests_total{method="GET",route="/v1/tasks",status="400"} 1.0' in text
    assert "callboard_database_up 1.0" in text
    assert "callboard_feed_lag_seconds 0.0" in text
    assert str(task_uuid) not in text


async def test_the_document_is_valid_openapi(api: Api) -> None:
    reply = await api.call("GET", "/openapi.json", headers=PUBLIC)
    document = reply.json

    validate(document)
    assert document["openapi"].startswith("3.1")
    assert document["info"]["version"] == "1.2.3"
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert described == {(route.method, route.path) for route in ROUTES}


def test_every_operation_has_an_id_of_its_own() -> None:
    ids = [route.operation.id for route in ROUTES]
    assert len(set(ids)) == len(ids)


def test_whatever_is_below_v1_is_described_as_needing_a_key() -> None:
    assert all(r.operation.guarded == r.path.startswith("/v1/") for r in ROUTES)


async def test_the_root_names_what_is_served(api: Api) -> None:
    reply = await api.call("GET", "/", headers=PUBLIC)

    assert (reply.json["name"], reply.json["version"]) == ("callboard", "1.2.3")
    for path in reply.json["links"].values():
        assert (await api.get(path)).status == 200


@pytest.fixture(scope="module")
def own_server() -> Iterator[tuple[EmbeddedPostgres, str]]:
    with database.stoppable() as (postgres, dsn):
        asyncio.run(database.migrated(dsn))
        yield postgres, dsn


async def test_the_service_recovers_by_itself_when_the_database_returns(
    own_server: tuple[EmbeddedPostgres, str],
) -> None:
    postgres, dsn = own_server
    pool = await create_pool(dsn, size=5, statement_timeout_s=10)
    async with serving(pool) as api:
        task_uuid = await api.made()
        postgres.stop()
        async with asyncio.timeout(10):
            gone = [
                await api.post("/v1/tasks", submission()),
                await api.get(f"/v1/tasks/{task_uuid}"),
                await api.get("/v1/events"),
                await api.post(f"/v1/tasks/{task_uuid}/cancel"),
                await api.call_back(task_uuid, said("v1")),
            ]
            ready, live = await api.get("/readyz"), await api.get("/livez")
            metrics = (await api.get("/metrics")).raw.decode()
        for reply in gone:
            reply.problem(503, "unavailable")
            assert reply.headers["Retry-After"] == "1"
        assert (ready.status, ready.json["checks"]["database"]) == (503, False)
        assert live.status == 200
        assert "callboard_database_up 0.0" in metrics

        assert postgres.start() == dsn
        assert (await api.get("/readyz")).status == 200
        assert (await api.call_back(task_uuid, said("v1"))).json == {"outcome": "applied"}
        assert (await api.get(f"/v1/tasks/{task_uuid}")).json["state"] == "completed"
    await pool.close()
