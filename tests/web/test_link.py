"""Links to kept videos: good without a key, for one file until one time, and for nothing else."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
import structlog
from structlog.testing import capture_logs

from schemas.api.media import Link as LinkView
from service.core.link import LONGEST_S, Link, sign
from service.core.media import Archive, ArchiveState
from service.flows.files import video_path
from service.store.pool import Pool
from tests.support.flows import TENANT
from tests.support.house import CALLBACK_KEYS, PUBLIC_URL
from tests.support.videos import Folder, Stored, came, given_away, keep, kept, media_of, tell
from tests.support.web import LINK_S, PUBLIC, Api, Reply, serving

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Give a place for files."""
    return Folder(tmp_path)


@pytest.fixture
async def api(pool: Pool, folder: Folder) -> AsyncIterator[Api]:
    """Serve the web with a place."""
    async with serving(pool, places=folder) as running:
        yield running


@pytest.fixture
async def stored(pool: Pool, api: Api, folder: Folder) -> Stored:
    """Have a file kept."""
    return await kept(pool, api, folder, CONTENT)


async def made(api: Api, stored: Stored, body: object = None) -> tuple[str, LinkView]:
    """Make a link; gives its path with the query."""
    reply = await api.post(f"/v1/tasks/{stored.task_uuid}/results/{stored.index}/link", body)
    assert reply.status == 201, reply.raw
    shown = LinkView.model_validate_json(reply.raw)
    assert shown.url.startswith(f"{PUBLIC_URL}{stored.path}?expires=")
    return shown.url.removeprefix(PUBLIC_URL), shown


async def followed(api: Api, path: str, method: str = "GET", **headers: str) -> Reply:
    """Follow a link without a key."""
    return await api.call(method, path, headers=PUBLIC | headers)


def signed(stored: Stored, expires: int, keys: tuple[bytes, ...] = CALLBACK_KEYS) -> str:
    """Sign a link as the service would."""
    signature = sign(keys, Link(stored.path, TENANT, stored.sha256, expires))
    return f"{stored.path}?expires={expires}&signature={signature}"


async def test_a_link_gives_the_file_to_who_has_no_key(api: Api, stored: Stored) -> None:
    path, _ = await made(api, stored)
    whole, head = await followed(api, path), await followed(api, path, "HEAD")
    part = await followed(api, path, Range="bytes=10-19")
    assert (whole.status, whole.raw) == (200, CONTENT)
    assert (head.status, head.raw, head.headers["Content-Length"]) == (200, b"", "1024")
    assert (part.status, part.raw) == (206, CONTENT[10:20])
    known = await followed(api, path, **{"If-None-Match": whole.headers["ETag"]})
    assert known.status == 304


@pytest.mark.parametrize(
    ("body", "seconds"), [(None, LINK_S), ({}, LINK_S), ({"expiresInSeconds": 90}, 90)]
)
async def test_it_says_until_when_it_is_good(
    api: Api, stored: Stored, body: object, seconds: int
) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    path, shown = await made(api, stored, body)
    after = datetime.now(UTC)
    most = timedelta(seconds=seconds)
    assert before + most <= shown.expiresAt <= after + most
    (expires,) = parse_qs(urlsplit(path).query)["expires"]
    assert int(expires) == shown.expiresAt.timestamp()
    cached = (await followed(api, path)).headers["Cache-Control"]
    assert cached.startswith("private, max-age=")
    assert 0 <= int(cached.split("=")[1].split(",")[0]) <= min(seconds, 3600)


async def test_its_options_are_checked(api: Api, stored: Stored) -> None:
    path = f"/v1/tasks/{stored.task_uuid}/results/0/link"
    for wrong in (0, -1, LONGEST_S + 1, "60", 1.5, None):
        reply = await api.post(path, {"expiresInSeconds": wrong})
        assert reply.pointers() == ["/expiresInSeconds"]
    assert (await api.post(path, {"download": "yes"})).pointers() == ["/download"]
    assert (await api.post(path, {"until": 1})).pointers() == ["/until"]
    (await api.post(f"{path}?a=1")).problem(400, "malformed")
    (await api.call("POST", path, headers=PUBLIC)).problem(401, "unauthorized")
    assert (await api.post(path, {"expiresInSeconds": LONGEST_S})).status == 201


async def test_a_link_to_save_makes_browsers_save(api: Api, stored: Stored) -> None:
    path, _ = await made(api, stored, {"download": True})
    assert path.endswith("&download=1")
    reply = await followed(api, path)
    assert reply.headers["Content-Disposition"].startswith("attachment; ")


async def test_pages_of_any_site_may_read_what_comes_of_a_link(api: Api, stored: Stored) -> None:
    path, _ = await made(api, stored)
    for reply, status in (
        (await followed(api, path, Origin="https://app.example"), 200),
        (await followed(api, path, Range="bytes=5000-"), 416),
        (await followed(api, path, **{"If-None-Match": "*"}), 304),
        (await followed(api, f"{path}x"), 403),
    ):
        assert reply.status == status
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert "ETag" in reply.headers["Access-Control-Expose-Headers"]
    by_key = await api.get(stored.path, Origin="https://app.example")
    other = await followed(api, stored.path)
    for reply in (by_key, other, await api.get("/v1/tasks?signature=x")):
        assert "Access-Control-Allow-Origin" not in reply.headers


async def test_no_character_of_it_can_be_changed(api: Api, stored: Stored) -> None:
    path, _ = await made(api, stored)
    signature = path.rpartition("=")[2]
    start = len(path) - len(signature)
    expires = len(stored.path) + len("?expires=")
    for at in (*range(expires, expires + 10), *range(start, len(path))):
        other = "1" if path[at] != "1" else "2"
        changed = path[:at] + other + path[at + 1 :]
        (await followed(api, changed)).problem(403, "link_invalid")
    for changed in (path[:-1], f"{path}A", f"{path}="):
        (await followed(api, changed)).problem(403, "link_invalid")
    (await followed(api, path.replace("expires=", "expires=0"))).problem(400, "malformed")
    assert (await followed(api, path)).status == 200


async def test_half_a_link_is_none(api: Api, stored: Stored) -> None:
    path, _ = await made(api, stored)
    query = path.partition("?")[2]
    expires, signature = query.split("&")
    for wrong in (signature, f"{expires}&signature=", "signature="):
        (await followed(api, f"{stored.path}?{wrong}")).problem(403, "link_invalid")
    for wrong in (f"expires=&{signature}", f"expires=x&{signature}", f"{path[-1]}&{signature}"):
        (await followed(api, f"{stored.path}?{wrong}")).problem(400, "malformed")
    (await followed(api, f"{stored.path}?{expires}")).problem(401, "unauthorized")
    (await followed(api, f"{path}&{expires}")).problem(400, "malformed")


async def test_it_is_good_for_no_other_file(api: Api, pool: Pool, folder: Folder) -> None:
    task_uuid = await came(api, results=2)
    one = await keep(pool, api, folder, task_uuid, 0, CONTENT)
    # The same bytes: only where they are differs.
    two = await keep(pool, api, folder, task_uuid, 1, CONTENT)
    three = await kept(pool, api, folder, CONTENT)
    path, _ = await made(api, one)
    query = path.partition("?")[2]
    unknown = (video_path(uuid4(), 0), video_path(task_uuid, 7), "/v1/tasks/x/results/0/video")
    for other in (two.path, three.path, *unknown[:2]):
        (await followed(api, f"{other}?{query}")).problem(403, "link_invalid")
    assert (await followed(api, f"{unknown[2]}?{query}")).status == 404


async def test_it_opens_nothing_but_the_file(api: Api, stored: Stored) -> None:
    path, _ = await made(api, stored)
    query = path.partition("?")[2]
    for other in (f"/v1/tasks/{stored.task_uuid}", "/v1/tasks", "/v1/events"):
        (await followed(api, f"{other}?{query}")).problem(401, "unauthorized")
    link = f"/v1/tasks/{stored.task_uuid}/results/0/link?{query}"
    (await followed(api, link, "POST")).problem(401, "unauthorized")


async def test_after_its_time_it_has_expired_and_forged_ones_are_invalid(
    api: Api, stored: Stored
) -> None:
    now = int(datetime.now(UTC).timestamp())
    (await followed(api, signed(stored, now - 60))).problem(410, "link_expired")
    forged = signed(stored, now - 60).replace("signature=", "signature=A")
    (await followed(api, forged)).problem(403, "link_invalid")
    assert (await followed(api, signed(stored, now + 60))).status == 200


async def test_it_ends_with_its_file(api: Api, pool: Pool, stored: Stored) -> None:
    path, _ = await made(api, stored)
    other = media_of(b"other")
    now = int(datetime.now(UTC).timestamp())
    forged = sign(CALLBACK_KEYS, Link(stored.path, TENANT, other.sha256, now + 60))
    wrong = f"{stored.path}?expires={now + 60}&signature={forged}"
    (await followed(api, wrong)).problem(403, "link_invalid")
    await tell(api, stored.task_uuid, 0, Archive(ArchiveState.DELETED, media_of(CONTENT)))
    (await followed(api, path)).problem(410, "video_deleted")
    assert (await api.call("DELETE", f"/v1/tasks/{stored.task_uuid}")).status == 204
    (await followed(api, path)).problem(403, "link_invalid")


async def test_it_is_of_its_tenant(api: Api, pool: Pool, stored: Stored) -> None:
    path, _ = await made(api, stored)
    await given_away(pool, stored.task_uuid)
    (await followed(api, path)).problem(403, "link_invalid")


async def test_keys_rotate(pool: Pool, folder: Folder, api: Api, stored: Stored) -> None:
    path, _ = await made(api, stored)
    first, new = CALLBACK_KEYS[0], b"new-key"
    async with serving(pool, places=folder, link_keys=(new, first)) as later:
        assert (await followed(later, path)).status == 200
        newer, _ = await made(later, stored)
    async with serving(pool, places=folder, link_keys=(new,)) as latest:
        (await followed(latest, path)).problem(403, "link_invalid")
        assert (await followed(latest, newer)).status == 200


async def test_its_signature_is_in_no_log_and_no_answer(
    api: Api, stored: Stored, folder: Folder
) -> None:
    path, _ = await made(api, stored)
    signature = path.rpartition("=")[2]
    with capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        assert (await followed(api, path)).status == 200
        replies = [await followed(api, f"{path}&t=1"), await followed(api, path, "POST")]
        await folder.delete(stored.location)
        replies.append(await followed(api, path))
    assert [reply.status for reply in replies] == [400, 405, 410]
    routes = {line["route"] for line in lines if line["event"] == "http.request"}
    assert "/v1/tasks/{id}/results/{n}/video" in routes
    assert signature not in repr(lines)
    assert not any(signature in reply.raw.decode() for reply in replies)


async def test_a_key_beside_a_link_counts_for_nothing(api: Api, stored: Stored) -> None:
    path, _ = await made(api, stored)
    assert (await api.get(path)).status == 200
    (await api.get(f"{path}x")).problem(403, "link_invalid")
