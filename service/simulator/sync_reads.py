"""Sync's answers to whoever asks for generations: one, a list, their number, their video."""

import asyncio
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from service.simulator.sync_generations import Entry, Generations
from service.simulator.sync_queries import limit_of, page, several, wait_seconds
from service.simulator.sync_refusals import Refused


class SyncReads:
    """Handles GET and DELETE of generations."""

    def __init__(self, generations: Generations) -> None:
        """Read from these."""
        self._generations = generations

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, all of which need a key."""
        return [
            web.get("/v2/generate/{id}", self.get),
            web.get("/v2/generations", self.browse),
            web.get("/v2/generations/count", self.count),
            web.get("/v2/generations/{id}/download", self.download),
            web.delete("/v2/generations/{id}", self.delete),
        ]

    async def get(self, request: web.Request) -> web.Response:
        """Answer at once, or when the generation has ended."""
        seconds = wait_seconds(request.query)
        job = self._generations.find(request.match_info["id"])
        if seconds is None:
            shown = self._generations.show(job)
            if "progress" in several(request.query, "include"):
                shown["progress_percent"] = round(100 * self._generations.progress(job))
            return web.json_response(shown)
        left = job.outcomes[0].settles_at - asyncio.get_running_loop().time()
        await asyncio.sleep(min(max(left, 0), seconds))
        headers = {"Retry-After": "2", "X-Sync-Wait-Mode": "long_poll"}
        headers["X-Sync-Wait-Timeout-Seconds"] = str(seconds)
        return web.json_response(self._generations.show(job), headers=headers)

    async def browse(self, request: web.Request) -> web.Response:
        """Answer a plain array, newest first; without `limit` there are no pages."""
        found = self._filtered(request.query)
        cut = page(found, limit_of(request.query), request.query.get("cursor"))
        return web.json_response(cut)

    async def count(self, request: web.Request) -> web.Response:
        """Answer how many there are."""
        return web.json_response({"count": len(self._filtered(request.query))})

    async def download(self, request: web.Request) -> web.Response:
        """Answer the bare address of the video."""
        shown = self._generations.show(self._generations.find(request.match_info["id"]))
        if shown["outputUrl"] is None:
            raise Refused(404, "The generation has no output", error="Not Found")
        return web.Response(text=shown["outputUrl"])

    async def delete(self, request: web.Request) -> web.Response:
        """Forget a generation that has ended."""
        return web.json_response(self._generations.remove(request.match_info["id"]))

    def _filtered(self, query: MultiMapping[str]) -> list[dict[str, Any]]:
        return [
            shown for entry, shown in self._generations.listed() if _matches(query, entry, shown)
        ]


def _matches(query: MultiMapping[str], entry: Entry, shown: dict[str, Any]) -> bool:
    """Whether it passes all filters; everything here was made by the API and by one user."""
    statuses, ids, sources = (several(query, name) for name in ("status", "ids", "source"))
    sources |= several(query, "generationSource")
    project = query.get("projectId")
    return (
        (not statuses or shown["status"] in statuses)
        and (not ids or shown["id"] in ids)
        and (not sources or entry.source in sources)
        and (project is None or shown.get("projectId") == project)
        and query.get("type", "api") == "api"
    )
