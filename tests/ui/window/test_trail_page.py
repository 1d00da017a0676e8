"""From a row to the reason behind it: the trail page on a live link."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtTest import QTest

from core.commands import Command, CommandResult, GetCandles, GetTrail
from core.models.orders import OrderPurpose, OrderStatus
from core.snapshots import OrderRecord, TrailLine
from ui import i18n
from ui.main_window import MainWindow
from ui.tabs.trail_page import TrailPage
from ui.widgets.decision_list import DecisionDelegate

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", r"raise\(\)")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
replace = msgspec.structs.replace
DECIDED_MS = 1_763_612_100_000  # 2025-11-20 04:15 UTC
LINES = [
    TrailLine(DECIDED_MS + 900_000, "candle", "opened 2025-11-20 04:15 UTC, closed at 65867.3"),
    TrailLine(DECIDED_MS + 900_001, "signal", "long: RSI left oversold and MACD turned up"),
    TrailLine(DECIDED_MS + 900_002, "risk", "passed: active; drawdown 1 of 15 %"),
    TrailLine(
        DECIDED_MS + 900_003, "request",
        "market buy 0.067 BTCUSDT GTC, stop 65495.8, take profit 67362.1 as c1",
    ),
    TrailLine(DECIDED_MS + 900_086, "fill", "buy 0.067 at 65869.1, fee 2.43 (t1)"),
]  # fmt: skip


@pytest.fixture
async def page(make_window: Callable[[], MainWindow], link_server: Any, until: Until) -> TrailPage:
    """The page of order c1, reached by Return on its fill."""

    def trail(command: Command) -> CommandResult:
        assert isinstance(command, GetTrail)
        known = command.client_order_id in ("c1", "c9")
        text = "" if known else f"There is no order {command.client_order_id!r} in the journal."
        return CommandResult(0, known, text, trail=LINES if known else None)

    link_server.results[GetTrail] = trail
    window = make_window()
    await until(lambda: "b1" in window._tabs)
    blotter = window._tabs["b1"].blotter
    blotter.bar.tabs.setCurrentIndex(3)
    blotter.pages[3].table.selectRow(0)
    QTest.keyClick(blotter.pages[3].table, Qt.Key.Key_Return)
    await until(lambda: isinstance(window.tab_stack.currentWidget(), TrailPage))
    found = window.tab_stack.currentWidget()
    assert isinstance(found, TrailPage)
    await until(lambda: found.trail is not None)
    return found


async def test_return_on_a_row_shows_why(page: TrailPage, until: Until) -> None:
    assert page._title.text() == "Why: Buy 0.067 BTCUSDT"
    assert page._total.text() == "86 ms"
    assert page._span.text() == "first step to fill"
    assert page.list.table.current_row().order.client_order_id == "c1"
    assert page.steps.height() > 4 * 72
    assert page.after._result.text() == "+80.76"
    assert page.after._risk.text() == "+3.23 R"


async def test_the_chart_shows_what_the_strategy_saw_and_veils_what_came_after(
    page: TrailPage, link_server: Any, until: Until
) -> None:
    chart = page.evidence.chart
    await until(lambda: chart.has_bars)
    asked = [c for c in link_server.commands if isinstance(c, GetCandles) and c.count == 140]
    after_ms = DECIDED_MS + 12 * 900_000
    assert [(c.symbol, c.timeframe, c.end_ms) for c in asked] == [("BTCUSDT", "15m", after_ms)]
    assert page.evidence._until.text() == "up to 04:30; what came after is pale"
    assert chart._series.decided_ms == DECIDED_MS


async def test_while_an_order_is_on_its_way_nothing_of_another_stands_under_its_name(
    page: TrailPage, link_server: Any, until: Until
) -> None:
    await until(lambda: page.evidence.chart.has_bars)
    link_server.silent_on.add(GetTrail)
    page.show_order("c9")
    await until(lambda: page._title.text() == "Why: c9")
    assert page.steps.height() < 72
    assert page._total.text() == ""
    assert not page.evidence.chart.has_bars


async def test_the_kinds_have_room_however_many_there_are(page: TrailPage, until: Until) -> None:
    page.window().resize(1280, 800)
    await until(page.evidence._small.isVisible)
    chips = page.list._chips
    for kind, count in (("All", "999+"), ("Denied", "999+"), ("Unknown", "99")):
        chips[kind].setText(f"{kind} {count}")
    await until(lambda: chips["All"].width() > 50)
    for chip in chips.values():
        needed = chip.fontMetrics().horizontalAdvance(chip.text()) + 12
        assert chip.width() >= needed, chip.text()


async def test_an_order_that_made_no_position_says_why_instead_of_figures(
    page: TrailPage, link_server: Any, until: Until
) -> None:
    assert not page.after.nothing.isVisible()
    working = link_server.snapshot.working_orders[0]
    for status, purpose, text in (
        (OrderStatus.DENIED, OrderPurpose.ENTRY, "Nothing was sent, so no position came of it."),
        (OrderStatus.CANCELLED, OrderPurpose.ENTRY,
         "Nothing was filled, so no position came of it."),
        (OrderStatus.FILLED, OrderPurpose.STOP_LOSS, "This order closes a position. "
         "What came of it stands with the order that opened it."),
    ):  # fmt: skip
        page.after.show_order(replace(working, status=status, purpose=purpose))
        assert page.after.nothing.text() == text
        assert page.after.nothing.isVisible()
        assert not page.after._result.isVisible()


async def test_an_order_of_another_day_tells_its_day(page: TrailPage, link_server: Any) -> None:
    delegate = page.list.table.itemDelegate()
    assert isinstance(delegate, DecisionDelegate)
    now_ms = link_server.snapshot.market_time_ms
    assert delegate.time_text(now_ms - 3_600_000) == "13:32:07"
    assert delegate.time_text(now_ms - 86_400_000) == "11-19 14:32"


async def test_the_trail_is_copied_as_text(page: TrailPage, until: Until) -> None:
    keys = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    page.window().activateWindow()
    await until(lambda: page.window().isActiveWindow())
    QTest.keyClick(page, Qt.Key.Key_C, keys)
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    assert clipboard.text() == page.text()
    assert "Why: Buy 0.067 BTCUSDT" in page.text()
    assert "RSI left oversold and MACD turned up" in page.text()


async def test_news_of_the_order_ask_again(page: TrailPage, link_server: Any, until: Until) -> None:
    before = sum(isinstance(c, GetTrail) for c in link_server.commands)
    order = next(o for o in page._bridge.order_history() if o.client_order_id == "c1")
    link_server.feed(OrderRecord(order))
    await until(lambda: sum(isinstance(c, GetTrail) for c in link_server.commands) > before)


async def test_a_denied_order_stands_in_the_list_with_its_reason(
    page: TrailPage, link_server: Any, until: Until
) -> None:
    denied = replace(
        link_server.snapshot.working_orders[0], client_order_id="c9",
        status=OrderStatus.DENIED, reason="ETHUSDT would hold 20.7 % of the equity, above 20 %",
        reject_code="largest_position",
    )  # fmt: skip
    link_server.feed(OrderRecord(denied))
    await until(lambda: page.list.model.index_of("c9") is not None)
    page.list._chips["Denied"].click()
    assert page.list.model.rowCount() == 1
    page.show_order("c1")  # not among the denied ones: the list shows all again
    assert page.list.table.current_row().order.client_order_id == "c1"


async def test_an_unknown_order_is_a_sentence(page: TrailPage, until: Until) -> None:
    page.show_order("nobody")
    await until(lambda: page._pages.currentIndex() == 0)
    assert page._nothing.title.text() == "There is no order 'nobody' in the journal."
    assert page.trail is None


async def test_the_trail_is_read_again_in_another_language(page: TrailPage, until: Until) -> None:
    await until(page.evidence._until.text)
    i18n.use("ko")
    assert page._title.text() == "이유: BTCUSDT 0.067 매수"
    assert page.trail is not None
    assert page.trail.steps[0].title == "캔들 마감"
    await until(lambda: page.evidence._until.text() == "04:30까지, 이후는 흐리게")


async def test_the_page_fits_a_small_window(page: TrailPage, until: Until) -> None:
    page.window().resize(1280, 800)
    await until(page.evidence._small.isVisible)
    assert not page.after.isVisible()
    assert page.width() <= 1280
