"""nats-server with JetStream: one in the clear that stops and dies, one behind TLS."""

import asyncio
import json
import signal
import ssl
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.js.api import ConsumerConfig, DeliverPolicy

from service.ports import Sink
from service.sinks.nats.sink import NatsSink
from tests.conformance.sinks.bench import Access, Arrived, Bench, Place, Shows
from tests.conformance.sinks.certificates import make
from tests.conformance.sinks.programs import Program, program
from tests.support.processes import free_port

LOOPBACK = (ip_network("127.0.0.0/8"),)
USERS = {Access.GOOD: "board", Access.OTHER: "other"}

NKEY_SEED = "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y"
NKEY_PUBLIC = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"


class NatsBench(Bench):
    kind = "nats"
    shows = frozenset(Shows)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.certificates = make(folder)
        self.port, self.tls_port = free_port(), free_port()
        files = self.certificates
        tls = {"cert_file": str(files.server), "key_file": str(files.server_key)}
        self._plain = self._server("plain", self.port, {})
        self._secure = self._server("secure", self.tls_port, {"tls": tls})

    @classmethod
    def missing(cls) -> str | None:
        return None if program("nats-server") else "apt-get install nats-server"

    def launch(self) -> None:
        self._plain.start()
        self._secure.end(signal.SIGTERM)
        self._secure.start()

    def ready(self) -> bool:
        return self._plain.serves(self.port) and self._secure.serves(self.tls_port)

    def stop(self) -> None:
        self._plain.end(signal.SIGTERM)
        self._secure.end(signal.SIGTERM)

    def kill(self) -> None:
        self._plain.end(signal.SIGKILL)

    def sink(self) -> Sink:
        return NatsSink(LOOPBACK)

    async def place(self) -> Place:
        name = self.next_name()
        for port in (self.port, self.tls_port):
            client = await self._client(port)
            await client.jetstream().add_stream(name=name, subjects=[f"{name}.>"])
            await client.close()
        return Place(name, self._settings(f"{name}.{{type}}.{{taskUUID}}"))

    def nowhere(self) -> Place:
        return Place("nowhere", self._settings("nowhere.{type}"))

    async def read(self, place: Place) -> list[Arrived]:
        found: list[Arrived] = []
        for port in (self.port, self.tls_port):
            client = await self._client(port)
            with suppress(nats.errors.TimeoutError):
                found += await self._read(client, place)
            await client.close()
        return found

    async def _read(self, client: Client, place: Place) -> list[Arrived]:
        context = client.jetstream()
        info = await context.stream_info(place.name)
        config = ConsumerConfig(deliver_policy=DeliverPolicy.ALL)
        reader = await context.subscribe(
            f"{place.name}.>", stream=place.name, ordered_consumer=True, config=config
        )
        found = []
        for _ in range(info.state.messages):
            message = await reader.next_msg(5)
            headers = message.headers or {}
            group = message.subject.rpartition(".")[2]
            found.append(Arrived(message.data, headers.get("Nats-Msg-Id"), group))
        return found

    def credentials(self, access: Access) -> Mapping[str, Any]:
        user = USERS.get(access, "board")
        return {"username": user, "password": "wrong" if access is Access.BAD else user}

    def tls_settings(self) -> Mapping[str, Any]:
        servers = [f"localhost:{self.tls_port}"]
        return {"tls": True, "ca": self.certificates.ca, "servers": servers}

    def _settings(self, subject: str) -> Mapping[str, Any]:
        return {"servers": [f"127.0.0.1:{self.port}"], "subject": subject}

    async def _client(self, port: int) -> Client:
        options: dict[str, Any] = {"user": "board", "password": "board"}
        if port == self.tls_port:
            context = ssl.create_default_context(cadata=self.certificates.ca)
            options |= {"tls": context, "tls_hostname": "localhost"}
        async with asyncio.timeout(10):
            return await nats.connect(f"nats://127.0.0.1:{port}", **options)

    def _server(self, name: str, port: int, more: Mapping[str, Any]) -> Program:
        narrow = {"publish": ["allowed.>"], "subscribe": ["_INBOX.>"]}
        users: list[dict[str, Any]] = [{"user": u, "password": u} for u in USERS.values()]
        users.append({"user": "narrow", "password": "narrow", "permissions": narrow})
        users.append({"nkey": NKEY_PUBLIC})
        # JSON is a part of the server's own format.
        config = {
            "host": "127.0.0.1",
            "port": port,
            "server_name": name,
            "jetstream": {"store_dir": str(self.folder / name)},
            "authorization": {"users": users},
            "no_auth_user": "board",
            **more,
        }
        path = self.folder / f"{name}.conf"
        path.write_text(json.dumps(config))
        args = [program("nats-server") or "nats-server", "-c", str(path)]
        return Program(args, self.folder / f"{name}.log")
