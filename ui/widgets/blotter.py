"""The blotter under the chart: positions and their protection, working orders, fills, history,
refusals, log. Everything that the mouse does there a key does too.

Enter shows why a row is there, Delete asks to close or cancel it, F2 changes a price in its
place, Ctrl+C copies it, the menu key has all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from PyQt6.QtCore import QPoint, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QKeySequence
from PyQt6.QtWidgets import QMenu, QStackedWidget

from core.commands import CommandResult
from core.models.orders import Order, Side
from core.snapshots import EngineSnapshot, FeedItem, PositionSnapshot
from ui import export, formatting, i18n, shortcuts, tasks
from ui.bridge import NOT_CONNECTED, Bridge
from ui.i18n import tr
from ui.models import blotter as tables
from ui.models.cause import cause_of
from ui.models.log import LogReader, log
from ui.models.protection import guarded_positions, protection
from ui.models.refusals import refusals, refused
from ui.order_actions import OrderActions
from ui.widgets.basic import EmptyState, Panel
from ui.widgets.blotter_bar import BlotterBar
from ui.widgets.blotter_page import BlotterPage
from ui.widgets.latest_events import EVENTS, LatestEvents
from ui.widgets.table_view import DataTable

_FEED_MS = 100  # what comes in a burst is shown once


class MenuEntry(NamedTuple):
    """`text` is English; `keys` are shown beside it."""

    text: str
    keys: str
    do: Callable[[], object]
    can: bool = True


class Blotter(Panel):
    """Signal: trail_wanted(client order id): why an order was made, and what came of it."""

    trail_wanted = pyqtSignal(str)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.order_actions = OrderActions(bridge, lambda: self.window() or self)
        self._reader = LogReader(bridge)
        self._counts: dict[BlotterPage, int] = {}
        self._feed_timer = QTimer(self)
        self._feed_timer.setSingleShot(True)
        self._feed_timer.timeout.connect(self._show_feed)
        self._make_pages()
        self.bar = BlotterBar(bridge, [page.name for page in self.pages])
        self._stack = QStackedWidget()
        keeps_its_room = self._stack.sizePolicy()
        keeps_its_room.setRetainSizeWhenHidden(True)
        self._stack.setSizePolicy(keeps_its_room)
        for page in self.pages:
            self._stack.addWidget(page)
        self._events = LatestEvents()
        self.body.addWidget(self.bar)
        self.body.addWidget(self._stack, 1)
        self.body.addWidget(self._events)
        self._connect()
        self._add_shortcuts()
        self._show_page(0)
        self.refresh()

    def _make_pages(self) -> None:
        bridge, busy = self._bridge, self.order_actions.is_busy
        self._positions = BlotterPage(
            "Positions",
            tables.positions(bridge, busy),
            EmptyState(
                "layers", "No open positions", "Start a bot; it opens one at its next signal."
            ),
            lambda r: r.bot_id,
        )
        self._protection = BlotterPage(
            "Protection",
            protection(bridge),
            EmptyState(
                "shield-check", "Nothing to protect", "Each open position's stop is proved here."
            ),
            lambda r: r.held.bot_id,
        )
        self._working = BlotterPage(
            "Working",
            tables.working(bridge, busy),
            EmptyState(
                "hourglass", "No working orders", "Orders that wait at the exchange stand here."
            ),
            lambda r: r.bot_id,
        )
        self._fills = BlotterPage(
            "Fills",
            tables.fills(bridge),
            EmptyState("check", "No fills yet", "Every execution is listed here."),
            lambda r: r.fill.bot_id,
        )
        self._history = BlotterPage(
            "History",
            tables.history(bridge),
            EmptyState("clock", "No orders yet", "Every order is listed here."),
            lambda r: r.bot_id,
        )
        self._refused = BlotterPage(
            "Refused",
            refused(bridge),
            EmptyState(
                "shield-check", "No order was refused", "Every no is listed here, with its numbers."
            ),
            lambda r: r.bot_id,
        )
        self._log = BlotterPage(
            "Log", log(), EmptyState("list", "Nothing yet", "What happens is written here."), None
        )
        self.pages = [
            self._positions, self._protection, self._working, self._fills, self._history,
            self._refused, self._log,
        ]  # fmt: skip

    def _connect(self) -> None:
        bridge, actions, bar = self._bridge, self.order_actions, self.bar
        bar.chosen.connect(self._show_page)
        bar.filtered.connect(self._filter)
        bar.export_wanted.connect(self._export)
        bar.search_left.connect(lambda: self.page.table.setFocus())  # noqa: PLW0108 (the page of then)
        bar.cancel_wanted.connect(self._cancel_many)
        bar.close_all.clicked.connect(lambda: self.close_all())  # noqa: PLW0108
        for page in self.pages:
            page.wire(self._connect_any)
        for page in (self._protection, self._fills, self._history, self._refused):
            page.wire(self._connect_records)
        self._positions.wire(self._connect_positions)
        self._working.wire(self._connect_orders)
        actions.busy_changed.connect(self._positions.paint_again)
        actions.busy_changed.connect(self._working.paint_again)
        bridge.snapshot_changed.connect(self._take)
        bridge.feed_items.connect(self._take_items)
        bridge.feed_reset.connect(self.refresh)
        bridge.state_changed.connect(self._take_link_state)
        i18n.language.changed.connect(self._retranslate)

    def _connect_any(self, table: DataTable) -> None:
        table.entered.connect(self._show_trail)
        table.menu_wanted.connect(self._open_menu)

    def _connect_records(self, table: DataTable) -> None:
        table.chosen.connect(self._show_trail)

    def _connect_positions(self, held: DataTable) -> None:
        actions = self.order_actions
        held.action.connect(lambda row, _name: self._do(actions.close(row)))
        held.chosen.connect(lambda row: self._do(actions.close(row)))
        held.delete_wanted.connect(lambda row: self._do(actions.close(row, by_key=True)))
        held.edited.connect(
            lambda row, title, text: self._do(actions.change_position(row, title=title, text=text))
        )

    def _connect_orders(self, orders: DataTable) -> None:
        actions = self.order_actions
        orders.action.connect(lambda row, _name: self._do(actions.cancel(row)))
        orders.chosen.connect(lambda row: self._do(actions.cancel(row)))
        orders.delete_wanted.connect(lambda row: self._do(actions.ask_and_cancel(row)))
        orders.edited.connect(
            lambda row, title, text: self._do(actions.change_order(row, title=title, text=text))
        )

    def _add_shortcuts(self) -> None:
        shortcuts.bind("search_table", self, self.bar.begin_search, local=True)
        shortcuts.bind("export_table", self, self._export, local=True)

    @property
    def page(self) -> BlotterPage:
        """The one in front."""
        return self.pages[self._stack.currentIndex()]

    def set_narrow(self, narrow: bool) -> None:
        self.bar.set_narrow(narrow)
        for page in self.pages:
            page.set_narrow(narrow)
        self._events.setVisible(not narrow)

    # What is shown

    def refresh(self) -> None:
        """Everything anew: at the start, after attaching, in another language."""
        self._reader.forget()
        self._stack.setVisible(self._bridge.is_settled)
        if self._bridge.snapshot is not None:
            self._show_open(self._bridge.snapshot)
        self._show_feed()

    def _retranslate(self, _language: str) -> None:
        self.bar.retranslate()
        self.refresh()

    def _take(self, snapshot: EngineSnapshot) -> None:
        if self.isVisible():
            self._show_open(snapshot)

    def _take_items(self, _items: list[FeedItem]) -> None:
        if self.isVisible() and not self._feed_timer.isActive():
            self._feed_timer.start(_FEED_MS)

    def _take_link_state(self, _state: object) -> None:
        for page in self.pages:
            page.paint_again()
        self._show_allowed()

    def showEvent(self, event: Any) -> None:
        super().showEvent(event)
        self.refresh()

    def _show_open(self, snapshot: EngineSnapshot) -> None:
        self._stack.setVisible(self._bridge.is_settled)  # before, an empty list says nothing
        self._positions.set_rows([p for p in snapshot.positions if not p.position.is_flat])
        self._protection.set_rows(guarded_positions(snapshot))
        self._working.set_rows(snapshot.working_orders)
        self._show_titles()
        self._show_allowed()

    def _show_feed(self) -> None:
        """The page in front and the newest lines; the others are filled when they come up."""
        self._feed_timer.stop()
        page = self.page
        fills, refusals_now = self._bridge.fills(), refusals(self._bridge.items)
        self._counts = {
            self._fills: self._fills.count(fills),
            self._refused: self._refused.count(refusals_now),
        }
        if page is self._fills:
            page.set_rows(list(reversed(fills)))
        elif page is self._refused:
            page.set_rows(refusals_now)
        elif page is self._history:
            page.set_rows(self._bridge.order_history())
        elif page is self._log:
            page.set_rows(self._reader.lines())
        self._events.show_lines(self._reader.lines(EVENTS))
        self._show_titles()

    def _show_titles(self) -> None:
        naked = sum(not row.proof.is_protected for row in self._protection.rows)
        shown = (self._positions, self._working)
        counts = {page: page.model.rowCount() for page in shown} | self._counts
        counts[self._protection] = naked
        for i, page in enumerate(self.pages):
            count = counts.get(page, 0)
            text = f"{tr(page.name)}  {count}" if count else tr(page.name)
            if self.bar.tabs.tabText(i) != text:
                self.bar.tabs.setTabText(i, text)

    def _show_allowed(self) -> None:
        attached = self._bridge.is_attached
        for button, rows in (
            (self.bar.cancel_all, self._working.rows),
            (self.bar.close_all, self._positions.rows),
        ):
            button.setEnabled(attached and bool(rows))
            i18n.set_tool_tip(button, "" if attached else NOT_CONNECTED)

    def _show_page(self, index: int) -> None:
        self._stack.setCurrentIndex(index)
        self._show_feed()
        held = self.page in (self._positions, self._protection)
        self.bar.close_all.setVisible(held)
        self.bar.cancel_all.setVisible(held or self.page is self._working)

    def _filter(self, chosen: Any) -> None:
        for page in self.pages:
            page.set_filter(chosen)
        self._show_feed()
        self._show_allowed()

    # What the trader does

    def cancel_all(self, symbol: str = "") -> None:
        """Every order shown, or of one symbol (Ctrl+Shift+X); stops stay. Asks."""
        rows = self._working.rows
        if symbol and self._bridge.snapshot is not None:
            rows = self._bridge.snapshot.working_orders
        self._do(self.order_actions.cancel_all(rows, symbol))

    def _cancel_many(self, side: Side | None, with_positions: bool) -> None:
        """What the menu of "Cancel all" offers, of the rows shown. Asks."""
        orders = [order for order in self._working.rows if side in (None, order.side)]
        held = self._positions.rows if with_positions else []
        if held:
            self._do(self.order_actions.cancel_and_close(orders, held))
        else:
            self._do(self.order_actions.cancel_all(orders))

    def close_all(self) -> None:
        """Every position shown. Asks."""
        self._do(self.order_actions.close_all(self._positions.rows))

    @staticmethod
    def _do(work: Any) -> None:
        tasks.spawn(work)

    def _export(self) -> None:
        now_ms = self._bridge.snapshot.market_time_ms if self._bridge.snapshot else 0
        day = formatting.date_time(now_ms).partition(" ")[0]
        name = f"twinstar-{self.page.name.lower()}-{day}"
        export.ask_and_save(self.window() or self, self.page.model, name)

    def _show_trail(self, row: Any) -> None:
        cause = cause_of(self._bridge, row)
        if cause.client_order_id:
            self.trail_wanted.emit(cause.client_order_id)
        elif cause.problem:
            tasks.announce(CommandResult(0, False, cause.problem))

    def _open_menu(self, row: Any, position: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for entry in self._menu_entries(row):
            action = menu.addAction(tr(entry.text))
            if action is None:
                continue
            action.setEnabled(entry.can)
            action.setShortcut(QKeySequence(entry.keys))
            action.setShortcutVisibleInContextMenu(True)
            action.triggered.connect(lambda _on, do=entry.do: do())
        menu.popup(position)

    def _menu_entries(self, row: Any) -> list[MenuEntry]:
        table, actions = self.page.table, self.order_actions
        entries: list[MenuEntry] = []
        cause = cause_of(self._bridge, row)
        if any(cause):
            can = bool(cause.client_order_id)
            entries.append(
                MenuEntry("Why this order", "Return", lambda: self._show_trail(row), can)
            )
        if isinstance(row, PositionSnapshot):
            can = not self._bridge.obstacle(row.position.symbol)
            here = self._bridge.is_attached
            entries += [
                MenuEntry("Close position…", "Del", lambda: self._do(actions.close(row)), can),
                MenuEntry("Change stop loss", "F2", lambda: table.edit_row("SL"), here),
                MenuEntry("Change take profit", "", lambda: table.edit_row("TP"), here),
            ]
        elif isinstance(row, Order) and self.page is self._working:
            here = self._bridge.is_attached
            entries += [
                MenuEntry(
                    "Cancel order", "Del", lambda: self._do(actions.ask_and_cancel(row)), here
                ),
                MenuEntry("Change price", "F2", lambda: table.edit_row("Price"), here),
                MenuEntry("Change size", "", lambda: table.edit_row("Size"), here),
            ]
        return [
            *entries,
            MenuEntry("Copy row", "Ctrl+C", table.copy_row),
            MenuEntry("Export as CSV", "Ctrl+E", self._export),
        ]
