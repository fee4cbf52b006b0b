"""Creating at the simulated Sync by a form, in all the ways that the official clients write one."""

import io
import json
from typing import Any

import aiohttp
import pytest

VIDEO = {"type": "video", "url": "https://cdn.example/v.mp4"}
AUDIO = {"type": "audio", "url": "https://cdn.example/a.wav"}


def a_form(*fields: tuple[str, str], **files: bytes) -> aiohttp.FormData:
    form = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
    for name, value in fields:
        form.add_field(name, value)
    for name, content in files.items():
        form.add_field(name, io.BytesIO(content), filename="file.bin", content_type="video/mp4")
    return form


@pytest.mark.parametrize(
    "parts",
    [
        [json.dumps([VIDEO, AUDIO])],
        [json.dumps(VIDEO), json.dumps(AUDIO)],
        [json.dumps([VIDEO]), json.dumps(AUDIO)],
    ],
)
async def test_inputs_in_one_part_or_in_several(upstream: Any, parts: list[str]) -> None:
    options = ("options", '{"sync_mode":"loop"}')
    form = a_form(("model", "sync-3"), options, *(("input", text) for text in parts))
    status, made = await upstream.sync("POST", "/v2/generate", data=form)
    assert (status, made["input"], made["options"]) == (201, [VIDEO, AUDIO], {"sync_mode": "loop"})


async def test_files_become_inputs_that_can_be_fetched(upstream: Any) -> None:
    form = a_form(("model", "sync-3"), ("input", json.dumps(AUDIO)), video=b"the video")
    status, made = await upstream.sync("POST", "/v2/generate", data=form)
    assert (status, [item["type"] for item in made["input"]]) == (201, ["audio", "video"])
    async with upstream.session.get(made["input"][1]["url"]) as answer:
        assert (await answer.read(), answer.content_type) == (b"the video", "video/mp4")


async def test_a_repeated_form_is_the_same_generation(upstream: Any) -> None:
    answers = []
    for content in (b"one", b"one", b"two"):
        form = a_form(("model", "sync-3"), ("input", json.dumps(AUDIO)), video=content)
        headers = {"x-api-key": "k", "Idempotency-Key": "key-1"}
        async with upstream.session.post(
            f"{upstream.base}/v2/generate", data=form, headers=headers
        ) as answer:
            answers.append((answer.status, (await answer.json()).get("id")))
    assert answers[0] == answers[1]
    assert answers[2][0] == 409
    assert len(upstream.simulator.billed) == 1


@pytest.mark.parametrize(
    "fields",
    [
        [("model", "sync-3"), ("input", "{")],
        [("model", "sync-3"), ("input", json.dumps([VIDEO, AUDIO])), ("options", "[")],
        [("input", json.dumps([VIDEO, AUDIO]))],
        [("model", "sync-3")],
    ],
)
async def test_bad_forms_are_refused(upstream: Any, fields: list[tuple[str, str]]) -> None:
    status, body = await upstream.sync("POST", "/v2/generate", data=a_form(*fields))
    assert (status, isinstance(body["message"], list)) == (400, True)


@pytest.mark.parametrize("path", ["/v2/generate", "/v2/batch"])
async def test_too_large_forms_are_refused(upstream: Any, path: str) -> None:
    form = a_form(("model", "sync-3"), video=b"x" * (20 * 2**20), input=b"")
    status, body = await upstream.sync("POST", path, data=form)
    assert (status, body["errorCode"]) == (413, "file_size_exceeds_plan_limit")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"input": [VIDEO, VIDEO, AUDIO]}, "generation_input_too_many_visual"),
        (
            {"dubParams": {"providerName": "elevenlabs", "targetLang": "de"}},
            "generation_input_dub_audio_conflict",
        ),
        ({"segments": []}, "generation_input_segments_invalid"),
        ({"model": ""}, None),
    ],
)
async def test_faults_that_have_a_code_are_told_with_it(
    upstream: Any, more: dict[str, Any], code: str | None
) -> None:
    status, body = await upstream.generate({"model": "sync-3", "input": [VIDEO, AUDIO], **more})
    assert (status, body.get("errorCode")) == (400, code)
