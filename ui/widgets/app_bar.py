"""The bar on top of every tab: bots, pages, mode badge, kill switch. Nothing here ever moves."""

from __future__ import annotations

import time
from itertools import pairwise

from PyQt6 import sip
from PyQt6.QtCore import QPoint, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QKeySequence, QMouseEvent, QPainter, QPaintEvent, QWheelEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QSizePolicy, QWidget

from core.commands import CommandResult
from core.snapshots import AccountMode, BotSnapshot
from ui import fonts, i18n, shortcuts, theme
from ui.bridge import Bridge
from ui.i18n import tr
from ui.plain import tip
from ui.shared_services import BotLink
from ui.widgets.basic import Divider, ThemedIcon, label, row, show_plate
from ui.widgets.buttons import ActionButton, IconButton

_ARM_S = 1.0


class TabPlate(QPushButton):
    """One bot or page: an e1 plate when current, a state dot in front of a bot."""

    def __init__(self, text: str, bot: BotLink | None = None) -> None:
        super().__init__()
        self.setCheckable(True)
        self.setAutoExclusive(False)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(32)
        self._state = ""
        if bot is None:
            i18n.set_text(self, text)
        else:
            self._bot = bot
            self._show_name(text)
            bot.changed.connect(self._show_bot)
            self._show_bot(bot.latest)

    def _show_name(self, name: str) -> None:
        """As it stands: it is painted here, and an "&" in it makes no key."""
        self.setText(name)
        self.setShortcut(QKeySequence())

    def _show_bot(self, bot: BotSnapshot) -> None:
        if bot.title != self.text():  # it was renamed
            self._show_name(bot.title)
            self.updateGeometry()
        state = "unknown" if self._bot.is_old else bot.state.value
        if state != self._state:
            self._state = state
            self.update()

    def sizeHint(self) -> QSize:
        width = fonts.metrics(13, 600).horizontalAdvance(self.text())
        return QSize(round(width) + 28 + (16 if self._state else 0), 32)

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(self.rect())
        painter.setPen(Qt.PenStyle.NoPen)
        if self.isChecked():
            painter.setBrush(theme.color("e1"))
            painter.drawRoundedRect(area, 6, 6)
        elif self.underMouse():
            painter.setBrush(theme.color("t1", 0.06))
            painter.drawRoundedRect(area, 6, 6)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(theme.color("accent"))
            painter.drawRoundedRect(area.adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        x = 14.0
        if self._state:
            _paint_dot(painter, QRectF(x, area.center().y() - 3.5, 7, 7), self._state)
            x += 16
        weight = 600 if self.isChecked() else 500
        painter.setFont(theme.font(13, weight))
        painter.setPen(theme.color("t1" if self.isChecked() or self.underMouse() else "t2"))
        painter.drawText(round(x), fonts.baseline(area.center().y(), 13, weight), self.text())

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        super().mouseReleaseEvent(event)
        self.update()


def _paint_dot(painter: QPainter, area: QRectF, state: str) -> None:
    if state in ("running", "error"):
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("danger" if state == "error" else "accent"))
        painter.drawEllipse(area)
        return
    pen = painter.pen()
    pen.setStyle(Qt.PenStyle.SolidLine)
    pen.setColor(theme.color("t3"))
    pen.setWidthF(1.5)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawEllipse(area.adjusted(0.5, 0.5, -0.5, -0.5))


class KillButton(ActionButton):
    """Stops everything by one click, or by its shortcut twice within a second."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Kill switch", self._kill, kind="danger", icon="power", color="danger")
        self._bridge = bridge
        self._armed_at_s: float | None = None
        self.setObjectName("kill_switch")
        self.set_hint("Stops every bot and cancels every order except protective stops")
        self.setFixedSize(118, 28)

    def press_by_key(self) -> None:
        """First press arms for one second, the second one within it stops."""
        now_s = time.monotonic()
        if self._armed_at_s is not None and now_s - self._armed_at_s <= _ARM_S:
            self.disarm()
            self.click()
            return
        self._armed_at_s = now_s
        self.setText(tr("Press again"))
        theme.set_property(self, "armed", "true")

    def disarm_if_late(self) -> None:
        if self._armed_at_s is not None and time.monotonic() - self._armed_at_s > _ARM_S:
            self.disarm()

    def disarm(self) -> None:
        self._armed_at_s = None
        theme.set_property(self, "armed", "false")
        if not self.is_busy:
            self.setText(tr("Kill switch"))

    async def _kill(self) -> CommandResult | None:
        self.setText(tr("Stopping…"))
        theme.set_property(self, "kind", "danger_filled")
        self.show_icon("power", "#FFFFFF")
        try:
            return await self._bridge.kill_switch()
        finally:
            if not sip.isdeleted(self):  # the window may close before the answer is there
                theme.set_property(self, "kind", "danger")
                self.show_icon("power", "danger")


class _PlateStrip(QScrollArea):
    """As wide as its plates while there is room, then it scrolls."""

    def __init__(self) -> None:
        super().__init__()
        self._width = 0
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def set_content_width(self, width: int) -> None:
        self._width = width
        self.setMaximumWidth(max(width, 1))
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        return QSize(self._width, 32)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        bar = self.horizontalScrollBar()
        if event is not None and bar is not None:
            bar.setValue(bar.value() - event.angleDelta().y() // 2)


class PaletteButton(QPushButton):
    """A field that is a button: it opens the palette. Narrow, it shows its keys alone."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("kind", "palette")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._keys = label("caption")
        self._word = label("label", "Search or run")
        self._icon = ThemedIcon("search", "t3")
        inside = row(self._icon, self._word, None, self._keys, spacing=8)
        inside.setContentsMargins(10, 0, 10, 0)
        self.setLayout(inside)
        i18n.set_tool_tip(self, "Search or run")
        self.set_narrow(False)

    def set_narrow(self, narrow: bool) -> None:
        self._word.setVisible(not narrow)
        self._keys.setText(shortcuts.keys_of("palette").replace("+", " "))
        self.setFixedWidth(86 if narrow else 232)


class AppBar(QFrame):
    """44 px. Signals: bot_chosen(bot_id), page_chosen(name), add_wanted(), settings_wanted(),
    drawer_wanted(), palette_wanted(), layout_wanted(), tab_menu_wanted(bot_id, global position)."""

    bot_chosen = pyqtSignal(str)
    page_chosen = pyqtSignal(str)
    add_wanted = pyqtSignal()
    settings_wanted = pyqtSignal()
    drawer_wanted = pyqtSignal()
    alerts_wanted = pyqtSignal()
    palette_wanted = pyqtSignal()
    layout_wanted = pyqtSignal()
    tab_menu_wanted = pyqtSignal(str, QPoint)

    def __init__(self, bridge: Bridge, pages: list[str]) -> None:
        super().__init__()
        self.setProperty("role", "bar")
        self.setFixedHeight(44)
        self._bridge = bridge
        self._bots: dict[str, TabPlate] = {}
        self._current = ""
        self._drawer = IconButton("panel-left", "Bots and watchlist (Ctrl+B)")
        self._drawer.clicked.connect(self.drawer_wanted)
        self._drawer.hide()
        self._name = label("title")
        self._name.setText("TwinStar Quantum")
        self._bot_row = row(spacing=4)
        plates = QWidget()
        plates.setProperty("role", "page")
        plates.setLayout(self._bot_row)
        self._scroll = _PlateStrip()
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setWidgetResizable(True)
        self._scroll.setFixedHeight(32)
        for policy in (
            self._scroll.setHorizontalScrollBarPolicy,
            self._scroll.setVerticalScrollBarPolicy,
        ):
            policy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(plates)
        self._add = IconButton("plus", "Add a bot")
        self._add.clicked.connect(self.add_wanted)
        self._pages = {name: TabPlate(name) for name in pages}
        self.search = PaletteButton()
        self.search.clicked.connect(self.palette_wanted)
        self.layouts = IconButton("layers", "Workspaces and panels")
        self.layouts.clicked.connect(self.layout_wanted)
        self.settings = IconButton("settings", "Settings")
        self.settings.clicked.connect(self.settings_wanted)
        self.bell = IconButton("bell", "Alerts")
        self.bell.clicked.connect(self.alerts_wanted)
        self.fewer_questions = IconButton(
            "triangle-alert",
            "Closing and cancelling ask no question. Press to change that.",
            "warn",
        )
        self.fewer_questions.clicked.connect(self.settings_wanted)
        self.fewer_questions.hide()
        self.badge = label("caption")
        self.badge.setObjectName("mode_badge")
        self.badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.badge.hide()
        self.kill = KillButton(bridge)
        self._lay_out()
        bridge.bots_changed.connect(self._rebuild_bots)
        self._rebuild_bots()

    def _lay_out(self) -> None:
        line = QHBoxLayout(self)
        line.setContentsMargins(12, 0, 8, 0)
        line.setSpacing(4)
        line.addWidget(ThemedIcon("sparkles", "t1", 20))
        line.addSpacing(4)
        line.addWidget(self._name)
        line.addSpacing(16)
        line.addWidget(self._drawer)
        line.addWidget(self._scroll)
        line.addWidget(self._add)
        line.addSpacing(4)
        line.addWidget(Divider())
        line.addSpacing(4)
        for name, plate in self._pages.items():
            plate.clicked.connect(lambda _checked, chosen=name: self.page_chosen.emit(chosen))
            line.addWidget(plate)
        line.addStretch(1)
        line.addWidget(self.search)
        line.addSpacing(4)
        line.addWidget(self.layouts)
        line.addWidget(self.bell)
        line.addWidget(self.settings)
        line.addSpacing(4)
        line.addWidget(self.fewer_questions)
        line.addWidget(self.badge)
        line.addSpacing(8)
        line.addWidget(self.kill)

    def set_narrow(self, narrow: bool) -> None:
        self._name.setVisible(not narrow)
        self._drawer.setVisible(narrow)
        self.search.set_narrow(narrow)

    def select(self, name: str) -> None:
        """Mark a bot (by id) or a page (by name) as current."""
        self._current = name
        for key, plate in (*self._bots.items(), *self._pages.items()):
            plate.setChecked(key == name)
        if name in self._bots:
            self._scroll.ensureWidgetVisible(self._bots[name])

    def show_mode(self, mode: AccountMode | None) -> None:
        self.badge.setVisible(mode is not None)
        if mode is not None:
            show_plate(self.badge, mode.value.upper(), "badge", mode.value)

    def _rebuild_bots(self) -> None:
        while (item := self._bot_row.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.hide()
                old.deleteLater()
        self._bots = {}
        for bot_id, link in self._bridge.bots.items():
            plate = TabPlate(link.latest.title, link)
            named = f"{link.latest.kind} · {link.latest.title} · {link.latest.timeframe}"
            plate.setToolTip(tip(named))
            plate.clicked.connect(lambda _checked, chosen=bot_id: self.bot_chosen.emit(chosen))
            plate.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
            plate.customContextMenuRequested.connect(
                lambda at, chosen=bot_id, on=plate: self.tab_menu_wanted.emit(
                    chosen, on.mapToGlobal(at)
                )
            )
            self._bot_row.addWidget(plate)
            self._bots[bot_id] = plate
        order = (self._drawer, *self._bots.values(), self._add, *self._pages.values(),
                 self.search, self.layouts, self.bell, self.settings, self.kill)  # fmt: skip
        for one, following in pairwise(order):
            self.setTabOrder(one, following)
        self._scroll.set_content_width(sum(p.sizeHint().width() + 4 for p in self._bots.values()))
        self.select(self._current)
