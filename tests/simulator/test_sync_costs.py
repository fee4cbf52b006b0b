"""The simulated Sync's prices: so much for each frame of the output."""

from typing import Any

import pytest

VIDEO, AUDIO = "https://cdn.example/v.mp4", "https://cdn.example/a.wav"


def a_body(model: str = "sync-3", **more: Any) -> dict[str, Any]:
    items = [
        {"type": "video", "url": f"{VIDEO}?seconds=10"},
        {"type": "audio", "url": f"{AUDIO}?seconds=10"},
    ]
    return {"model": model, "input": items, **more}


async def test_a_create_is_analysed_as_the_documents_show(upstream: Any) -> None:
    status, body = await upstream.sync("POST", "/v2/analyze/cost", json=a_body())
    assert status == 201
    assert body == [{"estimatedFrameCount": 250, "estimatedGenerationCost": 1.335}]
    _, body = await upstream.sync("POST", "/v2/analyze/cost", json=a_body(options={"fps": 50}))
    assert body[0]["estimatedFrameCount"] == 500
    assert upstream.simulator.billed == []


@pytest.mark.parametrize("path", ["/v2/generations/estimate", "/v2/generate/estimate-cost"])
@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("sync-3", 0.801),
        ("lipsync-2-pro", 0.4995),
        ("lipsync-2", 0.3),
        ("lipsync-1.9.0-beta", 0.15),
        ("react-1", 1.0005),
    ],
)
async def test_seconds_are_estimated_at_thirty_frames(
    upstream: Any, path: str, model: str, dollars: float
) -> None:
    status, body = await upstream.sync("POST", path, json={"model": model, "duration": 5})
    assert status == 201
    assert body == {
        "estimatedFrameCount": 150,
        "estimatedGenerationCost": dollars,
        "estimatedCredits": None,
    }


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"duration": 0}, 400),
        ({"duration": "5"}, 400),
        ({"fps": 0}, 400),
        ({"reasoningEnabled": "yes"}, 400),
        ({"model": None}, 400),
        ({"model": "sync-9"}, 422),
        ({"fps": 24.5, "reasoningEnabled": True}, 201),
    ],
)
async def test_bad_estimates_are_refused(upstream: Any, more: dict[str, Any], status: int) -> None:
    body = {"model": "sync-3", "duration": 5, **more}
    got, answer = await upstream.sync("POST", "/v2/generations/estimate", json=body)
    assert got == status
    assert status != 422 or answer["errorCode"] == "cost_estimate_unavailable"


async def test_bad_creates_are_not_analysed(upstream: Any) -> None:
    assert (await upstream.sync("POST", "/v2/analyze/cost", json={"model": "sync-3"}))[0] == 400
