"""Columns of the blotter's tables: positions, working orders, fills, history, log."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import NamedTuple

from core.models.orders import Order
from core.snapshots import ClosedCandle, FillRecord, Notice, PositionSnapshot
from ui import formatting, i18n
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models import words
from ui.models.table import Cell, Column, TableModel
from ui.models.words import tone_of

_MEDIUM = 500


class LogLine(NamedTuple):
    """One line of the log, in the trader's language; `number` keeps equal lines apart."""

    number: int
    time_ms: int
    tone: str
    title: str
    text: str


def _time(time_ms: int) -> Cell:
    whole = formatting.utc(time_ms).astimezone(UTC)
    return Cell(
        formatting.clock(time_ms),
        "t3",
        tool_tip=f"{whole:%Y-%m-%d %H:%M:%S} UTC\n{formatting.local_time(time_ms)}",
    )


def _change(value: Decimal | None, currency: str = "USDT") -> Cell:
    if value is None:
        return Cell(formatting.UNKNOWN, "t3")
    arrow = 0 if value == 0 else (1 if value > 0 else -1)
    text = formatting.money(value, currency, sign=True)
    return Cell(text, tone_of(value), _MEDIUM, arrow=arrow)


class _Prices:
    """Prices and sizes as the instrument's steps want them."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def price(self, symbol: str, value: Decimal | None, weight: int = 400) -> Cell:
        if value is None:
            return Cell(formatting.UNKNOWN, "t3")
        instrument = self._bridge.instruments.get(symbol)
        decimals = instrument.price_decimals if instrument else 2
        return Cell(formatting.price(value, decimals), "t1", weight, tool_tip=f"{value:f}")

    def quantity(self, symbol: str, value: Decimal) -> Cell:
        instrument = self._bridge.instruments.get(symbol)
        decimals = instrument.quantity_decimals if instrument else None
        return Cell(formatting.quantity(value, decimals))

    def bot(self, bot_id: str) -> Cell:
        link = self._bridge.bots.get(bot_id)
        if link is None:
            return Cell(bot_id or formatting.UNKNOWN, "t2" if bot_id else "t3")
        return Cell(f"{link.latest.kind} · {link.latest.timeframe}", "t2")


def positions(bridge: Bridge) -> TableModel[PositionSnapshot]:
    show = _Prices(bridge)

    def protection(row: PositionSnapshot, value: Decimal | None) -> Cell:
        if value is None and not row.is_protected:
            return Cell(tr("none"), "danger", tool_tip=tr("No stop rests at the exchange."))
        return show.price(row.position.symbol, value)

    def value_of(row: PositionSnapshot) -> Decimal:
        return row.position.quantity * (row.position.mark_price or row.position.entry_price)

    columns: list[Column[PositionSnapshot]] = [
        Column("Symbol", lambda r: Cell(r.position.symbol, weight=600), 96,
               lambda r: r.position.symbol, stretch=2),
        Column("Side", lambda r: Cell(tr(words.DIRECTIONS[r.position.side]),
               words.SIDE_TONES[r.position.side], _MEDIUM), 64),
        Column("Size", lambda r: show.quantity(r.position.symbol, r.position.quantity), 84,
               lambda r: r.position.quantity, right=True, stretch=1),
        Column("Entry", lambda r: show.price(r.position.symbol, r.position.entry_price), 92,
               lambda r: r.position.entry_price, right=True, stretch=1),
        Column("Mark", lambda r: show.price(r.position.symbol, r.position.mark_price), 92,
               lambda r: r.position.mark_price, right=True, stretch=1),
        Column("Value", lambda r: Cell(formatting.money(value_of(r))), 92, value_of,
               right=True, stretch=1, drop=True),
        Column("SL", lambda r: protection(r, r.position.stop_loss), 88,
               lambda r: r.position.stop_loss, right=True, stretch=1),
        Column("TP", lambda r: show.price(r.position.symbol, r.position.take_profit), 88,
               lambda r: r.position.take_profit, right=True, stretch=1),
        Column("PnL", lambda r: _change(r.position.unrealized_pnl), 96,
               lambda r: r.position.unrealized_pnl, right=True, stretch=1),
        Column("PnL %", lambda r: Cell(formatting.percent(r.pnl_ratio), tone_of(r.pnl_ratio),
               _MEDIUM), 84, lambda r: r.pnl_ratio, right=True, drop=True),
        Column("Bot", lambda r: show.bot(r.bot_id), 130, drop=True, stretch=1),
        Column("Owner", lambda r: Cell(tr("Bot") if r.bot_id else tr("External"), "t2"), 84,
               drop=True),
        Column("", lambda _: Cell(tr("Close…"), action="close"), 76, right=True),
    ]  # fmt: skip
    return TableModel(
        columns,
        key=lambda r: (r.position.account, r.position.symbol),
        is_stale=lambda r: bridge.is_price_stale(r.position.symbol),
    )


def working(bridge: Bridge) -> TableModel[Order]:
    show = _Prices(bridge)

    def waits_for(order: Order) -> Decimal | None:
        return order.price if order.price is not None else order.trigger_price

    columns: list[Column[Order]] = [
        Column("Time", lambda r: _time(r.created_ms), 84, lambda r: r.created_ms),
        Column("Symbol", lambda r: Cell(r.symbol, weight=600), 96, lambda r: r.symbol, stretch=1),
        Column("Side", lambda r: Cell(tr(words.SIDES[r.side]), words.SIDE_TONES[r.side], _MEDIUM),
               64),
        Column("Type", lambda r: Cell(tr(words.ORDER_TYPES[r.order_type]), "t2"), 76),
        Column("Purpose", lambda r: Cell(tr(words.PURPOSES[r.purpose.value]), "t2"), 96),
        Column("Price", lambda r: show.price(r.symbol, waits_for(r)), 92, waits_for,
               right=True, stretch=1),
        Column("Size", lambda r: show.quantity(r.symbol, r.quantity), 84, lambda r: r.quantity,
               right=True, stretch=1),
        Column("Filled", lambda r: show.quantity(r.symbol, r.filled_quantity), 84,
               lambda r: r.filled_quantity, right=True, drop=True),
        Column("State", lambda r: Cell(tr(words.ORDER_STATES[r.status]),
               words.ORDER_STATE_TONES.get(r.status, "t2")), 110, stretch=1),
        Column("Bot", lambda r: show.bot(r.bot_id), 130, drop=True, stretch=1),
        Column("", lambda _: Cell(tr("Cancel"), action="cancel"), 76, right=True),
    ]  # fmt: skip
    return TableModel(columns, key=_order_key)


def _order_key(order: Order) -> tuple[str, str]:
    return order.client_order_id, order.exchange_order_id


def history(bridge: Bridge) -> TableModel[Order]:
    show = _Prices(bridge)
    columns: list[Column[Order]] = [
        Column("Time", lambda r: _time(r.updated_ms), 84, lambda r: r.updated_ms),
        Column("Symbol", lambda r: Cell(r.symbol, weight=600), 96, lambda r: r.symbol),
        Column("Side", lambda r: Cell(tr(words.SIDES[r.side]), words.SIDE_TONES[r.side], _MEDIUM),
               64),
        Column("Purpose", lambda r: Cell(tr(words.PURPOSES[r.purpose.value]), "t2"), 96),
        Column("State", lambda r: Cell(tr(words.ORDER_STATES[r.status]),
               words.ORDER_STATE_TONES.get(r.status, "t2")), 100),
        Column("Size", lambda r: show.quantity(r.symbol, r.quantity), 84, lambda r: r.quantity,
               right=True),
        Column("Average", lambda r: show.price(r.symbol, r.average_price), 96,
               lambda r: r.average_price, right=True),
        Column("Fee", lambda r: Cell(formatting.number(r.fee, 4)), 76, lambda r: r.fee,
               right=True, drop=True),
        Column("Why", lambda r: Cell(sentence(r.reason), "t2", tool_tip=sentence(r.reason)), 160,
               stretch=1),
    ]  # fmt: skip
    return TableModel(columns, key=_order_key)


def fills(bridge: Bridge) -> TableModel[FillRecord]:
    show = _Prices(bridge)
    columns: list[Column[FillRecord]] = [
        Column("Time", lambda r: _time(r.fill.time_ms), 84, lambda r: r.fill.time_ms),
        Column("Symbol", lambda r: Cell(r.fill.symbol, weight=600), 96, lambda r: r.fill.symbol,
               stretch=1),
        Column("Side", lambda r: Cell(tr(words.SIDES[r.fill.side]), words.SIDE_TONES[r.fill.side],
               _MEDIUM), 64),
        Column("Purpose", lambda r: Cell(tr(words.PURPOSES.get(r.purpose, r.purpose)), "t2"), 96),
        Column("Size", lambda r: show.quantity(r.fill.symbol, r.fill.quantity), 84,
               lambda r: r.fill.quantity, right=True, stretch=1),
        Column("Price", lambda r: show.price(r.fill.symbol, r.fill.price), 92,
               lambda r: r.fill.price, right=True, stretch=1),
        Column("Fee", lambda r: Cell(formatting.number(r.fill.fee, 4)), 84, lambda r: r.fill.fee,
               right=True, stretch=1),
        Column("Result", lambda r: _change(r.trade_pnl), 100, lambda r: r.trade_pnl, right=True,
               stretch=1),
        Column("Bot", lambda r: show.bot(r.fill.bot_id), 140, drop=True, stretch=1),
        Column("Order", lambda r: Cell(r.fill.client_order_id or r.fill.exchange_order_id, "t3"),
               150, drop=True, stretch=1),
    ]  # fmt: skip
    return TableModel(columns, key=lambda r: r.fill.trade_id)


def fill_words(bridge: Bridge, record: FillRecord) -> str:
    """`Filled: buy 0.067 BTCUSDT at 65,869.1`, in the trader's language."""
    fill, show = record.fill, _Prices(bridge)
    return tr(
        "{side} {size} {symbol} at {price}",
        side=tr(words.SIDES[fill.side]),
        size=show.quantity(fill.symbol, fill.quantity).text,
        symbol=fill.symbol,
        price=show.price(fill.symbol, fill.price).text,
    )


def log_lines(bridge: Bridge) -> list[LogLine]:
    """Notices, fills and closed candles of the ordered list, newest first."""
    lines = []
    for item in reversed(bridge.items):
        record = item.record
        if isinstance(record, Notice):
            tone = words.SEVERITY_TONES.get(record.severity, "t1")
            title, text = i18n.title(record.title), sentence(record.text)
        elif isinstance(record, FillRecord):
            tone, title = "t1", tr("Filled")
            fee = tr("fee {fee}", fee=formatting.number(record.fill.fee, 2))
            text = f"{fill_words(bridge, record)} · {fee}"
            if record.trade_pnl is not None:
                result = tr("result {pnl}", pnl=formatting.signed(record.trade_pnl))
                text = f"{text} · {result}"
        elif isinstance(record, ClosedCandle):
            candle = record.candle
            tone, title = "t1", tr("Candle closed")
            close = _Prices(bridge).price(candle.symbol, Decimal(str(candle.close))).text
            volume = formatting.volume(candle.volume)
            text = f"{candle.symbol} {candle.timeframe} C {close} · {tr('Vol')} {volume}"
        else:
            continue
        lines.append(LogLine(item.seq, item.time_ms, tone, title, text))
    return lines


def log() -> TableModel[LogLine]:
    columns: list[Column[LogLine]] = [
        Column("Time", lambda r: _time(r.time_ms)._replace(text=formatting.clock_ms(r.time_ms)),
               108, lambda r: r.time_ms),
        Column("Event", lambda r: Cell(r.title, r.tone, _MEDIUM), 140),
        Column("What happened", lambda r: Cell(r.text, "t2", tool_tip=r.text), 200, stretch=1),
    ]  # fmt: skip
    return TableModel(columns, key=lambda r: r.number)
