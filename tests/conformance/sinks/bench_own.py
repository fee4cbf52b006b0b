"""The sinks that need no broker: files, and webhooks with a receiver that keeps what it takes."""

import threading
from collections import defaultdict
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import ClassVar

from service.egress import Egress
from service.ports import Sink
from service.sinks.file import FileSink
from service.sinks.webhook import WebhookSink
from tests.conformance.sinks.bench import Arrived, Bench, Place, Shows
from tests.support.processes import free_port

LOOPBACK = (ip_network("127.0.0.0/8"),)


class FileBench(Bench):
    kind = "file"
    shows = frozenset({Shows.ORDER})

    def start(self) -> None:
        """Do nothing: a folder serves."""

    def stop(self) -> None:
        """Do nothing."""

    def sink(self) -> Sink:
        return FileSink(self.folder)

    async def place(self) -> Place:
        name = self.next_name()
        return Place(name, {"path": name})

    async def read(self, place: Place) -> list[Arrived]:
        return [Arrived(line) for line in (self.folder / place.name).read_bytes().splitlines()]


class WebhookBench(Bench):
    kind = "webhook"
    shows = frozenset({Shows.ORDER, Shows.RESTART, Shows.UNROUTABLE})
    words: ClassVar[Mapping[str, str]] = {"unroutable": "http_404"}

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None
        self._kept: defaultdict[str, list[Arrived]] = defaultdict(list)
        self._places: set[str] = set()

    def start(self) -> None:
        bench = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                known = self.path in bench._places
                if known:
                    bench._kept[self.path].append(Arrived(body, self.headers["webhook-id"]))
                self.send_response(204 if known else 404)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def sink(self) -> Sink:
        return WebhookSink(Egress(LOOPBACK))

    async def place(self) -> Place:
        name = self.next_name()
        self._places.add(f"/{name}")
        return Place(name, url=f"http://127.0.0.1:{self.port}/{name}")

    def nowhere(self) -> Place:
        return Place("nowhere", url=f"http://127.0.0.1:{self.port}/nowhere")

    async def read(self, place: Place) -> list[Arrived]:
        return list(self._kept[f"/{place.name}"])
