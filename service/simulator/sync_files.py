"""The files that people upload to Sync, and addresses that are good for those without a key."""

import hmac
import secrets
from hashlib import sha256
from uuid import UUID

from aiohttp import web

from service.simulator.files import Files, Stored
from service.simulator.state import World
from service.simulator.sync_refusals import Refused, too_large


class SyncFiles:
    """Keeps uploads where all media are served, and signs addresses."""

    def __init__(self, world: World, files: Files) -> None:
        """Begin with a secret of its own, so that signatures end with the process."""
        self._world = world
        self._files = files
        self._secret = secrets.token_bytes(16)

    def keep(self, content: bytes, content_type: str) -> str:
        """Keep a file; the same one gets the same address, so that a repeated form is the same."""
        name = str(UUID(bytes=sha256(content).digest()[:16], version=4))
        self._files.stored[name] = Stored(content, content_type)
        return self.address(name)

    def address(self, name: str) -> str:
        """Return where the file of this name is, or will be."""
        return f"{self._world.media_base}/media/{name}"

    def find(self, url: str) -> Stored | None:
        """Return what was uploaded to an address."""
        start = self.address("")
        return self._files.stored.get(url.removeprefix(start)) if url.startswith(start) else None

    def signed_url(self, path: str) -> str:
        """Return an address for a path that is good without a key."""
        return f"{self._world.media_base}{path}?signature={self._sign(path)}"

    def require_signature(self, request: web.Request) -> None:
        """Refuse who did not come by a signed address."""
        given = request.query.get("signature", "")
        if not hmac.compare_digest(given.encode(), self._sign(request.path).encode()):
            raise Refused(403, "The signature does not match", error="Forbidden")

    async def put(self, request: web.Request) -> web.Response:
        """Answer PUT /uploads/{name}: the raw bytes of a file."""
        self.require_signature(request)
        try:
            content = await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            raise too_large() from error
        self._files.stored[request.match_info["name"]] = Stored(content, request.content_type)
        return web.Response()

    def _sign(self, path: str) -> str:
        return hmac.new(self._secret, path.encode(), "sha256").hexdigest()
