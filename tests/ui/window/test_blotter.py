"""The blotter on a live link: what each key and button does, and what may not be sent."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from PyQt6 import sip
from PyQt6.QtCore import QEvent, QPoint, Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtTest import QTest
from PyQt6.QtWidgets import QApplication, QMenu

from core.commands import AmendOrder, CancelOrder, ClosePosition, MoveStop
from core.models.orders import OrderPurpose, OrderStatus, OrderType
from core.snapshots import Notice, OrderRecord, ProtectionSnapshot
from ui import i18n, theme
from ui.bridge import Bridge
from ui.export import csv_bytes
from ui.main_window import MainWindow
from ui.models.table import Cell, Column, TableModel
from ui.widgets.blotter import Blotter
from ui.widgets.cell_editor import CellEditor

# the offscreen platform says so of every window, tooltip and menu
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", r"raise\(\)", "grabbing the keyboard")
Until = Callable[[Callable[[], Any]], Awaitable[None]]
Calm = Callable[[], Awaitable[None]]
replace = msgspec.structs.replace
D = Decimal
POSITIONS, PROTECTION, WORKING, FILLS, HISTORY, REFUSED = range(6)


@pytest.fixture
def blotter(bridge: Bridge, qapp: QApplication) -> Iterator[Blotter]:
    """On its own, attached, in front."""
    theme.apply(qapp, "dark", "global")
    i18n.use("en")
    made = Blotter(bridge)
    made.resize(1310, 300)
    made.show()
    made.activateWindow()
    QTest.qWaitForWindowActive(made)  # X11 answers later
    yield made
    made.hide()
    made.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    i18n.use("en")


def show(blotter: Blotter, index: int) -> Any:
    blotter.bar.tabs.setCurrentIndex(index)
    table = blotter.pages[index].table
    table.setFocus()
    table.selectRow(0)
    return table


def choose(blotter: Blotter, text: str) -> None:
    """From the menu of "Cancel all"."""
    QTest.mouseClick(blotter.bar.cancel_all, Qt.MouseButton.LeftButton)
    actions = {action.text(): action for action in blotter.bar._menu.actions()}
    actions[text].trigger()
    blotter.bar._menu.close()


def double_click(table: Any, column: int) -> None:
    at = table.visualRect(table.model().index(0, column)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=at)


def type_into(table: Any, title: str, text: str) -> CellEditor:
    for left in table.findChildren(CellEditor):
        QApplication.sendPostedEvents(left, QEvent.Type.DeferredDelete)
    table.edit_row(title)
    editor = table.findChild(CellEditor)
    assert editor is not None
    editor.selectAll()
    QTest.keyClicks(editor, text)
    return editor


# --- closing and cancelling -----------------------------------------------------------------


async def test_delete_asks_before_a_position_is_closed_and_return_agrees(
    blotter: Blotter, trader: Any, until: Until
) -> None:
    table = show(blotter, POSITIONS)
    QTest.keyClick(table, Qt.Key.Key_Delete)
    await trader.asked()
    assert trader.sent(ClosePosition) == []
    await trader.press(Qt.Key.Key_Return)
    await until(lambda: trader.sent(ClosePosition) == [ClosePosition("main", "BTCUSDT")])


async def test_its_tabs_are_what_a_trader_has_open_has_had_and_was_refused(
    blotter: Blotter,
) -> None:
    """ux 54"""
    tabs = blotter.bar.tabs
    words = [tabs.tabText(index).split("  ")[0] for index in range(tabs.count())]
    assert words == [
        "Positions", "Protection", "Working", "Fills", "History", "Refused", "Log",
    ]  # fmt: skip


async def test_escape_keeps_the_position(blotter: Blotter, trader: Any, calm: Calm) -> None:
    QTest.keyClick(show(blotter, POSITIONS), Qt.Key.Key_Delete)
    await trader.press(Qt.Key.Key_Escape)
    await calm()
    assert trader.sent(ClosePosition) == []


async def test_a_double_click_on_a_position_prepares_its_closing(
    blotter: Blotter, trader: Any
) -> None:
    double_click(show(blotter, POSITIONS), 0)
    assert "BTCUSDT" in (await trader.asked()).windowTitle()
    await trader.answer("")
    assert trader.sent(ClosePosition) == []


async def test_a_double_click_cancels_a_working_order(
    blotter: Blotter, trader: Any, until: Until
) -> None:
    model = blotter.pages[WORKING].model
    assert "Double-click cancels it" in model.data(model.index(0, 1), Qt.ItemDataRole.ToolTipRole)
    double_click(show(blotter, WORKING), 1)
    await until(lambda: len(trader.sent(CancelOrder)) == 1)
    assert trader.sent(CancelOrder)[0].client_order_id == "w1"


async def test_no_single_key_cancels_an_order(blotter: Blotter, trader: Any, until: Until) -> None:
    QTest.keyClick(show(blotter, WORKING), Qt.Key.Key_Delete)
    await trader.answer("")
    assert trader.sent(CancelOrder) == []
    QTest.keyClick(blotter.pages[WORKING].table, Qt.Key.Key_Delete)
    await trader.press(Qt.Key.Key_Return)
    await until(lambda: len(trader.sent(CancelOrder)) == 1)


async def test_close_all_lists_asks_and_closes_each_once(
    blotter: Blotter, trader: Any, until: Until
) -> None:
    show(blotter, POSITIONS)
    QTest.mouseClick(blotter.bar.close_all, Qt.MouseButton.LeftButton)
    assert "2" in (await trader.asked()).windowTitle()
    await trader.press(Qt.Key.Key_Return)
    await until(lambda: len(trader.sent(ClosePosition)) == 2)
    assert {c.symbol for c in trader.sent(ClosePosition)} == {"BTCUSDT", "SOLUSDT"}


async def test_cancel_all_leaves_stops_alone(
    blotter: Blotter, link_server: Any, trader: Any, until: Until
) -> None:
    snapshot = link_server.snapshot
    stop = replace(
        snapshot.working_orders[1], client_order_id="", exchange_order_id="s1",
        purpose=OrderPurpose.STOP_LOSS, order_type=OrderType.STOP_MARKET, reduce_only=True,
    )  # fmt: skip
    link_server.publish(replace(snapshot, working_orders=[*snapshot.working_orders, stop]))
    show(blotter, WORKING)
    await until(lambda: blotter.pages[WORKING].model.rowCount() == 3)
    choose(blotter, "All orders…")
    await trader.press(Qt.Key.Key_Return)
    await until(lambda: len(trader.sent(CancelOrder)) == 2)
    assert "s1" not in {c.exchange_order_id for c in trader.sent(CancelOrder)}


@pytest.mark.parametrize(("choice", "orders"), [("All buys…", ["w1"]), ("All sells…", ["w2"])])
async def test_one_side_is_cancelled(
    blotter: Blotter, trader: Any, until: Until, choice: str, orders: list[str]
) -> None:
    choose(blotter, choice)
    await trader.press(Qt.Key.Key_Return)
    await until(lambda: bool(trader.sent(CancelOrder)))
    assert [c.client_order_id for c in trader.sent(CancelOrder)] == orders


async def test_orders_and_positions_end_with_one_question(
    blotter: Blotter, trader: Any, until: Until
) -> None:
    choose(blotter, "All orders and positions…")
    title = (await trader.asked()).windowTitle()
    assert title == "Cancel 2 orders and close 2 positions?"
    await trader.press(Qt.Key.Key_Return)
    await until(lambda: len(trader.sent(ClosePosition)) == 2)
    assert len(trader.sent(CancelOrder)) == 2


async def test_the_shortcut_cancels_this_symbols_orders_and_agrees_when_pressed_again(
    make_window: Callable[[], MainWindow], trader: Any, until: Until
) -> None:
    window = make_window()
    await until(lambda: "b1" in window._tabs)
    keys = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    window.activateWindow()
    await until(window.isActiveWindow)
    QTest.keyClick(window, Qt.Key.Key_X, keys)
    sheet = await trader.asked()
    await until(sheet.isActiveWindow)
    QTest.keyClick(sheet, Qt.Key.Key_X, keys)
    await until(lambda: bool(trader.sent(CancelOrder)))
    assert [c.symbol for c in trader.sent(CancelOrder)] == ["BTCUSDT"]


async def test_cancelling_a_stop_asks_and_keeps_it_by_default(
    blotter: Blotter, link_server: Any, trader: Any, calm: Calm
) -> None:
    order = replace(
        link_server.snapshot.working_orders[1], purpose=OrderPurpose.STOP_LOSS, reduce_only=True
    )
    blotter.pages[WORKING].table.action.emit(order, "cancel")
    await trader.press(Qt.Key.Key_Return)
    await calm()
    assert trader.sent(CancelOrder) == []


async def test_a_busy_row_says_so_and_a_second_press_sends_nothing(
    blotter: Blotter, link_server: Any, trader: Any, until: Until, calm: Calm
) -> None:
    link_server.silent_on.add(CancelOrder)
    table, model = show(blotter, WORKING), blotter.pages[WORKING].model
    table.action.emit(model.row_at(0), "cancel")
    await until(lambda: model.columns[-1].cell(model.row_at(0)).text == "Sending…")
    assert model.columns[-1].cell(model.row_at(0)).is_off
    table.action.emit(model.row_at(0), "cancel")
    await calm()
    assert blotter.order_actions.is_busy(("w1", "xw1"))


async def test_an_old_price_switches_close_off_with_the_reason(
    blotter: Blotter, link_server: Any, trader: Any, until: Until, calm: Calm
) -> None:
    tickers = [replace(row, age_ms=20_000) for row in link_server.snapshot.tickers]
    link_server.publish(replace(link_server.snapshot, tickers=tickers))
    model = blotter.pages[POSITIONS].model
    await until(lambda: model.columns[-1].cell(model.row_at(0)).is_off)
    assert model.columns[-1].cell(model.row_at(0)).tool_tip == "Waiting for a fresh price"
    assert model.is_stale(model.row_at(0))
    QTest.keyClick(show(blotter, POSITIONS), Qt.Key.Key_Delete)
    await calm()
    assert trader.sheet is None


async def test_a_lost_engine_dims_every_row_and_disables_everything(
    blotter: Blotter, link_server: Any, until: Until
) -> None:
    await link_server.stop()
    await until(lambda: not blotter.bar.close_all.isEnabled())
    assert not blotter.bar.cancel_all.isEnabled()
    for index in (POSITIONS, WORKING):
        model = blotter.pages[index].model
        row = model.row_at(0)
        assert model.is_stale(row)
        assert model.columns[-1].cell(row).is_off
        assert not any(model.edit_start(model.index(0, i)) for i in range(model.columnCount()))


# --- editing in place -----------------------------------------------------------------------


async def test_a_price_is_amended_in_its_cell_on_the_tick(
    blotter: Blotter, trader: Any, until: Until
) -> None:
    editor = type_into(show(blotter, WORKING), "Price", "3,391.004")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    await until(lambda: bool(trader.sent(AmendOrder)))
    assert trader.sent(AmendOrder) == [AmendOrder("main", "w1", price=D("3391.00"))]


async def test_a_size_is_amended_and_never_rounded_up(
    blotter: Blotter, trader: Any, until: Until
) -> None:
    editor = type_into(show(blotter, WORKING), "Size", "0.3019")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    await until(lambda: bool(trader.sent(AmendOrder)))
    assert trader.sent(AmendOrder) == [AmendOrder("main", "w1", quantity=D("0.301"))]


async def test_a_stop_is_moved_in_its_cell(blotter: Blotter, trader: Any, until: Until) -> None:
    editor = type_into(show(blotter, POSITIONS), "SL", "65,900")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    await until(lambda: bool(trader.sent(MoveStop)))
    assert trader.sent(MoveStop) == [MoveStop("main", "BTCUSDT", D("65900.0"))]


async def test_a_take_profit_keeps_the_stop(blotter: Blotter, trader: Any, until: Until) -> None:
    editor = type_into(show(blotter, POSITIONS), "TP", "68000")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    await until(lambda: bool(trader.sent(MoveStop)))
    assert trader.sent(MoveStop) == [MoveStop("main", "BTCUSDT", D("65495.8"), D("68000.0"))]


@pytest.mark.parametrize(
    ("cell", "text", "problem"),
    [
        ((WORKING, "Price"), "abc", "That is not a number."),
        ((WORKING, "Price"), "-5", "It has to be above zero."),
        ((WORKING, "Price"), "nan", "That is not a number."),
        ((WORKING, "Size"), "0", "It has to be above zero."),
        ((WORKING, "Size"), "0.0009", "The exchange takes at least 0.001."),
        ((WORKING, "Size"), "0.001", "The exchange takes at least 5.00 USDT."),
        ((POSITIONS, "SL"), "67100", "It has to be below the mark price 67,074.50."),
        ((POSITIONS, "TP"), "67000", "It has to be above the mark price 67,074.50."),
    ],
)
async def test_a_bad_entry_stays_open_with_its_reason_and_sends_nothing(
    blotter: Blotter, trader: Any, cell: tuple[int, str], text: str, problem: str
) -> None:
    index, title = cell
    editor = type_into(show(blotter, index), title, text)
    assert editor.check() == problem
    QTest.keyClick(editor, Qt.Key.Key_Return)
    assert editor.isVisible()
    assert await trader.sent_nothing(AmendOrder, MoveStop)


async def test_leaving_the_field_changes_nothing(
    blotter: Blotter, trader: Any, until: Until, calm: Calm
) -> None:
    await until(blotter.isActiveWindow)
    table = show(blotter, WORKING)
    for leave in (Qt.Key.Key_Escape, None):
        editor = type_into(table, "Price", "3000")
        if leave is not None:
            QTest.keyClick(editor, leave)
        else:
            blotter.bar.tabs.setFocus()
        await until(lambda left=editor: sip.isdeleted(left) or not left.isVisible())
    await calm()
    assert trader.sent(AmendOrder) == []


async def test_what_is_typed_survives_the_market(
    blotter: Blotter, link_server: Any, until: Until
) -> None:
    table = show(blotter, POSITIONS)
    editor = type_into(table, "SL", "65900")
    snapshot = link_server.snapshot
    moved = replace(snapshot.positions[0].position, mark_price=D("67100.0"))
    third = replace(snapshot.positions[0], position=replace(moved, symbol="ETHUSDT"), bot_id="b2")
    positions = [replace(snapshot.positions[0], position=moved), third, snapshot.positions[1]]
    link_server.publish(replace(snapshot, positions=positions))
    await until(lambda: blotter.pages[POSITIONS].model.rowCount() == 3)
    assert table.findChild(CellEditor) is editor
    assert editor.text() == "65900"


# --- finding, copying, exporting ------------------------------------------------------------


async def test_a_filter_shows_one_bots_rows_and_bulk_actions_follow_it(
    blotter: Blotter, trader: Any, until: Until
) -> None:
    show(blotter, POSITIONS)
    blotter.bar.show_bot("b3")
    assert [row.position.symbol for row in blotter.pages[POSITIONS].rows] == ["SOLUSDT"]
    blotter.close_all()
    await trader.press(Qt.Key.Key_Return)
    await until(lambda: bool(trader.sent(ClosePosition)))
    assert trader.sent(ClosePosition) == [ClosePosition("main", "SOLUSDT")]
    blotter.bar.show_bot(None)
    assert len(blotter.pages[POSITIONS].rows) == 2


async def test_ctrl_f_filters_by_words_and_escape_clears(blotter: Blotter, until: Until) -> None:
    table = show(blotter, POSITIONS)
    QTest.keyClick(table, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert blotter.bar.search.isVisible()
    QTest.keyClicks(blotter.bar.search, "sol short")
    assert [row.position.symbol for row in blotter.pages[POSITIONS].rows] == ["SOLUSDT"]
    QTest.keyClicks(blotter.bar.search, " nothing")
    assert blotter.pages[POSITIONS]._empty.title.text() == "Nothing fits the filter"
    QTest.keyClick(blotter.bar.search, Qt.Key.Key_Escape)
    assert not blotter.bar.search.isVisible()
    assert len(blotter.pages[POSITIONS].rows) == 2


async def test_a_row_is_copied_with_whole_figures(blotter: Blotter) -> None:
    table = show(blotter, POSITIONS)
    QTest.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    cells = clipboard.text().split("\t")
    assert cells[:5] == ["BTCUSDT", "Long", "0.067", "65869.1", "67074.5"]
    assert "80.76" in cells


async def test_the_export_has_every_row_shown_and_reads_back(blotter: Blotter) -> None:
    model = blotter.pages[POSITIONS].model
    rows = list(csv.reader(io.StringIO((await csv_bytes(model)).decode("utf-8-sig"))))
    assert rows[0][:3] == ["Symbol", "Side", "Size"]
    assert [row[0] for row in rows[1:]] == ["BTCUSDT", "SOLUSDT"]
    assert rows[2][rows[0].index("PnL")] == "-14.30"
    assert all(len(row) == len(rows[0]) for row in rows)


async def test_a_text_from_outside_is_no_formula_in_a_spreadsheet() -> None:
    columns: list[Column[str]] = [Column("A", Cell, 10)]
    model: TableModel[str] = TableModel(columns, key=lambda r: r)
    model.set_rows(["=cmd()", "-5.2", "+1.83 %", "@x", "plain"])
    lines = (await csv_bytes(model)).decode("utf-8-sig").split()
    assert lines[1:] == ["'=cmd()", "-5.2", "+1.83", "%", "'@x", "plain"]


async def test_the_menu_has_everything_that_keys_do(blotter: Blotter) -> None:
    table = show(blotter, POSITIONS)
    table.menu_wanted.emit(blotter.pages[POSITIONS].model.row_at(0), QPoint(0, 0))
    [menu] = blotter.findChildren(QMenu, options=Qt.FindChildOption.FindDirectChildrenOnly)
    texts = [action.text() for action in menu.actions()]
    assert texts == ["Why this order", "Close position…", "Change stop loss",
                     "Change take profit", "Copy row", "Export as CSV"]  # fmt: skip
    menu.close()


# --- why, refusals, protection --------------------------------------------------------------


async def test_return_asks_for_the_trail_of_the_row(blotter: Blotter) -> None:
    wanted: list[str] = []
    blotter.trail_wanted.connect(wanted.append)
    for index in (POSITIONS, FILLS, HISTORY):
        QTest.keyClick(show(blotter, index), Qt.Key.Key_Return)
    assert wanted == ["c1", "c1", "c1"]


async def test_a_refusal_is_listed_with_its_rule_its_numbers_and_what_to_do(
    blotter: Blotter, link_server: Any, until: Until
) -> None:
    order = replace(
        link_server.snapshot.working_orders[0],
        client_order_id="r1",
        status=OrderStatus.DENIED,
        reject_code="largest_position",
        reason="ETHUSDT would hold 20.7 % of the equity, above 20 %",
    )
    link_server.feed(OrderRecord(order))
    text = "ETHUSDT buy 0.35: ETHUSDT would hold 20.7 % of the equity, above 20 %"
    link_server.feed(
        Notice("warning", "Denied", text, "ETHUSDT", "b2", True, "largest_position", "r1")
    )
    small = "XRPUSDT buy 0: fixed_percent allows 3.10 USDT: 0 XRP is below the exchange's minimum"
    link_server.feed(
        Notice("warning", "Denied", small, "XRPUSDT", "b2", True, "below_minimum", "r2")
    )
    model = blotter.pages[REFUSED].model
    await until(lambda: blotter.bar.tabs.tabText(REFUSED) == "Refused  2")
    blotter.bar.tabs.setCurrentIndex(REFUSED)
    cells = {
        row.symbol: [column.cell(row).text for column in model.columns]
        for row in blotter.pages[REFUSED].rows
    }
    assert cells["ETHUSDT"][2:] == [
        "Buy", "0.350", "Denied", "Largest position",
        "ETHUSDT would hold 20.7 % of the equity, above 20 %",
        "Wait until the position is smaller, or raise the limit for it.",
    ]  # fmt: skip
    assert cells["XRPUSDT"][5] == "Below the minimum"
    assert cells["XRPUSDT"][6].startswith("fixed_percent allows")


async def test_a_rejection_says_the_exchanges_own_reason_in_toast_history_and_refusals(
    make_window: Callable[[], MainWindow], link_server: Any, until: Until
) -> None:
    """ux 56"""
    window = make_window()
    await until(lambda: "b1" in window._tabs)
    said = "Insufficient available balance (110007)"
    order = replace(
        link_server.snapshot.working_orders[1],
        client_order_id="r9",
        status=OrderStatus.REJECTED,
        reject_code="110007",
        reason=said,
    )
    link_server.feed(OrderRecord(order))
    text = f"BTCUSDT sell 0.067: {said}"
    link_server.feed(Notice("danger", "Rejected", text, "BTCUSDT", "b1", True, "110007", "r9"))
    await until(lambda: window.toaster._toasts)
    [toast] = window.toaster._toasts
    assert toast._heading.whole_text == "Rejected"
    assert toast._body.whole_text == f"Sell 0.067 BTCUSDT: {said}"
    blotter: Blotter = window._tabs["b1"].blotter
    shown = {}
    for index in (HISTORY, REFUSED):
        show(blotter, index)
        page = blotter.pages[index]
        shown[index] = [column.cell(page.rows[0]).text for column in page.model.columns]
    assert "Rejected" in shown[HISTORY]
    assert said in shown[HISTORY]
    assert shown[REFUSED][4:7] == ["Rejected", "110007", said]


async def test_an_unprotected_position_warns_in_table_and_tab(
    blotter: Blotter, link_server: Any, until: Until
) -> None:
    proofs = [
        ProtectionSnapshot("main", "BTCUSDT", "b1", True, "Stop at 65495.8 for the whole position.",
                           36_000.0, 2.0, 2.0, D("65495.8"), D("0.067"), D("67362.1")),
        ProtectionSnapshot("main", "SOLUSDT", "b3", False, "No stop rests at the exchange.",
                           0.0, 4.0, 4.0),
    ]  # fmt: skip
    link_server.publish(replace(link_server.snapshot, protection=proofs))
    model = blotter.pages[PROTECTION].model
    await until(lambda: model.rowCount() == 2)
    btc, sol = (
        {column.title: column.cell(row) for column in model.columns}
        for row in blotter.pages[PROTECTION].rows
    )
    assert (btc["State"].text, btc["Distance"].text, btc["Distance %"].text) == (
        "Protected", "1,578.7", "2.35 %",
    )  # fmt: skip
    assert btc["Protected for"].text == "10 h 00 min"
    assert (sol["State"].text, sol["State"].tone) == ("Not protected", "warn")
    assert (sol["Unprotected for"].text, sol["Unprotected for"].tone) == ("4 s", "warn")
    assert blotter.bar.tabs.tabText(PROTECTION) == "Protection  1"
    i18n.use("ko")
    assert blotter.bar.tabs.tabText(PROTECTION) == "보호  1"


async def test_a_page_makes_its_table_when_it_first_has_something_to_show(blotter):
    made = [page.name for page in blotter.pages if page._table is not None]
    assert made == ["Positions"]
    show(blotter, WORKING)
    made = [page.name for page in blotter.pages if page._table is not None]
    assert made == ["Positions", "Working"]
    assert blotter.pages[WORKING].table.isVisible()
    assert not blotter.pages[WORKING]._empty.isVisible()
