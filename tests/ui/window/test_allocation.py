"""Capital by symbol and by bot: parts of a whole that always add up, opened by a click."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtTest import QTest
from pytestqt.qtbot import QtBot
from sample_engine import rich_snapshot

from core.snapshots import CapitalSlice, CapitalSnapshot
from ui.bridge import Bridge
from ui.models import allocation as model
from ui.widgets.allocation import AllocationPanel, segments_of

D = Decimal
FREE = Decimal("7000.33")
_slices = st.lists(
    st.builds(
        CapitalSlice,
        symbol=st.sampled_from(("BTCUSDT", "ETHUSDT", "SOLUSDT")),
        bot_id=st.sampled_from(("b1", "b2", "manual")),
        amount=st.decimals(0, 10_000, places=8),
        state=st.sampled_from(("locked", "reserved")),
        share=st.just(D(0)),
        unrealized_pnl=st.none() | st.decimals(-100, 100, places=4),
    ),
    max_size=12,
)


def holding(slices: list[CapitalSlice], free: Decimal = FREE) -> CapitalSnapshot:
    """A ledger that holds exactly these, with `free` beside them."""
    of = {
        state: sum((s.amount for s in slices if s.state == state), D(0))
        for state in ("locked", "reserved")
    }
    total = of["locked"] + of["reserved"] + free
    available = max(D(0), D("0.8") * total - of["locked"] - of["reserved"])
    capital = rich_snapshot().capital
    assert capital is not None
    return msgspec.structs.replace(
        capital, slices=slices, total=total, free=free, available=available, **of
    )


@given(_slices)
def test_total_is_free_and_reserved_and_locked_however_it_is_taken_apart(
    slices: list[CapitalSlice],
) -> None:
    """ux 64"""
    capital = holding(slices)
    for view in model.VIEWS:
        parts = model.parts(capital, view)
        names = {part.key: part.key for part in parts}
        bar = segments_of(capital, parts, names, is_whole=True)
        assert sum((one.amount for one in bar), D(0)) == capital.total
        assert sum((p.amount for p in parts), D(0)) == capital.locked + capital.reserved
        for part in parts:
            inside = model.parts(capital, view, part.key)
            assert sum((p.amount for p in inside), D(0)) == part.amount
            known = [p.pnl for p in inside if p.pnl is not None]
            assert part.pnl == (sum(known, D(0)) if known else None)


@pytest.fixture
def panel(still_bridge: Bridge, qtbot: QtBot) -> AllocationPanel:
    made = AllocationPanel(still_bridge)
    qtbot.addWidget(made)
    made.resize(620, 326)
    capital = holding([
        CapitalSlice("BTCUSDT", "b1", D(4000), "locked", D(0), D("80.76")),
        CapitalSlice("SOLUSDT", "b1", D(1000), "reserved", D(0), None),
        CapitalSlice("BTCUSDT", "manual", D(500), "reserved", D(0), None),
    ])  # fmt: skip
    made.show_capital(capital)
    made.show()
    return made


def shown(panel: AllocationPanel) -> dict[str, Decimal]:
    rows = (panel.model.row_at(i) for i in range(panel.model.rowCount()))
    return {row.key: row.amount for row in rows}


def test_by_symbol_and_by_bot_are_the_same_money(panel: AllocationPanel) -> None:
    assert shown(panel) == {"BTCUSDT": D(4500), "SOLUSDT": D(1000)}
    QTest.mouseClick(panel.views["By bot"], Qt.MouseButton.LeftButton)
    assert shown(panel) == {"b1": D(5000), "manual": D(500)}
    assert panel._sum.text() == "total 5,500.00"
    titles = [panel.model.columns[0].cell(panel.model.row_at(i)).text for i in range(2)]
    assert titles == ["BTCUSDT 15m", "By hand"]


def test_a_click_on_a_part_of_the_bar_opens_it_and_back_returns(panel: AllocationPanel) -> None:
    place = panel.bar.place_of("BTCUSDT")
    assert place is not None
    QTest.mouseClick(panel.bar, Qt.MouseButton.LeftButton, pos=place.center().toPoint())
    assert shown(panel) == {"b1": D(4000), "manual": D(500)}
    assert sum(one.amount for one in panel.bar.segments) == D(4500)
    assert panel.back.text() == "All of it: back from BTCUSDT"
    QTest.mouseClick(panel.back, Qt.MouseButton.LeftButton)
    assert shown(panel) == {"BTCUSDT": D(4500), "SOLUSDT": D(1000)}
    assert not panel.back.isVisible()


def test_a_click_on_a_row_opens_it_and_what_is_free_opens_nothing(panel: AllocationPanel) -> None:
    panel.show_view(model.BY_BOT)
    viewport = panel.table.viewport()
    assert viewport is not None
    row = panel.table.visualRect(panel.model.index(0, 1)).center()
    QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=row)
    assert shown(panel) == {"BTCUSDT": D(4000), "SOLUSDT": D(1000)}
    panel.close_part()
    far_right = QPoint(panel.bar.width() - 20, 10)
    QTest.mouseClick(panel.bar, Qt.MouseButton.LeftButton, pos=far_right)
    assert not panel.back.isVisible()


def test_a_part_that_is_sold_while_it_is_open_leads_back_to_the_whole(
    panel: AllocationPanel,
) -> None:
    panel.open_part("SOLUSDT")
    panel.show_capital(holding([CapitalSlice("BTCUSDT", "b1", D(1), "locked", D(0), None)]))
    assert shown(panel) == {"BTCUSDT": D(1)}
    panel.show_capital(holding([]))
    assert panel._nothing.isVisible()
    assert not panel.table.isVisible()


def test_a_losing_account_with_more_in_use_than_it_has_is_drawn(panel: AllocationPanel) -> None:
    held = [CapitalSlice("BTCUSDT", "b1", D(900), "locked", D(0), None)]
    panel.show_capital(holding(held, free=D(-100)))
    assert not panel.bar.grab().isNull()
    assert panel.bar.place_of("BTCUSDT") is not None


def test_a_double_click_asks_for_the_bots_tab(panel: AllocationPanel, qtbot: QtBot) -> None:
    panel.show_view(model.BY_BOT)
    with qtbot.waitSignal(panel.bot_wanted) as wanted:
        panel.table.chosen.emit(panel.model.row_at(0))
    assert wanted.args == ["b1"]
