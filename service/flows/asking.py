"""Part of reading: one question to an upstream, which always ends with a reading."""

import structlog

from service.core.fault import Fault, FaultKind
from service.core.inputs import ReadFailed, Reading
from service.core.task import FirstSend, Task
from service.flows.upstreams import Upstreams

log = structlog.get_logger()


def may_call(upstreams: Upstreams, task: Task) -> Fault | None:
    """Say why this process cannot call for a task; none when it can."""
    upstream = upstreams[task.provider]
    if upstream.off_because is not None:
        return Fault("provider_off", upstream.off_because, FaultKind.TRANSIENT)
    if not upstream.knows(task.account):
        text = f"This process has no key of the account {task.account}."
        return Fault("no_api_key", text, FaultKind.TRANSIENT)
    return None


async def ask(upstreams: Upstreams, task: Task, send: FirstSend | None) -> Reading:
    """Ask how a task is."""
    if (why_not := may_call(upstreams, task)) is not None:
        return ReadFailed(why_not)
    if send is None:
        return ReadFailed(Fault("never_sent", "Nothing was sent from here."))
    try:
        return await upstreams[task.provider].client(task.account).read(task, send)
    except Exception:
        # A provider never raises; if one does, its task still has to reach its end.
        log.exception("task.read_broke", task_id=str(task.task_uuid))
        return ReadFailed(Fault("internal", "The read broke; see the log."))
