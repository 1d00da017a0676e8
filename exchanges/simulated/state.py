"""What matching, accounts and the venue share: the books, the time reached, the changes so far.

Every change of an order, execution, position or wallet goes through here once, so that storing it
and telling about it cannot differ. Nothing is told before it is committed.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from core.models.orders import Side
from exchanges.simulated.holding import AccountBooks
from exchanges.simulated.ledger import Ledger
from exchanges.simulated.market import Level, Market
from exchanges.simulated.store import Changes, VenueStore
from exchanges.simulated.symbol_orders import SymbolOrders
from exchanges.simulated.values import (
    Executed,
    Execution,
    OrderChanged,
    PositionChanged,
    Traded,
    VenueEvent,
    VenueOrder,
    WalletChanged,
)

_BOOK_DEPTH = 50  # levels an order can walk


class VenueState:
    """`now_ms` is the market time processed so far; `ledgers` by account, `orders` by symbol."""

    def __init__(self, market: Market, store: VenueStore, time_ms: int) -> None:
        """`time_ms` is where new books start. Raises BooksMismatch when the store holds another
        market's books."""
        store.adopt_market(market.identity)
        self.market = market
        self.store = store
        self.listeners: list[Callable[[VenueEvent], None]] = []
        reached = store.fact("reached_ms")
        self.now_ms = time_ms if reached is None else int(reached)
        self.ledgers = {books.name: Ledger(books, market.instruments) for books in store.accounts()}
        self.orders = {
            symbol: SymbolOrders(instrument) for symbol, instrument in market.instruments.items()
        }
        for order in store.open_orders():
            self._file(order)
        self._sequence = int(store.fact("sequence") or 0)
        self._identity = market.identity
        self._changes = Changes()
        self._events: list[VenueEvent] = []
        self._touched: dict[tuple[str, str], None] = {}  # (account, symbol), in order
        self._taken: dict[str, tuple[int, dict[Decimal, Decimal]]] = {}

    # -- changes ------------------------------------------------------------------------------

    def next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence

    def new_id(self, sequence: int) -> str:
        """Looks like the random ids exchanges give, but is the same in every run."""
        digest = hashlib.blake2b(f"{self._identity}/{sequence}".encode(), digest_size=16).digest()
        return str(uuid.UUID(bytes=digest, version=4))

    def open_account(self, name: str, deposit: Decimal) -> Ledger:
        books = AccountBooks(name, deposits=deposit, wallet_balance=deposit)
        ledger = self.ledgers[name] = Ledger(books, self.market.instruments)
        self._changes.accounts[name] = books
        return ledger

    def record(self, order: VenueOrder) -> VenueOrder:
        """Take over a new or changed order."""
        self._file(order)
        self._changes.orders[order.order_id] = order
        self._events.append(OrderChanged(order))
        return order

    def change(self, order: VenueOrder, **changes: Any) -> VenueOrder:
        """Record `order` with other values in some fields."""
        return self.record(
            msgspec.structs.replace(
                order, sequence=self.next_sequence(), updated_ms=self.now_ms, **changes
            )
        )

    def record_execution(self, execution: Execution) -> None:
        self._changes.executions.append(execution)
        self._events.append(Executed(execution))

    def newest(self, order: VenueOrder) -> VenueOrder:
        """An order as it is after the changes since the last commit."""
        return self._changes.orders.get(order.order_id, order)

    def touch(self, account: str, symbol: str = "") -> None:
        """The wallet, and with `symbol` that position, changed: told once per commit, as it is
        then."""
        self._touched[account, symbol] = None
        if symbol:
            self.ledgers[account].holding(symbol).sequence = self._sequence

    def tell(self, event: Traded) -> None:
        self._events.append(event)

    @property
    def has_changes(self) -> bool:
        changes = self._changes
        return bool(changes.orders or changes.executions or changes.accounts or self._touched)

    def commit(self, facts: dict[str, str]) -> None:
        """Write everything in one transaction, then tell the listeners in order."""
        events, changes = self._events, self._changes
        for account, symbol in self._touched:
            ledger = self.ledgers[account]
            changes.accounts[account] = ledger.books
            if symbol:
                events.append(PositionChanged(ledger.position(symbol, self.price)))
        for account in dict.fromkeys(name for name, _ in self._touched):
            events.append(WalletChanged(self.ledgers[account].wallet(self.price, self.now_ms)))
        changes.facts = facts | {"reached_ms": str(self.now_ms), "sequence": str(self._sequence)}
        self.store.write(changes)
        self._changes, self._touched = Changes(), {}
        self.tell_events()

    def tell_events(self) -> None:
        """Send what is pending; without a commit that may only be public trades."""
        events, self._events = self._events, []
        for event in events:
            for listener in self.listeners:
                listener(event)

    def _file(self, order: VenueOrder) -> None:
        self.ledgers[order.account].put(order)
        self.orders[order.symbol].put(order)

    # -- the market at the time reached -------------------------------------------------------

    def price(self, symbol: str) -> Decimal:
        """Last price. Raises LookupError before the symbol's first trade."""
        tick = self.market.last_tick(symbol, self.now_ms)
        if tick is None:
            raise LookupError(f"{symbol} has not traded yet.")
        return tick.price

    def depth(self, symbol: str, taker: Side) -> list[Level]:
        """What the market offers a taker, best first, less what was taken since its last trade
        (until then the market's book stands still)."""
        book = self.market.order_book(symbol, self.now_ms, _BOOK_DEPTH)
        taken = self._taken_since_last_trade(symbol)
        return [
            Level(price, quantity - taken.get(price, Decimal(0)))
            for price, quantity in (book.asks if taker is Side.BUY else book.bids)
        ]

    def take(self, symbol: str, price: Decimal, quantity: Decimal) -> None:
        taken = self._taken_since_last_trade(symbol)
        taken[price] = taken.get(price, Decimal(0)) + quantity

    def _taken_since_last_trade(self, symbol: str) -> dict[Decimal, Decimal]:
        tick = self.market.last_tick(symbol, self.now_ms)
        last_trade_ms = tick.time_ms if tick else 0
        kept = self._taken.get(symbol)
        if kept is None or kept[0] != last_trade_ms:
            kept = self._taken[symbol] = (last_trade_ms, {})
        return kept[1]
