"""The strongest symbol, or the one that was chosen: its candles, what its score is made of, and
what keeps it from being entered."""

from __future__ import annotations

from typing import NamedTuple

from PyQt6 import sip
from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QFrame, QStackedWidget, QWidget

from core.commands import CommandResult
from core.models.candles import Timeframe
from core.scanning.snapshots import PendingSignal, ScanRow, ScanSnapshot, SymbolState
from core.snapshots import BotSnapshot, BotState, EngineSnapshot
from ui import formatting, i18n, tasks, theme
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.widgets.basic import (
    INSET,
    ElidedLabel,
    EmptyState,
    Panel,
    ShareBar,
    ThemedIcon,
    clear,
    column,
    label,
    row,
    show_value,
    value_label,
)
from ui.widgets.buttons import ActionButton, TextButton
from ui.widgets.mini_candles import MiniCandles

HEIGHT_WIDE, HEIGHT_NARROW = 432, 344
_CHART_WIDE, _CHART_NARROW = 128, 64
_BARS = 72


class _Part(QWidget):
    """A part of the score: its name, a bar, points of the most it can be."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(22)
        self._name, self._points = ElidedLabel("label"), value_label()
        self._most = value_label("label")
        self._most.setProperty("tone", "t3")
        self._bar = ShareBar()
        self._bar.setFixedWidth(84)
        self._points.setFixedWidth(20)
        self._most.setFixedWidth(30)
        line = row(spacing=6)
        line.addWidget(self._name, 1)
        for part in (self._bar, 4, self._points, self._most):
            line.addSpacing(part) if isinstance(part, int) else line.addWidget(part)
        self.setLayout(line)

    def show_part(self, name: str, points: float, most: float) -> None:
        self._name.show_text(sentence(name))
        show_value(self._points, f"{points:.0f}", "t1" if points > 0 else "t3")
        show_value(self._most, f"/ {most:.0f}")
        self._bar.show_ratio(points / most if most else 0.0, "accent" if points > 0 else "t3")


class StrongestPanel(Panel):
    """`ask_block` is the tab's coroutine that puts a symbol on the blocklist. Signals:
    chart_wanted(symbol); released() when the strongest is wanted again."""

    chart_wanted = pyqtSignal(str)
    released = pyqtSignal()

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("Strongest symbol")
        self._bridge = bridge
        self._symbol, self._chart_key = "", ("", 0)
        self._asked_scan: int | None = None
        self._is_refused = False
        self._timeframe = ""
        self.ask_block = self._nothing
        self._time, self.release = label("caption"), TextButton("Show the strongest", kind="link")
        self.release.clicked.connect(self.released)
        self.release.hide()
        self.head.addWidget(self._time)
        self.head.addWidget(self.release)
        self.head.setContentsMargins(INSET, 0, INSET, 0)
        self.name, self.what = label("symbol"), ElidedLabel("label")
        self.score, self._of = value_label("big"), value_label("caption")
        self.chart = MiniCandles(_CHART_WIDE)
        self._parts = column(spacing=0)
        self._shown: list[_Part] = []
        self._icon = ThemedIcon("clock", "t2", 16)
        self.verdict, self.reason = ElidedLabel("value"), ElidedLabel("caption")
        self.open_chart = TextButton("Open chart", icon="chart-candlestick")
        self.open_chart.clicked.connect(lambda: self.chart_wanted.emit(self._symbol))
        self.block = ActionButton("Block symbol…", self._block, icon="x")
        i18n.set_tool_tip(self.block, "Puts the symbol on the blocklist of this bot")
        self._stack = QStackedWidget()
        self._stack.addWidget(
            EmptyState("activity", "Nothing scored yet", "The strongest symbol stands here.")
        )
        self._stack.addWidget(self._filled())
        self.body.addWidget(self._stack, 1)
        self.set_narrow(False)

    def _filled(self) -> QWidget:
        page = QWidget()
        outer = column(spacing=0)
        outer.setContentsMargins(INSET, 0, INSET, INSET)
        top = row(spacing=10)
        top.addLayout(column(self.name, self.what, spacing=3), 1)
        top.addLayout(column(self.score, self._of, spacing=0))
        outer.addLayout(top)
        outer.addSpacing(8)
        outer.addWidget(self.chart)
        outer.addSpacing(8)
        outer.addLayout(self._parts)
        outer.addStretch(1)
        plate = QFrame()
        plate.setProperty("role", "plate")
        plate.setObjectName("verdict")
        inside = row(self._icon, spacing=10)
        inside.setContentsMargins(10, 6, 10, 6)
        inside.addLayout(column(self.verdict, self.reason, spacing=2), 1)
        plate.setLayout(inside)
        self._plate = plate
        outer.addWidget(plate)
        outer.addSpacing(8)
        buttons = row(spacing=8)
        buttons.addWidget(self.open_chart, 1)
        buttons.addWidget(self.block, 1)
        outer.addLayout(buttons)
        page.setLayout(outer)
        self._color_plate()
        theme.changed.connect(self._color_plate)
        return page

    def _color_plate(self) -> None:
        self._plate.setStyleSheet(
            f"QFrame#verdict {{ background: {theme.color('e2').name()}; border-radius: 4px }}"
        )

    def set_narrow(self, narrow: bool) -> None:
        self.setFixedHeight(HEIGHT_NARROW if narrow else HEIGHT_WIDE)
        self.chart.setFixedHeight(_CHART_NARROW if narrow else _CHART_WIDE)
        self._of.setVisible(not narrow)

    @property
    def symbol(self) -> str:
        """Which one is shown, "" for none."""
        return self._symbol

    def take(self, bot: BotSnapshot, snapshot: EngineSnapshot, chosen: str) -> None:
        """`chosen`: the symbol that the trader has picked, "" for the strongest."""
        scan = bot.scan
        assert scan is not None
        found = next((r for r in scan.rows if r.symbol == chosen), None)
        shown = found or next((r for r in scan.rows if r.rank == 1), None)
        self._stack.setCurrentIndex(0 if shown is None else 1)
        self.release.setVisible(found is not None)
        self._time.setVisible(found is None and scan.last_scan_ms is not None)
        last_ms = scan.last_scan_ms
        show_value(self._time, f"{formatting.clock(last_ms)} {formatting.zone_name(last_ms or 0)}")
        if shown is None:
            self._symbol = ""
            return
        self._symbol = shown.symbol
        self._show_head(shown)
        self._show_parts(shown, scan)
        self._show_verdict(shown, scan, bot)
        self._load_chart(shown.symbol, bot.timeframe, snapshot.market_time_ms, scan.last_scan_ms)

    def _show_head(self, shown: ScanRow) -> None:
        show_value(self.name, shown.symbol)
        instrument = self._bridge.instruments.get(shown.symbol)
        price = formatting.price(shown.price, instrument.price_decimals if instrument else 2)
        way = {
            1: tr("Buy at market about {price}", price=price),
            -1: tr("Sell at market about {price}", price=price),
        }.get(shown.direction, tr("No pattern at {price}", price=price))
        self.what.show_text(way)
        known = shown.score is not None
        show_value(self.score, f"{shown.score:.0f}" if known else formatting.UNKNOWN)
        theme.set_property(self.score, "tone", "accent" if shown.score else "t3")
        show_value(self._of, tr("score of 100"))

    def _show_parts(self, shown: ScanRow, scan: ScanSnapshot) -> None:
        if len(scan.score_parts) != len(self._shown):
            clear(self._parts)
            self._shown = [_Part() for _ in scan.score_parts]
            for part in self._shown:
                self._parts.addWidget(part)
        points = shown.parts or [0.0] * len(scan.score_parts)
        for part, (name, most), got in zip(self._shown, scan.score_parts, points, strict=True):
            part.show_part(name, got, most)

    def _show_verdict(self, shown: ScanRow, scan: ScanSnapshot, bot: BotSnapshot) -> None:
        verdict = _verdict(shown, scan, bot)
        self._icon.show_icon(verdict.icon, verdict.tone)
        self.verdict.show_text(verdict.text)
        self.reason.show_text(verdict.why)

    def _load_chart(
        self, symbol: str, timeframe: str, now_ms: int, last_scan_ms: int | None
    ) -> None:
        """Ask again when another candle has closed; what was refused, after the next scan."""
        key = (f"{symbol} {timeframe}", now_ms // Timeframe(timeframe).duration_ms)
        is_due = key != self._chart_key or (self._is_refused and last_scan_ms != self._asked_scan)
        if not is_due or not self._bridge.is_attached:
            return
        if key[0] != self._chart_key[0]:
            self.chart.show_words(tr("Loading candles"))
        self._chart_key, self._asked_scan, self._is_refused = key, last_scan_ms, False
        tasks.spawn(self._load(symbol, timeframe, key))

    async def _load(self, symbol: str, timeframe: str, key: tuple[str, int]) -> None:
        block, refusal = await self._bridge.data.candles(symbol, timeframe, _BARS)
        if sip.isdeleted(self) or key[0] != self._chart_key[0]:
            return
        self._is_refused = block is None
        if block is not None:
            self.chart.show_block(block)
        elif not self.chart.bars:
            self.chart.show_words(sentence(refusal))

    async def _block(self) -> CommandResult | None:
        return await self.ask_block(self._symbol)

    async def _nothing(self, symbol: str) -> CommandResult | None:  # noqa: ARG002 (the tab's own takes its place)
        return None


class _Verdict(NamedTuple):
    """What happens with a symbol, and why; `icon` in the colour `tone`."""

    icon: str
    tone: str
    text: str
    why: str


def _verdict(shown: ScanRow, scan: ScanSnapshot, bot: BotSnapshot) -> _Verdict:
    pending = next((p for p in scan.pending if p.symbol == shown.symbol), None)
    if shown.state is SymbolState.POSITION:
        return _Verdict("check", "t2", tr("In position"), _at_a_time(scan))
    if shown.state is SymbolState.ENTERING:
        return _Verdict("send", "accent", tr("Entering"), tr("Its order is on the way."))
    if pending is not None:
        return _of_signal(pending, scan)
    if bot.state is not BotState.RUNNING:
        return _Verdict("pause", "t2", tr("Not entered"), tr("The bot does not run."))
    if not shown.score:
        why = tr("No pattern on its newest candle.")
    else:
        threshold = formatting.number(scan.settings.signal_threshold, 0)
        why = tr("The entry score is {n}.", n=threshold)
    return _Verdict("eye", "t3", tr("No signal"), why)


def _of_signal(pending: PendingSignal, scan: ScanSnapshot) -> _Verdict:
    why, held = pending.waits_for, scan.position_symbols
    if not why:
        return _Verdict("check", "accent", tr("Entered"), tr("Its order was sent."))
    if held and len(held) >= scan.settings.position_limit:
        text = tr("Waiting: {symbols} is open", symbols=", ".join(held))
        return _Verdict("clock", "t2", text, _at_a_time(scan))
    return _Verdict("clock", "t2", tr("Waiting"), sentence(why[:1].upper() + why[1:]))


def _at_a_time(scan: ScanSnapshot) -> str:
    limit = scan.settings.position_limit
    return tr("One position at a time.") if limit == 1 else tr("{n} positions at most.", n=limit)
