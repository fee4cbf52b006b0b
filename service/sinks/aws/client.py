"""Clients of AWS services, made of what a subscription gives and of nothing that lies about on this machine.

Requests go to addresses of strangers as soon as an endpoint of their own is set: names are resolved and checked, and
every socket is checked once more, because a literal address and a redirect pass by the resolver.
"""

import os
import socket
from collections.abc import Sequence
from typing import Any, Final

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from aiohttp.abc import AbstractResolver
from yarl import URL

from service.clients import BadSettings, Given
from service.core import url_guard
from service.core.url_guard import IPNetwork
from service.egress import GuardedResolver, RefusedAddress
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


class Maker:
    """Makes clients of one service; they share what botocore knows of it. To be made inside a running loop."""

    def __init__(
        self,
        service: str,
        allowed: Sequence[IPNetwork],
        resolver: AbstractResolver | None,
        *,
        ambient: bool,
    ) -> None:
        self._service = service
        self._allowed = tuple(allowed)
        self._resolver = GuardedResolver(resolver or aiohttp.ThreadedResolver(), self._allowed)
        self._ambient = ambient
        self._session = AioSession(session_vars=ISOLATED)
        self._own = AioSession()

    async def make(self, target: Target) -> Any:
        """Make a client; raises BadSettings, UrlRefused or RefusedAddress."""
        settings = Given(target.settings)
        region, endpoint = settings.text("region"), settings.maybe("endpointUrl")
        if endpoint is not None:
            self._check(endpoint)
        session, keys = self._identity(Given(target.credentials), endpoint)
        config = AioConfig(
            proxies={},  # None would take those of the environment.
            retries={"total_max_attempts": 1},
            ignore_configured_endpoint_urls=True,
            warm_up_loader_caches=True,  # In a thread: a description is a megabyte of JSON.
            connect_timeout=target.timeout_s,
            read_timeout=target.timeout_s,
            max_pool_connections=CONNECTIONS,
            connector_args={
                "resolver": self._resolver,
                "use_dns_cache": False,
                "socket_factory": self._socket,
            },
        )
        made = session.create_client(
            self._service, region_name=region, endpoint_url=endpoint, config=config, **keys
        )
        return await made.__aenter__()

    async def close(self) -> None:
        """Close what clients share."""
        await self._resolver.close()

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

    def _check(self, url: str) -> None:
        url_guard.check_url(url)
        host = URL(url).raw_host or ""
        url_guard.check_host(host)
        if url_guard.is_literal(host):
            self._refuse(host)

    def _refuse(self, address: str) -> None:
        if url_guard.refusal(address, self._allowed) is not None:
            raise RefusedAddress

    def _socket(self, address: Any) -> socket.socket:
        """Make the socket of one connection, if it may be made: `address` is an entry of getaddrinfo."""
        family, kind, protocol, _, place = address
        self._refuse(place[0])
        return socket.socket(family, kind, protocol)


async def close(client: Any) -> None:
    """Close a client and its connections."""
    await client.__aexit__(None, None, None)
