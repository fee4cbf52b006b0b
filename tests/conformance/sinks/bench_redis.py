"""redis-server whose writes are on disk before they are answered, with a port for TLS."""

import signal
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from service.ports import Sink
from service.sinks.redis import RedisSink
from tests.conformance.sinks.bench import Access, Arrived, Bench, Place, Shows
from tests.conformance.sinks.certificates import make
from tests.conformance.sinks.programs import Program, program
from tests.support.processes import free_port

LOOPBACK = (ip_network("127.0.0.0/8"),)
USERS = {Access.GOOD: "board", Access.OTHER: "other"}


class RedisBench(Bench):
    kind = "redis"
    shows = frozenset(Shows) - {Shows.UNROUTABLE, Shows.TOO_LARGE}
    """A stream that does not exist is made by its first entry; who sends too much is cut off without a word."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.certificates = make(folder)
        self.port, self.tls_port = free_port(), free_port()
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"tls-port {self.tls_port}",
            f"tls-cert-file {self.certificates.server}",
            f"tls-key-file {self.certificates.server_key}",
            f"tls-ca-cert-file {self.certificates.ca_file}",
            "tls-auth-clients optional",
            f"dir {folder}",
            'save ""',
            "appendonly yes",
            "appendfsync always",
            # All its rights, though nobody can be it: Redis 7.0 checks transactions against them when it
            # loads its file, and drops what a script wrote for anybody (seen here with 7.0.15).
            "user default off ~* &* +@all",
            "user board on >board ~* &* +@all",
            "user other on >other ~* &* +@all",
            "user plain on >plain ~* &* +@all -@scripting",
        ]
        (folder / "redis.conf").write_text("\n".join(lines))
        args = [program("redis-server") or "redis-server", str(folder / "redis.conf")]
        self._server = Program(args, folder / "redis.log")

    @classmethod
    def missing(cls) -> str | None:
        return None if program("redis-server") else "apt-get install redis-server"

    def launch(self) -> None:
        self._server.start()

    def ready(self) -> bool:
        return self._server.serves(self.port, self.tls_port)

    def stop(self) -> None:
        self._server.end(signal.SIGTERM)

    def kill(self) -> None:
        self._server.end(signal.SIGKILL)

    def sink(self) -> Sink:
        return RedisSink(LOOPBACK)

    async def place(self) -> Place:
        name = self.next_name()
        return Place(name, {"server": f"127.0.0.1:{self.port}", "stream": name})

    async def read(self, place: Place) -> list[Arrived]:
        async with self.client() as client:
            entries: Any = await client.xrange(place.settings["stream"])
        return [
            Arrived(fields[b"data"], fields[b"id"].decode(), fields[b"subject"].decode())
            for _, fields in entries
        ]

    def client(self) -> "Redis":
        return Redis(port=self.port, username="board", password="board", protocol=2)

    def credentials(self, access: Access) -> Mapping[str, Any]:
        user = USERS.get(access, "board")
        return {"username": user, "password": "wrong" if access is Access.BAD else user}

    def tls_settings(self) -> Mapping[str, Any]:
        server = f"localhost:{self.tls_port}"
        return {"tls": True, "ca": self.certificates.ca, "server": server}
