"""Columns of the blotter's tables of positions, working orders, history and fills."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from decimal import Decimal

from core.models.orders import Order
from core.snapshots import FillRecord, PositionSnapshot
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import order_edits, words
from ui.models.cells import MEDIUM, Figures, change_cell, side_cell, time_cell
from ui.models.order_edits import waits_for
from ui.models.table import Cell, Column, TableModel
from ui.models.words import tone_of

IsBusy = Callable[[Hashable], bool]


def position_key(held: PositionSnapshot) -> Hashable:
    return held.position.account, held.position.symbol


def order_key(order: Order) -> Hashable:
    return order.client_order_id, order.exchange_order_id


def _button(text: str, action: str, *, refusal: str = "", is_busy: bool = False) -> Cell:
    if is_busy:
        return Cell(tr("Sending…"), action=action, is_off=True)
    return Cell(text, action=action, is_off=bool(refusal), tool_tip=tr(refusal) if refusal else "")


def positions(bridge: Bridge, is_busy: IsBusy = lambda _key: False) -> TableModel[PositionSnapshot]:
    show = Figures(bridge)

    def protection(row: PositionSnapshot, value: Decimal | None) -> Cell:
        if value is None and not row.is_protected:
            return Cell(tr("none"), "warn", tool_tip=tr("No stop rests at the exchange."))
        return show.price(row.position.symbol, value)

    def value_of(row: PositionSnapshot) -> Decimal:
        return row.position.quantity * (row.position.mark_price or row.position.entry_price)

    def close(row: PositionSnapshot) -> Cell:
        refusal = bridge.obstacle(row.position.symbol)
        return _button(tr("Close…"), "close", refusal=refusal, is_busy=is_busy(position_key(row)))

    columns: list[Column[PositionSnapshot]] = [
        Column("Symbol", lambda r: Cell(r.position.symbol, weight=600,
               tool_tip=tr("Double-click prepares its closing, Enter shows why it is there.")), 96,
               lambda r: r.position.symbol, stretch=2),
        Column("Side", lambda r: side_cell(r.position.side, words.DIRECTIONS), 64),
        Column("Size", lambda r: show.quantity(r.position.symbol, r.position.quantity), 84,
               lambda r: r.position.quantity, right=True, stretch=1),
        Column("Entry", lambda r: show.price(r.position.symbol, r.position.entry_price), 92,
               lambda r: r.position.entry_price, right=True, stretch=1),
        Column("Mark", lambda r: show.price(r.position.symbol, r.position.mark_price), 92,
               lambda r: r.position.mark_price, right=True, stretch=1),
        Column("Value", lambda r: show.money(value_of(r)), 92, value_of,
               right=True, stretch=1, drop=True),
        Column("SL", lambda r: protection(r, r.position.stop_loss), 88,
               lambda r: r.position.stop_loss, right=True, stretch=1,
               edit=order_edits.stop_of(bridge, is_stop=True)),
        Column("TP", lambda r: show.price(r.position.symbol, r.position.take_profit), 88,
               lambda r: r.position.take_profit, right=True, stretch=1,
               edit=order_edits.stop_of(bridge, is_stop=False)),
        Column("PnL", lambda r: change_cell(r.position.unrealized_pnl), 96,
               lambda r: r.position.unrealized_pnl, right=True, stretch=1),
        Column("PnL %", lambda r: Cell(formatting.percent(r.pnl_ratio), tone_of(r.pnl_ratio),
               MEDIUM), 84, lambda r: r.pnl_ratio, right=True, drop=True),
        Column("Bot", lambda r: show.bot(r.bot_id), 130, drop=True, stretch=1),
        Column("Owner", lambda r: Cell(tr("Bot") if r.bot_id else tr("External"), "t2"), 84,
               drop=True),
        Column("", close, 84, right=True),
    ]  # fmt: skip
    return TableModel(
        columns, key=position_key, is_stale=lambda r: bridge.is_price_stale(r.position.symbol)
    )


def working(bridge: Bridge, is_busy: IsBusy = lambda _key: False) -> TableModel[Order]:
    show = Figures(bridge)

    def cancel(row: Order) -> Cell:
        refusal = "" if bridge.is_attached else "The engine is not connected"
        return _button(tr("Cancel"), "cancel", refusal=refusal, is_busy=is_busy(order_key(row)))

    columns: list[Column[Order]] = [
        Column("Time", lambda r: time_cell(r.created_ms), 84, lambda r: r.created_ms),
        Column("Symbol", lambda r: Cell(r.symbol, weight=600,
               tool_tip=tr("Double-click cancels it, Enter shows why it is there.")), 96,
               lambda r: r.symbol, stretch=1),
        Column("Side", lambda r: side_cell(r.side, words.SIDES), 64),
        Column("Type", lambda r: Cell(tr(words.ORDER_TYPES[r.order_type]), "t2"), 76),
        Column("Purpose", lambda r: Cell(tr(words.PURPOSES[r.purpose.value]), "t2"), 96),
        Column("Price", lambda r: show.price(r.symbol, waits_for(r)), 92, waits_for,
               right=True, stretch=1, edit=order_edits.order_price(bridge)),
        Column("Size", lambda r: show.quantity(r.symbol, r.quantity), 84, lambda r: r.quantity,
               right=True, stretch=1, edit=order_edits.order_size(bridge)),
        Column("Filled", lambda r: show.quantity(r.symbol, r.filled_quantity), 84,
               lambda r: r.filled_quantity, right=True, drop=True),
        Column("State", lambda r: Cell(tr(words.ORDER_STATES[r.status]),
               words.ORDER_STATE_TONES.get(r.status, "t2")), 110, stretch=1),
        Column("Bot", lambda r: show.bot(r.bot_id), 130, drop=True, stretch=1),
        Column("", cancel, 84, right=True),
    ]  # fmt: skip
    return TableModel(columns, key=order_key, is_stale=lambda _row: not bridge.is_attached)


def history(bridge: Bridge) -> TableModel[Order]:
    show = Figures(bridge)
    columns: list[Column[Order]] = [
        Column("Time", lambda r: time_cell(r.updated_ms), 84, lambda r: r.updated_ms),
        Column("Symbol", lambda r: Cell(r.symbol, weight=600), 96, lambda r: r.symbol),
        Column("Side", lambda r: side_cell(r.side, words.SIDES), 64),
        Column("Purpose", lambda r: Cell(tr(words.PURPOSES[r.purpose.value]), "t2"), 96),
        Column("State", lambda r: Cell(tr(words.ORDER_STATES[r.status]),
               words.ORDER_STATE_TONES.get(r.status, "t2")), 100),
        Column("Size", lambda r: show.quantity(r.symbol, r.quantity), 84, lambda r: r.quantity,
               right=True),
        Column("Average", lambda r: show.price(r.symbol, r.average_price), 96,
               lambda r: r.average_price, right=True),
        Column("Fee", lambda r: show.money(r.fee, 4), 76, lambda r: r.fee,
               right=True, drop=True),
        Column("Why", lambda r: Cell(sentence(r.reason), "t2", tool_tip=sentence(r.reason)), 160,
               stretch=1),
        Column("Order", lambda r: Cell(r.client_order_id or r.exchange_order_id, "t3"),
               150, drop=True, stretch=1),
    ]  # fmt: skip
    return TableModel(columns, key=order_key)


def fills(bridge: Bridge) -> TableModel[FillRecord]:
    show = Figures(bridge)
    columns: list[Column[FillRecord]] = [
        Column("Time", lambda r: time_cell(r.fill.time_ms), 84, lambda r: r.fill.time_ms),
        Column("Symbol", lambda r: Cell(r.fill.symbol, weight=600), 96, lambda r: r.fill.symbol,
               stretch=1),
        Column("Side", lambda r: side_cell(r.fill.side, words.SIDES), 64),
        Column("Purpose", lambda r: Cell(tr(words.PURPOSES.get(r.purpose, r.purpose)), "t2"), 96),
        Column("Size", lambda r: show.quantity(r.fill.symbol, r.fill.quantity), 84,
               lambda r: r.fill.quantity, right=True, stretch=1),
        Column("Price", lambda r: show.price(r.fill.symbol, r.fill.price), 92,
               lambda r: r.fill.price, right=True, stretch=1),
        Column("Fee", lambda r: show.money(r.fill.fee, 4), 84, lambda r: r.fill.fee,
               right=True, stretch=1),
        Column("Result", lambda r: change_cell(r.trade_pnl), 100, lambda r: r.trade_pnl, right=True,
               stretch=1),
        Column("Bot", lambda r: show.bot(r.fill.bot_id), 140, drop=True, stretch=1),
        Column("Order", lambda r: Cell(r.fill.client_order_id or r.fill.exchange_order_id, "t3"),
               150, drop=True, stretch=1),
    ]  # fmt: skip
    return TableModel(columns, key=lambda r: r.fill.trade_id)
