"""Why an order was made, step by step, and what came of it."""

from __future__ import annotations

from PyQt6 import sip
from PyQt6.QtCore import Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QGuiApplication, QShowEvent
from PyQt6.QtWidgets import QFrame, QGridLayout, QScrollArea, QStackedWidget, QWidget

from core.commands import CommandResult
from core.models.candles import Timeframe
from core.models.orders import Order
from core.snapshots import FeedItem, FillRecord, OrderRecord, TrailLine
from ui import export, formatting, i18n, shortcuts, tasks
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import words
from ui.models.decisions import heading, outcome
from ui.models.trail import Trail, as_text, lasting, read_trail
from ui.widgets.basic import GUTTER, EmptyState, Panel, column, label, row, rule, show_value
from ui.widgets.decision_list import DecisionList
from ui.widgets.trail_after import TrailAfter
from ui.widgets.trail_evidence import TrailEvidence
from ui.widgets.trail_steps import TrailSteps

_LIST_WIDE, _LIST_NARROW, _EVIDENCE_WIDE, _EVIDENCE_HEIGHT = 332, 300, 532, 288
_AFTER_HEIGHT, _UNBOUND = 168, 16_777_215
_BARS, _BARS_AFTER = 140, 12
_PATIENCE_MS = 150  # as long as a former order may stand there while another is on its way


class TrailPage(QWidget):
    """`show_order` brings one up. Signal: bot_wanted(bot_id): its chart."""

    bot_wanted = pyqtSignal(str)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._order_id, self._is_unknown = "", False
        self._lines: list[TrailLine] = []
        self._trail: Trail | None = None
        self._has_candles = False
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(_PATIENCE_MS)
        self._late.timeout.connect(self._show_waiting)
        self.list = DecisionList(bridge)
        self._title, self._what = label("figure"), label("label")
        self._total, self._span = label("figure"), label("label")
        self.steps = TrailSteps()
        self.after = TrailAfter(bridge)
        self.evidence = TrailEvidence(bridge)
        self._pages = QStackedWidget()
        self._nothing = EmptyState("list", "No order chosen", "Choose one on the left.")
        self._lay_out()
        self.list.chosen.connect(self.show_order)
        self.evidence.copy_wanted.connect(self.copy)
        self.evidence.export_wanted.connect(self._export)
        self.evidence.chart_wanted.connect(self._open_chart)
        shortcuts.bind("copy_trail", self, self.copy)
        bridge.feed_reset.connect(self._take_anew)
        bridge.feed_items.connect(self._take_items)
        bridge.snapshot_changed.connect(lambda _snapshot: self._show_after())
        i18n.language.changed.connect(self._retranslate)

    def _lay_out(self) -> None:
        left = column(self._title, self._what, spacing=4)
        right = column(spacing=4)
        end = Qt.AlignmentFlag.AlignRight
        right.addWidget(self._total, 0, end)
        right.addWidget(self._span, 0, end)
        head = row(spacing=16)
        head.addLayout(left, 1)
        head.addLayout(right)
        head.setContentsMargins(16, 14, 24, 12)
        self._scroll = QScrollArea()
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._scroll.setWidget(self.steps)
        shown = QWidget()
        lines = column(spacing=0)
        lines.addLayout(head)
        lines.addWidget(rule())
        lines.addWidget(self._scroll, 1)
        shown.setLayout(lines)
        self._pages.addWidget(self._nothing)
        self._pages.addWidget(shown)
        self._panel = Panel()
        self._panel.body.addWidget(self._pages, 1)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(GUTTER)
        self.set_narrow(False)

    def set_narrow(self, narrow: bool) -> None:
        for part in (self.list, self._panel, self.after, self.evidence):
            self._grid.removeWidget(part)
        self.list.setFixedWidth(_LIST_NARROW if narrow else _LIST_WIDE)
        self.steps.set_narrow(narrow)
        self.evidence.set_narrow(narrow)
        self._grid.addWidget(self.list, 0, 0, 2, 1)
        self._grid.addWidget(self._panel, 0, 1)
        self.after.setVisible(not narrow)
        if narrow:
            self.evidence.setMinimumWidth(0)
            self.evidence.setMaximumWidth(_UNBOUND)
            self.evidence.setFixedHeight(_EVIDENCE_HEIGHT)
            self._grid.addWidget(self.evidence, 1, 1)
        else:
            self.after.setFixedHeight(_AFTER_HEIGHT)
            self.evidence.setMinimumHeight(0)
            self.evidence.setMaximumHeight(_UNBOUND)
            self.evidence.setFixedWidth(_EVIDENCE_WIDE)
            self._grid.addWidget(self.after, 1, 1)
            self._grid.addWidget(self.evidence, 0, 2, 2, 1)
        self._grid.setColumnStretch(1, 1)
        self._grid.setRowStretch(0, 1)

    # Which order

    @property
    def trail(self) -> Trail | None:
        """What is shown; None while there is none."""
        return self._trail

    def show_order(self, client_order_id: str) -> None:
        """Ask for an order's trail and show it."""
        if client_order_id == self._order_id and not self._is_unknown:
            return
        self._order_id, self._is_unknown = client_order_id, False
        self._trail, self._lines, self._has_candles = None, [], False
        self.list.select(client_order_id)
        self._late.start()
        tasks.spawn(self._load(client_order_id, with_candles=True))

    async def _load(self, client_order_id: str, *, with_candles: bool) -> None:
        result = await self._bridge.orders.trail(client_order_id)
        if sip.isdeleted(self) or client_order_id != self._order_id:
            return
        if not result.ok or result.trail is None:
            self._show_problem(result.text)
            return
        self._lines = result.trail
        self._show_lines()
        if with_candles:
            await self._load_candles(client_order_id)

    async def _load_candles(self, client_order_id: str) -> None:
        order, bot = self._order(), None
        if order is not None:
            bot = self._bridge.bots.get(order.bot_id)
        if order is None or bot is None or self._trail is None or self._trail.decided_ms is None:
            self._has_candles = True
            self.evidence.show_no_candles(tr("No candle decided this order."))
            return
        timeframe, decided_ms = bot.latest.timeframe, self._trail.decided_ms
        end_ms = decided_ms + _BARS_AFTER * Timeframe(timeframe).duration_ms
        block, refusal = await self._bridge.data.candles(order.symbol, timeframe, _BARS, end_ms)
        if sip.isdeleted(self) or client_order_id != self._order_id:
            return
        self._has_candles = True
        if block is None or block.rows == 0:
            self.evidence.show_no_candles(sentence(refusal))
        else:
            self.evidence.show_candles(order, timeframe, block, decided_ms)

    def _order(self) -> Order | None:
        known = self._bridge.order_history()
        return next((o for o in known if o.client_order_id == self._order_id), None)

    # What is shown

    def _show_waiting(self) -> None:
        """What is on its way for long: nothing of a former order stands under another's name."""
        if self._trail is None and not self._is_unknown:
            self._show_head(self._order())
            self.steps.show_trail(None)
            self.evidence.show_trail(None)
            for shown in (self._total, self._span):
                show_value(shown, "")
            self._show_after()
        if not self._has_candles:
            self.evidence.show_loading()

    def _show_head(self, order: Order | None) -> None:
        self._pages.setCurrentIndex(1)
        show_value(self._title, tr("Why: {order}", order=self._heading(order)))
        show_value(self._what, self._sub_heading(order))

    def _show_problem(self, text: str) -> None:
        self._is_unknown = self._has_candles = True
        self._nothing.title.setProperty("trText", None)
        self._nothing.title.setText(sentence(text) or tr("The trail cannot be read"))
        self._nothing.hint.hide()
        self._pages.setCurrentIndex(0)
        self.evidence.show_trail(None)
        self.evidence.show_no_candles("")
        self.after.show_order(None)

    def _show_lines(self) -> None:
        snapshot, order = self._bridge.snapshot, self._order()
        rate = snapshot.clock_rate if snapshot is not None else 1.0
        self._trail = read_trail(self._order_id, self._lines, rate)
        self.steps.show_trail(self._trail)
        self.evidence.show_trail(self._trail)
        self._show_head(order)
        show_value(self._total, lasting(self._trail.total_ms))
        is_filled = order is not None and order.filled_quantity > 0
        show_value(self._span, tr("first step to fill") if is_filled else tr("first step to last"))
        self._show_after()

    def _heading(self, order: Order | None) -> str:
        return heading(self._bridge, order) if order is not None else self._order_id

    def _sub_heading(self, order: Order | None) -> str:
        if order is None:
            return ""
        bot = self._bridge.bots.get(order.bot_id)
        account = self._bridge.account(order.account)
        parts = [
            f"{bot.latest.kind} · {bot.latest.strategy}, {bot.latest.timeframe}" if bot else "",
            words.exchange_name(account.exchange) if account else order.account,
            formatting.stamp(order.created_ms),
            outcome(self._bridge, order),
        ]
        return " · ".join(part for part in parts if part)

    def _show_after(self) -> None:
        if self.isVisible():
            trail = self._trail
            stop = trail.stop_price if trail is not None else None
            self.after.show_order(None if self._is_unknown else self._order(), stop)

    def _take_anew(self) -> None:
        self.list.refresh()
        if self._order_id:
            tasks.spawn(self._load(self._order_id, with_candles=False))

    def _take_items(self, items: list[FeedItem]) -> None:
        if self.isVisible():
            self.list.refresh()
        for item in items:
            record = item.record
            changed = (
                record.order.client_order_id
                if isinstance(record, OrderRecord)
                else record.fill.client_order_id
                if isinstance(record, FillRecord)
                else ""
            )
            if changed and changed == self._order_id:
                tasks.spawn(self._load(self._order_id, with_candles=False))
                return

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self.list.refresh()
        if not self._order_id and self.list.model.rowCount():
            self.show_order(self.list.model.row_at(0).order.client_order_id)
        self._show_after()

    def _retranslate(self, _language: str) -> None:
        if self._lines:
            self._show_lines()

    # What the trader does

    def text(self) -> str:
        """The trail as text, "" without one."""
        if self._trail is None:
            return ""
        order = self._order()
        title = tr("Why: {order}", order=self._heading(order))
        return as_text(f"{title}\n{self._sub_heading(order)}".rstrip(), self._trail)

    def copy(self) -> None:
        """The whole trail to the clipboard."""
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None and self._trail is not None:
            clipboard.setText(self.text())
            tasks.tell(CommandResult(0, True, "The trail was copied."))

    def _export(self) -> None:
        if self._trail is not None:
            name = f"trail-{self._order_id}"
            export.ask_and_save_text(self.window() or self, self.text(), name)

    def _open_chart(self) -> None:
        order = self._order()
        if order is not None and order.bot_id in self._bridge.bots:
            self.bot_wanted.emit(order.bot_id)
