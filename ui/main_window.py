"""The window: app bar, bands, bots and watchlist, the tabs, status bar, toasts.

It only arranges. What a panel shows comes to it from the bridge, which tab is in front is the
stack's business; the window adds what fits at this size, and the questions before it closes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QCloseEvent, QKeyEvent, QResizeEvent, QShowEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from core.commands import CommandResult
from core.snapshots import (
    AccountMode,
    BotSnapshot,
    EngineSnapshot,
    PositionSnapshot,
)
from ui import i18n, leaving, preferences, setting_rows, shortcuts, table_memory, tasks, zones
from ui.alert_centre import AlertCentre
from ui.announcer import Announcer
from ui.bridge import Bridge, LinkState
from ui.crash_mark import CrashMark
from ui.dialogs import questions
from ui.i18n import tr
from ui.last_chart import LastChart
from ui.order_actions import OrderActions
from ui.settings import ScreenSettings
from ui.sounds import Sounds
from ui.tab_stack import TabStack, title_of
from ui.tab_window import fit
from ui.tabs import PAGES
from ui.widgets.app_bar import AppBar
from ui.widgets.attention_band import AttentionBand
from ui.widgets.bands import CrashBand, EngineBand, KillBand
from ui.widgets.basic import GUTTER, Veil
from ui.widgets.bots_list import BotsList
from ui.widgets.left_column import LeftColumn
from ui.widgets.status_bar import StatusBar
from ui.widgets.toasts import Toaster
from ui.widgets.watchlist import Watchlist
from ui.window_openings import WindowOpenings
from ui.workspace_desk import WorkspaceDesk

if TYPE_CHECKING:
    from ui.tabs.bot_tab import BotTab
    from ui.tabs.multi_tab import MultiTab

PROGRAM = "TwinStar Quantum"
DEFAULT_SIZE = QSize(1600, 940)
_NARROW_WIDTH, _NARROW_HEIGHT, _NO_RIGHT_WIDTH = 1560, 900, 1180
_TICK_MS = 500
_SILENT_AFTER_S = 3.0


class MainWindow(WindowOpenings):
    """`start_engine` starts one and returns a result with the reason if it could not. `last` is
    shown, as old, until the engine's own chart is there. Attribute: accounts, who adds some.

    Signals: closing(stop_engine) when the trader has decided; chart_painted(is_live) when a
    chart stands.
    """

    closing = pyqtSignal(bool)
    chart_painted = pyqtSignal(bool)

    def __init__(
        self,
        bridge: Bridge,
        settings: ScreenSettings,
        start_engine: Callable[[], Awaitable[CommandResult | None]],
        last: LastChart | None = None,
    ) -> None:
        super().__init__()
        self.bridge, self.settings = bridge, settings
        self._start_engine = start_engine
        if last is not None:
            bridge.recall(last.bot, last.instrument)
        self._narrow: bool | None = None
        self._may_close = self._has_left = False
        self._start_problem = ""
        self.setWindowTitle(PROGRAM)
        self.setMinimumSize(960, 640)
        setting_rows.recall(settings)
        table_memory.load(settings.folder)
        self._build(last)
        self._connect()
        self._add_shortcuts()
        self._restore_geometry()
        self._tick_timer = QTimer(self)
        self._tick_timer.timeout.connect(self._tick)
        self._tick_timer.start(_TICK_MS)
        if bridge.snapshot is not None:
            self._take(bridge.snapshot)
        self.tab_stack.show_bots()

    # Building

    def _build(self, last: LastChart | None) -> None:
        bridge = self.bridge
        self.live_line = QFrame()
        self.live_line.setProperty("role", "live_line")
        self.live_line.hide()
        self.app_bar = AppBar(bridge, [page.title for page in PAGES])
        self.order_actions = OrderActions(bridge, lambda: self)
        self.kill_band = KillBand(self._resume, self._flatten)
        self.engine_band = EngineBand(self._restart_engine)
        self.attention = AttentionBand(bridge)
        self.bots = BotsList(bridge)
        self.watchlist = Watchlist(bridge)
        self.status = StatusBar(bridge)
        self.tab_stack = TabStack(bridge, last)
        self._body = QWidget()
        self._body_line = QHBoxLayout(self._body)
        self._body_line.setContentsMargins(GUTTER, 0, GUTTER, GUTTER)
        self._body_line.setSpacing(GUTTER)
        self.left = LeftColumn(self._body, self._body_line, self.bots, self.watchlist)
        self._body_line.addWidget(self.tab_stack, 1)
        central = QWidget()
        central.setProperty("role", "window")
        outer = QVBoxLayout(central)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        self._crash_mark = CrashMark(self.settings.folder / "run")
        self.crash_band = CrashBand(self._reset_layout, lambda: _open_logs(bridge))
        self.crash_band.setVisible(self._crash_mark.was_crash)
        bands = (self.kill_band, self.engine_band, self.crash_band, self.attention)
        for part in (self.live_line, self.app_bar, *bands):
            outer.addWidget(part)
        outer.addWidget(self._body, 1)
        outer.addWidget(self.status)
        self.setCentralWidget(central)
        self._veil = Veil(self._body)
        self.toaster = Toaster(self, bottom=38)
        self.announcer = Announcer(
            bridge,
            self.toaster,
            show_bot=self.show_bot,
            show_trail=self.show_trail,
            in_front=lambda: self.tab_stack.current,
        )
        self.alert_centre = AlertCentre(self, bridge, Sounds(self.settings), self.open_symbol)
        self.workspaces = WorkspaceDesk(self)
        central.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        central.setFocus()

    def _connect(self) -> None:
        bridge = self.bridge
        bridge.snapshot_changed.connect(self._take)
        bridge.state_changed.connect(self._take_link_state)
        self.tab_stack.came.connect(self._take_front)
        self.tab_stack.tab_made.connect(self._wire_tab)
        self.tab_stack.page_made.connect(self._wire_page)
        self.tab_stack.chart_painted.connect(self.chart_painted)
        self.tab_stack.add_wanted.connect(self.add_bot)
        i18n.language.changed.connect(self._retranslate)
        self.app_bar.bot_chosen.connect(self.show_bot)
        self.app_bar.page_chosen.connect(self.show_page)
        self.app_bar.add_wanted.connect(self.add_bot)
        self.app_bar.settings_wanted.connect(self.open_settings)
        preferences.changed.connect(self._show_preferences)
        self._show_preferences()
        self.app_bar.alerts_wanted.connect(self.alert_centre.open_list)
        self.status.mute.clicked.connect(self.alert_centre.toggle_mute)
        self.alert_centre.sounds.mute_changed.connect(self.status.show_muted)
        self.status.show_muted(self.alert_centre.sounds.is_muted)
        self.app_bar.palette_wanted.connect(self.open_palette)
        self.app_bar.layout_wanted.connect(self._open_layouts)
        self.app_bar.tab_menu_wanted.connect(self.workspaces.open_tab_menu)
        self.app_bar.drawer_wanted.connect(self.toggle_left)
        self.bots.chosen.connect(self.show_bot)
        self.bots.add_wanted.connect(self.add_bot)
        self.watchlist.chosen.connect(self.open_symbol)

    def _add_shortcuts(self) -> None:
        shortcuts.load(self.settings.folder)
        shortcuts.bind("kill", self, self.app_bar.kill.press_by_key, everywhere=True)
        for name, do in (
            ("left", self.toggle_left),
            ("right", self.toggle_right),
            ("full_screen", self.toggle_full_screen),
            ("next_bot", self.tab_stack.show_next_bot),
            ("palette", self.open_palette),
            ("shortcuts", self.open_shortcuts),
            ("settings", self.open_settings),
            ("hide_balances", self.toggle_balances),
            ("log", self.open_log),
        ):
            shortcuts.bind(name, self, do)

    # Which tab is in front

    @property
    def _tabs(self) -> dict[str, BotTab | MultiTab]:
        return self.tab_stack.tabs

    @property
    def _current(self) -> str:
        return self.tab_stack.current

    def show_bot(self, bot_id: str) -> None:
        """Bring a bot's tab to the front."""
        self.tab_stack.show_bot(bot_id)

    def show_page(self, title: str) -> None:
        """Bring one of `PAGES` to the front."""
        self.tab_stack.show_page(title)

    def show_trail(self, client_order_id: str) -> None:
        """Why an order was made, and what came of it."""
        self.tab_stack.show_trail(client_order_id)

    def show_moment(self, bot_id: str, symbol: str, time_ms: int) -> None:
        """The chart of this bot, or of another that follows the symbol, at ms UTC."""
        if not self.tab_stack.show_moment(bot_id, symbol, time_ms):
            text = f"No bot follows {symbol}. Add one to see its chart."
            self.announcer.tell_refusal(text)

    def last_chart(self) -> LastChart | None:
        """The chart of the bot that was in front last; None while it is not live."""
        return self.tab_stack.last_chart()

    def _wire_tab(self, bot_id: str, tab: Any) -> None:
        tab.trail_wanted.connect(self.show_trail)
        if self.bridge.bots[bot_id].latest.scan is None:
            tab.alert_wanted.connect(self.alert_centre.ask_alert)
            tab.chart.symbol_search_wanted.connect(self.search)
        else:
            tab.symbol_wanted.connect(self.open_symbol)
            tab.signal_came.connect(lambda: self.alert_centre.sounds.hear("signal"))

    def _wire_page(self, page: Any) -> None:
        if hasattr(page, "bot_wanted"):
            page.bot_wanted.connect(self.show_bot)
        if hasattr(page, "moment_wanted"):
            page.moment_wanted.connect(self.show_moment)
        if hasattr(page, "trail_wanted"):
            page.trail_wanted.connect(self.show_trail)
        if hasattr(page, "alert_wanted"):
            page.alert_wanted.connect(self.alert_centre.ask_alert)

    def _take_front(self, name: str) -> None:
        shown = self._tabs.get(name) or self.tab_stack.pages.get(name)
        if shown is not None and name not in self.tab_stack.windows:
            self._fit(shown)
        self.app_bar.select(name)
        link = self.bridge.bots.get(name)
        if link is not None:
            self.bots.select(name)
            self.watchlist.select(link.latest.symbol)
        self._show_title()
        self._arrange_left()

    def _show_title(self) -> None:
        """Account, mode and symbol, or the page."""
        link = self.bridge.bots.get(self._current)
        named = title_of(self.bridge, link) if link is not None else tr(self._current)
        whole = f"{named} · {PROGRAM}" if named else PROGRAM
        if self.windowTitle() != whole:
            self.setWindowTitle(whole)
        self.tab_stack.title_windows()

    def open_symbol(self, symbol: str) -> None:
        for bot_id, link in self.bridge.bots.items():
            if link.latest.symbol == symbol:
                self.show_bot(bot_id)
                return
        self.add_bot(symbol)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self.tab_stack.show_first_bot_soon()

    # What fits at this size

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        narrow = self.width() < _NARROW_WIDTH or self.height() < _NARROW_HEIGHT
        if narrow != self._narrow:
            self._narrow = narrow
            self.app_bar.set_narrow(narrow)
            self.status.set_narrow(narrow)
        shown = self.tab_stack.currentWidget()
        if shown is not None:
            self._fit(shown)
        self._arrange_left()
        if self._veil.isVisible():
            self._veil.cover()

    def _fit(self, widget: QWidget) -> None:
        fit(widget, narrow=bool(self._narrow), has_side=self.width() >= _NO_RIGHT_WIDTH)

    def _arrange_left(self) -> None:
        self.left.place(narrow=bool(self._narrow), on_page=self._current in self.tab_stack.pages)

    def toggle_left(self) -> None:
        """Ctrl+B: bots and watchlist."""
        if self._current not in self.tab_stack.pages:
            self.left.setVisible(not self.left.isVisible())

    def toggle_right(self) -> None:
        """F9: the right column of a bot's tab."""
        tab = self._tabs.get(self._current)
        if tab is not None:
            tab.set_right_shown(not tab.is_right_shown)

    def toggle_full_screen(self) -> None:
        """F11."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Space starts or pauses the bot in front, where nothing that has the focus takes it."""
        tab = self._tabs.get(self._current)
        if event is not None and event.key() == Qt.Key.Key_Space and tab is not None:
            if not event.isAutoRepeat():
                tab.header.start_or_pause()
        else:
            super().keyPressEvent(event)

    # What the engine says

    def _retranslate(self, _language: str) -> None:
        self._show_title()
        self.bridge.repeat()
        self._show_engine_band()

    def _show_engine_band(self) -> None:
        if self._start_problem:
            self.engine_band.show_start_failed(self._start_problem)
        elif self.bridge.link.state is LinkState.LOST:
            self.engine_band.show_lost(self.bridge.link.reason)

    def _take(self, snapshot: EngineSnapshot) -> None:
        mode = self.bridge.mode()
        preferences.set_account_zone(zones.of_first(snapshot.accounts))
        self.app_bar.show_mode(mode)
        self.live_line.setVisible(mode is AccountMode.LIVE)
        self.kill_band.show_risk(snapshot.risk, bool(snapshot.positions))
        self._show_title()
        if not self.bridge.bots and not self._current:
            self.tab_stack.show_no_bots()

    def _take_link_state(self, state: LinkState) -> None:
        self._start_problem = ""
        self._tell_start(failed=False)
        if state is LinkState.LOST:
            self._show_engine_band()
            self._veil.cover()
        else:
            self.engine_band.hide()
            self._veil.hide()

    def show_start_problem(self, text: str) -> None:
        """The engine could not be started: its own sentence, with a way to try again."""
        self._start_problem = text
        self._show_engine_band()
        self._tell_start(failed=True)

    def _tell_start(self, *, failed: bool) -> None:
        """What stands where the charts will be, and beside "Engine" in the status bar."""
        self.status.has_start_failed = failed
        self.status.tick()
        self.tab_stack.tell_start(failed=failed)

    def _tick(self) -> None:
        self.status.tick()
        self.app_bar.kill.disarm_if_late()
        self.tab_stack.tick()
        if self.bridge.is_attached:
            silence_s = self.bridge.link.silence_s()
            if silence_s > _SILENT_AFTER_S:
                self.engine_band.show_silent(silence_s)
            elif not self._start_problem:
                self.engine_band.hide()

    # What the trader wants

    async def _resume(self) -> CommandResult | None:
        if await questions.resume_trading(self).ask() != questions.GO:
            return None
        return await self.bridge.resume_trading()

    async def _flatten(self) -> CommandResult | None:
        """After the kill switch: a second, typed step."""
        held = self.bridge.snapshot.positions if self.bridge.snapshot else []
        if await questions.flatten(self, held).ask() == questions.GO:
            await self.order_actions.cancel_and_close_now([], held)
        return None  # what came of it is told where it was asked

    async def _restart_engine(self) -> CommandResult | None:
        self._tell_start(failed=False)
        return await self._start_engine()

    def _reset_layout(self) -> None:
        self.workspaces.restore_default()
        self.restore_window()

    def _show_preferences(self) -> None:
        self.app_bar.fewer_questions.setVisible(preferences.current().asks_less)

    def open_palette(self) -> None:
        """Everything that can be shown or done, by a few letters of its name."""
        self.search("")

    def search(self, begun: str) -> None:
        """The palette, with the letters that were typed where nothing takes them."""
        from ui.dialogs.palette import Palette  # not for the first paint
        from ui.palette_entries import entries_of

        palette = Palette(self, entries_of(self))
        palette.field.setText(begun)
        palette.open()

    # Coming and going

    def closeEvent(self, event: QCloseEvent | None) -> None:
        if event is None:
            return
        running = leaving.running_bots(self.bridge) if self.is_engine_ours else []
        held = leaving.open_positions(self.bridge) if self.is_engine_ours else []
        if self._may_close or not (running or held):
            event.accept()
            self._leave(stop_engine=self.is_engine_ours and not self._may_close)
            return
        event.ignore()
        tasks.spawn(self._ask_and_close(running, held))

    @property
    def is_engine_ours(self) -> bool:
        """Whether the engine ends with this window, unless the trader says otherwise."""
        return leaving.is_engine_ours(self.bridge, self.settings)

    async def _ask_and_close(
        self, running: list[BotSnapshot], held: list[PositionSnapshot]
    ) -> None:
        answer = await questions.close_window(self, self.bridge, running, held).ask()
        if answer == questions.CANCELLED:
            return
        self._may_close = True
        self._leave(stop_engine=answer == questions.CLOSE)
        self.close()

    def _leave(self, stop_engine: bool) -> None:
        self.settings.window_geometry = self.saveGeometry()
        self.workspaces.save()
        self.settings.save()
        if not self._has_left:
            self._has_left = True
            self._crash_mark.remove()
            self.closing.emit(stop_engine)

    def mark_end(self) -> None:
        """The process ends in order, whoever has asked for it: the next window is told of no
        crash."""
        self._crash_mark.remove()

    def _restore_geometry(self) -> None:
        geometry = self.settings.window_geometry
        if geometry is None or not self.restoreGeometry(geometry):
            self.restore_window()

    def restore_window(self) -> None:
        """To its default size and state."""
        screen = self.screen()
        room = screen.availableSize() if screen is not None else DEFAULT_SIZE
        self.setWindowState(Qt.WindowState.WindowNoState)
        self.resize(DEFAULT_SIZE.boundedTo(room).expandedTo(self.minimumSize()))


def _open_logs(bridge: Bridge) -> None:
    from ui.widgets.log_panel import open_folder  # after a crash alone

    open_folder(bridge.data_dir)
