"""A process that sends events and prints the id of each one that was confirmed, to be killed in the middle.

Arguments: a file that says where to, and how many of the first events are done.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from service.ports import Target
from service.sinks import SINKS, SinkOptions
from tests.conformance.sinks.events import deliver, make

LOOPBACK = (ip_network("127.0.0.0/8"),)


async def main(said: Mapping[str, Any], done: int) -> None:
    """Send what is not done."""
    sink = SINKS[said["kind"]](SinkOptions(Path(said["folder"]), LOOPBACK))
    target = Target(
        said["kind"], said["url"], said["settings"], 5.0, credentials=said["credentials"]
    )
    for event in make(said["count"])[done:]:
        await deliver(sink, target, event)
        sys.stdout.write(f"{event.event_id}\n")
        sys.stdout.flush()
    await sink.close()


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])))
