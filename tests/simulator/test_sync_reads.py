"""What else the simulated Sync tells of its generations, and of itself."""

from typing import Any
from uuid import uuid4

import pytest

from service.simulator.sync_errors import CATALOGUE

VIDEO, AUDIO = "https://cdn.example/v.mp4", "https://cdn.example/a.wav"


def a_body(simulate: str = "ok", **more: Any) -> dict[str, Any]:
    video = {"type": "video", "url": f"{VIDEO}?simulate={simulate}"}
    return {"model": "sync-3", "input": [video, {"type": "audio", "url": AUDIO}], **more}


async def test_progress_is_told_when_it_is_asked_for(start: Any) -> None:
    upstream = await start(generation_seconds=60)
    _, made = await upstream.generate(a_body())
    path = f"/v2/generate/{made['id']}"
    _, shown = await upstream.read(path, {"include": "progress"})
    assert 0 <= shown.pop("progress_percent") <= 1
    assert shown == (await upstream.read(path))[1]
    both = {"include": "progress", "wait": "true"}
    assert (await upstream.read(path, both))[0] == 400


async def test_counted_by_the_filters_of_the_list(upstream: Any) -> None:
    project = str(uuid4())
    await upstream.generate(a_body("early"))
    await upstream.generate(a_body("early,fail", projectId=project))
    await upstream.generate(a_body("delay:60"), x_sync_source="studio")

    async def count(**query: str) -> int:
        status, body = await upstream.read("/v2/generations/count", query)
        assert status == 200
        number: int = body["count"]
        return number

    assert await count() == await count(type="api", currentUserOnly="true") == 3
    assert await count(type="playground") == 0
    assert await count(status="COMPLETED,FAILED") == 2
    assert await count(projectId=project) == await count(source="studio") == 1
    assert await count(generationSource="api") == 2


async def test_download_is_the_bare_address(upstream: Any) -> None:
    _, made = await upstream.generate(a_body("early"))
    status, text = await upstream.read(f"/v2/generations/{made['id']}/download")
    assert (status, text) == (200, f"{upstream.base}/media/{made['id']}.mp4")
    _, running = await upstream.generate(a_body("delay:60"))
    assert (await upstream.read(f"/v2/generations/{running['id']}/download"))[0] == 404


async def test_only_what_has_ended_is_deleted(upstream: Any) -> None:
    _, running = await upstream.generate(a_body("delay:60"))
    status, body = await upstream.sync("DELETE", f"/v2/generations/{running['id']}")
    assert (status, body["errorCode"]) == (409, "generation_not_deletable_while_processing")
    _, made = await upstream.generate(a_body("early"))
    path = f"/v2/generations/{made['id']}"
    status, shown = await upstream.sync("DELETE", path)
    assert (status, shown["status"]) == (200, "COMPLETED")
    assert (await upstream.sync("DELETE", path))[0] == 404
    assert (await upstream.read(f"/v2/generate/{made['id']}"))[0] == 404


async def test_catalogue_needs_no_key(upstream: Any) -> None:
    upstream.sync_key = None
    status, rows = await upstream.read("/v2/errors")
    assert (status, len(rows)) == (200, 62)
    assert rows == list(CATALOGUE)
    assert len({row["code"] for row in rows}) == 62


async def test_models_are_those_of_today(upstream: Any) -> None:
    _, models = await upstream.read("/v2/models")
    assert [model["name"] for model in models] == [
        "sync-3",
        "lipsync-2-pro",
        "lipsync-2",
        "lipsync-1.9.0-beta",
        "react-1",
    ]
    assert {model["type"] for model in models} == {"lipsync", "react"}


async def test_secret_is_told_to_who_has_a_key(start: Any, upstream: Any) -> None:
    path = "/v2/organizations/webhook/secret"
    signing = await start(sync_webhook_secret="whsec_x")
    assert await signing.read(path) == (200, {"secret": "whsec_x"})
    assert (await upstream.read(path))[0] == 404
    signing.sync_key = None
    assert (await signing.read(path))[0] == 401


async def test_a_bad_key_has_a_body_of_its_own(upstream: Any) -> None:
    upstream.sync_key = "bad-key"
    expected = {"message": "Unauthorized", "statusCode": 401}
    assert await upstream.generate(a_body()) == (401, expected)
    assert await upstream.read("/v2/models") == (401, expected)


async def test_what_is_not_there_is_answered_as_by_its_framework(upstream: Any) -> None:
    expected = {"message": "Cannot PUT /v2/generate", "error": "Not Found", "statusCode": 404}
    assert await upstream.sync("PUT", "/v2/generate") == (404, expected)
    assert (await upstream.read("/v2/nothing/here"))[0] == 404


@pytest.mark.parametrize(
    ("mode", "seconds"),
    [
        ("cut_off", 4),
        ("loop", 9),
        ("bounce", 9),
        ("remap", 9),
        ("silence", 9),
        (None, 9),
    ],
)
async def test_length_of_the_output_follows_the_sync_mode(
    upstream: Any, mode: str | None, seconds: float
) -> None:
    items = [
        {"type": "video", "url": f"{VIDEO}?seconds=4&simulate=early"},
        {"type": "audio", "url": f"{AUDIO}?seconds=9"},
    ]
    options = {"sync_mode": mode} if mode else {}
    _, made = await upstream.generate(a_body(input=items, options=options))
    _, done = await upstream.read(f"/v2/generate/{made['id']}")
    assert done["outputDuration"] == seconds
    async with upstream.session.get(done["outputUrl"]) as answer:
        assert (answer.status, answer.content_type) == (200, "video/mp4")


async def test_a_voice_from_text_can_be_fetched(upstream: Any) -> None:
    voice = {"name": "elevenlabs", "voiceId": "v", "script": "x" * 45}
    items = [
        {"type": "image", "url": f"{VIDEO}?simulate=early"},
        {"type": "text", "provider": voice},
    ]
    _, made = await upstream.generate(a_body(input=items))
    _, done = await upstream.read(f"/v2/generate/{made['id']}")
    assert done["outputDuration"] == 3
    async with upstream.session.get(done["synthesizedAudioUrl"]) as answer:
        assert (await answer.read())[:4] == b"RIFF"
        assert answer.content_type == "audio/wav"


async def test_formats_names_and_segments_of_outputs(upstream: Any) -> None:
    items = [
        {"type": "video", "url": f"{VIDEO}?simulate=early"},
        {"type": "audio", "url": AUDIO, "refId": "a"},
    ]
    more: dict[str, Any] = {
        "options": {"output_format": "mov"},
        "segments": [{"startTime": 0, "endTime": 2, "audioInput": {"refId": "a"}}],
        "outputFileName": "my job/17",
    }
    _, made = await upstream.generate(a_body(input=items, **more))
    _, done = await upstream.read(f"/v2/generate/{made['id']}")
    assert done["outputFileName"] == "my_job_17"
    assert done["segmentOutputUrl"] == done["outputUrl"]
    assert done["outputUrl"].endswith(".mov")


async def test_the_video_may_expire(upstream: Any) -> None:
    _, made = await upstream.generate(a_body("early,expire:0"))
    _, done = await upstream.read(f"/v2/generate/{made['id']}")
    async with upstream.session.get(done["outputUrl"]) as answer:
        assert answer.status == 404
