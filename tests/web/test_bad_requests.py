"""What bad requests get, apart from their bodies: keys, methods, paths, query parameters."""

from uuid import UUID

import pytest

from tests.support.web import PUBLIC, Api, submission

NOBODY = UUID("0e9290c6-cbc7-466d-944f-b9af3f9e7fb9")
"""Known to nobody; fixed, because it is part of the names of tests, which every worker must find the same."""


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic cb_test-key",
        "cb_test-key",
        "Bearer \xe9\xff",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/tasks"),
        ("GET", "/v1/tasks"),
        ("POST", "/v1/batches"),
        ("GET", "/v1/events"),
        ("GET", "/%76%31/tasks"),
        ("DELETE", "/v1/subscriptions/x"),
        ("GET", "/v1/signing-secret"),
        ("GET", "/v1/callbacks/1"),
    ],
)
async def test_without_a_good_key_nothing_is_told(
    api: Api, method: str, path: str, authorization: str
) -> None:
    reply = await api.call(method, path, headers={"Authorization": authorization})

    reply.problem(401, "unauthorized")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_the_scheme_of_the_key_may_be_written_in_any_case(api: Api) -> None:
    reply = await api.get("/v1/tasks", Authorization="bearer   cb_test-key")

    assert reply.status == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/tasks", "GET, HEAD, POST"),
        ("PUT", f"/v1/tasks/{NOBODY}", "DELETE, GET, HEAD"),
        ("GET", f"/v1/tasks/{NOBODY}/cancel", "POST"),
        ("GET", f"/callbacks/runware/{NOBODY}/token", "POST"),
        ("POST", "/livez", "GET, HEAD"),
        ("TRACE", "/v1/events", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    api: Api, method: str, path: str, allowed: str
) -> None:
    reply = await api.call(method, path)

    reply.problem(405, "method_not_allowed")
    assert reply.headers["Allow"] == allowed


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1", "/v1/nothing", "/v1/tasks/", "/callbacks/runware", "/%FF%FE"]
)
async def test_an_unknown_path_is_not_found(api: Api, path: str) -> None:
    reply = await api.get(path)

    assert reply.problem(404, "not_found").instance


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/tasks/{NOBODY}",
        f"/v1/tasks/{NOBODY}/timeline",
        "/v1/tasks/not-a-uuid",
        "/v1/tasks/%00",
        f"/v1/tasks/{NOBODY.hex}",
        f"/v1/subscriptions/{NOBODY}",
        "/v1/subscriptions/1",
        "/v1/callbacks/1234567",
        "/v1/callbacks/99999999999999999999999999",
        "/v1/callbacks/-1",
        "/v1/callbacks/x",
    ],
)
async def test_a_thing_that_is_not_there_is_not_found(api: Api, path: str) -> None:
    (await api.get(path)).problem(404, "not_found")


@pytest.mark.parametrize("verb", ["cancel", "retry"])
async def test_nothing_can_be_done_to_a_task_that_is_not_there(api: Api, verb: str) -> None:
    (await api.post(f"/v1/tasks/{NOBODY}/{verb}")).problem(404, "not_found")


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/v1/tasks?staet=queued", "'staet'"),
        ("/v1/tasks?state=done", "state"),
        ("/v1/tasks?state=queued&state=failed", "state"),
        ("/v1/tasks?provider=nobody", "provider"),
        ("/v1/tasks?limit=0", "limit"),
        ("/v1/tasks?limit=101", "limit"),
        ("/v1/tasks?limit=ten", "limit"),
        ("/v1/tasks?limit=%D9%A3", "limit"),
        ("/v1/tasks?label=project", "label"),
        ("/v1/tasks?label=:x", "label"),
        ("/v1/tasks?created_after=yesterday", "created_after"),
        ("/v1/tasks?created_after=2026-01-01T00:00:00", "created_after"),
        ("/v1/tasks?created_before=2026-13-01T00:00:00Z", "created_before"),
        ("/v1/tasks?created_before=0001-01-01T00:00:00%2B09:00", "created_before"),
        ("/v1/tasks?model=%00", "model"),
        ("/v1/tasks?cursor=x", "cursor"),
        ("/v1/tasks?cursor=WzE4NDQ2NzQ0MDczNzA5NTUxNjE2XQ", "cursor"),
        (f"/v1/tasks/{NOBODY}?wait=0", "wait"),
        (f"/v1/tasks/{NOBODY}?wait=61", "wait"),
        (f"/v1/tasks/{NOBODY}?expand=1", "'expand'"),
        (f"/v1/tasks/{NOBODY}/timeline?limit=1001", "limit"),
        ("/v1/events?type=task.gone", "task.gone"),
        ("/v1/events?type=task.*,nothing.*", "nothing.*"),
        ("/v1/events?task=1", "task"),
        ("/v1/events?limit=1001", "limit"),
        ("/v1/events?cursor=then", "cursor"),
        ("/v1/subscriptions?state=x", "'state'"),
        ("/v1/subscriptions?cursor=WzEsMl0", "cursor"),
        ("/v1/callbacks?outcome=lost", "outcome"),
        ("/v1/callbacks?task=x", "task"),
        ("/v1/signing-secret?x=1", "'x'"),
    ],
)
async def test_a_wrong_query_parameter_is_named(api: Api, path: str, named: str) -> None:
    assert named in (await api.get(path)).problem(400, "malformed").detail


@pytest.mark.parametrize("path", ["/v1/tasks?x=1", f"/v1/tasks/{NOBODY}/cancel?x=1"])
async def test_posting_takes_no_query_parameters(api: Api, path: str) -> None:
    assert "'x'" in (await api.post(path, submission())).problem(400, "malformed").detail


async def test_nobody_needs_a_key_to_be_told_that_a_path_is_unknown(api: Api) -> None:
    (await api.call("GET", "/nothing", headers=PUBLIC)).problem(404, "not_found")
