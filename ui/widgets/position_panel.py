"""The open position of a bot: size, result, and where the price stands between stop and target."""

from __future__ import annotations

from decimal import Decimal

from PyQt6.QtCore import QPointF, QRectF, Qt, pyqtSignal
from PyQt6.QtGui import QPainter, QPaintEvent
from PyQt6.QtWidgets import QStackedWidget, QWidget

from core.commands import CommandResult
from core.models.orders import Side
from core.snapshots import PositionSnapshot
from ui import formatting, theme
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models import words
from ui.models.protection import guarded_positions, state_words
from ui.widgets.basic import (
    INSET,
    ChangeLabel,
    ElidedLabel,
    EmptyState,
    Panel,
    ThemedIcon,
    column,
    label,
    row,
    show_plate,
    show_value,
    value_label,
)
from ui.widgets.buttons import ActionButton, TextButton


class PriceTrack(QWidget):
    """Stop left, target right; a tick at the entry, a dot at the mark, the way between filled."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(14)
        self._entry, self._mark, self._gains = 0.0, 0.0, True

    def show_places(self, entry: float, mark: float, gains: bool) -> None:
        """`entry` and `mark` as 0..1 between stop and target."""
        places = (min(max(entry, 0.0), 1.0), min(max(mark, 0.0), 1.0), gains)
        if places != (self._entry, self._mark, self._gains):
            self._entry, self._mark, self._gains = places
            self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        middle, width = self.height() / 2, float(self.width())
        painter.setBrush(theme.color("track"))
        painter.drawRoundedRect(QRectF(0, middle - 2, width, 4), 2, 2)
        hue = theme.color("up" if self._gains else "down")
        entry, mark = self._entry * (width - 10) + 5, self._mark * (width - 10) + 5
        painter.setBrush(hue)
        painter.drawRect(QRectF(min(entry, mark), middle - 2, abs(mark - entry), 4))
        painter.setBrush(theme.color("t1"))
        painter.drawRect(QRectF(entry - 1, middle - 6, 2, 12))
        painter.setBrush(theme.color("e1"))
        painter.drawEllipse(QPointF(mark, middle), 6.5, 6.5)
        painter.setBrush(hue)
        painter.drawEllipse(QPointF(mark, middle), 4.5, 4.5)


class PositionPanel(Panel):
    """Filled by `show_position`; `ask_close` and `move_stop` are the tab's coroutines that ask and
    send, the latter for a stop at the entry. Signal: trail_wanted(client order id)."""

    trail_wanted = pyqtSignal(str)

    def __init__(self, bridge: Bridge, symbol: str) -> None:
        super().__init__("Position")
        self._bridge, self._symbol = bridge, symbol
        self._guard_icon, self._guard = ThemedIcon("shield-check", "t2"), ElidedLabel("label")
        self._why = TextButton("Why this trade", kind="link")
        self._why.clicked.connect(self._ask_why)
        self._account = ""
        self.head.addWidget(self._why)
        self.head.setContentsMargins(INSET, 0, INSET, 0)
        self._side, self._size = label("value"), label("title")
        self._side.setFixedHeight(24)
        self._side.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._pnl, self._ratio = ChangeLabel("figure", right=True), value_label()
        self._track = PriceTrack()
        self._stop, self._entry, self._target = (label("caption", tone="t2") for _ in range(3))
        self._value, self._held = value_label(), value_label()
        self.close_button = ActionButton("Close…", self._close)
        self.secure_button = ActionButton("Move SL to entry", self._secure)
        self.secure_button.set_hint(
            "The stop loss goes to the entry price: what is lost then are fees and slippage"
        )
        self.ask_close = self.move_stop = self._nothing
        self._refusal = ""
        self._stack = QStackedWidget()
        self._stack.addWidget(
            EmptyState("layers", "No open position", "The bot opens one at its next signal.")
        )
        self._stack.addWidget(self._filled())
        self._stack.addWidget(QWidget())
        self.body.addWidget(self._stack, 1)
        self.setFixedHeight(200)
        self._show_page(2)  # nothing, until somebody knows

    def _show_page(self, index: int) -> None:
        self._stack.setCurrentIndex(index)
        self._why.setVisible(index == 1)

    def _filled(self) -> QWidget:
        page = QWidget()
        outer = column(spacing=0)
        outer.setContentsMargins(INSET, 0, INSET, INSET)
        result = column(self._pnl, self._ratio, spacing=0)
        top = row(self._side, self._size, None, spacing=10)
        top.addLayout(result)
        outer.addLayout(top)
        outer.addSpacing(6)
        outer.addWidget(self._track)
        outer.addSpacing(2)
        outer.addLayout(row(self._stop, None, self._entry, None, self._target))
        outer.addSpacing(8)
        outer.addLayout(
            row(label("label", "Value"), None, self._value, 24, label("label", "Held"), None,
                self._held)
        )  # fmt: skip
        outer.addSpacing(6)
        guard = row(self._guard_icon, spacing=6)
        guard.addWidget(self._guard, 1)
        outer.addLayout(guard)
        outer.addStretch(1)
        buttons = row(spacing=8)
        buttons.addWidget(self.secure_button, 1)
        buttons.addWidget(self.close_button, 1)
        outer.addLayout(buttons)
        page.setLayout(outer)
        return page

    def set_symbol(self, symbol: str) -> None:
        """Whose position `show_position` brings from now on."""
        self._symbol = symbol

    def set_allowed(self, refusal: str = "") -> None:
        """`refusal` is the English reason why nothing can be sent now; empty: it can."""
        self._refusal = refusal
        self.close_button.set_allowed(refusal)
        self.secure_button.set_allowed(refusal or self._why_not_secure())

    def _why_not_secure(self) -> str:
        """Why the stop cannot go to the entry, an English sentence, "" if it can."""
        held = self._bridge.position(self._account, self._symbol) if self._account else None
        if held is None:
            return ""
        position = held.position
        sign, entry = position.side.sign, position.entry_price
        stop, mark = position.stop_loss, position.mark_price
        if stop is not None and (stop - entry) * sign >= 0:
            return "The stop loss is at the entry or beyond it"
        if mark is not None and (mark - entry) * sign <= 0:
            return "The price has to be beyond the entry first"
        return ""

    def show_position(
        self, held: PositionSnapshot | None, now_ms: int, stale: bool = False
    ) -> None:
        """`now_ms` is the market's clock (ms UTC), for how long it is held."""
        self._show_page(0 if held is None else 1)
        if held is None:
            return
        position = held.position
        hue = words.SIDE_TONES[position.side]
        show_plate(self._side, tr(words.DIRECTIONS[position.side]), "pill", hue)
        instrument = self._bridge.instruments.get(self._symbol)
        decimals = instrument.price_decimals if instrument else 2
        quantity = formatting.size(
            position.quantity, instrument.quantity_decimals if instrument else None
        )
        show_value(self._size, f"{quantity} {instrument.base if instrument else ''}".strip())
        self._show_result(held, stale)
        self._show_track(held, decimals)
        mark = position.mark_price or position.entry_price
        show_value(self._value, formatting.money(position.quantity * mark))
        known = None if held.opened_ms is None else now_ms - held.opened_ms
        show_value(self._held, formatting.duration(known))
        self._account = position.account
        self._why.setVisible(self._bridge.entry_of(position.account, self._symbol) is not None)
        self._show_guard(held)
        self.set_allowed(self._refusal)

    def _show_guard(self, held: PositionSnapshot) -> None:
        """Whether a stop rests, since when, and how far away it is."""
        snapshot = self._bridge.snapshot
        guarded = next(
            (g for g in guarded_positions(snapshot) if g.held == held) if snapshot else iter(()),
            None,
        )
        tone = "t2" if held.is_protected else "warn"
        text = tr("Stop rests") if held.is_protected else tr("No stop")
        if guarded is not None:
            text = state_words(guarded.proof)[0]
            seconds = (
                guarded.proof.protected_s if held.is_protected else guarded.proof.unprotected_s
            )
            text = f"{text} {formatting.duration(seconds * 1000)}"
            if guarded.distance_ratio is not None:
                away = formatting.percent(guarded.distance_ratio, sign=False)
                text = f"{text} · {tr('stop {away} away', away=away)}"
        self._guard.show_text(text)
        theme.set_property(self._guard, "tone", tone)
        self._guard_icon.show_icon("shield-check" if held.is_protected else "shield-alert", tone)

    def _ask_why(self) -> None:
        entry = self._bridge.entry_of(self._account, self._symbol)
        if entry is not None:
            self.trail_wanted.emit(entry.client_order_id)

    def _show_result(self, held: PositionSnapshot, stale: bool) -> None:
        pnl = held.position.unrealized_pnl
        tone = "stale" if stale else words.tone_of(pnl)
        self._pnl.show_change(formatting.money(pnl, sign=True), int(pnl.compare(Decimal(0))), tone)
        r_text = (
            f"{formatting.signed(held.r_multiple)} R"
            if held.r_multiple is not None
            else formatting.UNKNOWN
        )
        show_value(self._ratio, f"{formatting.percent(held.pnl_ratio)} · {r_text}", tone)

    def _show_track(self, held: PositionSnapshot, decimals: int) -> None:
        position = held.position
        stop, target = position.stop_loss, position.take_profit
        show_value(self._stop, f"{tr('SL')} {formatting.price(stop, decimals)}")
        show_value(self._entry, f"{tr('Entry')} {formatting.price(position.entry_price, decimals)}")
        show_value(self._target, f"{tr('TP')} {formatting.price(target, decimals)}")
        known = [p for p in (stop, target, position.entry_price, position.mark_price) if p]
        low = stop or min(known)
        high = target or max(known)
        if position.side is Side.SELL:
            low, high = stop or max(known), target or min(known)
        span = high - low
        mark = position.mark_price or position.entry_price

        def place(price: Decimal) -> float:
            return float((price - low) / span) if span else 0.5

        gains = (mark - position.entry_price) * position.side.sign >= 0
        self._track.show_places(place(position.entry_price), place(mark), gains)

    async def _close(self) -> CommandResult | None:
        return await self.ask_close()

    async def _secure(self) -> CommandResult | None:
        return await self.move_stop()

    async def _nothing(self) -> CommandResult | None:
        return None
