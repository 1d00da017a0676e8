"""Horizontal levels as the chart draws them: position, stop and target, orders, alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from core.models.alerts import AlertState, PriceAlert
from core.models.orders import Order, Side
from core.snapshots import PositionSnapshot
from ui import formatting
from ui.charts.primitives import LineStyle
from ui.i18n import tr
from ui.models.ticket_form import Pending

HandleKind = Literal[
    "stop", "target", "order", "alert", "ticket_price", "ticket_stop", "ticket_target"
]


@dataclass(frozen=True, slots=True)
class Handle:
    """What moves when a line is dragged: a position's stop or target by its symbol, an order by
    its client id, an alert by its number, a field of the order ticket."""

    kind: HandleKind
    key: str

    @property
    def is_of_ticket(self) -> bool:
        """Only a field changes: nothing is sent."""
        return self.kind.startswith("ticket_")

    @property
    def is_safe(self) -> bool:
        """No exchange hears of it: it moves on a locked chart too, and nobody is asked."""
        return self.is_of_ticket or self.kind == "alert"


@dataclass(frozen=True, slots=True)
class Level:
    """A line with a pill on the left and a tag on the price axis.

    `from_ms` is where it becomes full strength (the entry), None: everywhere. Lines without a
    `handle` cannot be dragged. `is_framed`: the automatic scale makes room for it.
    """

    price: float
    hue: str
    style: LineStyle
    name: str
    text: str
    text_hue: str
    from_ms: int | None = None
    handle: Handle | None = None
    is_framed: bool = True


@dataclass(frozen=True, slots=True)
class Zone:
    """The tint between the entry and one of its exits."""

    entry: float
    exit: float
    hue: str
    from_ms: int | None


def position_levels(
    snapshot: PositionSnapshot, quantity_text: str
) -> tuple[list[Level], list[Zone]]:
    """Entry, stop and target of one open position."""
    position = snapshot.position
    side = tr("Long") if position.side is Side.BUY else tr("Short")
    pnl = position.unrealized_pnl
    parts = [formatting.money(pnl, sign=True)]
    if snapshot.pnl_ratio is not None:
        parts.append(formatting.percent(snapshot.pnl_ratio))
    if snapshot.r_multiple is not None:
        parts.append(f"{formatting.signed(snapshot.r_multiple, 1)} R")
    entry = float(position.entry_price)
    levels = [
        Level(
            entry,
            "t1",
            "solid",
            f"{side} {quantity_text}",
            " · ".join(parts),
            "t1" if pnl == 0 else "up" if pnl > 0 else "down",
            snapshot.opened_ms,
        )
    ]
    zones = []
    exits: tuple[tuple[str, Decimal | None, str, HandleKind], ...] = (
        (tr("TP"), position.take_profit, "up", "target"),
        (tr("SL"), position.stop_loss, "down", "stop"),
    )
    for name, price, hue, kind in exits:
        if price is None or price <= 0 or not price.is_finite():
            continue
        text = exit_text(snapshot, price)
        handle = Handle(kind, position.symbol)
        levels.append(
            Level(float(price), hue, "dashed", name, text, "t1", snapshot.opened_ms, handle)
        )
        zones.append(Zone(entry, float(price), hue, snapshot.opened_ms))
    return levels, zones


def exit_text(snapshot: PositionSnapshot, price: Decimal) -> str:
    """What reaching `price` would bring: money, % and multiples of the risk."""
    held = snapshot.position
    return _gain_text(held.side, held.entry_price, held.quantity, held.stop_loss, price)


def _gain_text(
    side: Side, entry: Decimal, quantity: Decimal | None, stop: Decimal | None, price: Decimal
) -> str:
    gain = (price - entry) * side.sign
    parts = [] if quantity is None else [formatting.money(gain * quantity, sign=True)]
    if entry > 0:
        parts.append(formatting.percent(gain / entry))
    if stop is not None and (entry - stop) * side.sign > 0:
        parts.append(f"{formatting.number(gain / abs(entry - stop), 1)} R")
    return " · ".join(parts)


def order_levels(
    orders: Sequence[Order], symbol: str, position: PositionSnapshot | None
) -> list[Level]:
    """Working orders of `symbol`; a stop or target that the position already shows is left out."""
    held = None if position is None else position.position
    exits = set() if held is None else {held.stop_loss, held.take_profit}
    levels = []
    for order in orders:
        price = order.trigger_price if order.trigger_price is not None else order.price
        if order.symbol != symbol or order.status.is_terminal or price is None or price <= 0:
            continue
        if held is not None and order.side is not held.side and price in exits:
            continue
        left = order.quantity - order.filled_quantity
        side = tr("Buy") if order.side is Side.BUY else tr("Sell")
        hue = "up" if order.side is Side.BUY else "down"
        text = formatting.size(left) if left > 0 else ""
        handle = Handle("order", order.client_order_id) if order.client_order_id else None
        levels.append(
            Level(float(price), "t2", "dashed", side, text, hue, None, handle, is_framed=False)
        )
    return levels


def alert_levels(alerts: Sequence[PriceAlert], symbol: str) -> list[Level]:
    """Those of `symbol` that wait."""
    return [
        Level(
            float(alert.wish.price),
            "warn",
            "fine",
            tr("Alert"),
            tr("always") if alert.wish.repeats else "",
            "t2",
            handle=Handle("alert", str(alert.alert_id)),
            is_framed=False,
        )
        for alert in alerts
        if alert.wish.symbol == symbol and alert.state is AlertState.WAITING
    ]


def pending_levels(pending: Pending) -> list[Level]:
    """The ticket's prices, which no exchange knows of: what its exits would bring."""
    side = tr("Buy") if pending.side is Side.BUY else tr("Sell")
    size = formatting.size(pending.quantity) if pending.quantity else ""
    levels = []
    if pending.price:
        handle = Handle("ticket_price", "")
        name, text = f"{side} {size}".strip(), tr("Not sent")
        levels.append(
            Level(float(pending.price), "accent", "dashed", name, text, "t2", None, handle)
        )
    exits: tuple[tuple[str, Decimal | None, HandleKind], ...] = (
        (tr("SL"), pending.stop_loss, "ticket_stop"),
        (tr("TP"), pending.take_profit, "ticket_target"),
    )
    for name, price, kind in exits:
        if not price:
            continue
        text = tr("Not sent")
        if pending.entry is not None:
            quantity = pending.quantity or None
            text = _gain_text(pending.side, pending.entry, quantity, pending.stop_loss, price)
        levels.append(
            Level(float(price), "accent", "dashed", name, text, "t2", None, Handle(kind, ""))
        )
    return levels


def order_text(order: Order, price: Decimal, last: float | None) -> str:
    """What an order at `price` is worth, and how far it is from the last price."""
    parts = [formatting.money(price * (order.quantity - order.filled_quantity))]
    if last:
        parts.append(formatting.percent(float(price) / last - 1))
    return " · ".join(parts)
