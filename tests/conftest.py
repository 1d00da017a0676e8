"""What every test shares: offscreen Qt, no silent log lines, and where the real market data lie."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# A slow machine is no fault of the code: examples are bounded in number, not in time.
hypothesis.settings.register_profile("twinstar", deadline=None)
hypothesis.settings.load_profile("twinstar")
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SHARED = Path(os.environ.get("TWINSTAR_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def real_wire() -> Path:
    """Recorded exchange messages; absent from the product, so the test is skipped without."""
    if not (SHARED / "wire").is_dir():
        pytest.skip("recorded exchange messages (shared/wire) are not on this machine")
    return SHARED / "wire"


@pytest.fixture(scope="session")
def real_candles() -> Path:
    """Real market data; absent from the product, so the test is skipped without."""
    if not (SHARED / "candles").is_dir():
        pytest.skip("real candles (shared/candles) are not on this machine")
    return SHARED / "candles"


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(autouse=True)
def fail_on_unexpected_log(request: pytest.FixtureRequest) -> Iterator[list[logging.LogRecord]]:
    """A log line at WARNING or above fails the test, unless the test takes this fixture and
    removes from the list what it expected."""
    collector = _Collector()
    root = logging.getLogger()
    root.addHandler(collector)
    yield collector.records
    root.removeHandler(collector)
    unexpected = [f"{r.levelname} {r.name}: {r.getMessage()}" for r in collector.records]
    assert not unexpected, f"unexpected log lines: {unexpected}"
