"""Every field of a subscription: taken, shown, refused with its place, and changed by a merge patch."""

from typing import Any

import pytest

from schemas.api.subscriptions import SubscriptionCreated, SubscriptionPage, SubscriptionView
from tests.support.web import Api

HOOK = "https://app.example/hooks"
DEFAULTS: dict[str, Any] = {
    "kind": "webhook",
    "url": HOOK,
    "settings": {},
    "description": "",
    "types": ["*"],
    "provider": None,
    "model": None,
    "labels": {},
    "condition": None,
    "format": "structured",
    "batchSize": None,
    "headers": {},
    "signatures": ["v1"],
    "publicKey": None,
    "concurrency": None,
    "ratePerMinute": None,
    "timeoutSeconds": None,
    "includeRequest": False,
    "handshake": False,
    "enabled": True,
    "disabledReason": None,
    "disabledAt": None,
    "failingSince": None,
}
ALL: dict[str, Any] = {
    "description": "Orders of the shop",
    "types": ["video.*", "subscription.disabled"],
    "provider": "sync",
    "model": "sync-3",
    "labels": {"a": "1", "b": "2"},
    "condition": "$.result.cost > 0.5",
    "format": "batched",
    "batchSize": 20,
    "headers": {"Authorization": "Bearer t", "X-Shop": "7"},
    "concurrency": 4,
    "ratePerMinute": 600,
    "timeoutSeconds": 2.5,
    "includeRequest": True,
    "handshake": True,
    "enabled": False,
}


async def created(api: Api, **more: object) -> dict[str, Any]:
    reply = await api.post("/v1/subscriptions", {"url": HOOK, **more})
    assert reply.status == 201, reply.raw
    SubscriptionCreated.model_validate_json(reply.raw)
    found: dict[str, Any] = reply.json
    return found


async def patched(api: Api, made: dict[str, Any], patch: object, status: int = 200) -> Any:
    reply = await api.call("PATCH", f"/v1/subscriptions/{made['id']}", body=patch)
    assert reply.status == status, reply.raw
    if status == 200:
        SubscriptionView.model_validate_json(reply.raw)
        assert reply.json == (await api.get(f"/v1/subscriptions/{made['id']}")).json
    return reply.json if status == 200 else reply


def without(shown: dict[str, Any], *names: str) -> dict[str, Any]:
    own = {"id", "createdAt", "updatedAt", "secret", *names}
    return {name: value for name, value in shown.items() if name not in own}


async def test_what_is_not_given_has_its_default(api: Api) -> None:
    assert without(await created(api)) == DEFAULTS
    assert (await created(api, format="batched"))["batchSize"] == 100


async def test_every_field_is_taken_and_shown_with_values_of_headers_hidden(api: Api) -> None:
    made = await created(api, **ALL)

    hidden = {"Authorization": "***", "X-Shop": "***"}
    wanted = {**DEFAULTS, **ALL, "headers": hidden, "disabledReason": "user"}
    assert without(made, "disabledAt") == {k: v for k, v in wanted.items() if k != "disabledAt"}
    assert made["disabledAt"] is not None
    assert b"Bearer" not in (await api.get("/v1/subscriptions")).raw


FAULTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"description": 1}, ["/description"]),
    ({"types": ["video"]}, ["/types/0"]),
    ({"provider": "openai"}, ["/provider"]),
    ({"model": ""}, ["/model"]),
    ({"labels": {"a:b": "x"}}, ["/labels/a:b"]),
    ({"condition": ""}, ["/condition"]),
    ({"condition": "$.a == 1" + " " * 512}, ["/condition"]),
    ({"condition": "a\u0000"}, ["/condition"]),
    ({"condition": "$.a"}, ["/condition"]),
    ({"batchSize": 5}, ["/batchSize"]),
    ({"format": "batched", "batchSize": 1001}, ["/batchSize"]),
    ({"signatures": ["v1a"]}, ["/signatures"]),
    ({"signatures": ["v1", "v1"]}, ["/signatures"]),
    ({"signatures": ["v2"]}, ["/signatures", "/signatures/0"]),
    ({"concurrency": 0}, ["/concurrency"]),
    ({"concurrency": 1001}, ["/concurrency"]),
    ({"ratePerMinute": 0}, ["/ratePerMinute"]),
    ({"timeoutSeconds": 0.5}, ["/timeoutSeconds"]),
    ({"timeoutSeconds": 61}, ["/timeoutSeconds"]),
    ({"includeRequest": 1}, ["/includeRequest"]),
    ({"handshake": "yes"}, ["/handshake"]),
    ({"enabled": None}, ["/enabled"]),
    ({"settings": {"a": 1}}, ["/settings"]),
    ({"credentials": {"a": 1}}, ["/credentials"]),
    ({"headers": {"X Y": "1"}}, ["/headers/X Y"]),
    ({"headers": {"X-A": ""}}, ["/headers/X-A"]),
    ({"headers": {"X-A": "ä"}}, ["/headers/X-A"]),
    ({"headers": {"X-A": "a\r\nX-B: c"}}, ["/headers/X-A"]),
    ({"headers": {"X-A": "x" * 4097}}, ["/headers/X-A"]),
    ({"headers": {"X-A": "***"}}, ["/headers/X-A"]),
    ({"headers": {"X-A": "1", "x-a": "2"}}, ["/headers/x-a"]),
    ({"headers": {f"X-{n}": "1" for n in range(17)}}, ["/headers"]),
    (
        {"types": [], "condition": "$.a", "url": "http://0x7f000001/", "x": 1},
        ["/condition", "/types", "/url", "/x"],
    ),
]


@pytest.mark.parametrize(("fields", "pointers"), FAULTS)
async def test_what_is_wrong_is_named_all_at_once(
    api: Api, fields: dict[str, Any], pointers: list[str]
) -> None:
    reply = await api.post("/v1/subscriptions", {"url": HOOK, **fields})
    assert sorted(reply.pointers()) == pointers


@pytest.mark.parametrize(("fields", "pointers"), FAULTS)
async def test_a_patch_finds_the_same_faults_and_changes_nothing(
    api: Api, fields: dict[str, Any], pointers: list[str]
) -> None:
    made = await created(api)
    if fields == {"enabled": None}:
        return  # in a patch, null is the default
    reply = await patched(api, made, fields, 422)
    assert sorted(reply.pointers()) == pointers
    assert without((await api.get(f"/v1/subscriptions/{made['id']}")).json) == DEFAULTS


@pytest.mark.parametrize(
    "name",
    [
        *("Content-Type", "content-length", "Host", "Connection", "Transfer-Encoding", "TE"),
        *("Webhook-Id", "webhook-x", "CE-Type", "Upgrade", "Proxy-Authorization", "Expect"),
    ],
)
async def test_headers_of_the_service_and_the_connection_are_not_to_be_set(
    api: Api, name: str
) -> None:
    reply = await api.post("/v1/subscriptions", {"url": HOOK, "headers": {name: "1"}})
    assert reply.pointers() == [f"/headers/{name}"]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"kind": "file", "settings": {"path": "a"}, "url": HOOK}, ["/url"]),
        ({"kind": "file", "settings": {"path": "a", "b": 1}}, ["/settings/b"]),
        ({"kind": "file", "settings": {"path": "a"}, "credentials": {"a": 1}}, ["/credentials"]),
        ({"kind": "file", "settings": {"path": "a"}, "format": "binary"}, ["/format"]),
        ({"kind": "file", "settings": {"path": "a"}, "signatures": ["v1"]}, ["/signatures"]),
        ({"kind": "file", "settings": {"path": "a"}, "headers": {"X-A": "1"}}, ["/headers"]),
        ({"kind": "file", "settings": {"path": "a"}, "handshake": True}, ["/handshake"]),
        ({"kind": "pigeon"}, ["/kind"]),
    ],
)
async def test_a_kind_has_its_own_fields_only(api: Api, body: object, pointers: list[str]) -> None:
    reply = await api.post("/v1/subscriptions", body)
    assert reply.pointers() == pointers
    if pointers == ["/kind"]:
        assert "webhook, file" in reply.json["errors"][0]["detail"]


async def test_null_brings_every_default_back(api: Api) -> None:
    made = await created(api, **ALL)
    patch = dict.fromkeys(ALL)
    assert without(await patched(api, made, patch)) == DEFAULTS


async def test_what_a_patch_leaves_out_stays_and_objects_are_merged(api: Api) -> None:
    made = await created(api, **ALL)
    changed = await patched(api, made, {"labels": {"a": None, "c": "3"}, "description": "New"})
    assert changed["labels"] == {"b": "2", "c": "3"}
    before = without(made, "labels", "description")
    assert without(changed, "labels", "description") == before
    assert changed["updatedAt"] > made["updatedAt"]
    assert changed["createdAt"] == made["createdAt"]


async def test_a_url_can_change_and_a_kind_cannot(api: Api) -> None:
    made = await created(api)
    assert (await patched(api, made, {"url": f"{HOOK}/2", "kind": "webhook"}))["url"] == f"{HOOK}/2"
    assert (await patched(api, made, {"kind": "file"}, 422)).pointers() == ["/kind"]
    assert (await patched(api, made, {"url": None}, 422)).pointers() == ["/url"]


async def test_settings_of_a_kind_are_checked_in_a_patch_too(api: Api) -> None:
    reply = await api.post("/v1/subscriptions", {"kind": "file", "settings": {"path": "a"}})
    made = reply.json
    changed = await patched(api, made, {"settings": {"path": "b"}})
    assert changed["settings"] == {"path": "b"}
    reply = await patched(api, made, {"settings": {"path": None}}, 422)
    assert reply.pointers() == ["/settings/path"]


@pytest.mark.parametrize(
    ("patch", "pointers"),
    [
        ([], [""]),
        ("x", [""]),
        ({"id": "x", "createdAt": None, "secret": "s"}, ["/createdAt", "/id", "/secret"]),
        ({"tpyes": ["*"]}, ["/tpyes"]),
        ({"tpyes": None}, ["/tpyes"]),
    ],
)
async def test_what_no_patch_can_set_is_named(api: Api, patch: object, pointers: list[str]) -> None:
    assert sorted((await patched(api, await created(api), patch, 422)).pointers()) == pointers


async def test_a_batch_size_leaves_with_its_format(api: Api) -> None:
    made = await created(api, format="batched", batchSize=7)
    assert (await patched(api, made, {"format": "standard"}))["batchSize"] is None
    again = await patched(api, made, {"format": "batched"})
    assert again["batchSize"] == 100


async def test_a_patch_of_what_is_not_there_is_404(api: Api) -> None:
    made = await created(api)
    await api.call("DELETE", f"/v1/subscriptions/{made['id']}")
    reply = await api.call("PATCH", f"/v1/subscriptions/{made['id']}", body={"enabled": False})
    reply.problem(404, "not_found")


async def test_a_merge_patch_may_be_sent_by_its_own_media_type(api: Api) -> None:
    made = await created(api)
    reply = await api.call(
        "PATCH",
        f"/v1/subscriptions/{made['id']}",
        data=b'{"enabled": false}',
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert reply.json["disabledReason"] == "user"


async def test_lists_can_be_narrowed_by_kind_and_by_being_enabled(api: Api) -> None:
    await api.post("/v1/subscriptions", {"kind": "file", "settings": {"path": "narrow"}})
    off = await created(api, enabled=False)
    page = (await api.get("/v1/subscriptions?kind=webhook&enabled=false&limit=100")).raw
    found = SubscriptionPage.model_validate_json(page).items
    assert off["id"] in {str(item.id) for item in found}
    assert {(item.kind, item.enabled) for item in found} == {("webhook", False)}
    files = (await api.get("/v1/subscriptions?kind=file&enabled=true&limit=100")).json["items"]
    assert {item["kind"] for item in files} == {"file"}
    (await api.get("/v1/subscriptions?enabled=maybe")).problem(400, "malformed")
