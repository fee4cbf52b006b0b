"""Events into Redis Streams: one entry an event, once.

Redis forgets what a stream was given, so a script adds an entry and remembers its event in one step. The key it
remembers by is hashed like the stream, so both lie on one node of a cluster.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any, Final

from redis import exceptions
from redis.asyncio.connection import Connection, SSLConnection

from service.brokers import BrokerSink, NotSent, quiet
from service.clients import BadSettings, Given
from service.dialing import Endpoint, endpoints
from service.ports import Outgoing, Sent, Target

PORT: Final = 6379
DAY_S: Final = 86_400
ADD_ONCE: Final = """
local before = redis.call('GET', KEYS[2])
if before then return {before, 1} end
local entry = redis.call('XADD', KEYS[1], unpack(ARGV, 2))
redis.call('SET', KEYS[2], entry, 'EX', ARGV[1])
return {entry, 0}
"""
SHA: Final = hashlib.sha1(ADD_ONCE.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings and credentials, read."""

    server: Endpoint
    stream: str
    database: int
    most: int | None
    remember_s: int
    replicas: int
    username: str | None
    password: str | None


class RedisLink:
    """One connection. Commands go one after the other: an answer belongs to the oldest question."""

    def __init__(self, connection: Connection, address: str) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()
        self.address = address

    async def alive(self) -> bool:
        """Say whether it is connected, and nothing was said that nobody asked for."""
        if self._lock.locked():
            return bool(self._connection.is_connected)
        try:
            return bool(self._connection.is_connected) and not await self._connection.can_read()
        except exceptions.ConnectionError:
            return False

    async def close(self) -> None:
        """Close it."""
        await self._connection.disconnect()

    async def ask(self, *command: str | bytes | int) -> Any:
        """Give one command and wait for its answer; cut off in between, the connection is closed."""
        async with self._lock:
            if not self._connection.is_connected:
                raise NotSent("disconnected")
            try:
                await self._connection.send_command(*command, check_health=False)
                return await self._connection.read_response()
            except exceptions.ResponseError:
                raise
            except BaseException:
                await self._connection.disconnect(nowait=True)
                raise


class RedisSink(BrokerSink[Plan, RedisLink]):
    """Adds events to streams, with the fields id, type, subject and data (the envelope)."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        quiet("redis")

    def plan(self, settings: Given, credentials: Given) -> Plan:
        """Read what a subscription says; raises BadSettings."""
        (server,) = endpoints(settings, credentials, [settings.text("server")], (PORT, PORT))
        username, password = credentials.maybe("username"), credentials.maybe("password")
        if username is not None and password is None:
            raise BadSettings("username needs a password.")
        return Plan(
            server,
            settings.text("stream"),
            settings.number("database", 0, least=0),
            settings.number("maxLength", 0, least=0) or None,
            settings.number("dedupeSeconds", DAY_S, least=0),
            settings.number("replicas", 0, least=0),
            username,
            password,
        )

    def servers(self, plan: Plan) -> tuple[Endpoint, ...]:
        """Say where to connect: redirections of a cluster are not followed."""
        return (plan.server,)

    async def connect(self, plan: Plan, endpoint: Endpoint, address: str) -> RedisLink:
        """Connect to an address that was checked, log in, select the database."""
        options: dict[str, Any] = {
            "host": address,
            "port": endpoint.port,
            "db": plan.database,
            "username": plan.username,
            "password": plan.password,
            "client_name": "callboard",
            "driver_info": None,
            # Time is kept around each attempt.
            "socket_timeout": None,
            "socket_connect_timeout": None,
            # The third version's pushes may send a client to another address, which nobody checked.
            "protocol": 2,
        }
        context = await endpoint.context()
        if context is None:
            connection = Connection(**options)
        else:
            connection = SSLConnection(**options)
            connection.ssl_context.context = context
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return RedisLink(connection, address)

    async def publish(self, link: RedisLink, plan: Plan, target: Target, event: Outgoing) -> Sent:
        """Add an event, once, and wait for as many replicas as are asked for."""
        entry, again = await _add(link, plan, event)
        if plan.replicas:
            left_ms = max(1, int(target.timeout_s * 500))
            have = await link.ask("WAIT", plan.replicas, left_ms)
            if have < plan.replicas:
                raise NotSent("rejected", f"{have} of {plan.replicas} replicas have it.")
        text = f"{'Known already as' if again else 'Entry'} {entry}"
        return Sent(ok=True, response=text.encode())

    def judge(self, error: Exception) -> NotSent | None:
        """Name what Redis said; its own text goes along."""
        text = str(error)
        match error:
            case exceptions.AuthenticationError() | exceptions.NoPermissionError():
                return NotSent("unauthorized", text)
            case exceptions.OutOfMemoryError():
                return NotSent("rejected", text, throttled=True)
            case exceptions.MovedError() | exceptions.AskError():
                return NotSent("unroutable", "Another node of the cluster holds this stream.")
            case exceptions.ResponseError():
                return _of_an_answer(text)
            case exceptions.BusyLoadingError():
                return NotSent("rejected", text)
            case exceptions.ConnectionError() if (error.__cause__ or error.__context__) is None:
                return NotSent("disconnected")
            case _:
                return None


def _of_an_answer(text: str) -> NotSent:
    if "WRONGTYPE" in text:
        return NotSent("unroutable", text)
    if "invalid bulk length" in text:
        return NotSent("too_large", text)
    return NotSent("rejected", text)


async def _add(link: RedisLink, plan: Plan, event: Outgoing) -> tuple[str, bool]:
    """Add an entry; gives its id, and whether it had been there."""
    subject = "" if event.task_uuid is None else str(event.task_uuid)
    limit = () if plan.most is None else ("MAXLEN", "~", plan.most)
    entry = (
        *(*limit, "*", "id", str(event.event_id), "type", event.event_type),
        *("subject", subject, "data", event.body),
    )
    if not plan.remember_s:
        return (await link.ask("XADD", plan.stream, *entry)).decode(), False
    keys = (2, plan.stream, _memory(plan.stream, event), plan.remember_s, *entry)
    try:
        added, again = await link.ask("EVALSHA", SHA, *keys)
    except exceptions.NoScriptError:
        added, again = await link.ask("EVAL", ADD_ONCE, *keys)
    return added.decode(), bool(again)


def _memory(stream: str, event: Outgoing) -> str:
    """Name the key an event is remembered by; what stands in the first braces says where a key lies."""
    _, _, rest = stream.partition("{")
    tag, closed, _ = rest.partition("}")
    return f"callboard:{{{tag if tag and closed else stream}}}:{stream}:{event.event_id}"
