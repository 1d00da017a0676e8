"""What the end-to-end tests share. Its modules beside this file are imported by their names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from program import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty data directory; everything that runs on it is killed at the end."""
    home = Home(tmp_path)
    yield home
    home.end_everything()


@pytest.fixture(scope="module")
def module_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The same for tests of one file that look at one run."""
    home = Home(tmp_path_factory.mktemp("home"))
    yield home
    home.end_everything()
