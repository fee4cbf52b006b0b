"""What is handed to consumers: `schemas/` as a distribution of its own, and the examples."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import schemas

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "schemas"
EXAMPLES = ROOT / "deploy" / "examples"
FOLDERS = sorted(path.name for path in EXAMPLES.iterdir() if (path / "README.md").is_file())


@pytest.mark.parametrize("project", [ROOT, SCHEMAS], ids=["callboard", "callboard-schemas"])
def test_both_distributions_have_the_version_that_stands_in_one_place(project: Path) -> None:
    asked = [sys.executable, "-m", "hatchling", "metadata", "version"]
    done = subprocess.run(asked, cwd=project, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == schemas.__version__


def test_both_distributions_have_the_same_license() -> None:
    assert (SCHEMAS / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_modules_of_schemas_name_each_other_relatively() -> None:
    """Elsewhere the package is `callboard_schemas`: `from schemas.base import …` would not be found there."""
    absolute = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in SCHEMAS.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if re.match(r"\s*(?:from|import) schemas\b", line)
    ]
    assert not absolute


def test_every_example_says_how_it_is_deployed_and_stands_in_the_index() -> None:
    index = (EXAMPLES / "README.md").read_text("utf-8")
    assert len(FOLDERS) == 4
    assert [name for name in FOLDERS if f"]({name}/)" not in index] == []


@pytest.mark.parametrize("name", FOLDERS)
def test_every_variable_that_an_example_reads_is_explained(name: str) -> None:
    folder = EXAMPLES / name
    code = "".join(p.read_text("utf-8") for p in folder.iterdir() if p.suffix in {".py", ".js"})
    read = set(re.findall(r'environ(?:\[|\.get\()"(\w+)"|\benv\.([A-Z_]+)', code))
    names = {one or other for one, other in read} - {"EVENTS"}
    explained = (folder / "README.md").read_text("utf-8")
    assert names
    assert [n for n in names if n not in explained] == []


def test_no_example_is_longer_than_any_other_file() -> None:
    texts = [p for p in EXAMPLES.rglob("*") if p.suffix in {".py", ".js", ".md", ".toml"}]
    assert [p for p in texts if len(p.read_text("utf-8").splitlines()) > 300] == []
