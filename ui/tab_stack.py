"""Bots' tabs and the pages: which there are, which is in front, which stands in its own window.

A tab is made when it is shown first: charts and numpy come after the window stands.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from PyQt6.QtCore import QByteArray, QTimer, pyqtSignal
from PyQt6.QtWidgets import QStackedWidget, QWidget

from ui import i18n
from ui.bridge import Bridge
from ui.last_chart import LastChart
from ui.panel_layouts import bring_inside
from ui.shared_services import BotLink
from ui.tabs import PAGES, make_page
from ui.widgets.basic import EmptyState
from ui.widgets.buttons import TextButton

if TYPE_CHECKING:
    from ui.tab_window import TabWindow
    from ui.tabs.bot_tab import BotTab
    from ui.tabs.charts_page import ChartsPage
    from ui.tabs.multi_tab import MultiTab
    from ui.tabs.trail_page import TrailPage


_CHART_PARTS = ("numpy", "pyqtgraph", "ui.charts.trading_chart", "ui.tabs.bot_tab")


class TabStack(QStackedWidget):
    """`last` is the chart of an earlier run, shown as old until the engine's own is there.

    Signals: came(name): a bot or a page is in front, "" nothing; tab_made(bot_id, tab),
    page_made(page): to be wired; chart_painted(is_live); add_wanted();
    windows_changed(). Attributes: tabs, pages,
    windows (tabs of their own), current, last_bot.
    """

    came = pyqtSignal(str)
    tab_made = pyqtSignal(str, object)
    page_made = pyqtSignal(object)
    chart_painted = pyqtSignal(bool)
    add_wanted = pyqtSignal()
    windows_changed = pyqtSignal()

    def __init__(self, bridge: Bridge, last: LastChart | None) -> None:
        super().__init__()
        self._bridge, self._last = bridge, last
        self.tabs: dict[str, BotTab | MultiTab] = {}
        self.pages: dict[str, QWidget] = {}
        self.windows: dict[str, TabWindow] = {}
        self.current = self.last_bot = ""
        self._waiting = EmptyState(
            "hourglass", "Starting the engine", "Charts come as soon as it answers."
        )
        add = TextButton("Add a bot", kind="primary", icon="plus", color="#FFFFFF")
        add.clicked.connect(self.add_wanted)
        self._no_bots = EmptyState(
            "layers", "No bots", "A bot trades one symbol by one strategy.", add
        )
        back = TextButton("Bring it back")
        back.clicked.connect(lambda: self.bring_back(self.current))
        self._elsewhere = EmptyState(
            "maximize-2", "In its own window", "It comes back when that window is closed.", back
        )
        if last is not None:
            self.addWidget(QWidget())  # its chart comes in the next turn of the loop
        for state in (self._waiting, self._no_bots, self._elsewhere):
            self.addWidget(state)
        bridge.bots_changed.connect(self.show_bots)

    # To the front

    def show_bot(self, bot_id: str) -> None:
        link = self._bridge.bots.get(bot_id)
        if link is None:
            return
        self._tab_of(link)
        self.last_bot = bot_id
        self._bring(bot_id)

    def show_page(self, title: str) -> None:
        """One of `PAGES`."""
        self.page(title)
        self._bring(title)

    def show_trail(self, client_order_id: str) -> None:
        cast("TrailPage", self.page("Trail")).show_order(client_order_id)
        self.show_page("Trail")

    def show_moment(self, bot_id: str, symbol: str, time_ms: int) -> bool:
        """At ms UTC: the chart of this bot, or of another that follows the symbol, or one of those
        beside each other; False: nothing of the kind is traded."""
        charted = [i for i, link in self._bridge.bots.items() if link.latest.symbol == symbol]
        if not charted:
            if symbol not in self._bridge.instruments:
                return False
            self.show_page("Charts")
            cast("ChartsPage", self.pages["Charts"]).show_moment(symbol, time_ms)
            return True
        chosen = bot_id if bot_id in charted else charted[0]
        self.show_bot(chosen)
        cast("BotTab", self.tabs[chosen]).go_to(time_ms)
        return True

    def show_next_bot(self) -> None:
        names = list(self._bridge.bots)
        if names:
            after = names.index(self.current) + 1 if self.current in names else 0
            self.show_bot(names[after % len(names)])

    def _bring(self, name: str) -> None:
        self.current = name
        self.came.emit(name)
        window = self.windows.get(name)
        if window is not None:
            self.setCurrentWidget(self._elsewhere)
            window.show()
            window.raise_()
            window.activateWindow()
        else:
            self.setCurrentWidget(self.tabs[name] if name in self.tabs else self.pages[name])

    # Making them

    def _tab_of(self, link: BotLink) -> BotTab | MultiTab:
        bot_id = link.bot_id
        tab = self.tabs.get(bot_id)
        if tab is None:
            recalled = self._last if self._last and self._last.bot.bot_id == bot_id else None
            self._last = None
            tab = self.tabs[bot_id] = _make_tab(self._bridge, link, recalled)
            tab.chart_painted.connect(self.chart_painted)
            self.tab_made.emit(bot_id, tab)
            self.addWidget(tab)
        return tab

    def page(self, title: str) -> QWidget:
        found = self.pages.get(title)
        if found is None:
            entry = next(p for p in PAGES if p.title == title)
            found = self.pages[title] = make_page(entry, self._bridge)
            self.page_made.emit(found)
            self.addWidget(found)
        return found

    def last_chart(self) -> LastChart | None:
        """The chart of the bot that was in front last; None while it is not live."""
        tab = self.tabs.get(self.last_bot)
        return None if tab is None else tab.last_chart()

    # Windows of their own

    def take_out(self, bot_id: str, place: QByteArray | None = None) -> None:
        """A bot's tab to a window of its own, at `place` (a saved geometry) if it was there."""
        link = self._bridge.bots.get(bot_id)
        if link is None or bot_id in self.windows:
            return
        from ui.tab_window import TabWindow  # rare, and not for the first paint

        tab = self._tab_of(link)
        size = self.size()
        self.removeWidget(tab)
        window = self.windows[bot_id] = TabWindow(self.window() or self, self._bridge, tab)
        window.closed.connect(lambda: self.bring_back(bot_id))
        if place is None or not window.restoreGeometry(place):
            window.resize(size)
        bring_inside(window)
        self.title_windows()
        window.show()
        if self.current == bot_id:
            self.setCurrentWidget(self._elsewhere)
        self.windows_changed.emit()

    def bring_back(self, bot_id: str) -> None:
        """From its window, which goes."""
        window = self.windows.pop(bot_id, None)
        if window is None:
            return
        self.addWidget(window.release())
        window.hide()
        window.deleteLater()
        self.windows_changed.emit()
        if self.current == bot_id:
            self.show_bot(bot_id)

    def title_windows(self) -> None:
        """Bots are renamed, accounts change their mode."""
        for bot_id, window in self.windows.items():
            link = self._bridge.bots.get(bot_id)
            if link is not None:
                whole = title_of(self._bridge, link)
                window.show_title(link.latest.title, whole, self._bridge.mode())

    # What there is

    def show_bots(self) -> None:
        """Tabs of bots that are gone go; something is in front."""
        for bot_id in [known for known in self.tabs if known not in self._bridge.bots]:
            self.bring_back(bot_id)
            tab = self.tabs.pop(bot_id)
            tab.leave()
            self.removeWidget(tab)
            tab.deleteLater()
        if self.current in self.pages or self.current in self._bridge.bots:
            return
        if self._bridge.bots:
            self.show_first_bot_soon()
        else:
            self.current = ""
            self.show_no_bots()

    def show_no_bots(self) -> None:
        settled = self._bridge.is_settled
        self.setCurrentWidget(self._no_bots if settled else self._waiting)

    def show_first_bot_soon(self) -> None:
        """One turn of the loop later, so that the window is painted before charts are made."""
        if self.isVisible():
            QTimer.singleShot(0, self._show_first_bot)

    def _show_first_bot(self) -> None:
        if self._bridge.bots and self.current not in (*self._bridge.bots, *self.pages):
            bot_id, link = next(iter(self._bridge.bots.items()))
            if link.latest.scan is None and load_chart_part():
                self.show_first_bot_soon()
            else:
                self.show_bot(bot_id)

    def tell_start(self, *, failed: bool) -> None:
        """What stands where the charts will be."""
        waiting = ("Engine not running", "Its reason is above; charts come when it runs.")
        starting = ("Starting the engine", "Charts come as soon as it answers.")
        title, hint = waiting if failed else starting
        i18n.set_text(self._waiting.title, title)
        i18n.set_text(self._waiting.hint, hint)

    def tick(self) -> None:
        """Prices grow old in every tab that is seen."""
        for bot_id, tab in self.tabs.items():
            if bot_id == self.current or bot_id in self.windows or getattr(tab, "is_seen", False):
                tab.tick()


def title_of(bridge: Bridge, link: BotLink) -> str:
    """`BTCUSDT · main · PAPER`: what a window is named after; a bot's own name where it has
    one."""
    bot = link.latest
    account = bridge.account(bot.account)
    mode = account.mode.value.upper() if account is not None else ""
    parts = [bot.title, bot.symbol if bot.symbol != bot.title else "", bot.account, mode]
    return " · ".join(part for part in parts if part)


def load_chart_part() -> bool:
    """Import one more of the libraries that charts need: in one piece they would hold the window
    up for a third of a second. Whether there was one left."""
    part = next((name for name in _CHART_PARTS if name not in sys.modules), None)
    if part is not None:
        import_module(part)
    return part is not None


def _make_tab(bridge: Bridge, bot: BotLink, recalled: LastChart | None) -> Any:
    if bot.latest.scan is None:
        from ui.tabs.bot_tab import BotTab

        return BotTab(bridge, bot, recalled)
    from ui.tabs.multi_tab import MultiTab

    return MultiTab(bridge, bot)
