"""What backs a trail: the chart that the strategy saw, the risk rules as they stood, the ids."""

from __future__ import annotations

from decimal import Decimal

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QLabel, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from core.models.candles import Timeframe
from core.models.orders import Order
from core.snapshots import CandleBlock
from ui import formatting, i18n
from ui.bridge import Bridge
from ui.charts.chart_view import CandleChart
from ui.i18n import tr
from ui.models import words
from ui.models.trail import Facts, Trail, limit_words
from ui.widgets.basic import (
    GUTTER,
    INSET,
    ElidedLabel,
    LimitRow,
    Panel,
    clear,
    column,
    label,
    row,
    show_value,
)
from ui.widgets.buttons import TextButton

_SAW_HEIGHT, _RISK_HEIGHT = 464, 204
_BARS = 66
_TITLES = ("What the strategy saw", "Risk checks", "Proof")


class TrailEvidence(QWidget):
    """Three panels one under the other, or (narrow) behind three tabs. Signals: copy_wanted(),
    export_wanted(), chart_wanted()."""

    copy_wanted = pyqtSignal()
    export_wanted = pyqtSignal()
    chart_wanted = pyqtSignal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self.chart = CandleChart()
        self.chart.canvas.viewport_model.begin_with(_BARS)
        self._until = label("label")
        self._closed_ms: int | None = None
        self._checked = label("label")
        self._checks, self._checks_list = QWidget(), QVBoxLayout()
        self._proof_list = QVBoxLayout()
        self._panels = [Panel("What the strategy saw"), Panel("Risk checks"), Panel("Proof")]
        self._panels[0].head.addWidget(self._until)
        self._panels[1].head.addWidget(self._checked)
        for panel in self._panels:
            panel.head.setContentsMargins(INSET, 0, INSET, 0)
        self._contents = [self.chart, self._risk_content(), self._proof_content()]
        self._tabs, self._stack, self._small = QTabBar(), QStackedWidget(), Panel()
        self._build_tabs()
        self._outer = column(*self._panels, self._small, spacing=GUTTER)
        self._outer.setStretch(2, 1)
        self._outer.setStretch(3, 1)
        self.setLayout(self._outer)
        self._is_narrow: bool | None = None
        self.set_narrow(False)
        i18n.language.changed.connect(self._retitle)

    def _build_tabs(self) -> None:
        self._tabs.setProperty("kind", "sub")
        self._tabs.setDrawBase(False)
        self._tabs.setExpanding(False)
        self._tabs.setFixedHeight(34)
        self._tabs.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        for title in _TITLES:
            self._tabs.addTab(tr(title))
        self._tabs.currentChanged.connect(self._stack.setCurrentIndex)
        self._small.body.addWidget(self._tabs)
        self._small.body.addWidget(self._stack, 1)

    def _risk_content(self) -> QWidget:
        self._checks_list.setContentsMargins(INSET, 2, INSET, INSET)
        self._checks_list.setSpacing(8)
        outer = QVBoxLayout(self._checks)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addLayout(self._checks_list)
        outer.addStretch(1)
        return self._checks

    def _proof_content(self) -> QWidget:
        content = QWidget()
        self._proof_list.setSpacing(0)
        chart = TextButton("Open on chart", icon="chart-candlestick", color="t2")
        copy = TextButton("Copy as text", icon="copy", color="t2")
        export = TextButton("Export", icon="download", color="t2")
        chart.clicked.connect(self.chart_wanted)
        copy.clicked.connect(self.copy_wanted)
        export.clicked.connect(self.export_wanted)
        outer = QVBoxLayout(content)
        outer.setContentsMargins(INSET, 0, INSET, INSET)
        outer.addLayout(self._proof_list)
        outer.addStretch(1)
        buttons = row(spacing=8)
        for button in (chart, copy, export):
            buttons.addWidget(button, 1)
        outer.addLayout(buttons)
        return content

    def set_narrow(self, narrow: bool) -> None:
        if narrow == self._is_narrow:
            return
        self._is_narrow = narrow
        for panel, content in zip(self._panels, self._contents, strict=True):
            panel.setVisible(not narrow)
            if narrow:
                self._stack.addWidget(content)
            else:
                panel.body.addWidget(content, 1)
                content.show()
        self._panels[0].setFixedHeight(_SAW_HEIGHT)
        self._panels[1].setMinimumHeight(_RISK_HEIGHT)
        self._small.setVisible(narrow)
        if narrow:
            self._stack.setCurrentIndex(self._tabs.currentIndex())

    def show_trail(self, trail: Trail | None) -> None:
        """Checks and proof; the chart comes by `show_candles`."""
        clear(self._checks_list)
        clear(self._proof_list)
        show_value(self._checked, "")
        if trail is None:
            return
        for check in trail.checks:
            made = LimitRow()
            used, _, most = limit_words(check).partition(" / ")
            ratio = check.used / check.limit if check.limit else 0.0
            made.show_limit(tr(words.RULES.get(check.name, check.name)), used, f"/ {most}", ratio)
            self._checks_list.addWidget(made)
        if trail.checked_ms is not None:
            word = tr("passed") if trail.is_passed else tr("denied")
            text = f"{word} · {formatting.clock_ms(trail.checked_ms)}"
            show_value(self._checked, text, "t2" if trail.is_passed else "warn")
        self._show_proof(trail.evidence)

    def _show_proof(self, facts: Facts) -> None:
        for name, value in facts:
            shown = ElidedLabel("value")
            shown.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            shown.show_text(value)
            shown.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            named = QLabel(name)
            named.setTextFormat(Qt.TextFormat.PlainText)
            named.setProperty("role", "label")
            line = QWidget()
            pair = row(named, spacing=16)
            pair.addWidget(shown, 1)
            line.setLayout(pair)
            line.setFixedHeight(26)
            self._proof_list.addWidget(line)

    def show_loading(self) -> None:
        self.chart.set_instrument(2, Decimal("0.01"), "", "1m", "")  # not another order's bars
        self.chart.set_loading(tr("Loading candles"))
        self._show_until(None)

    def show_no_candles(self, why: str) -> None:
        self.chart.set_message(tr("No candles"), why)
        self._show_until(None)

    def show_candles(
        self, order: Order, timeframe: str, block: CandleBlock, decided_ms: int
    ) -> None:
        """Bars up to the decision, those after it veiled, and the order's fills. `decided_ms`:
        open time (UTC) of the candle that decided."""
        instrument = self._bridge.instruments.get(order.symbol)
        self.chart.set_instrument(
            instrument.price_decimals if instrument else 2,
            instrument.tick_size if instrument else Decimal("0.01"),
            order.symbol,
            timeframe,
            instrument.base if instrument else "",
        )
        self.chart.set_history(block)
        self.chart.set_decision(decided_ms)
        self.chart.trades.set_fills(
            [f for f in self._bridge.fills(order.symbol)
             if f.fill.client_order_id == order.client_order_id]
        )  # fmt: skip
        self._show_until(decided_ms + Timeframe(timeframe).duration_ms)

    def _show_until(self, closed_ms: int | None) -> None:
        """When the bar that decided had closed, ms UTC; None: there is none."""
        self._closed_ms = closed_ms
        if closed_ms is None:
            show_value(self._until, "")
            return
        until = formatting.clock(closed_ms)[:-3]
        show_value(self._until, tr("up to {time}; what came after is pale", time=until))

    def _retitle(self, _language: str) -> None:
        for i, title in enumerate(_TITLES):
            self._tabs.setTabText(i, tr(title))
        self._show_until(self._closed_ms)
