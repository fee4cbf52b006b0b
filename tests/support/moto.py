"""moto as a process: SQS, SNS, EventBridge and S3 on loopback, which know one user and check every signature.

What moto 5.2 cannot check is the signature of a signed URL: that needs one that trusts everybody.
"""

import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiobotocore.session import get_session

from tests.support.processes import Process, free_port

REGION = "eu-central-1"
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
UNCHECKED = 3
"""Calls that are let through first: those that make the user."""
START_S = 60


class Moto:
    """One process; what is in it is gone when it stops."""

    def __init__(self, folder: Path, *, trusts: bool = False) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.key_id = self.secret = "unchecked"
        args = ("-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port))
        quiet = {
            "INITIAL_NO_AUTH_ACTION_COUNT": str(10**9 if trusts else UNCHECKED),
            "PYTHONWARNINGS": "ignore",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._process = Process(args, quiet, folder / "moto.log")

    def start(self) -> None:
        """Start it, and make its user."""
        self._process.start()
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert self._process.alive, self._process.tail()
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                time.sleep(0.02)
            else:
                break

    def stop(self) -> None:
        """End it."""
        self._process.stop()

    async def make_user(self) -> None:
        """Make the user whose key is good; from then on every other one is refused."""
        if self.key_id != "unchecked":
            return
        async with self.client("iam") as iam:
            await iam.create_user(UserName="callboard")
            policy = {"PolicyName": "all", "PolicyDocument": POLICY}
            await iam.put_user_policy(UserName="callboard", **policy)
            made = (await iam.create_access_key(UserName="callboard"))["AccessKey"]
        self.key_id, self.secret = made["AccessKeyId"], made["SecretAccessKey"]

    @asynccontextmanager
    async def client(self, service: str) -> AsyncIterator[Any]:
        """Give a client of the test's own."""
        async with get_session().create_client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key_id,
            aws_secret_access_key=self.secret,
        ) as client:
            yield client

    async def queue(self, name: str) -> tuple[str, str]:
        """Make a queue, FIFO by its name; gives its URL and ARN."""
        more = {"Attributes": {"FifoQueue": "true"}} if name.endswith(".fifo") else {}
        async with self.client("sqs") as sqs:
            url = (await sqs.create_queue(QueueName=name, **more))["QueueUrl"]
            asked = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, asked["Attributes"]["QueueArn"]

    async def topic(self, name: str, queue_arn: str, **attributes: str) -> str:
        """Make a topic, FIFO by its name, that hands its messages raw to a queue; gives its ARN."""
        more = {"Attributes": {"FifoTopic": "true"}} if name.endswith(".fifo") else {}
        async with self.client("sns") as sns:
            arn: str = (await sns.create_topic(Name=name, **more))["TopicArn"]
            await sns.subscribe(
                TopicArn=arn,
                Protocol="sqs",
                Endpoint=queue_arn,
                Attributes={"RawMessageDelivery": "true", **attributes},
            )
        return arn

    async def bus(self, name: str, queue_arn: str) -> None:
        """Make an event bus whose every event of ours goes to a queue."""
        async with self.client("events") as events:
            await events.create_event_bus(Name=name)
            pattern = '{"source": [{"prefix": "callboard"}]}'
            await events.put_rule(Name=f"{name}-all", EventBusName=name, EventPattern=pattern)
            targets = [{"Id": "1", "Arn": queue_arn}]
            await events.put_targets(Rule=f"{name}-all", EventBusName=name, Targets=targets)

    async def bucket(self, name: str) -> None:
        """Make a bucket."""
        async with self.client("s3") as s3:
            where = {"LocationConstraint": REGION}
            await s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)

    async def messages(self, url: str) -> list[dict[str, Any]]:
        """Read all messages of a queue, in its order, and take them away."""
        found: list[dict[str, Any]] = []
        async with self.client("sqs") as sqs:
            while True:
                answer = await sqs.receive_message(
                    QueueUrl=url,
                    MaxNumberOfMessages=10,
                    AttributeNames=["All"],
                    MessageAttributeNames=["All"],
                )
                batch = answer.get("Messages", [])
                if not batch:
                    return found
                entries = [
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(batch)
                ]
                await sqs.delete_message_batch(QueueUrl=url, Entries=entries)
                found += batch
