"""What happened after an entry: its exits, the result, how much of the planned risk it was."""

from __future__ import annotations

from decimal import Decimal

from PyQt6.QtWidgets import QGridLayout, QWidget

from core.models.orders import Order, OrderPurpose, OrderStatus
from core.snapshots import FillRecord
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import tr
from ui.models import words
from ui.models.log import fill_words
from ui.models.protection import state_words
from ui.widgets.basic import (
    INSET,
    ChangeLabel,
    ElidedLabel,
    Panel,
    label,
    row,
    show_value,
    value_label,
)

_LINES = 4
_NOT_YET = "Nothing is filled yet."


class TrailAfter(Panel):
    """Filled by `show_order`; for an order that no position came of, the words that say so."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__("What happened after")
        self._bridge = bridge
        self._result = ChangeLabel("figure", right=True)
        self._risk, self._held = value_label("value"), value_label("value")
        self._lines = [
            (label("label", tone="t2"), label("value"), ElidedLabel("label")) for _ in range(_LINES)
        ]
        self.nothing = label("label")
        self.nothing.setContentsMargins(INSET, 2, INSET, INSET)
        self.nothing.setWordWrap(True)
        self._figures = QWidget()
        grid = QGridLayout(self._figures)
        grid.setContentsMargins(INSET, 0, INSET, INSET)
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(6)
        grid.setColumnMinimumWidth(0, 120)
        grid.setColumnMinimumWidth(1, 110)
        grid.setColumnStretch(2, 1)
        for i, parts in enumerate(self._lines):
            for j, part in enumerate(parts):
                grid.addWidget(part, i, j)
        named = (
            (label("label", "Result"), self._result),
            (label("label", "Of planned risk"), self._risk),
            (label("label", "Held"), self._held),
        )
        for i, (name, value) in enumerate(named):
            line = QWidget()
            line.setLayout(row(name, None, value))
            line.setMinimumWidth(216)
            grid.addWidget(line, i, 3)
        self.body.addWidget(self.nothing)
        self.body.addWidget(self._figures)
        self.body.addStretch(1)

    def show_order(self, order: Order | None, stop_price: Decimal | None = None) -> None:
        """`order` as it is known now; `stop_price` is the planned risk's other end."""
        nothing = _why_nothing(order)
        self.nothing.setVisible(bool(nothing))
        self._figures.setVisible(not nothing)
        show_value(self.nothing, tr(nothing) if nothing else "")
        is_entry = order is not None and order.purpose is OrderPurpose.ENTRY
        later = self._later_fills(order) if order is not None and is_entry else []
        events = [
            (f.fill.time_ms, tr(words.PURPOSES.get(f.purpose, f.purpose)),
             fill_words(self._bridge, f))
            for f in later
        ]  # fmt: skip
        ended = next((f for f in later if f.trade_pnl is not None), None)
        held = None
        if order is not None and is_entry and ended is None and order.filled_quantity > 0:
            held = self._bridge.position(order.account, order.symbol)
            events += self._protection_now(order)
        pnl = ended.trade_pnl if ended else held.position.unrealized_pnl if held else None
        for parts, event in zip(self._lines, [*events, None, None, None, None], strict=False):
            time, what, shown = parts
            show_value(time, formatting.clock_ms(event[0]) if event else "")
            show_value(what, event[1] if event else "")
            shown.show_text(event[2] if event else "")
        direction = 0 if pnl is None else int(pnl.compare(Decimal(0)))
        self._result.show_change(formatting.money(pnl, sign=True), direction, words.tone_of(pnl))
        r_multiple = _r_multiple(order, pnl, stop_price)
        text = formatting.UNKNOWN if r_multiple is None else f"{formatting.signed(r_multiple)} R"
        show_value(self._risk, text, words.tone_of(r_multiple))
        show_value(self._held, formatting.duration(self._held_ms(order, ended, held is not None)))

    def _later_fills(self, order: Order) -> list[FillRecord]:
        """Fills of the symbol after this entry, up to the one that closed the position."""
        found: list[FillRecord] = []
        for record in self._bridge.fills(order.symbol):
            fill = record.fill
            is_other = fill.account == order.account and fill.client_order_id != (
                order.client_order_id
            )
            if is_other and fill.time_ms >= order.created_ms:
                found.append(record)
                if record.trade_pnl is not None:
                    break
        return found

    def _protection_now(self, order: Order) -> list[tuple[int, str, str]]:
        snapshot = self._bridge.snapshot
        for proof in snapshot.protection if snapshot else []:
            if (proof.account, proof.symbol) == (order.account, order.symbol) and snapshot:
                stop = formatting.price(proof.stop_price, self._decimals(order.symbol))
                text = tr("stop {price} rests at the exchange", price=stop)
                shown = text if proof.is_protected else tr("no stop rests at the exchange")
                return [(snapshot.market_time_ms, state_words(proof)[0], shown)]
        return []

    def _decimals(self, symbol: str) -> int:
        instrument = self._bridge.instruments.get(symbol)
        return instrument.price_decimals if instrument else 2

    def _held_ms(self, order: Order | None, ended: FillRecord | None, is_open: bool) -> int | None:
        if order is None or not (ended or is_open):
            return None
        now_ms = self._bridge.snapshot.market_time_ms if self._bridge.snapshot else 0
        until_ms = ended.fill.time_ms if ended else now_ms
        return max(0, until_ms - order.created_ms)


def _why_nothing(order: Order | None) -> str:
    """Why no position came of an order, an English sentence; "" where one did."""
    if order is None:
        return "No order is chosen."
    if order.purpose is OrderPurpose.EXTERNAL:
        return "This order came from outside."
    if order.purpose is not OrderPurpose.ENTRY:
        return "This order closes a position. What came of it stands with the order that opened it."
    if order.status is OrderStatus.DENIED:
        return "Nothing was sent, so no position came of it."
    if order.filled_quantity == 0:
        is_over = order.status.is_terminal
        return "Nothing was filled, so no position came of it." if is_over else _NOT_YET
    return ""


def _r_multiple(
    order: Order | None, pnl: Decimal | None, stop_price: Decimal | None
) -> Decimal | None:
    """The result in units of what was at risk from the entry to its stop."""
    if order is None or pnl is None or stop_price is None or order.average_price is None:
        return None
    risk = abs(order.average_price - stop_price) * order.filled_quantity
    return pnl / risk if risk else None
