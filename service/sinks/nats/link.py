"""One connection to a NATS server: log in, publish, wait for what the stream says.

The client library's own reconnects are off, so it never goes to the servers that a cluster advertises. Its
requests are not used: they do not notice that a connection ended until their time is up.
"""

import asyncio
import itertools
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from service.brokers import NotSent
from service.dialing import Endpoint, NamedContext
from service.sinks.nats.nkey import Nkey

PING_S: Final = 20
CLOSE_S: Final = 0.5
NO_STREAM: Final = "503"
"""The status with which a server says that nobody listens to a subject."""
TOO_LARGE: Final = 10054
UNROUTABLE: Final = frozenset({10059, 10060})
"""Error codes of JetStream: no such stream, another stream than expected."""
FULL: Final = frozenset({10023, 10047, 10077})
"""Resources, storage of the account, and what the stream may hold, are used up."""


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """Who logs in: a user with a password, a token, or a key, with its JWT where there is one."""

    username: str | None = None
    password: str | None = None
    token: str | None = None
    key: Nkey | None = None
    jwt: str | None = None


class NatsLink:
    """One connection, and what waits on it for the answer of a stream."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = Client()
        self._ended: str | None = None
        self._fault: Exception | None = None
        self._inbox = ""
        self._tokens = itertools.count()
        self._waiting: dict[str, tuple[str, asyncio.Future[Mapping[str, Any]]]] = {}

    async def open(
        self, endpoint: Endpoint, context: NamedContext | None, login: Login, inbox: str
    ) -> None:
        """Connect and log in; raises what went wrong, and is to be closed then too."""
        try:
            await self._connect(endpoint, context, login, inbox)
            self._check_open(context)
            self._inbox = self._client.new_inbox()
            await self._client.subscribe(f"{self._inbox}.*", cb=self._answered)
        except nats.errors.NoServersError:
            # Where an address does not answer, the library says only that.
            raise self._fault or NotSent("connect") from None

    async def _connect(
        self, endpoint: Endpoint, context: NamedContext | None, login: Login, inbox: str
    ) -> None:
        def secret(value: str | None) -> Any:
            """Wait with a secret until it is asked for: a server without TLS is not told one for TLS."""

            def reveal() -> str | None:
                if context is not None and not context.begun:
                    raise NotSent("tls", "The server offers no TLS.")
                return value

            return None if value is None else reveal

        def sign(nonce: str) -> bytes:
            secret("")()
            return b"" if login.key is None else login.key.sign(nonce)

        def jwt() -> bytes:
            return (login.jwt or "").encode()

        if login.key is not None and login.jwt is None:
            # The library takes a key without a JWT only from a file and with another library.
            self._client._public_nkey = login.key.public  # noqa: SLF001
        host = f"[{self.address}]" if ":" in self.address else self.address
        await self._client.connect(
            [f"nats://{host}:{endpoint.port}"],
            name="callboard",
            allow_reconnect=False,
            # The time is kept around each attempt; one more try is the least that the library makes.
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=3600,
            ping_interval=PING_S,
            tls=context,
            tls_hostname=endpoint.host,
            user=login.username,
            password=secret(login.password),
            token=secret(login.token),
            signature_cb=None if login.key is None else sign,
            user_jwt_cb=None if login.jwt is None else jwt,
            inbox_prefix=inbox,
            error_cb=self._on_error,
            closed_cb=self._on_closed,
        )

    def _check_open(self, context: NamedContext | None) -> None:
        if context is not None and not context.begun:
            raise NotSent("tls", "The server offers no TLS.")
        if not self._client.is_connected:
            raise NotSent("disconnected")

    async def alive(self) -> bool:
        """Say whether something can be published on it, as far as is known."""
        return self._ended is None and self._client.is_connected

    async def close(self) -> None:
        """Close it."""
        # After a handshake that failed the library waits for an end that it has missed.
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._client.close()
        self._end("closed")

    async def publish(
        self, subject: str, body: bytes, headers: Mapping[str, str], deadline: float
    ) -> Mapping[str, Any]:
        """Publish and wait until a stream has it; raises NotSent."""
        self._check_size(body, headers)
        token = str(next(self._tokens))
        future: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[token] = (subject, future)
        try:
            if not await self.alive():
                raise NotSent("disconnected", self._ended or "")
            reply = f"{self._inbox}.{token}"
            await self._client.publish(subject, body, reply=reply, headers=dict(headers))
            # A time limit of its own: the library swallows a cancellation while it flushes.
            async with asyncio.timeout_at(deadline):
                return await future
        finally:
            del self._waiting[token]
            future.cancel()

    def _check_size(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Refuse what the server would end the connection for."""
        written = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        size = len(body) + len(f"NATS/1.0\r\n{written}\r\n".encode())
        if size > self._client.max_payload:
            most = self._client.max_payload
            raise NotSent("too_large", f"{size} bytes; the server takes {most} (max_payload).")

    async def _answered(self, message: Msg) -> None:
        _, waiting = self._waiting.get(message.subject.rpartition(".")[2], (None, None))
        if waiting is None or waiting.done():
            return
        if (message.headers or {}).get("Status") == NO_STREAM:
            waiting.set_exception(NotSent("unroutable", "No stream has this subject."))
            return
        try:
            answer = json.loads(message.data)
            error = answer.get("error")
        except (ValueError, AttributeError):
            text = "Something that is no stream answered."
            waiting.set_exception(NotSent("unroutable", text))
            return
        if error is None:
            waiting.set_result(answer)
        else:
            waiting.set_exception(refusal(error))

    async def _on_error(self, error: Exception) -> None:
        """Hear of what no publish asked for: above all, that one was not permitted."""
        self._fault = error
        text = str(error).lower()
        if "permissions violation" not in text:
            return
        for subject, waiting in self._waiting.values():
            # The library writes what servers say in lower case.
            if f'"{subject.lower()}"' in text or self._inbox.lower() in text:
                _fail(waiting, NotSent("unauthorized", str(error)))

    async def _on_closed(self) -> None:
        self._end(str(self._client.last_error or ""))

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        for _, waiting in self._waiting.values():
            _fail(waiting, NotSent("disconnected", why))


def refusal(error: Mapping[str, Any]) -> NotSent:
    """Name what a stream refused."""
    code, text = error.get("err_code"), str(error.get("description", ""))
    if code == TOO_LARGE:
        return NotSent("too_large", text)
    if code in UNROUTABLE:
        return NotSent("unroutable", text)
    return NotSent("rejected", text, throttled=code in FULL)


def _fail(waiting: asyncio.Future[Any], error: NotSent) -> None:
    if not waiting.done():
        waiting.set_exception(error)
