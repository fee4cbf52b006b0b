"""The lenient shapes of answers and callbacks read every recorded form."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from schemas.upstream import runware, sync_so

SAMPLES = Path(__file__).parent.parent / "samples"


@pytest.mark.parametrize(
    "path",
    sorted({*SAMPLES.glob("*/*.json")} - {*SAMPLES.glob("requests/*")}),
    ids=lambda p: f"{p.parent.name}/{p.stem}",
)
def test_every_sample_is_read_by_the_lenient_shapes(path: Path) -> None:
    sample = json.loads(path.read_text())
    body = sample.get("body")
    if path.stem.endswith(("not_json", "html")) or "unreadable" in path.stem:
        return
    if "raw" in sample:
        body = json.loads(sample["raw"])
    shape: type[BaseModel] = runware.RunwareEnvelope
    if path.parent.name == "sync_so":
        good = sample.get("status", 200) < 300
        shape = sync_so.SyncGeneration if good else sync_so.SyncError
    for entry in body if isinstance(body, list) else [body]:
        shape.model_validate(entry)


def test_a_field_of_an_unknown_type_costs_no_result() -> None:
    item = runware.RunwareItem.model_validate(
        {"videoUUID": "v", "videoURL": "https://x/y", "seed": "many", "cost": {"usd": 1}, "new": 1}
    )
    assert (item.videoUUID, item.seed, item.cost) == ("v", None, None)
