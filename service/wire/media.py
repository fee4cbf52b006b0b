"""What is kept of videos, as it is shown."""

from service.core.archive_target import spoken
from service.core.fault import Fault
from service.core.media import Archive, ArchiveState, Media, read_wanted


def archive_view(archive: Archive | None) -> dict[str, object]:
    """Show a kept file and what became of it; nothing where none is wanted."""
    if archive is None:
        return {}
    kept = archive.media if archive.state is ArchiveState.KEPT else None
    error = None if archive.error is None else fault_view(archive.error)
    return {
        "media": None if kept is None else _media(kept, archive.url),
        "archive": {"state": archive.state.value, "error": error},
    }


def wanted_view(text: str | None) -> dict[str, object]:
    """Show what is to be done with videos; of a presigned URL without its query, which is a secret."""
    if text is None:
        return {}
    wanted = read_wanted(text)
    to = wanted.to if isinstance(wanted.to, str) else [spoken(url) for url in wanted.to]
    return {
        "archive": {
            "to": to,
            "beforeCompleted": wanted.before_completed,
            "retentionDays": wanted.keep_days,
        }
    }


def fault_view(fault: Fault) -> dict[str, str]:
    """Show why something did not work."""
    return {"code": fault.code, "message": fault.message, "kind": fault.kind.value}


def _media(media: Media, url: str | None) -> dict[str, object]:
    return {
        "url": url,
        "sha256": media.sha256,
        "bytes": media.bytes,
        "contentType": media.content_type,
        "durationSeconds": media.duration_s,
        "width": media.width,
        "height": media.height,
        "container": media.container,
        "videoCodec": media.video_codec,
        "audioCodec": media.audio_codec,
    }
