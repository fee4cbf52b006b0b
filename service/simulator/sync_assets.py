"""Sync's media library: an address to upload to, and assets made of what was uploaded."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web
from multidict import MultiMapping

from schemas.base import numbers, part
from service.simulator.state import timestamp
from service.simulator.sync_files import SyncFiles
from service.simulator.sync_queries import limit_of, page, several
from service.simulator.sync_refusals import bad_request, coded, too_large
from service.simulator.sync_request import read_json

EXPIRES_SECONDS, LARGEST_BYTES = 604_800, 5 * 2**30
TYPES = ("VIDEO", "AUDIO", "IMAGE")
SORTS = ("name", "date", "duration", "size", "kind")
KEYS = {"name": "name", "date": "createdAt", "size": "size", "kind": "type"}
"""What each order compares; no asset here has a duration."""


class SyncAssets:
    """Handles `/v2/assets`."""

    def __init__(self, files: SyncFiles) -> None:
        """Find uploads in these."""
        self._files = files
        self._assets: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes that need a key."""
        return [
            web.post("/v2/assets/upload", self.upload),
            web.post("/v2/assets", self.create),
            web.get("/v2/assets", self.browse),
            web.get("/v2/assets/{id}", self.get),
        ]

    async def upload(self, request: web.Request) -> web.Response:
        """Answer where a file may be put, and where it will be."""
        body = await read_json(request)
        size = part(body, "size")
        faults = [
            f"{name} must be a string"
            for name in ("fileName", "contentType")
            if not isinstance(part(body, name), str)
        ]
        if not numbers(size) or size <= 0:
            faults.append("size must be a positive number")
        if faults:
            raise bad_request(faults)
        if size > LARGEST_BYTES:
            raise too_large()
        name = str(uuid4())
        answer = {
            "uploadUrl": self._files.signed_url(f"/uploads/{name}"),
            "url": self._files.address(name),
            "expiresIn": EXPIRES_SECONDS,
        }
        return web.json_response(answer, status=201)

    async def create(self, request: web.Request) -> web.Response:
        """Make an asset of what was uploaded, or of what is at a public address."""
        body = await read_json(request)
        url, kind = part(body, "url"), part(body, "type")
        faults = [] if kind in TYPES else [f"type must be one of: {', '.join(TYPES)}"]
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            faults.append("url must be a URL address")
        if faults:
            raise bad_request(faults)
        asset = self._make(body)
        self._assets[asset["id"]] = asset
        return web.json_response(asset, status=201)

    async def get(self, request: web.Request) -> web.Response:
        """Answer one asset."""
        name = request.match_info["id"]
        try:
            UUID(name)
        except ValueError as error:
            raise coded(400, "invalid_asset_id_format", error="Bad Request") from error
        if name not in self._assets:
            raise coded(404, "asset_not_found", error="Not Found")
        return web.json_response(self._assets[name])

    async def browse(self, request: web.Request) -> web.Response:
        """Answer a page of the library, newest first unless it is to be sorted."""
        query = request.query
        found = [asset for asset in reversed(self._assets.values()) if _matches(query, asset)]
        if order := query.get("sortBy"):
            found = _sorted(found, order)
        limit = limit_of(query)
        cut = page(found, limit or len(found), query.get("cursor"))
        answer: dict[str, Any] = {"items": cut, "totalCount": len(found)}
        if cut and cut[-1] != found[-1]:
            answer["nextCursor"] = cut[-1]["id"]
        return web.json_response(answer)

    def check(self, body: Mapping[str, Any]) -> None:
        """Refuse inputs whose asset is of another type; one that is not known was there before us."""
        for index, item in enumerate(body["input"]):
            asset = self._assets.get(str(part(item, "assetId")))
            if asset is not None and asset["type"] != str(part(item, "type")).upper():
                code = "generation_input_asset_type_mismatch"
                raise coded(400, code, error="Bad Request", field=f"input.{index}")

    def _make(self, body: Mapping[str, Any]) -> dict[str, Any]:
        url, now = body["url"], timestamp()
        ours = url.startswith(self._files.address(""))
        stored = self._files.find(url)
        if ours and stored is None:
            raise coded(404, "uploaded_file_not_found", error="Not Found")
        name = part(body, "name")
        asset = {
            "id": str(uuid4()),
            "createdAt": now,
            "updatedAt": now,
            "name": name if isinstance(name, str) else url.rpartition("/")[2],
            "url": url,
            "type": body["type"],
            "inputType": "UPLOAD" if ours else "URL",
            "visibility": "ORGANIZATION",
        }
        if stored is not None:
            asset |= {"size": len(stored.content), "format": stored.content_type.split("/")[1]}
        if isinstance(project := part(body, "projectId"), str):
            asset["projectId"] = project
        return asset


def _matches(query: MultiMapping[str], asset: Mapping[str, Any]) -> bool:
    types, words = several(query, "types"), query.get("searchQuery", "")
    project = query.get("projectId")
    return (
        (not types or asset["type"] in types)
        and words.lower() in asset["name"].lower()
        and (project is None or asset.get("projectId") == project)
    )


def _sorted(assets: list[dict[str, Any]], order: str) -> list[dict[str, Any]]:
    name, up, down = order.removesuffix("Asc").removesuffix("Desc"), "Asc", "Desc"
    if name not in SORTS or not order.endswith((up, down)):
        raise bad_request("sortBy must be one of the documented orders")
    if name not in KEYS:
        return assets
    blank: Any = 0 if name == "size" else ""
    return sorted(
        assets, key=lambda asset: asset.get(KEYS[name], blank), reverse=order.endswith(down)
    )
