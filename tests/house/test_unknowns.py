"""What schemas/upstream/UNKNOWNS.md points to is there."""

import re
from pathlib import Path

import pytest

from service.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "schemas" / "upstream" / "UNKNOWNS.md").read_text("utf-8")
ROWS = [line for line in TEXT.splitlines() if re.match(r"\| (?!open|---)", line)]


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_every_row_says_what_is_assumed_and_what_would_change(row: str) -> None:
    cells = [cell.strip() for cell in row.strip("|").split(" | ")]
    assert len(cells) == 3
    assert all(cells)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([a-z_/]+\.py)`", TEXT))))
def test_every_file_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).is_file()


@pytest.mark.parametrize(
    ("name", "path"), sorted(set(re.findall(r"`(\w+)`(?: and `\w+`)? in `([a-z_/]+\.py)`", TEXT)))
)
def test_every_name_stands_in_its_file(name: str, path: str) -> None:
    code = (ROOT / path).read_text("utf-8")
    assert re.search(rf"^\s*(?:async def |def |class )?{name}\b", code, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(set(re.findall(rf"`{PREFIX}([A-Z_]+)`", TEXT))))
def test_every_setting_that_is_named_exists(name: str) -> None:
    assert name.lower() in Settings.model_fields
