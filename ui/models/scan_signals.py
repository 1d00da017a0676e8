"""The day's signals of a bot that scans: what waits now, and what became of those it entered.

What waits is the newest scan's; what was entered is the bot's own orders, so a window that comes
later shows the same. Scores are remembered from the scans that this window has seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from core.models.orders import Order, OrderPurpose, OrderStatus
from core.scanning.snapshots import PendingSignal
from core.snapshots import BotSnapshot, FillRecord
from ui import formatting
from ui.bridge import Bridge
from ui.i18n import sentence, tr
from ui.models.cells import change_cell, time_cell
from ui.models.ranking import REFUSED
from ui.models.table import Cell, Column, TableModel

_DAY_MS = 86_400_000
_REFUSED = (OrderStatus.DENIED, OrderStatus.REJECTED)
_MEDIUM = 500


class SignalRow(NamedTuple):
    """`decision` is waiting, entered or refused; `order_id` "" without an order; `result` in the
    quote currency, None while nothing was closed."""

    key: str
    time_ms: int
    symbol: str
    direction: int
    score: float | None
    decision: str
    reason: str
    result: Decimal | None
    order_id: str


class SignalLog:
    """The newest score of each symbol's signals, as its candles came."""

    def __init__(self) -> None:
        self._scores: dict[str, float] = {}

    def rows(self, bridge: Bridge, bot: BotSnapshot, now_ms: int) -> list[SignalRow]:
        """Newest first, what waits before all."""
        pending = bot.scan.pending if bot.scan is not None else []
        for signal in pending:
            self._scores[signal.symbol] = signal.score
        waiting = [_waiting(signal, now_ms) for signal in pending if signal.waits_for]
        since_ms = now_ms // _DAY_MS * _DAY_MS
        entries = [
            order
            for order in bridge.order_history()
            if order.bot_id == bot.bot_id
            and order.purpose is OrderPurpose.ENTRY
            and order.created_ms >= since_ms
        ]
        results = _results(entries, bridge.fills())
        entries.sort(key=lambda o: -o.created_ms)
        newest: set[str] = set()
        rows = []
        for order in entries:
            score = self._scores.get(order.symbol) if order.symbol not in newest else None
            newest.add(order.symbol)
            rows.append(_of_order(order, score, results.get(order.client_order_id)))
        return waiting + rows


def _waiting(signal: PendingSignal, now_ms: int) -> SignalRow:
    return SignalRow(
        f"{signal.symbol} {signal.candle_open_time_ms}", now_ms, signal.symbol, signal.direction,
        signal.score, "refused" if signal.waits_for == REFUSED else "waiting", signal.waits_for,
        None, "",
    )  # fmt: skip


def _of_order(order: Order, score: float | None, result: Decimal | None) -> SignalRow:
    decision = "refused" if order.status in _REFUSED else "entered"
    return SignalRow(
        order.client_order_id, order.created_ms, order.symbol, order.side.sign, score, decision,
        order.reason, result, order.client_order_id,
    )  # fmt: skip


def _results(entries: Iterable[Order], fills: list[FillRecord]) -> dict[str, Decimal]:
    """Net results of the round trips that these entries began: a trip ends with the first fill of
    its symbol that closes one, before the next entry."""
    found: dict[str, Decimal] = {}
    ordered = sorted(entries, key=lambda o: o.created_ms)
    for number, entry in enumerate(ordered):
        later = [o.created_ms for o in ordered[number + 1 :] if o.symbol == entry.symbol]
        until_ms = later[0] if later else None
        for record in fills:
            fill = record.fill
            if (
                record.trade_pnl is not None
                and (fill.account, fill.symbol) == (entry.account, entry.symbol)
                and fill.time_ms >= entry.created_ms
                and (until_ms is None or fill.time_ms <= until_ms)
            ):
                found[entry.client_order_id] = record.trade_pnl
                break
    return found


def signals(bridge: Bridge) -> TableModel[SignalRow]:
    """Time, symbol, score, decision, reason, result, and why."""

    def time(row: SignalRow) -> Cell:
        return time_cell(row.time_ms) if row.order_id else Cell(tr("now"), "t3")

    def symbol(row: SignalRow) -> Cell:
        instrument = bridge.instruments.get(row.symbol)
        base = instrument.base if instrument else row.symbol
        caption = instrument.quote if instrument else ""
        return Cell(base, weight=600, caption=caption, plain=row.symbol)

    def side(row: SignalRow) -> Cell:
        way = "up" if row.direction > 0 else "down"
        return Cell(tr("Long") if row.direction > 0 else tr("Short"), way, _MEDIUM)

    def score(row: SignalRow) -> Cell:
        if row.score is None:
            return Cell(formatting.UNKNOWN, "t3", plain="")
        return Cell(formatting.number(row.score, 0), "t1", 600)

    def decision(row: SignalRow) -> Cell:
        if row.decision == "waiting":
            return Cell(tr("Waiting"), "accent", _MEDIUM)
        if row.decision == "refused":
            return Cell(tr("Denied"), "warn", _MEDIUM)
        return Cell(tr("Entered"), "t1", _MEDIUM)

    def reason(row: SignalRow) -> Cell:
        text = sentence(row.reason[:1].upper() + row.reason[1:])
        return Cell(text, "t2", tool_tip=text)

    def result(row: SignalRow) -> Cell:
        return change_cell(row.result)

    def why(row: SignalRow) -> Cell:
        return Cell(tr("Why"), "accent", _MEDIUM, action="why") if row.order_id else Cell("")

    columns: list[Column[SignalRow]] = [
        Column("Time", time, 90, lambda r: r.time_ms),
        Column("Symbol", symbol, 132, lambda r: r.symbol),
        Column("Side", side, 70, lambda r: r.direction),
        Column("Score", score, 66, lambda r: r.score, right=True),
        Column("Decision", decision, 96, lambda r: r.decision),
        Column("Reason", reason, 150, stretch=1),
        Column("Result", result, 96, lambda r: r.result, right=True, drop=True),
        Column("", why, 60, right=True),
    ]
    return TableModel(columns, key=lambda r: r.key)
