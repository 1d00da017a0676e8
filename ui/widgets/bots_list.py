"""The list of bots: one row of 44 px each, newest state and result."""

from __future__ import annotations

from itertools import pairwise

from PyQt6.QtCore import QPoint, Qt, pyqtSignal
from PyQt6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent
from PyQt6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from core.snapshots import BotSnapshot, BotState
from ui import formatting, theme
from ui.bot_actions import BotActions
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import words
from ui.plain import tip
from ui.shared_services import BotLink
from ui.widgets.basic import (
    GUTTER,
    ElidedLabel,
    EmptyState,
    Panel,
    StateDot,
    clear,
    column,
    label,
    row,
    show_value,
    value_label,
)
from ui.widgets.buttons import IconButton


class BotRow(QFrame):
    """Dot, symbol over kind, result over state; a click opens the bot's tab, the right button or
    the menu key what can be done with it. Signals: clicked(bot_id); menu_wanted(bot_id, where)."""

    clicked = pyqtSignal(str)
    menu_wanted = pyqtSignal(str, QPoint)

    def __init__(self, bot: BotLink) -> None:
        super().__init__()
        self.setProperty("row", "selectable")
        self.setFixedHeight(44)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._bot, self._bot_id = bot, bot.bot_id
        self._dot = StateDot()
        self._name = label("title")
        self._kind = ElidedLabel("caption")
        self._pnl = value_label()
        self._state = value_label("caption")
        outer = row(spacing=10)
        outer.setContentsMargins(9, 0, 9, 0)
        dot = column(self._dot, None)
        dot.setContentsMargins(0, 10, 0, 0)
        outer.addLayout(dot)
        left = column(None, self._name, self._kind, None, spacing=2)
        outer.addLayout(left, 1)
        outer.addLayout(column(None, self._pnl, self._state, None, spacing=2))
        self.setLayout(outer)
        bot.changed.connect(self.show_bot)
        self.show_bot(bot.latest)

    def show_bot(self, bot: BotSnapshot) -> None:
        show_value(self._name, bot.title)
        self._kind.show_text(_kind_text(bot))
        if self._bot.is_old:
            self._dot.show_state("unknown")
            show_value(self._pnl, formatting.UNKNOWN, "t3")
            show_value(self._state, tr("Connecting"), "t3")
            return
        self._dot.show_state(bot.state.value)
        known = formatting.money(bot.realized_pnl, sign=True)
        show_value(self._pnl, known, words.tone_of(bot.realized_pnl))
        failed = bot.state is BotState.ERROR
        show_value(self._state, tr(words.BOT_STATES[bot.state]), "danger" if failed else "t3")
        self.setToolTip(tip(sentence(bot.state_text)))
        self.setAccessibleName(f"{bot.title} {bot.kind} {tr(words.BOT_STATES[bot.state])}")

    def set_selected(self, selected: bool) -> None:
        theme.set_property(self, "selected", "true" if selected else "false")

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        if event is not None and event.button() is Qt.MouseButton.LeftButton:
            self.clicked.emit(self._bot_id)

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:
        if event is not None:
            self.menu_wanted.emit(self._bot_id, event.globalPos())

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Space):
            self.clicked.emit(self._bot_id)
        else:
            super().keyPressEvent(event)


def _kind_text(bot: BotSnapshot) -> str:
    """`MultiTrader · SOLUSDT`: what it is, and what is not its title: the trader's own name of a
    bot of one symbol, what a scanning one holds."""
    if bot.scan is not None:
        held = ", ".join(bot.scan.position_symbols)
        return f"{bot.kind} · {held or bot.timeframe}"
    own = bot.name if bot.name not in ("", bot.bot_id) else ""
    return " · ".join(part for part in (own, bot.kind, bot.timeframe) if part)


class BotsList(Panel):
    """Signals: chosen(bot_id), add_wanted()."""

    chosen = pyqtSignal(str)
    add_wanted = pyqtSignal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Bots")
        self._bridge = bridge
        self._rows: dict[str, BotRow] = {}
        self._selected = ""
        self._actions = BotActions(bridge, lambda: self.window() or self)
        add = IconButton("plus", "Add a bot")
        add.clicked.connect(self.add_wanted)
        self._add = add
        self.head.addWidget(add)
        inner = QWidget()
        inner.setProperty("role", "page")
        self._list = QVBoxLayout(inner)
        self._list.setContentsMargins(GUTTER, 0, GUTTER, GUTTER)
        self._list.setSpacing(0)
        self._list.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(inner)
        self._empty = EmptyState("layers", "No bots", "Add a bot with the plus above.")
        self.body.addWidget(self._scroll, 1)
        self.body.addWidget(self._empty, 1)
        bridge.bots_changed.connect(self._rebuild)
        bridge.snapshot_changed.connect(self._show_emptiness)
        self._rebuild()

    def select(self, bot_id: str) -> None:
        self._selected = bot_id
        for known, shown in self._rows.items():
            shown.set_selected(known == bot_id)

    def _rebuild(self) -> None:
        clear(self._list)
        self._rows = {}
        for bot_id, link in self._bridge.bots.items():
            shown = BotRow(link)
            shown.clicked.connect(self.chosen)
            shown.menu_wanted.connect(self._open_menu)
            self._list.addWidget(shown)
            self._rows[bot_id] = shown
        for one, following in pairwise((self._add, *self._rows.values())):
            self.setTabOrder(one, following)
        self._scroll.setVisible(bool(self._rows))
        self._show_emptiness()
        self.select(self._selected)

    def _open_menu(self, bot_id: str, where: QPoint) -> None:
        link = self._bridge.bots.get(bot_id)
        if link is not None and self._bridge.is_attached:
            self._actions.menu(link, self).popup(where)

    def _show_emptiness(self) -> None:
        """Only an engine that has reconciled can say that there are none."""
        self._empty.setVisible(not self._rows and self._bridge.is_settled)
