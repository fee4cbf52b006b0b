"""A DNS server on loopback whose answers are written down, and a resolver that asks it."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp.abc import ResolveResult
from dnslib import AAAA, CNAME, QTYPE, RR, A, DNSRecord  # type: ignore[import-untyped]

logger = logging.getLogger(__name__)
ANSWER_S = 30
"""How long an answer is waited for, where the caller does not give up before: only a machine that stands still takes long.

Asked once only: a second question would have the next answer.
"""
Answers = Mapping[str, Sequence[Sequence[str]]]
"""Names, each with what is answered the first time, the second time…; the last one stays."""


class _Server(asyncio.DatagramProtocol):
    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._asked: dict[tuple[str, str], int] = {}
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        query = DNSRecord.parse(data)
        name = str(query.q.qname).rstrip(".")
        reply = query.reply()
        kind = QTYPE[query.q.qtype]
        for owner, value in self._records(name, kind):
            reply.add_answer(_record(owner, value))
        self._transport.sendto(reply.pack(), addr)

    def _records(self, name: str, kind: str) -> list[tuple[str, str]]:
        turns = self._answers.get(name, [[]])
        turn = self._asked.get((name, kind), 0)
        self._asked[name, kind] = turn + 1
        found: list[tuple[str, str]] = []
        for value in turns[min(turn, len(turns) - 1)]:
            if _kind(value) == "CNAME":
                found += [(name, value), *self._records(value, kind)]
            elif _kind(value) == kind:
                found.append((name, value))
        return found


class _Telling(aiohttp.AsyncResolver):
    """Says why a name was not found: whoever asked makes one word of it."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        try:
            return await super().resolve(host, port, family)
        except OSError:
            logger.exception("%s was not resolved", host)
            raise


def _kind(value: str) -> str:
    if ":" in value:
        return "AAAA"
    return "A" if value.replace(".", "").isdigit() else "CNAME"


def _record(owner: str, value: str) -> RR:
    made = {"A": A, "AAAA": AAAA, "CNAME": CNAME}[_kind(value)](value)
    return RR(owner, getattr(QTYPE, _kind(value)), rdata=made, ttl=0)


@asynccontextmanager
async def names(answers: Answers) -> AsyncIterator[aiohttp.AsyncResolver]:
    """Serve these answers; gives a resolver that asks nobody else and remembers nothing."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Server(answers), local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    resolver = _Telling(
        nameservers=["127.0.0.1"],
        udp_port=port,
        tcp_port=port,
        lookups="b",
        timeout=ANSWER_S,
        tries=1,
    )
    try:
        yield resolver
    finally:
        await resolver.close()
        transport.close()
