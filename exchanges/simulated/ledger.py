"""One account's books in memory: money, positions, working orders, margin.

It decides nothing and checks no request; `account` does that, `matching` books what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from core.models.instruments import Instrument
from core.models.orders import OrderType, Side
from exchanges.simulated.holding import AccountBooks, Closed, Holding, to_cents
from exchanges.simulated.values import (
    CreateType,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
    Wallet,
)

DEFAULT_LEVERAGE = Decimal(10)
_CURRENCY = "USDT"
_ZERO = Decimal(0)
_ENTRY_DIGITS_BELOW_TICK = 4  # a mean entry price is shown this much finer than the tick

PriceOf = Callable[[str], Decimal]
"""Last price of a symbol that has traded."""


class Ledger:
    """`books` is what is stored; `orders` the open ones by exchange id, oldest first."""

    def __init__(self, books: AccountBooks, instruments: dict[str, Instrument]) -> None:
        self.books = books
        self.orders: dict[str, VenueOrder] = {}
        self._instruments = instruments

    @property
    def name(self) -> str:
        return self.books.name

    def holding(self, symbol: str) -> Holding:
        """Made flat on first use."""
        holding = self.books.holdings.get(symbol)
        if holding is None:
            most = self._instruments[symbol].max_leverage
            holding = Holding(leverage=min(DEFAULT_LEVERAGE, most))
            self.books.holdings[symbol] = holding
        return holding

    def open_holdings(self) -> list[tuple[str, Holding]]:
        return [(symbol, h) for symbol, h in self.books.holdings.items() if h.quantity]

    def put(self, order: VenueOrder) -> None:
        if order.is_open:
            self.orders[order.order_id] = order
        else:
            self.orders.pop(order.order_id, None)

    def orders_of(self, symbol: str) -> list[VenueOrder]:
        return [order for order in self.orders.values() if order.symbol == symbol]

    def protection(self, symbol: str, kind: CreateType) -> VenueOrder | None:
        """The position's resting SL or TP."""
        for order in self.orders.values():
            if order.symbol == symbol and order.create_type is kind:
                return order
        return None

    def trade(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        *,
        fee: Decimal,
        time_ms: int,
    ) -> Closed:
        """Book one trade; `fee` in quote currency, already in cents."""
        holding = self.holding(symbol)
        closed = holding.trade(side, quantity, price, time_ms)
        self.book_result(symbol, closed.realized_pnl - fee)
        return closed

    def book_result(self, symbol: str, amount: Decimal) -> None:
        """The one place where the wallet changes."""
        self.holding(symbol).book_result(amount)
        self.books.wallet_balance += amount
        self.books.total_realized += amount

    # -- margin -------------------------------------------------------------------------------

    def position_margin(self) -> Decimal:
        return sum((h.cost / h.leverage for _, h in self.open_holdings()), _ZERO)

    def maintenance_margin(self, price_of: PriceOf) -> Decimal:
        return sum(
            (
                abs(h.quantity) * price_of(symbol) * self.maintenance_rate(symbol)
                for symbol, h in self.open_holdings()
            ),
            _ZERO,
        )

    def maintenance_rate(self, symbol: str) -> Decimal:
        """Half of the initial margin at the highest leverage."""
        return 1 / (2 * self._instruments[symbol].max_leverage)

    def order_margin(self) -> Decimal:
        """Held for what working orders could open: on each side, what exceeds the position it
        would close first. Conditional and reduce-only orders hold nothing."""
        held = _ZERO
        working: dict[tuple[str, Side], list[VenueOrder]] = {}
        for order in self.orders.values():
            if (
                order.order_type is OrderType.LIMIT
                and order.status is not VenueOrderStatus.UNTRIGGERED
                and not order.reduce_only
            ):
                working.setdefault((order.symbol, order.side), []).append(order)
        for (symbol, side), orders in working.items():
            holding = self.holding(symbol)
            closing = holding.reducible(side)
            for order in orders:
                opening = max(_ZERO, order.leaves_quantity - closing)
                closing = max(_ZERO, closing - order.leaves_quantity)
                held += opening * (order.price or _ZERO) / holding.leverage
        return held

    def unrealized(self, price_of: PriceOf) -> Decimal:
        return sum((h.unrealized(price_of(symbol)) for symbol, h in self.open_holdings()), _ZERO)

    def equity(self, price_of: PriceOf) -> Decimal:
        return self.books.wallet_balance + self.unrealized(price_of)

    def available(self, price_of: PriceOf) -> Decimal:
        """What new orders may take as margin; never below zero."""
        free = self.equity(price_of) - self.position_margin() - self.order_margin()
        return max(_ZERO, free)

    # -- what is shown ------------------------------------------------------------------------

    def wallet(self, price_of: PriceOf, time_ms: int) -> Wallet:
        unrealized = self.unrealized(price_of)
        return Wallet(
            account=self.name,
            currency=_CURRENCY,
            wallet_balance=self.books.wallet_balance,
            available_balance=to_cents(self.available(price_of)),
            equity=self.books.wallet_balance + unrealized,
            updated_ms=time_ms,
            unrealized_pnl=unrealized,
            position_margin=to_cents(self.position_margin()),
            order_margin=to_cents(self.order_margin()),
            maintenance_margin=to_cents(self.maintenance_margin(price_of)),
            total_realized_pnl=self.books.total_realized,
        )

    def position(self, symbol: str, price_of: PriceOf) -> VenuePosition:
        """Flat positions are shown too: quantity zero, leverage as set."""
        holding = self.holding(symbol)
        quantity = abs(holding.quantity)
        protection = {
            kind: self.protection(symbol, kind)
            for kind in (CreateType.STOP_LOSS, CreateType.TAKE_PROFIT)
        }
        stop_loss, take_profit = (
            order.trigger_price if order else None for order in protection.values()
        )
        price = price_of(symbol) if quantity else None
        value = quantity * price if price is not None else _ZERO
        return VenuePosition(
            account=self.name,
            symbol=symbol,
            side=holding.side,
            quantity=quantity,
            entry_price=self._entry_price(symbol, holding),
            updated_ms=holding.updated_ms,
            mark_price=price,
            unrealized_pnl=holding.unrealized(price) if price is not None else _ZERO,
            leverage=holding.leverage,
            stop_loss=stop_loss,
            take_profit=take_profit,
            liquidation_price=self._liquidation_price(symbol, holding, price_of),
            sequence=holding.sequence,
            created_ms=holding.created_ms,
            value=value,
            initial_margin=to_cents(holding.cost / holding.leverage),
            maintenance_margin=to_cents(value * self.maintenance_rate(symbol)),
            realized_pnl=holding.realized,
            total_realized_pnl=holding.total_realized,
        )

    def _entry_price(self, symbol: str, holding: Holding) -> Decimal:
        if not holding.quantity:
            return _ZERO
        unit = self._instruments[symbol].tick_size.scaleb(-_ENTRY_DIGITS_BELOW_TICK)
        return (holding.cost / abs(holding.quantity)).quantize(unit)

    def _liquidation_price(
        self, symbol: str, holding: Holding, price_of: PriceOf
    ) -> Decimal | None:
        """Where, all else standing still, equity would fall to the maintenance margin."""
        if not holding.quantity:
            return None
        price, rate = price_of(symbol), self.maintenance_rate(symbol)
        spare = self.equity(price_of) - self.maintenance_margin(price_of)
        spare_per_unit = holding.quantity - abs(holding.quantity) * rate  # of price
        limit = price - spare / spare_per_unit
        tick = self._instruments[symbol].tick_size
        return limit.quantize(tick) if limit > 0 else None
