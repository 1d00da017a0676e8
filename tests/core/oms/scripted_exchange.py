"""A small exchange behind the trading port: its books are the truth that tests compare with.

It does what real ones do to people: loses acknowledgements, loses requests, admits them late,
answers queries from a lagging index, repeats and withholds stream messages. With a `path` its
books outlive the process.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec

from core.clock import Clock
from core.exchange_port import (
    DuplicateOrder,
    ExchangeListener,
    OutcomeUnknown,
    RequestRejected,
    Unavailable,
)
from core.models.fills import Fill, FillKind
from core.models.orders import (
    Order,
    OrderPurpose,
    OrderRequest,
    OrderStatus,
    OrderType,
    Side,
)
from core.models.positions import Balance, Position

ACCOUNT = "demo"
DEPOSIT = Decimal(25000)
FEE_RATE = Decimal("0.0006")


class Books(msgspec.Struct):
    orders: list[Order] = []
    fills: list[Fill] = []
    requests: list[str] = []  # the client id of every request that arrived
    accepted_s: dict[str, float] = {}
    next_id: int = 1


class ScriptedExchange:
    """`script` holds what becomes of the next requests: "ack", "lost_ack", "lost_request",
    "late" (admitted when `admit_late` is called), "slow", or an exception to raise."""

    account = ACCOUNT
    exchange = "bybit"

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        self.clock = clock
        self.path = path
        self.script: deque[str | Exception] = deque()
        self.cancel_script: deque[str | Exception] = deque()
        self.amend_script: deque[str | Exception] = deque()
        self.stop_script: deque[str | Exception] = deque()
        self.stops: dict[str, tuple[Decimal | None, Decimal | None]] = {}
        self.index_lag_s = 0.0
        self.is_readable = True
        self.is_blank = False  # reads are answered, and there is nothing in them
        self.fills_at_once = True
        self.price = Decimal(100)
        self.outbox: deque[Order | Fill] = deque()
        self.late: list[OrderRequest] = []
        self.asked: list[str] = []
        self.on_accepted: Callable[[], None] = lambda: None
        self.books = Books()
        if path is not None and path.exists():
            self.books = msgspec.json.decode(path.read_bytes(), type=Books)

    # --- the port ---------------------------------------------------------------------------

    async def start_trading(self, listener: ExchangeListener) -> None:
        raise AssertionError("tests deliver messages themselves")

    async def place_order(self, request: OrderRequest) -> str:
        step = self.script.popleft() if self.script else "ack"
        self.books.requests.append(request.client_order_id)
        self._save()
        if isinstance(step, Exception):
            raise step
        if step == "lost_request":
            raise OutcomeUnknown("timed out")
        if step == "late":
            self.late.append(request)
            raise OutcomeUnknown("timed out")
        if step == "slow":
            for _ in range(5):
                await asyncio.sleep(0)
        exchange_order_id = self._admit(request)
        self.on_accepted()
        if step == "lost_ack":
            raise OutcomeUnknown("timed out")
        return exchange_order_id

    async def cancel_order(self, symbol: str, client_order_id: str, exchange_order_id: str) -> None:
        step = self.cancel_script.popleft() if self.cancel_script else "ack"
        if isinstance(step, Exception):
            raise step
        order = self._order(client_order_id, exchange_order_id)
        if order is None or order.status.is_terminal:
            raise RequestRejected("order not exists or too late to cancel", "110001")
        self.end(order, OrderStatus.CANCELLED)
        if step == "lost_ack":
            raise OutcomeUnknown("timed out")

    async def amend_order(
        self,
        symbol: str,
        client_order_id: str,
        exchange_order_id: str,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
    ) -> None:
        step = self.amend_script.popleft() if self.amend_script else "ack"
        if isinstance(step, Exception):
            raise step
        if step == "lost_request":
            raise OutcomeUnknown("timed out")
        order = self._order(client_order_id, exchange_order_id)
        if order is None or order.status.is_terminal:
            raise RequestRejected("order not exists or too late to replace", "110001")
        terms = {"quantity": quantity or order.quantity, "price": price or order.price}
        self._replace(msgspec.structs.replace(order, **terms))
        if step == "lost_ack":
            raise OutcomeUnknown("timed out")

    async def fetch_order(self, symbol: str, client_order_id: str) -> Order | None:
        self._read()
        self.asked.append(client_order_id)
        order = self._order(client_order_id, "")
        if order is None or self.is_blank:
            return None
        accepted_s = self.books.accepted_s[client_order_id]
        return order if self.clock.monotonic_s() >= accepted_s + self.index_lag_s else None

    async def fetch_open_orders(self) -> list[Order]:
        self._read()
        working = [order for order in self.books.orders if not order.status.is_terminal]
        return [] if self.is_blank else working

    async def fetch_positions(self) -> list[Position]:
        self._read()
        symbols = [] if self.is_blank else sorted({fill.symbol for fill in self.books.fills})
        positions = [self.position(symbol) for symbol in symbols]
        return [position for position in positions if not position.is_flat]

    async def fetch_balance(self) -> Balance:
        self._read()
        wallet = DEPOSIT + sum((fill.cash_flow for fill in self.books.fills), Decimal(0))
        return Balance(ACCOUNT, "USDT", wallet, wallet, wallet, self.clock.time_ms())

    async def fetch_fills(self, start_ms: int) -> list[Fill]:
        self._read()
        if self.is_blank:
            return []
        return [fill for fill in self.books.fills if fill.time_ms >= start_ms]

    async def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        pass

    async def set_protection(
        self, symbol: str, stop_loss: Decimal | None, take_profit: Decimal | None
    ) -> None:
        step = self.stop_script.popleft() if self.stop_script else "ack"
        if isinstance(step, Exception):
            raise step
        if step == "ignored":
            return
        before = self.stops.get(symbol, (None, None))
        self.stops[symbol] = (stop_loss or before[0], take_profit or before[1])
        if step == "lost_ack":
            raise OutcomeUnknown("timed out")

    async def stop(self) -> None:
        pass

    # --- the exchange's own doings ----------------------------------------------------------

    def admit_late(self) -> None:
        """Requests that were under way arrive now."""
        while self.late:
            self._admit(self.late.pop(0))

    def fill(
        self,
        order: Order,
        quantity: Decimal,
        *,
        price: Decimal | None = None,
        exchange_purpose: str = "",
    ) -> Fill:
        """Execute part of an order; the messages wait in the outbox, execution last."""
        order = self._order("", order.exchange_order_id) or order
        price = self.price if price is None else price
        position = self.position(order.symbol)
        closed = Decimal(0)
        if not position.is_flat and position.side is not order.side:
            closed = min(quantity, position.quantity)
        fill = Fill(
            trade_id=f"t{self._new_id()}",
            exchange_order_id=order.exchange_order_id,
            client_order_id=order.client_order_id,
            account=ACCOUNT,
            bot_id="",
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            price=price,
            fee=quantity * price * FEE_RATE,
            time_ms=self._tick(),
            realized_pnl=closed * (price - position.entry_price) * position.side.sign,
            closed_quantity=closed,
            exchange_purpose=exchange_purpose,
        )
        self.books.fills.append(fill)
        own = [f for f in self.books.fills if f.exchange_order_id == order.exchange_order_id]
        value = sum((f.quantity * f.price for f in own), Decimal(0))
        filled = sum((f.quantity for f in own), Decimal(0))
        status = order.status if order.status.is_terminal else OrderStatus.PARTLY_FILLED
        self._replace(
            msgspec.structs.replace(
                order,
                filled_quantity=filled,
                average_price=value / filled,
                fee=order.fee + fill.fee,
                status=OrderStatus.FILLED if filled >= order.quantity else status,
            )
        )
        self.outbox.append(fill)
        self._save()
        return fill

    def end(self, order: Order, status: OrderStatus) -> None:
        order = self._order("", order.exchange_order_id) or order
        if order.status.is_terminal:
            return
        self._replace(msgspec.structs.replace(order, status=status))
        self._save()

    def place_by_hand(self, symbol: str, side: Side, quantity: Decimal, **terms: object) -> Order:
        """Somebody else's order, or a stop that the exchange made."""
        now_ms = self._tick()
        order = Order(
            client_order_id="",
            exchange_order_id=f"e{self._new_id()}",
            account=ACCOUNT,
            bot_id="",
            symbol=symbol,
            side=side,
            order_type=OrderType.LIMIT,
            quantity=quantity,
            status=OrderStatus.ACKNOWLEDGED,
            purpose=OrderPurpose.EXTERNAL,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        order = msgspec.structs.replace(order, **terms)
        self.books.orders.append(order)
        self.outbox.append(order)
        self._save()
        return order

    def order(self, client_order_id: str) -> Order:
        (found,) = [o for o in self.books.orders if o.client_order_id == client_order_id]
        return found

    def position(self, symbol: str) -> Position:
        signed, cost = Decimal(0), Decimal(0)
        for fill in self.books.fills:
            if fill.symbol != symbol or fill.kind is not FillKind.TRADE:
                continue
            change = fill.quantity * fill.side.sign
            entry = cost / signed if signed else fill.price
            is_closing = signed * change < 0
            rest = signed + change
            if is_closing and signed * rest < 0:
                cost = rest * fill.price  # flipped through zero
            else:
                cost += change * (entry if is_closing else fill.price)
            signed = rest
        return Position(
            account=ACCOUNT,
            symbol=symbol,
            side=Side.BUY if signed >= 0 else Side.SELL,
            quantity=abs(signed),
            entry_price=cost / signed if signed else Decimal(0),
            updated_ms=self.clock.time_ms(),
            mark_price=self.price,
            stop_loss=self.stops.get(symbol, (None, None))[0] if signed else None,
            take_profit=self.stops.get(symbol, (None, None))[1] if signed else None,
        )

    # --- inside -----------------------------------------------------------------------------

    def _admit(self, request: OrderRequest) -> str:
        if self._order(request.client_order_id, "") is not None:
            raise DuplicateOrder("duplicate client id", "110072")
        now_ms = self._tick()
        order = Order(
            client_order_id=request.client_order_id,
            exchange_order_id=f"e{self._new_id()}",
            account=ACCOUNT,
            bot_id="",
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            quantity=request.quantity,
            status=OrderStatus.ACKNOWLEDGED,
            purpose=OrderPurpose.EXTERNAL,  # an adapter knows no better
            created_ms=now_ms,
            updated_ms=now_ms,
            price=request.price,
            reduce_only=request.reduce_only,
        )
        self.books.orders.append(order)
        self.books.accepted_s[request.client_order_id] = self.clock.monotonic_s()
        self.outbox.append(order)
        if request.order_type is OrderType.MARKET and self.fills_at_once:
            self.fill(order, request.quantity)
        self._save()
        return order.exchange_order_id

    def _order(self, client_order_id: str, exchange_order_id: str) -> Order | None:
        for order in self.books.orders:
            if exchange_order_id and order.exchange_order_id == exchange_order_id:
                return order
            if client_order_id and order.client_order_id == client_order_id:
                return order
        return None

    def _replace(self, order: Order) -> None:
        order = msgspec.structs.replace(order, updated_ms=self._tick())
        self.books.orders = [
            order if known.exchange_order_id == order.exchange_order_id else known
            for known in self.books.orders
        ]
        self.outbox.append(order)

    def _tick(self) -> int:
        newest = max((order.updated_ms for order in self.books.orders), default=0)
        return max(newest + 1, self.clock.time_ms())

    def _new_id(self) -> int:
        self.books.next_id += 1
        return self.books.next_id

    def _read(self) -> None:
        if not self.is_readable:
            raise Unavailable("connection lost")

    def _save(self) -> None:
        if self.path is not None:
            draft = self.path.with_suffix(".draft")
            draft.write_bytes(msgspec.json.encode(self.books))
            draft.replace(self.path)
