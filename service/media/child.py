"""A process that answers questions, one at a time: a line of JSON each way."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

LONGEST_ANSWER = 2**18
END_S = 5.0
"""One that is not doing anything ends at once; a service that stops does not wait for one that stands still."""


class Child:
    """One such process, and whatever it starts itself. After any error or cancellation it must be killed."""

    def __init__(self, process: Process) -> None:
        """Take over a process with pipes and a session of its own."""
        self._process = process

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str] | None) -> "Child":
        """Start a process; raises OSError."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=environment,
            limit=LONGEST_ANSWER,
            start_new_session=True,  # killed with its own, and Ctrl-C in a terminal is not for it
        )
        return cls(process)

    async def ask(self, question: str) -> Any:
        """Ask; raises OSError when it ends, or answers what is no JSON."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ValueError("it was begun without pipes")
        stdin.write(json.dumps(question).encode() + b"\n")
        await stdin.drain()
        try:
            return json.loads(await stdout.readline())
        except ValueError:
            raise ChildProcessError("it ended, or gave no answer that can be read") from None

    async def end(self) -> None:
        """Tell it that nothing more will be asked, and wait until it ends; it is killed when that takes long."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """Kill it and its own, whatever it is doing."""
        with suppress(ProcessLookupError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.communicate()
