"""Sinks whose client libraries are optional: imported late, and missed with a word about how to get them."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from service.ports import Outgoing, Sent, Target
from service.sinks import NEEDS, SINKS, SinkOptions

EVENT = Outgoing(UUID(int=1), "task.completed", UUID(int=2), b"{}", "application/json", 0)


@pytest.mark.parametrize(
    ("kind", "library"), [(kind, module) for kind, (module, _) in NEEDS.items()]
)
async def test_a_kind_whose_library_is_missing_says_how_to_get_it(
    kind: str, library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in list(sys.modules):
        if name.startswith(("service.sinks.", f"{library}.")) or name == library:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    sink = SINKS[kind](SinkOptions(tmp_path))
    for _ in range(2):
        sent = await sink.send(Target(kind), replace(EVENT))
        how = f"pip install callboard[{NEEDS[kind][1]}]".encode()
        assert sent == Sent(ok=False, error="not_installed", response=how)
    await sink.close()


def test_no_optional_library_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys; from service.sinks import SINKS, SinkOptions; from pathlib import Path\n"
        "kinds = [k for k in SINKS if k not in ('webhook', 'file')]\n"
        "made = [SINKS[k](SinkOptions(Path('.'))) for k in kinds]\n"
        f"print([m for m in {sorted({m for m, _ in NEEDS.values()})} if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
