"""A server of one file in a process of its own: `python -m tests.support.files_process MEBIBYTES`.

Prints its port; ends when its standard input does. The file is the simulator's, padded, and kept in memory.
"""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from service.simulator.media import free, make_video


async def main(mebibytes: int) -> None:
    """Serve until standard input ends."""
    with TemporaryDirectory() as folder:
        place = Path(folder) / "video.mp4"
        video = make_video("bench")
        size = mebibytes * 2**20
        with place.open("wb") as file:
            file.write(video + free(size - len(video)))
            file.truncate(size)

        async def give(_: web.Request) -> web.FileResponse:
            return web.FileResponse(place)

        app = web.Application()
        app.router.add_get("/video.mp4", give)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)  # noqa: T201 - who started us reads it
        await asyncio.to_thread(sys.stdin.read)
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
