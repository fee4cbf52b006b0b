"""A file put to a caller's own address: what comes there, what its answers mean, and what is never told."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from aiohttp import web

from service.core.fault import FaultKind
from service.media.places.put import Put
from tests.conformance.places.conftest import BUCKET, Make
from tests.support.kept import fault_of
from tests.support.moto import Moto
from tests.support.processes import free_port
from tests.support.putting import Taker, putting

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], AbstractAsyncContextManager[str]]
MEGABYTE = 2**20
SECRET = "X-Amz-Signature=s3cret%2Fs3cret%3d&X-Amz-Credential=a%2Fb&k=%7e+~"


@pytest.mark.parametrize("size", [0, 1, 9 * MEGABYTE + 1])
async def test_whole_file_comes_raw_with_its_length_and_type(
    put: Put, receiver: Serve, make: Make, size: int
) -> None:
    made, taker = make(size), Taker()
    async with receiver(taker.take) as url:
        kept = await put.to(f"{url}%2F%20a?{SECRET}#part").keep(made.file, made.name, made.media)
        assert kept == f"{url}%2F%20a"
    (request,) = taker.came
    assert taker.body == made.content
    assert request.method == "PUT"
    assert request.raw_path == f"/hook%2F%20a?{SECRET}", "a signature covers the very letters"
    assert request.headers["Content-Length"] == str(size)
    assert request.headers["Content-Type"] == "video/mp4"
    assert "Transfer-Encoding" not in request.headers
    assert "x-ms-blob-type" not in request.headers
    assert made.file.read_bytes() == made.content


async def test_signed_url_of_azure_gets_what_makes_a_blob_there(
    put: Put, receiver: Serve, make: Make
) -> None:
    made, taker = make(10), Taker(201)
    async with receiver(taker.take) as url:
        await put.to(f"{url}?sv=2024-11-04&sr=b&sig=abc").keep(made.file, made.name, made.media)
    assert taker.came[0].headers["x-ms-blob-type"] == "BlockBlob"


async def test_real_signed_url_of_a_store_takes_it(put: Put, trusting: Moto, make: Make) -> None:
    made = make(6 * MEGABYTE)
    async with trusting.client("s3") as s3:
        url = await s3.generate_presigned_url(
            "put_object",
            Params={"Bucket": BUCKET, "Key": "put/a b.mp4", "ContentType": "video/mp4"},
            ExpiresIn=60,
        )
        location = await put.to(url).keep(made.file, made.name, made.media)
        got = await s3.get_object(Bucket=BUCKET, Key="put/a b.mp4")
        assert await got["Body"].read() == made.content
        assert got["ContentType"] == "video/mp4"
    assert location == url.partition("?")[0]


async def test_token_of_a_temporary_key_makes_a_url_long(
    put: Put, receiver: Serve, make: Make
) -> None:
    made, taker = make(10), Taker()
    async with receiver(taker.take) as url:
        await put.to(f"{url}?X-Amz-Security-Token={'t' * 6000}").keep(
            made.file, made.name, made.media
        )
        fault = await fault_of(put.to(f"{url}?t={'t' * 9000}").keep(made.file, "", made.media))
    assert taker.body == made.content
    assert (fault.code, fault.kind) == ("invalid_url", FaultKind.PERMANENT)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (301, "redirect", FaultKind.PERMANENT),
        (307, "redirect", FaultKind.PERMANENT),
        (308, "redirect", FaultKind.PERMANENT),
        (400, "http_400", FaultKind.PERMANENT),
        (401, "expired", FaultKind.PERMANENT),
        (403, "expired", FaultKind.PERMANENT),
        (404, "http_404", FaultKind.PERMANENT),
        (405, "http_405", FaultKind.PERMANENT),
        (411, "http_411", FaultKind.PERMANENT),
        (408, "http_408", FaultKind.TRANSIENT),
        (425, "http_425", FaultKind.TRANSIENT),
        (429, "http_429", FaultKind.TRANSIENT),
        (500, "http_500", FaultKind.TRANSIENT),
        (503, "http_503", FaultKind.TRANSIENT),
    ],
)
async def test_answer_says_whether_to_try_again(
    put: Put, receiver: Serve, make: Make, status: int, code: str, kind: FaultKind
) -> None:
    made, taker = make(1000), Taker(status, Location="http://127.0.0.1:1/elsewhere")
    async with receiver(taker.take) as url:
        fault = await fault_of(put.to(f"{url}?{SECRET}").keep(made.file, made.name, made.media))
    assert (fault.code, fault.kind) == (code, kind)
    assert "s3cret" not in fault.message
    assert "127.0.0.1" not in fault.message
    assert len(taker.came) == 1


async def test_refusal_of_a_store_says_its_word_and_the_type_that_was_sent(
    put: Put, receiver: Serve, make: Make
) -> None:
    async def refuse(request: web.Request) -> web.Response:
        await request.read()
        text = "<Error><Code>SignatureDoesNotMatch</Code><Key>s3cret</Key></Error>"
        return web.Response(status=403, text=text)

    made = make(1000)
    async with receiver(refuse) as url:
        fault = await fault_of(put.to(f"{url}?{SECRET}").keep(made.file, made.name, made.media))
    assert fault.code == "expired"
    assert "403 SignatureDoesNotMatch" in fault.message
    assert "video/mp4" in fault.message
    assert "s3cret" not in fault.message


async def test_private_address_is_refused_by_number_and_by_name(make: Make) -> None:
    made = make(1000)
    async with putting(allowed=False) as put:
        for host in ("127.0.0.1", "localhost", "169.254.169.254", "[::1]"):
            url = f"http://{host}:{free_port()}/a?{SECRET}"
            fault = await fault_of(put.to(url).keep(made.file, made.name, made.media))
            assert (fault.code, fault.kind) == ("refused_address", FaultKind.PERMANENT)
            assert "s3cret" not in fault.message


@pytest.mark.parametrize(
    "url", ["", "ftp://a.example/x", "https://u:p@a.example/", "https://a b/", "no url"]
)
async def test_what_is_no_url_to_call_is_refused(put: Put, make: Make, url: str) -> None:
    made = make(10)
    fault = await fault_of(put.to(url).keep(made.file, made.name, made.media))
    assert (fault.code, fault.kind) == ("invalid_url", FaultKind.PERMANENT)


async def test_nobody_there_is_tried_again(put: Put, make: Make) -> None:
    made = make(10)
    url = f"http://127.0.0.1:{free_port()}/a?{SECRET}"
    fault = await fault_of(put.to(url).keep(made.file, made.name, made.media))
    assert (fault.code, fault.kind) == ("connect", FaultKind.TRANSIENT)


async def test_file_that_is_not_what_it_was_is_not_sent(
    put: Put, receiver: Serve, make: Make
) -> None:
    made, taker = make(1000), Taker()
    made.file.write_bytes(b"half")
    async with receiver(taker.take) as url:
        assert (await fault_of(put.to(url).keep(made.file, "", made.media))).code == "no_file"
        made.file.unlink()
        fault = await fault_of(put.to(url).keep(made.file, "", made.media))
    assert (fault.code, fault.kind) == ("no_file", FaultKind.TRANSIENT)
    assert not taker.came


async def test_what_was_put_can_neither_be_read_nor_deleted(put: Put) -> None:
    place = put.to("https://files.example/a.mp4")
    await place.delete("https://files.example/a.mp4")
    await place.delete_folder("default")
    await place.close()

    async def read() -> None:
        async for _ in place.read("https://files.example/a.mp4", 0, 10):
            raise AssertionError("it was read")

    fault = await fault_of(read())
    assert (fault.code, fault.kind) == ("elsewhere", FaultKind.PERMANENT)
