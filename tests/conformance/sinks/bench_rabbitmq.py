"""rabbitmq-server with an epmd of its own; queues are durable."""

import asyncio
import base64
import hashlib
import json
import os
import signal
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aio_pika
from aiormq.exceptions import AMQPError

from service.ports import Sink
from service.sinks.rabbitmq import RabbitSink
from tests.conformance.sinks.bench import Access, Arrived, Bench, Place, Shows
from tests.conformance.sinks.certificates import make
from tests.conformance.sinks.programs import Program, program, serves
from tests.support.processes import free_port

LOOPBACK = (ip_network("127.0.0.0/8"),)
USERS = {Access.GOOD: "board", Access.OTHER: "other"}
FOLDER = "/usr/lib/rabbitmq/bin"
"""Where Debian keeps the program itself; what is on PATH there wants to be root or rabbitmq."""
MOST_BYTES = 1_048_576


class RabbitBench(Bench):
    kind = "rabbitmq"
    shows = frozenset(Shows) - {Shows.DEDUPE}
    """It keeps nothing to tell repetitions by: the message's id is for consumers."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.certificates = make(folder)
        self.port, self.tls_port = free_port(), free_port()
        self._epmd_port = free_port()
        env = self._environment()
        server = program("rabbitmq-server", FOLDER) or "rabbitmq-server"
        self._server = Program([server], folder / "rabbitmq.log", env)
        epmd = ["-address", "127.0.0.1", "-port", str(self._epmd_port)]
        self._epmd = Program([program("epmd") or "epmd", *epmd], folder / "epmd.log", env)

    @classmethod
    def missing(cls) -> str | None:
        found = program("rabbitmq-server", FOLDER) and program("epmd")
        return None if found else "apt-get install rabbitmq-server"

    def launch(self) -> None:
        # The server would start one of its own, which outlives it.
        if not serves(self._epmd_port):
            self._epmd.start()
            while not self._epmd.serves(self._epmd_port):
                time.sleep(0.01)
        self._server.start()

    def stop(self) -> None:
        self._server.end(signal.SIGTERM)
        self._epmd.end(signal.SIGTERM)

    def kill(self) -> None:
        self._server.end(signal.SIGKILL)

    def sink(self) -> Sink:
        return RabbitSink(LOOPBACK)

    async def place(self) -> Place:
        name = self.next_name()
        async with await self.client() as client, client.channel() as channel:
            await channel.declare_queue(name, durable=True)
        return Place(name, self._settings(name))

    def nowhere(self) -> Place:
        return Place("nowhere", self._settings("nowhere"))

    async def read(self, place: Place) -> list[Arrived]:
        found = []
        async with await self.client() as client, client.channel() as channel:
            queue = await channel.get_queue(place.name)
            # What is not acknowledged goes back to its place when the channel ends.
            while (message := await queue.get(fail=False)) is not None:
                found.append(Arrived(message.body, message.message_id, message.correlation_id))
        return found

    def credentials(self, access: Access) -> Mapping[str, Any]:
        user = USERS.get(access, "board")
        return {"username": user, "password": "wrong" if access is Access.BAD else user}

    def tls_settings(self) -> Mapping[str, Any]:
        servers = [f"localhost:{self.tls_port}"]
        return {"tls": True, "ca": self.certificates.ca, "servers": servers}

    def _settings(self, queue: str) -> Mapping[str, Any]:
        return {"servers": [f"127.0.0.1:{self.port}"], "routingKey": queue}

    async def client(self) -> Any:
        url = f"amqp://board:board@127.0.0.1:{self.port}/"
        return await aio_pika.connect(url, timeout=10)

    def ready(self) -> bool:
        """Log in: the port opens before the users are there."""
        if not self._server.serves(self.port, self.tls_port):
            return False

        async def log_in() -> None:
            await (await self.client()).close()

        # A test's own loop runs in this thread.
        with suppress(AMQPError, OSError), ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, log_in()).result()
            return True
        return False

    def _environment(self) -> Mapping[str, str]:
        folder, files = self.folder, self.certificates
        users = [{"name": u, "password_hash": _hashed(u), "tags": ""} for u in USERS.values()]
        users.append({"name": "narrow", "password_hash": _hashed("narrow"), "tags": ""})
        everything = {"vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}
        permissions = [{"user": u, **everything} for u in USERS.values()]
        permissions.append({"user": "narrow", **everything, "write": "^$"})
        definitions = {"users": users, "vhosts": [{"name": "/"}], "permissions": permissions}
        (folder / "definitions.json").write_text(json.dumps(definitions))
        (folder / "plugins").write_text("[].")
        settings = {
            "listeners.tcp.default": f"127.0.0.1:{self.port}",
            "listeners.ssl.default": f"127.0.0.1:{self.tls_port}",
            "ssl_options.cacertfile": files.ca_file,
            "ssl_options.certfile": files.server,
            "ssl_options.keyfile": files.server_key,
            "load_definitions": folder / "definitions.json",
            "max_message_size": MOST_BYTES,
            "disk_free_limit.absolute": "1MB",
        }
        lines = (f"{name} = {value}\n" for name, value in settings.items())
        (folder / "rabbitmq.conf").write_text("".join(lines))
        own = {
            "HOME": folder,
            "RABBITMQ_NODENAME": f"callboard{self.port}@localhost",
            "RABBITMQ_DIST_PORT": free_port(),
            "RABBITMQ_MNESIA_BASE": folder / "db",
            "RABBITMQ_LOG_BASE": folder / "log",
            "RABBITMQ_CONFIG_FILE": folder / "rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "plugins",
            "RABBITMQ_PID_FILE": folder / "pid",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "ERL_EPMD_PORT": self._epmd_port,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        return os.environ | {name: str(value) for name, value in own.items()}


def _hashed(password: str) -> str:
    """Hash a password the way RabbitMQ keeps it: salt, then SHA-256 of salt and password."""
    salt = b"salt"
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
