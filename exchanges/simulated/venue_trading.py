"""One account of a venue as the trading half of the port: the venue's answers in the port's
words, its events as a private stream. Paper trading and the simulated exchange share it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from core.exchange_port import (
    DuplicateOrder,
    ExchangeListener,
    OutcomeUnknown,
    RequestRejected,
    Unavailable,
)
from core.models.fills import Fill
from core.models.orders import Order, OrderRequest, OrderType, Side
from core.models.positions import Balance, Position
from exchanges.simulated.account import Account
from exchanges.simulated.values import (
    Executed,
    OrderChanged,
    PlaceOrder,
    PositionChanged,
    RejectReason,
    TriggerDirection,
    VenueEvent,
    VenueReject,
    WalletChanged,
)
from exchanges.simulated.venue import Venue

log = logging.getLogger(__name__)

_FILL_PAGE = 500
_NOT_MODIFIED = frozenset(
    {RejectReason.LEVERAGE_NOT_MODIFIED, RejectReason.PROTECTION_NOT_MODIFIED}
)
Answer = TypeVar("Answer")
Model = TypeVar("Model")


class VenueTrading:
    """`TradingPort` but for its start and stop: a subclass opens a venue's account and closes it.

    While none is open, reads raise Unavailable and instructions RequestRejected.
    """

    def __init__(self, account: str) -> None:
        self._account_name = account
        self._account: Account | None = None
        self._venue: Venue | None = None
        self._relay: _Relay | None = None

    @property
    def account(self) -> str:
        return self._account_name

    async def place_order(self, request: OrderRequest) -> str:
        is_stop = request.order_type is OrderType.STOP_MARKET
        direction = TriggerDirection.NONE
        if is_stop:
            is_buy = request.side is Side.BUY
            direction = TriggerDirection.RISING if is_buy else TriggerDirection.FALLING
        order = PlaceOrder(
            symbol=request.symbol,
            side=request.side,
            order_type=OrderType.MARKET if is_stop else request.order_type,
            quantity=request.quantity,
            price=None if is_stop else request.price,
            time_in_force=request.time_in_force,
            client_order_id=request.client_order_id,
            reduce_only=request.reduce_only,
            trigger_price=request.price if is_stop else None,
            trigger_direction=direction,
            stop_loss=request.stop_loss,
            take_profit=request.take_profit,
        )
        placed = await self._instruct(lambda account: account.place_order(order).order_id)
        return str(placed)

    async def cancel_order(self, symbol: str, client_order_id: str, exchange_order_id: str) -> None:
        await self._instruct(
            lambda account: account.cancel_order(
                symbol,
                order_id=exchange_order_id,
                client_order_id="" if exchange_order_id else client_order_id,
            )
        )

    async def amend_order(
        self,
        symbol: str,
        client_order_id: str,
        exchange_order_id: str,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
    ) -> None:
        await self._instruct(
            lambda account: account.amend_order(
                symbol,
                order_id=exchange_order_id,
                client_order_id="" if exchange_order_id else client_order_id,
                quantity=quantity,
                price=price,
            )
        )

    async def fetch_order(self, symbol: str, client_order_id: str) -> Order | None:
        found = await self._ask(
            lambda account: account.order(client_order_id=client_order_id, symbol=symbol)
        )
        return None if found is None else found.to_order(self._account_name)

    async def fetch_open_orders(self) -> list[Order]:
        found = await self._ask(Account.open_orders)
        return [order.to_order(self._account_name) for order in found]

    async def fetch_positions(self) -> list[Position]:
        found = await self._ask(Account.positions)
        return [core_part(Position, position) for position in found]

    async def fetch_balance(self) -> Balance:
        return core_part(Balance, await self._ask(Account.wallet))

    async def fetch_fills(self, start_ms: int) -> list[Fill]:
        fills: list[Fill] = []
        cursor = ""
        while True:
            question = partial(
                Account.executions, start_ms=start_ms, limit=_FILL_PAGE, cursor=cursor
            )
            page = await self._ask(question)
            fills += [core_part(Fill, execution) for execution in page.items]
            cursor = page.next_cursor
            if not cursor:
                return fills[::-1]

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        await self._instruct(lambda account: account.set_leverage(symbol, leverage))

    async def set_protection(
        self, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        if stop_loss is None and take_profit is None:
            return
        await self._instruct(
            lambda account: account.set_protection(
                symbol, stop_loss=stop_loss, take_profit=take_profit
            )
        )

    # ---- for subclasses

    def _open_account(self, venue: Venue) -> None:
        """Requests are answered from now on."""
        self._venue = venue
        self._account = venue.account(self._account_name)

    def _open_stream(self, listener: ExchangeListener) -> None:
        """The account's events go to `listener` from now on."""
        assert self._venue is not None
        self._close_stream()
        self._relay = _Relay(listener, self._account_name)
        self._venue.on_event.append(self._relay.post)

    def _close_stream(self) -> None:
        """Nothing more is told, not even what has happened already."""
        if self._venue is not None and self._relay is not None:
            self._relay.is_open = False
            self._venue.on_event.remove(self._relay.post)
        self._relay = None

    def _close_account(self) -> None:
        """Stream and requests; the venue itself belongs to whoever made it."""
        self._close_stream()
        self._venue = self._account = None

    async def _instruct(self, action: Callable[[Account], Answer]) -> Answer | None:
        """Carry an instruction to the account and its answer back."""
        return self._act(action)

    async def _ask(self, question: Callable[[Account], Answer]) -> Answer:
        """Carry a question to the account and its answer back."""
        return self._answer(question)

    def _act(self, action: Callable[[Account], Answer]) -> Answer | None:
        """What "not modified" refuses is as asked already. Raises RequestRejected,
        DuplicateOrder, OutcomeUnknown (the books' disk failed)."""
        if self._account is None:
            raise RequestRejected(f"The account {self._account_name} is not open.")
        try:
            return action(self._account)
        except VenueReject as refusal:
            if refusal.reason in _NOT_MODIFIED:
                return None
            kind = (
                DuplicateOrder
                if refusal.reason is RejectReason.DUPLICATE_CLIENT_ID
                else RequestRejected
            )
            raise kind(refusal.text, refusal.reason.value) from None
        except LookupError as fault:
            raise RequestRejected(f"There is no price yet: {fault}") from fault
        except (OSError, sqlite3.Error) as fault:
            raise OutcomeUnknown(f"The books could not be written: {fault}.") from fault

    def _answer(self, question: Callable[[Account], Answer]) -> Answer:
        """Raises Unavailable."""
        if self._account is None:
            raise Unavailable(f"The account {self._account_name} is not open.")
        try:
            return question(self._account)
        except LookupError as fault:  # a held symbol that the exchange no longer quotes
            raise Unavailable(f"There is no price yet: {fault}") from fault
        except (OSError, sqlite3.Error) as fault:
            raise Unavailable(f"The books could not be read: {fault}.") from fault


class _Relay:
    """The venue's events as a private stream."""

    def __init__(self, listener: ExchangeListener, account: str) -> None:
        self.is_open = True
        self._listener = listener
        self._account = account
        self._loop = asyncio.get_running_loop()

    def post(self, event: VenueEvent) -> None:
        """Later, not at once: a listener never finds itself inside the venue."""
        self._loop.call_soon(self._deliver, event)

    def _deliver(self, event: VenueEvent) -> None:
        if not self.is_open:
            return
        account, listener = self._account, self._listener
        try:
            match event:
                case OrderChanged(order) if order.account == account:
                    listener.on_order(order.to_order(account))
                case Executed(execution) if execution.account == account:
                    listener.on_fill(core_part(Fill, execution))
                case PositionChanged(position) if position.account == account:
                    listener.on_position(core_part(Position, position))
                case WalletChanged(wallet) if wallet.account == account:
                    listener.on_balance(core_part(Balance, wallet))
        except Exception:  # the listener's fault is its own; the next event is still delivered
            log.exception("a listener failed on %s", type(event).__name__)


def core_part(model: type[Model], value: Any) -> Model:
    """The core's part of a venue's value, which extends it."""
    return model(**{name: getattr(value, name) for name in model.__struct_fields__})  # type: ignore[attr-defined]
