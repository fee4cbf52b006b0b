"""moto for SQS, SNS and EventBridge, one process for all; what goes to SNS and EventBridge is read from SQS queues.

It forgets all when it stops and hangs up after every answer, so nothing is shown of restarts and of connections.
That FIFO queues and topics drop what they have had is in `sinks_clouds/test_aws.py`: neither says that it did.
"""

import asyncio
import json
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar

from service.ports import Sink
from service.sinks.aws.eventbridge import EventbridgeSink
from service.sinks.aws.sns import SnsSink
from service.sinks.aws.sqs import SqsSink
from tests.conformance.sinks.bench import Access, Arrived, Bench, Place, Shows
from tests.support.moto import REGION, Moto

LOOPBACK = (ip_network("127.0.0.0/8"),)
STANDARD = frozenset({Shows.CREDENTIALS, Shows.UNROUTABLE, Shows.TOO_LARGE})
FIFO = STANDARD | {Shows.ORDER}


class AwsBench(Bench):
    many = 70
    moto: ClassVar[Moto | None] = None
    running: ClassVar[int] = 0
    """Benches that use the one process."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._queues: dict[str, str] = {}
        self._arrived: defaultdict[str, list[Arrived]] = defaultdict(list)

    def start(self) -> None:
        if AwsBench.moto is None:
            AwsBench.moto = Moto(self.folder)
            AwsBench.moto.start()
            # A test's own loop runs in this thread.
            with ThreadPoolExecutor(1) as thread:
                thread.submit(asyncio.run, AwsBench.moto.make_user()).result()
        AwsBench.running += 1

    def stop(self) -> None:
        AwsBench.running -= 1
        if not AwsBench.running:
            self.process.stop()
            AwsBench.moto = None

    @property
    def process(self) -> Moto:
        assert AwsBench.moto is not None
        return AwsBench.moto

    async def place(self) -> Place:
        name = self.new_name()
        url, arn = await self.process.queue(name)
        self._queues[name] = url
        return Place(name, self.usual | await self.to(name, url, arn))

    def nowhere(self) -> Place:
        return Place("nowhere", self.usual | self.wrong())

    async def read(self, place: Place) -> list[Arrived]:
        # What was read is gone from the queue.
        arrived = self._arrived[place.name]
        arrived += map(self.arrived, await self.process.messages(self._queues[place.name]))
        return arrived

    def credentials(self, access: Access) -> Mapping[str, Any]:
        secret = "wrong" if access is Access.BAD else self.process.secret
        return {"accessKeyId": self.process.key_id, "secretAccessKey": secret}

    @property
    def usual(self) -> dict[str, Any]:
        return {"region": REGION, "endpointUrl": self.process.endpoint}

    def new_name(self) -> str:
        return f"{type(self).__name__}-{self.next_name()}"

    @abstractmethod
    async def to(self, name: str, url: str, arn: str) -> dict[str, Any]:
        """Make what leads to a queue; gives the settings that say so."""

    @abstractmethod
    def wrong(self) -> dict[str, Any]:
        """Give settings that lead nowhere."""

    def arrived(self, message: Mapping[str, Any]) -> Arrived:
        told = message["MessageAttributes"]
        group = message["Attributes"].get("MessageGroupId")
        return Arrived(message["Body"].encode(), told["ce_id"]["StringValue"], group)


class SqsBench(AwsBench):
    kind = "sqs"
    shows = STANDARD

    def sink(self) -> Sink:
        return SqsSink(LOOPBACK)

    async def to(self, name: str, url: str, arn: str) -> dict[str, Any]:
        return {"queueUrl": url}

    def wrong(self) -> dict[str, Any]:
        return {"queueUrl": f"{self.process.endpoint}/123456789012/nowhere"}


class SqsFifoBench(SqsBench):
    shows = FIFO

    def new_name(self) -> str:
        return f"{super().new_name()}.fifo"


class SnsBench(AwsBench):
    kind = "sns"
    shows = STANDARD

    def sink(self) -> Sink:
        return SnsSink(LOOPBACK)

    async def to(self, name: str, url: str, arn: str) -> dict[str, Any]:
        return {"topicArn": await self.process.topic(name, arn)}

    def wrong(self) -> dict[str, Any]:
        return {"topicArn": f"arn:aws:sns:{REGION}:123456789012:nowhere"}


class EventbridgeBench(AwsBench):
    kind = "eventbridge"
    shows = STANDARD

    def sink(self) -> Sink:
        return EventbridgeSink(LOOPBACK)

    async def to(self, name: str, url: str, arn: str) -> dict[str, Any]:
        await self.process.bus(name, arn)
        return {"eventBusName": name}

    def wrong(self) -> dict[str, Any]:
        return {"eventBusName": "nowhere"}

    def arrived(self, message: Mapping[str, Any]) -> Arrived:
        entry = json.loads(message["Body"])
        # EventBridge hands on what the detail means, in spelling of its own; this is the spelling of `events`.
        body = json.dumps(entry["detail"], ensure_ascii=False).encode()
        return Arrived(body, entry["detail"]["id"], entry["resources"][0])
