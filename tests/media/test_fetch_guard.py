"""Addresses are checked where the connection is made, on every hop and every time."""

import asyncio
from pathlib import Path

import pytest

from service.core.fault import FaultKind
from service.simulator.media import make_video
from tests.support.dns import names
from tests.support.fetching import make_fetch, refused
from tests.support.scripted_server import Answer, always, head, raw_server

VIDEO = make_video("guard")
STRONG = {"ETag": '"one"'}
REFUSED = ("refused_address", FaultKind.PERMANENT, False)


@pytest.mark.parametrize(
    "answers",
    [
        [["10.0.0.1"]],
        [["127.0.0.1", "10.0.0.1"]],
        [["127.0.0.1", "::1"]],
        [["64:ff9b::a00:1"]],
        [["169.254.169.254"]],
    ],
    ids=str,
)
async def test_a_name_with_a_private_address_in_it_is_not_called(
    tmp_path: Path, into: Path, answers: list[list[str]]
) -> None:
    async with names({"videos.example": answers}) as resolver:
        fetch = make_fetch(tmp_path, resolver=resolver)
        assert await refused(fetch, "http://videos.example:8080/v", into) == REFUSED
        await fetch.close()


async def test_a_redirect_to_a_name_that_is_private_is_not_followed(
    tmp_path: Path, into: Path
) -> None:
    async with names({"inside.example": [["10.0.0.1"]]}) as resolver:
        fetch = make_fetch(tmp_path, resolver=resolver)
        go = always(head("302 Go", Location="http://inside.example/v", Content_Length=0))
        async with raw_server(go) as server:
            assert await refused(fetch, server.url, into) == REFUSED
        await fetch.close()


async def test_a_name_that_turns_private_while_the_rest_is_asked_for_is_not_called_again(
    tmp_path: Path, into: Path
) -> None:
    first = head("200 OK", Content_Length=len(VIDEO), **STRONG)
    script = always(first, VIDEO[:1000], then="hang")
    async with (
        names({"videos.example": [["127.0.0.1"], ["10.0.0.1"]]}) as resolver,
        raw_server(script) as server,
    ):
        fetch = make_fetch(tmp_path, resolver=resolver)
        url = server.url.replace("127.0.0.1", "videos.example")
        assert await refused(fetch, url, into) == REFUSED
        await fetch.close()
    assert len(server.heads) == 1


async def test_a_redirect_may_lead_back_to_a_name_that_has_become_private_and_is_not_followed(
    tmp_path: Path, into: Path
) -> None:
    """Rebinding by a redirect: the first look is public, the second private."""

    def go(asked: str) -> Answer:
        place = asked.partition("Host: ")[2].partition("\r\n")[0]
        return Answer([head("302 Go", Location=f"http://{place}/again", Content_Length=0)])

    async with (
        names({"videos.example": [["127.0.0.1"], ["10.0.0.1"]]}) as resolver,
        raw_server(go) as server,
    ):
        fetch = make_fetch(tmp_path, resolver=resolver)
        url = server.url.replace("127.0.0.1", "videos.example")
        assert await refused(fetch, url, into) == REFUSED
        await fetch.close()
    assert len(server.heads) == 1


async def test_a_good_name_is_called_and_its_connections_end_with_the_fetcher(
    tmp_path: Path, into: Path
) -> None:
    good = always(head("200 OK", Content_Length=len(VIDEO)), VIDEO)
    async with names({"videos.example": [["127.0.0.1"]]}) as resolver, raw_server(good) as server:
        fetch = make_fetch(tmp_path, resolver=resolver)
        url = server.url.replace("127.0.0.1", "videos.example")
        kept = await asyncio.gather(*[fetch.fetch(url, tmp_path / f"{n}.part") for n in range(4)])
        assert {media.bytes for media in kept} == {len(VIDEO)}
        await fetch.close()
