"""Clients of AWS services, made of what a subscription gives and of nothing that lies about on this machine.

Requests go to addresses of strangers as soon as an endpoint of their own is set: names are resolved and checked, and
every socket is checked once more, because a literal address and a redirect pass by the resolver. With
CALLBOARD_EGRESS_PROXY, its own rules say where a redirect may lead.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from aiohttp.abc import AbstractResolver

from service.clients import BadSettings, Given
from service.core.url_guard import IPNetwork
from service.egress import Egress, GuardedResolver, refuse
from service.ports import Target

NOTHING: Final = (None, None, None, None)
ISOLATED: Final = {
    "profile": NOTHING,
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""What botocore would else take from the environment and from files in the home of whoever runs this."""
CONNECTIONS: Final = 16
"""As many as deliveries of one subscription may be under way at once by default."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A client, and the addresses that its connections were made to; the last one counts."""

    client: Any
    peers: list[str]

    async def close(self) -> None:
        """Close it with its connections."""
        await self.client.__aexit__(None, None, None)


class Maker:
    """Makes clients of one service; they share what botocore knows of it. To be made inside a running loop."""

    def __init__(
        self,
        service: str,
        allowed: Sequence[IPNetwork],
        resolver: AbstractResolver | None,
        *,
        proxy: str | None,
        ambient: bool,
    ) -> None:
        self._service = service
        self._allowed = tuple(allowed)
        self._proxy = proxy
        self._ambient = ambient
        self._plain = resolver or aiohttp.ThreadedResolver()
        self._guarded = GuardedResolver(self._plain, self._allowed)
        self._egress = Egress(self._allowed, proxy=proxy, resolver=self._plain)
        self._session = AioSession(session_vars=ISOLATED)
        self._own = AioSession()

    async def make(self, target: Target) -> Connected:
        """Make a client; raises BadSettings, UrlRefused or RefusedAddress."""
        settings = Given(target.settings)
        region, endpoint = settings.text("region"), settings.maybe("endpointUrl")
        if endpoint is not None:
            await self._egress.check(endpoint)
        session, keys = self._identity(Given(target.credentials), endpoint)
        peers: list[str] = []
        config = AioConfig(
            # Not None, which would take those of the environment.
            proxies=dict.fromkeys(("http", "https"), self._proxy) if self._proxy else {},
            retries={"total_max_attempts": 1},
            ignore_configured_endpoint_urls=True,
            warm_up_loader_caches=True,  # In a thread: a description is a megabyte of JSON.
            connect_timeout=target.timeout_s,
            read_timeout=target.timeout_s,
            max_pool_connections=CONNECTIONS,
            connector_args={
                # The proxy is the operator's own: its address is not checked.
                "resolver": self._plain if self._proxy else self._guarded,
                "use_dns_cache": False,
                "socket_factory": partial(self._socket, peers),
            },
        )
        made = session.create_client(
            self._service, region_name=region, endpoint_url=endpoint, config=config, **keys
        )
        return Connected(await made.__aenter__(), peers)

    async def close(self) -> None:
        """Close what clients share."""
        await self._egress.close()

    def _identity(
        self, credentials: Given, endpoint: str | None
    ) -> tuple[AioSession, dict[str, str]]:
        """Say who calls: the subscription's own key, or this machine's role where its operator lends it."""
        key = credentials.maybe("accessKeyId")
        if key is not None:
            keys = {
                "aws_access_key_id": key,
                "aws_secret_access_key": credentials.text("secretAccessKey"),
            }
            token = credentials.maybe("sessionToken")
            return self._session, keys if token is None else keys | {"aws_session_token": token}
        if not self._ambient:
            raise BadSettings(
                "credentials should have accessKeyId and secretAccessKey: "
                "this service lends its own role to nobody (CALLBOARD_AWS_AMBIENT)."
            )
        if endpoint is not None:
            # A signed request carries the role's session token, and a stranger could use it.
            raise BadSettings("endpointUrl needs an accessKeyId and a secretAccessKey of its own.")
        return self._own, {}

    def _socket(self, peers: list[str], address: Any) -> socket.socket:
        """Make the socket of one connection, if it may be made: `address` is an entry of getaddrinfo."""
        family, kind, protocol, _, place = address
        if self._proxy is None:
            refuse(place[0], self._allowed)
        peers[:] = [str(place[0])]
        return socket.socket(family, kind, protocol)
