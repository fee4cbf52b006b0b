"""What answers other than a video are called, and what their kind is: statuses, encodings, redirects, silence."""

import asyncio
import socket
from pathlib import Path

import pytest

from service.core.fault import FaultKind
from service.media.fetch import Fetch
from service.ports import FetchError
from service.simulator.media import make_video
from tests.support.fetching import make_fetch, refused, size_of
from tests.support.scripted_server import Answer, always, head, raw_server

VIDEO = make_video("answers")
PERMANENT, TRANSIENT = FaultKind.PERMANENT, FaultKind.TRANSIENT
GOOD = always(head("200 OK", Content_Length=len(VIDEO)), VIDEO)


@pytest.mark.parametrize(
    ("status", "kind", "expired"),
    [
        *[(status, TRANSIENT, True) for status in (401, 403, 404, 410)],
        *[(status, TRANSIENT, False) for status in (408, 423, 425, 429, 500, 502, 503, 504, 599)],
        *[(status, TRANSIENT, False) for status in (202, 204)],
        *[(status, PERMANENT, False) for status in (400, 402, 405, 406, 416, 418, 451)],
    ],
)
async def test_a_status_says_whether_to_come_back_and_whether_with_another_address(
    fetch: Fetch, into: Path, status: int, kind: FaultKind, expired: bool
) -> None:
    async with raw_server(always(head(f"{status} So", Content_Length=0))) as server:
        assert await refused(fetch, server.url, into) == (f"http_{status}", kind, expired)
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    ("parts", "code", "kind"),
    [
        (
            [head("200 OK", Content_Length=3, Content_Encoding="gzip"), b"abc"],
            "content_encoding",
            PERMANENT,
        ),
        ([head("200 OK", Content_Length=0)], "empty", TRANSIENT),
        ([head("200 OK")], "empty", TRANSIENT),
        (
            [head("206 Partial", Content_Length=1, Content_Range="bytes 0-0/9"), b"a"],
            "protocol",
            TRANSIENT,
        ),
        ([b"SSH-2.0-OpenSSH_9\r\n\r\n"], "protocol", TRANSIENT),
        ([], "disconnected", TRANSIENT),
        ([head("200 OK", Content_Length=2**40)], "too_large", PERMANENT),
    ],
    ids=["gzip", "empty", "nothing", "unasked", "ssh", "silent", "large"],
)
async def test_an_answer_that_is_no_file_is_named(
    fetch: Fetch, into: Path, parts: list[bytes], code: str, kind: FaultKind
) -> None:
    async with raw_server(always(*parts)) as server:
        assert await refused(fetch, server.url, into) == (code, kind, False)
    # aiohttp itself asks once more where a connection ended without a byte.
    assert len(server.heads) == (1 if parts else 2)


async def test_asked_for_is_the_file_as_it_is(fetch: Fetch, into: Path) -> None:
    async with raw_server(GOOD) as server:
        url = server.url + "?sig=a%2Fb%2B%7E%C3%A9&x=%41+%20#end"
        await fetch.fetch(url, into)
    (asked,) = server.heads
    assert asked.startswith("GET /v.mp4?sig=a%2Fb%2B%7E%C3%A9&x=%41+%20 HTTP/1.1")
    assert "\r\nAccept-Encoding: identity\r\n" in asked
    assert "\r\nUser-Agent: Callboard/" in asked
    assert "Cookie" not in asked


@pytest.mark.parametrize("size", [2**20 + 1, 5 * 2**20])
async def test_more_than_the_limit_is_counted_where_nobody_announced_it(
    tmp_path: Path, into: Path, size: int
) -> None:
    fetch = make_fetch(tmp_path, max_bytes=2**20)
    async with raw_server(always(head("200 OK"), bytes(size))) as server:
        assert await refused(fetch, server.url, into) == ("too_large", PERMANENT, False)
    assert size_of(into) <= 2**20
    await fetch.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("where", ["/other", "other?a=%2F", "http://{}/other", "//{}/other"])
async def test_redirects_are_followed_wherever_they_are_written_from(
    fetch: Fetch, into: Path, status: int, where: str
) -> None:
    def move(asked: str) -> Answer:
        place = asked.partition("Host: ")[2].partition("\r\n")[0]
        return Answer([head(f"{status} Go", Location=where.format(place), Content_Length=0)])

    async with raw_server(move, GOOD) as server:
        assert (await fetch.fetch(server.url, into)).bytes == len(VIDEO)
    assert server.heads[1].startswith(f"GET /{where.rpartition('/')[2]} ")


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ({}, "redirect"),
        ({"Location": ""}, "redirect"),
        ({"Location": "ftp://127.0.0.1/v"}, "redirect"),
        ({"Location": "file:///etc/passwd"}, "redirect"),
        ({"Location": "http://[::1"}, "redirect"),
        ({"Location": "http://us:pa@127.0.0.1/v"}, "redirect"),
        ({"Location": "http://127.1/v"}, "redirect"),
        ({"Location": "http://127.0.0.1:22/v"}, "redirect"),
        ({"Location": "/v\\..\\w"}, "redirect"),
        ({"Location": "http://10.0.0.1/v"}, "refused_address"),
        ({"Location": "http://169.254.169.254/latest/meta-data"}, "refused_address"),
        ({"Location": "http://[::ffff:10.0.0.1]/v"}, "refused_address"),
    ],
    ids=str,
)
async def test_a_redirect_to_no_good_place_is_not_followed(
    fetch: Fetch, into: Path, location: dict[str, str], code: str
) -> None:
    async with raw_server(always(head("302 Go", Content_Length=0, **location))) as server:
        assert await refused(fetch, server.url, into) == (code, PERMANENT, False)
    assert len(server.heads) == 1


@pytest.mark.parametrize(("turns", "followed"), [(5, True), (6, False)])
async def test_so_many_redirects_are_followed_and_no_more(
    fetch: Fetch, into: Path, turns: int, followed: bool
) -> None:
    go = always(head("302 Go", Location="/v.mp4", Content_Length=0))
    async with raw_server(*[go] * turns, GOOD) as server:
        if followed:
            assert (await fetch.fetch(server.url, into)).bytes == len(VIDEO)
        else:
            assert (await refused(fetch, server.url, into))[:2] == ("redirect", PERMANENT)
    assert len(server.heads) == 6


@pytest.mark.parametrize(
    ("url", "code", "kind"),
    [
        ("ftp://127.0.0.1/v", "invalid_url", PERMANENT),
        ("http://", "invalid_url", PERMANENT),
        ("http://[broken", "invalid_url", PERMANENT),
        ("not a url", "invalid_url", PERMANENT),
        ("http://127.0.0.1:6379/v", "invalid_url", PERMANENT),
        ("http://10.1.2.3/v", "refused_address", PERMANENT),
        ("http://[::1]/v", "refused_address", PERMANENT),
        ("http://nobody.invalid/v", "dns", TRANSIENT),
    ],
)
async def test_an_address_that_is_not_called_is_named(
    fetch: Fetch, into: Path, url: str, code: str, kind: FaultKind
) -> None:
    assert await refused(fetch, url, into) == (code, kind, False)


async def test_nobody_there_is_named(fetch: Fetch, into: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        assert await refused(fetch, url, into) == ("connect", TRANSIENT, False)


async def test_no_tls_where_tls_was_asked_for_is_named(fetch: Fetch, into: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert await refused(fetch, url, into) == ("tls", TRANSIENT, False)


async def test_silence_ends_a_download(fetch: Fetch, into: Path) -> None:
    async with raw_server(always(then="hang")) as server:
        assert await refused(fetch, server.url, into) == ("stalled", TRANSIENT, False)


async def test_a_download_that_trickles_ends_with_its_time(tmp_path: Path, into: Path) -> None:
    fetch = make_fetch(tmp_path, stall_s=60, total_s=0.3)
    script = always(head("200 OK", Content_Length=len(VIDEO)), VIDEO[:10], then="hang")
    async with raw_server(script) as server:
        assert await refused(fetch, server.url, into) == ("timeout", TRANSIENT, False)
    await fetch.close()


async def test_no_fault_tells_more_of_an_address_than_its_host(fetch: Fetch, into: Path) -> None:
    for script in (always(), always(head("403 No", Content_Length=0)), always(then="hang")):
        async with raw_server(script) as server:
            with pytest.raises(FetchError) as caught:
                await fetch.fetch(f"{server.url}?secret=5ecret", into)
        assert "5ecret" not in str(caught.value)
        assert "127.0.0.1" in str(caught.value)
