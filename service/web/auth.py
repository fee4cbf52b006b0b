"""Who asks: an API key on everything below /v1/."""

from aiohttp import web
from aiohttp.typedefs import Handler

from service.core.errors import Unauthentic
from service.web.keys import DEPS, TENANT

GUARDED = "/v1/"


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out whose request this is, before its handler looks at anything of it.

    The route decides, not the path as it was written, so no spelling of a path gets around it.
    """
    resource = request.match_info.route.resource
    if resource is not None and resource.canonical.startswith(GUARDED):
        request[TENANT] = await _tenant(request)
    return await handler(request)


async def _tenant(request: web.Request) -> str:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthentic("Send your API key: Authorization: Bearer <key>.")
    tenant = await request.app[DEPS].admit.tenant_of(key.strip())
    if tenant is None:
        raise Unauthentic("This API key is not good here.")
    return tenant
