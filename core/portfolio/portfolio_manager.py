"""Turns a signal into an order: which way, how much, with which stop (spec M3).

A strategy only says where it wants to be. Here that wish meets the position and the money:
flat and a direction opens, the opposite direction or 0 closes, the same direction does nothing.
A reversal is two signals: the first one closes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal

from core.capital.shared_capital_manager import SharedCapitalManager
from core.clock import Clock
from core.event_bus import EventBus
from core.events import Reject, Signal
from core.models.instruments import Instrument
from core.models.orders import Order, OrderPurpose, OrderRequest, OrderStatus, OrderType, Side
from core.models.positions import Position
from core.portfolio.sizing import SizingFacts, SizingMethod, below_minimum, size
from core.trade_log import RoundTrip

_PART = "portfolio"


class PortfolioManager:
    """Subscribes Signal; publishes OrderRequest, or Reject (ours) with the numbers.

    While an entry of it for a symbol is on its way, no second one follows, and one exit does not
    follow another: the position they would be judged by is about to change.
    """

    def __init__(
        self,
        *,
        bus: EventBus,
        clock: Clock,
        capital: SharedCapitalManager,
        instruments: Mapping[str, Instrument],
        position_of: Callable[[str, str], Position | None],
        sizing: SizingMethod,
        make_client_order_id: Callable[[Signal, OrderPurpose], str],
        sizing_of: Callable[[str], SizingMethod | None] = lambda _: None,
        round_trips_of: Callable[[str], Sequence[RoundTrip]] = lambda _: (),
        closes: Callable[[Collection[str], int], Mapping[str, Sequence[Decimal]]] = (
            lambda _symbols, _count: {}
        ),
        traded: Callable[[], Collection[str]] = tuple,
        on_exit_refused: Callable[[Order], object] = lambda _: None,
    ) -> None:
        """`position_of(account, symbol)` is the newest known position, None or flat if none.
        `sizing` is the account's method, `sizing_of(bot_id)` a bot's own one. For the methods
        that ask (`SizingFacts`): `round_trips_of(bot_id)` is a bot's record, `closes(symbols,
        count)` the newest closes of those that count: the signal's, those that bots of this
        account are made for (`traded()`), and those that hold its capital.
        `on_exit_refused(order)`: the exchange would not take a bot's exit; the bot itself speaks
        again only at its next candle, if at all."""
        self._bus = bus
        self._clock = clock
        self._capital = capital
        self._instruments = instruments
        self._position_of = position_of
        self._sizing = sizing
        self._make_client_order_id = make_client_order_id
        self._sizing_of = sizing_of
        self._round_trips_of = round_trips_of
        self._closes = closes
        self._traded = traded
        self._on_exit_refused = on_exit_refused
        self._on_their_way: dict[tuple[str, str], OrderRequest] = {}  # by account and symbol
        bus.subscribe(Signal, self._on_signal, part=_PART)
        bus.subscribe(Order, self._on_order, part=_PART)
        bus.subscribe(Reject, self._on_reject, part=_PART)

    def _on_signal(self, signal: Signal) -> None:
        pending = self._on_their_way.get((signal.account, signal.symbol))
        position = self._position_of(signal.account, signal.symbol)
        if position is None or position.is_flat:
            if signal.direction != 0 and pending is None:
                self._enter(signal)
        elif signal.direction * position.side.sign <= 0 and not (pending and pending.reduce_only):
            self._exit(signal, position)

    def _enter(self, signal: Signal) -> None:
        instrument = self._instruments.get(signal.symbol)
        if instrument is None or not instrument.is_trading:
            self._reject(signal, Decimal(0), "not_trading", f"{signal.symbol} is not traded now")
            return
        price = signal.reference_price
        sizing = self._sizing_of(signal.bot_id) or self._sizing
        equity = self._capital.figures().equity
        target = sizing.target_notional(
            SizingFacts(
                signal=signal,
                equity=equity,
                round_trips=lambda: self._round_trips_of(signal.bot_id),
                closes=lambda count: self._closes_beside(signal.symbol, count),
            )
        )
        quantity = size(target, price, instrument)
        problem = below_minimum(quantity, price, instrument)
        if problem:
            text = f"{sizing.name} allows {target:,.2f} {instrument.quote}: {problem}"
            self._reject(signal, quantity, "below_minimum", text)
            return
        stop_loss = _away(signal, signal.stop_distance, instrument, against=True)
        take_profit = _away(signal, signal.take_profit_distance, instrument, against=False)
        if stop_loss is not None and stop_loss <= 0:
            text = f"a stop {signal.stop_distance} away from {price} would be below zero"
            self._reject(signal, quantity, "no_valid_stop", text)
            return
        self._request(
            OrderRequest(
                client_order_id=self._make_client_order_id(signal, OrderPurpose.ENTRY),
                account=signal.account,
                bot_id=signal.bot_id,
                strategy=signal.strategy,
                symbol=signal.symbol,
                side=_side(signal),
                order_type=OrderType.MARKET,
                quantity=quantity,
                reference_price=price,
                purpose=OrderPurpose.ENTRY,
                created_ms=signal.time_ms,
                stop_loss=stop_loss,
                take_profit=take_profit if take_profit is None or take_profit > 0 else None,
                reason=signal.reason,
                sizing=(
                    f"{sizing.name} of {equity:,.2f} {instrument.quote} allows {target:,.2f}; "
                    f"{target:,.2f} / {price} = {target / price:.6g}, in whole steps {quantity}"
                ),
            )
        )

    def _closes_beside(self, symbol: str, count: int) -> Mapping[str, Sequence[Decimal]]:
        counting = {symbol, *self._traded(), *self._capital.get_locked_symbols()}
        return self._closes(counting, count)

    def _exit(self, signal: Signal, position: Position) -> None:
        self._request(
            OrderRequest(
                client_order_id=self._make_client_order_id(signal, OrderPurpose.EXIT),
                account=signal.account,
                bot_id=signal.bot_id,
                strategy=signal.strategy,
                symbol=signal.symbol,
                side=position.side.opposite,
                order_type=OrderType.MARKET,
                quantity=position.quantity,
                reference_price=signal.reference_price,
                purpose=OrderPurpose.EXIT,
                created_ms=signal.time_ms,
                reduce_only=True,
                reason=signal.reason,
            )
        )

    def _request(self, request: OrderRequest) -> None:
        self._on_their_way[request.account, request.symbol] = request
        self._bus.publish(request)

    def _reject(self, signal: Signal, quantity: Decimal, code: str, text: str) -> None:
        self._bus.publish(
            Reject(
                client_order_id=self._make_client_order_id(signal, OrderPurpose.ENTRY),
                account=signal.account,
                bot_id=signal.bot_id,
                symbol=signal.symbol,
                side=_side(signal),
                quantity=quantity,
                code=code,
                text=text,
                time_ms=self._clock.time_ms(),
            )
        )

    def _on_order(self, order: Order) -> None:
        if not order.status.is_terminal:
            return
        request = self._arrived(order.account, order.symbol, order.client_order_id)
        if request is not None and request.reduce_only and order.status is OrderStatus.REJECTED:
            self._on_exit_refused(order)

    def _on_reject(self, reject: Reject) -> None:
        self._arrived(reject.account, reject.symbol, reject.client_order_id)

    def _arrived(self, account: str, symbol: str, client_order_id: str) -> OrderRequest | None:
        """The request, where it was on its way till now."""
        pending = self._on_their_way.get((account, symbol))
        if pending is None or pending.client_order_id != client_order_id:
            return None
        return self._on_their_way.pop((account, symbol))


def _side(signal: Signal) -> Side:
    return Side.BUY if signal.direction > 0 else Side.SELL


def _away(
    signal: Signal, distance: Decimal | None, instrument: Instrument, *, against: bool
) -> Decimal | None:
    """The price `distance` from the reference, on the tick and at least one tick away."""
    if distance is None:
        return None
    distance = max(instrument.round_price(distance), instrument.tick_size)
    direction = -signal.direction if against else signal.direction
    return instrument.round_price(signal.reference_price + direction * distance)
