"""What is secret about subscriptions: shown once, sealed at rest, rotated with an overlap; and the public keys."""

import base64
import hashlib
import json
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from schemas.api.keys import PublicKeySet
from service.core.jwk import thumbprint
from service.flows.ping import TEST
from service.ports import Outgoing, Target
from service.store.pool import Pool
from service.vault import Vault, public_key, sign_ed25519
from tests.support.web import PUBLIC, Api

HOOK = "https://app.example/hooks"
KEYS = "/.well-known/webhooks-keys"
TOKEN = "tok-5e1f-secret"


async def created(api: Api, **more: object) -> dict[str, Any]:
    reply = await api.post("/v1/subscriptions", {"url": HOOK, **more})
    assert reply.status == 201, reply.raw
    found: dict[str, Any] = reply.json
    return found


async def patched(api: Api, made: dict[str, Any], patch: object) -> dict[str, Any]:
    reply = await api.call("PATCH", f"/v1/subscriptions/{made['id']}", body=patch)
    assert reply.status == 200, reply.raw
    found: dict[str, Any] = reply.json
    return found


async def rotated(api: Api, made: dict[str, Any], body: object = None, **headers: str) -> Any:
    return await api.post(f"/v1/subscriptions/{made['id']}/rotate-secret", body, **headers)


async def sent(api: Api, made: dict[str, Any]) -> tuple[Target, Outgoing]:
    """Send a test, and give what went to the sink."""
    assert (await api.post(f"/v1/subscriptions/{made['id']}/test")).json["ok"]
    target, event = api.house.sink.got[-1]
    assert event.event_type == TEST
    return target, event


def raw(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_").removeprefix("whpk_"))


async def row_of(pool: Pool, made: dict[str, Any]) -> Any:
    return await pool.fetchrow(
        "SELECT * FROM callboard.subscriptions WHERE id = $1", UUID(made["id"])
    )


async def test_headers_are_sealed_and_go_to_the_sink(api: Api, pool: Pool) -> None:
    made = await created(api, headers={"Authorization": f"Bearer {TOKEN}", "X-Shop": "7"})
    row = await row_of(pool, made)
    assert TOKEN not in repr(dict(row))
    assert row["header_names"] == ["Authorization", "X-Shop"]
    target, _ = await sent(api, made)
    assert target.headers == {"Authorization": f"Bearer {TOKEN}", "X-Shop": "7"}


async def test_a_patch_keeps_adds_and_removes_headers_in_any_case(api: Api) -> None:
    made = await created(api, headers={"X-A": "1", "X-B": "2", "X-C": "3"})
    shown = await patched(api, made, {"headers": {"X-A": "***", "x-b": None, "x-c": "4"}})
    assert shown["headers"] == {"X-A": "***", "x-c": "***"}
    assert (await sent(api, made))[0].headers == {"X-A": "1", "x-c": "4"}
    await patched(api, made, {"description": "Something else"})
    assert (await sent(api, made))[0].headers == {"X-A": "1", "x-c": "4"}
    reply = await api.call(
        "PATCH", f"/v1/subscriptions/{made['id']}", body={"headers": {"X-New": "***"}}
    )
    assert reply.pointers() == ["/headers/X-New"]
    assert (await patched(api, made, {"headers": None}))["headers"] == {}
    assert (await sent(api, made))[0].headers == {}


async def test_what_is_wrong_with_a_header_does_not_repeat_its_value(api: Api) -> None:
    body = {"url": HOOK, "headers": {"X-A": f"{TOKEN}\n", "Host": TOKEN}}
    reply = await api.post("/v1/subscriptions", body)
    assert len(reply.pointers()) == 2
    assert TOKEN.encode() not in reply.raw


async def test_rotation_shows_a_new_secret_once_and_both_sign(api: Api) -> None:
    made = await created(api)
    reply = await rotated(api, made)
    assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-store")
    assert reply.json["id"] == made["id"]
    assert reply.json["secret"] != made["secret"]
    _, event = await sent(api, made)
    assert event.secrets == (raw(reply.json["secret"]), raw(made["secret"]))
    assert "secret" not in (await api.get(f"/v1/subscriptions/{made['id']}")).json


async def test_after_the_overlap_only_the_new_one_signs(api: Api, pool: Pool) -> None:
    made = await created(api)
    new = (await rotated(api, made, {"overlapSeconds": 60})).json["secret"]
    until = "SELECT previous_until - clock_timestamp() FROM callboard.subscriptions WHERE id = $1"
    assert 0 < (await pool.fetchval(until, UUID(made["id"]))).total_seconds() <= 60
    await pool.execute("UPDATE callboard.subscriptions SET previous_until = now()")
    assert (await sent(api, made))[1].secrets == (raw(new),)


async def test_without_an_overlap_the_old_one_is_gone_at_once(api: Api, pool: Pool) -> None:
    made = await created(api, signatures=["v1", "v1a"])
    new = (await rotated(api, made, {"overlapSeconds": 0})).json["secret"]
    assert (await sent(api, made))[1].secrets == (raw(new),)
    row = await row_of(pool, made)
    assert row["previous_secret"] is None
    assert row["previous_signing_key"] is None


async def test_a_second_rotation_takes_the_place_of_the_one_before(api: Api) -> None:
    made = await created(api)
    second = (await rotated(api, made)).json["secret"]
    third = (await rotated(api, made)).json["secret"]
    assert (await sent(api, made))[1].secrets == (raw(third), raw(second))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"overlapSeconds": -1}, "/overlapSeconds"),
        ({"overlapSeconds": 604_801}, "/overlapSeconds"),
        ({"overlapSeconds": "1h"}, "/overlapSeconds"),
        ({"overlap": 1}, "/overlap"),
    ],
)
async def test_a_wrong_overlap_is_refused(api: Api, body: object, pointer: str) -> None:
    assert (await rotated(api, await created(api), body)).pointers() == [pointer]


async def test_where_nothing_is_signed_nothing_is_rotated(api: Api) -> None:
    reply = await api.post("/v1/subscriptions", {"kind": "file", "settings": {"path": "f"}})
    (await rotated(api, reply.json)).problem(409, "conflict")
    (await rotated(api, {"id": "00000000-0000-4000-8000-000000000000"})).problem(404, "not_found")


async def test_v1a_makes_a_key_pair_whose_public_half_is_shown(api: Api, pool: Pool) -> None:
    made = await created(api, signatures=["v1", "v1a"])
    assert made["signatures"] == ["v1", "v1a"]
    assert made["publicKey"].startswith("whpk_")
    _, event = await sent(api, made)
    (seed,) = event.private_keys
    key = Ed25519PublicKey.from_public_bytes(raw(made["publicKey"]))
    key.verify(sign_ed25519(seed, b"id.1.body"), b"id.1.body")
    assert public_key(seed) == raw(made["publicKey"])
    assert seed not in (await row_of(pool, made))["signing_key"]


async def test_a_patch_makes_and_forgets_the_key_pair(api: Api, pool: Pool) -> None:
    made = await created(api)
    with_key = await patched(api, made, {"signatures": ["v1a", "v1"]})
    assert with_key["publicKey"] is not None
    same = await patched(api, made, {"description": "x"})
    assert same["publicKey"] == with_key["publicKey"]
    await rotated(api, made)
    without = await patched(api, made, {"signatures": ["v1"]})
    assert (without["publicKey"], without["signatures"]) == (None, ["v1"])
    row = await row_of(pool, made)
    keys = ("signing_key", "public_key", "previous_signing_key", "previous_public_key")
    assert [row[name] for name in keys] == [None] * 4
    assert (await patched(api, made, {"signatures": ["v1", "v1a"]}))["publicKey"] not in {
        None,
        with_key["publicKey"],
    }


async def test_the_key_set_has_the_keys_of_all_and_those_before_while_they_sign(
    api: Api, pool: Pool
) -> None:
    made = await created(api, signatures=["v1", "v1a"])
    new = (await rotated(api, made)).json
    assert len((await sent(api, made))[1].private_keys) == 2
    both = {thumbprint(raw(s["publicKey"])) for s in (made, new)}
    assert both <= await kids(api)
    await pool.execute("UPDATE callboard.subscriptions SET previous_until = now()")
    assert len((await sent(api, made))[1].private_keys) == 1
    assert both & await kids(api) == {thumbprint(raw(new["publicKey"]))}
    await api.call("DELETE", f"/v1/subscriptions/{made['id']}")
    assert not both & await kids(api)


async def kids(api: Api) -> set[str]:
    reply = await api.call("GET", KEYS, headers=PUBLIC)
    return {key.kid for key in PublicKeySet.model_validate_json(reply.raw).keys}


async def test_anybody_may_read_the_key_set_and_learns_nothing_else(api: Api) -> None:
    made = await created(api, signatures=["v1", "v1a"], description="Nobody's business")
    reply = await api.call("GET", KEYS, headers=PUBLIC)
    assert reply.status == 200
    assert reply.headers["Cache-Control"] == "public, max-age=300"
    assert made["id"].encode() not in reply.raw
    (key,) = [k for k in reply.json["keys"] if k["kid"] == thumbprint(raw(made["publicKey"]))]
    x = base64.urlsafe_b64encode(raw(made["publicKey"])).rstrip(b"=").decode()
    assert key == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": x,
        "use": "sig",
        "alg": "EdDSA",
        "kid": key["kid"],
    }
    members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": x}, separators=(",", ":"))
    digest = hashlib.sha256(members.encode()).digest()
    assert key["kid"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_the_thumbprint_is_that_of_rfc_8037() -> None:
    """Appendix A.3."""
    x = base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    assert thumbprint(x) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


async def test_a_repeated_create_answers_the_same_secret_and_makes_nothing(
    api: Api, pool: Pool
) -> None:
    key, body = "create-once", {"url": HOOK, "description": "once"}
    first = await api.post("/v1/subscriptions", body, Idempotency_Key=key)
    again = await api.post("/v1/subscriptions", body, Idempotency_Key=key)
    assert (first.status, again.status) == (201, 201)
    assert again.raw == first.raw
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Cache-Control"] == "no-store"
    assert again.headers["Location"] == first.headers["Location"]
    count = "SELECT count(*) FROM callboard.subscriptions WHERE description = 'once'"
    assert await pool.fetchval(count) == 1
    other = await api.post("/v1/subscriptions", {"url": HOOK}, Idempotency_Key=key)
    other.problem(422, "idempotency_key_reused")
    kept = await pool.fetchval("SELECT answer FROM callboard.idempotency_keys WHERE key = $1", key)
    assert first.json["secret"].encode() not in kept


async def test_a_repeated_rotation_does_not_push_the_old_secret_out(api: Api) -> None:
    made = await created(api)
    first = await rotated(api, made, {"overlapSeconds": 60}, Idempotency_Key="rotate-once")
    again = await rotated(api, made, {"overlapSeconds": 60}, Idempotency_Key="rotate-once")
    assert again.raw == first.raw
    assert (await sent(api, made))[1].secrets == (raw(first.json["secret"]), raw(made["secret"]))


async def test_a_kept_answer_whose_key_is_gone_says_so(api: Api, pool: Pool) -> None:
    body = {"url": HOOK, "description": "other key"}
    await api.post("/v1/subscriptions", body, Idempotency_Key="foreign")
    foreign = Vault([b"o" * 32]).seal(b"{}")
    await pool.execute(
        "UPDATE callboard.idempotency_keys SET answer = $1 WHERE key = 'foreign'", foreign
    )
    reply = await api.post("/v1/subscriptions", body, Idempotency_Key="foreign")
    assert "rotate-secret" in reply.problem(409, "conflict").detail


async def test_a_refused_create_keeps_no_answer(api: Api) -> None:
    bad, good = {"url": HOOK, "condition": "$.a"}, {"url": HOOK}
    reply = await api.post("/v1/subscriptions", bad, Idempotency_Key="mended")
    assert reply.pointers() == ["/condition"]
    assert (await api.post("/v1/subscriptions", good, Idempotency_Key="mended")).status == 201
