"""Orders as decisions: what was wanted, what became of it, and what it brought."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from core.models.orders import Order, OrderPurpose, OrderStatus
from core.snapshots import FillRecord
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import words
from ui.models.cells import Figures
from ui.models.table import Cell, Column, TableModel

ALL, FILLED, DENIED, UNKNOWN = "All", "Filled", "Denied", "Unknown"
KINDS = (ALL, FILLED, DENIED, UNKNOWN)
_ICONS = {
    OrderStatus.FILLED: ("check", "t2"),
    OrderStatus.PARTLY_FILLED: ("check", "t2"),
    OrderStatus.DENIED: ("circle-x", "warn"),
    OrderStatus.REJECTED: ("circle-x", "danger"),
    OrderStatus.UNKNOWN: ("hourglass", "warn"),
    OrderStatus.CANCELLED: ("x", "t2"),
}


class Decision(NamedTuple):
    """One order of ours; `result` is the round trip's that it closed."""

    order: Order
    result: Decimal | None

    @property
    def kind(self) -> str:
        status = self.order.status
        if status in (OrderStatus.DENIED, OrderStatus.REJECTED):
            return DENIED
        if status in (OrderStatus.UNKNOWN, OrderStatus.SENT):
            return UNKNOWN
        return FILLED if self.order.filled_quantity > 0 else ""


def decisions(bridge: Bridge) -> list[Decision]:
    """Orders of ours, the last changed first."""
    results: dict[str, Decimal] = {}
    for item in bridge.items:
        if isinstance(item.record, FillRecord) and item.record.trade_pnl is not None:
            results[item.record.fill.client_order_id] = item.record.trade_pnl
    return [
        Decision(order, results.get(order.client_order_id))
        for order in bridge.order_history()
        if order.client_order_id
    ]


def heading(bridge: Bridge, order: Order) -> str:
    """`Buy 0.067 BTCUSDT`."""
    size = Figures(bridge).quantity(order.symbol, order.quantity).text
    return tr(
        "{side} {size} {symbol}", side=tr(words.SIDES[order.side]), size=size, symbol=order.symbol
    )


def outcome(bridge: Bridge, order: Order) -> str:
    """What became of it, in a few words."""
    show = Figures(bridge)
    if order.status in (OrderStatus.DENIED, OrderStatus.REJECTED) and order.reason:
        return f"{tr(words.ORDER_STATES[order.status])}: {sentence(order.reason)}"
    purpose = tr(words.PURPOSES[order.purpose.value])
    if order.average_price is not None and order.filled_quantity > 0:
        price = show.price(order.symbol, order.average_price).text
        filled = tr("filled at {price}", price=price)
        return f"{purpose} · {filled}" if order.purpose is not OrderPurpose.ENTRY else filled
    return f"{purpose} · {tr(words.ORDER_STATES[order.status])}"


def icon_of(order: Order) -> tuple[str, str]:
    return _ICONS.get(order.status, ("clock", "t2"))


def decision_list(bridge: Bridge) -> TableModel[Decision]:
    """One column; the list's delegate paints the rest of the row."""
    columns: list[Column[Decision]] = [
        Column("Order", lambda r: Cell(heading(bridge, r.order), weight=600,
               tool_tip=f"{outcome(bridge, r.order)}\n{formatting.date_time(r.order.updated_ms)}"),
               180, stretch=1),
    ]  # fmt: skip
    return TableModel(columns, key=lambda r: r.order.client_order_id)
