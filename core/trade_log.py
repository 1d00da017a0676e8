"""Round trips: from flat to flat, per symbol, with their net result.

Fed with fills that were booked exactly once, and positions that were taken over, in order;
replaying the same after a restart gives the same trades.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from core.models.fills import Fill, FillKind
from core.models.orders import Side
from core.models.positions import AcceptedPosition


class RoundTrip(msgspec.Struct, frozen=True):
    """`net_result` is after fees and funding, quote currency; `quantity` the largest held."""

    symbol: str
    bot_id: str
    side: Side
    quantity: Decimal
    opened_ms: int
    closed_ms: int
    net_result: Decimal


class OpenTrade(msgspec.Struct):
    symbol: str
    bot_id: str
    side: Side
    opened_ms: int
    position: Decimal  # signed, base
    quantity: Decimal
    net_result: Decimal


class TradeLog:
    """Attributes: round_trips (oldest first), open_trades by symbol."""

    def __init__(self) -> None:
        self.round_trips: list[RoundTrip] = []
        self.open_trades: dict[str, OpenTrade] = {}

    def round_trips_of(self, bot_id: str) -> list[RoundTrip]:
        """A bot's record, oldest first."""
        return [trip for trip in self.round_trips if trip.bot_id == bot_id]

    def replay(
        self, history: Iterable[Fill | AcceptedPosition]
    ) -> list[tuple[Fill, RoundTrip | None]]:
        """Take in what former runs booked; each fill with the round trip that it ended, if any."""
        fills = []
        for event in history:
            if isinstance(event, AcceptedPosition):
                self.on_accepted(event)
            else:
                fills.append((event, self.on_fill(event)))
        return fills

    def on_fill(self, fill: Fill) -> RoundTrip | None:
        """The round trip that this fill ended, if it did."""
        trade = self.open_trades.get(fill.symbol)
        if fill.kind is FillKind.FUNDING:
            if trade is not None:
                trade.net_result += fill.cash_flow
            return None
        signed = fill.quantity * fill.side.sign
        if trade is None:
            trade = OpenTrade(
                fill.symbol,
                fill.bot_id,
                fill.side,
                fill.time_ms,
                Decimal(0),
                Decimal(0),
                Decimal(0),
            )
            self.open_trades[fill.symbol] = trade
        trade.position += signed
        trade.quantity = max(trade.quantity, abs(trade.position))
        trade.net_result += fill.cash_flow
        return self._ended(trade, fill.time_ms)

    def on_accepted(self, accepted: AcceptedPosition) -> None:
        """A position that no fill explains: its trade begins now, for what it had cost or earned
        before is not known. What vanished without a fill is no trade with a result. Dust changes
        the size alone."""
        trade = self.open_trades.get(accepted.symbol)
        if accepted.is_dust and trade is not None:
            trade.position = accepted.quantity
            self._ended(trade, accepted.time_ms)
            return
        self.open_trades.pop(accepted.symbol, None)
        if accepted.quantity != 0:
            self.open_trades[accepted.symbol] = OpenTrade(
                accepted.symbol,
                accepted.bot_id,
                Side.BUY if accepted.quantity > 0 else Side.SELL,
                accepted.time_ms,
                accepted.quantity,
                abs(accepted.quantity),
                Decimal(0),
            )

    def _ended(self, trade: OpenTrade, time_ms: int) -> RoundTrip | None:
        if trade.position != 0:
            return None
        del self.open_trades[trade.symbol]
        ended = RoundTrip(
            symbol=trade.symbol,
            bot_id=trade.bot_id,
            side=trade.side,
            quantity=trade.quantity,
            opened_ms=trade.opened_ms,
            closed_ms=time_ms,
            net_result=trade.net_result,
        )
        self.round_trips.append(ended)
        return ended
