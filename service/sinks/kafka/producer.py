"""The idempotent producer of one subscription, which connects only to addresses that may be connected to.

A broker names other brokers, and those are what a producer talks to: each of them is resolved once, checked, and
connected to by the checked address; TLS still asks for the name. Nothing else in aiokafka opens connections.
"""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from aiohttp.abc import AbstractResolver
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.structs import RecordMetadata

from service.brokers import quiet
from service.core.url_guard import IPNetwork
from service.dialing import Endpoint
from service.egress import RefusedAddress, checked_addresses

# It warns of every broker that is away; what became of a record is said by the sink.
quiet("aiokafka")

Header = tuple[str, bytes]
T = TypeVar("T")
MOST_UNDER_WAY: Final = 1000
FAILING_S: Final = 60.0
"""A producer that has failed for so long is given up at its next failure: its brokers may have moved."""


class _Client(AIOKafkaClient):  # type: ignore[misc]  # aiokafka is untyped
    """aiokafka's client with its two ways of connecting replaced: to what it is told, and to what brokers name."""

    allowed: Sequence[IPNetwork]
    resolver: AbstractResolver | None
    ca: str | None
    hopeless: asyncio.Future[None]
    """Fails when no waiting helps: an address is refused, or the credentials are."""
    away: Exception | None = None
    """Why the last broker could not be connected to, until one can."""

    async def bootstrap(self) -> None:
        """Learn of the cluster from the first server that answers; raises what the last one failed with."""
        failure: Exception = KafkaConnectionError("no server is named")
        for host, port, _ in self.hosts:
            try:
                conn = await self._connect(host, port)
            except (OSError, TimeoutError, KafkaError, RefusedAddress) as error:
                failure = error
                continue
            try:
                self.cluster.update_metadata(await conn.send(MetadataRequest([])))
            except (TimeoutError, KafkaError) as error:
                failure = error
                continue
            finally:
                conn.close()
            self._sync_task = asyncio.ensure_future(self._md_synchronizer())
            return
        raise failure

    async def _get_conn(
        self,
        node_id: int,
        *,
        group: ConnectionGroup = ConnectionGroup.DEFAULT,
        no_hint: bool = False,  # noqa: ARG002 - of the library
    ) -> AIOKafkaConnection | None:
        """Give the connection to a broker; None sends the library to look for a newer picture of the cluster."""
        async with self._get_conn_lock:
            known = self._conns.get((node_id, group))
            if known is not None and known.connected():
                return known
            broker = self.cluster.broker_metadata(node_id)
            try:
                if broker is None:
                    raise KafkaConnectionError(f"broker {node_id} is not in the metadata")
                conn = await self._connect(broker.host, broker.port, self._on_connection_closed)
            except (OSError, TimeoutError, KafkaError, RefusedAddress) as error:
                self.away = error
                self._despair(error)
                self.force_metadata_update()
                return None
            self._conns[(node_id, group)], self.away = conn, None
            return conn

    async def _connect(self, host: str, port: int, on_close: Any = None) -> AIOKafkaConnection:
        failure: Exception = OSError("the name has no address")
        tls = self._security_protocol in {"SSL", "SASL_SSL"}
        for address in await checked_addresses(host, port, self.allowed, self.resolver):
            conn = AIOKafkaConnection(
                address,
                port,
                client_id=self._client_id,
                request_timeout_ms=self._request_timeout_ms,
                ssl_context=await Endpoint(host, port, tls, self.ca).context(),
                security_protocol=self._security_protocol,
                on_close=on_close,
                max_idle_ms=self._connections_max_idle_ms,
                sasl_mechanism=self._sasl_mechanism,
                sasl_plain_username=self._sasl_plain_username,
                sasl_plain_password=self._sasl_plain_password,
            )
            try:
                await conn.connect()
            except (OSError, TimeoutError) as error:
                failure = error
            else:
                return conn
        raise failure

    def _despair(self, error: Exception) -> None:
        """Tell who waits for a record when there is nothing to wait for."""
        refused = isinstance(error, RefusedAddress | ssl.SSLCertVerificationError)
        denied = isinstance(error, KafkaError) and not error.retriable
        if (refused or denied) and not self.hopeless.done():
            self.hopeless.set_exception(error)


class Producer:
    """Sends records and waits until all in-sync replicas have them; to be made inside a running loop.

    A record whose confirmation did not come in time stays under way: the next attempt for the same event waits for it
    instead of sending another one, and brokers take it once, by its producer's number and sequence.
    """

    def __init__(
        self,
        allowed: Sequence[IPNetwork],
        resolver: AbstractResolver | None,
        ca: str | None,
        **options: Any,
    ) -> None:
        self._producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **options)
        client = self._producer.client
        # aiokafka makes its client itself and takes no other one.
        client.__class__ = _Client
        client.allowed, client.resolver, client.ca = tuple(allowed), resolver, ca
        client.hopeless = asyncio.get_running_loop().create_future()
        client.hopeless.add_done_callback(_seen)
        self._client: _Client = client
        self._under_way: dict[UUID, asyncio.Future[RecordMetadata]] = {}
        self._failing_since: float | None = None
        self._gap = False

    @property
    def away(self) -> Exception | None:
        """Say why its brokers cannot be reached, if they cannot."""
        return self._client.away

    @property
    def given_up(self) -> bool:
        """Say whether another producer would do better."""
        ended = self._producer._sender.sender_task  # noqa: SLF001 - aiokafka says it nowhere else
        dead = ended is not None and ended.done()
        since = self._failing_since
        long = since is not None and asyncio.get_running_loop().time() - since >= FAILING_S
        return dead or long or self._gap or self._client.hopeless.done()

    async def start(self) -> None:
        """Connect and get a producer's number; raises what stands in the way."""
        await self._unless_hopeless(asyncio.ensure_future(self._producer.start()))

    async def publish(
        self, event_id: UUID, topic: str, key: bytes | None, value: bytes, headers: list[Header]
    ) -> RecordMetadata:
        """Send one record and wait until it is confirmed; raises what the broker or the connection says."""
        try:
            confirmed = await self._confirmed(event_id, topic, key, value, headers)
        except BaseException:
            self._failing_since = self._failing_since or asyncio.get_running_loop().time()
            raise
        self._failing_since = None
        return confirmed

    async def _confirmed(
        self, event_id: UUID, topic: str, key: bytes | None, value: bytes, headers: list[Header]
    ) -> RecordMetadata:
        future = self._under_way.pop(event_id, None)
        if future is None or (future.done() and _failed(future)):
            future = await self._producer.send(topic, value, key=key, headers=headers)
            future.add_done_callback(_seen)
        self._under_way[event_id] = future
        if len(self._under_way) > MOST_UNDER_WAY:
            # The oldest: of an event that was never tried again.
            del self._under_way[next(iter(self._under_way))]
        await asyncio.wait({future, self._client.hopeless}, return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            self._client.hopeless.result()
        # Not when the attempt was cut before: then the next one finds it here.
        self._under_way.pop(event_id, None)
        # What a broker refused has taken a number of the sequence all the same, and the next one would be out of order.
        self._gap = self._gap or _failed(future)
        return future.result()

    def address_of(self, confirmed: RecordMetadata) -> str | None:
        """Say which address took a record."""
        node = self._client.cluster.leader_for_partition(confirmed.topic_partition)
        conn = self._client._conns.get((node, ConnectionGroup.DEFAULT))  # noqa: SLF001 - as above
        return None if conn is None else str(conn.host)

    async def stop(self) -> None:
        """Close all connections; what is under way is left to its fate."""
        if any(not future.done() for future in self._under_way.values()):
            # aiokafka's own end waits until all is sent, and an idempotent producer never stops to try.
            self._producer._closed = True  # noqa: SLF001 - as above
            await self._producer._sender.close()  # noqa: SLF001 - as above
            await self._client.close()
        else:
            await self._producer.stop()

    async def _unless_hopeless(self, task: asyncio.Future[T]) -> T:
        hopeless = self._client.hopeless
        task.add_done_callback(_seen)
        try:
            both: set[asyncio.Future[Any]] = {task, hopeless}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                hopeless.result()
            return task.result()
        finally:
            task.cancel()


def _failed(future: asyncio.Future[Any]) -> bool:
    return future.cancelled() or future.exception() is not None


def _seen(future: asyncio.Future[Any]) -> None:
    """Look at a failure that perhaps nobody waits for any more, so that asyncio does not complain."""
    if not future.cancelled():
        future.exception()
