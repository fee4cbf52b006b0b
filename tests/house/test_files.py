"""Rules about the house itself that no linter knows."""

import re
from pathlib import Path

import pytest

from service.settings import PREFIX, Settings
from service.store.queries import load_all

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    p for folder in ("service", "schemas", "tests") for p in (ROOT / folder).rglob("*.py")
)
TOP = {
    *("pyproject.toml", "service", "schemas", "tests", "deploy", "README.md"),
    *("Makefile", "LICENSE", "CHANGELOG.md"),
}


def test_every_file_has_at_most_300_lines() -> None:
    long = {str(p.relative_to(ROOT)): n for p in SOURCES if (n := _lines(p)) > 300}
    assert not long


def _lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def test_the_top_level_holds_what_was_agreed() -> None:
    ours = {p.name for p in ROOT.iterdir() if not p.name.startswith(".")}
    assert ours - TOP <= {"build", "dist", "callboard.egg-info"}


def test_every_named_query_is_used_and_every_used_name_exists() -> None:
    named = {name for blocks in load_all().values() for name in blocks}
    code = "\n".join(p.read_text("utf-8") for p in (ROOT / "service" / "store").glob("*.py"))
    used = set(re.findall(r'SQL\["([a-z_]+)"\]', code)) | set(
        re.findall(r'"(lock_tasks(?:_skip)?)"', code)
    )
    assert named == used


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_stands_in_the_readme(name: str) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert re.search(rf"\b(?:{PREFIX})?{name.upper()}\b", readme), f"{name} is not explained"


def test_locks_hold_hashes_and_no_address() -> None:
    for lock in (ROOT / "deploy").glob("requirements*.lock"):
        text = lock.read_text("utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text
