"""Result files as a store serves them, and the faults that scenarios give them."""

from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import aiohttp
import pytest

from service.simulator.media import make_video

VIDEO = "https://cdn.example/v.mp4"


def runware_task(simulate: str, **more: Any) -> dict[str, Any]:
    return {
        "taskType": "videoInference",
        "taskUUID": str(uuid4()),
        "model": "sync:3@0",
        "inputs": {"video": f"{VIDEO}?simulate={simulate}", "audio": "https://cdn.example/a.wav"},
        **more,
    }


def sync_body(simulate: str) -> dict[str, Any]:
    video = {"type": "video", "url": f"{VIDEO}?simulate={simulate}"}
    return {
        "model": "sync-3",
        "input": [video, {"type": "audio", "url": "https://cdn.example/a.wav"}],
    }


async def made(upstream: Any, simulate: str) -> str:
    """Have a video made; gives its URL."""
    _, answer = await upstream.generate(sync_body(f"early,{simulate}"))
    _, done = await upstream.read(f"/v2/generate/{answer['id']}")
    return str(done["outputUrl"])


async def get(upstream: Any, url: str, method: str = "GET", **headers: str) -> tuple[Any, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with upstream.session.request(
        method, url, headers=named, allow_redirects=False
    ) as answer:
        return answer, await answer.read()


async def test_parts_are_served_to_whoever_asks_for_them(upstream: Any) -> None:
    url = await made(upstream, "ok")
    whole, content = await get(upstream, url)
    assert (whole.status, whole.headers["Accept-Ranges"]) == (200, "bytes")
    etag, size = whole.headers["ETag"], len(content)
    for asked, part, said in (
        ("bytes=100-", content[100:], f"bytes 100-{size - 1}/{size}"),
        ("bytes=0-0", content[:1], f"bytes 0-0/{size}"),
        ("bytes=-5", content[-5:], f"bytes {size - 5}-{size - 1}/{size}"),
        (f"bytes=5-{size * 2}", content[5:], f"bytes 5-{size - 1}/{size}"),
    ):
        answer, got = await get(upstream, url, Range=asked, If_Range=etag)
        assert (answer.status, got, answer.headers["Content-Range"]) == (206, part, said)
        assert (answer.content_type, answer.headers["ETag"]) == ("video/mp4", etag)
    for asked in ("bytes=9-3", "bytes=0-1,4-5", "items=0-1", "bytes=-"):
        answer, got = await get(upstream, url, Range=asked)
        assert (answer.status, got) == (200, content)
    answer, got = await get(upstream, url, Range="bytes=5-", If_Range='"other"')
    assert (answer.status, got) == (200, content)
    for asked in (f"bytes={size}-", "bytes=-0"):
        answer, _ = await get(upstream, url, Range=asked)
        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{size}")


async def test_a_head_is_a_get_without_its_body(upstream: Any) -> None:
    url = await made(upstream, "hugefile:5000000")
    whole, content = await get(upstream, url)
    answer, got = await get(upstream, url, "HEAD")
    assert (answer.status, got) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(content)) == "5000000"
    assert answer.headers["ETag"] == whole.headers["ETag"]


async def test_uploads_are_served_in_parts_too(upstream: Any) -> None:
    _, place = await upstream.sync(
        "POST",
        "/v2/assets/upload",
        json={"fileName": "a.bin", "contentType": "video/mp4", "size": 10},
    )
    await upstream.session.put(place["uploadUrl"], data=b"0123456789")
    answer, got = await get(upstream, place["url"], Range="bytes=3-5")
    assert (answer.status, got) == (206, b"345")


async def test_a_large_file_begins_as_the_small_one_and_goes_on_with_padding(upstream: Any) -> None:
    _, small = await get(upstream, await made(upstream, "ok"))
    url = await made(upstream, "hugefile:3000000")
    _, large = await get(upstream, url)
    name = urlsplit(url).path.rpartition("/")[2].partition(".")[0]
    assert large.startswith(make_video(name))
    assert (len(large), len(small)) == (3_000_000, len(make_video(name)))
    assert set(large[len(small) + 16 :]) == {0}
    answer, got = await get(upstream, url, Range=f"bytes={len(small) - 5}-{len(small) + 100}")
    assert (answer.status, got) == (206, large[len(small) - 5 : len(small) + 101])


async def beginning(upstream: Any, url: str) -> bytes:
    """Read what comes before a connection breaks; all of it, if it does not."""
    got = bytearray()
    with suppress(aiohttp.ClientError):
        async with upstream.session.get(url) as answer:
            async for chunk in answer.content.iter_any():
                got += chunk
    return bytes(got)


@pytest.mark.parametrize("fault", ["cutfile", "resetfile"])
async def test_a_file_that_breaks_off_is_had_in_parts(upstream: Any, fault: str) -> None:
    url = await made(upstream, f"{fault},hugefile:2000000")
    got = await beginning(upstream, url)
    assert 0 < len(got) < 2_000_000
    answer, rest = await get(upstream, url, Range=f"bytes={len(got)}-")
    assert (answer.status, len(got) + len(rest)) == (206, 2_000_000)
    if fault == "resetfile":
        assert (await get(upstream, url))[1] == got + rest
    else:
        with pytest.raises(aiohttp.ClientError):
            await get(upstream, url)


async def test_what_serves_no_parts_serves_the_whole(upstream: Any) -> None:
    url = await made(upstream, "noranges")
    answer, content = await get(upstream, url, Range="bytes=5-")
    assert (answer.status, len(content)) == (200, answer.content_length)
    assert "Accept-Ranges" not in answer.headers


@pytest.mark.parametrize(
    ("fault", "kind"), [("wrongfile", "text/html"), ("lyingfile", "video/mp4")]
)
async def test_a_page_comes_instead(upstream: Any, fault: str, kind: str) -> None:
    answer, content = await get(upstream, await made(upstream, fault))
    assert (answer.status, answer.content_type) == (200, kind)
    assert content.startswith(b"<!doctype html>")


async def test_a_file_may_have_moved_or_lead_inside(upstream: Any) -> None:
    url = await made(upstream, "movedfile,slowfile:0.1")
    answer, _ = await get(upstream, url)
    assert (answer.status, answer.headers["Location"].endswith("?faults=slowfile:0.1")) == (
        302,
        True,
    )
    async with upstream.session.get(url) as followed:
        assert (followed.status, followed.content_type) == (200, "video/mp4")
    answer, _ = await get(upstream, await made(upstream, "redirectfile"))
    assert answer.headers["Location"].startswith("http://10.0.0.1/media/")


async def test_a_slow_file_comes_bit_by_bit(upstream: Any) -> None:
    async with upstream.session.get(await made(upstream, "slowfile:0.3")) as answer:
        pieces = [piece async for piece in answer.content.iter_any()]
    assert len(pieces) > 1
    assert len(b"".join(pieces)) == answer.content_length


@pytest.mark.parametrize("query", ["faults=losst", "faults=slowfile:soon", "expires=x", "then=x"])
async def test_a_query_that_no_result_has_is_not_found(upstream: Any, query: str) -> None:
    answer, _ = await get(upstream, f"{upstream.base}/media/{uuid4()}.mp4?{query}")
    assert answer.status == 404


async def test_runwares_results_have_faults_too(upstream: Any) -> None:
    task = runware_task("early,cutfile,noranges", numberResults=2)
    await upstream.runware(task)
    about = {"taskType": "getResponse", "taskUUID": task["taskUUID"]}
    _, body = await upstream.runware(about)
    assert all(row["videoURL"].endswith("?faults=cutfile,noranges") for row in body["data"])


@pytest.mark.parametrize(("scenario", "status"), [("expire", 404), ("expire403", 403)])
async def test_an_expired_url_of_a_callback_is_refreshed_by_a_read(
    start: Any, receiver: Any, scenario: str, status: int
) -> None:
    upstream = await start(generation_seconds=0)
    task = runware_task(f"{scenario}:0,late:0.1", webhookURL=receiver.url)
    body = {**sync_body(f"{scenario}:0,late:0.1"), "webhookUrl": receiver.url}
    await upstream.runware(task)
    _, generation = await upstream.generate(body)
    calls = [call.json for call in await receiver.wait_for(2)]
    told = {
        "runware": next(call["data"][0]["videoURL"] for call in calls if "data" in call),
        "sync": next(call["outputUrl"] for call in calls if "outputUrl" in call),
    }
    for url in told.values():
        assert (await get(upstream, url))[0].status == status
    about = {"taskUUID": task["taskUUID"]}
    _, polled = await upstream.runware({"taskType": "getResponse", **about})
    _, details = await upstream.runware({"taskType": "getTaskDetails", **about})
    _, shown = await upstream.read(f"/v2/generate/{generation['id']}")
    for old, url in (
        (told["runware"], polled["data"][0]["videoURL"]),
        (told["runware"], details["data"][0]["response"]["data"][0]["videoURL"]),
        (told["sync"], shown["outputUrl"]),
    ):
        assert urlsplit(url).path == urlsplit(old).path
        assert _ends(url) > _ends(old)


def _ends(url: str) -> float:
    return float(parse_qs(urlsplit(url).query)["expires"][0])
