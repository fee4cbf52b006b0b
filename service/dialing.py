"""Where brokers are, and how they are spoken to: servers as settings name them, and TLS by a name to an address."""

import asyncio
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.clients import BadSettings, Given
from service.core import url_guard
from service.core.url_guard import UrlRefused


class NamedContext(ssl.SSLContext):
    """TLS to an address, which asks for the certificate of the name that the address stands for.

    `begun` says that a connection was encrypted at all: a protocol that begins in the clear may forget to.
    """

    name = ""
    begun = False

    def wrap_bio(  # type: ignore[override]  # asyncio and uvloop give the rest by name
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **options: Any
    ) -> ssl.SSLObject:
        """Begin TLS as with the name, whatever was connected to."""
        self.begun = True
        return super().wrap_bio(incoming, outgoing, **(options | {"server_hostname": self.name}))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server, and how it is spoken to: `certificate` is (certificate chain, key), both PEM."""

    host: str
    port: int
    tls: bool
    ca: str | None = None
    certificate: tuple[str, str] | None = None

    async def context(self) -> NamedContext | None:
        """Make what one TLS connection needs, or nothing; raises BadSettings for a PEM that is none."""
        # Reading the system's certificates takes milliseconds of processor time.
        return await asyncio.to_thread(self._context) if self.tls else None

    def _context(self) -> NamedContext:
        context = NamedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.name = self.host
        if self.ca is None:
            context.load_default_certs()
        else:
            try:
                context.load_verify_locations(cadata=self.ca)
            except (ssl.SSLError, ValueError):
                raise BadSettings("ca should be certificates in PEM.") from None
        if self.certificate is not None:
            _load(context, *self.certificate)
        return context


def endpoints(
    settings: Given, credentials: Given, servers: Sequence[str], ports: tuple[int, int]
) -> tuple[Endpoint, ...]:
    """Read servers as `host`, `host:port` or `[v6]:port`; `ports` are the usual ones without and with TLS."""
    tls = settings.flag("tls", default=False)
    chain, key = credentials.maybe("certificate"), credentials.maybe("key")
    if (chain is None) != (key is None):
        raise BadSettings("certificate and key go together.")
    certificate = None if chain is None or key is None else (chain, key)
    if not tls and (certificate is not None or settings.maybe("ca") is not None):
        raise BadSettings("ca and certificate need tls.")
    found = []
    for server in servers:
        host, port = _split(server, ports[tls])
        try:
            url_guard.check_host(host)
        except UrlRefused:
            raise BadSettings("A server should be a host name or an address, and a port.") from None
        found.append(Endpoint(host, port, tls, settings.maybe("ca"), certificate))
    return tuple(found)


def _split(server: str, usual: int) -> tuple[str, int]:
    if server.startswith("["):
        host, _, rest = server[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = server.partition(":")
    if not port:
        return host, usual
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):  # noqa: PLR2004 - 16 bits
        raise BadSettings("The port of a server should be a number from 1 to 65535.")
    return host, int(port)


def _load(context: ssl.SSLContext, chain: str, key: str) -> None:
    """Load a client's certificate: OpenSSL's binding takes it from files alone."""
    with tempfile.TemporaryDirectory(prefix="callboard-") as folder:
        chain_file, key_file = Path(folder, "chain"), Path(folder, "key")
        for path, text in ((chain_file, chain), (key_file, key)):
            path.touch(mode=0o600)
            path.write_text(text)
        try:
            # An empty password, for an encrypted key would ask on the terminal.
            context.load_cert_chain(chain_file, key_file, password="")
        except (ssl.SSLError, ValueError):
            raise BadSettings("certificate and key should be PEM, and belong together.") from None
