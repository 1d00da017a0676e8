"""Statistics of an account at work stand while its file cannot be read."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import ManualClock
from core.reports.live_statistics import LiveStatistics
from core.storage.database import open_database
from core.trade_log import TradeLog


def test_a_ledger_that_cannot_be_read_leaves_the_former_figures(
    tmp_path: Path, fail_on_unexpected_log: list[object]
) -> None:
    database = open_database(tmp_path / "capital.sqlite")
    capital = SharedCapitalManager("bybit", Decimal(1000), database=database, clock=ManualClock())
    capital.allocate_for_position("BTCUSDT", Decimal(100))
    capital.release_position("BTCUSDT", Decimal(50))
    found = LiveStatistics(TradeLog(), capital)
    former = found.latest
    assert former.days.total_return == pytest.approx(0.05)
    assert former.calendar == [("2023-11-14", 50.0)]
    database.close()
    found.refresh()
    assert found.latest == former
    assert LiveStatistics(TradeLog(), capital).latest.calendar == []
    assert len(fail_on_unexpected_log) == 1  # the ledger's own word
    fail_on_unexpected_log.clear()
