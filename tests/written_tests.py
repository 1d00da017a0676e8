"""Which tests are written where, for the tables that name them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def table(name: str) -> str:
    """A table of `docs/`, as Markdown."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def written_by_file() -> dict[str, set[str]]:
    """Names of test functions by the name of their file; no two files share one."""
    return {
        path.name: set(re.findall(r"def (test_\w+)\(", path.read_text(encoding="utf-8")))
        for path in (ROOT / "tests").rglob("test_*.py")
    }
