"""Files are looked into by a child process: what it finds, and that nothing a file does reaches us."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymediainfo import MediaInfo

from service.core.fault import FaultKind
from service.core.media import ENDINGS, Media
from service.media import probe as probing
from service.media.kinds import CONTAINERS, PICTURES, Found, content_type, resemblance
from service.media.probe import Probe
from service.ports import FetchError
from service.simulator.media import free, make_video
from service.simulator.voice import make_voice
from service.simulator.webm import make_webm, void

VIDEO = make_video("probe")
GIF = (
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0"
    b"\x02\x02D\x01\0;"
)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\0\0\0\0IEND\xaeB`\x82"
Look = Callable[..., Media]


async def look(content: bytes, probe: Probe | None = None, **more: object) -> Media:
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        given = {"sha256": "0" * 64, "size": len(content), **more}
        return await (probe or Probe()).look(Path(file.name), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "kind", "container", "codec"),
    [
        (VIDEO, "video/mp4", "MPEG-4", "AVC"),
        (make_video("probe", brand="mov"), "video/quicktime", "MPEG-4", "AVC"),
        (make_webm("probe", seconds=5), "video/webm", "WebM", "VP8"),
        (make_webm("probe", seconds=5) + void(100) + bytes(91), "video/webm", "WebM", "VP8"),
        (VIDEO + free(2**20) + bytes(2**20 - 16), "video/mp4", "MPEG-4", "AVC"),
        (GIF, "image/gif", "GIF", "GIF"),
    ],
    ids=["mp4", "mov", "webm", "padded webm", "padded mp4", "gif"],
)
async def test_a_video_is_known_by_what_is_in_it(
    content: bytes, kind: str, container: str, codec: str
) -> None:
    media = await look(content, claimed="text/html")
    assert (media.content_type, media.container, media.video_codec) == (kind, container, codec)
    assert (media.bytes, media.sha256) == (len(content), "0" * 64)
    if kind != "image/gif":
        assert (media.width, media.height, media.duration_s) == (32, 32, 5.0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xef\xbb\xbf \n<!DOCTYPE html><p>Sign in", "an HTML page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document"),
        (b'{"error": "expired"}', "JSON"),
        ("schlüssel fehlt".encode(), "text"),
        (make_voice(1), "Wave without a picture, sound alone"),
        (PNG, "a PNG image"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\nhttp://127.0.0.1/x.ts\n", "an HLS playlist"),
        (bytes(1000), "unknown bytes"),
        (b"FLV\x01\x05\0\0\0\x09\0\0\0\0", "Flash Video without a picture"),
        (VIDEO[:40], "MPEG-4 without a picture"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_no_video_is_said_to_be_what_it_looks_like(content: bytes, says: str) -> None:
    with pytest.raises(FetchError, match=says) as caught:
        await look(content, claimed="video/mp4; a=\r\nb")
    assert caught.value.fault.code == "not_a_video"
    assert caught.value.fault.kind is FaultKind.PERMANENT
    assert "(it was sent as video/mp4; a=??b)" in str(caught.value)


async def test_a_cut_video_may_be_whole_later_where_its_length_was_not_known() -> None:
    cut = VIDEO[:-500]
    with pytest.raises(FetchError) as caught:
        await look(cut, length_known=False)
    assert caught.value.fault.code == "truncated"
    assert caught.value.fault.kind is FaultKind.TRANSIENT
    # All that its sender has came: it is kept as it is.
    assert (await look(cut, length_known=True)).bytes == len(cut)


async def test_an_empty_file_may_be_filled_later() -> None:
    with pytest.raises(FetchError) as caught:
        await look(b"")
    assert (caught.value.fault.code, caught.value.fault.kind) == ("empty", FaultKind.TRANSIENT)


@settings(max_examples=30, deadline=None)
@given(
    st.one_of(
        st.binary(min_size=1, max_size=4000),
        st.tuples(
            st.sampled_from([VIDEO, make_webm("probe", seconds=5), GIF, make_voice(1)]),
            st.randoms(),
        ).map(lambda given: _spoilt(*given)),
    )
)
def test_a_hostile_file_is_a_video_or_refused_and_nothing_else(content: bytes) -> None:
    try:
        media = asyncio.run(look(content, length_known=False))
    except FetchError as error:
        assert error.fault.code in {"not_a_video", "unreadable", "truncated"}  # noqa: PT017
    else:
        assert media.content_type in ENDINGS
        assert media.width is None or media.width > 0


def _spoilt(content: bytes, dice: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(dice.randint(1, 30)):
        made[dice.randrange(len(made))] = dice.randrange(256)
    return bytes(made)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", FaultKind.PERMANENT),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", FaultKind.TRANSIENT),
        ("raise MemoryError", FaultKind.PERMANENT),
        ("print('{')", FaultKind.PERMANENT),
        ("import time; time.sleep(60)", FaultKind.TRANSIENT),
        ("print('x' * 10**7, flush=True); import time; time.sleep(60)", FaultKind.TRANSIENT),
    ],
    ids=["crash", "killed", "memory", "nonsense", "hangs", "floods"],
)
async def test_a_child_that_crashes_or_hangs_leaves_the_service_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, kind: FaultKind
) -> None:
    child = tmp_path / "child.py"
    child.write_text(
        f"import os\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n{script}\n"
    )
    monkeypatch.setattr(probing, "CHILD", child)
    with pytest.raises(FetchError) as caught:
        await look(VIDEO, Probe(timeout_s=2 if "sleep" in script else 30))
    assert (caught.value.fault.code, caught.value.fault.kind) == ("unreadable", kind)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_look_that_is_given_up_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, pid = tmp_path / "child.py", tmp_path / "pid"
    os.mkfifo(pid)
    child.write_text(
        f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    )
    monkeypatch.setattr(probing, "CHILD", child)
    looking = asyncio.ensure_future(look(VIDEO))
    number = int(await asyncio.to_thread(pid.read_text))
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_whoever_reads_a_file_can_open_nothing_any_more(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(VIDEO)
    script = f"""
import socket, sys
sys.path.insert(0, {str(probing.CHILD.parent)!r})
from peek import Sealed
sealed = Sealed({str(file)!r}, 1024, 5)
open("/etc/hosts").close()
sealed.seek(0)
assert sealed.read(100)
for do in (lambda: open("/etc/hosts"), socket.socket, lambda: bytearray(2**31)):
    try:
        do()
    except (OSError, MemoryError) as error:
        print(type(error).__name__)
assert sealed.read(100)
"""
    done = subprocess.run((sys.executable, "-c", script), capture_output=True, check=True)
    assert done.stdout.split() == [b"OSError", b"OSError", b"MemoryError"]


async def test_the_child_is_told_none_of_our_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, said = tmp_path / "child.py", tmp_path / "said"
    child.write_text(f"import os\nopen({str(said)!r}, 'w').write(repr(dict(os.environ)))\n")
    monkeypatch.setattr(probing, "CHILD", child)
    monkeypatch.setenv("CALLBOARD_RUNWARE_API_KEY", "5ecret")
    with pytest.raises(FetchError):
        await look(VIDEO)
    assert "5ecret" not in said.read_text()
    assert "PYTHONPATH" in said.read_text()


async def test_a_file_that_is_gone_is_the_disks_fault(tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        await Probe().look(tmp_path / "gone", sha256="", size=1)
    assert caught.value.fault.code == "disk_error"
    assert caught.value.fault.kind is FaultKind.TRANSIENT


def test_without_its_library_it_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MediaInfo, "can_parse", lambda: False)
    with pytest.raises(RuntimeError, match="install pymediainfo from a wheel"):
        Probe()


def test_every_kind_has_an_ending_and_every_ending_a_kind() -> None:
    kinds = {*CONTAINERS.values(), *PICTURES.values()}
    assert kinds == set(ENDINGS)


FIELDS = st.none() | st.dictionaries(
    st.sampled_from(["Format", "Width", "Duration", "CodecID"]),
    st.sampled_from([*CONTAINERS, *PICTURES, "qt  ", "", "AVC", "Windows Media", "nan", "-1"]),
)


@given(st.binary(max_size=64), FIELDS, FIELDS, FIELDS)
def test_whatever_was_found_has_a_kind_that_is_kept_or_resembles_something(
    head: bytes,
    general: dict[str, str] | None,
    video: dict[str, str] | None,
    image: dict[str, str] | None,
) -> None:
    found = Found(head, general or {}, video, image)
    kind = content_type(found)
    assert kind is None or kind in ENDINGS
    assert resemblance(found)
