"""Tables sort by value and repaint little; panels show what the snapshot says, to the digit."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication

from core.snapshots import CapitalSnapshot, FillRecord, RiskLimit
from ui.bridge import Bridge
from ui.models.blotter import positions
from ui.models.log import LogReader
from ui.models.table import Cell, Column, TableModel
from ui.models.watchlist import watchlist
from ui.widgets.capital_bar import CapitalBar, parts_of
from ui.widgets.position_panel import PositionPanel
from ui.widgets.risk_panel import limit_texts

D = Decimal


class _Row(NamedTuple):
    name: str
    value: Decimal | None


def _table() -> TableModel[_Row]:
    return TableModel(
        [
            Column("Name", lambda r: Cell(r.name), 80, lambda r: r.name),
            Column("Value", lambda r: Cell(str(r.value)), 80, lambda r: r.value, flash=True),
        ],
        key=lambda r: r.name,
    )


def _names(model: TableModel[_Row]) -> list[str]:
    return [model.row_at(i).name for i in range(model.rowCount())]


def test_numbers_sort_as_numbers_and_unknown_comes_last(qapp: QApplication) -> None:
    model = _table()
    model.set_rows([_Row("a", D(9)), _Row("b", None), _Row("c", D(100)), _Row("d", D(-1))])
    model.sort(1, Qt.SortOrder.DescendingOrder)
    assert _names(model) == ["c", "a", "d", "b"]
    model.sort(1, Qt.SortOrder.AscendingOrder)
    assert _names(model) == ["d", "a", "c", "b"]


def test_only_rows_that_differ_are_repainted(qapp: QApplication) -> None:
    model = _table()
    model.set_rows([_Row("a", D(1)), _Row("b", D(2)), _Row("c", D(3))])
    repainted: list[int] = []
    model.dataChanged.connect(lambda first, _last: repainted.append(first.row()))
    model.set_rows([_Row("a", D(1)), _Row("b", D(5)), _Row("c", D(3))])
    assert repainted == [1]
    assert model.flash_direction(1, 1) == 1


def test_selection_follows_its_row_when_rows_move(qapp: QApplication) -> None:
    model = _table()
    model.set_rows([_Row("a", D(1)), _Row("b", D(2))])
    from PyQt6.QtCore import QPersistentModelIndex

    kept = QPersistentModelIndex(model.index(0, 0))
    model.sort(1, Qt.SortOrder.DescendingOrder)
    assert kept.row() == 1


def test_a_position_row_reads_as_the_exchange_says(still_bridge: Bridge) -> None:
    model = positions(still_bridge)
    assert still_bridge.snapshot is not None
    model.set_rows(still_bridge.snapshot.positions)
    texts = [model.data(model.index(0, i)) for i in range(model.columnCount())]
    assert texts == [
        "BTCUSDT", "Long", "0.067", "65,869.1", "67,074.5", "4,493.99", "65,495.8", "67,362.1",
        "+80.76", "+1.83 %", "UnifiedBot · 15m", "Bot", "Close…",
    ]  # fmt: skip


def test_an_unprotected_position_says_none_not_a_price(still_bridge: Bridge) -> None:
    assert still_bridge.snapshot is not None
    row = still_bridge.snapshot.positions[1]
    bare = msgspec.structs.replace(row.position, stop_loss=None)
    cell = positions(still_bridge).columns[6].cell(msgspec.structs.replace(row, position=bare))
    assert (cell.text, cell.tone) == ("none", "warn")


def test_only_the_stale_symbol_greys_in_the_watchlist(still_bridge: Bridge) -> None:
    """ux 14, 16"""
    model = watchlist(still_bridge)
    assert still_bridge.snapshot is not None
    stale = [row.ticker.symbol for row in still_bridge.snapshot.tickers if model.is_stale(row)]
    assert stale == ["ATOMUSDT"]


def test_the_log_tells_fills_and_notices_newest_first(
    still_bridge: Bridge, fill_record: FillRecord
) -> None:
    lines = LogReader(still_bridge).lines()
    assert [line.title for line in lines] == [
        "Candle closed", "Filled", "Denied", "Filled", "Filled",
    ]  # fmt: skip
    assert lines[3].text == "Buy 0.067 BTCUSDT at 65,869.1 · fee 2.43"


def test_the_capital_bar_adds_up_or_says_by_how_much_not(still_bridge: Bridge) -> None:
    bar = CapitalBar(still_bridge)
    assert bar._sum.text() == "Adds up to 25,067.20 USDT"
    capital = still_bridge.capital.latest
    assert capital is not None
    bar.show_capital(msgspec.structs.replace(capital, locked=capital.locked - D("0.01")))
    assert bar._sum.text() == "Off by 0.01 USDT"


_money = st.decimals(min_value=0, max_value=10**9, places=2)


@given(locked=_money, reserved=_money, available=_money, kept=_money)
def test_the_four_parts_are_the_total(
    locked: Decimal, reserved: Decimal, available: Decimal, kept: Decimal
) -> None:
    capital = CapitalSnapshot(
        currency="USDT", initial=D(0), total=locked + reserved + available + kept,
        free=available + kept, reserved=reserved, locked=locked, available=available,
        cap_ratio=D("0.8"), allocation_ratio=D(0), realized_pnl=D(0), unrealized_pnl=D(0),
        equity=D(0), daily_pnl=D(0), daily_realized_pnl=D(0), peak=D(0), drawdown=D(0),
        max_drawdown=D(0), slices=[], ledger=[], equity_curve=[], daily_results=[],
    )  # fmt: skip
    assert sum(parts_of(capital)) == capital.total


def test_the_position_panel_places_entry_and_mark_for_both_sides(still_bridge: Bridge) -> None:
    panel = PositionPanel(still_bridge, "BTCUSDT")
    panel.show_position(still_bridge.position("main", "BTCUSDT"), 1_763_649_127_000)
    assert panel._pnl.text() == "+80.76"
    assert panel._held.text() == "10 h 02 min"
    assert 0.19 < panel._track._entry < 0.21
    short = PositionPanel(still_bridge, "SOLUSDT")
    short.show_position(still_bridge.position("main", "SOLUSDT"), 1_763_649_127_000)
    assert short._guard.text() == "No stop"


def test_a_limit_writes_used_and_limit() -> None:
    assert limit_texts(RiskLimit("drawdown", 1.42, 15.0, "%", "")) == ("1.42", "/ 15 %")
    assert limit_texts(RiskLimit("orders_per_minute", 1.0, 10.0, "orders", "")) == ("1", "/ 10")
