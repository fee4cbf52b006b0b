"""What a callback of Runware says. Nothing in it can be verified but the token in its path."""

from service.core.inputs import Source
from service.ports import OpenedCallback, RawCallback
from service.providers import foreign
from service.providers.runware.items import report, rows


def open_callback(call: RawCallback) -> OpenedCallback:
    """Read a callback. Rows that name no task are not read: the upstream is asked instead."""
    found = rows(foreign.read_json(call.body))
    ours = [row for row in found if row.task_uuid == call.task_uuid]
    other = any(row.task_uuid not in {None, call.task_uuid} for row in found)
    said = report(ours, Source.CALLBACK)
    if said is not None and any(video.url is None for video in said.videos):
        # A poll may still tell where it lies; a task that counted it would never be asked about again.
        return OpenedCallback(None, None, other, "a video without an address")
    detail = "" if said is not None else "nothing that is known is said of this task"
    return OpenedCallback(verified=None, report=said, names_other=other, detail=detail)
