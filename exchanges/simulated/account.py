"""One trader's account: requests in, refusals and answers out."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from core.models.instruments import Instrument
from core.models.orders import OrderType, Side
from exchanges.simulated.ledger import Ledger
from exchanges.simulated.matching import Matching
from exchanges.simulated.order_checks import (
    check_notional,
    check_order,
    check_price,
    check_protection,
    check_quantity,
    check_trigger,
)
from exchanges.simulated.protection import protect
from exchanges.simulated.state import VenueState
from exchanges.simulated.values import (
    CancelReason,
    CreateType,
    Execution,
    Page,
    PlaceOrder,
    RejectReason,
    StopType,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
    VenueReject,
    Wallet,
)
from exchanges.simulated.venue_profile import STANDARD, ClientIds, VenueProfile

MAX_OPEN_ORDERS = 500  # of one symbol
_ZERO = Decimal(0)
# The taker fee is held back with the margin: an order that just fits must not overdraw.
_FEE_RESERVE = Decimal("0.0006")


class Account:
    """One-way mode, cross margin, one settlement currency (USDT).

    Every method brings the market up to the clock first, and commits before it returns.
    Refusals are `VenueReject`. An order is named by its exchange id or its client id. Over live
    prices, `wallet` and `positions` raise LookupError while a held symbol has no price yet.
    """

    def __init__(
        self,
        ledger: Ledger,
        state: VenueState,
        matching: Matching,
        *,
        advance: Callable[[], None],
        commit: Callable[[], None],
        profile: VenueProfile = STANDARD,
    ) -> None:
        """Made by `Venue.account`; `advance` and `commit` are the venue's."""
        self.name = ledger.name
        self._ledger = ledger
        self._state = state
        self._matching = matching
        self._advance = advance
        self._commit = commit
        self._profile = profile

    # -- orders -------------------------------------------------------------------------------

    def place_order(self, request: PlaceOrder) -> VenueOrder:
        """The order after what could match at once has matched. Raises VenueReject."""
        self._advance()
        instrument = self._instrument(request.symbol)
        last_price = self._last_price(request.symbol)
        check_order(request, instrument, last_price)
        self._check_client_id(request.client_order_id)
        is_conditional = request.trigger_price is not None
        if not is_conditional:
            self._check_reduce_only(request)
            if not request.reduce_only:
                price = request.price if request.price is not None else last_price
                self._check_margin(request.symbol, request.side, request.quantity, price)
        if len(self._ledger.orders_of(request.symbol)) >= MAX_OPEN_ORDERS:
            raise VenueReject(
                RejectReason.TOO_MANY_ORDERS,
                f"{request.symbol} already has {MAX_OPEN_ORDERS} open orders.",
            )
        sequence = self._state.next_sequence()
        order = VenueOrder(
            sequence=sequence,
            priority=sequence,
            order_id=self._state.new_id(sequence),
            client_order_id=request.client_order_id,
            account=self.name,
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            quantity=request.quantity,
            status=VenueOrderStatus.UNTRIGGERED if is_conditional else VenueOrderStatus.NEW,
            created_ms=self._state.now_ms,
            updated_ms=self._state.now_ms,
            last_price_on_created=last_price,
            price=request.price,
            time_in_force=request.time_in_force,
            reduce_only=request.reduce_only,
            stop_type=StopType.STOP if is_conditional else StopType.NONE,
            trigger_price=request.trigger_price,
            trigger_direction=request.trigger_direction,
            stop_loss=request.stop_loss or None,
            take_profit=request.take_profit or None,
        )
        self._state.record(order)
        if not is_conditional:
            self._state.touch(self.name)
            order = self._matching.execute(order)
        self._commit()
        return order

    def amend_order(
        self,
        symbol: str,
        *,
        order_id: str = "",
        client_order_id: str = "",
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
        stop_loss: Decimal | None = None,
        take_profit: Decimal | None = None,
    ) -> VenueOrder:
        """None leaves a field; zero removes an attached stop_loss/take_profit. A new price or a
        larger quantity loses time priority. Raises VenueReject."""
        self._advance()
        order = self._open_order(symbol, order_id, client_order_id)
        wanted = {
            "quantity": quantity,
            "price": price,
            "trigger_price": trigger_price,
            "stop_loss": stop_loss,
            "take_profit": take_profit,
        }
        changes: dict[str, Any] = {
            field: value or None
            for field, value in wanted.items()
            if value is not None and (value or None) != getattr(order, field)
        }
        if not changes:
            raise VenueReject(RejectReason.ORDER_NOT_MODIFIED, "The order is not modified.")
        self._check_amendment(order, changes)
        requeues = "price" in changes or (quantity is not None and quantity > order.quantity)
        if requeues:
            changes["priority"] = self._state.next_sequence()
        order = self._state.change(order, **changes)
        self._state.touch(self.name, symbol if order.is_protection else "")
        if requeues and order.status is not VenueOrderStatus.UNTRIGGERED:
            order = self._matching.execute(order)
        self._commit()
        return order

    def cancel_order(
        self, symbol: str, *, order_id: str = "", client_order_id: str = ""
    ) -> VenueOrder:
        self._advance()
        order = self._open_order(symbol, order_id, client_order_id)
        order = self._matching.cancel(order, CancelReason.BY_USER)
        self._commit()
        return order

    def cancel_all(self, symbol: str | None = None) -> list[VenueOrder]:
        """Cancels working and conditional orders, protection included. None: every symbol."""
        cancelled = [
            self._matching.cancel(order, CancelReason.BY_USER) for order in self.open_orders(symbol)
        ]
        self._commit()
        return cancelled

    def open_orders(self, symbol: str | None = None) -> list[VenueOrder]:
        """Working and untriggered orders, oldest first."""
        self._advance()
        return [o for o in self._ledger.orders.values() if symbol is None or o.symbol == symbol]

    def order(
        self, *, order_id: str = "", client_order_id: str = "", symbol: str | None = None
    ) -> VenueOrder | None:
        """Newest state, open or final; None when there is no such order."""
        self._advance()
        order = self._state.store.order(
            self.name, order_id=order_id, client_order_id=client_order_id
        )
        if order is None or (symbol is not None and order.symbol != symbol):
            return None
        return order

    # -- history ------------------------------------------------------------------------------

    def order_history(
        self,
        *,
        symbol: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 50,
        cursor: str = "",
    ) -> Page[VenueOrder]:
        """Final orders by time of last change."""
        self._advance()
        return self._state.store.order_history(
            self.name,
            symbol=symbol,
            start_ms=start_ms,
            end_ms=end_ms,
            limit=limit,
            cursor=cursor,
        )

    def executions(
        self,
        *,
        symbol: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        order_id: str = "",
        client_order_id: str = "",
        only_closing: bool = False,
        limit: int = 50,
        cursor: str = "",
    ) -> Page[Execution]:
        """Trades and funding; bounds inclusive, ms UTC."""
        self._advance()
        return self._state.store.executions(
            self.name,
            symbol=symbol,
            start_ms=start_ms,
            end_ms=end_ms,
            order_id=order_id,
            client_order_id=client_order_id,
            only_closing=only_closing,
            limit=limit,
            cursor=cursor,
        )

    def closed_pnl(
        self,
        *,
        symbol: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 50,
        cursor: str = "",
    ) -> Page[Execution]:
        """Executions that closed something (`closed_quantity` > 0)."""
        return self.executions(
            symbol=symbol,
            start_ms=start_ms,
            end_ms=end_ms,
            only_closing=True,
            limit=limit,
            cursor=cursor,
        )

    # -- position and money -------------------------------------------------------------------

    def positions(self, symbol: str | None = None) -> list[VenuePosition]:
        """Positions that are not flat; with `symbol`, that one, flat or not."""
        self._advance()
        symbols = [name for name, _ in self._ledger.open_holdings()]
        if symbol is not None:
            self._instrument(symbol)
            symbols = [symbol]
        return [self._ledger.position(name, self._state.price) for name in symbols]

    def wallet(self) -> Wallet:
        self._advance()
        return self._ledger.wallet(self._state.price, self._state.now_ms)

    def leverage(self, symbol: str) -> Decimal:
        self._instrument(symbol)
        return self._ledger.holding(symbol).leverage

    def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        self._advance()
        most = self._instrument(symbol).max_leverage
        if not leverage.is_finite() or not 1 <= leverage <= most:
            raise VenueReject(
                RejectReason.LEVERAGE_OUT_OF_RANGE,
                f"Leverage {leverage} is not between 1 and {most:f}.",
            )
        holding = self._ledger.holding(symbol)
        if leverage == holding.leverage:
            raise VenueReject(RejectReason.LEVERAGE_NOT_MODIFIED, "Leverage is not modified.")
        more_margin = holding.cost / leverage - holding.cost / holding.leverage
        if more_margin > self._ledger.available(self._state.price):
            raise VenueReject(
                RejectReason.INSUFFICIENT_BALANCE,
                f"Leverage {leverage:f} needs more margin than is available.",
            )
        holding.leverage = leverage
        self._state.touch(self.name, symbol)
        self._commit()

    def set_protection(
        self, symbol: str, *, stop_loss: Decimal | None = None, take_profit: Decimal | None = None
    ) -> None:
        """Position-level SL/TP prices (last price triggers). None leaves, zero removes."""
        self._advance()
        instrument = self._instrument(symbol)
        holding = self._ledger.holding(symbol)
        if not holding.quantity:
            raise VenueReject(
                RejectReason.NO_POSITION, f"{symbol} has no position that could be protected."
            )
        last_price = self._last_price(symbol)
        check_protection(holding.side, last_price, stop_loss, take_profit, instrument)
        prices = {CreateType.STOP_LOSS: stop_loss, CreateType.TAKE_PROFIT: take_profit}
        if not protect(self._state, self._ledger, symbol, prices):
            raise VenueReject(RejectReason.PROTECTION_NOT_MODIFIED, "Protection is not modified.")
        self._commit()

    # -- checks -------------------------------------------------------------------------------

    def _instrument(self, symbol: str) -> Instrument:
        instrument = self._state.market.instruments.get(symbol)
        if instrument is None:
            raise VenueReject(RejectReason.UNKNOWN_SYMBOL, f"There is no symbol {symbol} here.")
        return instrument

    def _last_price(self, symbol: str) -> Decimal:
        try:
            return self._state.price(symbol)
        except LookupError as error:
            raise VenueReject(RejectReason.BAD_PARAMETER, str(error)) from None

    def _open_order(self, symbol: str, order_id: str, client_order_id: str) -> VenueOrder:
        for order in self._ledger.orders.values():
            if order.symbol == symbol and (
                order.order_id == order_id
                if order_id
                else order.client_order_id == client_order_id != ""
            ):
                return order
        raise VenueReject(
            RejectReason.ORDER_NOT_FOUND, "The order does not exist, or is final already."
        )

    def _check_client_id(self, client_order_id: str) -> None:
        """Unique for ever, also against orders that are long final, where the profile says so."""
        if not client_order_id or self._profile.client_ids is ClientIds.NEVER:
            return
        known = self._state.store.order(self.name, order_id="", client_order_id=client_order_id)
        if known is not None and (known.is_open or self._profile.client_ids is ClientIds.ALWAYS):
            raise VenueReject(
                RejectReason.DUPLICATE_CLIENT_ID,
                f"An order with the client id {client_order_id} exists already.",
            )

    def _check_reduce_only(self, request: PlaceOrder) -> None:
        if not request.reduce_only:
            return
        reducible = self._ledger.holding(request.symbol).reducible(request.side)
        if not reducible:
            raise VenueReject(
                RejectReason.REDUCE_ONLY_WOULD_INCREASE,
                f"No {request.symbol} position that a {request.side.value} order would reduce.",
            )
        if not self._profile.counts_reduce_only:
            return
        taken = sum(
            (
                order.leaves_quantity
                for order in self._ledger.orders_of(request.symbol)
                if order.reduce_only
                and order.side is request.side
                and order.create_type is not CreateType.STOP_LOSS
            ),
            _ZERO,
        )
        if taken + request.quantity > reducible:
            raise VenueReject(
                RejectReason.REDUCE_ONLY_TAKEN,
                f"Resting reduce-only orders hold {taken:f} of the {request.symbol} position.",
            )

    def _check_margin(self, symbol: str, side: Side, quantity: Decimal, price: Decimal) -> None:
        """What would open something needs its margin, and the fee of opening it."""
        holding = self._ledger.holding(symbol)
        opening = max(_ZERO, quantity - holding.reducible(side)) * price
        needed = opening / holding.leverage + opening * _FEE_RESERVE
        available = self._ledger.available(self._state.price)
        if opening and needed > available:
            raise VenueReject(
                RejectReason.INSUFFICIENT_BALANCE,
                f"The order needs {needed:.2f} USDT; {available:.2f} are available.",
            )

    def _check_amendment(self, order: VenueOrder, changes: dict[str, Any]) -> None:
        instrument = self._instrument(order.symbol)
        quantity: Decimal = changes.get("quantity") or order.quantity
        price: Decimal | None = changes.get("price") or order.price
        if "price" in changes:
            if order.order_type is not OrderType.LIMIT or price is None:
                raise VenueReject(RejectReason.BAD_PARAMETER, "A market order has no price.")
            check_price(price, instrument, "price")
        if "quantity" in changes:
            if order.is_protection:
                raise VenueReject(
                    RejectReason.BAD_PARAMETER, "Protection has the size of its position."
                )
            check_quantity(quantity, instrument)
            if quantity <= order.filled_quantity:
                raise VenueReject(
                    RejectReason.QUANTITY_TOO_SMALL,
                    f"{order.filled_quantity:f} of the order are filled already.",
                )
        last_price = self._last_price(order.symbol)
        if "trigger_price" in changes:
            if order.status is not VenueOrderStatus.UNTRIGGERED or not changes["trigger_price"]:
                raise VenueReject(
                    RejectReason.BAD_PARAMETER, "Only an untriggered order has a trigger to amend."
                )
            check_price(changes["trigger_price"], instrument, "trigger price")
            check_trigger(changes["trigger_price"], order.trigger_direction, last_price)
        base_price = price or last_price
        check_protection(
            order.side, base_price, changes.get("stop_loss"), changes.get("take_profit"), instrument
        )
        if not order.reduce_only:
            check_notional(quantity * base_price, instrument)
            if order.status is not VenueOrderStatus.UNTRIGGERED:
                more = (quantity - order.filled_quantity) * base_price - (
                    order.leaves_quantity * (order.price or base_price)
                )
                self._check_margin(order.symbol, order.side, more / base_price, base_price)
