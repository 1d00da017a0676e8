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
    """`net_result` is after fees and funding, quote currency; `quantity` the largest held.

    Prices are averages by quantity, None where not all of them are known (a position taken over)
    or mean anything (turned round without being flat in between). `fees` > 0 were paid, `funding`
    > 0 was received. `trade_id` is the exchange's name for the execution that opened it (for a
    position taken over, made from its time): with the symbol it names the trip for good.
    `entry_order_id` and `exit_order_id` are our ids of the orders of the first and the last
    execution, "" where an order was not ours. `exit_purpose` is the exchange's word for the last
    order where it made that itself: stop_loss, take_profit.
    """

    symbol: str
    bot_id: str
    side: Side
    quantity: Decimal
    opened_ms: int
    closed_ms: int
    net_result: Decimal
    entry_price: Decimal | None = None
    exit_price: Decimal | None = None
    fees: Decimal = Decimal(0)
    funding: Decimal = Decimal(0)
    trade_id: str = ""
    entry_order_id: str = ""
    exit_order_id: str = ""
    exit_purpose: str = ""


class OpenTrade(msgspec.Struct):
    symbol: str
    bot_id: str
    side: Side
    opened_ms: int
    position: Decimal  # signed, base
    quantity: Decimal
    net_result: Decimal
    fees: Decimal = Decimal(0)
    funding: Decimal = Decimal(0)
    traded: Decimal = Decimal(0)  # base, entered; as much has left when flat
    entry_value: Decimal = Decimal(0)  # quote: price x quantity
    exit_value: Decimal = Decimal(0)
    has_prices: bool = True
    trade_id: str = ""
    entry_order_id: str = ""
    exit_order_id: str = ""  # of the newest execution that left
    exit_purpose: str = ""

    def take(self, fill: Fill) -> None:
        """An execution of this trade."""
        signed = fill.quantity * fill.side.sign
        if self.position * signed < 0:
            self.exit_value += fill.price * fill.quantity
            self.exit_order_id = fill.client_order_id
            self.exit_purpose = fill.exchange_purpose
            self.has_prices &= fill.quantity <= abs(self.position)
        else:
            self.entry_value += fill.price * fill.quantity
            self.traded += fill.quantity
        self.position += signed
        self.quantity = max(self.quantity, abs(self.position))
        self.net_result += fill.cash_flow
        self.fees += fill.fee


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
                trade.funding += fill.cash_flow
            return None
        if trade is None:
            trade = OpenTrade(
                fill.symbol,
                fill.bot_id,
                fill.side,
                fill.time_ms,
                Decimal(0),
                Decimal(0),
                Decimal(0),
                trade_id=fill.trade_id,
                entry_order_id=fill.client_order_id,
            )
            self.open_trades[fill.symbol] = trade
        trade.take(fill)
        return self._ended(trade, fill.time_ms)

    def on_accepted(self, accepted: AcceptedPosition) -> None:
        """A position that no fill explains: its trade begins now, for what it had cost or earned
        before is not known. What vanished without a fill is no trade with a result. Dust changes
        the size alone."""
        trade = self.open_trades.get(accepted.symbol)
        if accepted.is_dust and trade is not None:
            trade.position = accepted.quantity
            trade.has_prices = False
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
                has_prices=False,
                trade_id=f"taken-over-{accepted.time_ms}",
            )

    def _ended(self, trade: OpenTrade, time_ms: int) -> RoundTrip | None:
        if trade.position != 0:
            return None
        del self.open_trades[trade.symbol]
        has_prices = trade.has_prices and trade.traded > 0
        ended = RoundTrip(
            symbol=trade.symbol,
            bot_id=trade.bot_id,
            side=trade.side,
            quantity=trade.quantity,
            opened_ms=trade.opened_ms,
            closed_ms=time_ms,
            net_result=trade.net_result,
            entry_price=trade.entry_value / trade.traded if has_prices else None,
            exit_price=trade.exit_value / trade.traded if has_prices else None,
            fees=trade.fees,
            funding=trade.funding,
            trade_id=trade.trade_id,
            entry_order_id=trade.entry_order_id,
            exit_order_id=trade.exit_order_id,
            exit_purpose=trade.exit_purpose,
        )
        self.round_trips.append(ended)
        return ended
