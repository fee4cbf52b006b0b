"""The exported JSON Schemas."""

import json
from pathlib import Path

import pytest

from schemas import export


def test_exported_schemas_are_current() -> None:
    assert export.drift(export.FOLDER) == []


def test_check_tells_a_changed_a_missing_and_a_foreign_file(tmp_path: Path) -> None:
    export.write(tmp_path)
    assert export.drift(tmp_path) == []
    task, problem = tmp_path / "api.task.schema.json", tmp_path / "api.problem.schema.json"
    task.write_text(task.read_text().replace("taskUUID", "taskId", 1))
    problem.unlink()
    (tmp_path / "api.old.schema.json").write_text("{}\n")
    text = "\n".join(export.drift(tmp_path))
    assert all(f"api.{name}.schema.json" in text for name in ("task", "problem", "old"))
    export.write(tmp_path)
    assert export.drift(tmp_path) == []


def test_check_exits_with_1_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export, "FOLDER", tmp_path)
    assert export.main(["--check"]) == 1
    assert "run python -m schemas.export" in capsys.readouterr().out
    assert export.main([]) == 0
    assert export.main(["--check"]) == 0


def test_schemas_of_what_is_sent_to_us_do_not_allow_null() -> None:
    for name in ("submission", "subscription-create", "retry-options", "estimate-request"):
        schema = json.loads((export.FOLDER / f"api.{name}.schema.json").read_text())
        assert "null" not in json.dumps(schema["properties"])
        assert schema["additionalProperties"] is False
