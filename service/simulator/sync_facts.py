"""What Sync tells without making anything: prices, models, error codes and its webhook secret."""

from aiohttp import web

from service.simulator.sync_costs import estimate, estimate_by_duration
from service.simulator.sync_errors import CATALOGUE
from service.simulator.sync_files import SyncFiles
from service.simulator.sync_refusals import Refused
from service.simulator.sync_request import read_create, read_json

MODELS = tuple(
    {"id": name, "name": name, "type": kind, "version": version, "description": description}
    for name, kind, version, description in (
        ("sync-3", "lipsync", "3.0.0", "Whole shots at once, in 4K"),
        ("lipsync-2-pro", "lipsync", "2.0.0", "As lipsync-2, with more detail"),
        ("lipsync-2", "lipsync", "2.0.0", "Keeps the style of the speaker"),
        ("lipsync-1.9.0-beta", "lipsync", "1.9.0", "The fastest"),
        ("react-1", "react", "1.0.0", "Emotions and movements of the face"),
    )
)
"""Those of today; the numbers of the versions are guesses, and deprecated models are not told."""


class SyncFacts:
    """Handles what has no memory."""

    def __init__(self, files: SyncFiles, *, secret: str | None) -> None:
        """Tell this secret."""
        self._files = files
        self._secret = secret

    def routes(self) -> list[web.RouteDef]:
        """Return the routes that need a key."""
        return [
            web.post("/v2/analyze/cost", self.analyze),
            web.post("/v2/generations/estimate", self.estimate),
            web.post("/v2/generate/estimate-cost", self.estimate),
            web.get("/v2/models", self.models),
            web.get("/v2/organizations/webhook/secret", self.secret),
        ]

    async def analyze(self, request: web.Request) -> web.Response:
        """Answer what a create with this body would cost."""
        body = await read_create(request, self._files)
        return web.json_response([estimate(body)], status=201)

    async def estimate(self, request: web.Request) -> web.Response:
        """Answer what so many seconds would cost."""
        return web.json_response(estimate_by_duration(await read_json(request)), status=201)

    async def models(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        """Answer the models of today."""
        return web.json_response(list(MODELS))

    async def errors(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        """Answer the catalogue of error codes."""
        return web.json_response(list(CATALOGUE))

    async def secret(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        """Answer what callbacks are signed with."""
        if self._secret is None:
            raise Refused(404, "There is no webhook secret", error="Not Found")
        return web.json_response({"secret": self._secret})
