"""The simulated Sync's media library."""

from typing import Any
from uuid import uuid4

import pytest

ELSEWHERE = "https://cdn.example/clip.mp4"
FILE = {"fileName": "v.mp4", "contentType": "video/mp4", "size": 9}


async def make(upstream: Any, **more: Any) -> Any:
    body = {"url": ELSEWHERE, "type": "VIDEO", **more}
    status, asset = await upstream.sync("POST", "/v2/assets", json=body)
    assert status == 201
    return asset


async def test_an_asset_from_its_upload_to_its_use(upstream: Any) -> None:
    status, place = await upstream.sync("POST", "/v2/assets/upload", json=FILE)
    assert (status, place["expiresIn"]) == (201, 604800)
    body = {"url": place["url"], "type": "VIDEO", "name": "clip"}
    status, fault = await upstream.sync("POST", "/v2/assets", json=body)
    assert (status, fault["errorCode"]) == (404, "uploaded_file_not_found")
    headers = {"Content-Type": "video/mp4"}
    async with upstream.session.put(place["uploadUrl"], data=b"the video", headers=headers) as put:
        assert put.status == 200
    asset = await make(upstream, **body)
    assert (asset["name"], asset["size"], asset["format"]) == ("clip", 9, "mp4")
    assert (asset["inputType"], asset["visibility"]) == ("UPLOAD", "ORGANIZATION")
    assert await upstream.read(f"/v2/assets/{asset['id']}") == (200, asset)
    async with upstream.session.get(asset["url"]) as answer:
        assert await answer.read() == b"the video"
    items = [
        {"type": "video", "assetId": asset["id"]},
        {"type": "audio", "url": "https://cdn.example/a.wav"},
    ]
    assert (await upstream.generate({"model": "sync-3", "input": items}))[0] == 201
    items[0]["type"], items[1]["type"] = "audio", "video"
    status, fault = await upstream.generate({"model": "sync-3", "input": items})
    assert (status, fault["errorCode"]) == (400, "generation_input_asset_type_mismatch")


async def test_an_upload_needs_its_signature(upstream: Any) -> None:
    _, place = await upstream.sync("POST", "/v2/assets/upload", json=FILE)
    address = place["uploadUrl"].partition("?")[0]
    for wrong in (address, f"{address}?signature=0", f"{address}?signature=é"):
        async with upstream.session.put(wrong, data=b"x") as put:
            assert put.status == 403


async def test_the_library_is_paged_filtered_and_sorted(upstream: Any) -> None:
    project = str(uuid4())
    names = {
        (await make(upstream, name=name, type=kind, projectId=project))["id"]: name
        for name, kind in (("b", "VIDEO"), ("c", "AUDIO"), ("a", "IMAGE"))
    }
    other = await make(upstream)
    assert other["name"] == "clip.mp4"

    async def found(*query: tuple[str, str]) -> list[str]:
        status, body = await upstream.read("/v2/assets", [("projectId", project), *query])
        assert status == 200
        return [names[item["id"]] for item in body["items"]]

    assert await found() == ["a", "c", "b"]
    assert await found(("sortBy", "nameAsc")) == ["a", "b", "c"]
    assert await found(("sortBy", "kindDesc")) == ["b", "a", "c"]
    assert await found(("types", "AUDIO"), ("types", "IMAGE")) == ["a", "c"]
    assert await found(("types", "AUDIO,IMAGE")) == ["a", "c"]
    assert await found(("searchQuery", "C")) == ["c"]
    _, page = await upstream.read("/v2/assets", {"limit": 3})
    assert (len(page["items"]), page["totalCount"]) == (3, 4)
    query = {"limit": 3, "cursor": page["nextCursor"]}
    _, last = await upstream.read("/v2/assets", query)
    assert (len(last["items"]), "nextCursor" in last) == (1, False)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v2/assets/upload", {}, 400),
        ("POST", "/v2/assets/upload", {**FILE, "size": 0}, 400),
        ("POST", "/v2/assets/upload", {**FILE, "size": 2**40}, 413),
        ("POST", "/v2/assets", {"url": "file:///x", "type": "VIDEO"}, 400),
        ("POST", "/v2/assets", {"url": ELSEWHERE, "type": "video"}, 400),
        ("POST", "/v2/assets", [], 400),
        ("GET", "/v2/assets/0e9290c6-cbc7-466d-944f-b9af3f9e7fb9", None, 404),
        ("GET", "/v2/assets/nonsense", None, 400),
        ("GET", "/v2/assets?limit=0", None, 400),
        ("GET", "/v2/assets?sortBy=price", None, 400),
    ],
)
async def test_bad_requests_are_refused(
    upstream: Any, method: str, path: str, body: Any, status: int
) -> None:
    got, answer = await upstream.sync(method, path, json=body)
    assert (got, answer["statusCode"]) == (status, status)
