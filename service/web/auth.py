"""Who asks: an API key on everything below /v1/."""

from aiohttp import web
from aiohttp.typedefs import Handler

from service.core.errors import Unauthentic
from service.web.keys import DEPS, TENANT

GUARDED = "/v1/"
LINKED = "/v1/tasks/{id}/results/{n}/video"
"""Where a signature in the query stands for a key; its handler looks at it."""


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out whose request this is, before its handler looks at anything of it.

    The route decides, not the path as it was written, so no spelling of a path gets around it.
    """
    resource = request.match_info.route.resource
    guarded = resource is not None and resource.canonical.startswith(GUARDED)
    if guarded and not by_link(request):
        request[TENANT] = await _tenant(request)
    return await handler(request)


def by_link(request: web.Request) -> bool:
    """Say whether this request comes by a link to a video; a key beside it counts for nothing."""
    resource = request.match_info.route.resource
    return resource is not None and resource.canonical == LINKED and "signature" in request.query


async def _tenant(request: web.Request) -> str:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthentic("Send your API key: Authorization: Bearer <key>.")
    tenant = await request.app[DEPS].admit.tenant_of(key.strip())
    if tenant is None:
        raise Unauthentic("This API key is not good here.")
    return tenant
