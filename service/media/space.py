"""How much room the disk has that a folder is on."""

import asyncio
import shutil
from pathlib import Path


class Space:
    """Watches the free bytes of one disk, of which `min_free_bytes` are never to be taken."""

    def __init__(self, folder: Path, min_free_bytes: int = 0) -> None:
        """Watch the disk of `folder`, which need not exist yet."""
        self.folder = folder
        self.min_free_bytes = min_free_bytes

    async def room(self, bytes_needed: int) -> bool:
        """Say whether so many bytes fit; looked up each time, for others write to this disk too.

        Raises OSError when the disk cannot be asked.
        """
        free = await asyncio.to_thread(_free, self.folder)
        return free - self.min_free_bytes >= bytes_needed


def _free(folder: Path) -> int:
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free
