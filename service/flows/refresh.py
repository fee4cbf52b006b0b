"""Part of keeping videos: a URL that expired is asked for anew upstream. What was announced stays as it was."""

from service.core.inputs import Report
from service.core.task import Task
from service.flows.accounts import Accounts
from service.flows.asking import ask, may_call
from service.flows.upstreams import Upstreams
from service.store import history, tasks
from service.store.pool import Pool, connection


class Refresh:
    """Asks upstreams where videos are by now."""

    def __init__(self, pool: Pool, upstreams: Upstreams, accounts: Accounts) -> None:
        self._pool = pool
        self._upstreams = upstreams
        self._accounts = accounts

    async def url(self, task: Task, video_uuid: str) -> str | None:
        """Ask for the URL of a video; none when nobody can be asked just now, or nobody knows one."""
        if may_call(self._upstreams, task) is not None:
            return None
        async with connection(self._pool) as conn:
            kept = await tasks.sends(conn, [task.task_uuid])
        _, send = kept.get(task.task_uuid, ("", None))
        if send is None or not await self._accounts.read_turn(task):
            return None
        reading = await ask(self._upstreams, task, send)
        videos = reading.videos if isinstance(reading, Report) else ()
        found = next((v.url for v in videos if v.video_uuid == video_uuid), None)
        detail: dict[str, object] = {"videoUUID": video_uuid, "found": found is not None}
        async with connection(self._pool) as conn:
            entry = history.Entry(task.task_uuid, "upstream", "refresh", detail=detail)
            await history.insert(conn, [entry])
        return found
