"""What the operations on kept videos do, in the words of the OpenAPI document."""

from typing import Final

from schemas.api.media import Link, LinkOptions
from schemas.api.tasks import TaskView
from service.core.link import LONGEST_S
from service.web import examples
from service.web.openapi import Operation, Parameter, Reply, Schema

_FILE: Final[Schema] = {"type": "string", "format": "binary"}
_INDEX: Final = Parameter(
    "n", {"type": "integer", "minimum": 0, "maximum": 9999}, "The `index` of the result.", "path"
)
_TOLD: Final = {
    "ETag": "The sha-256 of the file.",
    "Last-Modified": "When it was kept.",
    "Accept-Ranges": "`bytes`.",
    "Content-Disposition": "How to call the file; `attachment` with `download=1`.",
}
VIDEO: Final = Operation(
    "getVideo",
    "Give a kept video, or a part of it",
    "media",
    {
        200: Reply("The file.", _FILE, "video/*", _TOLD),
        206: Reply(
            "The part that `Range` names.",
            _FILE,
            "video/*",
            _TOLD | {"Content-Range": "Which bytes, of how many."},
        ),
        304: Reply("The caller has it already.", headers=_TOLD),
    },
    about=(
        "With a key, or by a link: then without one, and from pages of any site. HEAD answers the same without the file. "
        "One range is answered with 206, several with the whole file. A body that breaks off was cut by us or on its "
        "way: go on with `Range` and `If-Range`, as often as it takes.\n\n"
        "404 `no_video` where nothing was to be kept, `not_kept` where that did not work (`result.archive.error`); 409 "
        "`not_kept_yet` with Retry-After, `kept_elsewhere` for what was put to an address of the caller; 410 "
        "`video_deleted` when its retention is over. A link that is not good is 403 `link_invalid`, one that was and has "
        "expired 410 `link_expired`."
    ),
    parameters=[
        _INDEX,
        Parameter(
            "download",
            {"type": "string", "enum": ["1", "0"], "default": "0"},
            "`1`: browsers save it instead of showing it.",
        ),
        Parameter(
            "expires",
            {"type": "string", "pattern": "^[1-9][0-9]{0,10}$"},
            "Of a link: until when it is good, a Unix time.",
        ),
        Parameter("Range", {"type": "string"}, "As `bytes=0-1023`.", "header"),
        Parameter("If-Range", {"type": "string"}, "An ETag or a date: else the whole.", "header"),
        Parameter("If-None-Match", {"type": "string"}, "ETags that the caller has.", "header"),
        Parameter("If-Match", {"type": "string"}, "ETags, of which it has to be one.", "header"),
    ],
    problems=[400, 403, 404, 409, 410, 412, 416],
    linked=True,
)
LINK: Final = Operation(
    "linkVideo",
    "Make a link to a kept video for people without a key",
    "media",
    {201: Reply("The link.", [Link])},
    about=(
        f"It is good for `expiresInSeconds`, {LONGEST_S:,} at most, as long as the file is kept and the key of the "
        "service that signed it is in use. Who knows it can read the file. It cannot be taken back before; nothing is "
        "stored of it."
    ),
    parameters=[_INDEX],
    body=LinkOptions,
    body_required=False,
    examples=examples.LINKS,
    problems=[400, 404, 408, 409, 410, 413, 415, 422],
)
ARCHIVE: Final = Operation(
    "archiveVideo",
    "Fetch a video again that could not be kept",
    "media",
    {
        202: Reply(
            "The task, as it is now; `video.archived` or `video.archive_failed` follows.",
            [TaskView],
        )
    },
    about=(
        "For videos whose `result.archive.state` is `failed`; its time counts anew. 409 where the file is kept, or is being fetched."
    ),
    parameters=[_INDEX],
    problems=[404, 409],
)
